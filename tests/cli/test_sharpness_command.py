"""``python -m refsast sharpness`` from outside: what it writes, what it says, how it refuses."""

import json
import re

import numpy as np
import pytest

import refsast as rs
from refsast.__main__ import main
from refsast.experiment.compare import train_arm

SMALL = ["--preset", "quick", "--train", "40", "--test", "20", "--hidden", "4", "--epochs", "3"]
ASKED = ["--rhos", "0,0.1", "--every", "2", "--recordings", "12", *SMALL]


def sharpness(*args: object) -> int:
    return main(["sharpness", *map(str, args)])


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "sharpness"
    assert sharpness("--out", out, *ASKED) == 0
    return out


@pytest.mark.slow
def test_it_leaves_a_record_and_a_picture(measured):
    record = json.loads((measured / "sharpness.json").read_text())

    assert sorted(path.name for path in measured.iterdir()) == ["sharpness.json", "sharpness.png"]
    assert (measured / "sharpness.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert list(record["points"]) == ["baseline", "SAST, rho 0.1"]
    for along in record["points"].values():
        assert [point["epoch"] for point in along] == [0, 2, 3]
        assert all(point["remainder"]["rho"] == record["radius"] == 0.1 for point in along)
        assert all(point["residual"] <= 2e-3 * abs(point["top"]) for point in along)
    starts = [along[0] for along in record["points"].values()]
    assert starts[0]["remainder"] == starts[1]["remainder"]


@pytest.mark.slow
def test_the_trainings_are_those_of_train_and_the_last_point_is_theirs(measured):
    record = json.loads((measured / "sharpness.json").read_text())
    setting = rs.Setting(**{**vars(rs.PRESETS["quick"]), "hidden": (4,), "epochs": 3, "rho": 0.1})
    streams = np.random.default_rng(0).spawn(2)
    data, held_out = (
        rs.synthetic_spikes(n, stream, steps=5) for n, stream in zip((40, 20), streams, strict=True)
    )
    run = train_arm(setting, data, held_out, seed=0)
    rows = np.random.default_rng(0).permutation(40)[:12]
    last = record["points"]["SAST, rho 0.1"][-1]

    assert record["runs"]["SAST, rho 0.1"]["curve"][-1]["scores"] == vars(run.curve[-1].scores)
    found = rs.sharpness.sam_remainder(
        run.network, run.params, data[0][:, rows], data[1][rows], rho=0.1
    )
    assert last["remainder"]["first_order"] == pytest.approx(found.first_order, rel=1e-9)
    assert last["curvature"] == pytest.approx(found.curvature, rel=1e-9)


@pytest.mark.slow
def test_it_prints_a_row_per_measurement_and_measures_the_same_again(measured, capsys):
    before = json.loads((measured / "sharpness.json").read_text())

    assert sharpness("--out", measured, *ASKED) == 0

    printed = capsys.readouterr()
    lines = printed.err.splitlines()  # no bar where nobody watches
    assert len(lines) == 6
    assert lines[0].startswith("baseline, epoch 1: loss ")
    assert len(re.findall(r"^(?:baseline|SAST, rho 0\.1) +\d ", printed.out, flags=re.M)) == 6
    assert "measured on 12 of those to train, radius 0.1" in printed.out
    assert json.loads((measured / "sharpness.json").read_text()) == before


def test_another_result_is_kept(measured, capsys):
    before = (measured / "sharpness.json").read_bytes()

    assert sharpness("--out", measured, "--radius", "0.2", *ASKED) == 2
    assert "out must hold no other result" in capsys.readouterr().err
    assert main(["train", "--out", str(measured), *SMALL]) == 2
    assert "out must hold no other result" in capsys.readouterr().err
    assert (measured / "sharpness.json").read_bytes() == before


BAD = {
    "rhos twice": (["--rhos", "0.1,0.1"], "rhos must differ, got 0.1, 0.1"),
    "rhos": (["--rhos=-0.1"], "rho must be finite and not negative, got -0.1"),
    "no radius": (["--rhos", "0"], "radius must be positive and finite, got 0.0"),
    "radius": (["--radius", "nan"], "radius must be positive and finite, got nan"),
    "tolerance": (["--tolerance", "1"], r"tolerance must lie in \[0, 1\), got 1.0"),
    "every": (["--every", "0"], "must be an integer of 1 to 10000000, got '0'"),
    "recordings": (["--recordings", "41"], "recordings must be at most 40, got 41"),
    "caps": (["--cap-v", "0.1"], "cap_v must come with recurrent, got 0.1 without"),
    "a cap": (["--cap-w", "much"], "invalid cap value: 'much'"),
    "folder": (["--nmnist", "nowhere"], "--train must come without --nmnist"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_line_and_exit_code_2(name, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    args, says = BAD[name]

    try:
        code = sharpness(*SMALL, *args)
    except SystemExit as left:  # argparse's own way out
        code = left.code

    error = capsys.readouterr().err
    assert code == 2
    assert len(error.splitlines()) == 1
    assert re.search(says, error)
    assert list(tmp_path.iterdir()) == []
