"""``data cache`` and ``data make --spikes``: files that the library then finds."""

import re

import numpy as np
import pytest

import refsast as rs
from refsast.__main__ import main


def never(items):
    raise AssertionError("the cache should have been used")


def test_recordings_are_binned_into_a_file_that_is_found(tmp_path, capsys):
    assert main(["data", "make", str(tmp_path / "r"), "--train", "20", "--test", "0"]) == 0
    how = ["--steps", "4", "--per-class", "1", "--jobs", "2"]
    assert main(["data", "cache", str(tmp_path / "r"), "--out", str(tmp_path / "c"), *how]) == 0
    x, y = rs.load_nmnist_spikes(
        tmp_path / "r", "Train", steps=4, per_class=1, cache=tmp_path / "c", progress=never
    )
    (path,) = (tmp_path / "c").iterdir()

    assert x.shape == (4, 10, 2312)
    assert y.tolist() == list(range(10))
    assert re.search(rf"10 recordings, 4 steps, .* per second: {path}", capsys.readouterr().out)


@pytest.mark.parametrize("asked", [[], ["6"]])
def test_synthetic_spikes_are_those_of_the_same_seed(tmp_path, capsys, asked):
    command = ["data", "make", str(tmp_path), "--train", "12", "--test", "3", "--seed", "5"]
    assert main([*command, "--spikes", *asked]) == 0
    streams = np.random.default_rng(5).spawn(2)
    for n, rng in zip((12, 3), streams, strict=True):
        steps = int(asked[0]) if asked else 20
        x, y = rs.synthetic_spikes(n, rng, steps=steps, cache=tmp_path, progress=never)
        assert x.shape == (steps, n, 2312)
        assert y.tolist() == [i % 10 for i in range(n)]

    assert re.findall(r"(Train|Test): (\d+) recordings", capsys.readouterr().out) == [
        ("Train", "12"),
        ("Test", "3"),
    ]


def test_a_folder_without_recordings_is_refused_in_one_line(tmp_path, capsys):
    assert main(["data", "cache", str(tmp_path), "--out", str(tmp_path / "c")]) == 2
    assert capsys.readouterr().err.startswith("refsast: error: root must hold Train/")
    assert not (tmp_path / "c").exists()
