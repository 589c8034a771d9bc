"""The plugin of the suite: it reads the environment, marks what is to fail, and reports.

Rule 1: where nobody asks for the suite, none of it runs: in a run of other tests, too, it is left
        out without a word. Where it alone is asked for and no implementation is named, that is an
        error: a suite that silently tests nothing is worse than none.
Rule 2: what is wrong with the environment is one line and pytest's exit code for usage errors, 4.
"""

import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from refsast.crosscheck.conformance.levels import LEVELS, TESTS, LevelTest
from refsast.crosscheck.conformance.options import read_options
from refsast.crosscheck.conformance.report import Result, read_result, write_report
from refsast.crosscheck.conformance.suite import Suite, load_suite, summary

SUITE = pytest.StashKey[Suite]()
USAGE_ERROR = pytest.StashKey[str]()
RESULTS = pytest.StashKey[list[Result]]()
HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Make the levels known as marks, so that ``-m gradient`` chooses one."""
    for level in LEVELS:
        config.addinivalue_line("markers", f"{level}: a level of refsast's conformance suite")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Find the implementation, or leave the suite out."""
    ours = [item for item in items if item_test(item) is not None]
    if not ours:
        return
    others = [item for item in items if item.path.parent != HERE]
    if others and not os.environ.get("REFSAST_IMPL"):
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]
        return
    try:
        chosen = read_options(os.environ, TESTS)
        _add_to_path(config.invocation_params.dir)
        config.stash[SUITE] = load_suite(chosen)
    except ValueError as error:
        if not hasattr(config, "workerinput"):
            raise pytest.UsageError(str(error)) from None
        config.stash[USAGE_ERROR] = str(
            error
        )  # a worker of pytest-xdist has no way to stop the session
        return
    config.stash[RESULTS] = []
    for item in ours:
        reason = chosen.xfails.get(str(item_test(item)))
        if reason is not None:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


def _add_to_path(folder: Path) -> None:
    """Let a module in the folder where pytest was started be named, as ``python -m`` does."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def item_test(item: pytest.Item) -> LevelTest | None:
    """Return which test of the suite an item is."""
    call = getattr(item, "callspec", None)
    line = None if call is None else call.params.get("line")
    return line if isinstance(line, LevelTest) else None


item_test.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]


@pytest.fixture(scope="session")
def suite(request: pytest.FixtureRequest) -> Suite:
    """The implementation under test."""
    if USAGE_ERROR in request.config.stash:
        pytest.fail(request.config.stash[USAGE_ERROR], pytrace=False)
    return request.config.stash[SUITE]


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Callable[[str, object], None]:
    """Takes down a fact for the reports; pytest's own fixture warns beside ``--junitxml``."""
    return lambda name, value: request.node.user_properties.append((name, value))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Take down what came of each test."""
    report = yield
    test = item_test(item)
    line = None if test is None else read_result(test.level, test.name, report)
    if line is not None and SUITE in item.config.stash:
        item.config.stash[RESULTS].append(line)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the JSON report."""
    if SUITE in session.config.stash and not session.config.option.collectonly:
        try:
            write_report(session.config.stash[SUITE], session.config.stash[RESULTS])
        except ValueError as error:
            raise pytest.UsageError(str(error)) from None


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say who was tested, and on how many cases."""
    if SUITE not in config.stash:
        return
    terminalreporter.section("conformance")
    terminalreporter.line(summary(config.stash[SUITE]))
    lines = config.stash[RESULTS]
    for level in LEVELS:
        tried, refused = (
            sum(int(str(x.facts.get(key, 0))) for x in lines if x.level == level)
            for key in ("tried", "refused")
        )
        terminalreporter.line(f"{level:12} {tried:6} cases judged, {refused} left out")
