"""The plugin of the suite: it reads the environment, marks expected failures, and reports.

Rule 1: where nobody asks for the suite, none of it runs: in a run of other tests, too, it is left
        out without a word. Where it alone is asked for and no implementation is named, that is an
        error: a suite that silently tests nothing is worse than none.
Rule 2: an error in the environment is one line and pytest's exit code for usage errors, 4.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from refsast.crosscheck.conformance.coverage import describe_coverage
from refsast.crosscheck.conformance.levels import LEVELS, TESTS, LevelTest
from refsast.crosscheck.conformance.options import read_options
from refsast.crosscheck.conformance.report import (
    Result,
    count_examples,
    find_test,
    read_result,
    total_coverage,
    write_report,
)
from refsast.crosscheck.conformance.shares import leave_share
from refsast.crosscheck.conformance.suite import Suite, load_suite, suite_record, summary

SUITE = pytest.StashKey[Suite]()
USAGE_ERROR = pytest.StashKey[str]()
RESULTS = pytest.StashKey[list[Result]]()
RECORD = pytest.StashKey[dict[str, object]]()  # who is asked, and what it has; empty: nobody
HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Make the levels known as marks, so that ``-m gradient`` chooses one."""
    config.stash[RESULTS], config.stash[RECORD] = [], {}
    config.pluginmanager.register(ResultKeeper(config.stash[RESULTS]), "refsast-results")
    for level in LEVELS:
        config.addinivalue_line("markers", f"{level}: a level of refsast's conformance suite")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Find the implementation, or leave the suite out."""
    ours = {item: test for item in items if (test := item_test(item)) is not None}
    if not ours:
        return
    others = [item for item in items if item.path.parent != HERE]
    if others and not os.environ.get("REFSAST_IMPL"):
        config.hook.pytest_deselected(items=list(ours))
        items[:] = [item for item in items if item not in ours]
        return
    try:
        chosen = read_options(os.environ, TESTS)
        folder = str(config.invocation_params.dir)
        if folder not in sys.path:  # as ``python -m`` does: the module may lie there
            sys.path.insert(0, folder)
        config.stash[SUITE] = load_suite(chosen)
    except ValueError as error:
        if not hasattr(config, "workerinput"):
            raise pytest.UsageError(str(error)) from None
        # A worker of pytest-xdist has no way to stop the session: its tests fail instead.
        config.stash[USAGE_ERROR] = str(error)
        return
    config.stash[RECORD].update(suite_record(config.stash[SUITE]))
    for item, test in ours.items():
        if reason := chosen.xfails.get(str(test)):
            # Of the suite's verdict alone: an error of its own stays one.
            expected = pytest.mark.xfail(reason=reason, strict=True, raises=pytest.fail.Exception)
            item.add_marker(expected)


def item_test(item: pytest.Item) -> LevelTest | None:
    """Return which test of the suite an item is."""
    call = getattr(item, "callspec", None)
    test = None if call is None else call.params.get("test")
    return test if isinstance(test, LevelTest) else None


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Callable[[LevelTest], None]:
    """Puts the implementation to a test."""
    config = request.config
    if USAGE_ERROR in config.stash:
        pytest.fail(config.stash[USAGE_ERROR], pytrace=False)
    # Not pytest's own `record_property`, which warns beside ``--junitxml``.
    return partial(config.stash[SUITE].run, properties=request.node.user_properties)


@dataclass(frozen=True, eq=False)
class ResultKeeper:
    """The plugin that keeps the results of our tests, from whichever process they come."""

    results: list[Result]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep a result."""
        test = find_test(report.nodeid)
        result = None if test is None else read_result(test, report)
        if result is not None:
            self.results.append(result)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object, error: object) -> None:
    """Take over what a worker of pytest-xdist knows of the implementation."""
    output = getattr(node, "workeroutput", None) or {}
    record = output.get("refsast")
    if record:
        config = getattr(node, "config")  # noqa: B009
        config.stash[RECORD].update(json.loads(record))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the JSON report; of several workers, the last one does it."""
    config = session.config
    record = config.stash.get(RECORD, {})
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        config.workeroutput["refsast"] = json.dumps(record)  # pyright: ignore[reportAttributeAccessIssue]
    if config.option.collectonly:
        return
    try:
        path = read_options(os.environ, TESTS).report if record else None
        if path is None:
            return
        results = config.stash[RESULTS]
        if worker is None:
            # With results from elsewhere the workers, who had them first, write the report.
            if SUITE in config.stash:
                write_report(path, record, results)
        else:
            run, count = worker["testrunuid"], int(worker["workercount"])
            leave_share(path, run, worker["workerid"], count, record, results)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say who was tested, on how many cases, and what was drawn and what was not."""
    record = config.stash.get(RECORD, {})
    if not record:
        return
    results = config.stash[RESULTS]
    terminalreporter.section("conformance")
    terminalreporter.line(summary(record))
    for level in LEVELS:
        counts = count_examples([r for r in results if r.test.level == level])
        line = f"{level:12} {counts['tried']:6} cases judged, {counts['refused']} left out"
        terminalreporter.line(line)
    features = record["features"]
    assert isinstance(features, list)
    for line in describe_coverage(total_coverage(results), features):
        terminalreporter.line(line)
