"""The table of trained networks in integers and bad weather."""

import csv
import sys

import numpy as np
import pytest

from refsast.__main__ import main as command
from refsast.data import CORRUPTIONS, SEVERITIES
from tools import deployment_seeds

DATA = ["--train", "60", "--test", "20"]


@pytest.mark.slow
def test_a_line_per_run_of_a_comparison_and_of_a_folder(tmp_path, monkeypatch):
    both, one = tmp_path / "both", tmp_path / "one"
    flags = ["--preset", "quick", "--epochs", "1", *DATA]
    assert command(["compare", *flags, "--seeds", "1", "--keep", "all", "--out", str(both)]) == 0
    assert command(["train", *flags, "--out", str(one)]) == 0
    out = tmp_path / "table.csv"
    monkeypatch.setattr(sys, "argv", ["tools", str(out), str(both), str(one), *DATA])

    deployment_seeds.main()

    with out.open() as file:
        rows = list(csv.DictReader(file))
    names = [row["run"].split("-")[0] for row in rows]
    assert names == ["baseline", "baseline", "sast", "one"]
    for row in rows:
        assert float(row["gap"]) == pytest.approx(
            float(row["smooth"]) - float(row["hard"]), abs=0.01
        )
        assert {"8 bits", "4 bits", "8 bits, leak a shift", "re-tuned"} <= set(row)
        assert "corrupted, hard" not in row  # of real recordings alone


@pytest.mark.slow
def test_synthetic_gestures_are_corrupted_too(tmp_path, monkeypatch):
    gestures = ["--dataset", "gesture", "--train", "22", "--test", "22"]
    small = ["--preset", "paper", "--hidden", "8", "--steps", "4", "--epochs", "1", "--rho", "0"]
    run, out = tmp_path / "one", tmp_path / "table.csv"
    assert command(["train", *small, *gestures, "--out", str(run)]) == 0
    monkeypatch.setattr(deployment_seeds, "CORRUPTED_GESTURES", 11)
    monkeypatch.setattr(sys, "argv", ["tools", str(out), str(run), *gestures])

    deployment_seeds.main()

    with out.open() as file:
        (row,) = csv.DictReader(file)
    kinds = [float(row[f"hard, {kind}"]) for kind in CORRUPTIONS]
    levels = [float(row[f"hard, severity {k + 1}"]) for k in range(SEVERITIES)]
    assert np.mean(kinds) == pytest.approx(float(row["corrupted, hard"]), abs=0.01)
    assert np.mean(levels) == pytest.approx(float(row["corrupted, hard"]), abs=0.01)
    assert 0.0 <= float(row["8 bits, certified"]) <= 100.0
