"""The supremum of a smooth function over an interval, by branch and bound, many boxes at a time."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from proofs_check.certified.intervals import Interval
from refsast.arrays import Array

MAX_ROUNDS, PARTS, MAX_BOXES = 40, 4, 50_000  # past either limit the bound is wider, not wrong


@dataclass(frozen=True)
class SupremumBounds:
    """A number known between two others.

    Attributes
    ----------
    lower : float
        Certified value at `point`: the supremum is no less.
    upper : float
        The supremum is no more.
    point : float
        Where `lower` is attained; where it is infinite or a jump, `lower` is the limit there.
    """

    lower: float
    upper: float
    point: float


def supremum(
    f: Callable[[Interval], Interval],
    derivative: Callable[[Interval], Interval],
    edges: Array,
    rel: float = 1e-6,
    floor: float = -np.inf,
) -> SupremumBounds:
    """Return the supremum of a function over ``[edges[0], edges[-1]]``.

    Where the derivative has one sign over a box X, f is largest at an end. Elsewhere f lies within
    f(X) and, by the mean-value theorem with m the middle of the box, within::

        f(m) + f'(X) (X - m)

    which is too wide by no more than the square of the box's width. Boxes that cannot exceed the
    best value found are dropped, the others cut into four.

    Parameters
    ----------
    f, derivative : callable
        Take an interval, of any shape, and return one that holds all values of the function, or of
        its derivative, there.
    edges : (n + 1,) array
        Increasing; the first boxes lie between them.
    rel : float
        Wanted width over height. Where rounding keeps the bounds further apart, the result is
        wider and still holds the supremum.
    floor : float
        Boxes that cannot exceed it are dropped, too, so that `upper` may then be up to
        ``floor + rel * abs(floor)``.

    Returns
    -------
    Enclosure
        Its point is one of the domain, at which `f` was evaluated.

    References
    ----------
    THEORY 8.
    """
    lower, upper = edges[:-1], edges[1:]
    best, retired = SupremumBounds(-np.inf, np.inf, float(edges[0])), -np.inf
    for _ in range(MAX_ROUNDS):
        points = np.stack([lower, 0.5 * (lower + upper), upper])
        # Ends, middle and the whole of every box in one call, since f costs most per call.
        values = f(Interval(np.stack([*points, lower]), np.stack([*points, upper])))
        best = _update_best(best, points, values)
        above = _upper_bounds(points, values, derivative(Interval(lower, upper)))
        wanted = max(best.lower, floor)
        alive = ~(above <= wanted + rel * abs(wanted))  # NaN, which bounds nothing, stays
        # Dropped boxes still count for the upper bound, each with the bound it had.
        retired = max(retired, above[~alive].max(initial=-np.inf))
        best = replace(best, upper=float(above[alive].max(initial=retired)))
        if not 0 < alive.sum() <= MAX_BOXES:
            break
        lower, upper = _split_boxes(lower[alive], upper[alive])
    return best


def _update_best(best: SupremumBounds, points: Array, values: Interval) -> SupremumBounds:
    """Return the better of the best so far and the best of the ends and middles of boxes."""
    lower = values.lower[: len(points)]
    at = int(np.argmax(lower))
    if not lower.flat[at] > best.lower:
        return best
    return replace(best, lower=float(lower.flat[at]), point=float(points.flat[at]))


def _upper_bounds(points: Array, values: Interval, slope: Interval) -> Array:
    """Upper bound of f over boxes, from their ends and middles and the slope in between."""
    # f(m) + f'(X) (X - m), and f(X): both hold, the smaller is the bound.
    reach = Interval(points[0], points[2]) - points[1]
    centred = Interval(values.lower[1], values.upper[1]) + slope * reach
    inside = np.minimum(centred.upper, values.upper[3])
    ends = np.maximum(values.upper[0], values.upper[2])
    return np.where((slope.lower >= 0.0) | (slope.upper <= 0.0), ends, inside)


def _split_boxes(lower: Array, upper: Array) -> tuple[Array, Array]:
    """Cut every box into four: the ends are shared, so nothing falls between."""
    edges = np.linspace(lower, upper, PARTS + 1)
    return edges[:-1].ravel(), edges[1:].ravel()
