"""Seconds for one epoch of training, here and elsewhere, in the same minibatches.

Rule 1: everybody takes the same steps: Adam's, plain or with two minibatches as SAST has them, in
        the order of `rs.train`; all minibatches are whole. Nothing is evaluated meanwhile.
Rule 2: afterwards the loss of everybody's weights is taken, by `rs.fast`; whoever trained the same
        network has nearly the same.
Rule 3: each has a process of its own; they take turns, after an epoch that is not counted.
"""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from statistics import median

import numpy as np

import refsast as rs
from refsast.arrays import Array, Integers
from tests.bench.implementations import ADAM, RHO, weights_to_params
from tests.bench.machine import is_installed
from tests.bench.peers import PEERS
from tests.bench.workloads import DEEP, SCALE, Data, Minibatches, Workload, recordings

SHALLOW = replace(DEEP, sizes=(DEEP.sizes[0], 128, 10))
NAMES = ("refsast", "torch", "torch-compile", "jax", "spikingjelly", "snntorch")
MANY, FEW = 10_000, 1_000  # synthetic recordings; with --quick
SAMPLE = 256  # recordings of which the loss is taken afterwards
SEED, BUDGET, FEWEST = 3, 60.0, 3
Train = Callable[[], tuple[Array, ...]]


@dataclass(frozen=True)
class Task:
    """An epoch to be trained.

    Attributes
    ----------
    work : Workload
        The network and its minibatches.
    n : int or None
        Synthetic recordings; None for the real ones.
    rho : float
        Radius of SAST's ascent; 0 is plain descent.
    folder : str, optional
        Where synthetic recordings are kept for everybody.
    """

    work: Workload
    n: int | None
    rho: float
    folder: str | None = None

    @property
    def data(self) -> tuple[rs.Spikes, Integers]:
        """As many recordings as fill whole minibatches."""
        x, y = recordings(self.work.steps, self.n, self.folder)
        n = len(y) - len(y) % self.work.batch
        return x[:, :n], y[:n]


@dataclass(frozen=True)
class EpochTiming:
    """Seconds of each epoch, and the loss after one; `absent` says why there are none."""

    seconds: tuple[float, ...] = ()
    loss: float = float("nan")
    absent: str = ""


def make_tasks(n: int, folder: str | None = None) -> dict[str, dict[str, Task]]:
    """Return the tasks by title, each plain and with SAST."""
    return {
        f"{kind}, {len(work.sizes) - 2} hidden": {
            "plain": Task(work, count, 0.0, folder),
            "SAST": Task(work, count, RHO, folder),
        }
        for kind, count in (("the recordings", None), (f"{n} synthetic", n))
        for work in (SHALLOW, DEEP)
    }


def start(work: Workload) -> tuple[Array, ...]:
    """Return the weights from which everybody starts."""
    layers = rs.init(work.network, np.random.default_rng(work.seed))
    return tuple((SCALE * layer.w).astype(work.dtype) for layer in layers)


def minibatches(task: Task) -> Minibatches:
    """Return the recordings as bytes, and the rows of each step's first and second pass."""
    x, y = task.data
    seeds = np.random.default_rng(SEED).integers(2**63, size=2)
    orders = [np.random.default_rng((int(s), 0)).permutation(len(y)) for s in seeds]
    descent, ascent = (order.reshape(-1, task.work.batch) for order in orders)
    return Minibatches(np.asarray(x.dense()), y, ascent if task.rho else descent, descent, task.rho)


@cache
def make_trainer(name: str, task: Task) -> Train:
    """Return what trains one epoch and returns the weights."""
    work, weights = task.work, start(task.work)
    if name != "refsast":
        batches = minibatches(task)
        rows = batches.descent[0]
        x, y = batches.x[:, rows].astype(work.stored), batches.y[rows]
        train = PEERS[name].build(work, Data(x, y, weights)).train
        assert train is not None
        return lambda: train(batches)
    data = task.data
    config = rs.Config(1, work.batch, task.rho, 0.0, ADAM, rs.descent.constant)

    def ours() -> tuple[Array, ...]:
        rng = np.random.default_rng(SEED)
        run = rs.train(work.network, weights_to_params(weights), data, config, rng=rng)
        return tuple(layer.w for layer in run.params)

    return ours


def time_epoch(name: str, task: Task) -> tuple[float, float]:
    """Return the seconds of an epoch, and the loss after it."""
    train = make_trainer(name, task)
    begun = time.perf_counter()
    weights = train()
    seconds = time.perf_counter() - begun
    x, y = task.data
    params = weights_to_params(weights)
    loss, _ = rs.fast.loss_and_grad(task.work.network, params, x[:, :SAMPLE], y[:SAMPLE])
    return seconds, float(loss)


def take_turns(task: Task, rounds: int, names: tuple[str, ...] = NAMES) -> dict[str, EpochTiming]:
    """Return everybody's epochs, A B C, A B C, ..."""
    context, found = multiprocessing.get_context("spawn"), {}
    with ExitStack() as stack:
        pools = {n: stack.enter_context(ProcessPoolExecutor(1, context)) for n in names}
        end = time.monotonic() + BUDGET
        for i in range(rounds + 1):
            if i > FEWEST and time.monotonic() > end:
                break
            for name in names:
                before = found.get(name, EpochTiming())
                if not before.absent:
                    found[name] = _add_epoch(before, pools[name], name, task, counted=i > 0)
    return found


def _add_epoch(
    before: EpochTiming, pool: ProcessPoolExecutor, name: str, task: Task, *, counted: bool
) -> EpochTiming:
    """The epochs so far and one more, which may fail in any way: that is a result."""
    if name in PEERS and not is_installed(PEERS[name].needs):
        return EpochTiming(absent=f"{PEERS[name].needs} is not installed")
    try:
        seconds, loss = pool.submit(time_epoch, name, task).result()
    except BrokenProcessPool:
        return EpochTiming(absent="its process died")
    except Exception as error:
        return EpochTiming(absent=f"{type(error).__name__}: {error}".splitlines()[0])
    return EpochTiming((*before.seconds, *([seconds] if counted else [])), loss)


def middle(one: EpochTiming) -> float:
    """Return the median of the seconds; NaN where there are none."""
    return median(one.seconds) if one.seconds else float("nan")
