"""One mode after another put to the check, and what came of each."""

import importlib
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from refsast.crosscheck.check import Report, check
from refsast.crosscheck.implementation import Implementation
from tests.audit.modes import Mode
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
    """

    mode: Mode
    version: str
    reports: tuple[Report, ...]

    @property
    def agreeing(self) -> int:
        """How many cases agree."""
        return sum(report.agrees for report in self.reports)

    @property
    def worst(self) -> float:
        """The largest error of all that agree, in units of the tolerance."""
        agreeing = [report for report in self.reports if report.agrees]
        return max((stage.error for each in agreeing for stage in each.stages), default=0.0)

    @property
    def factors(self) -> tuple[float, ...]:
        """By what the norms of wrong gradients are too large, the smallest first."""
        stages = [s for each in self.reports if not each.agrees for s in each.stages]
        return tuple(sorted(float(s.ratio) for s in stages if s.name == "parameter gradients"))

    @property
    def causes(self) -> Counter[str]:
        """What was found of the others, and how often."""
        return Counter(_cause(report) for report in self.reports if not report.agrees)


def _cause(report: Report) -> str:
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


def load_adapter_factory(mode: Mode) -> Callable[..., Implementation]:
    """Return what makes a mode's implementation, its library imported without a word."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapter = importlib.import_module(f"refsast.crosscheck.adapters.{mode.adapter}")
    return getattr(adapter, mode.factory)
