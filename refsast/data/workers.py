"""Work in chunks on several cores, whose results come in order and whose progress is seen.

Rule 1: what comes out depends neither on the number of workers nor on who was done first.
Rule 2: at most twice as many results as workers wait to be taken, however many there will be.
Rule 3: workers are threads. NumPy and zlib let go of the interpreter in every sweep; processes
        were measured to be no faster, and ask a program to guard its ``__main__``.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

from refsast.data.binning import check_count

C = TypeVar("C")
I = TypeVar("I")  # noqa: E741
R = TypeVar("R")


def in_chunks(
    work: Callable[[Sequence[I]], R],
    items: Sequence[I],
    *,
    size: int,
    jobs: int | None,
    progress: Callable[[Sequence[I]], Iterable[object]],
) -> Iterator[R]:
    """Yield ``work(chunk)`` for the chunks of `items`, in order.

    Parameters
    ----------
    work : callable
        Makes one result of a chunk. Called from several threads at once.
    items : sequence
        What there is to do.
    size : int
        Items per chunk; the last may be smaller.
    jobs : int or None
        Number of threads; None for as many as there are cores.
    progress : callable
        Wraps `items`, such as ``tqdm``; an item is drawn when its chunk is done.

    Yields
    ------
    object
        One result per chunk.

    Raises
    ------
    ValueError
        If `jobs` is no positive integer, or `progress` passes over items.
    """
    jobs = cores() if jobs is None else jobs
    check_count("jobs", jobs)
    chunks = (items[i : i + size] for i in range(0, len(items), size))
    with closing(_in_order(work, chunks, jobs)) as results:
        for i, _ in enumerate(progress(items)):
            if i % size == 0:
                yield next(results)
        if next(results, None) is not None:
            raise ValueError(f"progress must yield all items, got fewer than {len(items)}")


def cores() -> int:
    """Return how many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


def _in_order(work: Callable[[C], R], chunks: Iterable[C], jobs: int) -> Iterator[R]:
    """The results, the next ones being made while one is used; one worker needs no thread."""
    if jobs == 1:
        yield from map(work, chunks)
        return
    with ThreadPoolExecutor(jobs) as pool:
        ahead: deque[Future[R]] = deque()
        try:
            for chunk in chunks:
                ahead.append(pool.submit(work, chunk))
                if len(ahead) >= 2 * jobs:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
