"""What is done to the adjoint of a step before it goes on: clipped, rounded, shared, left out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.diagnose.knobs.dials import Dials, mix, shift_steps
from refsast.crosscheck.diagnose.knobs.forward import LayerRun
from refsast.crosscheck.diagnose.knobs.precision import half, round_bits, round_to_bits
from refsast.crosscheck.diagnose.knobs.resets import FIRST_RESETS
from refsast.crosscheck.diagnose.knobs.windows import map_run, split_copies

CLIPPED = "adjoint clipped at every step"
# A loop over steps that is one too short, or begins to learn only after some of them.
FIRST_ZERO, LAST_ZERO = "adjoint of the first step zero", "adjoint of the last step zero"
COUNT_ZERO, SHARE_ZERO = "{} of the first steps zero", "{} of a share of steps zero"
ADJOINTS, TERMS = "adjoints", "terms"  # of which that is said: of all that follows, or of sums
THROUGH_SLOPE = "leak path through the derivative"
PAST_SLOPE = "recurrent path past the derivative"
NOT_CLEARED = "gradient of the spike summed up over later steps"
GATE_AFTER = "reset factor of the step after backward"
GATE_BEFORE = "reset factor of the step before backward"
FORWARD_SCAN = "adjoints forward in time"
CUT_FIRED = "leak path cut where neurons fire"
SEEDED = "what comes from above at the last step carried into it"
SHARED_CARRY = "what is carried back averaged over recordings"
RESET_FIRED = "reset path where neurons fire alone"
BEHIND_TWO = "recurrent path one step late"
PENALTY_OF_U = "multiple of the potential added to adjoints"
HARD_BACKWARD = "hard spikes backward"
ADJOINT_ROUNDINGS: Mapping[str, Callable[[Array], Array]] = {
    "adjoints in half precision (float16)": half,
    "adjoints in bfloat16": lambda a: round_bits(a, 8),
}
# Multiples of 2 to the power of minus so many: to the nearest, and towards zero.
ADJOINT_GRIDS: Mapping[str, Callable[[Array], Array]] = {
    "adjoints rounded to a grid": np.round,
    "adjoints cut to a grid": np.trunc,
}


def keep_steps(dials: Dials, index: int, steps: int, what: str = ADJOINTS) -> Array | None:
    """Return whether a step has an adjoint, or a term, (time, K, 1, 1); None: every step has."""
    at = np.arange(steps).reshape(-1, 1, 1, 1)
    found = None
    ends = (
        (FIRST_ZERO, 0.0, lambda n: at >= n),
        (LAST_ZERO, 0.0, lambda n: at < steps - n),
    )
    for name, none, counts in (
        *(ends if what == ADJOINTS else ()),
        (COUNT_ZERO.format(what), 0.0, lambda n: at >= n),
        (SHARE_ZERO.format(what), np.inf, lambda n: at >= steps // n),
    ):
        if dials.turns(name, index):
            kept = np.where(counts(np.asarray(dials.read(name, index, none))), 1.0, 0.0)
            found = kept if found is None else found * kept
    return found


def begin_carry(dials: Dials, index: int, g: Array) -> Array | float:
    """Return what is carried into the last step, as its adjoint of the step after: usually 0."""
    return dials.read(SEEDED, index, 0.0) * g[-1]


def share_carry(dials: Dials, index: int, later: Array, copies: int) -> Array:
    """Return what is carried to the step before, by mistake the mean over recordings."""

    def average() -> Array:
        parts = split_copies(later, copies)
        mean = parts.mean(axis=-2, keepdims=True)
        return np.broadcast_to(mean, parts.shape).reshape(later.shape)

    return mix(dials, index, later, {SHARED_CARRY: average})


def pull_first(dials: Dials, index: int, back: Array, copies: int) -> Array:
    """Return what spikes receive through the reset: of all recordings the first one's, by mistake.

    `back` has so many copies of the batch.
    """

    def collect() -> Array:
        parts = split_copies(back, copies)
        found = np.zeros_like(parts)
        found[..., :1, :] = parts.sum(axis=-2, keepdims=True)
        return found.reshape(back.shape)

    return mix(dials, index, back, {FIRST_RESETS: collect})


def change_adjoint(dials: Dials, index: int, delta: Array, u: Array) -> Array:
    """Return the adjoint of a step as it is kept: with a penalty, in limits, of fewer digits."""
    if dials.turns(PENALTY_OF_U, index):
        delta = delta + dials.read(PENALTY_OF_U, index, 0.0) / u.shape[-2] * u
    if dials.turns(CLIPPED, index):
        limit = dials.read(CLIPPED, index, np.inf)
        delta = np.minimum(np.maximum(delta, -limit), limit)
    for name in [name for name in ADJOINT_GRIDS if dials.turns(name, index)]:
        delta = round_to_bits(dials.read(name, index, np.inf), delta, ADJOINT_GRIDS[name])
    others = {name: partial(change, delta) for name, change in ADJOINT_ROUNDINGS.items()}
    return mix(dials, index, delta, others)


def mirror_run(run: LayerRun) -> LayerRun:
    """Return a run with its steps in reversed order, as a scan sees it that is not reversed."""
    found = map_run(run, lambda a: a[::-1])
    return replace(found, before=shift_steps(found.u, 1), s_reset=shift_steps(found.s, 1))


def read_gate(dials: Dials, index: int, run: LayerRun, t: int) -> Array:
    """Return the spike of step t that a reset to zero multiplies by, as the way back reads it."""
    if t + 1 == len(run.s):  # of what comes from beyond the end there is nothing, unless by mistake
        return run.s[t]
    right = run.s_reset[t + 1]
    others = {
        HARD_BACKWARD: lambda: np.where(right >= 0.5, 1.0, 0.0),
        GATE_AFTER: lambda: run.s[t + 1],
        GATE_BEFORE: lambda: run.s_reset[t],
    }
    return mix(dials, index, right, others)


def cut_fired(dials: Dials, index: int, kept: Array, leak: Array | float, s: Array) -> Array:
    """Return the derivative of what is kept of a potential, where neurons fire or do not."""
    return mix(dials, index, kept, {CUT_FIRED: lambda: np.where(s > 0.5, 0.0, leak)})


def keep_fired(dials: Dials, index: int, back: Array, s: Array) -> Array:
    """Return what comes back through the reset, where neurons fire or do not."""
    return mix(dials, index, back, {RESET_FIRED: lambda: np.where(s > 0.5, back, 0.0)})


def reset_potentials(dials: Dials, index: int, run: LayerRun) -> Array:
    """Return the potentials that a reset to zero takes off, as the way back reads them."""
    others = {
        "reset path of the step after": lambda: run.u,
        "reset path of the last step": lambda: np.broadcast_to(run.u[-1:], run.u.shape),
        "reset path after the reset": lambda: run.before * (1.0 - run.s_reset),
    }
    return mix(dials, index, run.before, others)
