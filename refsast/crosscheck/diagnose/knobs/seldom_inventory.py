"""Knobs on the way back that are tried last: steps left out, masks, other precision."""

from collections.abc import Iterator

from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.adjoints import (
    ADJOINT_GRIDS,
    ADJOINT_ROUNDINGS,
    ADJOINTS,
    BEHIND_TWO,
    COUNT_ZERO,
    CUT_FIRED,
    FORWARD_SCAN,
    GATE_BEFORE,
    NOT_CLEARED,
    PAST_SLOPE,
    PENALTY_OF_U,
    RESET_FIRED,
    SEEDED,
    SHARE_ZERO,
    SHARED_CARRY,
    TERMS,
    THROUGH_SLOPE,
)
from refsast.crosscheck.diagnose.knobs.backward import LAST_BARE, THROUGH_FIRST, THROUGH_W
from refsast.crosscheck.diagnose.knobs.below import AVERAGED, AVERAGED_BATCH, LIMITED, MISSED
from refsast.crosscheck.diagnose.knobs.derivatives import BATCH_MEAN, SLOPE_ROUNDINGS
from refsast.crosscheck.diagnose.knobs.finish import (
    LARGEST,
    LARGEST_OF_EACH,
    NORMED,
    PRUNED,
    SIGNED,
    SMALL_WEIGHTS,
)
from refsast.crosscheck.diagnose.knobs.inventory import Knob, switch_knob
from refsast.crosscheck.diagnose.knobs.program import LAST_HEARD, LAST_WEIGHED
from refsast.crosscheck.diagnose.knobs.sums import ACTIVE, OWN_SPIKES, POTENTIALS_BELOW, RECEIVED
from refsast.model.params import WEIGHTS, layer_arrays
from refsast.model.reset import NoReset, ToZero

SHARES = (0.5, 0.9, 0.1, 0.25, 0.75, 0.8, 0.2)  # of entries that are made zero
LIMITS = (0.2, 0.1, 0.05, 0.01, 0.5, 0.001)  # of weights that count as none
PARTS = (4.0, 2.0, 3.0, 10.0, 5.0)  # T // n steps are left out
GRID_BITS = (8.0, 10.0, 11.0, 12.0, 14.0, 15.0, 16.0)
MOST_STEPS = 6


def seldom_backward(case: Case, level: int) -> Iterator[Knob]:
    """Yield knobs on the way back that the gradients of one level show first."""
    arrays, spiking = layer_arrays(case.params[level]), level < len(case.network.neurons)
    for name in NORMED:
        yield switch_knob(name, level)
    yield Knob(LARGEST_OF_EACH, level, 0.0, SHARES, 0.0, 0.0)
    yield Knob(PRUNED, level, 0.0, LIMITS, 0.0, 0.0)
    for part in (each for each in arrays if each in WEIGHTS and each != "b"):
        for name in SIGNED:
            yield switch_knob(f"{part} {name}", level)
        for name in (SMALL_WEIGHTS, LARGEST):
            yield Knob(f"{part} {name}", level, 0.0, SHARES, 0.0, 0.0)
    if not spiking:
        yield switch_knob(LAST_HEARD, level)
        yield switch_knob(LAST_WEIGHED, level)
        return
    for part in (each for each in arrays if each in WEIGHTS):
        yield switch_knob(f"{part} {ACTIVE}", level)
        yield switch_knob(f"{part} {RECEIVED}", level)
    if arrays["w"].shape[0] == arrays["w"].shape[1]:
        yield switch_knob(OWN_SPIKES, level)
    if level > 0:
        yield switch_knob(POTENTIALS_BELOW, level)
    for name in (*SLOPE_ROUNDINGS, *ADJOINT_ROUNDINGS):
        yield switch_knob(name, level)
    if len(case.y) > 1:
        yield switch_knob(BATCH_MEAN, level)
    yield Knob(PENALTY_OF_U, level, 0.0, (0.01, 0.1, 0.001, 1.0), -1e3, 1e3)
    above = level + 1
    if above < len(case.network.neurons):
        if len(case.y) > 1:
            yield switch_knob(AVERAGED_BATCH, above)
        yield Knob(LIMITED, above, float("inf"), (1e-3, 0.01, 0.1, 1.0, 0.5), 0.0, 0.0)
        for name in MISSED if case.network.sizes[above] > 1 else ():
            yield switch_knob(name, above)
    for name in ADJOINT_GRIDS:
        yield Knob(name, level, float("inf"), GRID_BITS, 0.0, 0.0)
    if len(case.x) > 1:
        yield from _path_knobs(case, level)


def _path_knobs(case: Case, level: int) -> Iterator[Knob]:
    """What comes back from later steps, and from the level above in another order."""
    steps = len(case.x)
    yield switch_knob(FORWARD_SCAN, level)
    yield switch_knob(LAST_BARE, level)
    yield switch_knob(THROUGH_SLOPE, level)
    yield switch_knob(NOT_CLEARED, level)
    counts = tuple(float(n) for n in range(2, min(steps, MOST_STEPS)))
    shares = tuple(n for n in PARTS if n <= steps)
    for what in (TERMS, ADJOINTS):  # often of the same numbers
        yield Knob(COUNT_ZERO.format(what), level, 0.0, counts, 0.0, 0.0)
        yield Knob(SHARE_ZERO.format(what), level, float("inf"), shares, 0.0, 0.0)
    yield switch_knob(CUT_FIRED, level)
    yield switch_knob(SEEDED, level)
    if len(case.y) > 1:
        yield switch_knob(SHARED_CARRY, level)
    if not isinstance(case.network.neurons[level].reset, NoReset):
        yield switch_knob(RESET_FIRED, level)
    params = case.params[level]
    if params.v is not None:
        yield switch_knob(PAST_SLOPE, level)
        yield switch_knob(BEHIND_TWO, level)
        if params.v.shape == params.w.shape:
            yield switch_knob(THROUGH_W, level)
        first = case.params[0].v
        if level > 0 and first is not None and first.shape == params.v.shape:
            yield switch_knob(THROUGH_FIRST, level)
    if isinstance(case.network.neurons[level].reset, ToZero):
        yield switch_knob(GATE_BEFORE, level)
        yield switch_knob("reset path after the reset", level)
    if level + 1 < len(case.network.neurons):
        yield switch_knob("layer path reversed", level + 1)
        yield switch_knob(AVERAGED, level + 1)
