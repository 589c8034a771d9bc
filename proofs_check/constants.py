"""The constants that bounds are made of, each between two certified numbers.

In units of the spike's width, z = c (u - theta) and a = c theta, the autonomous map of a neuron
that is reset to zero is ``g(u) = (leak/c) G(z)``, and with the functions of `unit_spikes`, for
z = s m, s = 1 or -1::

    G    = (z + a) (1 - S)                 G'  = 1 - S - (z + a) S'
    G''  = -(2 S' + (z + a) S'')           G'''= -(3 S'' + (z + a) S''')

Rule 1: each half-line, and each piece between jumps of S'', is searched by itself, so that at a
        jump the limit from either side counts: the constant is what bounds difference quotients.
Rule 2: the half-lines are cut at ``m = far``. Beyond, every term is bounded (`unit_spikes.beyond`).
        As z falls, G' tends to 1, so ``kappa >= leak``; as z grows, G tends to the limit of m T.
Rule 3: `upper` comes from the search or a closed form, `lower` from one evaluation at `point`, a
        potential that is a double. An infinite point is a limit.
"""

from collections.abc import Callable
from functools import lru_cache
from math import copysign, inf, nextafter

import numpy as np

from proofs_check.enclosure import Interval, exact
from proofs_check.supremum import Enclosure, supremum
from proofs_check.unit_spikes import UNIT, UnitSpike, beyond, family_of, initial_edges
from refsast import LIF, NoReset, Subtract, ToZero
from refsast.model.surrogate import Surrogate

PRECISION = 1e-8
Map = Callable[[UnitSpike, Interval, float, Interval], Interval]


def _carried(unit: UnitSpike, a: Interval, side: float, m: Interval) -> Interval:
    return (a + side * m) * _kept(unit, side, m)


def _slope(unit: UnitSpike, a: Interval, side: float, m: Interval) -> Interval:
    first = unit.first(m)
    return _kept(unit, side, m) - a * first - side * (m * first)


def _bend(unit: UnitSpike, a: Interval, side: float, m: Interval) -> Interval:
    second = unit.second(m)
    return side * a * second + m * second - 2.0 * unit.first(m)


def _twist(unit: UnitSpike, a: Interval, side: float, m: Interval) -> Interval:
    return side * (3.0 * unit.second(m)) - (a + side * m) * unit.third(m)


def _kept(unit: UnitSpike, side: float, m: Interval) -> Interval:
    """Return ``1 - S``."""
    return unit.tail(m) if side > 0.0 else 1.0 - unit.tail(m)


DERIVATIVES: tuple[Map, ...] = (_carried, _slope, _bend, _twist)  # each of the one before, in z


@lru_cache(maxsize=4096)
def _search(family: type, order: int, lower: float, upper: float) -> Enclosure:
    """Supremum over z of G on ``z >= -a``, of abs(G') or of abs(G''), a within [lower, upper].

    The sign of the point says from which side, at zero, too.
    """
    unit, a = UNIT[family], Interval(np.float64(lower), np.float64(upper))
    best = _at_infinity(unit, order)
    for side in (-1.0, 1.0):
        best = _larger(best, Enclosure(0.0, _far(unit, a, order, side), side * inf))
        for sign in (-1.0, 1.0) if order else (1.0,):
            best = _larger(best, _branch(unit, a, order, side, sign, best.lower))
    return best


def _branch(
    unit: UnitSpike, a: Interval, order: int, side: float, sign: float, floor: float
) -> Enclosure:
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


def _larger(x: Enclosure, y: Enclosure) -> Enclosure:
    """Enclosure of the larger of two suprema."""
    best = y if y.lower > x.lower else x
    return replace(best, upper=max(x.upper, y.upper))


def _at_infinity(unit: UnitSpike, order: int) -> Enclosure:
    """Limits of G as z grows, of G' as z falls, and of G''."""
    if order == 0:
        return Enclosure(float(unit.limit.lower), float(unit.limit.upper), inf)
    return Enclosure(2.0 - order, 2.0 - order, -inf)


def _far(unit: UnitSpike, a: Interval, order: int, side: float) -> float:
    """Bound of what `_search` seeks, on ``m >= far``.

    For G itself, m T lies between its value at far and its limit, and z + a is largest at far.
    """
    far = exact(unit.far)
    if order > 0:
        return float(abs(DERIVATIVES[order](beyond(unit), a, side, far)).upper)
    tail = unit.tail(far)
    if side > 0.0:
        return float(max((far * tail).upper, unit.limit.upper) + (a * tail).upper)
    return float(np.maximum((a - far).upper, 0.0))


def _reset_to_zero(neuron: LIF, order: int) -> Enclosure:
    """Supremum of g on ``u >= 0``, of abs(g') or of abs(g''), for the reset to zero."""
    family = family_of(neuron.spike)
    if neuron.leak == 0.0:
        return Enclosure(0.0, 0.0, neuron.threshold)
    unit, c = UNIT[family], _width(neuron.spike)
    a = c * neuron.threshold
    found = _search(family, order, float(a.lower), float(a.upper))
    scale = neuron.leak * (exact(1.0) / c, exact(1.0), c)[order]
    upper = float((found.upper * scale).upper)
    if abs(found.point) == inf:
        return Enclosure(float((found.lower * scale).lower), upper, found.point)
    u, side = neuron.threshold + found.point / float(c.lower), copysign(1.0, found.point)
    m = _distance(unit, side * c * (exact(u) - neuron.threshold))
    value = abs(DERIVATIVES[order](unit, a, side, m)) * scale
    return Enclosure(float(value.lower), upper, u)


def _width(spike: Spike) -> Interval:
    """Return c, the scale of z."""
    family_of(spike)
    return UNIT[family_of(spike)].width * spike.slope


def _distance(unit: UnitSpike, m: Interval) -> Interval:
    """Return an interval of m without what rounding added on the other side of a jump."""
    return Interval(np.clip(m.lower, 0.0, unit.far), np.clip(m.upper, 0.0, unit.far))
