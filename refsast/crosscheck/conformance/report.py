"""The JSON report: the result of each level, and the smallest case of each failure."""

import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from refsast.crosscheck.conformance.coverage import NEVER, Coverage, missing_features
from refsast.crosscheck.conformance.levels import LEVELS, TESTS, LevelTest
from refsast.files import write_atomic

OUTCOMES = ("passed", "failed", "skipped", "xfailed")
PACKAGES = ("refsast", "numpy", "hypothesis", "pytest")


@dataclass(frozen=True)
class Result:
    """The result of one test."""

    test: LevelTest
    outcome: str  # one of `OUTCOMES`
    reason: str  # why skipped, or expected to fail
    facts: dict[str, object]  # what `Suite.run` recorded: cases tried and refused, and the failure


def find_test(nodeid: str) -> LevelTest | None:
    """Return which test of the suite has an id of pytest's, or None."""
    path, _, name = nodeid.rpartition("::")
    if path.rpartition("/")[2] != "test_levels.py":  # of a path from whatever root
        return None
    return next((test for test in TESTS if name == f"test_{test}"), None)


def read_result(test: LevelTest, report: pytest.TestReport) -> Result | None:
    """Return the result of a test, or None where this phase of it has none."""
    if report.when != "call" and report.outcome == "passed":
        return None
    facts = dict(report.user_properties)
    if report.outcome == "skipped" and hasattr(report, "wasxfail"):
        return Result(test, "xfailed", report.wasxfail, facts)
    reason = ""
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
    if report.outcome == "failed" and not facts.get("case"):
        reason = report.longreprtext.strip()
    return Result(test, report.outcome, reason, facts)


def count_examples(results: Sequence[Result]) -> dict[str, int]:
    """Return how many examples were tried and refused in some tests."""
    counts = {key: [r.facts.get(key) for r in results] for key in ("tried", "refused")}
    return {key: sum(n for n in each if isinstance(n, int)) for key, each in counts.items()}


def total_coverage(results: Sequence[Result]) -> Coverage:
    """Return what all tests drew together."""
    total = Coverage()
    for result in results:
        total.merge(json.loads(str(result.facts.get("coverage") or "{}")))
    return total


def write_report(path: Path, record: Mapping[str, object], results: Sequence[Result]) -> None:
    """Write the report, whole; `record` is of `suite.suite_record`."""
    text = json.dumps(build_report(record, results), indent=2) + "\n"
    write_atomic(path, text.encode())


def build_report(record: Mapping[str, object], results: Sequence[Result]) -> dict[str, object]:
    """Return what the JSON report holds."""
    results = sorted(results, key=lambda result: TESTS.index(result.test))
    levels = {level: [r for r in results if r.test.level == level] for level in LEVELS}
    versions = {name: _version(name) for name in PACKAGES}
    shown = {key: value for key, value in record.items() if key != "features"}
    features = record.get("features")
    total = total_coverage(results)
    return {
        **shown,
        "versions": versions | {"python": platform.python_version()},
        "drawn": total.as_record(),
        "never_drawn": missing_features(total, features if isinstance(features, list) else []),
        "never_asked": NEVER,
        "levels": {level: _level_report(found) for level, found in levels.items()},
    }


def _level_report(results: Sequence[Result]) -> dict[str, object]:
    counts = Counter(result.outcome for result in results)
    return {
        **{outcome: counts[outcome] for outcome in OUTCOMES},
        **count_examples(results),
        "tests": {result.test.name: _result_report(result) for result in results},
        "first_failure": next((_result_report(r) for r in results if r.outcome == "failed"), None),
    }


def _result_report(result: Result) -> dict[str, object]:
    facts = {k: v for k, v in result.facts.items() if v != "" and k != "coverage"}
    if "size" in facts:
        facts["size"] = json.loads(str(facts["size"]))
    reason = {"reason": result.reason} if result.reason else {}
    return {"test": str(result.test), "outcome": result.outcome, **reason, **facts}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:  # run from a checkout
        return None
