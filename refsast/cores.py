"""How many processor cores there are for us, and work that is split over threads."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from threading import Lock
from typing import Any


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


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep each call of BLAS to the thread that calls it, in the whole process.

    The number of threads is the process's: who comes first notes it, and who leaves last restores
    it. A BLAS that threadpoolctl does not know stays as it is.
    """
    libraries = _blas_libraries()
    with _blas_lock:
        _blas_counts.append([each.get_num_threads() for each in libraries])
        for each in libraries:
            each.set_num_threads(1)
    try:
        yield
    finally:
        with _blas_lock:  # the first to come is the last of the list to go
            for each, count in zip(libraries, _blas_counts.pop(), strict=True):
                each.set_num_threads(count)


_blas_lock = Lock()
_blas_counts: list[list[int]] = []


@cache
def _blas_libraries() -> list[Any]:
    """What threadpoolctl knows of the BLAS libraries that are loaded, NumPy's first of all."""
    import numpy  # noqa: F401 (loads it)
    from threadpoolctl import ThreadpoolController  # here, since importing it takes a while

    return ThreadpoolController().select(user_api="blas").lib_controllers


@cache
def _thread_pool() -> ThreadPoolExecutor:
    """The threads, made when they are first needed."""
    return ThreadPoolExecutor(thread_count(), thread_name_prefix="refsast")


if hasattr(os, "register_at_fork"):  # a forked child has none of its parent's threads
    os.register_at_fork(after_in_child=_thread_pool.cache_clear)
    os.register_at_fork(  # nobody else holds it then, who is not there in the child
        before=_blas_lock.acquire,
        after_in_parent=_blas_lock.release,
        after_in_child=_blas_lock.release,
    )
