"""One question put to one implementation: right, wrong, or not answered.

Rule 1: while cases are drawn, only whether; where and why is asked of the smallest case alone.
Rule 2: whatever an implementation raises is an answer, a wrong one; only `Unsupported` is not.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from refsast.crosscheck.case import Answer, Case, Implementation, Unsupported, ask, describe_error
from refsast.crosscheck.compare import cast_case, compare_answers, tolerances
from refsast.crosscheck.conformance.strategies import Example
from refsast.crosscheck.variants import solve
from refsast.gradient.rounding import ErrorBounds


class NoAnswer(Exception):
    """Raised where nothing is said of what a question is about: it counts neither way."""


# ``(implementation, question) -> whether it is wrong``; raises `NoAnswer`, or ValueError where what
# came back is no answer at all.
Judge: TypeAlias = Callable[[Implementation, Example], bool]

FORWARD = ("loss", "states")
BACKWARD = ("adjoints", "parameter gradients", "input gradient")


def judge_stages(*names: str) -> Judge:
    """Return the judge of some stages of an answer to a case."""

    def wrong(implementation: Implementation, question: Example) -> bool:
        return differs(implementation, question.case, names)

    return wrong


def differs(implementation: Implementation, case: Case, names: tuple[str, ...]) -> bool:
    """Whether an answer is wrong in one of these stages."""
    got, dtype = ask(implementation.gradient, case)
    seen = cast_case(case, dtype)
    right = solve(seen)
    allowed = tolerances(seen, right, dtype)
    if case.hard and not clear(seen, right, allowed):
        raise NoAnswer("a potential so near the threshold that rounding decides")
    found = [stage for stage in compare_answers(got, right, allowed) if stage.name in names]
    if not found:
        raise NoAnswer(f"{' and '.join(names)} not given")
    return not all(stage.agrees for stage in found)


def clear(case: Case, right: Answer, allowed: ErrorBounds) -> bool:
    """Whether all potentials tie with the threshold exactly, or are clear of it."""
    layers = zip(case.network.neurons, right.u or (), allowed.u, strict=True)
    distances = [(abs(u - neuron.threshold), near) for neuron, u, near in layers]
    return not any(((d > 0.0) & (d <= near)).any() for d, near in distances)


def judge_ties(wanted: bool, judge: Judge) -> Judge:
    """Return a judge of those cases only in which some potential ties, or in which none does."""

    def wrong(implementation: Implementation, question: Example) -> bool:
        case = question.case
        layers = zip(case.network.neurons, solve(case).u or (), strict=True)
        if any((u == neuron.threshold).any() for neuron, u in layers) is not wanted:
            raise NoAnswer(f"{'no' if wanted else 'a'} potential at the threshold")
        return judge(implementation, question)

    return wrong


def wrap_errors(implementation: Implementation) -> Implementation:
    """Return an implementation whose errors are one line each, all of them ValueErrors."""

    def guard(function: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object) -> object:
            try:
                return function(*args)
            except Unsupported:
                raise
            except Exception as error:
                raise ValueError(f"sam must answer, got {describe_error(error)}") from error

        return call

    sam = None if implementation.sam is None else guard(implementation.sam)
    return replace(implementation, sam=sam)
