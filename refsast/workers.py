"""Work on several processes, threads or machines, whose results are taken one by one.

Rule 1: what is done stays done: a result that is there is yielded before an error is raised.
Rule 2: workers end with us: when we are killed, when the results are not taken to the end, and at
        an interrupt, which is ours to handle and which they ignore.
Rule 3: results do not depend on who was done first, nor on the number of workers, from two on: each
        has one thread for BLAS, while one worker works here and has all of them.
"""

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import islice
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from refsast.cluster import KILLED, map_on_cluster

if TYPE_CHECKING:
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")

# Starts a call and returns its future.
Submit: TypeAlias = "Callable[[Callable[[], Result]], Future[Result]]"
Pool: TypeAlias = Callable[[int], AbstractContextManager[Submit]]

AHEAD = 2  # calls per worker that are started before their results are wanted
WATCH_SECONDS = 0.5  # between two looks of a worker at whether its parent lives


def map_unordered(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    jobs: int,
    scheduler: str | None = None,
) -> Generator[Result, None, None]:
    """Yield ``work(item)`` for every item, as soon as it is done.

    Parameters
    ----------
    work : callable
        May be a closure. Arrays in it are shared between processes of one machine where they are
        large, and sent once to each machine of a cluster.
    items : iterable
        Each is sent with its call, and drawn shortly before.
    jobs : int
        Processes on this machine; one works in this process. Positive.
    scheduler : str, optional
        Address of a Dask cluster, such as ``tcp://host:8786``, to be used instead: see
        docs/guides/sweep_cluster.md. Its own workers say how much is done at a time.

    Raises
    ------
    ValueError
        If a worker is killed. What `work` raises is raised as it is; calls that are running then
        are ended.
    """
    if scheduler is not None:
        yield from map_on_cluster(work, items, scheduler)
        return
    if jobs == 1:
        yield from map(work, items)
        return
    with processes(jobs) as submit:
        done: SimpleQueue[Future[Result]] = SimpleQueue()
        left = iter(items)

        def start(count: int) -> int:
            """Start some calls, and say how many there were."""
            calls = [_start(submit, partial(work, item)) for item in islice(left, count)]
            for call in calls:
                call.add_done_callback(done.put)
            return len(calls)

        # No more than loky hands on at once: what it keeps back makes noise where it is dropped.
        running = start(AHEAD * jobs)
        while running:
            result = done.get().result()
            running += start(1) - 1
            yield result


def _start(submit: Submit, call: Callable[[], Result]) -> "Future[Result]":
    """Start a call; where workers have died, its future says so, after what was done before."""
    from concurrent.futures import Future

    try:
        return submit(call)
    except Exception as error:
        failed: Future[Result] = Future()
        failed.set_exception(error)
        return failed


def map_in_order(
    work: Callable[[Item], Result], items: Iterable[Item], *, jobs: int, pool: Pool
) -> Generator[Result, None, None]:
    """Yield ``work(item)`` for every item, in their order; one worker works here, without a pool.

    At most `AHEAD` items per worker are drawn before their turn. An error is raised at its turn.

    Parameters
    ----------
    work, items, jobs
        As for `map_unordered`.
    pool : callable
        `processes`, or `threads` where NumPy and zlib, which let go of the interpreter, do most of
        the work.
    """
    if jobs == 1:
        yield from map(work, items)
        return
    left = iter(items)
    with pool(jobs) as submit:
        ahead = deque(_start(submit, partial(work, item)) for item in islice(left, AHEAD * jobs))
        while ahead:
            yield ahead.popleft().result()
            ahead.extend(_start(submit, partial(work, item)) for item in islice(left, 1))


@contextmanager
def threads(jobs: int) -> Iterator[Submit]:
    """Give a function that starts a call in a thread; unstarted calls are dropped at the end."""
    from concurrent.futures import ThreadPoolExecutor

    executor = ThreadPoolExecutor(jobs)
    try:
        yield executor.submit
    finally:
        executor.shutdown(cancel_futures=True)


@contextmanager
def processes(jobs: int) -> Iterator[Submit]:
    """Give a function that starts a call in one of several processes.

    They are killed where the context ends with an error, else kept for the next call of this.
    """
    from joblib import Parallel, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError
    from joblib.parallel import LokyBackend

    _start_quiet_tracker()
    # One thread of BLAS, whose bits depend on it: the same for any number of workers.
    with parallel_config("loky", inner_max_num_threads=1):
        parallel = Parallel(jobs, initializer=_follow_parent, initargs=(os.getpid(),))
    with parallel:
        # Not by calling `parallel`: it drops results that wait to be taken when a worker dies.
        backend = parallel._backend
        if not isinstance(backend, LokyBackend):  # in a process that may start no others
            with threads(1) as start:
                yield start
            return
        # As calling `parallel` does: else what is sent belongs to the call before and stays.
        executor: Any = backend._workers
        executor._temp_folder_manager.set_current_context(parallel._id)

        def submit(call: Callable[[], Result]) -> "Future[Result]":
            with _hold_interrupts():
                return backend.submit(call)

        try:
            yield submit
        except BaseException as error:
            backend.abort_everything(ensure_ready=False)
            if isinstance(error, TerminatedWorkerError):
                raise ValueError(KILLED) from error
            raise


def _start_quiet_tracker() -> None:
    """Start the process that removes what killed workers leave, without words of what it found."""
    from joblib.externals.loky.backend import resource_tracker

    name, before = "PYTHONWARNINGS", os.environ.get("PYTHONWARNINGS")
    os.environ[name] = "ignore:resource_tracker"
    try:
        resource_tracker.ensure_running()
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


@contextmanager
def _hold_interrupts() -> Iterator[None]:
    """Let interrupts wait, here and for good in processes that are started meanwhile."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # now: its start lets interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _follow_parent(parent: int) -> None:
    """Make this process, a worker, end when its parent has ended, and ignore interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: int) -> None:
    """Wait until `parent` is no longer our parent, then leave, whatever else is running."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)
