"""The page of the audit says what came of it; the libraries themselves are in `crosscheck`."""

from importlib.metadata import PackageNotFoundError

import pytest

import refsast as rs
from refsast.crosscheck.check import check
from tests.audit import mode_rows
from tests.audit.__main__ import main
from tests.audit.mode_rows import Row, row
from tests.audit.modes import MODES, Mode
from tests.audit.page import line, page
from tests.crosscheck.random_cases import draw_case

MODE = Mode("lib", "lib", "factory", "as it comes")


def detached(params, x, y, case=None):
    case = draw_case(0, detach=True)
    return rs.fast.loss_and_grad(case.network, params, x, y)


def right(params, x, y):
    return rs.fast.loss_and_grad(draw_case(0).network, params, x, y)


def test_a_line_counts_what_agrees_and_names_the_cause():
    reports = check(right, draw_case(0)), check(detached, draw_case(0))
    found = line(Row(MODE, "1.0", reports))

    ratio = f"{reports[1].stages[1].ratio:.3g}"
    worst = f"{max(stage.error for stage in reports[0].stages):.2g}"
    assert found == (
        f"| lib 1.0 | as it comes | 1 of 2 | {worst} | {ratio} to {ratio} | reset detached (1) |"
    )


def test_what_is_not_installed_is_a_line(monkeypatch):
    def absent(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr(mode_rows, "version", absent)

    assert line(row(MODE, 3)) == "| lib | as it comes | not installed | | | |"


def test_the_page_has_a_line_per_mode():
    rows = [Row(mode, "", ()) for mode in MODES]
    text = page(rows, 7)

    assert text.count("not installed") == len(MODES)
    assert "on 7 drawn networks" in " ".join(text.split())


def test_every_mode_can_be_drawn():
    for mode in MODES:
        assert draw_case(0, **mode.options).hard == mode.options.get("hard", False)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--cases", "0"], "--cases must be positive, got 0"),
        (["--only", "numpy"], "--only must be one of torch"),
    ],
)
def test_bad_options_end_in_one_line(arguments, says, capsys):
    assert main(arguments) == 2
    assert says in capsys.readouterr().err
