"""Sharpness Aware Surrogate Training for spiking neural networks, in NumPy.

Start with ``refsast.run`` (a network through time), ``refsast.reference`` and ``refsast.fast`` (two
gradients, one signature), ``refsast.sam`` and ``refsast.train``; ``python -m refsast --help`` does
the rest without a line of code.
"""

from refsast.gradient import fast, magnitude, reference
from refsast.gradient.fast import straight_through
from refsast.model import (
    LIF,
    Algebraic,
    Arctan,
    FastSigmoid,
    Layer,
    LeakyReadout,
    LinearReadout,
    Logistic,
    Network,
    NoReset,
    Params,
    PiecewiseQuadratic,
    SpikeRate,
    Subtract,
    ToZero,
    Trace,
    flatten,
    heaviside,
    init,
    run,
    unflatten,
)
from refsast.optim import descent, sam

__all__ = [
    "LIF",
    "Algebraic",
    "Arctan",
    "FastSigmoid",
    "Layer",
    "LeakyReadout",
    "LinearReadout",
    "Logistic",
    "Network",
    "NoReset",
    "Params",
    "PiecewiseQuadratic",
    "SpikeRate",
    "Subtract",
    "ToZero",
    "Trace",
    "descent",
    "fast",
    "flatten",
    "heaviside",
    "init",
    "magnitude",
    "reference",
    "run",
    "sam",
    "straight_through",
    "unflatten",
]
