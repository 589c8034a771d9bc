"""Many seeded runs of stochastic SAST at once, what they say with confidence, and their rates.

Rule 1: all runs advance together; a test compares one of them with `refsast.sam`, step by step.
Rule 2: a mean over runs is reported with its confidence, never as if it were exact.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from proofs_check.descent.enumeration import Path, Step, path_bound
from proofs_check.descent.objectives import Objective, Quadratic, Ridge
from refsast.arrays import Array, Integers

# The probability that a confidence limit fails, by Hoeffding's inequality.
FAILURE_PROBABILITY = 1e-9
# Averages are cut off at this multiple of the bound, which can only lower their mean.
CUTOFF = 1.5

RowGradients = Callable[[Array, Integers], Array]


@dataclass(frozen=True, eq=False)
class Runs:
    """Independent runs along one path.

    Attributes
    ----------
    path : Path
        What every run does.
    runs : int
        How many runs. Positive.
    seed : int
        Of the generator that draws their minibatches.
    """

    path: Path
    runs: int
    seed: int

    def __post_init__(self) -> None:
        if not self.runs >= 1:
            raise ValueError(f"runs must be positive, got {self.runs}")


@dataclass(frozen=True, eq=False)
class Rates:
    """How the average squared gradient falls with the number of steps.

    Attributes
    ----------
    steps : (n,) array of int
        Numbers of steps, K.
    measured : (n,) array
        Average of |grad f|^2 over K steps and all runs.
    errors : (n,) array
        Its standard error over the runs.
    bounds : (n,) array
        The right-hand side of 5b.
    """

    steps: Integers
    measured: Array
    errors: Array
    bounds: Array

    @property
    def slope(self) -> float:
        """The slope of log measured against log K, by least squares."""
        return float(self._weights @ np.log(self.measured))

    @property
    def slope_error(self) -> float:
        """The standard error of `slope`, by propagation."""
        return float(np.linalg.norm(self._weights * self.errors / self.measured))

    @property
    def bound_slope(self) -> float:
        """The slope of log bound against log K; -1/2 but for rounding."""
        return float(self._weights @ np.log(self.bounds))

    @property
    def _weights(self) -> Array:
        """What turns logarithms into the slope of the line of least squares."""
        at = np.log(self.steps) - np.log(self.steps).mean()
        return at / (at @ at)


def run_averages(x: Runs) -> Array:
    """Return the average of |grad f(w_k)|^2 over k < K in every run, shape (runs,)."""
    s, rng = x.path.first, np.random.default_rng(x.seed)
    batches = s.family.batches()
    slopes, whole = stack_gradients(batches), stack_gradients((s.family.mean,))
    shape = (x.path.steps, x.runs)
    first = rng.integers(len(batches), size=shape)
    second = first if s.shared else rng.integers(len(batches), size=shape)
    w, total = np.tile(s.w, (x.runs, 1)), np.zeros(x.runs)
    for b1, b2 in zip(first, second, strict=True):
        total += np.square(whole(w, np.zeros_like(b1))).sum(axis=1)
        w = w - s.eta * slopes(ascent_points(w, slopes(w, b1), s.rho), b2)
    return total / x.path.steps


def ascent_points(w: Array, grads: Array, rho: float) -> Array:
    """Return the ascent points of many runs, `refsast.sam.ascent_point` row by row."""
    peak = np.abs(grads).max(axis=1, keepdims=True)
    scaled = grads / np.where(peak == 0.0, 1.0, peak)
    norm = np.sqrt(np.square(scaled).sum(axis=1, keepdims=True))
    return w + rho * scaled / np.where(norm == 0.0, 1.0, norm)


def stack_gradients(batches: Sequence[Objective]) -> RowGradients:
    """Return ``(w, picks) -> gradients``: of minibatch ``picks[i]`` at ``w[i]``, row by row."""
    quadratics = [b for b in batches if isinstance(b, Quadratic)]
    ridges = [b for b in batches if isinstance(b, Ridge)]
    if len(quadratics) == len(batches):
        h, g = (np.stack([getattr(b, name) for b in quadratics]) for name in ("h", "g"))
        return lambda w, picks: np.einsum("rij,rj->ri", h[picks], w) + g[picks]
    if len(ridges) == len(batches):
        spike = ridges[0].spike
        a, b = (np.stack([getattr(r, name) for r in ridges]) for name in ("a", "b"))

        def steep(w: Array, picks: Integers) -> Array:
            inside = np.einsum("rij,rj->ri", a[picks], w) + b[picks]
            return np.einsum("ri,rij->rj", spike.derivative(inside), a[picks]) / a.shape[1]

        return steep
    return lambda w, picks: np.stack(
        [batches[int(i)].value_and_grad(at)[1] for at, i in zip(w, picks, strict=True)]
    )


def lower_confidence_limit(averages: Array, most: float) -> float:
    """Return a lower confidence limit of the expected average.

    Cut off at `most`, averages lie in [0, most] and their mean is no larger. By Hoeffding's
    inequality it exceeds its expectation by ``most sqrt(log(1 / DOUBT) / (2 runs))`` with
    probability at most DOUBT. No bound of the averages is needed.
    """
    width = np.sqrt(np.log(1.0 / FAILURE_PROBABILITY) / (2.0 * len(averages)))
    return float(np.minimum(averages, most).mean() - most * width)


def rates(first: Step, lower: float, *, steps: Sequence[int], runs: int, seed: int) -> Rates:
    """Run with ``eta = first.eta / sqrt(K)`` and ``rho = first.rho / K^(1/4)`` for several K.

    Parameters
    ----------
    first : Step
        The start, and eta and rho at K = 1.
    lower : float
        A lower bound of f.
    steps : sequence of int
        Numbers of steps, K.
    runs : int
        How many runs for each.
    seed : int
        Of the generator.

    Returns
    -------
    Rates
        What was measured, and the bound, whose slope is -1/2. What is measured lies below it, at
        any slope, and has the same slope where it stays a fixed part of it.
    """
    paths = [
        Path(replace(first, eta=first.eta / k**0.5, rho=first.rho / k**0.25), k, lower)
        for k in steps
    ]
    found = [run_averages(Runs(path, runs, seed + i)) for i, path in enumerate(paths)]
    errors = [each.std(ddof=1) / runs**0.5 for each in found]
    return Rates(
        np.array(steps),
        np.array([each.mean() for each in found]),
        np.array(errors),
        np.array([path_bound(path) for path in paths]),
    )
