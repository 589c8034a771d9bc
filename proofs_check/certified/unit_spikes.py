"""The five spikes in interval arithmetic, in units of their own width.

Every spike is ``sigma(v) = S(c v)`` with S symmetric, ``S(-m) = 1 - S(m)``, so that four functions
of ``m >= 0`` give all values, one-sided at 0, where S'' of FastSigmoid and PiecewiseQuadratic
jumps::

    tail    T(m) = S(-m) = 1 - S(m)        first   p(m) = S'(m) = S'(-m)
    second  n(m) = -S''(m) = S''(-m)       third   d(m) = S'''(m) = S'''(-m)

Rule 1: T, p, n, m p and m n are not negative, and past `far` they do not increase: `tail_envelope`
        rests on that. (m T increases to `limit` if that is not zero.) Where 1 - S is wanted at
        m > 0 it is T, so nothing cancels.
Rule 2: for 0 <= m <= far only. For PiecewiseQuadratic far = 1, where T and p end, and beyond which
        all is zero.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

import numpy as np

import refsast as rs
from proofs_check.certified.intervals import PI, Interval, arccot, exact, exp, sqrt, square
from proofs_check.certified.supremum import SupremumBounds
from refsast.arrays import Array
from refsast.model.spike import Spike

IntervalFunction: TypeAlias = Callable[[Interval], Interval]
SPIKE_FAMILIES = (rs.Arctan, rs.Logistic, rs.Algebraic, rs.FastSigmoid, rs.PiecewiseQuadratic)
ZERO, ONE = exact(0.0), exact(1.0)
SMALLEST_NORMAL = float(np.finfo(np.float64).tiny)  # below, a double has lost digits


@dataclass(frozen=True, eq=False)
class UnitSpike:
    """One family, in units of its own width (THEORY 0).

    Attributes
    ----------
    tail, moment, first, second, third : callable
        T, m T, p, n and d: take an interval of m, return one of its shape.
    width : Interval
        c for slope 1.
    far : float
        Where the tail begins.
    limit : Interval
        Limit of m T.
    bounds : (2,) tuple of Interval
        Largest abs(S') and abs(S''), in closed form.
    peaks : (2,) tuple of float
        Near what m they are attained.
    """

    tail: IntervalFunction
    moment: IntervalFunction
    first: IntervalFunction
    second: IntervalFunction
    third: IntervalFunction
    width: Interval
    far: float
    limit: Interval
    bounds: tuple[Interval, Interval]
    peaks: tuple[float, float]


def tail_envelope(unit: UnitSpike) -> UnitSpike:
    """Return a unit spike whose values at `far` hold those at every ``m >= far``.

    T, p, n, m p and m n fall from there to zero (Rule 1), so each lies between zero and its value
    at `far`, and a formula in which m multiplies nothing but p or n may put `far` for m.
    """

    def widen(f: IntervalFunction) -> IntervalFunction:
        return lambda m: Interval(np.zeros_like(m.upper), f(m).upper)

    return replace(
        unit, **{name: widen(getattr(unit, name)) for name in ("tail", "first", "second")}
    )


def clip_to_domain(unit: UnitSpike, m: Interval) -> Interval:
    """Return an interval of m without what rounding added on the other side of a jump."""
    return Interval(np.clip(m.lower, 0.0, unit.far), np.clip(m.upper, 0.0, unit.far))


def initial_edges(unit: UnitSpike) -> Array:
    """Return the ends of the first boxes: even up to 1, then about doubling, to `far`."""
    near = np.linspace(0.0, 1.0, 7)
    steps = int(np.ceil(np.log(unit.far) / np.log(2.0)))
    return np.concatenate([near, np.geomspace(1.0, unit.far, steps + 1)[1:]])


def spike_family(spike: Spike) -> tuple[type, float]:
    """Return which of the five families a spike is of, or derived from, and its slope.

    Raises
    ------
    ValueError
        If it is of none, or its slope is so small that the double has lost digits.
    """
    if not isinstance(spike, SPIKE_FAMILIES):
        names = ", ".join(family.__name__ for family in SPIKE_FAMILIES)
        raise ValueError(f"spike must be one of {names}, got {spike!r}")
    if not spike.slope >= SMALLEST_NORMAL:
        raise ValueError(f"slope must be at least {SMALLEST_NORMAL}, got {spike.slope}")
    return next(family for family in SPIKE_FAMILIES if isinstance(spike, family)), spike.slope


def _inverse(m: Interval) -> Interval:
    """Return ``1/(1 + m)``."""
    return 1.0 / (1.0 + m)


def _square_form(f: Callable[[Interval, Interval], Interval]) -> IntervalFunction:
    """Return ``m -> f(m, 1/(1 + m^2))``."""
    return lambda m: f(m, 1.0 / (1.0 + square(m)))


def _exp_form(f: IntervalFunction) -> IntervalFunction:
    """Return ``m -> f(exp(-m))``."""
    return lambda m: f(exp(-m))


def _arctan_moment(m: Interval) -> Interval:
    """Return ``m T(m)``, which increases."""
    # As a product of two intervals, one rising and one falling, it would be far too wide.
    ends = exact(np.stack([m.lower, m.upper]))
    values = ends * (arccot(ends) / PI)
    return Interval(values.lower[0], values.upper[1])


def _logistic_third(e: Interval) -> Interval:
    p = e / square(1.0 + e)
    return p * (1.0 - 6.0 * p)


_algebraic_tail = _square_form(lambda m, q: 0.5 * q / (1.0 + m * sqrt(q)))
_logistic_tail = _exp_form(lambda e: e / (1.0 + e))
_ROOT_3 = sqrt(exact(3.0))
_FAR = 2.0**40

UNIT_SPIKES = {
    rs.Arctan: UnitSpike(
        tail=lambda m: arccot(m) / PI,
        moment=_arctan_moment,
        first=_square_form(lambda m, q: q / PI),
        second=_square_form(lambda m, q: 2.0 * m * square(q) / PI),
        third=_square_form(lambda m, q: square(q) * (6.0 - 8.0 * q) / PI),
        width=PI * 0.5,
        far=_FAR,
        limit=1.0 / PI,
        bounds=(1.0 / PI, 3.0 * _ROOT_3 / (8.0 * PI)),
        peaks=(0.0, 3.0**-0.5),
    ),
    rs.Logistic: UnitSpike(
        tail=_logistic_tail,
        moment=lambda m: m * _logistic_tail(m),
        first=_exp_form(lambda e: e / square(1.0 + e)),
        second=_exp_form(lambda e: e * (1.0 - e) / (square(1.0 + e) * (1.0 + e))),
        third=_exp_form(_logistic_third),
        width=ONE,
        far=64.0,
        limit=ZERO,
        bounds=(exact(0.25), 1.0 / (6.0 * _ROOT_3)),
        peaks=(0.0, float(np.log(2.0 + np.sqrt(3.0)))),
    ),
    rs.Algebraic: UnitSpike(
        tail=_algebraic_tail,
        moment=lambda m: m * _algebraic_tail(m),
        first=_square_form(lambda m, q: 0.5 * (q * sqrt(q))),
        second=_square_form(lambda m, q: 1.5 * m * (square(q) * sqrt(q))),
        third=_square_form(lambda m, q: 1.5 * (square(q) * sqrt(q)) * (4.0 - 5.0 * q)),
        width=ONE,
        far=_FAR,
        limit=ZERO,
        bounds=(exact(0.5), exact(24.0) / (25.0 * sqrt(exact(5.0)))),
        peaks=(0.0, 0.5),
    ),
    rs.FastSigmoid: UnitSpike(
        tail=lambda m: 0.5 * _inverse(m),
        moment=lambda m: 0.5 - 0.5 * _inverse(m),
        first=lambda m: 0.5 * square(_inverse(m)),
        second=lambda m: _inverse(m) * square(_inverse(m)),
        third=lambda m: 3.0 * square(square(_inverse(m))),
        width=ONE,
        far=_FAR,
        limit=exact(0.5),
        bounds=(exact(0.5), ONE),
        peaks=(0.0, 0.0),
    ),
    rs.PiecewiseQuadratic: UnitSpike(
        tail=lambda m: 0.5 * square(1.0 - m),
        moment=lambda m: 0.5 * m * square(1.0 - m),
        first=lambda m: 1.0 - m,
        second=lambda m: exact(np.ones_like(m.lower)),
        third=lambda m: exact(np.zeros_like(m.lower)),
        width=ONE,
        far=1.0,
        limit=ZERO,
        bounds=(ONE, ONE),
        peaks=(0.0, 0.0),
    ),
}


@lru_cache(maxsize=4096)
def derivative_supremum(family: type, slope: float, order: int) -> SupremumBounds:
    """Return the supremum of abs of the first or second derivative of sigma."""
    unit = UNIT_SPIKES[family]
    c = unit.width * slope
    # Any point gives a true lower end; one near the peak gives a tight one.
    v = unit.peaks[order - 1] / float(c.lower)
    lower = derivative_magnitude(family, slope, order, exact(v)).lower
    upper = (unit.bounds[order - 1] * _power(c, order)).upper
    return SupremumBounds(float(lower), float(upper), v)


def derivative_magnitude(family: type, slope: float, order: int, v: Interval) -> Interval:
    """Return abs of a derivative of sigma, the same at v and -v; at zero, its limit."""
    unit = UNIT_SPIKES[family]
    c = unit.width * slope
    derivative = (unit.first, unit.second)[order - 1]
    return abs(derivative(clip_to_domain(unit, abs(c * v)))) * _power(c, order)


def _power(c: Interval, order: int) -> Interval:
    return c if order == 1 else square(c)
