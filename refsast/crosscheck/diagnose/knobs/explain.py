"""Does a setting explain all numbers of the samples; and what is done to all gradients at the end.

Gradients that are clipped by one norm depend on those of all layers, so that no search from layer
to layer sees them.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.compare import Examination
from refsast.crosscheck.diagnose.knobs.dials import AS_RIGHT, WHOLE, Setting, stack_settings
from refsast.crosscheck.diagnose.knobs.finish import BENDS, bend_size
from refsast.crosscheck.diagnose.knobs.finish_whole import (
    GRADIENT_ROUNDINGS,
    exchange_orders,
    find_shared_arrays,
)
from refsast.crosscheck.diagnose.knobs.fit import (
    Group,
    Residuals,
    apply_values,
    misfits,
    refine,
    round_value,
)
from refsast.crosscheck.diagnose.knobs.inventory import Knob
from refsast.crosscheck.diagnose.knobs.levels import (
    error_limits,
    find_roundest,
    view_levels,
)
from refsast.crosscheck.diagnose.knobs.plainness import known_knobs, lowest_layer, symbol_of
from refsast.crosscheck.diagnose.knobs.program import solve_settings
from refsast.crosscheck.diagnose.knobs.questions import question_of
from refsast.crosscheck.diagnose.knobs.recordings import run_layers
from refsast.crosscheck.diagnose.knobs.samples import Samples, loss_errors
from refsast.crosscheck.diagnose.misfit import misfit
from refsast.model.params import flatten, layer_arrays

POLISH = 5  # steps of the last refinement
NEXT = 1e-3  # relative: what a value may be off by rounding where it shows little
MOST_NAMES = 4  # of a setting whose parts are left out one by one, to see if they are needed
EDGES = 60  # edges of a window that are tried, to either side


def explains_losses(samples: Samples, setting: dict) -> bool:
    """Whether a setting explains all losses of the samples."""
    with np.errstate(all="ignore"):
        errors = loss_errors(samples, stack_settings([setting]), question_of(setting))
    return bool(misfits(errors)[0] <= 1.0)


def explains_levels(samples: Samples, setting: dict) -> bool:
    """Whether a setting explains all gradients, level by level."""
    with np.errstate(all="ignore"):
        view = view_levels(samples, setting)
        levels = range(len(samples.parts[-1].case.params))
        return all(misfits(view.residuals(level, [setting]))[0] <= 1.0 for level in levels)


def explains_whole(samples: Samples, setting: dict) -> bool:
    """Whether a setting explains all gradients, with what is done to them together."""
    for sample in samples.all:
        with np.errstate(all="ignore"):
            answer = solve_settings(sample.case, [setting])[0]
        for level, (got, given) in enumerate(zip(answer.grads, sample.got.grads, strict=True)):
            for part, array in layer_arrays(given).items():
                allowed = error_limits(samples, sample, level, part)
                if not (abs(getattr(got, part) - array) <= allowed).all():
                    return False
    return True


def explain_bends(samples: Samples, hypotheses: Sequence[dict]) -> list[dict]:
    """Settings in which all gradients are changed together at the end: clipped, rounded, ..."""
    if any(explains_whole(samples, hypothesis) for hypothesis in hypotheses):
        return []
    found = []
    for turn in _bends(samples):
        for hypothesis in hypotheses:
            tried = {**hypothesis, **turn}
            if explains_losses(samples, tried) and explains_whole(samples, tried):
                found.append(tried)
    return found


def explain_apart(samples: Samples, hypotheses: Sequence[dict]) -> list[dict]:
    """Settings of the way forth alone, the way back being that of the right equations."""
    tried = [{**hypothesis, (AS_RIGHT, WHOLE): 1.0} for hypothesis in hypotheses if hypothesis]
    return [setting for setting in tried if explains_whole(samples, setting)]


def _bends(samples: Samples) -> list[dict]:
    """What may have been done to all gradients, as far as their sizes tell."""
    whole = [flatten(sample.got.grads) for sample in samples.all]
    values = [(name, round_value(max(bend_size(name, g) for g in whole))) for name in BENDS]
    largest = max(whole, key=len)
    empty = round(float((largest == 0.0).mean()), 2)
    values += [("smallest entries dropped", q) for q in (empty, round(empty, 1))]
    case = samples.parts[-1].case
    shapes = [{part: a.shape for part, a in layer_arrays(layer).items()} for layer in case.params]
    switches = (
        *GRADIENT_ROUNDINGS,
        *exchange_orders([tuple(each.items()) for each in shapes]),
        *find_shared_arrays(shapes[: len(case.network.neurons)]),
    )
    values += [(name, 1.0) for name in switches]
    return [{(name, WHOLE): value} for name, value in values if value > 0.0]


def widen_setting(samples: Samples, setting: dict) -> dict:
    """The setting with what is turned in some layers turned in all, where that fits as well."""
    case = samples.parts[-1].case
    knobs, spiking = known_knobs(case), len(case.network.neurons)
    for name in {name for name, _ in setting}:
        values = {v for (n, _), v in setting.items() if n == name}
        first = lowest_layer(name)
        here = [(n, at) for n, at in knobs if n == name and first <= at < spiking]
        missing = [key for key in here if key not in setting]
        if len(values) == 1 and missing and any(at < spiking for n, at in setting if n == name):
            wider = {**setting, **dict.fromkeys(missing, values.pop())}
            # What was fitted in a layer in its place, where it hardly shows, goes.
            alone = {key: v for key, v in wider.items() if key[0] == name or key[1] == WHOLE}
            for other in (wider,) if alone == wider else (alone, wider):
                if explains_losses(samples, other) and explains_levels(samples, other):
                    setting = other
                    break
    return setting


def trim_setting(samples: Samples, setting: dict) -> dict:
    """The setting without what is next to its right value, or of no effect."""
    knobs = known_knobs(samples.parts[-1].case)
    names = {name for name, _ in setting}
    for name in sorted(names) if 1 < len(names) <= MOST_NAMES else ():
        rest = {key: value for key, value in setting.items() if key[0] != name}
        if rest and explains_losses(samples, rest) and explains_levels(samples, rest):
            setting = rest
    near = [
        key
        for key, value in setting.items()
        if key in knobs and abs(value - knobs[key].right) <= NEXT * abs(knobs[key].right)
    ]
    trimmed = {key: value for key, value in setting.items() if key not in near}
    if near and trimmed and explains_losses(samples, trimmed) and explains_levels(samples, trimmed):
        return trimmed
    return setting


def drop_idle(whole: Examination, setting: dict) -> dict | None:
    """Return a setting without the parts whose effect on a case is below rounding; None: no such.

    A part is all that has one name, or one fitted number.
    """
    case, rest = whole.case, setting
    parts = [[key for key in setting if key[0] == name] for name, _ in setting]
    parts += [
        [key for key in setting if key[0] == name and setting[key] == value]
        for (name, at), value in setting.items()
        if symbol_of(case, at, value) is None
    ]
    for part in parts:
        fewer = {key: value for key, value in rest.items() if key not in part}
        if fewer and len(fewer) < len(rest):
            with np.errstate(all="ignore"):
                answer = solve_settings(case, [fewer])[0]
            rest = fewer if misfit(whole, answer) <= 1.0 else rest
    return rest if len(rest) < len(setting) else None


def explain_whole_case(case: Case, got: Answer, limit: float, setting: dict) -> dict:
    """Return a setting with its free values fitted once more, to all gradients of a whole case."""
    groups = free_groups(case, setting)
    want = np.concatenate([[got.loss], flatten(got.grads)])
    allowed = limit * (abs(want) + 1e-3 * np.linalg.norm(want[1:]) / np.sqrt(want.size))

    def run(settings: Sequence[Setting]) -> Array:
        answers = solve_settings(case, settings)
        rows = [np.concatenate([[a.loss], flatten(a.grads)]) for a in answers]
        return (np.array(rows) - want) / np.maximum(allowed, 1e-300)

    with np.errstate(all="ignore"):
        if "window" in {name for name, _ in setting}:
            setting = _fit_window(case, run, setting)
        if not groups:
            return setting
        start = np.array([[setting[group.keys[0]] for group in groups]])
        values, _ = refine(run, [setting], [groups], start, POLISH)
    return apply_values(setting, groups, values[0])


def free_groups(case: Case, setting: dict) -> tuple[Group, ...]:
    """Return the knobs whose values are not plain, those of one name and value together."""
    found: dict[tuple[str, float], list[Knob]] = {}
    knobs = known_knobs(case)
    for (name, layer), value in setting.items():
        knob = knobs.get((name, layer))
        if knob is not None and knob.smooth and symbol_of(case, layer, value) is None:
            found.setdefault((name, value), []).append(knob)
    return tuple(Group(tuple(each)) for each in found.values())


def _fit_window(case: Case, run: Residuals, setting: dict) -> dict:
    """The window's edge: between the same two distances in the samples, there are more to tell."""
    (layers, value) = zip(
        *((at, v) for (n, at), v in setting.items() if n == "window"), strict=True
    )
    runs = run_layers(case, stack_settings([setting]))
    distances = np.concatenate(
        [abs(runs[i].u - case.network.neurons[i].threshold).ravel() for i in layers]
    )
    edges = np.unique(distances)
    near = int(np.searchsorted(edges, value[0]))
    edges = edges[max(0, near - EDGES) : near + EDGES]
    tried = [
        {**setting, **{("window", i): find_roundest(low, high) for i in layers}}
        for low, high in pairwise(edges)
    ]
    if not tried:
        return setting
    return tried[int(np.argmin(misfits(run(tried))))]
