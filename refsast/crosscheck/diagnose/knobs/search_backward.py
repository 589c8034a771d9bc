"""Then backward, level by level: which settings explain the gradients of one level?"""

from collections.abc import Collection, Iterable, Sequence
from itertools import combinations

from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.derivative_shapes import FREE_SHAPES, RARE_SHAPES
from refsast.crosscheck.diagnose.knobs.backward_inventory import backward_knobs
from refsast.crosscheck.diagnose.knobs.dials import Setting
from refsast.crosscheck.diagnose.knobs.feedback import fit_feedback
from refsast.crosscheck.diagnose.knobs.finish import CELL
from refsast.crosscheck.diagnose.knobs.fit import (
    Group,
    Residuals,
)
from refsast.crosscheck.diagnose.knobs.history_inventory import window_groups, window_knobs
from refsast.crosscheck.diagnose.knobs.inventory import Knob
from refsast.crosscheck.diagnose.knobs.levels import LevelView, view_levels
from refsast.crosscheck.diagnose.knobs.matching import Candidate
from refsast.crosscheck.diagnose.knobs.plainness import (
    cost_of,
    keep_plainest,
    symbol_of,
    symbols,
)
from refsast.crosscheck.diagnose.knobs.rare_inventory import rare_backward, trace_settings
from refsast.crosscheck.diagnose.knobs.samples import Samples, answer_arrays
from refsast.crosscheck.diagnose.knobs.stages import Questions, Search, search_stages, try_stages
from refsast.crosscheck.diagnose.knobs.weights import BACKWARD_ENTRY
from refsast.crosscheck.diagnose.knobs.work import Meter, meter_runs
from refsast.model.params import ARRAY_NAMES, WEIGHTS

ALONE = 1.2  # how little plain a setting may be to which a matrix on the way back is fitted
# How the names of knobs begin that change the gradient of one array alone.
OWN_KNOBS = {"w": ("w ", "input "), "b": ("b ", "bias "), "v": ("v ", "recurrence ")}
APART = 2  # settings to whose arrays causes of their own are added
ALIKE = 2  # causes of one array
DEEP = 3  # settings of which two or three knobs more are tried, where one is not enough
WIDTHS = (0.5, 1.0, 2.0, 4.0)  # of a function in place of the derivative: where to begin


def explain_level(
    samples: Samples, hypotheses: list[dict], level: int, meter: Meter, deep: bool, rarely: bool
) -> list[dict]:
    """Return extensions of settings that explain a level's gradients, the plainest ones."""
    case = samples.parts[-1].case
    views = [view_levels(samples, hypothesis) for hypothesis in hypotheses]
    extended = [s for view in views for s in _fit_copies(view, level, meter)]
    if not extended:
        extended = [s for view in views for s in _extend_setting(view, level, meter, rarely)]
    for view in views[:APART] if not extended else ():
        extended += _explain_arrays(view, level, meter)
    for view in views[:DEEP] if deep and not extended else ():
        questions, search = _level_questions(view, level, meter), _level_search(view, level)
        extended += search_stages(questions, search, view.setting, depth=3)
    return keep_plainest(case, extended)


def _explain_arrays(view: LevelView, level: int, meter: Meter) -> list[dict]:
    """Extensions in which each array of a level has a cause of its own, by one knob."""
    case = view.samples.parts[-1].case
    names = list(answer_arrays(view.samples.parts[-1], level))
    if len(names) < 2:
        return []
    knobs = [*backward_knobs(case, level), *rare_backward(case, level)]
    found = [view.setting]
    for name in names:
        questions = _level_questions(view, level, meter, (name,))
        own = [knob for knob in knobs if knob.name.startswith(OWN_KNOBS.get(name, f"{name} "))]
        search = Search([Group((knob,)) for knob in own], lambda base: (), lambda each: each)
        settings = search_stages(questions, search, view.setting, depth=1)
        settings = keep_plainest(case, settings)[:ALIKE]
        if not settings:  # not explained by one thing
            return []
        found = [{**each, **setting} for each in found for setting in settings]
    return _level_questions(view, level, meter).fits(found)


def _fit_copies(view: LevelView, level: int, meter: Meter) -> list[dict]:
    """A view's setting, or with what is turned in the layer above turned here, too, if it fits."""
    questions = _level_questions(view, level, meter)
    return questions.fits([view.setting]) or questions.fits(_all_copies(view, level))


def _all_copies(view: LevelView, level: int) -> list[dict]:
    case = view.samples.parts[-1].case
    kinds = (backward_knobs, rare_backward, window_knobs)
    names = {knob.name for knobs in kinds for knob in knobs(case, level)}
    return list(_copies(case, view.setting, level, names))


def _level_questions(
    view: LevelView, level: int, meter: Meter, parts: Collection[str] = ARRAY_NAMES
) -> Questions:
    def run(which: Sequence[int]) -> Residuals:
        cases = [view.samples.all[i].case for i in which]
        size = 2 * sum(case.x[..., 0].size * sum(case.network.sizes[level:][:2]) for case in cases)
        calls = 2 * sum(len(case.x) for case in cases)
        return meter_runs(
            lambda part: view.some_residuals(which, level, part, parts), meter, size, calls
        )

    single, count = len(view.samples.single), len(view.samples.all)
    # Zeros have many explanations: what is answered by them is no first question.
    told = [
        i
        for i in range(single, count)
        if any(a.any() for n, a in answer_arrays(view.samples.all[i], level).items() if n in parts)
    ]
    return Questions([run([i]) for i in told or range(single, count)], run(list(range(count))))


def _level_search(view: LevelView, level: int) -> Search:
    case = view.samples.parts[-1].case
    knobs = backward_knobs(case, level)
    groups = [*array_groups(knobs), *(Group((knob,)) for knob in knobs)]
    return Search(
        groups,
        lambda base: view.cells(level, base),
        lambda found: keep_plainest(case, found),
    )


def _extend_setting(view: LevelView, level: int, meter: Meter, rarely: bool) -> list[dict]:
    """Extensions of a view's setting by one knob that explain the gradients of a level."""
    questions, search = _level_questions(view, level, meter), _level_search(view, level)
    found = search_stages(questions, search, view.setting, depth=1)
    if not found:
        candidates = _shape_candidates(view, level, search.groups, FREE_SHAPES)
        found = try_stages(questions, search.groups, view.setting, candidates)
    for copy in _all_copies(view, level)[:4] if not found else ():
        found += search_stages(questions, search, copy, depth=1)
    # An entry, row or column that explains a level may do so by chance.
    told = [setting for setting in found if not _turns_cell(setting, view.setting)]
    return found if told and not rarely else found + _extend_rarely(view, level, questions)


def _turns_cell(setting: dict, base: dict) -> bool:
    """Whether a setting turns a cell of an array that its base does not."""
    return any(CELL.fullmatch(name) and (name, at) not in base for name, at in setting)


def _extend_rarely(view: LevelView, level: int, questions: Questions) -> list[dict]:
    """Extensions by one knob that is seldom turned; a function has a width and a factor, too."""
    case = view.samples.parts[-1].case
    knobs = rare_backward(case, level)
    groups = [*array_groups(knobs), *(Group((knob,)) for knob in knobs)]
    cells = trace_settings(case, level)
    search = Search(groups, lambda base: cells, lambda found: keep_plainest(case, found))
    found = search_stages(questions, search, view.setting, depth=1)
    if not found:
        usual = [Group((knob,)) for knob in backward_knobs(case, level)]
        candidates = _shape_candidates(view, level, [*groups, *usual], RARE_SHAPES)
        found = try_stages(questions, [*groups, *usual], view.setting, candidates)
    for copy in _all_copies(view, level)[:4] if not found else ():
        found += search_stages(questions, search, copy, depth=1)
    if not found:
        groups, windows = window_groups(case, level)
        search = Search(groups, lambda base: windows, lambda found: keep_plainest(case, found))
        found = search_stages(questions, search, view.setting, depth=1)
    # So many numbers are a cause where little else is wrong.
    rest = {k: v for k, v in view.setting.items() if not BACKWARD_ENTRY.fullmatch(k[0])}
    alone = cost_of(case, rest) < ALONE
    return found or (questions.fits(fit_feedback(view, level)) if alone else [])


def _shape_candidates(
    view: LevelView, level: int, groups: Sequence[Group], names: Sequence[str]
) -> list[Candidate]:
    """Functions in place of the derivative, each with a width and a factor of its own."""
    base = view.setting
    named = {group.name: group for group in groups}
    if "derivative width" not in named:
        return []
    width, factor = named["derivative width"], named["derivative factor"]
    shapes = [named[key] for name in names if (key := f"derivative {name}") in named]
    starts = {width.knobs[0].right, *WIDTHS}
    found: list[Candidate] = [
        ({**base, **shape.turn(1.0)}, (width, factor), [start, 1.0])
        for shape in shapes
        for start in starts
    ]
    if "1" not in names:
        return found
    box = {**base, **named["derivative 1"].turn(1.0)}
    return found + [({**box, **cell}, (factor,), [1.0]) for cell in view.windows(level)]


def array_groups(knobs: Iterable[Knob]) -> list[Group]:
    """Groups of the knobs of one level that are one mistake: the same in two arrays, or in all."""
    names: dict[str, list[Knob]] = {}
    for knob in knobs:
        part, _, kind = knob.name.partition(" ")
        if part in (*WEIGHTS, "start") and not knob.smooth:
            names.setdefault(kind, []).append(knob)
    sets = (part for each in names.values() for n in (4, 3, 2) for part in combinations(each, n))
    return [Group(part) for part in sets]


def _copies(case: Case, setting: Setting, level: int, names: set[str]) -> Iterable[dict]:
    """A setting with what is turned in the layer above turned in this one, too: all, then each.

    A value may be that of the layer above, or what it is called there, such as 1/slope.
    """
    above, layer = {}, level
    while not above and layer + 1 < len(case.params):
        layer += 1
        above = {name: v for (name, at), v in setting.items() if at == layer and name in names}
    alike = {name: _translate(case, layer, level, value) for name, value in above.items()}
    for values in (above, alike) if alike != above else (above,):
        if values:
            yield {**setting, **{(name, level): value for name, value in values.items()}}
        for name, value in values.items() if len(values) > 1 else ():
            yield {**setting, (name, level): value}


def _translate(case: Case, layer: int, level: int, value: float) -> float:
    """The number of a level that is called as a value is in another layer."""
    return symbols(case, level).get(symbol_of(case, layer, value) or "", value)
