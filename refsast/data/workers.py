"""Work in chunks on several cores, whose results come in order and whose progress is seen.

Rule 1: what comes out depends neither on the number of workers nor on who was done first.
Rule 2: chunks go out in rounds of `AHEAD` per worker, so that few results wait to be taken; the
        price is that workers wait for the slowest chunk of a round.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import Literal, TypeVar

from refsast.cores import core_count
from refsast.data.binning import validate_count

Chunk = TypeVar("Chunk")
Item = TypeVar("Item")
Result = TypeVar("Result")

# Threads where NumPy and zlib, which let go of the interpreter, do most of the work.
Backend = Literal["threading", "loky"]
AHEAD = 2


def map_chunks(
    work: Callable[[Chunk], Result], chunks: Iterable[Chunk], *, jobs: int, backend: Backend
) -> Generator[Result, None, None]:
    """Yield ``work(chunk)`` for every chunk, in order; one worker works here, without a pool.

    An error in a chunk is raised at its turn.
    """
    if jobs == 1:
        yield from map(work, chunks)
        return
    from joblib import Parallel, delayed  # late: it takes as long to import as NumPy

    attempt, left = delayed(_attempt), iter(chunks)
    with Parallel(jobs, backend=backend) as parallel:
        # In rounds: joblib itself would go on however slowly the results are taken.
        while ahead := list(islice(left, AHEAD * jobs)):
            for result in parallel(attempt(work, chunk) for chunk in ahead):
                if isinstance(result, Exception):
                    raise result
                yield result  # pyright: ignore[reportReturnType]  # never None, as joblib has it


def _attempt(work: Callable[[Chunk], Result], chunk: Chunk) -> Result | Exception:
    """The result, or the error: joblib would raise whichever error comes first in time."""
    try:
        return work(chunk)
    except Exception as error:
        return error


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
