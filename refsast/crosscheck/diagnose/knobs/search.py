"""Which settings of few knobs give the same numbers as an implementation?

Rule 1: forward first, from losses alone, since no fault on the way back changes them; then the
        readout; then layer by layer downwards, since no layer's gradient depends on faults below.
Rule 2: at each level the plainest first: nothing, what was found in the layer above, one knob, two,
        three. All settings that fit are kept, because the levels below may tell them apart.
Rule 3: a setting has to explain every number that was answered, to rounding.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.derivative_shapes import SHAPES
from refsast.crosscheck.diagnose.knobs.backward_inventory import backward_knobs
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Setting, stack_settings
from refsast.crosscheck.diagnose.knobs.explain import explain_bends, widen_setting
from refsast.crosscheck.diagnose.knobs.fit import Group, Residuals, group_layers, misfits
from refsast.crosscheck.diagnose.knobs.inventory import Knob, forward_knobs
from refsast.crosscheck.diagnose.knobs.levels import LevelView, view_levels
from refsast.crosscheck.diagnose.knobs.matching import Candidate, find_moves, try_candidates
from refsast.crosscheck.diagnose.knobs.questions import possible_questions
from refsast.crosscheck.diagnose.knobs.samples import (
    Samples,
    allowed_losses,
    loss_vector,
    predict_losses,
)
from refsast.crosscheck.diagnose.knobs.words import cost_of, count_digits, known_knobs

DEEP = 3  # settings of which two or three knobs more are tried, where one is not enough
BEAM, SLACK = 8, 1.0  # settings kept from level to level, and by how much they may be less plain
NEAR = 0.25  # by how much less plain settings may be whose places still count
WIDTHS = (0.5, 1.0, 2.0, 4.0)  # of a function in place of the derivative: where to begin
ELEMENTS = 3_000_000  # of the largest array of a run, K settings side by side


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found.

    Attributes
    ----------
    settings : tuple of settings
        That explain all samples, the plainest first.
    explained : tuple of int
        Levels that some setting explained; the readout is the number of spiking layers.
    """

    settings: tuple[dict, ...]
    explained: tuple[int, ...]


def find_settings(samples: Samples) -> Found:
    """Return the settings of few knobs that give the numbers that were answered."""
    case = samples.parts[-1].case
    hypotheses = _explain_losses(samples)
    forward = bool(hypotheses)
    explained: list[int] = []
    if forward and (bent := explain_bends(samples, hypotheses)):
        return Found(tuple(bent), tuple(reversed(range(len(case.params)))))
    for level in reversed(range(len(case.params))):
        extended: list[dict] = []
        views = [view_levels(samples, hypothesis) for hypothesis in hypotheses]
        for view in views:
            extended += _explain_level(view, level)
        for view in () if extended else views[:DEEP]:
            extended += _explain_deeply(view, level)
        hypotheses = _keep_plainest(case, extended)
        if not hypotheses:
            break
        explained.append(level)
    if hypotheses:
        hypotheses = [widen_setting(samples, hypothesis) for hypothesis in hypotheses]
        least = min(cost_of(case, hypothesis) for hypothesis in hypotheses)
        ranked = _keep_plainest(case, hypotheses)
        hypotheses = [setting for setting in ranked if cost_of(case, setting) <= least + NEAR]
    return Found(tuple(hypotheses), tuple(explained))


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


def _explain_losses(samples: Samples) -> list[dict]:
    """Settings of forward knobs that explain all losses."""
    want, allowed = loss_vector(samples), allowed_losses(samples)
    case = samples.parts[-1].case
    size = case.x[..., 0].size * max(case.network.sizes)

    def run(settings: Sequence[Setting], question: str | None = None) -> Array:
        return _run_chunks(
            lambda part: (predict_losses(samples, stack_settings(part), question) - want) / allowed,
            settings, size,
        )  # fmt: skip

    if misfits(run([{}]))[0] <= 1.0:
        return [{}]
    groups = group_layers(forward_knobs(case), len(case.network.neurons))
    found = find_moves(run, {}, groups, depth=1)
    found += [
        {(name, WHOLE): 1.0}
        for name in possible_questions(case)
        if misfits(run([{}], name))[0] <= 1.0
    ]
    if found:
        return _keep_plainest(case, found)
    # What shows in a single step must be part of the cause.
    first = len(samples.losses[0])

    def run_first(settings: Sequence[Setting]) -> Array:
        return run(settings)[:, :first]

    bases = find_moves(run_first, {}, groups, depth=1) if misfits(run_first([{}]))[0] > 1.0 else []
    for base in _keep_plainest(case, bases)[:4]:
        found += find_moves(run, base, groups, depth=1)
    return _keep_plainest(case, found or find_moves(run, {}, groups, depth=2, skip=1))


def _run_chunks(
    run: Callable[[Sequence[Setting]], Array], settings: Sequence[Setting], size: int
) -> Array:
    """Run settings, as many side by side as memory allows."""
    chunk = max(1, ELEMENTS // max(size, 1))
    with np.errstate(all="ignore"):
        parts = []
        for start in range(0, len(settings), chunk):
            piece = settings[start : start + chunk]
            found = run(piece)
            parts.append(np.broadcast_to(found, (len(piece), found.shape[1])))
    return np.concatenate(parts)


def _level_residuals(view: LevelView, level: int) -> Residuals:
    def run(settings: Sequence[Setting]) -> Array:
        return _run_chunks(lambda part: view.residuals(level, part), settings, view.size(level))

    return run


def _level_groups(view: LevelView, level: int) -> list[Group]:
    knobs = backward_knobs(view.samples.parts[-1].case, level)
    return [*array_groups(knobs), *(Group((knob,)) for knob in knobs)]


def _explain_deeply(view: LevelView, level: int) -> list[dict]:
    """Extensions of a view's setting by two or three knobs that explain a level's gradients."""
    run, groups = _level_residuals(view, level), _level_groups(view, level)
    return find_moves(run, view.setting, groups, depth=3, skip=1)


def _explain_level(view: LevelView, level: int) -> list[dict]:
    """Extensions of a view's setting that explain the gradients of a level."""
    case, hypothesis, run = view.samples.parts[-1].case, view.setting, _level_residuals(view, level)
    base = [hypothesis]
    if misfits(run(base))[0] <= 1.0:
        return base
    knobs = backward_knobs(case, level)
    copies = list(_copies(hypothesis, level, {knob.name for knob in knobs}))
    if copies:
        fits = misfits(run(copies)) <= 1.0
        if fits.any():
            return [copies[i] for i in np.flatnonzero(fits)]
    groups = _level_groups(view, level)
    found = find_moves(run, hypothesis, groups, depth=1, cells=view.cells(level, hypothesis))
    found = found or try_candidates(run, _shape_candidates(hypothesis, groups))
    for copy in copies[:4] if not found else ():
        found += find_moves(run, copy, groups, depth=1, cells=view.cells(level, copy))
    return found


def _shape_candidates(base: dict, groups: Sequence[Group]) -> list[Candidate]:
    """Functions in place of the derivative, each with a width and a factor of its own."""
    named = {group.name: group for group in groups}
    if "derivative width" not in named:
        return []
    width, factor = named["derivative width"], named["derivative factor"]
    shapes = [group for name, group in named.items() if name.removeprefix("derivative ") in SHAPES]
    starts = {width.knobs[0].right, *WIDTHS}
    return [
        ({**base, **shape.turn(1.0)}, (width, factor), [start, 1.0])
        for shape in shapes
        for start in starts
    ]


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
