"""A layer's connection in integers: weights, and sums of windows in place of means.

Rule 1: a mean of integers is none, but its sum is. So an `AvgPool2d` of k places becomes a sum, k
        times the mean, and a unit of the last place of what follows is k times smaller. Thresholds
        and biases are on that finer grid; no weight changes.
"""

import math

import numpy as np
from numpy.typing import NDArray

from refsast.deploy.formats import Ints
from refsast.model.connections import AvgPool2d, Conv2d, Dense, Flatten
from refsast.model.connections.chain import Chain, row_blocks
from refsast.model.connections.windows import Shape
from refsast.model.network import Network

PARTS = (Dense, Conv2d, AvgPool2d, Flatten)


def require_parts(network: Network) -> None:
    """Raise unless all connections have a form in integers."""
    for i, chain in enumerate(network.chains, 1):
        for part in chain:
            if not isinstance(part, PARTS):
                names = ", ".join(kind.__name__ for kind in PARTS)
                raise ValueError(f"connections of layer {i} must be of {names}, got {part}")


def count_places(chain: Chain) -> tuple[int, int]:
    """Return the places of all windows that are summed before the weights, and after them."""
    at = next(i for i, part in enumerate(chain) if isinstance(part, Dense | Conv2d))
    before, after = (math.prod(map(_places, parts)) for parts in (chain[:at], chain[at + 1 :]))
    return before, after


def _places(part: object) -> int:
    if not isinstance(part, AvgPool2d):
        return 1
    kernel = part.kernel
    return kernel * kernel if isinstance(kernel, int) else math.prod(kernel)


def connect_integers(chain: Chain, shapes: list[Shape], w: Ints, b: Ints, a: Ints) -> Ints:
    """Return the currents (time, batch, n) of integer weights and biases, sums for means.

    Taken in double precision, in which integers below 2^53 and their sums are exact.
    """
    rows = a.reshape(-1, a.shape[-1])
    blocks = [
        _connect_rows(chain, shapes, w, b, rows[block])
        for block in row_blocks(chain, shapes, len(rows))
    ]
    return np.concatenate(blocks).reshape(*a.shape[:-1], -1)


def _connect_rows(chain: Chain, shapes: list[Shape], w: Ints, b: Ints, a: Ints) -> Ints:
    values: NDArray[np.float64] = a.astype(np.float64)
    for part, shape in zip(chain, shapes, strict=False):
        if isinstance(part, Dense | Conv2d):
            values = part(w.astype(np.float64), b.astype(np.float64), values, shape)
        elif isinstance(part, AvgPool2d):
            values = np.rint(part(values, shape) * _places(part))
        elif isinstance(part, Flatten):
            values = part(values, shape)
    return np.rint(values).astype(np.int64)
