"""One mode after another put to the check, and what came of each."""

import importlib
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from refsast.crosscheck.check import Report, check
from refsast.crosscheck.implementation import Implementation
from tests.audit.modes import Mode, NetworkMode
from tests.crosscheck.random_cases import draw_case


@dataclass(frozen=True)
class Row:
    """What came of a mode.

    Attributes
    ----------
    mode : Mode
        Which.
    version : str
        Of the library; empty if it is not installed.
    reports : tuple of Report
        One per case.
    refusal : str
        Why the adapter does not read it; empty where it does.
    seconds : float
        From the library's network to the last verdict.
    """

    mode: Mode | NetworkMode
    version: str
    reports: tuple[Report, ...]
    refusal: str = ""
    seconds: float = 0.0

    @property
    def agreeing(self) -> int:
        """How many cases agree."""
        return sum(report.agrees for report in self.reports)

    @property
    def outcome(self) -> str:
        """Whether all cases "agree", some "disagree", or it is "undecided" or "not read"."""
        if not self.reports:
            return "not read"
        verdicts = {report.verdict for report in self.reports}
        if "DISAGREES" in verdicts:
            return "disagree"
        return "agree" if verdicts == {"agrees"} else "undecided"

    @property
    def worst(self) -> float:
        """The largest error of all that agree, in units of the tolerance."""
        agreeing = [report for report in self.reports if report.agrees]
        return max((stage.error for each in agreeing for stage in each.stages), default=0.0)

    @property
    def factors(self) -> tuple[float, ...]:
        """By what the norms of wrong gradients are too large, the smallest first."""
        wrong = [each for each in self.reports if each.verdict == "DISAGREES"]
        stages = [s for each in wrong for s in each.stages]
        return tuple(sorted(float(s.ratio) for s in stages if s.name == "parameter gradients"))

    @property
    def causes(self) -> Counter[str]:
        """What was found of the others, and how often."""
        return Counter(_cause(report) for report in self.reports if not report.agrees)


def _cause(report: Report) -> str:
    if report.verdict == "undecided":
        return "undecided"
    if report.cause is None:
        return "another answer at every call" if not report.repeated else "states differ"
    return report.cause.name if report.cause.exact else "unknown"


def row(mode: Mode, cases: int) -> Row:
    """Return what comes of a mode on its first cases."""
    try:
        found = version(mode.package)
    except PackageNotFoundError:
        return Row(mode, "", ())
    factory = load_adapter_factory(mode)
    drawns = [draw_case(seed, **mode.options) for seed in range(cases)]
    return Row(mode, found, tuple(check(factory(case), case) for case in drawns))


def network_row(mode: NetworkMode, cases: int) -> Row:
    """Return what comes of a network for so many seeds; what an adapter refuses is a row, too."""
    try:
        found = version(mode.package)
    except PackageNotFoundError:
        return Row(mode, "", ())
    reports, start = [], time.perf_counter()
    for seed in range(cases):
        try:
            implementation, case = mode.question(seed)
        except ValueError as reason:
            return Row(mode, found, (), str(reason))
        reports.append(check(implementation, case))
    return Row(mode, found, tuple(reports), seconds=time.perf_counter() - start)


def load_adapter_factory(mode: Mode) -> Callable[..., Implementation]:
    """Return what makes a mode's implementation."""
    return getattr(load_adapter(mode.adapter), mode.factory)


def load_adapter(name: str) -> Any:
    """Return an adapter, its library imported without a word."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(f"refsast.crosscheck.adapters.{name}")
