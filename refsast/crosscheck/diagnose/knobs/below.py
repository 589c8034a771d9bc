"""What a layer gives to its input, from which the layer below is computed, with its knobs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.dials import Dials, mix, multiply, shift_steps, trace_steps
from refsast.crosscheck.diagnose.knobs.forward import (
    DELAYS,
    TRACED,
    residual_share,
)
from refsast.crosscheck.diagnose.knobs.layer_numbers import (
    trace_leak,
)
from refsast.crosscheck.diagnose.knobs.sums import pair_steps
from refsast.crosscheck.diagnose.knobs.weights import backward_weights
from refsast.crosscheck.diagnose.knobs.windows import split_copies

UPDATED = "weights updated backward"
AVERAGED = "layer path averaged over steps"
AVERAGED_BATCH = "layer path averaged over recordings"
LIMITED = "layer path clipped"
PASSED_ON = "layer path added to what comes from above"
# Which neuron of the layer below receives nothing.
MISSED = {"layer path without the last neuron": -1, "layer path without the first neuron": 0}


@dataclass(frozen=True, eq=False)
class Currents:
    """What the input of a layer receives is computed from.

    Attributes
    ----------
    own : (time, K, batch, n) array
        dL/d(what arrives at the layer).
    received : (time, K, batch, n) array
        What its spikes receive from above, which may be passed on by mistake.
    local : (time, K, batch, n) array
        The part of `own` that comes through the spike of the same step.
    copies : int
        How often the batch is in them, once for each window that overlaps others.
    """

    own: Array
    received: Array
    local: Array
    copies: int = 1


def input_gradient(
    case: Case, index: int, dials: Dials, currents: Currents, a: Array | None = None
) -> Array:
    """Return what the layer's input `a` receives."""
    layer, current = case.params[index], currents.own
    current = mix(dials, index, current, {"layer path of the spike's part": currents.local})
    others = {"signs of the weights backward": lambda: current @ np.sign(layer.w)}
    if layer.w.shape[0] == layer.w.shape[1]:
        for name in ("transposed weight backward", "transposed weight"):
            others[name] = lambda: current @ layer.w.T
    w = backward_weights(dials, index, layer.w)
    if dials.turns(UPDATED, index) and a is not None:
        w = w - dials.read(UPDATED, index, 0.0) * pair_steps(current, a)
    below = mix(dials, index, multiply(dials, current, w), others)
    below = below * dials.read("weight gain", index, 1.0) * dials.read("layer path", index, 1.0)
    # An input that was late gives its gradient to an earlier step.
    below = mix(dials, index, below, undo_delays(below, trace_leak(case, index)))
    below = mix(dials, index, below, {name: _miss(below, at) for name, at in MISSED.items()})
    below = _limit(dials, index, below, currents.copies)
    share = residual_share(case, index + 1, dials) + dials.read(PASSED_ON, index, 0.0)
    return below + share * currents.received if isinstance(share, np.ndarray) else below


def undo_delays(below: Array, leak: float) -> dict[str, Callable[[], Array]]:
    """The transposes of the input's delays, and delays of the way back alone."""
    late = {name: partial(shift_steps, below, -steps) for name, steps in DELAYS.items()}
    return {
        **late,
        AVERAGED: lambda: below.mean(axis=0, keepdims=True),
        TRACED: lambda: trace_steps(below[::-1], leak)[::-1],
        "input reversed": lambda: below[::-1],
        "layer path one step later": lambda: shift_steps(below, -1),
        "layer path one step earlier": lambda: shift_steps(below, 1),
        "layer path reversed": lambda: below[::-1],
    }


def _limit(dials: Dials, index: int, below: Array, copies: int) -> Array:
    """What a layer gives to its input, averaged over recordings, or clipped."""

    def average() -> Array:
        parts = split_copies(below, copies)
        mean = parts.mean(axis=-2, keepdims=True)
        return np.broadcast_to(mean, parts.shape).reshape(below.shape)

    below = mix(dials, index, below, {AVERAGED_BATCH: average})
    if not dials.turns(LIMITED, index):
        return below
    limit = dials.read(LIMITED, index, np.inf)
    return np.clip(below, -limit, limit)


def _miss(below: Array, neuron: int) -> Callable[[], Array]:
    """What all neurons receive but one."""
    n = below.shape[-1]
    return lambda: np.where(np.arange(n) == neuron % n, 0.0, below)
