"""Tables and headlines: what is at chance, what diverged, what fits the terminal."""

import re

import pytest

from refsast.experiment.compare import BASELINE, LONGER
from refsast.experiment.headline import conclusion
from refsast.experiment.tables import comparison_rows, fit_columns, format_rows, row_cells
from tests.experiment.made_results import THREE_ARMS, results

TWO_SAST = {**THREE_ARMS, "SAST, rho 0.2": (0.91, 0.97, 0.96)}
LINES = [
    ("arm", "a long heading", "b", "hard % of everything"),
    ("baseline", "63.3 ± 9.0", "4", "-12.0 ± 11.5"),
    ("SAST", "1.0 ± 0.1", "4", "5.0"),
]


def cells(made, arm):
    return row_cells(next(row for row in comparison_rows(made) if row.arm == arm))


def test_a_mean_that_may_be_a_guess_is_called_so():
    made = results({"guess": (0.10, 0.15, 0.05), "poor": (0.20, 0.21, 0.22)})

    assert cells(made, "guess")[4] == "10.0 ± 12.4 at chance"
    assert "chance" not in cells(made, "poor")[4]


def test_two_runs_say_nothing_of_chance():
    assert cells(results({"two": (0.1, 0.1)}), "two")[4] == "10.0"


def test_the_headline_says_so_too():
    made = results({**THREE_ARMS, "SAST, rho 0.1": (0.10, 0.15, 0.05)})

    assert "hard accuracy 10.0 %, at chance" in conclusion(made)
    assert "chance" not in conclusion(results(THREE_ARMS))


def test_a_diverged_run_is_in_the_row_and_in_no_mean():
    made = results({**THREE_ARMS, "SAST, rho 0.1": (0.90, None, 0.94)})
    row = cells(made, "SAST, rho 0.1")

    assert row[1] == "3"
    assert row[4] == "92.0"
    assert row[-1] == "1 of 3, diverged at step 7"
    assert "1 of 9 runs diverged; means are over the others." in conclusion(made)


def test_an_arm_that_only_diverged_has_a_row():
    made = results({**THREE_ARMS, "wild": (None, None, None)})

    assert cells(made, "wild")[2:7] == ("-",) * 5
    assert cells(made, "wild")[-1] == "3 of 3, diverged at step 7, 7, 7"
    assert "SAST, rho 0.1: transfer gap" in conclusion(made)


@pytest.mark.parametrize("lost", [BASELINE, "SAST, rho 0.1"])
def test_without_baseline_or_sast_there_is_nothing_to_compare(lost):
    made = results({**THREE_ARMS, lost: (None, None, None)})

    assert conclusion(made).startswith("Nothing to compare")


def test_of_several_sast_arms_none_is_chosen():
    """The order of the arms is that of their names, whatever their accuracies are."""
    for hard in (TWO_SAST, {**TWO_SAST, "SAST, rho 0.2": (0.1, 0.2, 0.3)}):
        said = conclusion(results(hard))
        assert re.match(r"SAST, rho 0\.1: .*; SAST, rho 0\.2: ", said)
        assert "2 arms were looked at beside the baselines, none is chosen by its result" in said
        assert "corrected for all 2 by Holm" in said


def test_controls_are_counted_and_corrected_for():
    """With two more arms every p-value is at least three times what it is alone."""
    alone = comparison_rows(results(THREE_ARMS))[2]
    controls = {"gain": (0.9, 0.96, 0.94), "decay": (0.7, 0.75, 0.74)}
    row = comparison_rows(results({**THREE_ARMS, **controls}))[2]

    assert alone.p_longer < row.p_longer <= 3.0 * alone.p_longer * (1.0 + 1e-12)
    assert "3 arms were looked at" in conclusion(results({**THREE_ARMS, **controls}))
    assert "arms were looked at" not in conclusion(results(THREE_ARMS))


def test_validation_recordings_are_named():
    said = conclusion(results(THREE_ARMS), held_out="validation recordings")

    assert said.endswith("Measured on validation recordings.")
    assert "Measured" not in conclusion(results(THREE_ARMS))


@pytest.mark.parametrize("width", [20, 30, 40, 60])
def test_a_table_fits_the_terminal_and_breaks_no_number(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    text = fit_columns(LINES)

    widest = max(len(cell) for line in LINES[1:] for cell in line[1:])
    assert max(map(len, text.splitlines())) <= max(width, len("baseline") + 2 + widest)
    for line in LINES[1:]:
        assert all(cell in text for cell in line)
    assert text.count("baseline") == text.count("SAST")


def test_where_all_fits_nothing_is_broken(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")

    assert len(fit_columns(LINES).splitlines()) == 4
    assert len(format_rows(comparison_rows(results({LONGER: (0.5,)}))).splitlines()) == 3
