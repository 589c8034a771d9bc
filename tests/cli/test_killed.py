"""A comparison that is killed again and again ends in the table of one that never was."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from refsast.__main__ import main

ARGS = ["--preset", "quick", "--train", "40", "--test", "20", "--hidden", "8", "--epochs", "2"]
ARGS = ["compare", *ARGS, "--seeds", "3", "--rhos", "0.1,0.2"]
RUNS = 12
PATIENCE = 600.0  # seconds, on a machine that does much else

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGKILL is Unix's")


def start(folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "refsast", *ARGS, "--jobs", "2", "--out", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finished(folder: Path) -> dict[str, int]:
    """The runs that are there, each with the moment when it was written."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "runs").glob("*.json")}


def kill_at_random(folder: Path, rng: random.Random) -> dict[str, int]:
    """Start, wait for up to two more runs and a while, kill; return what is finished then."""
    wanted, process = len(finished(folder)) + rng.randrange(3), start(folder)
    deadline = time.monotonic() + PATIENCE
    while len(finished(folder)) < min(wanted, RUNS) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    time.sleep(rng.uniform(0.0, 0.3))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return finished(folder)


def check_kills(tmp_path: Path, kills: int, seed: int) -> list[int]:
    """How many runs were finished at each kill; asserts that none of them is written again."""
    rng, folder = random.Random(seed), tmp_path / "killed"
    assert main([*ARGS, "--jobs", "2", "--out", str(tmp_path / "whole")]) == 0
    counts, before = [], {}
    for _ in range(kills):
        now = kill_at_random(folder, rng)
        assert before.items() <= now.items()  # neither lost nor repeated
        counts.append(len(now))
        before = now
    last = start(folder)
    said, _ = last.communicate(timeout=PATIENCE)

    assert last.returncode == 0, said
    assert (f"{len(before)} of 12 runs were there already" in said) is bool(before)
    assert said.count("\nrun ") + said.startswith("run ") == RUNS - len(before)
    assert before.items() <= finished(folder).items()
    records = [
        json.loads((out / "compare.json").read_text()) for out in (tmp_path / "whole", folder)
    ]
    for part in ("table", "runs", "differences", "verdict", "diverged", "settings"):
        assert records[0][part] == records[1][part]
    kept = [
        {path.name: path.read_bytes() for path in (out / "runs").glob("*.npz")}
        for out in (tmp_path / "whole", folder)
    ]
    assert kept[0] == kept[1]
    assert len(kept[0]) == 4
    assert not list(folder.glob("**/.*"))  # no temporary file, no lock
    return counts


@pytest.mark.slow
def test_what_is_killed_goes_on_and_repeats_nothing(tmp_path):
    counts = check_kills(tmp_path, kills=3, seed=1)

    assert counts == sorted(counts)
