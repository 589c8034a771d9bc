"""Interval arithmetic: intervals that hold the exact result, rounding and all.

Rule 1: an interval holds every exact result of exact operands taken from its operands. What an
        interval holds is finite: an infinite end only says that there is no bound on that side, so
        that what overflows is held, without a warning. An end that is NaN bounds nothing.
Rule 2: sums, products, quotients and roots of doubles are the doubles nearest to the exact ones,
        so the neighbour on either side bounds it, subnormal numbers included: `round_outward` takes
        it, and every operation that rounds goes through `round_outward`. Negation, magnitude,
        minimum and maximum do not round. (Past all doubles NumPy warns; infinity and its neighbour
        bound.)
Rule 3: no elementary function of the machine is trusted but the square root, which IEEE 754
        rounds correctly. `exp` and `arccot` are reduced to small arguments by identities and summed
        as polynomials, in intervals, with a bound on what the series leaves out; since both are
        monotone, an interval's ends give the ends.
Rule 4: pi is not a double; `PI` is the interval between its two neighbours.

Reference: R. E. Moore, "Interval Analysis" (1966); THEORY 8.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import Array

# Overflow ends at infinity and underflow at a neighbour of zero, which are bounds: no warning.
ignore_overflow = np.errstate(all="ignore")


@ignore_overflow
def round_outward(lower: Array, upper: Array) -> "Interval":
    """Return the interval of two rounded ends, each moved outward by one unit in the last place.

    It holds what the ends were before they were rounded to the nearest double.
    """
    return Interval(np.nextafter(lower, -np.inf), np.nextafter(upper, np.inf))


@dataclass(frozen=True, eq=False)
class Interval:
    """Real numbers between two doubles, ends included; an array of them, entry by entry.

    Numbers and arrays that meet an interval in an operator are taken as exact.

    Attributes
    ----------
    lower, upper : ndarray
        The ends, of one shape. ``lower <= upper``.
    """

    lower: Array
    upper: Array
    __array_ufunc__ = None  # so that array + interval is the interval's sum

    def __neg__(self) -> "Interval":
        return Interval(-self.upper, -self.lower)

    def __abs__(self) -> "Interval":
        nearest = np.maximum(np.maximum(self.lower, -self.upper), 0.0)
        return Interval(nearest, np.maximum(-self.lower, self.upper))

    @ignore_overflow
    def __add__(self, other: "Operand") -> "Interval":
        other = _as_interval(other)
        return round_outward(self.lower + other.lower, self.upper + other.upper)

    def __sub__(self, other: "Operand") -> "Interval":
        return self + -_as_interval(other)

    def __rsub__(self, other: "Operand") -> "Interval":
        return -self + other

    def __mul__(self, other: "Operand") -> "Interval":
        return _corner_range(np.multiply, self, _as_interval(other))

    def __truediv__(self, other: "Operand") -> "Interval":
        other = _as_interval(other)
        # Written so that a NaN, too, counts as a divisor that may be zero.
        if not np.all((other.lower > 0.0) | (other.upper < 0.0)):
            raise ValueError(f"divisor must not hold zero, got {other}")
        return _corner_range(np.divide, self, other)

    def __rtruediv__(self, other: "Operand") -> "Interval":
        return _as_interval(other) / self

    __radd__ = __add__
    __rmul__ = __mul__


Operand: TypeAlias = Interval | Array | float


def exact(value: Array | float) -> Interval:
    """Return the interval that holds one number only, entry by entry."""
    point = np.asarray(value, dtype=np.float64)
    return Interval(point, point)


def interval(lower: float, upper: float) -> Interval:
    """Return the interval between two numbers, ``lower <= upper``."""
    return Interval(np.asarray(lower, dtype=np.float64), np.asarray(upper, dtype=np.float64))


def _as_interval(value: Operand) -> Interval:
    return value if isinstance(value, Interval) else exact(value)


@ignore_overflow
def _corner_range(operation: np.ufunc, x: Interval, y: Interval) -> Interval:
    """Range of an operation that is monotone in either operand: it is attained at the corners.

    A corner ``0 * inf`` or ``inf / inf`` is NaN and left out (by fmin and fmax): where one end of
    an operand is infinite, the other corners give the bound.
    """
    a, b = operation(x.lower, y.lower), operation(x.lower, y.upper)
    c, d = operation(x.upper, y.lower), operation(x.upper, y.upper)
    low, high = np.fmin(np.fmin(a, b), np.fmin(c, d)), np.fmax(a, b)
    return round_outward(low, np.fmax(high, np.fmax(c, d)))


@ignore_overflow
def square(x: Interval) -> Interval:
    """Return the squares, not negative; unlike in ``x * x``, the factors are one number."""
    x = abs(x)
    return _clip_negative(round_outward(x.lower * x.lower, x.upper * x.upper))


def sqrt(x: Interval) -> Interval:
    """Return the square roots.

    Raises
    ------
    ValueError
        If `x` holds a negative number.
    """
    if not np.all(x.lower >= 0.0):
        raise ValueError(f"x must not be negative, got {x}")
    return _clip_negative(round_outward(np.sqrt(x.lower), np.sqrt(x.upper)))


def _clip_negative(x: Interval) -> Interval:
    """Drop what rounding outward added below zero."""
    return Interval(np.maximum(x.lower, 0.0), x.upper)


PI = interval(np.pi, float(np.nextafter(np.pi, 4.0)))  # np.pi is the double below
EXP_UNDERFLOW, EXP_OVERFLOW = -745.0, 709.0  # exp of it is the smallest double, or still a double
HALVINGS = 12
EXP_TERMS = tuple(exact(1.0) / float(factorial(j)) for j in range(11, -1, -1))
EXP_REMAINDER = interval(-1e-17, 1e-17)  # 2 (3/16)^12 / 12!
ARCTAN_TERMS = tuple(exact((-1.0) ** j) / (2.0 * j + 1.0) for j in range(7, -1, -1))
ARCTAN_REMAINDER = interval(-1e-17, 1e-17)  # (1/100)^8 / 17


def exp(x: Interval) -> Interval:
    """Return the exponential, of any number; no end is negative::

        exp(x) = (sum_{j <= 11} y^j/j! + rest)^4096,    y = x/4096,    |y| < 3/16,
        abs(rest) <= sum_{j > 11} (3/16)^j/j! <= 2 (3/16)^12/12!

    Below -745 and above 709 the result is only known to be small, or large: the interval reaches
    to zero, or to infinity.
    """
    return _monotone_range(_exp, x)


def _exp(x: Array) -> Interval:
    y = exact(np.clip(x, EXP_UNDERFLOW, EXP_OVERFLOW)) * 2.0**-HALVINGS
    power = _polynomial(EXP_TERMS, y) + EXP_REMAINDER
    for _ in range(HALVINGS):  # exp(y)^4096, by squaring
        power = square(power)
    lower = np.where(x < EXP_UNDERFLOW, 0.0, power.lower)
    return Interval(lower, np.where(x > EXP_OVERFLOW, np.inf, power.upper))


def arccot(x: Interval) -> Interval:
    """Return ``pi/2 - arctan(x)`` of what is not negative, to its last digits however large `x`.

    No end is negative.
    """
    # arccot falls, so that its negative is what `_monotone_range` asks for.
    return _clip_negative(-_monotone_range(lambda m: -_arccot(m), x))


def _arccot(m: Array) -> Interval:
    # Above 1 arccot(m) = arctan(1/m): no difference from pi/2, in which digits would cancel.
    small = _fold_arctan(m)
    return _where(m > 1.0, small, PI * 0.5 - small)


def _fold_arctan(m: Array) -> Interval:
    """Arctangent of the smaller of ``m >= 0`` and ``1/m``.

    Three times ``arctan(t) = 2 arctan(t/(1 + sqrt(1 + t^2)))`` brings it below tan(pi/32) < 1/10.
    There the series alternates and shrinks: what is left out is less than its first term.
    """
    t = _where(m > 1.0, exact(1.0) / np.maximum(m, 1.0), exact(np.minimum(m, 1.0)))
    for _ in range(3):
        t = t / (1.0 + sqrt(1.0 + square(t)))
    return 8.0 * (t * (_polynomial(ARCTAN_TERMS, square(t)) + ARCTAN_REMAINDER))


def _polynomial(terms: tuple[Interval, ...], x: Interval) -> Interval:
    """Sum of powers, the highest coefficient first (Horner)."""
    total = terms[0]
    for term in terms[1:]:
        total = total * x + term
    return total


def _monotone_range(f: Callable[[Array], Interval], x: Interval) -> Interval:
    """Range of an increasing function that is known at points."""
    ends = f(np.stack([x.lower, x.upper]))
    return Interval(ends.lower[0], ends.upper[1])


def _where(choice: NDArray[np.bool_], x: Interval, y: Interval) -> Interval:
    return Interval(np.where(choice, x.lower, y.lower), np.where(choice, x.upper, y.upper))
