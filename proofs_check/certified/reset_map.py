"""The autonomous map of a neuron that is reset to zero, and the suprema of its derivatives.

In units of the spike's width, z = c (u - theta) and a = c theta, that map is
``g(u) = leak u (1 - sigma(u - theta)) = (leak/c) G(z)``, and with the functions of `unit_spikes`,
for z = s m, s = 1 or -1::

    G    = (z + a) (1 - S)                 G'   = 1 - S - (z + a) S'
    G''  = -(2 S' + (z + a) S'')           G''' = -(3 S'' + (z + a) S''')

Rule 1: each half-line is searched by itself, so that at the jump of S'' between them the limit
        from either side counts: the constant is what bounds difference quotients.
Rule 2: the half-lines are cut at ``m = far``. Beyond, every term is bounded
        (`unit_spikes.tail_envelope`). As z falls, G' tends to 1, so ``kappa >= leak``; as z grows,
        G tends to the limit of m T.
Rule 3: the upper ends come from the search, the lower ends from one evaluation at a potential that
        is a double, or from a limit.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from math import copysign, inf

import numpy as np

from proofs_check.certified.intervals import Interval, exact, interval
from proofs_check.certified.supremum import SupremumBounds, supremum
from proofs_check.certified.unit_spikes import (
    UNIT_SPIKES,
    UnitSpike,
    clip_to_domain,
    initial_edges,
    tail_envelope,
)

PRECISION = 1e-7
MapDerivative = Callable[[UnitSpike, Interval, float, Interval], Interval]


def _map_value(unit: UnitSpike, a: Interval, side: float, m: Interval) -> Interval:
    if side > 0.0:
        return a * unit.tail(m) + unit.moment(m)
    return (a - m) * (1.0 - unit.tail(m))


def _map_first(unit: UnitSpike, a: Interval, side: float, m: Interval) -> Interval:
    first = unit.first(m)
    return _spike_complement(unit, side, m) - a * first - side * (m * first)


def _map_second(unit: UnitSpike, a: Interval, side: float, m: Interval) -> Interval:
    second = unit.second(m)
    return side * a * second + m * second - 2.0 * unit.first(m)


def _map_third(unit: UnitSpike, a: Interval, side: float, m: Interval) -> Interval:
    return side * (3.0 * unit.second(m)) - (a + side * m) * unit.third(m)


def _spike_complement(unit: UnitSpike, side: float, m: Interval) -> Interval:
    """Return ``1 - S``."""
    return unit.tail(m) if side > 0.0 else 1.0 - unit.tail(m)


# Each is the derivative of the one before, in z.
DERIVATIVES: tuple[MapDerivative, ...] = (_map_value, _map_first, _map_second, _map_third)


@lru_cache(maxsize=4096)
def _search_supremum(family: type, order: int, lower: float, upper: float) -> SupremumBounds:
    """Supremum over z of G on ``z >= -a``, of abs(G') or of abs(G''), a within [lower, upper].

    The sign of the point says from which side, at zero, too.
    """
    # Cached by the product a alone: neurons of one a differ by scaling only.
    unit, a = UNIT_SPIKES[family], interval(lower, upper)
    best = _limits(unit, order)
    for side in (-1.0, 1.0):
        # The tail first: the search then drops what cannot exceed it.
        best = _larger(best, SupremumBounds(0.0, _tail_bound(unit, a, order, side), side * inf))
        for sign in (-1.0, 1.0) if order else (1.0,):
            best = _larger(best, _half_line_supremum(unit, a, order, side, sign, best.lower))
    return best


def _half_line_supremum(
    unit: UnitSpike, a: Interval, order: int, side: float, sign: float, floor: float
) -> SupremumBounds:
    """Supremum of ``sign`` times a derivative of G on one half-line, short of the tail."""
    value, derivative = DERIVATIVES[order : order + 2]
    found = supremum(
        lambda m: sign * value(unit, a, side, m),
        lambda m: (sign * side) * derivative(unit, a, side, m),
        initial_edges(unit),
        PRECISION,
        floor,
    )
    return replace(found, point=side * found.point)


def _larger(x: SupremumBounds, y: SupremumBounds) -> SupremumBounds:
    """Enclosure of the larger of two suprema."""
    best = y if y.lower > x.lower else x
    return replace(best, upper=max(x.upper, y.upper))


def _limits(unit: UnitSpike, order: int) -> SupremumBounds:
    """Limits of G as z grows, of G' as z falls, and of G''."""
    if order == 0:
        return SupremumBounds(float(unit.limit.lower), float(unit.limit.upper), inf)
    return SupremumBounds(2.0 - order, 2.0 - order, -inf)


def _tail_bound(unit: UnitSpike, a: Interval, order: int, side: float) -> float:
    """Bound of what `_search_supremum` seeks, on ``m >= far``.

    For G itself, m T lies between its value at far and its limit, and z + a is largest at far.
    """
    far = exact(unit.far)
    if order > 0:
        return float(abs(DERIVATIVES[order](tail_envelope(unit), a, side, far)).upper)
    if side > 0.0:
        moment = np.maximum(unit.moment(far).upper, unit.limit.upper)
        return float((a * unit.tail(far) + moment).upper)
    return float(np.maximum((a - far).upper, 0.0))


@lru_cache(maxsize=4096)
def map_supremum(
    family: type, slope: float, threshold: float, leak: float, order: int
) -> SupremumBounds:
    """Return the supremum of g on ``u >= 0`` (order 0), of abs(g') or of abs(g'') (1 or 2).

    Its point is a potential.

    Raises
    ------
    ValueError
        If slope times threshold is beyond all doubles.
    """
    if leak == 0.0:
        return SupremumBounds(0.0, 0.0, threshold)
    unit = UNIT_SPIKES[family]
    c = unit.width * slope
    a = c * threshold
    if not a.upper < inf:
        raise ValueError(f"slope times threshold must be finite, got {slope} times {threshold}")
    found = _search_supremum(family, order, float(a.lower), float(a.upper))
    # g = (leak/c) G(z) and dz/du = c: each derivative in u brings one more factor c.
    scale = leak * (1.0 / c, exact(1.0), c)[order]
    upper = float((found.upper * scale).upper)
    if abs(found.point) == inf:
        return SupremumBounds(float((found.lower * scale).lower), upper, found.point)
    # The lower end is evaluated anew: u is rounded to a double, so z is no longer `found.point`.
    u, side = threshold + found.point / float(c.lower), copysign(1.0, found.point)
    m = clip_to_domain(unit, side * c * (exact(u) - threshold))
    value = abs(DERIVATIVES[order](unit, a, side, m)) * scale
    return SupremumBounds(float(value.lower), upper, u)
