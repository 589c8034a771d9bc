"""Many seeded runs of stochastic SAST at once, and a confidence limit of their mean.

Rule 1: all runs advance together; a test compares one of them with `refsast.sam`, step by step.
Rule 2: a mean over runs is reported with its confidence, never as if it were exact.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from proofs_check.descent.enumeration import SastPath
from proofs_check.descent.finite_sum import all_of_type
from proofs_check.descent.objectives import Objective, Quadratic, Ridge
from refsast.arrays import Array, Integers

# The probability that a confidence limit fails, by Hoeffding's inequality.
FAILURE_PROBABILITY = 1e-9
# Averages are cut off at this multiple of the bound, which can only lower their mean.
CUTOFF = 1.5

RowGradients = Callable[[Array, Integers], Array]


@dataclass(frozen=True, eq=False)
class SastRuns:
    """Independent runs along one path.

    Attributes
    ----------
    path : SastPath
        What every run does.
    runs : int
        How many runs. Positive.
    seed : int
        Of the generator that draws their minibatches.
    """

    path: SastPath
    runs: int
    seed: int

    def __post_init__(self) -> None:
        if not self.runs >= 1:
            raise ValueError(f"runs must be positive, got {self.runs}")


def run_averages(x: SastRuns) -> Array:
    """Return the average of |grad f(w_k)|^2 over k < K in every run, shape (runs,)."""
    return simulate_runs(x)[0]


@lru_cache(maxsize=4)
def simulate_runs(x: SastRuns) -> tuple[Array, Array]:
    """Return `run_averages`, and how far from the start each run has been, shape (runs,)."""
    s, rng = x.path.first, np.random.default_rng(x.seed)
    batches = s.family.batches()
    slopes, whole = stack_gradients(batches), stack_gradients((s.family.mean,))
    shape = (x.path.steps, x.runs)
    first = rng.integers(len(batches), size=shape)
    second = first if s.shared else rng.integers(len(batches), size=shape)
    w, total, radius = np.tile(s.w, (x.runs, 1)), np.zeros(x.runs), np.zeros(x.runs)
    for b1, b2 in zip(first, second, strict=True):
        total += np.square(whole(w, np.zeros_like(b1))).sum(axis=1)
        w = w - s.eta * slopes(ascent_points(w, slopes(w, b1), s.rho), b2)
        radius = np.maximum(radius, np.sqrt(np.square(w - s.w).sum(axis=1)))
    return total / x.path.steps, radius + s.rho


def ascent_points(w: Array, grads: Array, rho: float) -> Array:
    """Return the ascent points of many runs, `refsast.sam.ascent_point` row by row."""
    # At a zero gradient nothing moves; the peak is divided out so that squares cannot underflow.
    peak = np.abs(grads).max(axis=1, keepdims=True)
    scaled = grads / np.where(peak == 0.0, 1.0, peak)
    norm = np.sqrt(np.square(scaled).sum(axis=1, keepdims=True))
    return w + rho * scaled / np.where(norm == 0.0, 1.0, norm)


def stack_gradients(batches: Sequence[Objective]) -> RowGradients:
    """Return ``(w, picks) -> gradients``: of minibatch ``picks[i]`` at ``w[i]``, row by row."""
    if quadratics := all_of_type(batches, Quadratic):
        h, g = (np.stack([getattr(b, name) for b in quadratics]) for name in ("h", "g"))
        return lambda w, picks: np.einsum("rij,rj->ri", h[picks], w) + g[picks]
    if ridges := all_of_type(batches, Ridge):
        spike = ridges[0].spike
        a, b = (np.stack([getattr(r, name) for r in ridges]) for name in ("a", "b"))

        def slopes(w: Array, picks: Integers) -> Array:
            inside = np.einsum("rij,rj->ri", a[picks], w) + b[picks]
            return np.einsum("ri,rij->rj", spike.derivative(inside), a[picks]) / a.shape[1]

        return slopes
    return lambda w, picks: np.stack(
        [batches[int(i)].value_and_grad(at)[1] for at, i in zip(w, picks, strict=True)]
    )


def lower_confidence_limit(averages: Array, most: float) -> float:
    """Return a lower confidence limit of the expected average.

    Cut off at `most`, averages lie in [0, most] and their mean is no larger. By Hoeffding's
    inequality it exceeds its expectation by ``most sqrt(log(1 / p) / (2 runs))`` with probability
    at most p, `FAILURE_PROBABILITY`. No bound of the averages is needed.
    """
    width = np.sqrt(np.log(1.0 / FAILURE_PROBABILITY) / (2.0 * len(averages)))
    return float(np.minimum(averages, most).mean() - most * width)
