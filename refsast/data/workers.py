"""Work in chunks on several cores, whose results come in order and whose progress is seen.

Rule 1: what comes out depends neither on the number of workers nor on who was done first.
Rule 2: at most twice as many results as workers wait to be taken, however many there will be.
Rule 3: workers are threads where NumPy and zlib, which let go of the interpreter, do most of the
        work; else processes, started afresh, so that no thread is ever forked.
"""

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

from refsast.data.binning import validate_count

Chunk = TypeVar("Chunk")
Item = TypeVar("Item")
Result = TypeVar("Result")

Pool = Callable[[int], Executor]


def threads(jobs: int) -> Executor:
    """Return a pool of so many threads."""
    return ThreadPoolExecutor(jobs)


def processes(jobs: int) -> Executor:
    """Return a pool of so many processes; what they are given and give back is pickled."""
    return ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"))


def map_chunks(
    work: Callable[[Chunk], Result], chunks: Iterable[Chunk], *, jobs: int, pool: Pool
) -> Generator[Result, None, None]:
    """Yield ``work(chunk)`` for every chunk, the next ones being made while one is used.

    Parameters
    ----------
    work : callable
        Makes one result of a chunk; runs in the workers.
    chunks : iterable
        What there is to do; drawn here, as workers become free.
    jobs : int
        Number of workers. One works here, without a pool.
    pool : callable
        `threads` or `processes`.

    Yields
    ------
    object
        One result per chunk, in order. An error in a chunk is raised at its turn.
    """
    if jobs == 1:
        yield from map(work, chunks)
        return
    with pool(jobs) as workers:
        ahead: deque[Future[Result]] = deque()
        try:
            for chunk in chunks:
                ahead.append(workers.submit(work, chunk))
                if len(ahead) >= 2 * jobs:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def track_progress(
    results: Generator[Result, None, None],
    items: Sequence[Item],
    size: int,
    progress: Callable[[Sequence[Item]], Iterable[Item]],
) -> Iterator[Result]:
    """Yield the results of chunks of `items`, a progress being drawn item by item.

    Parameters
    ----------
    results : generator
        One for every `size` items, the last of which may be fewer. Closed at the end.
    items : sequence
        What the progress wraps.
    size : int
        Items per result.
    progress : callable
        Such as ``tqdm``. Items are drawn from it when their chunk has been used.

    Yields
    ------
    object
        The results.

    Raises
    ------
    ValueError
        If `progress` passes over items.
    """
    with closing(results):
        for i, _ in enumerate(progress(items)):
            if i % size == 0:
                yield next(results)
        if next(results, None) is not None:
            raise ValueError(f"progress must yield all items, got fewer than {len(items)}")


def worker_count(jobs: int | None) -> int:
    """Return how many workers `jobs` means: as many as this process may use cores for None.

    Raises
    ------
    ValueError
        If it is neither None nor a positive integer.
    """
    if jobs is not None:
        validate_count("jobs", jobs)
        return jobs
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1
