"""Means over seeds, against NumPy, and bad tables."""

import sys

import numpy as np
import pytest
from scipy import stats

from tools import seed_means

LINES = (
    "run,smooth,hard",
    "baseline-0a1b2c-seed0,90.0,60.0",
    "baseline-0a1b2c-seed1,91.0,64.0",
    "baseline-0a1b2c-seed2,92.0,62.0",
    "sast-rho-0.3-00ffee-seed2,88.0,85.0",
    "sast-rho-0.3-00ffee-seed0,89.0,86.0",
    "sast-rho-0.3-00ffee-seed1,90.0,84.0",
)


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["tools", *map(str, arguments)])
    seed_means.main()
    return capsys.readouterr().out


def test_means_intervals_and_paired_differences(tmp_path, monkeypatch, capsys):
    path, figure = tmp_path / "table.csv", tmp_path / "means.png"
    path.write_text("\n".join(LINES))

    flags = ("--columns", "smooth;hard", "--against", "baseline", "--figure", figure)
    out = run(monkeypatch, capsys, path, *flags)

    hard = np.array([86.0 - 60.0, 84.0 - 64.0, 85.0 - 62.0])
    half = stats.t.interval(0.95, 2, hard.mean(), stats.sem(hard))[1] - hard.mean()
    assert out.splitlines() == [
        "| mean of 3 seeds | smooth | hard |",
        "|---|---|---|",
        "| baseline | 91.0 ± 2.5 | 62.0 ± 5.0 |",
        "| SAST, rho 0.3 | 89.0 ± 2.5 | 85.0 ± 2.5 |",
        "",
        "| less baseline | smooth | hard |",
        "|---|---|---|",
        f"| SAST, rho 0.3 | -2.0 ± 4.3 | +23.0 ± {half:.1f} |",
    ]
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_lines_of_one_run_become_columns(tmp_path, monkeypatch, capsys):
    path = tmp_path / "table.csv"
    lines = [f"sast-00ffee-seed{k},{bits},{k + bits},1.0 2.0" for k in range(2) for bits in (8, 6)]
    path.write_text("\n".join(["run,bits,certified %,by layer", *lines]))

    columns = "certified %, 8 bits;certified %, 6 bits"
    out = run(monkeypatch, capsys, path, "--by", "bits", "--columns", columns)

    assert out.splitlines()[0] == "| mean of 2 seeds | certified %, 8 bits | certified %, 6 bits |"
    assert out.splitlines()[2] == "| sast | 8.5 | 6.5 |"


@pytest.mark.parametrize(
    ("lines", "flags", "says"),
    [
        (("hard", "3.0"), (), "run must be named ARM-hash-seedN, got"),
        (LINES, ("--by", "bits"), "by must be one of smooth, hard, got bits"),
        (("run,hard", "one,3.0"), (), "run must be named ARM-hash-seedN, got one"),
        (LINES, ("--columns", "hart"), "columns must be of hard, smooth, got hart"),
        (LINES, ("--columns", "hard", "--against", "none"), "against must be one of baseline"),
    ],
)
def test_a_bad_table_gets_one_line(lines, flags, says, tmp_path, monkeypatch, capsys):
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines))
    monkeypatch.setattr(sys, "argv", ["tools", str(path), *flags])

    with pytest.raises(SystemExit):
        seed_means.main()
    assert says in capsys.readouterr().err
