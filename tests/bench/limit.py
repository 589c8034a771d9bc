"""What an epoch cannot do without, over what the machine can do, and where `rs.train` loses most.

An epoch must multiply weights by the ones that are there, and by what upper layers hand on; it must
move weights, gradients, Adam's means and what the backward pass needs. The limit is the longer of
the two times, at the bandwidth of a copy and the rate of a matrix product on all cores, both
measured here. Nobody reaches it: caches, roots and quotients are left out.
"""

import cProfile
import pstats
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from refsast.cores import thread_count
from tests.bench.epochs import Task, make_trainer

STREAM, SIDE, TRIES = 1 << 24, 1024, 5  # numbers copied; side of the matrices
FLOAT, INDEX = 4, 2  # bytes
SAVED = 6  # per neuron and step: spike, slope and slope of the reset, each written and read
MOVED = 7  # per weight: Adam reads w, grad and two means, and writes w and two means
# Which functions make up a part of an epoch; none of them calls another.
PARTS = {
    "products with the input": {"inputs.py": ("multiply", "weight_grad", "multiply_weight_grad")},
    "products of upper layers": {
        "inputs.py": ("matmul_over_time",),
        "network.py": ("upper_weight_grads",),
    },
    "spikes and resets": {"layer.py": ("forward", "backward")},
    "Adam": {"descent.py": ("update_in_place",)},
    "choosing and checking recordings": {
        "sam_step.py": ("select_rows",),
        "loss.py": ("validate",),
        "inputs.py": ("make_inputs",),
    },
    "the digest of the recordings": {"record.py": ("fingerprint",)},
}


@dataclass(frozen=True)
class Limit:
    """The limit of one epoch and what is above it.

    Attributes
    ----------
    bandwidth, rate : float
        Bytes, and multiplications with an addition, per second.
    moved, multiplied : float
        Bytes and multiplications of the epoch.
    parts : dict
        Seconds of each part of `rs.train`, under a profiler, and those that it must take.
    """

    bandwidth: float
    rate: float
    moved: float
    multiplied: float
    parts: dict[str, tuple[float, float]]

    @property
    def seconds(self) -> float:
        """The longer of the two times."""
        return max(self.moved / self.bandwidth, self.multiplied / self.rate)

    @property
    def losses(self) -> list[tuple[str, float]]:
        """The three parts that are furthest above what they must take, in seconds."""
        above = {name: got - least for name, (got, least) in self.parts.items()}
        return sorted(above.items(), key=lambda pair: -pair[1])[:3]


def measure_machine() -> tuple[float, float]:
    """Return bytes and multiplications per second: the best of a few copies and products."""
    source, target = np.ones(STREAM, np.float32), np.zeros(STREAM, np.float32)
    parts = thread_count()
    with ThreadPoolExecutor(parts) as pool:

        def copy() -> None:
            pairs = zip(np.split(target, parts), np.split(source, parts), strict=True)
            list(pool.map(lambda pair: np.copyto(*pair), pairs))

        stream = min(_seconds(copy) for _ in range(TRIES))
    a = np.ones((SIDE, SIDE), np.float32)
    product = min(_seconds(lambda: a @ a) for _ in range(TRIES))
    return 2.0 * source.nbytes / stream, SIDE**3 / product


def _seconds(work) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def count_work(task: Task) -> dict[str, tuple[float, float]]:
    """Return the bytes and the multiplications that each part of an epoch must have."""
    (x, y), (_, first, *others) = task.data, task.work.sizes
    steps, passes = len(y) // task.work.batch, 2.0 if task.rho else 1.0
    rows, ones = passes * len(y) * task.work.steps, passes * len(x.index)
    p = sum(a * b for a, b in zip(task.work.sizes, task.work.sizes[1:], strict=False))
    upper = sum(a * b for a, b in zip((first, *others), others, strict=False))
    weights = passes * steps * 2.0 * FLOAT  # each read, its gradient written
    return {
        "products with the input": (weights * (p - upper) + 2 * INDEX * ones, 2.0 * ones * first),
        "products of upper layers": (weights * upper, 3.0 * rows * upper),
        "spikes and resets": (SAVED * FLOAT * rows * sum((first, *others)), 0.0),
        "Adam": (steps * MOVED * FLOAT * p, 0.0),
    }


def profile(task: Task) -> dict[str, float]:
    """Return the seconds of each part of an epoch of `rs.train`, profiler included."""
    train = make_trainer("refsast", task)
    train()
    watch = cProfile.Profile()
    watch.runcall(train)
    stats = pstats.Stats(watch)
    seconds = dict.fromkeys(PARTS, 0.0)
    for (path, _, function), (*_, cumulative, _) in stats.stats.items():  # pyright: ignore
        for part, files in PARTS.items():
            if "refsast" in path and function in files.get(Path(path).name, ()):
                seconds[part] += cumulative
    return seconds | {"the rest": stats.total_tt - sum(seconds.values())}  # pyright: ignore


def measure_limit(task: Task) -> Limit:
    """Return the limit of an epoch, and the parts of `rs.train` beside it."""
    bandwidth, rate = measure_machine()
    work = count_work(task)
    moved, multiplied = (sum(each) for each in zip(*work.values(), strict=True))
    parts = {}
    for name, seconds in profile(task).items():
        nbytes, products = work.get(name, (0.0, 0.0))
        parts[name] = (seconds, max(nbytes / bandwidth, products / rate))
    return Limit(bandwidth, rate, moved, multiplied, parts)
