"""The report on a failure: the smallest example, where it is wrong and why.

Rule 1: the cause is that of the largest wrong example; the smallest is often so plain that a
        detached reset and a constant factor give the same numbers there.
"""

from dataclasses import dataclass, replace

from refsast.crosscheck.case import Factory
from refsast.crosscheck.check import attach_cause, check
from refsast.crosscheck.compare import examine
from refsast.crosscheck.conformance.comparison import NoAnswer
from refsast.crosscheck.conformance.dtypes import build_for
from refsast.crosscheck.conformance.levels import LevelTest
from refsast.crosscheck.conformance.sam_report import SamReport, explain_sam
from refsast.crosscheck.conformance.search import Tally, is_wrong
from refsast.crosscheck.conformance.strategies import Example
from refsast.crosscheck.diagnose.attribution import Cause, Explanation, attribute
from refsast.crosscheck.diagnose.causes import explain_answer
from refsast.crosscheck.diagnose.observations import observe
from refsast.crosscheck.reproducer import case_source, format_value
from refsast.model.network import describe_extension

NOT_REPEATED = "answers differ from call to call: is something kept?"


@dataclass(frozen=True, eq=False)
class Failure:
    """The smallest example found that an implementation gets wrong."""

    example: Example
    report: str  # of `check`
    cause: str | None = None  # why it is wrong
    place: str | None = None  # where first

    def __str__(self) -> str:
        return f"{self.report}\n\n{example_source(self.example)}"


def explain_failure(factory: Factory, test: LevelTest, example: Example, tally: Tally) -> Failure:
    """Return the report on the smallest wrong example of a test; `tally` has the largest."""
    try:
        if not is_wrong(factory, test, example):
            report = "the same case is answered rightly when it is asked again"
            return Failure(example, report, NOT_REPEATED)
        if test.level == "sam":
            report = explain_sam(factory, example, tally.largest or example)
            if report is not None:
                cause = report.cause if isinstance(report, SamReport) else None
                return Failure(example, str(report), cause)
        report = check(build_for(factory, example), example.case)
        if not report.repeated:
            known = NOT_REPEATED if report.cause is None else str(report.cause)
            return Failure(example, str(report), known)
        explanation, cause = _largest_cause(factory, tally.largest or example)
        if explanation is not None and describe_extension(example.case.network):
            same = cause and report.cause and cause.name == report.cause.name
            # Its layers are those of the largest example, so that the smallest one's is better.
            report = report if same else replace(report, cause=cause)
        elif explanation is not None:
            report = attach_cause(report, explanation, cause)
    except NoAnswer as reason:
        return Failure(example, f"wrong; why cannot be told: {reason}")
    except ValueError as error:
        return Failure(example, str(error))
    place = None if report.first is None else str(report.first)
    cause = None if report.cause is None else str(report.cause)
    return Failure(example, str(report), cause, place)


def _largest_cause(factory: Factory, example: Example) -> tuple[Explanation | None, Cause | None]:
    """What explains the answer to the largest example, if something does."""
    gradient = build_for(factory, example).gradient
    exam = examine(gradient, example.case)
    if exam.wrong <= {"states"}:
        return None, None  # what a library reports as its state is a convention
    if describe_extension(exam.case.network):
        return explain_answer(gradient, exam)
    return attribute(observe(gradient, exam))


def example_source(example: Example) -> str:
    """Return an example as Python text."""
    text = case_source(example.case)
    if example.x is example.case.x:
        return text
    second = f"second = ({format_value(example.x)}, {format_value(example.y)})"
    return f"{text}\n{second}\nrho = {example.rho!r}"
