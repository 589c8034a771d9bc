"""How many processor cores there are for us, and work that is split over threads."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache


def core_count() -> int:
    """Return the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


def thread_count() -> int:
    """Return how many threads to use: as many as BLAS is allowed, else one per core."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        limit = os.environ.get(name, "")
        if limit.isdigit() and int(limit) > 0:
            return int(limit)
    return core_count()


def share_over_threads(work: Callable[[slice], None], n: int, *, min_part: int) -> None:
    """Call ``work(part)`` for parts that make up all `n`, each on a thread of its own.

    No part has fewer than `min_part`. What `np.errstate` says here holds there, too. It pays where
    `work` releases the interpreter.
    """
    parts = max(1, min(thread_count(), n // min_part))
    ends = [n * i // parts for i in range(parts + 1)]
    slices = list(map(slice, ends[:-1], ends[1:]))
    others = [_thread_pool().submit(copy_context().run, work, part) for part in slices[1:]]
    work(slices[0])
    for other in others:
        other.result()


@cache
def _thread_pool() -> ThreadPoolExecutor:
    """The threads, made when they are first needed."""
    return ThreadPoolExecutor(thread_count(), thread_name_prefix="refsast")


if hasattr(os, "register_at_fork"):  # a forked child has none of its parent's threads
    os.register_at_fork(after_in_child=_thread_pool.cache_clear)
