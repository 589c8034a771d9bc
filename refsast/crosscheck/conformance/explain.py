"""What is said of a failure: the smallest case, where it is wrong and why.

Rule 1: why is read off the largest wrong case; the smallest is often so plain that a detached reset
        and a constant factor give the same numbers there.
"""

from dataclasses import dataclass

from refsast.crosscheck.attribution import Cause, attribute
from refsast.crosscheck.case import Case, Factory, ask
from refsast.crosscheck.check import check, with_cause
from refsast.crosscheck.conformance.asking import guarded
from refsast.crosscheck.conformance.levels import Test
from refsast.crosscheck.conformance.sam_causes import cause_of
from refsast.crosscheck.conformance.search import Tally, is_wrong
from refsast.crosscheck.conformance.strategies import Question
from refsast.crosscheck.factory import built
from refsast.crosscheck.faults import Fault
from refsast.crosscheck.judge import compared, seen_in, tolerances
from refsast.crosscheck.program import solve
from refsast.crosscheck.source import source_of, spelled

KEPT = "answers differ from call to call: is something kept?"


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

    question: Question
    report: str
    cause: str | None = None
    place: str | None = None

    def __str__(self) -> str:
        return f"{self.report}\n\n{source(self.question)}"


def explained(factory: Factory, test: Test, question: Question, tally: Tally) -> Failure:
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
                question, "the same case is answered rightly when it is asked again", KEPT
            )
        cause = cause_of(factory, question) if test.level == "sam" else None
        if cause is not None:
            return Failure(question, f"SAM gradient is wrong\n  cause: {cause}", cause)
        report = check(guarded(built(factory, question.case)), question.case)
        if not report.repeated:
            return Failure(question, str(report), KEPT)
        largest = (tally.largest or question).case
        fault, cause = _why(factory, largest)
        report = report if fault is None else with_cause(report, fault, cause)
    except ValueError as error:
        return Failure(question, str(error))
    place = None if report.first is None else str(report.first)
    cause = None if report.cause is None else str(report.cause)
    return Failure(question, str(report), cause, place)


def _why(factory: Factory, case: Case) -> tuple[Fault | None, Cause | None]:
    """The known fault that explains what is said of a case, if one does."""
    gradient = guarded(built(factory, case)).gradient
    got, dtype = ask(gradient, case)
    seen = seen_in(case, dtype)
    right = solve(seen)
    stages = compared(got, right, tolerances(seen, right, dtype))
    if {stage.name for stage in stages if not stage.agrees} <= {"states"}:
        return None, None  # a convention of what is reported
    return attribute(gradient, seen, dtype)


def source(question: Question) -> str:
    """Return a question as Python text."""
    text = source_of(question.case)
    if question.x is question.case.x:
        return text
    second = f"second = ({spelled(question.x)}, {spelled(question.y)})"
    return f"{text}\n{second}\nrho = {question.rho!r}"


def size_of(case: Case) -> dict[str, object]:
    """Return how large a case is."""
    time, batch, _ = case.x.shape
    return {"sizes": list(case.network.sizes), "steps": time, "batch": batch}
