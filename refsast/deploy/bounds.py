"""Intervals of integers, and the spike trains that neurons can have.

Rule 1: an interval has its ends in integers, which double precision holds exactly below 2^53.
Rule 2: a neuron that is reset to zero knows nothing of what was before its last spike. So what it
        can do at a step is kept by the step of that spike, and a train is a path through the steps:
        a spike that comes a step later is one spike in two places, not none or two.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import Array
from refsast.deploy.formats import Ints


class Bounds(NamedTuple):
    """All numbers between two arrays of one shape, ``low <= high``."""

    low: Array
    high: Array

    def plus(self, other: "Bounds") -> "Bounds":
        """Return where sums are; the two may be of shapes that broadcast."""
        return Bounds(self.low + other.low, self.high + other.high)

    def steps(self) -> Iterator["Bounds"]:
        """Yield them along the first axis."""
        return map(Bounds, self.low, self.high)


def stack_bounds(parts: Sequence[Bounds]) -> Bounds:
    """Return them along a new first axis."""
    return Bounds(*(np.stack(ends) for ends in zip(*parts, strict=True)))


class Trains(NamedTuple):
    """What neurons can do, step by step, by their last spike.

    Attributes
    ----------
    fires, rests : tuple of (t + 1, batch, n) array of bool
        One per step, t from 0. Entry m says whether a neuron whose last spike was in step m,
        counted from 1, or that had none, m = 0, can fire in this step, and can stay silent.
    """

    fires: tuple[NDArray[np.bool_], ...]
    rests: tuple[NDArray[np.bool_], ...]


def multiply_bounds(a: Bounds, w_low: Ints, w_high: Ints) -> Bounds:
    """Return where ``W a`` is, (..., n), for `a`, (..., n_in), that is not negative.

    Exact where all ends are integers, to rounding elsewhere.
    """
    low = a.low @ np.maximum(w_low, 0.0).T + a.high @ np.minimum(w_low, 0.0).T
    high = a.high @ np.maximum(w_high, 0.0).T + a.low @ np.minimum(w_high, 0.0).T
    return Bounds(low, high)


def sum_spikes(trains: Trains, leak: float) -> tuple[Bounds, ...]:
    """Return where leaky sums of a train's spikes are, for every step that they begin after.

    Returns
    -------
    tuple of Bounds of (t + 1, batch, n) array
        One per step. Entry m bounds ``sum_k leak^(t - k) s_k`` over the steps after the m-th.
    """
    low = _extreme_sums(trains, leak, np.min, np.inf)
    high = _extreme_sums(trains, leak, np.max, -np.inf)
    return tuple(map(Bounds, low, high))


def _extreme_sums(
    trains: Trains, leak: float, best: Callable[..., Array], none: float
) -> list[Array]:
    """The smallest or largest sums over all paths; `none` is worse than any."""
    shape = trains.fires[0].shape[1:]
    sums = np.zeros((len(trains.fires), 1, *shape))  # by the step they begin after, by last spike
    alive = np.ones((1, *shape), bool)
    found = []
    for t, (fires, rests) in enumerate(zip(*trains, strict=True)):
        can_fire, sums = alive & fires, leak * sums
        alive = np.concatenate([alive & rests, can_fire.any(axis=0, keepdims=True)])
        spike = best(np.where(can_fire, sums, none), axis=1)
        spike[: t + 1] += 1.0
        spike = np.where(alive[-1], spike, 0.0)  # infinite where none is possible
        sums = np.concatenate([sums, spike[:, None]], axis=1)
        found.append(best(np.where(alive, sums[: t + 1], none), axis=1))
    return found
