"""``python -m refsast diagnose`` from outside."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import refsast as rs
from refsast.__main__ import main
from refsast.files import read_arrays, write_arrays

RECORDINGS = ["--train", "40", "--test", "20"]
WRITTEN = {"diagnosis.json", "diagnosis.html"} | {
    f"diagnosis_{name}.png" for name in ("swaps", "flips", "margins")
}


@pytest.fixture
def copied(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def test_a_run_is_diagnosed_on_what_it_was_measured_on(copied, capsys):
    before = {path.name for path in copied.iterdir()}
    assert main(["diagnose", str(copied), *RECORDINGS]) == 0
    printed = capsys.readouterr().out
    found = rs.read_diagnosis(copied / "diagnosis.json")
    record = json.loads((copied / "diagnosis.json").read_text())
    scores = json.loads((copied / "run.json").read_text())["curve"][-1]["scores"]

    assert {path.name for path in copied.iterdir()} - before == WRITTEN
    assert (found.smooth.accuracy, found.hard.accuracy) == (scores["smooth"], scores["hard"])
    assert (found.recordings, found.steps, len(found.layers)) == (20, 5, 3)
    assert "20 synthetic recordings (seed 0): those that the run was measured on" in printed
    assert tuple(record["explained"]) == rs.explain(found)
    assert all(sentence in printed for sentence in record["explained"])
    page = (copied / "diagnosis.html").read_text()
    assert page.count("<img") == 3
    broken = re.sub(r'<(td|span) class="number".*?</\1>', "", page)  # these never break
    assert "10.0 %" in page
    assert not re.search(r"[0-9] (%|±)", broken)  # so that no line ends in between
    assert not re.search(r"(https?:)?//[a-z]", re.sub(r"base64,[^\"]*", "", page))


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--test", "21"], "not those that the run was measured on"),
        (["--data-seed", "1", "--test", "20"], "not those that the run was measured on"),
        (["--train", "40", "--validation", "0.5"], "20 to validate"),
    ],
)
def test_other_recordings_are_called_so(trained, flags, says, tmp_path, capsys):
    assert main(["diagnose", str(trained), *flags, "--out", str(tmp_path / "other")]) == 0
    assert says in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "other").iterdir()} == WRITTEN


@pytest.mark.slow
def test_a_weights_file_with_a_record_of_its_name(copied, tmp_path):
    """As a comparison keeps them: layer by layer, with other entries beside."""
    network, params = rs.read_run(copied)
    layers = {f"{k}{i}": getattr(p, k) for i, p in enumerate(params) for k in ("w", "b")}
    folder = tmp_path / "kept"
    write_arrays(folder / "one.npz", {**layers, "arm": np.array("SAST"), "seed": np.array(0)})
    shutil.copy(copied / "run.json", folder / "one.json")

    assert main(["diagnose", str(folder / "one.npz"), *RECORDINGS]) == 0
    assert {path.name for path in (folder / "one").iterdir()} == WRITTEN
    assert main(["diagnose", str(copied / "weights.npz"), *RECORDINGS]) == 0
    ours, theirs = (path / "diagnosis.json" for path in (folder / "one", copied))
    assert ours.read_bytes() == theirs.read_bytes()
    assert network.recurrent is False


def refuse(capsys, *args: object) -> str:
    """The one line with which a command is refused."""
    assert main(["diagnose", *map(str, args)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    return said[0]


def test_bad_input_is_refused_in_one_line(copied, tmp_path, capsys):
    said = refuse(capsys, tmp_path / "nowhere", *RECORDINGS)
    assert "record must be a readable JSON file" in said
    assert "nowhere" in said
    assert "must be writable" in refuse(capsys, copied, "--out", copied / "run.json")
    assert "--per-class must come with --nmnist" in refuse(capsys, copied, "--per-class", 3)
    said = refuse(capsys, copied, "--nmnist", tmp_path / "none")
    assert "none" in said

    w = read_arrays(copied / "weights.npz")["w"]
    write_arrays(copied / "weights.npz", {"w": w + np.float32(1.0)})
    assert "weights must be those of" in refuse(capsys, copied, *RECORDINGS)
    write_arrays(copied / "weights.npz", {"v": w})
    assert "weights must hold w0, b0" in refuse(capsys, copied, *RECORDINGS)
    (copied / "weights.npz").write_bytes(b"damaged")
    assert "must be an undamaged archive" in refuse(capsys, copied, *RECORDINGS)
    (copied / "run.json").write_text("{}")
    assert "record must name a network" in refuse(capsys, copied, *RECORDINGS)
    assert not WRITTEN & {path.name for path in copied.iterdir()}


@pytest.mark.parametrize("steps", [None, True, "5", 0])
def test_a_record_without_steps_is_refused(copied, steps, capsys):
    record = json.loads((copied / "run.json").read_text())
    record["setting"]["steps"] = steps
    (copied / "run.json").write_text(json.dumps(record))

    assert "record must name its setting's steps" in refuse(capsys, copied, *RECORDINGS)


def test_recordings_of_another_width_are_refused(tmp_path, capsys):
    from refsast.experiment.record import encode
    from refsast.files import arrays_digest

    network = rs.Network((7, 10), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(1.0))
    w = rs.flatten(rs.init(network, 0))
    write_arrays(tmp_path / "weights.npz", {"w": w})
    record = {"network": encode(network), "weights": arrays_digest({"w": w})}
    (tmp_path / "run.json").write_text(json.dumps({**record, "setting": {"steps": 3}}))

    said = refuse(capsys, tmp_path, "--test", 5)
    assert "recordings must have the network's 7 inputs, got 2312" in said
