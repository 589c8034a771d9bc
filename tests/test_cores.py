"""Work is shared over threads without a part left out or done twice."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from refsast import cores


@pytest.mark.parametrize(
    ("n", "min_part", "threads", "parts"),
    [(10, 3, 8, 3), (10, 1, 4, 4), (10, 100, 4, 1), (0, 5, 4, 1), (7, 7, 2, 1)],
)
def test_parts_make_up_the_whole(n, min_part, threads, parts, monkeypatch):
    monkeypatch.setattr(cores, "thread_count", lambda: threads)
    found = []

    cores.share_over_threads(found.append, n, min_part=min_part)

    assert [i for part in sorted(found, key=lambda p: p.start) for i in range(n)[part]] == list(
        range(n)
    )
    assert len(found) == parts
    assert all(part.stop - part.start >= min(n, min_part) for part in found)


def test_an_error_in_any_thread_is_raised(monkeypatch):
    monkeypatch.setattr(cores, "thread_count", lambda: 2)
    here = threading.current_thread()

    def fail_elsewhere(part):
        if threading.current_thread() is not here:
            raise ValueError(f"part {part.start}")

    with pytest.raises(ValueError, match="part 5"):
        cores.share_over_threads(fail_elsewhere, 10, min_part=1)


def test_how_overflow_is_treated_holds_in_every_thread(monkeypatch):
    monkeypatch.setattr(cores, "thread_count", lambda: 3)
    found = []

    with np.errstate(over="ignore", invalid="call"):
        cores.share_over_threads(lambda _: found.append(np.geterr()), 6, min_part=1)

    assert [(each["over"], each["invalid"]) for each in found] == 3 * [("ignore", "call")]


@pytest.mark.parametrize(("limit", "found"), [("3", 3), ("0", None), ("many", None)])
def test_threads_are_those_that_blas_may_have(limit, found, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", limit)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    assert cores.thread_count() == (found or cores.core_count())


class Blas:
    """A library that keeps the number of its threads, as threadpoolctl shows one."""

    def __init__(self, count):
        self.count = count

    def get_num_threads(self):
        return self.count

    def set_num_threads(self, count):
        self.count = count


@pytest.mark.parametrize("first_leaves", [True, False])
def test_who_leaves_last_gives_blas_its_threads_back(first_leaves, monkeypatch):
    libraries = [Blas(4), Blas(2)]
    monkeypatch.setattr(cores, "_blas_libraries", lambda: libraries)
    one, other = cores.one_blas_thread(), cores.one_blas_thread()
    left = []

    one.__enter__()
    other.__enter__()
    for each in (one, other) if first_leaves else (other, one):
        left.append([library.count for library in libraries])
        each.__exit__(None, None, None)

    assert left == [[1, 1], [1, 1]]
    assert [library.count for library in libraries] == [4, 2]


def test_blas_has_its_threads_back_after_an_error():
    libraries = cores._blas_libraries()
    assert libraries  # NumPy's, at least
    before = [each.get_num_threads() for each in libraries]

    def fail():
        with cores.one_blas_thread():
            assert {each.get_num_threads() for each in libraries} == {1}
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail()

    assert [each.get_num_threads() for each in libraries] == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning", "ignore:.*fork:RuntimeWarning")
def test_a_child_is_not_kept_waiting_by_a_thread_that_it_has_not():
    holds = threading.Event()

    def hold():
        with cores._blas_lock:
            holds.set()
            time.sleep(0.2)

    thread = threading.Thread(target=hold)
    thread.start()
    holds.wait()
    child = os.fork()
    if child == 0:
        with cores.one_blas_thread():
            os._exit(0)
    thread.join()
    end = time.monotonic() + 10.0
    while not (done := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < end:
        time.sleep(0.01)
    if not done[0]:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    assert done == (child, 0)
