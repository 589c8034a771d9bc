"""The equations of a network's layer, written for the arrays of any library.

Rule 1: of `refsast.model` only the records are used, not its formulas: this is a second
        writing, and its agreement with the first is evidence.
Rule 2: `xp` is the library's namespace, ``torch`` or ``jax.numpy``; arrays are of its kind.
"""

import math
from collections.abc import Callable
from types import ModuleType

from refsast.crosscheck.implementation import refuse_case
from refsast.model.lif import LIF
from refsast.model.reset import NoReset, Subtract, ToZero
from refsast.model.spike import Spike
from refsast.model.surrogate import (
    Algebraic,
    Arctan,
    FastSigmoid,
    Logistic,
    PiecewiseQuadratic,
    Surrogate,
)
from refsast.model.synapse import Synapse


def membrane_step(neuron: LIF, synapse: Synapse | None, u, s, i, current) -> tuple:
    """Return the next potential and synaptic current; `s` is the spike that the reset sees."""
    if synapse is None:
        return apply_reset(neuron, u, s) + current, current
    now = synapse.leak * i + current
    return apply_reset(neuron, u, s) + synapse.scale * (i if synapse.delayed else now), now


def apply_reset(neuron: LIF, u, s):
    """Return what the reset leaves of a potential `u` with spike `s`."""
    match neuron.reset:
        case ToZero():
            return neuron.leak * u * (1.0 - s)
        case Subtract(leaked=True):
            return neuron.leak * (u - neuron.threshold * s)
        case Subtract():
            return neuron.leak * u - neuron.threshold * s
        case NoReset():
            return neuron.leak * u


def smooth_spike(spike: Spike, xp: ModuleType) -> Callable:
    """Return one of the five smooth spikes as a function of arrays of any shape (DESIGN 4).

    Raises
    ------
    Unsupported
        If it is another.
    """
    if not isinstance(spike, Surrogate):
        raise refuse_case(f"spike must be one of the five families, got {spike!r}")
    k = spike.slope

    def mirror_tail(tail: Callable) -> Callable:
        """Extend the formula of the left tail: computed there, a small spike keeps its digits."""

        def whole(v):
            below = tail(xp.where(v < 0.0, -v, v))  # abs would have slope 0 at a tie
            return xp.where(v < 0.0, below, 1.0 - below)

        return whole

    def algebraic(distance):
        root = xp.sqrt(1.0 + (k * distance) ** 2)
        return 0.5 / (root * (root + k * distance))

    match spike:
        case Arctan():
            return lambda v: 0.5 + xp.arctan(0.5 * math.pi * k * v) / math.pi
        case Logistic():
            return mirror_tail(lambda d: xp.exp(-k * d) / (1.0 + xp.exp(-k * d)))
        case Algebraic():
            return mirror_tail(algebraic)
        case FastSigmoid():
            return mirror_tail(lambda d: 0.5 / (1.0 + k * d))
        case PiecewiseQuadratic():
            return mirror_tail(lambda d: 0.5 * xp.clip(1.0 - k * d, 0.0) ** 2)
