"""What version 0.2.0 left in a folder is still read, shown and continued."""

import base64
import json
import zlib
from pathlib import Path

import numpy as np
import pytest

import refsast as rs
from refsast.__main__ import main
from refsast.experiment import record
from tests.experiment.tiny import NETWORK, train

SAVED = json.loads(Path(__file__).with_name("run_0_2_0.json").read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path):
    for name in ("weights.npz", "checkpoint.npz"):
        (tmp_path / name).write_bytes(zlib.decompress(base64.b64decode(SAVED[name])))
    (tmp_path / "run.json").write_text(json.dumps(SAVED["run.json"]))
    return tmp_path


def test_the_network_and_its_parameters_come_back(folder):
    network, params = rs.read_run(folder)

    assert network == NETWORK
    np.testing.assert_allclose(rs.flatten(params), rs.flatten(train().params), rtol=1e-9)


def test_the_page_is_made_from_the_record(folder, capsys):
    assert main(["report", str(folder)]) == 0
    assert "After 3 epochs: " in (folder / "report.html").read_text()


def test_the_training_goes_on_from_its_checkpoint(folder, monkeypatch):
    monkeypatch.setattr(record, "__version__", "0.2.0")  # a checkpoint is of one version
    epochs = []
    run = train(
        checkpoint=folder / "checkpoint.npz", observe=lambda epoch, params: epochs.append(epoch)
    )

    assert epochs == [3]
    np.testing.assert_allclose(rs.flatten(run.params), rs.flatten(train().params), rtol=1e-9)


def test_the_record_is_written_as_it_was(folder, monkeypatch):
    monkeypatch.setattr(record, "__version__", "0.2.0")
    same = (
        "refsast",
        "gradient",
        "network",
        "start",
        "dtype",
        "config",
        "seeds",
        "data",
        "held_out",
    )
    written = json.loads(json.dumps(record.run_record(train())))

    assert {key: written[key] for key in same} == {key: SAVED["run.json"][key] for key in same}
    assert list(written) == list(SAVED["run.json"])[3:]
