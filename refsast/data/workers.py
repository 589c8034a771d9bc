"""How many workers make data, and the progress that is seen meanwhile."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import TypeVar

from refsast.cores import core_count
from refsast.data.binning import validate_count

Item = TypeVar("Item")
Result = TypeVar("Result")


def track_progress(
    results: Generator[Result, None, None],
    items: Sequence[Item],
    size: int,
    progress: Callable[[Sequence[Item]], Iterable[Item]],
) -> Iterator[Result]:
    """Yield the results, one for every `size` items, with a progress that wraps the items.

    Items are drawn from the progress when their chunk has been used. Raises ValueError if it passes
    over some. The results are closed at the end.
    """
    with closing(results):
        for i, _ in enumerate(progress(items)):
            if i % size == 0:
                yield next(results)
        if next(results, None) is not None:
            raise ValueError(f"progress must yield all items, got fewer than {len(items)}")


def worker_count(jobs: int | None) -> int:
    """Return how many workers `jobs` means: as many as there are cores for None."""
    if jobs is None:
        return core_count()
    validate_count("jobs", jobs)
    return jobs
