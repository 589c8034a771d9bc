"""One example put to one implementation: right, wrong, or not answered.

Rule 1: while examples are drawn, only whether it is wrong; where and why is asked of the smallest
        and the largest wrong one alone.
Rule 2: whatever an implementation raises is an answer, a wrong one; only `Unsupported` is not.
"""

from collections.abc import Callable
from typing import TypeAlias

from refsast.crosscheck.case import Case
from refsast.crosscheck.conformance.strategies import Example
from refsast.crosscheck.implementation import Implementation
from refsast.crosscheck.tolerance import MAX_SHARE
from refsast.crosscheck.unclear import examine_clear, unclear_recordings
from refsast.crosscheck.variants import solve


class NoAnswer(Exception):
    """Raised where an answer lacks what a test is about: it counts neither way."""


# ``(implementation, example) -> whether it is wrong``; raises `NoAnswer`, or ValueError where what
# came back is no answer at all.
Judge: TypeAlias = Callable[[Implementation, Example], bool]

FORWARD = ("loss", "states")
BACKWARD = ("adjoints", "parameter gradients", "input gradient")


def judge_stages(*names: str) -> Judge:
    """Return the judge of some stages of an answer to a case."""
    return lambda implementation, example: differs(implementation, example.case, names)


def differs(implementation: Implementation, case: Case, names: tuple[str, ...]) -> bool:
    """Whether an answer is wrong in one of these stages."""
    exam, _ = examine_clear(implementation.gradient, case)
    found = [stage for stage in exam.stages if stage.name in names]
    if not found:
        raise NoAnswer(f"{' and '.join(names)} not given")
    if all(stage.agrees for stage in found):
        if any(stage.resolution[1] > MAX_SHARE for stage in found):
            raise NoAnswer("rounding may move these numbers too far for them to be compared")
        return False
    if unclear_recordings(exam):
        raise NoAnswer("a potential so near the threshold that rounding decides")
    return True


def judge_ties(wanted: bool, judge: Judge) -> Judge:
    """Return a judge of those cases only in which some potential ties, or in which none does."""

    def judge_some(implementation: Implementation, example: Example) -> bool:
        case = example.case
        layers = zip(case.network.neurons, solve(case).u or (), strict=True)
        if any((u == neuron.threshold).any() for neuron, u in layers) is not wanted:
            raise NoAnswer(f"{'no' if wanted else 'a'} potential at the threshold")
        return judge(implementation, example)

    return judge_some
