"""Knobs of what is seldom and dear: earlier spikes, the step, other recordings, windows."""

from collections.abc import Iterator, Sequence

import numpy as np

from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.dials import WHOLE
from refsast.crosscheck.diagnose.knobs.fit import Group, group_layers
from refsast.crosscheck.diagnose.knobs.forward import HARD_IN, START_FIRST
from refsast.crosscheck.diagnose.knobs.history import (
    ADAPTATION,
    ADAPTATION_LEAK,
    RAMPED,
    RAMPS,
    REFRACTORY,
    SPARSE,
    SPIKE_ROUNDINGS,
    WINNER,
    ramp_name,
)
from refsast.crosscheck.diagnose.knobs.inventory import Knob, other_values, switch_knob
from refsast.crosscheck.diagnose.knobs.limits import CLAMPED
from refsast.crosscheck.diagnose.knobs.matching import Candidate
from refsast.crosscheck.diagnose.knobs.normalisation import (
    NEURONS,
    NORMALISATIONS,
    OF_PRODUCT,
    OVER_STEPS,
    RECORDINGS,
)
from refsast.crosscheck.diagnose.knobs.precision import CASTS, LAYER_FORMATS
from refsast.crosscheck.diagnose.knobs.recordings import CARRIES
from refsast.crosscheck.diagnose.knobs.resets import FIRST_RESETS
from refsast.crosscheck.diagnose.knobs.restarts import RESTARTS, UNRESET, WARMED
from refsast.crosscheck.diagnose.knobs.windows import MEMORY, STRIDE, WINDOWS
from refsast.model.reset import NoReset, Subtract

LONGEST = 7  # steps of windows that are tried in a search
STRIDES = (2.0, 3.0)  # steps between windows


def history_forward(case: Case) -> list[Knob]:
    """Return knobs that change the loss."""
    found: list[Knob] = []
    for layer in range(len(case.network.neurons)):
        found += _spike_knobs(case, layer)
        found += _current_knobs(case, layer)
        found += _carried_knobs(case, layer)
        found += (switch_knob(f"potentials in {name}", layer) for name in CASTS)
        found += (switch_knob(name, layer) for name in LAYER_FORMATS)
    if not case.hard:
        found += (switch_knob(HARD_IN, i) for i in range(1, len(case.network.neurons) + 1))
    if case.network.readout.n_out is not None:
        found += (switch_knob(name, len(case.network.neurons)) for name in LAYER_FORMATS)
    if len(case.x) > 1:
        names = [ramp_name(what, ramp) for what in RAMPED for ramp in RAMPS]
        found += (Knob(name, WHOLE, 0.0, (0.5, 1.0, -0.5, 0.1), -0.99, 1e3) for name in names)
    found.append(switch_knob(WARMED, WHOLE))
    if len(case.y) > 1:
        found += (switch_knob(name, WHOLE) for name in CARRIES)
    return found


def _spike_knobs(case: Case, layer: int) -> Iterator[Knob]:
    limits = (0.05, 0.01, 0.1, 0.5, 0.001, 0.02, 0.2)
    yield Knob(SPARSE, layer, -np.inf, () if case.hard else limits, 0.0, 0.0)
    if len(case.params[layer].w) > 1:
        yield switch_knob(WINNER, layer)
    for name in () if case.hard else SPIKE_ROUNDINGS:
        yield switch_knob(name, layer)
    for name, steps in REFRACTORY.items():
        if len(case.x) > steps:
            high = 1e3 if steps == 1 else 0.0
            yield Knob(name, layer, 0.0, (1.0, 0.5) if steps == 1 else (1.0,), -high, high)
    if len(case.x) > 1:
        yield Knob(ADAPTATION, layer, 0.0, (0.1, 1.0, 0.5, 0.2), -1e3, 1e3)


def _current_knobs(case: Case, layer: int) -> Iterator[Knob]:
    layers = case.params[layer]
    sizes = {RECORDINGS: len(case.y), NEURONS: len(layers.w)}
    for name, change in NORMALISATIONS.items():
        if all(sizes[axis] > 1 for axis in change.axes):
            yield switch_knob(name, layer)
    beside = layers.b is not None or layers.v is not None
    for name, change in OF_PRODUCT.items() if beside else ():
        if all(sizes.get(axis, len(case.x)) > 1 for axis in change.axes):
            yield switch_knob(name, layer)
    for name in OVER_STEPS if layers.v is None and len(case.x) > 1 else ():
        yield switch_knob(name, layer)


def _carried_knobs(case: Case, layer: int) -> Iterator[Knob]:
    """What a layer keeps of the step before, by mistake not its own or not at all."""
    resets = not isinstance(case.network.neurons[layer].reset, NoReset)
    if case.params[layer].start is not None and len(case.y) > 1:
        yield switch_knob(START_FIRST, layer)
    if len(case.x) == 1:
        return
    if resets and len(case.y) > 1:
        yield switch_knob(FIRST_RESETS, layer)
    for name in RESTARTS if resets else (name for name in RESTARTS if name != UNRESET):
        yield switch_knob(name, layer)
    if isinstance(case.network.neurons[layer].reset, Subtract):
        yield switch_knob(CLAMPED, layer)


def adaptation_leak(case: Case, layer: int) -> Knob:
    """Return the knob of what an adaptation keeps from step to step, which is of none alone."""
    leak = case.network.neurons[layer].leak
    return Knob(ADAPTATION_LEAK, layer, 1.0, other_values(1.0, 0.9, leak, 0.5), -1.0, 1.5)


def adaptations(case: Case) -> list[Candidate]:
    """Return adaptations with a leak of their own: two numbers, and where each begins."""
    spiking = len(case.network.neurons)
    strengths = [k for k in history_forward(case) if k.name == ADAPTATION]
    leaks = [adaptation_leak(case, layer) for layer in range(spiking)]
    strong, kept = (group_layers(knobs, spiking) for knobs in (strengths, leaks))
    pairs = [(a, b) for a in strong for b in kept if not b.relative
             and {k.layer for k in a.knobs} == {k.layer for k in b.knobs}]  # fmt: skip
    return [({}, pair, [0.1, leak]) for pair in pairs for leak in (0.9, 0.5)]


def window_knobs(case: Case, level: int) -> list[Knob]:
    """Return the knobs of truncated windows that the gradients of one level show first."""
    whole, steps = len(case.network.neurons), len(case.x)
    if level >= whole or steps < 3:
        return []
    back = tuple(float(n) for n in range(1, min(steps - 1, LONGEST)))
    found = [Knob(MEMORY, level, np.inf, back, 0.0, 0.0)]
    if level == whole - 1:
        found.append(Knob(WINDOWS, WHOLE, np.inf, tuple(n + 1.0 for n in back), 0.0, 0.0))
        found.append(Knob(STRIDE, WHOLE, 1.0, STRIDES, 0.0, 0.0))
    return found


def window_groups(case: Case, level: int) -> tuple[list[Group], Sequence[dict]]:
    """Return windows as they are tried: groups, and settings with more than one step between."""
    knobs = {knob.name: knob for knob in window_knobs(case, level)}
    depth = len(case.network.neurons)
    names = [name for name in (MEMORY, WINDOWS)[: 1 if depth == 1 else 2] if name in knobs]
    tries = knobs[WINDOWS].tries if WINDOWS in knobs else ()
    cells = [
        {(WINDOWS, WHOLE): size, (STRIDE, WHOLE): stride}
        for size in tries
        for stride in STRIDES
        if stride < size
    ]
    return [Group((knobs[name],)) for name in names], cells
