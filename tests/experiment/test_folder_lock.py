"""One process at a time writes into a folder, and a dead one holds nothing."""

import subprocess
import sys

import pytest

from refsast.experiment.folder_lock import LOCK, lock_folder

HOLD = """
import sys
from pathlib import Path
from refsast.experiment.folder_lock import lock_folder
with lock_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(folder) -> subprocess.Popen:
    """Another process that holds the folder until it is told to stop."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_process_is_refused_and_the_first_is_named(tmp_path):
    with hold(tmp_path) as holder:
        with (
            pytest.raises(ValueError, match=f"in use by process {holder.pid} on "),
            lock_folder(tmp_path),
        ):
            pass
        holder.communicate()

    with lock_folder(tmp_path):
        assert (tmp_path / LOCK).exists()
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    with hold(tmp_path) as holder:
        holder.kill()
        holder.wait()

    assert (tmp_path / LOCK).exists()
    with lock_folder(tmp_path):
        pass
    assert not (tmp_path / LOCK).exists()


def test_it_is_free_again_after_an_error_and_makes_the_folder(tmp_path):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), lock_folder(tmp_path / "new"):
            _ = 1 / 0


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "out").write_text("in the way")

    with pytest.raises(ValueError, match="out must be a folder"), lock_folder(tmp_path / "out"):
        pass
