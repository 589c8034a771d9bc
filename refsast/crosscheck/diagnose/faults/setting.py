"""A setting of faults: what it says, what it gives, and whether that is what was answered."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refsast.arrays import Array
from refsast.autodiff.tape import primal
from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.compare import Examination
from refsast.crosscheck.diagnose.faults.fault import Fault
from refsast.crosscheck.diagnose.faults.gradient import (
    grads_by_name,
)
from refsast.crosscheck.diagnose.misfit import allowed_distance, explains
from refsast.crosscheck.general.plan import Plan, right_plan, run_plan, solve_plan
from refsast.crosscheck.tolerance import norm
from refsast.model.params import flatten, param_arrays


@dataclass(frozen=True, eq=False)
class Planted:
    """A fault in some layers, with its number in each."""

    fault: Fault
    layers: Sequence[int]
    values: Sequence[float]

    def says(self, case: Case) -> str:
        """What completes "your gradient is the reference ..."."""
        right = self.fault.right
        known = [0.0 if right is None else right(case, i) or 0.0 for i in self.layers]
        value, wanted = (_list_numbers(each) for each in (self.values, known))
        says = self.fault.says.format(value=value, right=wanted)
        if not self.fault.layered or case.network.depth == 1:
            return says
        if len(self.layers) == case.network.depth:
            return f"{says} in all layers"
        named = " and ".join(str(i + 1) for i in self.layers)
        return f"{says} in layer{'s' if len(self.layers) > 1 else ''} {named}"


def _list_numbers(values: Sequence[float]) -> str:
    """One number where all are equal, else all of them."""
    return ", ".join(f"{value:.6g}" for value in (values if len(set(values)) > 1 else values[:1]))


Setting = tuple[Planted, ...]


def build(case: Case, setting: Setting) -> Plan | None:
    """Return the plan with all faults of a setting; None where the case has no place for one.

    A fault of several layers has its place in two of them at least.
    """
    plan = right_plan(case)
    for planted in setting:
        changed = 0
        for i, value in zip(planted.layers, planted.values, strict=True):
            found = planted.fault.change(case, plan, i, value)
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


def fits(exam: Examination, setting: Setting) -> bool:
    """Return whether a setting gives what was answered."""
    answer = solve_setting(exam.case, setting)
    return answer is not None and explains(exam, answer)


def measure_share(parts: list[Examination], setting: Setting) -> float | None:
    """Return the share of wrong arrays that a setting explains, 1: of all; None: it changes none.

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
        if not explains(part, answer):
            return _array_share(part, answer)
    return 1.0


def _has_loss(part: Examination, plan: Plan) -> bool:
    loss = compute_loss(part, plan)
    got, tolerance = np.asarray(part.got.loss), np.asarray(part.tolerance.loss)
    return abs(loss - part.got.loss) <= allowed_distance(part.dtype, got, tolerance)


def compute_loss(part: Examination, plan: Plan) -> float:
    """Return the loss of a part of the case under a plan."""
    with np.errstate(all="ignore"):
        return float(primal(run_plan(part.case, plan, traced=False).loss))


def _array_share(part: Examination, answer: Answer) -> float:
    got, want, right = (grads_by_name(each) for each in (part.got, answer, part.right))
    tolerances = dict(zip(got, param_arrays(part.tolerance.grads), strict=True))

    def is_near(name: str, side: dict[str, Array]) -> bool:
        near = allowed_distance(part.dtype, side[name], tolerances[name])
        return norm(got[name] - side[name]) <= near

    wrong = [name for name in got if not is_near(name, right)]
    good = [name for name in wrong if is_near(name, want)]
    return 0.99 * len(good) / len(wrong) if wrong else 0.0


def count_fitted(setting: Setting) -> int:
    """Return how many numbers of a setting may be any."""
    return sum(planted.fault.right is not None for planted in setting)
