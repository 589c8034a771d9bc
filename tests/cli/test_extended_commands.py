"""Every kind of network from the command line: trained, read back, diagnosed, swept, compared."""

import json

import numpy as np
import pytest

import refsast as rs
from refsast.__main__ import main

FEW = ("--train", "30", "--test", "20", "--epochs", "1", "--steps", "3")
KINDS = {
    "convolution": ("--hidden", "2c5s2-2a-3c3p1-2m"),
    "learned-leak": ("--hidden", "8"),
    "synapse": ("--hidden", "8", "--learn", "synapse-leak"),
    "alif": ("--hidden", "8", "--refractory", "1"),
    "max-potential": ("--hidden", "8"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(kind: str, *more: str) -> int:
    return main(["train", "--preset", kind, *FEW, *KINDS[kind], "--out", "run", *more])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_of_every_kind_is_trained_read_back_and_diagnosed(kind, folder, capsys):
    assert train(kind, "--rho", "0.1") == 0
    network, params = rs.read_run(folder / "run")
    record = json.loads((folder / "run/run.json").read_text())
    assert network == rs.experiment.record.decode(record["network"])
    scores = record["curve"][-1]["scores"]
    assert np.isfinite(scores["loss"])
    assert rs.flatten(params).size == network.n_params

    assert main(["diagnose", "run", "--test", "20"]) == 0
    found = rs.read_diagnosis(folder / "run/diagnosis.json")
    assert found.smooth.accuracy == scores["smooth"]
    assert found.hard.accuracy == scores["hard"]
    assert main(["report", "run"]) == 0
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.slow
def test_the_layers_are_those_that_were_asked_for(folder):
    assert train("convolution") == 0
    network, _ = rs.read_run(folder / "run")

    assert network.chains == (
        (rs.Conv2d(2, 5, 2),),
        (rs.AvgPool2d(2), rs.Conv2d(3, 3, padding=1)),
        (rs.MaxPool2d(2), rs.Dense(10)),
    )


@pytest.mark.slow
def test_the_same_command_again_goes_on_to_the_same_bits(folder):
    assert train("learned-leak", "--rho", "0.1") == 0
    before = (folder / "run/weights.npz").read_bytes()

    assert train("learned-leak", "--rho", "0.1") == 0
    assert (folder / "run/weights.npz").read_bytes() == before


@pytest.mark.slow
def test_what_is_learned_is_swept_and_kept_run_by_run(folder, capsys):
    command = ["sweep", "--preset", "quick", *FEW, "--hidden", "8", "--seeds", "1", "--out", "out"]
    command += ["--vary", "learn=nothing/leak/thresholds", "--vary", "readout=rate/max-potential"]

    assert main([*command, "--jobs", "1"]) == 0
    table = capsys.readouterr().out
    assert "learn thresholds, readout max-potential" in table
    assert main([*command, "--jobs", "1"]) == 0
    assert "6 of 6 runs were there already" in capsys.readouterr().err


def test_layers_are_swept(folder, capsys):
    command = ["sweep", "--preset", "quick", *FEW, "--seeds", "1", "--out", "out", "--jobs", "1"]

    assert main([*command, "--vary", "hidden=8/2c5s3-2a"]) == 0
    assert "hidden 2c5s3-2a" in capsys.readouterr().out


@pytest.mark.slow
def test_arms_of_a_comparison_have_their_own_parts(folder, capsys):
    command = [
        "compare",
        "--preset",
        "quick",
        *FEW,
        "--hidden",
        "8",
        "--seeds",
        "1",
        "--out",
        "out",
    ]

    assert main([*command, "--rhos", "0.1", "--arm", "ALIF: adaptation=0.3", "--jobs", "1"]) == 0
    assert "ALIF" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--hidden", "12x5"), "must be made of layers such as 128, 12c5 (s2p1 after it for"),
        (("--hidden", "12c0"), "kernel must be an integer of at least 1, or two, got 0"),
        (("--hidden", "2c5s0"), "stride must be an integer of at least 1, or two, got 0"),
        (("--hidden", "2c40"), "kernel must fit into the image, got height 1 * (40 - 1) + 1 = 40"),
        (("--learn", "all"), "learn must be one of ['nothing', "),
        (("--synapse", "2"), "leak must lie in [0, 1], got 2.0"),
        (("--learn", "synapse-leak"), "learn must come with a synapse, got synapse-leak without"),
        (("--hidden", "2c5", "--cap-w", "1"), "cap_w and cap_v must be asked of dense LIF layers"),
    ],
)
def test_bad_input_is_one_line(flags, message, folder, capsys):
    try:
        code = main(["train", "--preset", "quick", *FEW, *flags, "--out", "run"])
    except SystemExit as stopped:
        code = stopped.code
    error = capsys.readouterr().err

    assert code == 2
    assert message in error
    assert "Traceback" not in error
