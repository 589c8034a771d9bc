import threading

import pytest

from refsast.data.workers import AHEAD, map_chunks, track_progress, worker_count


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

    assert list(map_chunks(work, range(9), jobs=jobs, backend="threading")) == [
        10 * i for i in range(9)
    ]


@pytest.mark.parametrize("jobs", [1, 3])
def test_no_more_is_drawn_than_is_needed_soon(jobs):
    drawn = []
    chunks = (drawn.append(i) or i for i in range(100))
    results = map_chunks(lambda i: i, chunks, jobs=jobs, backend="threading")
    ahead = 1 if jobs == 1 else AHEAD * jobs
    for i in range(10):
        assert next(results) == i
        assert i < len(drawn) <= i + ahead
    results.close()
    assert len(drawn) <= 9 + ahead


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_error_comes_at_its_turn(jobs):
    results = map_chunks(lambda i: 1 // (3 - i), range(9), jobs=jobs, backend="threading")

    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_the_progress_is_drawn_as_results_are_used():
    seen = []
    progress = lambda items: (seen.append(i) or i for i in items)  # noqa: E731
    results = track_progress((letter for letter in "abc"), range(7), 3, progress)

    assert next(results) == "a"
    assert len(seen) == 1
    assert next(results) == "b"
    assert seen == [0, 1, 2, 3]
    assert list(results) == ["c"]
    assert seen == list(range(7))


def test_workers_are_as_many_as_asked_or_as_there_are_cores():
    assert worker_count(3) == 3
    assert worker_count(None) >= 1
    for bad in (0, -1, 1.0, True):
        with pytest.raises(ValueError, match="jobs must be a positive integer"):
            worker_count(bad)
