import pytest

from refsast.data.workers import track_progress, worker_count


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
