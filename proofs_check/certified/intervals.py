"""Intervals that hold the exact result, rounding and all.

Rule 1: an interval holds every exact result of exact operands taken from its operands. What an
        interval holds is finite: an infinite end only says that there is no bound on that side, so
        that what overflows is held, without a warning. An end that is NaN bounds nothing.
Rule 2: sums, products, quotients and roots of doubles are the doubles nearest to the exact ones,
        so the neighbour on either side bounds it, subnormal numbers included: `outward` takes it,
        and every operation that rounds goes through `outward`. Negation, magnitude, minimum and
        maximum do not round. (Past all doubles NumPy warns; infinity and its neighbour bound.)
Rule 3: no elementary function of the machine is trusted but the square root, which IEEE 754
        rounds correctly. `exp` and `arccot` are reduced to small arguments by identities and summed
        as polynomials, in intervals, with a bound on what the series leaves out; since both are
        monotone, an interval's ends give the ends.
Rule 4: pi is not a double; `PI` is the interval between its two neighbours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import Array

ignore_overflow = np.errstate(
    all="ignore"
)  # overflow ends at infinity, underflow at a neighbour of zero


@ignore_overflow
def outward(lower: Array, upper: Array) -> "Interval":
    """Return the interval with its ends moved outward by one unit in the last place.

    Parameters
    ----------
    lower, upper : ndarray
        Ends, each rounded to the nearest double.

    Returns
    -------
    Interval
        Holds what the ends were before they were rounded.
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

    References
    ----------
    THEORY 8; R. E. Moore, "Interval Analysis" (1966).
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
        return outward(self.lower + other.lower, self.upper + other.upper)

    def __sub__(self, other: "Operand") -> "Interval":
        return self + -_as_interval(other)

    def __rsub__(self, other: "Operand") -> "Interval":
        return -self + other

    def __mul__(self, other: "Operand") -> "Interval":
        return _corner_range(np.multiply, self, _as_interval(other))

    def __truediv__(self, other: "Operand") -> "Interval":
        other = _as_interval(other)
        if not np.all((other.lower > 0.0) | (other.upper < 0.0)):
            raise ValueError(f"divisor must not hold zero, got {other}")
        return _corner_range(np.divide, self, other)

    def __rtruediv__(self, other: "Operand") -> "Interval":
        return _as_interval(other) / self

    __radd__ = __add__
    __rmul__ = __mul__


Operand: TypeAlias = Interval | Array | float


def point_interval(value: Array | float) -> Interval:
    """Return the interval that holds one number only, entry by entry.

    Parameters
    ----------
    value : ndarray or float
        The numbers, taken as exact.

    Returns
    -------
    Interval
        Of the shape of `value`.
    """
    point = np.asarray(value, dtype=np.float64)
    return Interval(point, point)


def interval(lower: float, upper: float) -> Interval:
    """Return the interval between two numbers.

    Parameters
    ----------
    lower, upper : float
        The ends. ``lower <= upper``.

    Returns
    -------
    Interval
        Of shape ().
    """
    return Interval(np.asarray(lower, dtype=np.float64), np.asarray(upper, dtype=np.float64))


def _as_interval(value: Operand) -> Interval:
    return value if isinstance(value, Interval) else point_interval(value)


@ignore_overflow
def _corner_range(operation: np.ufunc, x: Interval, y: Interval) -> Interval:
    """Range of an operation that is monotone in either operand: it is attained at the corners.

    A corner ``0 * inf`` or ``inf / inf`` is no number and is left out: where one end of an operand
    is infinite, the other corners say what there is to say.
    """
    a, b = operation(x.lower, y.lower), operation(x.lower, y.upper)
    c, d = operation(x.upper, y.lower), operation(x.upper, y.upper)
    low, high = np.fmin(np.fmin(a, b), np.fmin(c, d)), np.fmax(a, b)
    return outward(low, np.fmax(high, np.fmax(c, d)))


@ignore_overflow
def square(x: Interval) -> Interval:
    """Return the squares, not negative; unlike in ``x * x``, the factors are one number.

    Parameters
    ----------
    x : Interval
        Any.

    Returns
    -------
    Interval
        Of the shape of `x`.
    """
    x = abs(x)
    return _clip_negative(outward(x.lower * x.lower, x.upper * x.upper))


def sqrt(x: Interval) -> Interval:
    """Return the square roots.

    Parameters
    ----------
    x : Interval
        Not negative.

    Returns
    -------
    Interval
        Of the shape of `x`.

    Raises
    ------
    ValueError
        If `x` holds a negative number.
    """
    if not np.all(x.lower >= 0.0):
        raise ValueError(f"x must not be negative, got {x}")
    return _clip_negative(outward(np.sqrt(x.lower), np.sqrt(x.upper)))


def _clip_negative(x: Interval) -> Interval:
    """Drop what rounding outward added below zero."""
    return Interval(np.maximum(x.lower, 0.0), x.upper)


PI = interval(np.pi, float(np.nextafter(np.pi, 4.0)))  # np.pi is the double below
EXP_UNDERFLOW, EXP_OVERFLOW = -745.0, 709.0  # exp of it is the smallest double, or still a double
HALVINGS = 12
EXP_TERMS = tuple(point_interval(1.0) / float(factorial(j)) for j in range(11, -1, -1))
EXP_REMAINDER = interval(-1e-17, 1e-17)  # 2 (3/16)^12 / 12!
ARCTAN_TERMS = tuple(point_interval((-1.0) ** j) / (2.0 * j + 1.0) for j in range(7, -1, -1))
ARCTAN_REMAINDER = interval(-1e-17, 1e-17)  # (1/100)^8 / 17


def exp(x: Interval) -> Interval:
    """Return the exponential, of any number::

        exp(x) = (sum_{j <= 11} y^j/j! + rest)^4096,    y = x/4096,    |y| < 3/16,
        abs(rest) <= sum_{j > 11} (3/16)^j/j! <= 2 (3/16)^12/12!

    Parameters
    ----------
    x : Interval
        Below -745 and above 709 the result is only known to be small, or large: the interval
        reaches to zero, or to infinity.

    Returns
    -------
    Interval
        Of the shape of `x`; no end is negative.
    """
    return _monotone_range(_exp, x)


def _exp(x: Array) -> Interval:
    power = (
        _polynomial(
            EXP_TERMS, point_interval(np.clip(x, EXP_UNDERFLOW, EXP_OVERFLOW)) * 2.0**-HALVINGS
        )
        + EXP_REMAINDER
    )
    for _ in range(HALVINGS):
        power = square(power)
    lower = np.where(x < EXP_UNDERFLOW, 0.0, power.lower)
    return Interval(lower, np.where(x > EXP_OVERFLOW, np.inf, power.upper))


def arccot(x: Interval) -> Interval:
    """Return ``pi/2 - arctan(x)``, to its last digits however far `x`, which is not negative.

    Parameters
    ----------
    x : Interval
        Not negative.

    Returns
    -------
    Interval
        Of the shape of `x`; no end is negative.
    """
    return _clip_negative(-_monotone_range(lambda m: -_arccot(m), x))


def _arccot(m: Array) -> Interval:
    folded = _fold_arctan(m)
    return _where(m > 1.0, folded, PI * 0.5 - folded)


def _fold_arctan(m: Array) -> Interval:
    """Arctangent of the smaller of ``m >= 0`` and ``1/m``.

    Three times ``arctan(t) = 2 arctan(t/(1 + sqrt(1 + t^2)))`` brings it below tan(pi/32) < 1/10.
    There the series alternates and shrinks: what is left out is less than its first term.
    """
    t = _where(
        m > 1.0, point_interval(1.0) / np.maximum(m, 1.0), point_interval(np.minimum(m, 1.0))
    )
    for _ in range(3):
        t = t / (1.0 + sqrt(1.0 + square(t)))
    return 8.0 * (t * (_polynomial(ARCTAN_TERMS, square(t)) + ARCTAN_REMAINDER))


def _polynomial(terms: tuple[Interval, ...], x: Interval) -> Interval:
    """Sum of powers, the highest coefficient first."""
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
