"""What is computed: networks, sizes and the seeded data that go with them."""

import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import refsast as rs
from refsast.arrays import Array, Integers

LEAK, THRESHOLD, SLOPE, GAIN = 0.9, 1.0, 2.0, 10.0
SCALE = 3.0  # on the initial weights, so that neurons work near threshold and resets matter
SYNTHETIC = 700  # recordings that are drawn where there are no real ones
INPUTS = 2312  # of an N-MNIST recording: two polarities of 34 x 34


@dataclass(frozen=True)
class Workload:
    """One gradient to take.

    Attributes
    ----------
    steps, batch : int
        Time steps, recordings.
    sizes : tuple of int
        Inputs, then neurons per spiking layer; the last has one per class.
    density : float or None
        Share of ones in the input, each drawn alone; None for a minibatch of `recordings`.
    dtype : str
        Of the parameters and of the computation.
    stored : str
        Dtype in which the input is held before a step; it is turned into `dtype` within the step.
    seed : int
        Of everything that is drawn.
    """

    steps: int
    batch: int
    sizes: tuple[int, ...]
    density: float | None = None
    dtype: str = "float32"
    stored: str = "float32"
    seed: int = 0

    @property
    def network(self) -> rs.Network:
        """Arctangent spikes, reset to zero, spike rates as logits, no bias."""
        neuron = rs.LIF(LEAK, THRESHOLD, rs.Arctan(SLOPE))
        return rs.Network(self.sizes, neuron, rs.SpikeRate(GAIN), bias=False)


@dataclass(frozen=True, eq=False)
class Data:
    """What a workload is computed from.

    Attributes
    ----------
    x : (steps, batch, n_in) array
        Zeros and ones, in the workload's `stored` dtype.
    y : (batch,) array of int
        Labels.
    weights : tuple of (n_out, n_in) array
        One matrix per layer, in the workload's `dtype`.
    """

    x: NDArray[np.generic]
    y: Integers
    weights: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class Minibatches:
    """An epoch of recordings.

    Attributes
    ----------
    x : (steps, n, n_in) array of uint8
        All recordings.
    y : (n,) array of int
        Their labels.
    ascent, descent : (batches, batch) array of int
        Which of them each step takes, for its first gradient and for that with which it descends.
    rho : float
        Radius of the ascent; 0 is plain descent, with one gradient.
    """

    x: NDArray[np.uint8]
    y: Integers
    ascent: Integers
    descent: Integers
    rho: float


def draw(work: Workload) -> Data:
    """Return the data of a workload: the same for the same workload."""
    rng = np.random.default_rng(work.seed)
    if work.density is None:
        return _draw_recordings(work, rng)
    weights = [SCALE * layer.w.astype(work.dtype) for layer in rs.init(work.network, rng)]
    x = np.empty((work.steps, work.batch, work.sizes[0]), work.stored)
    for t in range(work.steps):  # a thousand steps at once would need eight times their memory
        x[t] = rng.random(x.shape[1:], np.float32) < work.density
    y = rng.integers(work.sizes[-1], size=work.batch)
    return Data(x, y, tuple(w.astype(work.dtype) for w in weights))


def _draw_recordings(work: Workload, rng: np.random.Generator) -> Data:
    """Different recordings, in the order in which they were drawn."""
    weights = tuple((SCALE * layer.w).astype(work.dtype) for layer in rs.init(work.network, rng))
    x, y = recordings(work.steps)
    rows = rng.permutation(len(y))[: work.batch]
    return Data(x[:, rows].dense(work.stored), y[rows], weights)


def recordings_folder() -> Path | None:
    """Return where real recordings are; None where there are none."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "nmnist-small"
    root = Path(os.environ.get("REFSAST_NMNIST") or beside)
    return root if root.is_dir() else None


@cache
def recordings(
    steps: int, n: int | None = None, folder: str | None = None
) -> tuple[rs.Spikes, Integers]:
    """Return the training recordings of N-MNIST; synthetic ones where `n` says how many.

    Those are kept in `folder`, if it is given.
    """
    root = recordings_folder()
    if root is None or n is not None:
        rng = np.random.default_rng(0)
        return rs.synthetic_spikes(n or SYNTHETIC, rng, steps=steps, cache=folder)
    return rs.load_nmnist_spikes(root, "Train", steps=steps)


def describe_recordings(steps: int) -> str:
    """Return what recordings there are, and how unevenly their inputs fire."""
    x, y = recordings(steps)
    ones = np.sort(np.bincount(x.index, minlength=x.cells))[::-1]
    kind = "synthetic" if recordings_folder() is None else "of N-MNIST"
    silent, busiest = (ones == 0).mean(), ones[: len(ones) // 5].sum() / ones.sum()
    return (
        f"{len(y)} {kind}; in {steps} steps {100 * x.density:.1f} % ones, "
        f"{100 * silent:.0f} % of the inputs never fire, a fifth has {100 * busiest:.0f} %"
    )


def another(work: Workload) -> Workload:
    """Return the workload with a second, independent minibatch."""
    return replace(work, seed=work.seed + 1)


REFERENCE = Workload(20, 32, (INPUTS, 256, 10))
UNIFORM = replace(REFERENCE, density=0.05)
LONG = replace(REFERENCE, steps=100, batch=128)
DEEP = Workload(10, 32, (INPUTS, 128, 128, 128, 128, 10))
SMALL = replace(REFERENCE, steps=10, batch=8)
TINY = Workload(5, 3, (12, 8, 4), density=0.3)
MEMORY = replace(LONG, stored="uint8", density=0.05)
THOUSAND = replace(MEMORY, steps=1000)


def sweeps() -> dict[str, list[tuple[float, Workload]]]:
    """Return, for each thing that is varied, its values and the workloads with them."""

    def vary(name: str, values: tuple[float, ...]) -> list[tuple[float, Workload]]:
        return [(value, replace(UNIFORM, **{name: value})) for value in values]

    def shape(hidden: tuple[int, ...]) -> Workload:
        return replace(UNIFORM, sizes=(INPUTS, *hidden, 10))

    return {
        "steps": vary("steps", (5, 10, 20, 40, 80, 160)),
        "batch": vary("batch", (8, 16, 32, 64, 128)),
        "width": [(n, shape((n,))) for n in (64, 128, 256, 512, 1024)],
        "depth": [(n, shape((128,) * n)) for n in (1, 2, 4, 8)],
        "density": vary("density", (0.01, 0.02, 0.05, 0.1, 0.2)),
        "bits": [(int(d[5:]), replace(UNIFORM, dtype=d, stored=d)) for d in ("float32", "float64")],
    }
