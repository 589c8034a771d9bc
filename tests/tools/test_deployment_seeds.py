"""The table of trained networks in integers and bad weather."""

import csv
import sys

import pytest

from refsast.__main__ import main as command
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
