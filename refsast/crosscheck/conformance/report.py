"""The JSON report: what came of each level, and the smallest case of each failure."""

import json
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import pytest

from refsast.crosscheck.conformance.capabilities import KINDS, Capabilities
from refsast.crosscheck.conformance.levels import LEVELS
from refsast.crosscheck.conformance.suite import Suite
from refsast.files import write_atomic

OUTCOMES = ("passed", "failed", "skipped", "xfailed")
PACKAGES = ("refsast", "numpy", "hypothesis", "pytest")


@dataclass(frozen=True)
class Result:
    """What came of one test.

    Attributes
    ----------
    level, name, outcome : str
        The test, and one of `OUTCOMES`.
    reason : str
        Why skipped, or expected to fail.
    facts : dict
        What was recorded: cases tried and refused, and the failure.
    """

    level: str
    name: str
    outcome: str
    reason: str
    facts: dict[str, object]


def read_result(level: str, name: str, report: pytest.TestReport) -> Result | None:
    """Return what came of a test, or None where this phase of it does not say."""
    if report.when != "call" and report.outcome == "passed":
        return None
    xfailed = report.outcome == "skipped" and hasattr(report, "wasxfail")
    outcome = "xfailed" if xfailed else report.outcome
    reason = getattr(report, "wasxfail", "") if xfailed else ""
    if outcome == "skipped" and isinstance(report.longrepr, tuple):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
    if outcome == "failed" and not dict(report.user_properties).get("case"):
        reason = report.longreprtext.strip()
    return Result(level, name, outcome, reason, dict(report.user_properties))


def build_report(suite: Suite, lines: Sequence[Result]) -> dict[str, object]:
    """Return the report as what JSON holds."""
    return {
        "implementation": suite.name,
        "impl": suite.options.impl,
        "versions": {name: _version(name) for name in PACKAGES}
        | {"python": platform.python_version()},
        "examples": suite.options.examples,
        "seed": suite.options.seed,
        "kinds": {
            "smooth": _kind_counts(suite.smooth),
            "hard": _kind_counts(suite.hard),
        },
        "levels": {
            level: _level_report([x for x in lines if x.level == level]) for level in LEVELS
        },
    }


def _kind_counts(offer: Capabilities) -> dict[str, object]:
    return {"offered": len(offer.kinds), "of": len(KINDS), "refused": offer.reasons}


def _level_report(lines: Sequence[Result]) -> dict[str, object]:
    counted = Counter(line.outcome for line in lines)
    return {
        **{outcome: counted[outcome] for outcome in OUTCOMES},
        **{key: sum(_count(line.facts.get(key)) for line in lines) for key in TALLIES},
        "tests": {line.name: _result_report(line) for line in lines},
        "first_failure": next((_result_report(x) for x in lines if x.outcome == "failed"), None),
    }


TALLIES = ("tried", "refused")


def _result_report(line: Result) -> dict[str, object]:
    facts = {key: value for key, value in line.facts.items() if value != ""}
    if "size" in facts:
        facts["size"] = json.loads(str(facts["size"]))
    reason = {"reason": line.reason} if line.reason else {}
    return {"test": f"{line.level}[{line.name}]", "outcome": line.outcome, **reason, **facts}


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:  # run from a checkout
        return None


def write_report(suite: Suite, lines: Sequence[Result]) -> None:
    """Write the report where it was asked for, whole."""
    if suite.options.report is not None:
        text = json.dumps(build_report(suite, lines), indent=2) + "\n"
        write_atomic(suite.options.report, text.encode())
