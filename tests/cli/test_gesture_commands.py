"""Gestures on the command line: which recordings are used, what is kept and what is refused."""

import json

import numpy as np
import pytest

import refsast as rs
from refsast.__main__ import main
from refsast.cli.common import load_recordings
from refsast.data import digest, load_dvs_gesture_spikes
from refsast.data.gesture_windows import load_windows
from tests.data.gesture_files import files, write_archive

QUICK = ["--preset", "quick", "--hidden", "4", "--epochs", "1", "--steps", "2"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("archive") / "DvsGesture.tar.gz", files())


@pytest.fixture(scope="module")
def run(archive, tmp_path_factory):
    """The folder of a run on the small archive. Read only."""
    out = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", "--out", str(out), "--gesture", str(archive), *QUICK]) == 0
    return out


def test_a_run_on_the_archive_says_what_it_was_of(run, archive):
    record = json.loads((run / "run.json").read_text())

    train, test = (load_dvs_gesture_spikes(archive, part, steps=2) for part in ("Train", "Test"))
    assert record["data"] == digest(*train)
    assert record["held_out"] == digest(*test)
    assert record["recordings"] == (
        "144 windows of DVS128 Gesture to train, 48 windows of DVS128 Gesture to test"
    )
    assert record["setting"]["classes"] == 11
    assert record["network"]["sizes"] == [2048, 4, 11]
    assert record["flags"]["gesture"] == str(archive)


@pytest.mark.parametrize("command", [["diagnose"], ["deploy", "--bits", "8"]])
def test_a_trained_network_is_asked_about_gestures(command, run, archive, tmp_path, capsys):
    args = [command[0], str(run), "--out", str(tmp_path), *command[1:], "--gesture", str(archive)]

    assert main(args) == 0
    said = capsys.readouterr().out
    assert "48 windows of DVS128 Gesture: those that the run was measured on" in said


def test_other_recordings_are_refused(run, archive, capsys):
    assert main(["diagnose", str(run), "--test", "10"]) == 2
    assert "recordings must have the network's 2048 inputs, got 2312" in capsys.readouterr().err
    args = ["train", "--out", str(run), "--gesture", str(archive), "--per-class", "2", *QUICK]
    assert main(args) == 2
    refusal = f"checkpoint must be of this run, got {run / 'checkpoint.npz'} with other data"
    assert refusal in capsys.readouterr().err


def parsed(*args):
    """What the recordings of these flags are."""
    from refsast.__main__ import build_parser

    return load_recordings(build_parser().parse_args(["train", *map(str, args)]), 2)


def test_validation_is_on_other_people(archive):
    found = parsed("--gesture", archive, "--validation", 0.5)
    x, y, people = load_windows(archive, "Train", steps=2)

    parts = [digest(x[:, people == user], y[people == user]) for user in (1, 2)]
    assert sorted((digest(*found.train), digest(*found.held_out))) == sorted(parts)
    assert "to validate, no test recordings" in found.description


def test_synthetic_gestures_are_made_and_added(archive):
    made = parsed("--dataset", "gesture", "--train", 3, "--test", 2, "--data-seed", 4)
    streams = np.random.default_rng(4).spawn(2)
    counts = zip((3, 2), streams, strict=True)
    want = [rs.synthetic_gesture_spikes(n, rng, steps=2) for n, rng in counts]
    assert digest(*made.train) == digest(*want[0])
    assert digest(*made.held_out) == digest(*want[1])
    assert made.description == (
        "3 synthetic gestures (seed 4) to train, 2 synthetic gestures (seed 4) to test"
    )

    both = parsed("--gesture", archive, "--add-synthetic", 3, "--data-seed", 4)
    assert np.array_equal(both.train[0].dense()[:, -3:], made.train[0].dense())
    assert both.train[1].tolist()[-3:] == [0, 1, 2]


BAD = {
    "both": (["--nmnist", "a", "--gesture", "b"], "--nmnist must come with --dataset digits, got"),
    "digits": (
        ["--dataset", "digits", "--gesture", "b"],
        "--gesture must come with --dataset gesture, got digits",
    ),
    "gestures": (
        ["--dataset", "gesture", "--nmnist", "b"],
        "--nmnist must come with --dataset digits, got gesture",
    ),
    "neither": (["--dataset", "faces"], "invalid choice: 'faces'"),
    "idle": (
        ["--dataset", "gesture", "--per-class", "2"],
        "--per-class must come with --gesture, got it alone",
    ),
    "another": (["--gesture", "b", "--train", "9"], "--train must come without --gesture"),
    "nowhere": (["--gesture", "nowhere"], "root must hold DvsGesture.tar.gz"),
    "one class": (["--dataset", "gesture", "--classes", "1"], "classes must be an integer above 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_ends_in_one_line(name, capsys, tmp_path):
    args, words = BAD[name]
    try:
        code = main(["train", "--out", str(tmp_path / "run"), *args])
    except SystemExit as error:
        code = error.code

    assert code == 2
    assert words in capsys.readouterr().err
