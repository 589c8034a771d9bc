import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from refsast.workers import AHEAD, map_in_order, map_unordered, processes, threads
from tests.busy_parent import WORKERS

ROOT = Path(__file__).resolve().parents[1]
PROC = Path("/proc")
GRACE = 5.0  # seconds after the parent's end, until when its workers must be gone
needs_proc = pytest.mark.skipif(not PROC.is_dir(), reason="no /proc: which processes are left?")


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_results_come_in_order_whoever_is_done_first(jobs):
    """The first chunk waits for the second, where there is a second worker."""
    second = threading.Event()

    def work(i):
        if i == 0 and jobs > 1:
            assert second.wait(30)
        if i == 1:
            second.set()
        return 10 * i

    assert list(map_in_order(work, range(9), jobs=jobs, pool=threads)) == [10 * i for i in range(9)]


@pytest.mark.parametrize("jobs", [1, 3])
def test_no_more_is_drawn_than_is_needed_soon(jobs):
    drawn = []
    chunks = (drawn.append(i) or i for i in range(100))
    results = map_in_order(lambda i: i, chunks, jobs=jobs, pool=threads)
    ahead = 1 if jobs == 1 else AHEAD * jobs
    for i in range(10):
        assert next(results) == i
        assert i < len(drawn) <= i + ahead
    results.close()
    assert len(drawn) <= 9 + ahead


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_error_comes_at_its_turn(jobs):
    results = map_in_order(lambda i: 1 // (3 - i), range(9), jobs=jobs, pool=threads)

    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_results_come_as_soon_as_they_are_done(tmp_path):
    def work(i):
        """The first waits for the last, which the other worker is to be done with."""
        if i == 0:
            wait_for(lambda: (tmp_path / "last").exists())
        if i == 3:
            (tmp_path / "last").touch()
        return i, os.getpid()

    results = list(map_unordered(work, range(4), jobs=2))

    assert [i for i, _ in results] == [1, 2, 3, 0]
    assert os.getpid() not in {pid for _, pid in results}


def test_workers_use_one_thread_for_blas_whatever_we_use(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    found = map_unordered(lambda _: os.environ["OPENBLAS_NUM_THREADS"], range(2), jobs=2)

    assert list(found) == ["1", "1"]


def test_large_arrays_are_shared_with_the_workers():
    data = np.arange(200_000.0)

    def work(i):
        return isinstance(data, np.memmap), data[i:].sum()

    results = list(map_unordered(work, [0], jobs=2))

    assert results == [(True, data.sum())]


def test_one_job_works_here_and_draws_as_it_goes():
    drawn = []
    results = map_unordered(
        lambda i: (i, os.getpid()), (drawn.append(i) or i for i in range(3)), jobs=1
    )

    assert next(results) == (0, os.getpid())
    assert drawn == [0]


@pytest.mark.slow
@pytest.mark.parametrize("killed", [True, False], ids=["a killed worker", "an error"])
def test_what_was_done_is_yielded_before_the_end(killed, tmp_path):
    """Also what waits to be taken: nobody takes while the last call ends badly."""

    def work(i):
        if i < 3:
            return i
        wait_for(lambda: (tmp_path / "go").exists())
        (tmp_path / "ended").touch()
        if killed:
            os.kill(os.getpid(), signal.SIGKILL)
        raise KeyError(i)

    results = map_unordered(work, range(4), jobs=2)
    taken = [next(results)]
    time.sleep(0.5)  # for the two others
    (tmp_path / "go").touch()
    wait_for(lambda: (tmp_path / "ended").exists())
    time.sleep(0.3)  # the news, too, must be here
    with pytest.raises(ValueError if killed else KeyError, match=r"must stay alive|3"):
        taken.extend(results)

    assert sorted(taken) == [0, 1, 2]
    assert sorted(map_unordered(abs, [-1, -2], jobs=2)) == [1, 2]  # with new workers


# Of loky's own thread, which may be handing on a call when its workers are killed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_who_takes_no_more_waits_for_nothing():
    start = time.monotonic()
    results = map_unordered(lambda i: time.sleep(60.0 * i), range(4), jobs=2)
    next(results)
    results.close()

    assert time.monotonic() - start < 30.0


def test_a_killed_worker_is_named_at_its_turn():
    results = map_in_order(
        lambda i: i or os.kill(os.getpid(), signal.SIGKILL),
        range(1, -1, -1),
        jobs=2,
        pool=processes,
    )

    assert next(results) == 1
    with pytest.raises(ValueError, match="worker must stay alive"):
        next(results)


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_parent(how, tmp_path):
    with busy_parent(tmp_path) as parent:
        parent.send_signal(how)
        parent.wait(GRACE)
        wait_for(lambda: not living(parent.pid), GRACE)


@needs_proc
@pytest.mark.parametrize("at_work", [True, False], ids=["at work", "starting"])
def test_an_interrupt_of_all_is_one_line(at_work, tmp_path):
    """As Ctrl-C in a terminal does: workers are interrupted, too."""
    with busy_parent(tmp_path, at_work) as parent:
        os.killpg(parent.pid, signal.SIGINT)
        _, errors = parent.communicate(timeout=GRACE)

        assert (parent.returncode, errors) == (130, "busy: interrupted\n")
        wait_for(lambda: not living(parent.pid), GRACE)


@pytest.mark.slow
def test_what_killed_workers_leave_is_removed_in_silence():
    leave = """
import os
from joblib.externals.loky.backend import resource_tracker
from refsast.workers import processes
with processes(2) as start:
    assert start(int).result() == 0
resource_tracker.register("/left-behind", "semlock")
os._exit(0)
"""

    found = subprocess.run([sys.executable, "-c", leave], capture_output=True, text=True, cwd=ROOT)

    assert (found.returncode, found.stderr) == (0, "")


@contextmanager
def busy_parent(folder: Path, at_work: bool = True) -> Iterator[subprocess.Popen]:
    """A process whose workers are at work, or have been started; none is left at the end."""
    command = [sys.executable, "-m", "tests.busy_parent", str(folder)]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    )
    try:
        if at_work:
            wait_for(lambda: len(list(folder.iterdir())) == WORKERS)
        else:  # two trackers of resources are started before them
            wait_for(lambda: len(living(process.pid)) == 1 + 2 + WORKERS)
        yield process
    finally:
        for pid in living(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.communicate()


def living(session: int) -> list[int]:
    """The processes of a session that are not yet dead."""
    found = []
    for folder in PROC.iterdir():
        if folder.name.isdecimal():
            try:
                stat = (folder / "stat").read_text()
            except OSError:  # it has just ended
                continue
            state, _, _, its_session, *_ = stat.rpartition(")")[2].split()
            if int(its_session) == session and state not in "ZX":
                found.append(int(folder.name))
    return found


def wait_for(happened, seconds: float = 30.0) -> None:
    """Wait until something has happened."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0.02)


def test_a_second_use_of_the_processes_leaves_nothing_behind():
    """What is shared belongs to the call that sent it, and is removed after it."""
    script = (
        "import numpy as np\n"
        "from refsast.workers import map_unordered\n"
        "for fill in (1.0, 2.0):\n"
        "    big = np.full(500_000, fill)\n"
        "    print(sum(map_unordered(lambda i: big.sum() + i, range(4), jobs=2)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert (done.stdout, done.stderr) == ("2000006.0\n4000006.0\n", "")
