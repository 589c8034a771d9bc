"""What leads from the spikes of one layer to the currents of the next, one file per kind.

A layer's connection is a chain of maps, of which exactly one has weights::

    (AvgPool2d(2), Conv2d(32, 5))    (Flatten(), Dense(10))    (Conv2d(8, 3, padding=1), Skip(1))

Rule 1: arrays stay flat, (rows, n); an image (channels, height, width) is flattened row-major, and
        each map knows the shape that comes in.
Rule 2: calling a map is its value, written in what the tape knows; `transpose` and `weight_grad`
        are its derivatives by hand, on arrays only.
Rule 3: no Python loop over recordings, channels or pixels.
"""

from refsast.model.connections.chain import Chain, Connection
from refsast.model.connections.conv2d import Conv2d
from refsast.model.connections.dense import Dense
from refsast.model.connections.flatten import Flatten
from refsast.model.connections.pool2d import AvgPool2d, MaxPool2d
from refsast.model.connections.skip import Skip

__all__ = ["AvgPool2d", "Chain", "Connection", "Conv2d", "Dense", "Flatten", "MaxPool2d", "Skip"]
