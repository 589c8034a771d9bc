"""``python -m refsast certify-swap``: what it writes is what `rs.certify_swap` proves."""

import json

import numpy as np
import pytest

import refsast as rs
from refsast.__main__ import main
from refsast.data import synthetic_spikes
from refsast.experiment.certification import certificate_figure, describe_certificate

DATA = ["--train", "40", "--test", "20"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "one"
    assert main(["train", "--preset", "quick", *DATA, "--epochs", "2", "--out", str(folder)]) == 0
    return folder


@pytest.mark.slow
def test_it_writes_what_is_proved(folder, tmp_path, capsys):
    out = tmp_path / "there"
    assert main(["certify-swap", str(folder), *DATA, "--out", str(out)]) == 0
    text = capsys.readouterr().out
    record = json.loads((out / "swap.json").read_text())
    network, params = rs.read_run(folder)
    x, y = synthetic_spikes(20, np.random.default_rng([0, 1]), steps=5)
    found = rs.certify_swap(network, params, x, y)
    rows = record["by recording"]

    assert record["slopes"] == [2.0, 2.0]
    assert record["certified"] == found.certified.mean()
    assert [row["class"] for row in rows] == found.classes.tolist()
    assert [row["label"] for row in rows] == y.tolist()
    assert tuple(row["reason"] for row in rows) == found.reason
    assert [row["factor"] or np.inf for row in rows] == found.factor.tolist()
    assert describe_certificate(found, [2.0, 2.0]) in text
    assert (out / "swap.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in out.iterdir()} == {"swap.json", "swap.png"}


@pytest.mark.slow
def test_only_the_first_and_only_steep_slopes(folder, tmp_path):
    flags = ["--first", "7", "--lowest", "50", "--out", str(tmp_path)]
    assert main(["certify-swap", str(folder), *DATA, *flags]) == 0
    record = json.loads((tmp_path / "swap.json").read_text())

    assert len(record["by recording"]) == 7
    assert record["lowest"] == 50.0


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--lowest", "0"], "lowest must be positive and finite, got 0.0"),
        (["--narrowest", "2"], "narrowest must lie in (0, 1), got 2.0"),
        (["--out", __file__], "must be writable"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(folder, flags, words, capsys):
    assert main(["certify-swap", str(folder), *DATA, *flags]) == 2
    error = capsys.readouterr().err.strip().splitlines()

    assert len(error) == 1
    assert words in error[0]


def test_a_network_that_no_proof_covers_is_refused(tmp_path, capsys):
    train = ["train", "--preset", "quick", *DATA, "--epochs", "1", "--synapse", "0.5"]
    assert main([*train, "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()

    assert main(["certify-swap", str(tmp_path / "run"), *DATA]) == 2
    assert "must be asked of dense LIF layers" in capsys.readouterr().err


def test_the_figure_has_a_mark_for_every_recording_and_a_line_for_every_network():
    rng = np.random.default_rng(0)
    network = rs.Network((6, 8, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(1.0))
    params = rs.unflatten(network, 0.8 * rng.normal(size=network.n_params))
    found = rs.certify_swap(network, params, rng.normal(size=(4, 30, 6)))
    left, right = certificate_figure({"a": found, "b": found}, 2.0).axes
    share = left.get_lines()[1]

    assert len(left.get_lines()) == 2
    assert share.get_ydata()[0] == 100.0 * found.certified.mean()
    assert share.get_xdata()[0] == pytest.approx(2.0)
    assert sum(len(line.get_xdata()) for line in right.get_lines()) == 30
    assert {line.get_label() for line in right.get_lines()} == set(found.reason)
