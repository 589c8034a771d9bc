"""THEORY 1: one neuron or one layer, a step or two, one term of a bound each."""

import numpy as np

import refsast as rs
from proofs_check.certified.constants import kappa, max_carry
from proofs_check.instances import LabelledBatch, TwoStartStates
from refsast.arrays import Array

STEEP = rs.Logistic(20.0)  # next to one, or to nothing, where the potential is 1 from threshold
NO_RESET = rs.LIF(0.0, 1.0, STEEP, rs.NoReset())
TO_ZERO = rs.LIF(0.0, 1.0, STEEP)
SMALL = 1e-4  # of a distance along which everything is straight


def one_layer(
    neuron: rs.LIF,
    x: Array,
    *,
    w: Array | float = 1.0,
    b: float | None = None,
    v: float | None = None,
) -> LabelledBatch:
    """Return one neuron that is driven by inputs, (time,) or (time, n_in), read out as it is."""
    x = np.reshape(np.asarray(x, float), (len(x), 1, -1))
    w = np.reshape(np.asarray(w, float), (1, -1))
    bias, recurrent = (None if value is None else np.array([value]) for value in (b, v))
    network = rs.Network(
        (w.size, 1), neuron, rs.SpikeRate(1.0), bias=b is not None, recurrent=v is not None
    )
    layer = rs.Layer(w, bias, None if recurrent is None else recurrent[:, None])
    return LabelledBatch(network, (layer,), x, np.zeros(1, np.int64))


def integrator() -> LabelledBatch:
    """Return a neuron that sums a constant current, and forgets a tenth of it at each step."""
    return one_layer(rs.LIF(0.9, 1.0, STEEP, rs.NoReset()), np.ones(60))


def reset_below_zero() -> LabelledBatch:
    """Return a neuron that fires, and is then both reset and driven downwards."""
    return one_layer(rs.LIF(0.0, 4.0, STEEP, rs.Subtract()), np.array([5.0, -5.0]))


def full_carry() -> LabelledBatch:
    """Return a neuron that is driven to where the reset leaves most, twice."""
    neuron = rs.LIF(0.9, 1.0, rs.Logistic(4.0))
    return one_layer(neuron, np.full(2, max_carry(neuron).point))


def two_states(
    neuron: rs.LIF, start: float, *, v: float | None = None, steps: int = 1
) -> TwoStartStates:
    """Return two states next to each other, of a neuron whose input holds it where it starts."""
    s = float(neuron.spike(np.array(start - neuron.threshold)))
    kept = float(neuron.reset(neuron.leak, neuron.threshold, np.array(start), np.array(s)))
    x = start - kept - (0.0 if v is None else v * s)
    layer = rs.Layer(np.ones((1, 1)), None, None if v is None else np.full((1, 1), v))
    at = np.full((1, 1), start)
    return TwoStartStates(neuron, layer, np.full((steps, 1, 1), x), at, at + SMALL)


def steepest_reset() -> TwoStartStates:
    """Return two states where a reset to zero changes fastest, next to threshold."""
    neuron = rs.LIF(0.9, 1.0, rs.Arctan(10.0))
    return two_states(neuron, kappa(neuron).point)


FLAT = rs.Arctan(1.0)
LEAKY = rs.LIF(0.9, 1.0, FLAT, rs.NoReset())
HALVED = (
    "A leaked reset takes away at most half of leak times threshold beyond the leak: below "
    "threshold a spike is at most 1/2, above it abs(u - threshold s) <= abs(u). So q is twice what "
    "is needed, and an instance in which q counts uses at most half of it."
)
_COMPACT = {
    "inputs": lambda: one_layer(NO_RESET, np.ones(1), b=1.0),
    "sum over inputs": lambda: one_layer(NO_RESET, np.ones((1, 2)), w=np.ones(2)),
    "recurrent spikes": lambda: one_layer(NO_RESET, np.full(2, 5.0), v=10.0, b=1.0),
    "bias": lambda: one_layer(NO_RESET, -np.ones(1), b=-1.0),
    "reset": reset_below_zero,
    "leaked reset": HALVED,
    "leak": integrator,
}
ATTAINED = {
    "1a": _COMPACT,
    "1a-by-step": _COMPACT,
    "1b": {
        "inputs": lambda: one_layer(TO_ZERO, np.ones((1, 2)), w=np.array([1.0, 2.0]), b=1.0),
        "negative inputs": lambda: one_layer(TO_ZERO, -np.ones(1), w=-1.0),
        "recurrent spikes": lambda: one_layer(TO_ZERO, np.full(2, 5.0), v=10.0, b=1.0),
        "bias": lambda: one_layer(TO_ZERO, np.ones(1), b=1.0),
        "what a reset leaves": full_carry,
    },
    "1c": {
        "leak": lambda: two_states(LEAKY, 1.0),
        "reset to zero, far below threshold": lambda: two_states(
            rs.LIF(0.9, 1.0, rs.Logistic(1.0)), -100.0
        ),
        "reset to zero, next to threshold": steepest_reset,
        "reset by subtraction": lambda: two_states(
            rs.LIF(0.5, 1.0, rs.Arctan(10.0), rs.Subtract()), 1.0
        ),
        "recurrent weights": lambda: two_states(LEAKY, 1.0, v=3.0),
        "one factor per step": lambda: two_states(LEAKY, 1.0, v=0.6, steps=8),
    },
    "1c-contraction": {
        "leak": lambda: two_states(LEAKY, 1.0),
        "recurrent weights": lambda: two_states(rs.LIF(0.3, 1.0, FLAT, rs.NoReset()), 1.0, v=1.0),
    },
}
