"""Steps and paths of stochastic SAST, every choice of minibatches enumerated.

Rule 1: an expectation is a mean over all that can happen, so it carries no sampling error.
Rule 2: the ascent is the library's own, `refsast.sam.ascent_point`.
Rule 3: what a hypothesis asks of "every point visited" is read off the same enumeration.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

import refsast as rs
from proofs_check.descent.finite_sum import FiniteSum
from proofs_check.norms import euclidean_norm
from proofs_check.rounding import SUM_ROUNDING
from refsast.arrays import Array


@dataclass(frozen=True, eq=False)
class SastStep:
    """One step ``w - eta grad f_B2(w + e)``, with e of length rho along ``grad f_B1(w)``.

    Attributes
    ----------
    family : Finite
        The objective, and how minibatches are drawn.
    w : (p,) array
        Where the step starts.
    rho : float
        Length of the ascent. Not negative.
    eta : float
        Step size. Positive.
    lipschitz : float
        L, a claimed bound of the curvature of f. Positive.
    variance : float
        v2, a claimed bound of the variance of a minibatch gradient. Not negative.
    shared : bool
        Whether B2 is B1, instead of a second, independent minibatch.
    """

    family: FiniteSum
    w: Array
    rho: float
    eta: float
    lipschitz: float
    variance: float
    shared: bool = False

    def __post_init__(self) -> None:
        for name in ("rho", "variance"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("eta", "lipschitz"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")


@dataclass(frozen=True, eq=False)
class SastPath:
    """Some steps in a row, with one rho and one eta.

    Attributes
    ----------
    first : SastStep
        The first one.
    steps : int
        How many, K. Positive.
    lower : float
        f*, a claimed lower bound of f.
    """

    first: SastStep
    steps: int
    lower: float

    def __post_init__(self) -> None:
        if not self.steps >= 1:
            raise ValueError(f"steps must be positive, got {self.steps}")


@dataclass(frozen=True, eq=False)
class StepOutcomes:
    """All that can happen in one step.

    Attributes
    ----------
    value : float
        f(w).
    grad : (p,) array
        grad f(w).
    raised : (m, p) array
        ``w + e``, by first minibatch.
    slopes : (m, m, p) array
        The gradient of the second minibatch there, by first and second.
    directions : (pairs, p) array
        The slopes that can be drawn: all as likely.
    """

    value: float
    grad: Array
    raised: Array
    slopes: Array
    directions: Array

    @property
    def gradient_variance(self) -> float:
        """The largest variance of a minibatch gradient at one of the raised points."""
        return float(self.slopes.var(axis=1).sum(axis=-1).max())

    @property
    def direction_variance(self) -> float:
        """The variance of the step's direction."""
        return float(self.directions.var(axis=0).sum())


def step_outcomes(x: SastStep) -> StepOutcomes:
    """Return all that can happen in one step; it depends on neither eta nor what is claimed."""
    return _enumerate_step(x.family, x.w.tobytes(), x.rho, x.shared)


@lru_cache(maxsize=64)
def _enumerate_step(family: FiniteSum, w_bytes: bytes, rho: float, shared: bool) -> StepOutcomes:
    """`step_outcomes`, of what it depends on, so that steps of other eta share the cache."""
    w = np.frombuffer(w_bytes)
    batches, (value, grad) = family.batches(), family.mean.value_and_grad(w)
    raised = np.stack(
        [rs.sam.ascent_point(w, batch.value_and_grad(w)[1], rho=rho) for batch in batches]
    )
    slopes = np.stack([[b.value_and_grad(at)[1] for b in batches] for at in raised])
    which = np.arange(len(batches))
    drawn = slopes[which, which] if shared else slopes.reshape(-1, w.size)
    return StepOutcomes(float(value), grad, raised, slopes, drawn)


def end_points(x: SastStep) -> Array:
    """Return where the step can lead, shape (pairs, p): all as likely."""
    return x.w - x.eta * step_outcomes(x).directions


@dataclass(frozen=True, eq=False)
class PathOutcomes:
    """All that can happen along a path.

    Attributes
    ----------
    points : tuple of (n_k, p) arrays
        Where it can be after k = 0 .. K steps: all as likely.
    grads : tuple of (n_k, p) arrays
        The gradient of f there, k = 0 .. K - 1.
    raised : (any, p) array
        Every point at which a second minibatch is evaluated.
    gradient_variance : float
        The largest variance of a minibatch gradient at one of those.
    """

    points: tuple[Array, ...]
    grads: tuple[Array, ...]
    raised: Array
    gradient_variance: float


@lru_cache(maxsize=4)
def path_outcomes(x: SastPath) -> PathOutcomes:
    """Return all that can happen along a path, level by level: a tree of all choices."""
    points, levels = [x.first.w[None]], []
    for _ in range(x.steps):
        level = [step_outcomes(replace(x.first, w=w)) for w in points[-1]]
        moved = [w - x.first.eta * o.directions for w, o in zip(points[-1], level, strict=True)]
        points.append(np.concatenate(moved))
        levels.append(level)
    every = [o for level in levels for o in level]
    return PathOutcomes(
        tuple(points),
        tuple(np.stack([o.grad for o in level]) for level in levels),
        np.concatenate([o.raised for o in every]),
        max(o.gradient_variance for o in every),
    )


def path_bound(x: SastPath) -> float:
    """Return ``2 (f(w_0) - f*) / (eta K) + L^2 rho^2 + L eta v2``."""
    s = x.first
    start = 2.0 * (step_outcomes(s).value - x.lower) / (s.eta * x.steps)
    return start + (s.lipschitz * s.rho) ** 2 + s.lipschitz * s.eta * s.variance


def _ball_radius(x: SastStep, points: Array) -> float:
    """The radius of the smallest ball about `w` that holds the points."""
    return float(np.sqrt(np.square(points - x.w).sum(axis=-1)).max())


def step_radius(x: SastStep) -> float:
    """Return the radius of a ball about `w` that holds all that a step can visit."""
    return _ball_radius(x, np.concatenate([step_outcomes(x).raised, end_points(x)]))


def path_radius(x: SastPath) -> float:
    """Return the radius of a ball about the start that holds all that a path can visit."""
    seen = path_outcomes(x)
    return _ball_radius(x.first, np.concatenate([seen.raised, *seen.points]))


def step_rounding(x: SastStep, radius: float) -> float:
    """Return how far rounding moves the change of f in a step.

    Some ulp of the terms that f sums; and of the points and their gradients, times the slope of f.
    """
    value, slope = x.family.rounded_terms(x.w, radius)
    moved = float(euclidean_norm(x.w)) + radius + x.eta * slope
    return SUM_ROUNDING * (value + slope * moved)
