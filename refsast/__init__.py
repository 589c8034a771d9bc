"""Sharpness Aware Surrogate Training for spiking neural networks, in NumPy.

Start with ``refsast.run`` (a network through time), ``refsast.reference`` and ``refsast.fast`` (two
gradients, one signature), ``refsast.sam`` and ``refsast.train``; ``python -m refsast --help`` does
the rest without a line of code.
"""

from refsast.data import (
    Events,
    bin_events,
    load_nmnist,
    read_events,
    synthetic_digits,
    write_events,
)
from refsast.experiment import (
    PRESETS,
    Config,
    Epoch,
    Run,
    Scores,
    Setting,
    compare,
    evaluate,
    read_run,
    train,
)
from refsast.gradient import fast, reference, rounding
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
from refsast.spikes import Spikes, as_spikes

__all__ = [
    "LIF",
    "PRESETS",
    "Algebraic",
    "Arctan",
    "Config",
    "Epoch",
    "Events",
    "FastSigmoid",
    "Layer",
    "LeakyReadout",
    "LinearReadout",
    "Logistic",
    "Network",
    "NoReset",
    "Params",
    "PiecewiseQuadratic",
    "Run",
    "Scores",
    "Setting",
    "SpikeRate",
    "Spikes",
    "Subtract",
    "ToZero",
    "Trace",
    "as_spikes",
    "bin_events",
    "compare",
    "descent",
    "evaluate",
    "fast",
    "flatten",
    "heaviside",
    "init",
    "load_nmnist",
    "read_events",
    "read_run",
    "reference",
    "rounding",
    "run",
    "sam",
    "straight_through",
    "synthetic_digits",
    "train",
    "unflatten",
    "write_events",
]
