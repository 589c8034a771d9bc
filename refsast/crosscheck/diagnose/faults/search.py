"""The search for a cause among the faults of the table.

Rule 1: a cause gives every number that was answered, of the case and of others that it was not
        found from; nothing else is stated.
Rule 2: small parts of the case are explained first; a run of the whole is dear.
Rule 3: what the search costs is counted in runs, not in time, so that it finds the same everywhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from refsast.arrays import Array
from refsast.autodiff.tape import primal
from refsast.crosscheck.case import Answer, Case, truncate_case
from refsast.crosscheck.compare import Examination, cosine_and_ratio, examine
from refsast.crosscheck.diagnose.attribution import (
    MAX_NAMED,
    NUMBERS_BESIDE,
    NUMBERS_PER_VALUE,
    TOO_FEW,
    UNKNOWN,
    Cause,
    Explanation,
)
from refsast.crosscheck.diagnose.confirm import NEAR, SLACK, other_questions
from refsast.crosscheck.diagnose.faults.connection import connection_faults
from refsast.crosscheck.diagnose.faults.fault import Fault
from refsast.crosscheck.diagnose.faults.gradient import factor_faults, grads_by_name, late_faults
from refsast.crosscheck.diagnose.faults.loss import loss_faults
from refsast.crosscheck.diagnose.faults.neuron import neuron_faults
from refsast.crosscheck.diagnose.misfit import misfit, relative_limit
from refsast.crosscheck.general.plan import Plan, right_plan, run_plan, solve_plan
from refsast.crosscheck.implementation import Gradient
from refsast.crosscheck.tolerance import norm
from refsast.model.params import flatten, param_arrays

PARTS = ((2, 2), (4, 2), (8, 3))  # steps and recordings of the parts that are asked about
FIT_STEPS = 8
PROGRESS = 0.5  # by which the misfit of a fit has to fall in its first two steps
PAIRED = 10  # faults that explain most, of which pairs are tried


@dataclass(frozen=True, eq=False)
class Planted:
    """A fault in some layers, with its number."""

    fault: Fault
    layers: Sequence[int]
    value: float

    def says(self, case: Case) -> str:
        """What completes "your gradient is the reference ..."."""
        right = self.fault.right(case, self.layers[0]) if self.fault.right else None
        known = "" if right is None else f"{right:.6g}"
        says = self.fault.says.format(value=f"{self.value:.6g}", right=known)
        if not self.fault.layered or case.network.depth == 1:
            return says
        if len(self.layers) > 1:
            return f"{says} in all layers"
        return f"{says} in layer {self.layers[0] + 1}"


Setting = tuple[Planted, ...]


def build(case: Case, setting: Setting) -> Plan | None:
    """Return the plan with all faults of a setting; None where the case has no place for one.

    A fault of all layers has its place in two of them at least.
    """
    plan = right_plan(case)
    for planted in setting:
        changed = 0
        for i in planted.layers:
            found = planted.fault.change(case, plan, i, planted.value)
            changed, plan = changed + (found is not None), found or plan
        if changed < min(2, len(planted.layers)):
            return None
    return plan


def solve_setting(case: Case, setting: Setting) -> Answer | None:
    """Return the answer with the faults of a setting; None: no place for one, or not finite."""
    plan = build(case, setting)
    if plan is None:
        return None
    with np.errstate(all="ignore"):
        answer = solve_plan(case, plan)
    return answer if np.isfinite(answer.loss) and np.isfinite(flatten(answer.grads)).all() else None


def _fits(exam: Examination, setting: Setting) -> bool:
    answer = solve_setting(exam.case, setting)
    return answer is not None and misfit(exam, answer) <= 1.0


def find_cause(gradient: Gradient, whole: Examination) -> tuple[Explanation | None, Cause]:
    """Return what explains a wrong answer, None where nothing does, and the cause in words."""
    parts = _ask_parts(gradient, whole)
    settings: list[Setting] = []
    for setting in _search(parts, whole):
        if _fits(whole, setting) and _holds_elsewhere(gradient, whole, setting):
            settings.append(setting)
            if len(settings) > MAX_NAMED:
                break
    got = flatten(whole.got.grads)
    if not settings:
        cosine, ratio = cosine_and_ratio(got, flatten(whole.right.grads))
        return None, Cause(UNKNOWN, _established(whole), cosine, ratio, exact=False)
    settings.sort(key=lambda setting: (len(setting), _count_fitted(setting)))
    plainest = settings[0]
    free, numbers = (
        _count_fitted(plainest),
        sum(np.count_nonzero(flatten(p.got.grads)) for p in parts),
    )
    if free and numbers < NUMBERS_PER_VALUE * free + NUMBERS_BESIDE:
        return None, Cause(UNKNOWN, TOO_FEW, 1.0, 1.0, exact=False)
    texts = [" and ".join(p.says(whole.case) for p in setting) for setting in settings]
    first, *others = dict.fromkeys(texts)
    name = " + ".join(planted.fault.name.strip() for planted in plainest)
    answer = solve_setting(whole.case, plainest)
    assert answer is not None
    cause = Cause(name, first, *cosine_and_ratio(got, flatten(answer.grads)))
    return _explain(whole.case, settings), replace(cause, others=tuple(others[: MAX_NAMED - 1]))


def _count_fitted(setting: Setting) -> int:
    """How many numbers of a setting may be any."""
    return sum(planted.fault.right is not None for planted in setting)


def _explain(case: Case, settings: Sequence[Setting]) -> Explanation:
    def explain(asked: Case) -> list[Answer]:
        if asked.network != case.network:
            return []
        found = (solve_setting(asked, setting) for setting in settings)
        return [answer for answer in found if answer is not None]

    return explain


def _established(whole: Examination) -> str:
    """What is known without a cause: which numbers are right."""
    wrong, right = [], []
    for stage in whole.stages:
        for name, errors in stage.errors:
            (right if errors.max(initial=0.0) <= 1.0 else wrong).append(name)
    says = ["the loss is right"] if "loss" in right else []
    grads = [name for name in right if name.startswith("grads")]
    if grads:
        says.append(f"{', '.join(grads)} agree{'s' if len(grads) == 1 else ''}")
    return ", ".join(says)


def _ask_parts(gradient: Gradient, whole: Examination) -> list[Examination]:
    """Small parts of the case that are wrong, growing; the whole where it cannot be cut."""
    found: list[Examination] = []
    sizes = {(min(t, len(whole.case.x)), min(b, len(whole.case.y))) for t, b in PARTS}
    for t, b in sorted(sizes):
        try:
            exam = examine(gradient, truncate_case(whole.case, t, b))
        except ValueError:
            break
        if exam.wrong:
            found.append(exam)
    return found or [whole]


def _search(parts: list[Examination], whole: Examination) -> Iterator[Setting]:
    """Yield the settings that explain all parts, the plainest first."""
    loss_wrong = any("loss" in each.wrong for each in (*parts, whole))
    singles = list(_candidates(whole, backward=not loss_wrong))
    explained: list[tuple[float, Setting]] = []
    found = False
    for find in (_single, _fitted):
        for fault, layers in singles:
            for setting, share in find(parts, fault, layers):
                explained.append((share, setting))
                if share >= 1.0:
                    found = True
                    yield setting
        if found:  # a value that is fitted is less plain
            return
        if find is _single:
            for setting in _with_finish(parts, ()):
                found = True
                yield setting
            if found:
                return
    best = [s for share, s in sorted(explained, key=lambda each: -each[0]) if share > 0.0]
    best = [s for s in best][: 4 * PAIRED]
    for setting in best:
        yield from _with_finish(parts, setting)
    for first in best[:PAIRED]:
        for fault, layers in _candidates(whole, backward=True):
            if fault is first[0].fault and layers == first[0].layers:
                continue
            for value in fault.values(whole.case, layers[0])[:3]:
                pair = (*first, Planted(fault, layers, value))
                if all(_fits(part, pair) for part in parts):
                    yield pair


def _candidates(whole: Examination, *, backward: bool) -> Iterator[tuple[Fault, tuple[int, ...]]]:
    """The faults that may be, and the layers in which each may be."""
    depth = whole.case.network.depth
    faults = [*neuron_faults(), *connection_faults(), *loss_faults()]
    layers = [(i,) for i in range(depth)]
    if backward:  # nothing above the highest wrong gradient, but for what is detached there
        wrong = [
            int(name[6 : name.index("]")])
            for stage in whole.stages
            if stage.name == "parameter gradients"
            for name, errors in stage.errors
            if errors.max(initial=0.0) > 1.0
        ]
        top = max(wrong, default=0)
        layers = [(i,) for i in range(depth) if top <= i <= top + 1] or [(depth - 1,)]
    together = [tuple(range(depth))] if depth > 1 else []
    for fault in faults:
        if fault.backward != backward:
            continue
        for which in [*layers, *together] if fault.layered else [(0,)]:
            yield fault, which


def _single(
    parts: list[Examination], fault: Fault, layers: tuple[int, ...]
) -> Iterator[tuple[Setting, float]]:
    """A fault with each of its numbers, and which share of the wrong arrays it explains."""
    values = dict.fromkeys(v for i in layers for v in fault.values(parts[0].case, i))
    for value in values:
        planted = (Planted(fault, layers, value),)
        if (share := _share(parts, planted)) is not None:
            yield planted, share
            if share >= 1.0:
                return


def _fitted(
    parts: list[Examination], fault: Fault, layers: tuple[int, ...]
) -> Iterator[tuple[Setting, float]]:
    """The same with the number that fits best, where it may be any."""
    rights = {fault.right(parts[0].case, i) for i in layers} if fault.right else set()
    right = rights.pop() if len(rights) == 1 else None
    if right is None:
        return
    value = _fit_value(parts[0], fault, layers, right)
    if value is None or abs(value - right) <= 1e-5 * max(abs(right), 1e-3):
        return
    planted = (Planted(fault, layers, value),)
    if (share := _share(parts, planted)) is not None:
        yield planted, share


def _share(parts: list[Examination], setting: Setting) -> float | None:
    """The share of wrong arrays that a setting explains; 1: it explains all; None: it changes none.

    What has the wrong loss explains nothing.
    """
    for part in parts:
        plan = build(part.case, setting)
        if plan is None:
            return None
        if "loss" in part.wrong and not _has_loss(part, plan):
            return None
        answer = solve_setting(part.case, setting)
        if answer is None:
            return None
        if misfit(part, answer) > 1.0:
            return _explained_share(part, answer)
    return 1.0


def _has_loss(part: Examination, plan: Plan) -> bool:
    with np.errstate(all="ignore"):
        loss = float(primal(run_plan(part.case, plan).loss))
    near = relative_limit(part.dtype) * abs(part.got.loss) + 8.0 * part.tolerance.loss
    return abs(loss - part.got.loss) <= near


def _explained_share(part: Examination, answer: Answer) -> float:
    got, want, right = (grads_by_name(each) for each in (part.got, answer, part.right))
    tolerances = dict(zip(got, param_arrays(part.tolerance.grads), strict=True))

    def is_near(name: str, side: dict[str, Array]) -> bool:
        near = relative_limit(part.dtype) * norm(side[name]) + 8.0 * norm(tolerances[name])
        return norm(got[name] - side[name]) <= near

    wrong = [name for name in got if not is_near(name, right)]
    good = [name for name in wrong if is_near(name, want)]
    return 0.99 * len(good) / len(wrong) if wrong else 0.0


def _fit_value(
    part: Examination, fault: Fault, layers: tuple[int, ...], start: float
) -> float | None:
    """The number with which a fault explains the answer best, by Gauss-Newton; None: none does."""
    value, first = start, None
    for step in range(FIT_STEPS):
        here = _residual(part, (Planted(fault, layers, value),))
        width = 1e-6 * max(abs(value), 1e-2)
        there = _residual(part, (Planted(fault, layers, value + width),))
        if here is None or there is None:
            return None
        size = float(np.linalg.norm(here))
        first = size if first is None else first
        if step == 2 and not size <= PROGRESS * first:
            return None
        slope = (there - here) / width
        curvature = float(slope @ slope)
        if curvature == 0.0:
            return None
        change = -float(slope @ here) / curvature
        change = float(np.clip(change, -2.0 * abs(value) - 0.5, 2.0 * abs(value) + 0.5))
        value += change
        if abs(change) <= 1e-12 * abs(value):
            break
    return value


def _residual(part: Examination, setting: Setting) -> Array | None:
    answer = solve_setting(part.case, setting)
    if answer is None:
        return None
    scale = np.linalg.norm(flatten(part.got.grads)) or 1.0
    loss = (answer.loss - part.got.loss) / max(abs(part.got.loss), 1e-300)
    return np.append((flatten(answer.grads) - flatten(part.got.grads)) / scale, loss)


def _with_finish(parts: list[Examination], setting: Setting) -> Iterator[Setting]:
    """A setting with what is done to its gradient at the end."""
    last = parts[-1]
    answer = solve_setting(last.case, setting)
    if answer is None:
        return
    with np.errstate(all="ignore"):
        faults = [*factor_faults(last, answer), *late_faults(last, answer)]
    for fault in faults:
        found = (*setting, Planted(fault, (0,), 1.0))
        if all(_fits(part, found) for part in parts[-1:]):
            yield found


def _holds_elsewhere(gradient: Gradient, whole: Examination, setting: Setting) -> bool:
    """Whether a setting gives the numbers of questions that it was not found from, too."""
    for other in other_questions(whole.case):
        try:
            exam = examine(gradient, other)
        except ValueError:
            continue
        answer = solve_setting(exam.case, setting)
        if answer is None or misfit(exam, answer) > NEAR / relative_limit(exam.dtype) + SLACK:
            return False
    return True
