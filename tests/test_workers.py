import threading

import pytest

from refsast.workers import AHEAD, map_in_order, threads


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
