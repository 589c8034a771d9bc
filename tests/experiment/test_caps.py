"""Caps in a setting: training stays within them, and older records are still understood."""

import json
from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.__main__ import main
from refsast.experiment.compare import train_arm

QUICK = replace(rs.PRESETS["quick"], hidden=(8, 6), epochs=2, recurrent=True, scale=3.0)
FLAGS = ["--preset", "quick", "--train", "20", "--test", "10", "--hidden", "8", "--epochs", "1"]


def recordings():
    return rs.synthetic_digits(20, np.random.default_rng(0), steps=5)


def train_setting(setting):
    return train_arm(setting, recordings(), recordings(), seed=0)


def test_training_starts_and_stays_within_the_caps():
    capped = replace(QUICK, cap_w=0.8, cap_v=0.1)
    free, run = train_setting(QUICK), train_setting(capped)
    start = capped.start(run.network, np.random.default_rng(0))

    for params in (start, run.params):
        assert all(np.linalg.norm(layer.w, 2) <= 0.8 for layer in params)
        assert all(np.linalg.norm(layer.v, 2) <= 0.1 for layer in params)
    assert all(np.linalg.norm(layer.w, 2) > 0.8 for layer in free.params)
    assert run.mark["config"]["descent"].endswith("), then |W|_2 <= 0.8, |V|_2 <= 0.1")
    assert free.mark["config"]["descent"].endswith("weight_decay=0.0)")


def test_caps_that_do_not_bite_change_no_bit():
    wide = train_setting(replace(QUICK, cap_w=100.0, cap_v=100.0))

    assert rs.flatten(wide.params).tobytes() == rs.flatten(train_setting(QUICK).params).tobytes()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"cap_w": -1.0}, "cap_w must be finite and not negative, got -1.0"),
        ({"cap_v": float("nan")}, "cap_v must be finite and not negative, got nan"),
        ({"cap_w": "2"}, "cap_w must be a number, got '2'"),
        ({"recurrent": 1}, "recurrent must be True or False, got 1"),
        ({"recurrent": False, "cap_v": 0.1}, "cap_v must come with recurrent, got 0.1 without"),
    ],
)
def test_bad_caps_are_refused(change, says):
    with pytest.raises(ValueError, match=f"^{says}$"):
        replace(QUICK, **change)


@pytest.mark.slow
def test_a_record_from_before_there_were_caps_is_of_the_same_settings(tmp_path, capsys):
    def sweep(*more):
        return main(["sweep", "--vary", "rho=0/0.1", "--seeds", "1", "--jobs", "1", *more, *FLAGS])

    assert sweep("--out", str(tmp_path)) == 0
    path = tmp_path / "sweep.json"
    record = json.loads(path.read_text())
    for setting in record["settings"].values():
        for name in ("recurrent", "cap_w", "cap_v"):
            del setting[name]
    path.write_text(json.dumps(record))
    capsys.readouterr()

    assert sweep("--out", str(tmp_path), "--cap-w", "1") == 2
    assert "with other cap_w of the arm rho 0" in capsys.readouterr().err
    assert sweep("--out", str(tmp_path)) == 0
    assert "cap_w" in path.read_text()


def test_caps_can_be_varied(tmp_path, capsys):
    vary = ["--vary", "cap-w=none/0.5", "--vary", "recurrent=no/yes"]

    assert (
        main(["sweep", *vary, "--seeds", "1", "--jobs", "1", "--out", str(tmp_path), *FLAGS]) == 0
    )

    settings = json.loads((tmp_path / "sweep.json").read_text())["settings"]
    found = {(s["cap_w"], s["recurrent"]) for s in settings.values()}
    assert found == {(None, False), (None, True), (0.5, False), (0.5, True)}
