"""A Dask cluster of two worker processes on this machine, one of which is killed while it works."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from refsast.cluster import _call, _explain, _versions
from refsast.data import synthetic_spikes
from refsast.experiment.compare import train_arm
from refsast.experiment.presets import PRESETS
from refsast.workers import map_unordered

pytest.importorskip("distributed", reason="the extra dask is not installed")
pytestmark = pytest.mark.filterwarnings("default")  # Dask's own, of sockets and of slow clocks

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 120.0  # seconds for the cluster to be there, on a busy machine


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """The address of a scheduler with two workers, of one thread each."""
    folder = tmp_path_factory.mktemp("cluster")
    programs = [["dask_scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard"]]
    programs += 2 * [["dask_worker", "--nthreads", "1", "--no-dashboard"]]
    started = []
    try:
        with open(folder / "log", "w") as log:
            for name, *flags in programs:
                command = [sys.executable, "-m", f"distributed.cli.{name}", *flags]
                command += ["--scheduler-file", str(folder / "address.json")]
                started.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT))
        yield _wait_for_address(folder / "address.json")
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(PATIENCE)


def _wait_for_address(path: Path) -> str:
    """The scheduler's address, once both workers are there."""
    from distributed import Client

    end = time.monotonic() + PATIENCE
    while not path.exists() or not path.read_text():
        assert time.monotonic() < end, "no scheduler"
        time.sleep(0.05)
    address = json.loads(path.read_text())["address"]
    with Client(address, timeout=PATIENCE, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=PATIENCE)
    return address


@pytest.mark.slow
def test_the_bits_are_those_of_local_workers_though_one_is_killed(scheduler, tmp_path):
    """Wide enough a product for the bits to depend on the number of BLAS's threads."""
    setting = replace(PRESETS["quick"], epochs=1)
    data = synthetic_spikes(60, np.random.default_rng(0), steps=setting.steps)

    def work(task):
        seed, deadly = task
        if deadly and not (tmp_path / "killed").exists():
            (tmp_path / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        run = train_arm(setting, data, data, seed)
        return seed, [layer.w.tobytes() for layer in run.params]

    tasks = [(seed, False) for seed in range(4)]
    here = dict(map_unordered(work, tasks, jobs=2))
    deadly = [(seed, seed == 1) for seed in range(4)]
    there = dict(map_unordered(work, deadly, jobs=1, scheduler=scheduler))

    assert (tmp_path / "killed").exists()
    assert len(set(map(tuple, here.values()))) == 4
    assert there == here


@pytest.mark.slow
def test_an_error_of_the_work_comes_as_it_is(scheduler):
    with pytest.raises(KeyError, match="seven"):
        list(map_unordered(lambda i: {}[i], ["seven"], jobs=1, scheduler=scheduler))


@pytest.mark.slow
@pytest.mark.parametrize(
    "listening", [False, True], ids=["nobody there", "a server that is silent"]
)
def test_where_no_scheduler_is_one_line_says_so(listening):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listening:
            server.listen()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        start = time.monotonic()
        with pytest.raises(ValueError, match=f"^scheduler must be .*{address}") as refusal:
            list(map_unordered(abs, [1], jobs=1, scheduler=address))

    assert "\n" not in str(refusal.value)
    assert time.monotonic() - start < PATIENCE


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match=r"refsast\[dask\].*tcp://here:1"):
        list(map_unordered(abs, [1], jobs=1, scheduler="tcp://here:1"))


def test_a_worker_of_another_version_is_refused():
    assert _call(_versions(), abs, -1) == 1
    with pytest.raises(ValueError, match=r"worker must have refsast 0\.0, got one with refsast"):
        _call("refsast 0.0", abs, -1)


@pytest.mark.slow
def test_work_that_kills_every_worker_is_named():
    from distributed import KilledWorker

    killed, other = KilledWorker("task", None, 3), KeyError(1)

    assert "got one that was killed" in str(_explain((type(killed), killed, None)))
    assert _explain((KeyError, other, None)) is other
