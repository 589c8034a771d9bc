"""Work on the machines of a Dask cluster, of which we know the address of its scheduler.

Rule 1: the work, with the data in it, is sent once to each worker, and then one item per call.
Rule 2: a call whose worker dies is made again by another, or by the next one that comes.
Rule 3: the bits are those of workers on this machine: the same versions, one thread for BLAS.
"""

import platform
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from distributed import Client, Future

Item = TypeVar("Item")
Result = TypeVar("Result")

CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 10.0  # until when a server must be there, and must answer
WORKER_SECONDS = 10.0  # until when it must have a worker
TRIES = 4  # of a call, until its workers' deaths are its own fault; as many as Dask makes itself
KILLED = "worker must stay alive until its work is done, got one that was killed (out of memory?)"


def map_on_cluster(
    work: Callable[[Item], Result], items: Iterable[Item], scheduler: str
) -> Generator[Result, None, None]:
    """Yield ``work(item)`` for every item, as soon as it is done: see `workers.map_unordered`."""
    left = list(items)
    with _connect(scheduler) as client:
        for _ in range(TRIES):
            lost = []
            for future, item, result in _call_all(client, work, left):
                if future.cancelled():
                    lost.append(item)
                elif future.status == "error":
                    raise _explain(result)
                else:
                    yield result
            if not lost:
                return
            if client.status != "running":
                raise ValueError(f"scheduler must answer to the end, got silence at {scheduler}")
            left = lost  # with the last worker that had the work: it must be sent again
    raise ValueError(KILLED)


def _call_all(
    client: "Client", work: Callable[[Item], Result], items: list[Item]
) -> Iterator[tuple["Future", Item, Result]]:
    """The calls with their results, or with what was raised there, as they are done."""
    from distributed import as_completed

    sent = client.scatter(work, broadcast=True, hash=False)
    item_of = {client.submit(_call, _versions(), sent, i, pure=False): i for i in items}
    done = as_completed(item_of, loop=client.loop, with_results=True, raise_errors=False)
    for future, result in done:
        yield future, item_of.pop(future), result


def _call(versions: str, work: Callable[[Item], Result], item: Item) -> Result:
    """Do a piece of work on a worker."""
    from threadpoolctl import threadpool_limits

    if versions != _versions():
        raise ValueError(f"worker must have {versions}, got one with {_versions()}")
    with threadpool_limits(1):
        return work(item)


def _versions() -> str:
    """What must be equal here and there, for the bits to be so."""
    import numpy

    import refsast

    python = platform.python_version()
    return f"refsast {refsast.__version__}, NumPy {numpy.__version__}, Python {python}"


def _explain(failure: object) -> BaseException:
    """What to raise for a call that failed, of which Dask gives type, error and trace."""
    from distributed import KilledWorker

    error = failure[1] if isinstance(failure, tuple) else None
    if isinstance(error, BaseException) and not isinstance(error, KilledWorker):
        return error
    return ValueError(KILLED)


@contextmanager
def _connect(scheduler: str) -> Iterator["Client"]:
    """Connect to a cluster that has a worker; raise ValueError where there is none."""
    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError(
            f"scheduler must come with the extra dask (pip install 'refsast[dask]'), "
            f"got {scheduler} without it"
        ) from error
    _require_scheduler(scheduler)
    with Client(scheduler, timeout=WORKER_SECONDS, set_as_default=False) as client:
        try:
            client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError as error:
            raise ValueError(f"scheduler must have workers, got none at {scheduler}") from error
        yield client


def _require_scheduler(address: str) -> None:
    """Raise ValueError unless a scheduler answers.

    Asked before `Client` is, which waits for ever for a server that says nothing, such as that of
    Dask's web page.
    """
    import asyncio

    with ThreadPoolExecutor(1) as aside:  # in a notebook this thread has a loop of its own
        try:
            found = aside.submit(lambda: asyncio.run(_identify(address))).result()
        except Exception as error:  # a server of another kind may answer anything
            found, cause = "no answer", error
        else:
            cause = None
    if found != "Scheduler":
        raise ValueError(
            f"scheduler must be the address of a Dask scheduler, such as tcp://host:8786, "
            f"got {address} ({found})"
        ) from cause


async def _identify(address: str) -> str:
    """What kind of server of Dask is there."""
    import asyncio

    from distributed import Security
    from distributed.core import rpc

    secrets = Security().get_connection_args("client")
    server = rpc(address, timeout=CONNECT_SECONDS, connection_args=secrets)
    try:
        about = await asyncio.wait_for(server.identity(), ANSWER_SECONDS)
        return str(about and about["type"])
    finally:
        await server.close_rpc()
