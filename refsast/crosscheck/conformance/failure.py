"""What is said of a failure: the smallest case, where it is wrong and why.

Rule 1: why is read off the largest wrong case; the smallest is often so plain that a detached reset
        and a constant factor give the same numbers there.
"""

from dataclasses import dataclass

from refsast.crosscheck.case import Case, Factory, ask
from refsast.crosscheck.check import attach_cause, check
from refsast.crosscheck.compare import cast_case, compare_answers, tolerances
from refsast.crosscheck.conformance.comparison import wrap_errors
from refsast.crosscheck.conformance.levels import LevelTest
from refsast.crosscheck.conformance.sam_causes import find_sam_cause
from refsast.crosscheck.conformance.search import Tally, is_wrong
from refsast.crosscheck.conformance.strategies import Example
from refsast.crosscheck.diagnose.attribution import Cause, attribute
from refsast.crosscheck.diagnose.faults import Fault
from refsast.crosscheck.factory import build
from refsast.crosscheck.reproducer import case_source, format_value
from refsast.crosscheck.variants import solve

NOT_REPEATED = "answers differ from call to call: is something kept?"


@dataclass(frozen=True, eq=False)
class Failure:
    """The smallest case found that an implementation gets wrong.

    Attributes
    ----------
    question : Question
        The case.
    report : str
        What `check` says of it.
    cause, place : str or None
        Of the report: why it is wrong, and where first.
    """

    question: Example
    report: str
    cause: str | None = None
    place: str | None = None

    def __str__(self) -> str:
        return f"{self.report}\n\n{example_source(self.question)}"


def explain_failure(factory: Factory, test: LevelTest, question: Example, tally: Tally) -> Failure:
    """Return what is to be said of a case that was found wrong.

    Parameters
    ----------
    factory : callable
        Asked for fresh implementations.
    test : Test
        In which it was.
    question : Question
        The smallest case.
    tally : Tally
        Has the largest, too.
    """
    try:
        if not is_wrong(factory, test, question):
            return Failure(
                question, "the same case is answered rightly when it is asked again", NOT_REPEATED
            )
        cause = find_sam_cause(factory, question) if test.level == "sam" else None
        if cause is not None:
            return Failure(question, f"SAM gradient is wrong\n  cause: {cause}", cause)
        report = check(wrap_errors(build(factory, question.case)), question.case)
        if not report.repeated:
            return Failure(question, str(report), NOT_REPEATED)
        largest = (tally.largest or question).case
        fault, cause = _largest_cause(factory, largest)
        report = report if fault is None else attach_cause(report, fault, cause)
    except ValueError as error:
        return Failure(question, str(error))
    place = None if report.first is None else str(report.first)
    cause = None if report.cause is None else str(report.cause)
    return Failure(question, str(report), cause, place)


def _largest_cause(factory: Factory, case: Case) -> tuple[Fault | None, Cause | None]:
    """The known fault that explains what is said of a case, if one does."""
    gradient = wrap_errors(build(factory, case)).gradient
    got, dtype = ask(gradient, case)
    seen = cast_case(case, dtype)
    right = solve(seen)
    stages = compare_answers(got, right, tolerances(seen, right, dtype))
    if {stage.name for stage in stages if not stage.agrees} <= {"states"}:
        return None, None  # a convention of what is reported
    return attribute(gradient, seen, dtype)


def example_source(question: Example) -> str:
    """Return a question as Python text."""
    text = case_source(question.case)
    if question.x is question.case.x:
        return text
    second = f"second = ({format_value(question.x)}, {format_value(question.y)})"
    return f"{text}\n{second}\nrho = {question.rho!r}"


def case_size(case: Case) -> dict[str, object]:
    """Return how large a case is."""
    time, batch, _ = case.x.shape
    return {"sizes": list(case.network.sizes), "steps": time, "batch": batch}
