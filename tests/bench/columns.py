"""Inputs split by column: would dense products with the busiest ones be faster?

The two products of a first layer, ``X W'`` and ``Delta' X``, on minibatches of recordings: as
arrays, as spikes, and split, where inputs that fire in more than a share of the steps are
multiplied as an array, the others as spikes, and those that never fire not at all. In turns, in a
process with one thread, since the split would run within each thread of the sparse product.
"""

import multiprocessing
import os
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from refsast.arrays import Array
from refsast.gradient.fast.inputs import make_inputs
from refsast.spikes import Spikes
from tests.bench.workloads import DEEP, LONG, REFERENCE, Workload, recordings

WORKLOADS = {"reference": REFERENCE, "long": LONG, "deep": DEEP}
BORDERS = (0.03, 0.05, 0.08, 0.1, 0.2)
DENSE, SPARSE = "dense", "sparse"
BUDGET = 20.0  # seconds for a workload, beyond which no round is begun, but for the first three
FEWEST = 3
Products = tuple[Array, Array]
Way = Callable[[], Products]


def make_ways(work: Workload, seed: int = 0) -> dict[str, Way]:
    """Return each way of taking both products, of shapes (rows, n) and (n, n_in), from spikes."""
    x, _ = recordings(work.steps)
    rng, n = np.random.default_rng(seed), work.sizes[1]
    share = np.bincount(x.index, minlength=x.cells) / (len(x.starts) - 1)
    spikes = x[:, rng.permutation(x.shape[1])[: work.batch]]
    w = rng.standard_normal((n, x.cells), np.float32)
    delta = rng.standard_normal((*spikes.shape[:2], n), np.float32)
    array = spikes.dense(np.float32)
    ways = {
        DENSE: lambda: take_products(array, 1.0, w, delta),
        SPARSE: lambda: take_products(spikes, 1.0, w, delta),
        "without silent inputs": partial(split, spikes, share, 1.0, w, delta),
    }
    return ways | {
        f"split at {100 * border:g} %": partial(split, spikes, share, border, w, delta)
        for border in BORDERS
    }


def take_products(x: Array | Spikes, above: float, w: Array, delta: Array) -> Products:
    """Return both products as `rs.fast` takes them."""
    inputs = make_inputs(x, w.dtype, above)
    return inputs.multiply(w).reshape(-1, len(w)), inputs.weight_grad(delta)


def split(spikes: Spikes, share: Array, border: float, w: Array, delta: Array) -> Products:
    """Return both, the columns above the border as an array."""
    forward, grad = np.zeros((spikes.shape[0] * spikes.shape[1], len(w)), w.dtype), np.zeros_like(w)
    for columns, above in ((share > border, 0.0), ((share > 0.0) & (share <= border), 1.0)):
        if columns.any():
            part = take_columns(spikes, columns)
            one, other = take_products(part, above, np.ascontiguousarray(w[:, columns]), delta)
            forward += one
            grad[:, columns] = other
    return forward, grad


def take_columns(spikes: Spikes, columns: Array) -> Spikes:
    """Return some of the inputs, counted anew."""
    kept = columns[spikes.index]
    starts = np.concatenate([[0], np.cumsum(kept)])[spikes.starts]
    index = (np.cumsum(columns) - 1)[spikes.index[kept]].astype(spikes.index.dtype)
    return Spikes(spikes.steps, int(columns.sum()), starts, index)


def time_ways(ways: dict[str, Way], rounds: int) -> dict[str, tuple[float, float]]:
    """Return medians over rounds: seconds of processor time, and the ratio to spikes."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    end = time.monotonic() + BUDGET
    for i in range(rounds + 1):  # the first is not counted
        if i > FEWEST and time.monotonic() > end:
            break
        for name, way in ways.items():
            start = time.process_time()
            way()
            seconds[name] += [time.process_time() - start] if i > 0 else []
    base = np.array(seconds[SPARSE])
    return {
        name: (float(np.median(each)), float(np.median(np.array(each) / base)))
        for name, each in seconds.items()
    }


def measure(rounds: int) -> dict[str, dict[str, tuple[float, float]]]:
    """Return `time_ways` of every workload, taken in a process with one thread."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        with multiprocessing.get_context("spawn").Pool(1) as fresh:
            return {name: fresh.apply(_time, (work, rounds)) for name, work in WORKLOADS.items()}
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _time(work: Workload, rounds: int) -> dict[str, tuple[float, float]]:
    return time_ways(make_ways(work), rounds)
