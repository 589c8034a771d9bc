"""``python -m refsast corrupt`` from outside."""

import json
import re

import numpy as np
import pytest

import refsast as rs
from refsast import data
from refsast.__main__ import main
from refsast.experiment.weather.measure import Robustness, relative_error


@pytest.mark.slow
def test_a_run_is_measured_in_bad_weather(trained, tmp_path, capsys):
    flags = ["--test", "20", "--kinds", "lost,bursts", "--against", str(trained)]
    assert main(["corrupt", str(trained), *flags, "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    record = json.loads((tmp_path / "corruption.json").read_text())
    scores = json.loads((trained / "run.json").read_text())["curve"][-1]["scores"]

    assert record["run"]["clean"] == {"smooth": scores["smooth"], "hard": scores["hard"]}
    assert record["run"] == record["other run"]  # it is the same network
    assert "relative error 1.000" in printed
    assert (tmp_path / "corruption.html").read_text().count("<img") == 2
    network, params = rs.read_run(trained)
    steps = json.loads((trained / "run.json").read_text())["setting"]["steps"]
    events, y = data.synthetic_recordings(20, np.random.default_rng(0).spawn(2)[1])
    worst = list(data.corrupt_recordings(events, "bursts", 5))
    x = rs.bin_spikes(worst, steps=steps, duration=data.DURATION)
    assert record["run"]["hard"]["bursts"][-1] == rs.evaluate(network, params, x, y).hard


def test_relative_errors_are_means_of_shares_by_kind():
    def found(lost, bursts):
        hard = {"lost": np.array(lost), "bursts": np.array(bursts)}
        return Robustness(10, 1.0, 1.0, hard, hard)

    ours, baseline = found([0.9, 0.8], [0.5, 0.5]), found([0.8, 0.6], [0.5, 0.3])
    assert relative_error(ours, baseline) == pytest.approx((0.3 / 0.6 + 1.0 / 1.2) / 2)
    perfect = found([1.0, 1.0], [1.0, 1.0])
    assert relative_error(perfect, perfect) == 1.0
    assert relative_error(ours, perfect) == np.inf


BAD = {
    "a kind": (["--kinds", "rain"], "--kinds must be of lost, added, .*, got rain"),
    "no recordings": (["--test", "0"], "must be an integer of 1 to"),
    "both": (["--nmnist", "nowhere", "--test", "5"], "--test must be given without --nmnist"),
    "nowhere": (["--nmnist", "nowhere"], "nowhere"),
    "no run": (["--against", "nowhere"], "record must be a readable JSON file"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line(name, trained, tmp_path, capsys):
    flags, message = BAD[name]
    try:
        code = main(["corrupt", str(trained), *flags, "--out", str(tmp_path / "out")])
    except SystemExit as left:  # argparse's own way out
        code = left.code
    said = capsys.readouterr().err

    assert code == 2
    assert len(said.splitlines()) == 1
    assert re.search(message, said)
