"""An interrupted run ends at the same bits, and a file that is not its own is refused."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import refsast as rs
from refsast.files import read_arrays, write_arrays, write_atomic
from tests.experiment.tiny import CONFIG, NETWORK, bits, start, train


class Killed(Exception):
    """Stands for the end of the process."""


def kill_after(steps: int, path: Path, config: rs.Config = CONFIG) -> None:
    def watch(step: int, total: int, epoch: rs.Epoch | None) -> None:
        if step >= steps:
            raise Killed

    with pytest.raises(Killed):
        train(config, checkpoint=path, watch=watch)


@pytest.mark.parametrize("steps", [1, 3, 4, 7])
def test_a_run_interrupted_at_any_step_resumes_to_the_same_bits(tmp_path, steps):
    path = tmp_path / "checkpoint.npz"
    kill_after(steps, path)

    resumed = train(checkpoint=path)

    assert bits(resumed) == bits(train())
    assert resumed.curve == train().curve


@pytest.mark.parametrize(("steps", "seen"), [(1, [1, 2, 3]), (4, [2, 3]), (7, [3])])
def test_every_epoch_of_an_interrupted_run_is_observed(tmp_path, steps, seen):
    path, epochs = tmp_path / "checkpoint.npz", []
    kill_after(steps, path)

    train(checkpoint=path, observe=lambda epoch, params: epochs.append(epoch))

    assert epochs == seen


def test_an_observer_that_fails_leaves_the_epoch_to_be_observed_again(tmp_path):
    path, epochs = tmp_path / "checkpoint.npz", []

    def failing(epoch, params):
        if epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        train(checkpoint=path, observe=failing)
    resumed = train(checkpoint=path, observe=lambda epoch, params: epochs.append(epoch))

    assert epochs == [2, 3]
    assert bits(resumed) == bits(train())


def test_a_finished_run_is_not_trained_again(tmp_path):
    path = tmp_path / "checkpoint.npz"
    done, steps = train(checkpoint=path), []

    again = train(checkpoint=path, watch=lambda step, total, epoch: steps.append(step))

    assert steps == []

    assert bits(again) == bits(done)
    assert again.curve == done.curve


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"config": replace(CONFIG, rho=0.2)}, "other config"),
        ({"rng": np.random.default_rng(9)}, "other seeds"),
        ({"dtype": np.float32}, "other dtype, start"),
        ({"held_out": None}, "other held_out"),
        ({"loss_and_grad": rs.straight_through}, "other gradient"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused_and_kept(tmp_path, change, says):
    path = tmp_path / "checkpoint.npz"
    kill_after(4, path)
    before = path.read_bytes()

    with pytest.raises(ValueError, match=f"checkpoint must be of this run, got .* with {says}"):
        train(checkpoint=path, **change)

    assert path.read_bytes() == before


def test_the_checkpoint_of_another_network_is_refused(tmp_path):
    path = tmp_path / "checkpoint.npz"
    train(checkpoint=path)
    other = replace(NETWORK, neuron=replace(NETWORK.neuron, leak=0.8))

    with pytest.raises(
        ValueError, match=r"checkpoint must be of this run, got .* with other .*network"
    ):
        rs.train(
            other,
            start(),
            (np.zeros((1, 3, 6)), np.arange(3)),
            CONFIG,
            rng=np.random.default_rng(2),
            checkpoint=path,
        )


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.999])
def test_a_truncated_checkpoint_is_refused(tmp_path, share):
    path = tmp_path / "checkpoint.npz"
    train(checkpoint=path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])

    with pytest.raises(ValueError, match="must be an undamaged archive of arrays"):
        train(checkpoint=path)


def test_a_checkpoint_with_any_byte_changed_is_refused_or_harmless(tmp_path):
    """Bytes that matter are covered by checksums; of the others (zip padding) none alters a bit."""
    path = tmp_path / "checkpoint.npz"
    expected = bits(train(checkpoint=path))
    whole = path.read_bytes()
    refused = 0
    for place in range(7, len(whole), len(whole) // 60):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            assert bits(train(checkpoint=path)) == expected
        except ValueError as error:
            assert "must be an undamaged archive" in str(error)  # noqa: PT017
            refused += 1

    assert refused > 30


def test_a_pickle_is_never_loaded(tmp_path):
    path = tmp_path / "checkpoint.npz"
    np.savez(path, story=np.array([object()], dtype=object))

    with pytest.raises(ValueError, match="must be an undamaged archive of arrays"):
        train(checkpoint=path)


def test_what_stands_where_a_folder_should_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(ValueError, match="must be writable"):
        write_atomic(tmp_path / "file" / "checkpoint.npz", b"")


def test_a_failed_write_leaves_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "record"
    write_atomic(path, b"old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space")))

    with pytest.raises(ValueError, match="must be writable"):
        write_atomic(path, b"new")

    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["record"]


@pytest.mark.slow
def test_a_process_killed_three_times_ends_at_the_same_bits(tmp_path):
    """SIGKILL at three random moments, against a run that nobody disturbs."""
    flags = [
        "--preset",
        "quick",
        "--train",
        "60",
        "--test",
        "20",
        "--epochs",
        "200",  # far more than pass between three kills, however fast the machine
        "--hidden",
        "16",
        "--data-seed",
        "5",
    ]

    def begin(out: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "refsast", "train", "--out", str(tmp_path / out), *flags]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)

    rng = np.random.default_rng()
    killed = 0
    while killed < 3:
        process = begin("disturbed")
        wait_for_progress(tmp_path / "disturbed" / "checkpoint.npz", process)
        time.sleep(0.1 * rng.random())
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        if (tmp_path / "disturbed" / "run.json").exists():
            break
    assert killed == 3, "the run was over before it could be killed three times"
    assert begin("disturbed").wait() == 0
    assert begin("calm").wait() == 0

    def weights(out: str) -> np.ndarray:
        return np.load(tmp_path / out / "weights.npz")["w"]

    assert weights("disturbed").tobytes() == weights("calm").tobytes()


def wait_for_progress(path: Path, process: subprocess.Popen) -> None:
    """Wait until the checkpoint is newer than the process's last one."""
    before = path.stat().st_mtime_ns if path.exists() else None
    while process.poll() is None:
        if path.exists() and path.stat().st_mtime_ns != before:
            return
        time.sleep(0.002)


def test_another_archive_is_no_checkpoint(tmp_path):
    write_arrays(tmp_path / "weights.npz", {"w": np.zeros(3)})

    with pytest.raises(ValueError, match="checkpoint must hold the state of a run"):
        train(checkpoint=tmp_path / "weights.npz")


def test_a_function_without_a_name_identifies_no_run(tmp_path):
    config = replace(CONFIG, schedule=lambda share: 1.0)

    with pytest.raises(ValueError, match="whose functions have names"):
        train(config, checkpoint=tmp_path / "checkpoint.npz")


@pytest.mark.parametrize(
    "change",
    [
        lambda story, arrays: story.pop("mark"),
        lambda story, arrays: story.pop("epoch"),
        lambda story, arrays: story.update(epoch=9),
        lambda story, arrays: story.update(epoch=-3),
        lambda story, arrays: story.update(curve=[]),
        lambda story, arrays: story["curve"][0].pop("scores"),
        lambda story, arrays: arrays.pop("moment0"),
        lambda story, arrays: arrays.update(w=np.zeros(5)),
    ],
)
def test_a_checkpoint_that_is_not_whole_is_refused(tmp_path, change):
    path = tmp_path / "checkpoint.npz"
    kill_after(7, path)
    arrays = read_arrays(path)
    story = json.loads(str(arrays.pop("story")))
    change(story, arrays)
    write_arrays(path, {**arrays, "story": np.array(json.dumps(story))})

    with pytest.raises(ValueError, match="checkpoint must be"):
        train(checkpoint=path)
