"""Finite means of objectives, of which minibatches are drawn.

Rule 1: the mean of objectives of one kind is an objective of that kind.
Rule 2: minibatches are enumerated, never sampled: every subset of one size, all as likely.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np

from proofs_check.certified.constants import sup_derivative
from proofs_check.descent.objectives import Objective, Quadratic, Ridge, Risk
from refsast.arrays import Array

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class FiniteSum:
    """The mean of some objectives of one kind, of which minibatches are drawn.

    Attributes
    ----------
    samples : tuple of objectives
        All quadratics, all ridges of one spike and as many rows, or all risks of one network with
        as many recordings.
    batch : int
        Size of a minibatch. All subsets of that size are equally likely, so its gradient is
        unbiased.
    """

    samples: tuple[Objective, ...]
    batch: int

    def __post_init__(self) -> None:
        if not 1 <= self.batch <= len(self.samples):
            raise ValueError(f"batch must lie in 1..{len(self.samples)}, got {self.batch}")

    @property
    def mean(self) -> Objective:
        """The objective, in one."""
        return pool_samples(self.samples)

    @property
    def lower(self) -> float:
        """A certified lower bound of the mean."""
        return self.mean.lower

    @property
    def spread(self) -> float:
        """A certified bound of the minibatch variance, anywhere; infinite where none is known."""
        one, n = _sample_variance_bound(self.samples), len(self.samples)
        # Drawing without replacement shrinks the variance of the mean by (n - batch)/(n - 1).
        return 0.0 if n == self.batch else one * (n - self.batch) / (self.batch * (n - 1))

    def batches(self) -> tuple[Objective, ...]:
        """Return every minibatch, as an objective."""
        return tuple(pool_samples(chosen) for chosen in combinations(self.samples, self.batch))

    def lipschitz(self, w: Array, radius: float) -> float:
        """Return a Lipschitz constant of the mean's gradient on that ball."""
        return self.mean.lipschitz(w, radius)

    def sizes(self, w: Array, radius: float) -> tuple[float, float]:
        """Return bounds for every minibatch, and so for their mean."""
        each = np.array([sample.sizes(w, radius) for sample in self.samples])
        return float(each[:, 0].max()), float(each[:, 1].max())

    def rounded_terms(self, w: Array, radius: float) -> tuple[float, float]:
        """Return the same of what is rounded."""
        each = np.array([sample.rounded_terms(w, radius) for sample in self.samples])
        return float(each[:, 0].max()), float(each[:, 1].max())


def pool_samples(samples: Sequence[Objective]) -> Objective:
    """Return the mean of one or more objectives of one kind, as one of that kind.

    Raises
    ------
    ValueError
        If they are not of one kind, or not alike enough to be pooled.
    """
    if len(samples) == 1:
        return samples[0]
    if quadratics := all_of_type(samples, Quadratic):
        h, g = (np.mean([getattr(s, name) for s in quadratics], axis=0) for name in ("h", "g"))
        return Quadratic(h, g, float(np.mean([s.offset for s in quadratics])))
    if ridges := all_of_type(samples, Ridge):
        _require_one("spike and shape", {(s.spike, s.a.shape) for s in ridges})
        a, b = (np.concatenate([getattr(s, name) for s in ridges]) for name in ("a", "b"))
        return Ridge(ridges[0].spike, a, b)
    if risks := all_of_type(samples, Risk):
        _require_one("network and shape", {(s.network, s.x.shape) for s in risks})
        x, y = np.concatenate([s.x for s in risks], axis=1), np.concatenate([s.y for s in risks])
        return Risk(risks[0].network, x, y)
    raise ValueError(f"samples must be of one kind, got {[type(s).__name__ for s in samples]}")


def difference_lipschitz(one: Objective, other: Objective, w: Array, radius: float) -> float:
    """Return a Lipschitz constant of ``grad one - grad other`` on the ball of that radius."""
    if isinstance(one, Quadratic) and isinstance(other, Quadratic):
        return float(np.linalg.norm(one.h - other.h, 2))
    return one.lipschitz(w, radius) + other.lipschitz(w, radius)


def all_of_type(samples: Sequence[Objective], kind: type[T]) -> list[T]:
    """Return the samples, if all are of that kind; else none."""
    found = [s for s in samples if isinstance(s, kind)]
    return found if len(found) == len(samples) else []


def _require_one(name: str, found: set) -> None:
    """Refuse samples that differ in what they must share."""
    if len(found) != 1:
        raise ValueError(f"samples must have one {name}, got {len(found)}")


def _sample_variance_bound(samples: Sequence[Objective]) -> float:
    """A bound of the variance of the gradient of one sample, anywhere.

    Quadratics of one Hessian differ by constants. The gradient of a ridge is at most D1 mean |a_i|.
    """
    if quadratics := all_of_type(samples, Quadratic):
        same = all(np.array_equal(s.h, quadratics[0].h) for s in quadratics)
        return float(np.var([s.g for s in quadratics], axis=0).sum()) if same else np.inf
    if ridges := all_of_type(samples, Ridge):
        steep = [np.linalg.norm(s.a, axis=1).mean() for s in ridges]
        return float(np.mean(np.square(steep)) * sup_derivative(ridges[0].spike).upper ** 2)
    return np.inf
