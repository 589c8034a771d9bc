"""Does a setting give the answers to questions that it was not found from?"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Answer, Case, ask
from refsast.crosscheck.compare import (
    STAGES,
    Examination,
    cast_case,
    examine_answer,
    stage_arrays,
)
from refsast.crosscheck.diagnose.confirm import NEAR, OF_FAULT, SLACK, ask_others, reaches_layers
from refsast.crosscheck.diagnose.faults.setting import Setting, count_fitted, solve_setting
from refsast.crosscheck.diagnose.misfit import fits_fault, misfit, relative_limit
from refsast.crosscheck.implementation import Gradient
from refsast.crosscheck.tolerance import norm
from refsast.model.spike import heaviside
from refsast.model.unroll import run


@dataclass(frozen=True, eq=False)
class Question:
    """Another question, as seen in the dtype of its answer."""

    case: Case
    dtype: np.dtype
    got: Answer

    @cached_property
    def exam(self) -> Examination:
        """The answer beside the right one: dear, and seldom needed."""
        return examine_answer(self.got, self.case, self.dtype)

    @property
    def alive(self) -> bool:
        """Whether a gradient reaches some spiking layer: what is computed there shows."""
        return reaches_layers(self.got, self.case.network.depth)

    @property
    def seen(self) -> tuple[Answer, Sequence[Array]]:
        """The answer, and the right spikes."""
        case = self.case
        spike = heaviside if case.hard else None
        return self.got, run(case.network, case.params, case.x, spike).s


def ask_elsewhere(gradient: Gradient, case: Case) -> Sequence[Question]:
    """Ask an implementation the questions by which causes are confirmed; those that it answers.

    Louder ones are among them where a layer is silent otherwise, or no gradient reaches any.
    """
    asked = ask_others(partial(_ask, gradient), case, lambda question: question.seen)
    return [question for _, question in asked]


def _ask(gradient: Gradient, case: Case) -> Question:
    got, dtype = ask(gradient, case)
    return Question(cast_case(case, dtype), dtype, got)


def holds_elsewhere(questions: Sequence[Question], setting: Setting) -> bool:
    """Return whether a setting gives the numbers of all questions.

    Where no gradient reaches any layer, they do not tell what a layer computes forward.
    """
    forward = any(p.fault.layered and not p.fault.backward for p in setting)
    can_tell = not forward or any(question.alive for question in questions)
    return can_tell and all(_gives(question, setting) for question in questions)


def _gives(question: Question, setting: Setting) -> bool:
    answer = solve_setting(question.case, setting)
    if answer is None:
        return False
    if count_fitted(setting) and not fits_fault(question.exam, answer, OF_FAULT):
        return False
    if _is_near(question.got, answer):  # then it is so within any tolerance
        return True
    return misfit(question.exam, answer) <= NEAR / relative_limit(question.dtype) + SLACK


def _is_near(got: Answer, answer: Answer) -> bool:
    """Whether all that `misfit` compares is the same, whatever rounding does to it."""
    return all(
        norm(array - want[name]) <= NEAR * norm(want[name])
        for stage in STAGES
        if stage != "states"
        for want in (stage_arrays(answer, stage),)
        for name, array in stage_arrays(got, stage).items()
    )
