"""The cause of a wrong answer to a case of any network: a setting of faults of the table.

Rule 1: a cause gives every number that was answered, of the case and of others that it was not
        found from; nothing else is stated.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

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
from refsast.crosscheck.diagnose.faults.elsewhere import (
    Question,
    ask_elsewhere,
    holds_elsewhere,
)
from refsast.crosscheck.diagnose.faults.search import search_settings
from refsast.crosscheck.diagnose.faults.setting import Setting, count_fitted, fits, solve_setting
from refsast.crosscheck.implementation import Gradient
from refsast.model.params import flatten

PARTS = ((2, 2), (4, 2), (8, 3))  # steps and recordings of the parts that are asked about


def find_cause(gradient: Gradient, whole: Examination) -> tuple[Explanation | None, Cause]:
    """Return what explains a wrong answer, None where nothing does, and the cause in words."""
    parts = ask_parts(gradient, whole)
    settings = find_settings(gradient, whole, parts)
    got = flatten(whole.got.grads)
    if not settings:
        cosine, ratio = cosine_and_ratio(got, flatten(whole.right.grads))
        return None, Cause(UNKNOWN, _established(whole), cosine, ratio, exact=False)
    plainest = settings[0]
    free, numbers = (
        count_fitted(plainest),
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


def find_settings(
    gradient: Gradient, whole: Examination, parts: list[Examination] | None = None
) -> list[Setting]:
    """Return the settings that give all numbers of the case and of other questions, plainest first.

    `parts` are small parts of the case; by default those of `ask_parts`.
    """
    found: list[Setting] = []
    if fits(whole, ()):  # what is off is less than causes differ by
        return found
    questions: Sequence[Question] | None = None
    for setting in search_settings(parts or ask_parts(gradient, whole), whole):
        if not fits(whole, setting) or _has_idle(whole, setting):
            continue
        if questions is None:
            questions = ask_elsewhere(gradient, whole.case)
        if holds_elsewhere(questions, setting):
            found.append(setting)
            if len(found) > MAX_NAMED:
                break
    return sorted(found, key=lambda setting: (len(setting), count_fitted(setting)))


def _has_idle(whole: Examination, setting: Setting) -> bool:
    """Whether a setting of several faults explains as much without one of them."""
    return len(setting) > 1 and any(
        fits(whole, tuple(other for other in setting if other is not planted))
        for planted in setting
    )


def _explain(case: Case, settings: Sequence[Setting]) -> Explanation:
    def explain(asked: Case) -> list[Answer]:
        if asked.network != case.network:
            return []
        if not all(planted.fault.placed for setting in settings for planted in setting):
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


def ask_parts(gradient: Gradient, whole: Examination) -> list[Examination]:
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
