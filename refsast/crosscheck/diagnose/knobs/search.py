"""Which settings of few knobs give the same numbers as an implementation?

Rule 1: forward first, from losses alone, since no fault on the way back changes them; then the
        readout; then layer by layer downwards, since no layer's gradient depends on faults below.
Rule 2: at each level the plainest first: nothing, what was found in the layer above, one knob, two,
        three. All settings that fit are kept, because the levels below may tell them apart.
Rule 3: where losses tell too little (hard spikes, spikes that hardly move it), losses and gradients
        are explained together.
Rule 4: a setting has to explain every number that was answered, to rounding.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.derivative_shapes import SHAPES
from refsast.crosscheck.diagnose.knobs.backward_inventory import backward_knobs
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Setting, stack_settings
from refsast.crosscheck.diagnose.knobs.explain import explain_bends, free_groups, widen_setting
from refsast.crosscheck.diagnose.knobs.fit import (
    Group,
    Residuals,
    apply_values,
    group_layers,
    misfits,
    refine,
)
from refsast.crosscheck.diagnose.knobs.forward import slope_of
from refsast.crosscheck.diagnose.knobs.inventory import Knob, forward_knobs
from refsast.crosscheck.diagnose.knobs.levels import LevelView, joint_errors, view_levels
from refsast.crosscheck.diagnose.knobs.matching import Candidate
from refsast.crosscheck.diagnose.knobs.questions import possible_questions, question_of
from refsast.crosscheck.diagnose.knobs.samples import Samples, loss_errors
from refsast.crosscheck.diagnose.knobs.stages import Questions, Search, search_stages, try_stages
from refsast.crosscheck.diagnose.knobs.words import cost_of, count_digits, known_knobs
from refsast.crosscheck.diagnose.knobs.work import Meter, OutOfWork, metered, start_meter

DEEP = 3  # settings of which two or three knobs more are tried, where one is not enough
BEAM, SLACK = 8, 1.0  # settings kept from level to level, and by how much they may be less plain
NEAR = 0.25  # by how much less plain settings may be whose places still count
WIDTHS = (0.5, 1.0, 2.0, 4.0)  # of a function in place of the derivative: where to begin
GRID = tuple(np.geomspace(0.05, 20.0, 25))  # of a number's right value, where spikes are hard


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found.

    Attributes
    ----------
    settings : tuple of settings
        That explain all samples, the plainest first.
    explained : tuple of int
        Levels that some setting explained; the readout is the number of spiking layers.
    stopped : bool
        Whether the search ended because it had computed as much as it may.
    """

    settings: tuple[dict, ...]
    explained: tuple[int, ...] = ()
    stopped: bool = False


def find_settings(samples: Samples) -> Found:
    """Return the settings of few knobs that give the numbers that were answered."""
    explained: list[int] = []
    try:
        return Found(tuple(_find(samples, start_meter(), explained)), tuple(explained))
    except OutOfWork:
        return Found((), tuple(explained), stopped=True)


def _find(samples: Samples, meter: Meter, explained: list[int]) -> list[dict]:
    case = samples.parts[-1].case
    if case.hard and not explains_right_losses(samples):
        found = _explain_jointly(samples, meter)
        if found:
            return _finish(samples, found)
    hypotheses = _sharpen(samples, _explain_losses(samples, meter), meter)
    if hypotheses and (bent := explain_bends(samples, hypotheses)):
        explained += reversed(range(len(case.params)))
        return bent
    levels = list(reversed(range(len(case.params))))
    hypotheses, rest = _explain_levels(samples, hypotheses, levels, meter, explained, deep=False)
    if rest and explains_right_losses(samples) and (joint := _explain_jointly(samples, meter)):
        return _finish(samples, joint)
    if rest:
        hypotheses, rest = _explain_levels(samples, hypotheses, rest, meter, explained, deep=True)
    return [] if rest else _finish(samples, hypotheses)


def _explain_levels(
    samples: Samples, hypotheses: list[dict], levels: list[int], meter: Meter,
    explained: list[int], deep: bool,
) -> tuple[list[dict], list[int]]:  # fmt: skip
    """Settings that explain levels, from the highest down, and the levels that none explains."""
    for k, level in enumerate(levels if hypotheses else []):
        extended = _explain_level_of_all(samples, hypotheses, level, meter, deep)
        if not extended:
            return hypotheses, levels[k:]
        hypotheses = extended
        explained.append(level)
    return hypotheses, [] if hypotheses else levels


def _finish(samples: Samples, hypotheses: list[dict]) -> list[dict]:
    """Settings in as many layers as they hold in, without those that are less plain."""
    if not hypotheses:
        return []
    case = samples.parts[-1].case
    hypotheses = [widen_setting(samples, hypothesis) for hypothesis in hypotheses]
    least = min(cost_of(case, hypothesis) for hypothesis in hypotheses)
    ranked = _keep_plainest(case, hypotheses)
    return [setting for setting in ranked if cost_of(case, setting) <= least + NEAR]


def explains_right_losses(samples: Samples) -> bool:
    """Whether all losses are right."""
    return bool(misfits(loss_errors(samples, stack_settings([{}])))[0] <= 1.0)


def _keep_plainest(case: Case, settings: list[dict]) -> list[dict]:
    """The plainest of several settings, each once."""
    unique: dict = {}
    knobs = known_knobs(case)
    for whole in settings:
        # A knob that came out at its right value is not turned.
        setting = {k: v for k, v in whole.items() if k not in knobs or v != knobs[k].right}
        # Of windows between the same two distances, the one of fewest digits.
        rounded = {k: 0.0 if k[0] == "window" else float(f"{v:.6g}") for k, v in setting.items()}
        mark = tuple(sorted(rounded.items()))
        if mark not in unique or count_digits(setting) < count_digits(unique[mark]):
            unique[mark] = setting
    ranked = sorted(unique.values(), key=lambda setting: _rank(case, setting))
    if not ranked:
        return []
    least = cost_of(case, ranked[0])
    return [s for s in ranked if cost_of(case, s) <= least + SLACK][:BEAM]


def _rank(case: Case, setting: dict) -> tuple[float, int, bool, int]:
    """How plain a setting is; a factor is plainer than another function of the same numbers."""
    shape = any(name.removeprefix("derivative ") in SHAPES for name, _ in setting)
    return round(cost_of(case, setting), 6), len(setting), shape, count_digits(setting)


def _explain_losses(samples: Samples, meter: Meter) -> list[dict]:
    """Settings of forward knobs that explain all losses."""
    case = samples.parts[-1].case
    parts = range(len(samples.parts))
    questions = Questions(
        [_loss_residuals(samples, meter, [k]) for k in parts],
        _loss_residuals(samples, meter, list(parts)),
    )
    if questions.fits([{}]):
        return [{}]
    search = _forward_search(case, fine=False)
    found = search_stages(questions, search, {}, depth=1) + _explain_questions(samples, meter)
    found = found or search_stages(questions, search, {}, depth=2)
    return _keep_plainest(case, found)


def _sharpen(samples: Samples, hypotheses: list[dict], meter: Meter) -> list[dict]:
    """Settings with free values fitted to gradients, too, where all of these are explained then."""
    run = _joint_residuals(samples, meter, range(len(samples.parts)))
    found = []
    for hypothesis in hypotheses:
        groups = free_groups(samples.parts[-1].case, hypothesis)
        if groups and question_of(hypothesis) is None:
            start = np.array([[hypothesis[group.keys[0]] for group in groups]])
            values, worst = refine(run, [hypothesis], [groups], start, iterations=4)
            if worst[0] <= 1.0:
                hypothesis = apply_values(hypothesis, groups, values[0])
        found.append(hypothesis)
    return found


def _explain_questions(samples: Samples, meter: Meter) -> list[dict]:
    """Other questions in place of the right one that explain all losses."""
    case, last = samples.parts[-1].case, [len(samples.parts) - 1]
    found = []
    for name in possible_questions(case):
        if misfits(_loss_residuals(samples, meter, last, name)([{}]))[0] <= 1.0:
            whole = _loss_residuals(samples, meter, list(range(len(samples.parts))), name)
            found += [{(name, WHOLE): 1.0}] if misfits(whole([{}]))[0] <= 1.0 else []
    return found


def _loss_residuals(
    samples: Samples, meter: Meter, which: Sequence[int], question: str | None = None
) -> Residuals:
    cases = [samples.parts[k].case for k in which]
    return metered(
        lambda part: loss_errors(samples, stack_settings(part), question, which),
        meter, *_sizes(cases),
    )  # fmt: skip


def _sizes(cases: Sequence[Case]) -> tuple[int, int]:
    """Elements of all potentials and inputs, and steps times layers, of several cases."""
    size = sum(case.x[..., 0].size * sum(case.network.sizes) for case in cases)
    return size, sum(len(case.x) * len(case.params) for case in cases)


def _forward_search(case: Case, fine: bool) -> Search:
    """What may be turned on the way forth; `fine`: with many values of each number."""
    knobs = forward_knobs(case)
    if fine:
        knobs = [_refine_tries(knob) for knob in knobs]
    groups = [*group_layers(knobs, len(case.network.neurons)), *_upper_groups(case, knobs)]
    exchanges = _exchanges(case)
    return Search(groups, lambda base: exchanges, lambda found: _keep_plainest(case, found))


def _exchanges(case: Case) -> list[dict]:
    """Settings in which two layers have each other's leak, threshold or slope."""
    neurons, found = case.network.neurons, []
    for name, of in (("leak", lambda n: n.leak), ("threshold", lambda n: n.threshold),
                     ("slope", slope_of)):  # fmt: skip
        for i, j in combinations(range(len(neurons)), 2):
            if of(neurons[i]) != of(neurons[j]):
                found.append({(name, i): of(neurons[j]), (name, j): of(neurons[i])})
    return found


def _refine_tries(knob: Knob) -> Knob:
    if not knob.smooth or not np.isfinite(knob.right):
        return knob
    grid = [v for f in GRID if knob.low < (v := (knob.right or 1.0) * f) < knob.high]
    return replace(knob, tries=(*knob.tries, *map(float, grid)))


def _upper_groups(case: Case, knobs: Sequence[Knob]) -> list[Group]:
    """What is turned in all layers but the first: delays between layers."""
    names: dict[str, list[Knob]] = {}
    for knob in knobs:
        if knob.name.startswith("input ") and 0 < knob.layer < len(case.network.neurons):
            names.setdefault(knob.name, []).append(knob)
    return [Group(tuple(found)) for found in names.values() if len(found) > 1]


def _explain_jointly(samples: Samples, meter: Meter) -> list[dict]:
    """Settings of one forward knob that explain losses and gradients together."""
    case, parts = samples.parts[-1].case, range(len(samples.parts))
    questions = Questions(
        [_joint_residuals(samples, meter, [k]) for k in parts],
        _joint_residuals(samples, meter, parts),
    )
    found = search_stages(questions, _forward_search(case, fine=case.hard), {}, depth=1)
    return _keep_plainest(case, found)


def _joint_residuals(samples: Samples, meter: Meter, which: Sequence[int]) -> Residuals:
    size, calls = _sizes([samples.parts[k].case for k in which])
    return metered(lambda part: joint_errors(samples, which, part), meter, 3 * size, 3 * calls)


def _explain_level_of_all(
    samples: Samples, hypotheses: list[dict], level: int, meter: Meter, deep: bool
) -> list[dict]:
    """Extensions of settings that explain a level's gradients."""
    case = samples.parts[-1].case
    extended: list[dict] = []
    views = [view_levels(samples, hypothesis) for hypothesis in hypotheses]
    for view in views:
        extended += _explain_level(view, level, meter)
    for view in views[:DEEP] if deep and not extended else ():
        questions, search = _level_questions(view, level, meter), _level_search(view, level)
        extended += search_stages(questions, search, view.setting, depth=3)
    return _keep_plainest(case, extended)


def _level_questions(view: LevelView, level: int, meter: Meter) -> Questions:
    def run(which: Sequence[int]) -> Residuals:
        cases = [view.samples.all[i].case for i in which]
        size = 2 * sum(case.x[..., 0].size * sum(case.network.sizes[level:][:2]) for case in cases)
        calls = 2 * sum(len(case.x) for case in cases)
        return metered(lambda part: view.residuals_of(which, level, part), meter, size, calls)

    single, count = len(view.samples.single), len(view.samples.all)
    return Questions([run([i]) for i in range(single, count)], run(list(range(count))))


def _level_search(view: LevelView, level: int) -> Search:
    case = view.samples.parts[-1].case
    knobs = backward_knobs(case, level)
    groups = [*array_groups(knobs), *(Group((knob,)) for knob in knobs)]
    return Search(
        groups,
        lambda base: view.cells(level, base),
        lambda found: _keep_plainest(case, found),
    )


def _explain_level(view: LevelView, level: int, meter: Meter) -> list[dict]:
    """Extensions of a view's setting that explain the gradients of a level."""
    case, hypothesis = view.samples.parts[-1].case, view.setting
    questions = _level_questions(view, level, meter)
    if found := questions.fits([hypothesis]):
        return found
    knobs = backward_knobs(case, level)
    copies = list(_copies(hypothesis, level, {knob.name for knob in knobs}))
    if found := questions.fits(copies):
        return found
    search = _level_search(view, level)
    found = search_stages(questions, search, hypothesis, depth=1)
    if not found:
        candidates = _shape_candidates(view, level, search.groups)
        found = try_stages(questions, search.groups, hypothesis, candidates)
    for copy in copies[:4] if not found else ():
        found += search_stages(questions, search, copy, depth=1)
    return found


def _shape_candidates(view: LevelView, level: int, groups: Sequence[Group]) -> list[Candidate]:
    """Functions in place of the derivative, each with a width and a factor of its own."""
    base = view.setting
    named = {group.name: group for group in groups}
    if "derivative width" not in named:
        return []
    width, factor = named["derivative width"], named["derivative factor"]
    shapes = [group for name, group in named.items() if name.removeprefix("derivative ") in SHAPES]
    starts = {width.knobs[0].right, *WIDTHS}
    found: list[Candidate] = [
        ({**base, **shape.turn(1.0)}, (width, factor), [start, 1.0])
        for shape in shapes
        for start in starts
    ]
    box = {**base, **named["derivative 1"].turn(1.0)}
    return found + [({**box, **cell}, (factor,), [1.0]) for cell in view.windows(level)]


def array_groups(knobs: Iterable[Knob]) -> list[Group]:
    """Groups of the knobs of one level that are one mistake: the same reordering of all arrays."""
    names: dict[str, list[Knob]] = {}
    for knob in knobs:
        if knob.name[:2] in ("w ", "b ", "v ") and not knob.smooth:
            names.setdefault(knob.name[2:], []).append(knob)
    return [Group(tuple(found)) for found in names.values() if len(found) > 1]


def _copies(setting: Setting, level: int, names: set[str]) -> Iterable[dict]:
    """A setting with what is turned in the layer above turned in this one, too: all, then each."""
    above: dict = {}
    for layer in range(level + 1, level + 8):
        above = {name: v for (name, at), v in setting.items() if at == layer and name in names}
        if above:
            break
    if not above:
        return
    yield {**setting, **{(name, level): value for name, value in above.items()}}
    if len(above) > 1:
        for name, value in above.items():
            yield {**setting, (name, level): value}
