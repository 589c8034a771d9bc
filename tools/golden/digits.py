"""Numbers of fifty digits, each with the rounding error that fewer digits would give it.

Rule 1: numbers are entries of NumPy object arrays, so that the model's own code and the tape run on
        them unchanged.
Rule 2: the same on every machine: the arithmetic is that of `decimal`, whose standard fixes how
        + - * / sqrt exp ln round. Nothing depends on BLAS, vector units or system libraries.
Rule 3: the error beside a value is a running error analysis to first order, in units of one
        rounding of the format that somebody else computes in: every operation adds the magnitude
        of its result, a sum those of its terms, since others add in another order.
"""

import operator
from collections.abc import Callable
from decimal import Context, Decimal

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import Array

WIDE = Context(prec=50)  # of values
WIDER = Context(prec=60)  # inside `arctan`
NARROW = Context(prec=9)  # of errors
ZERO, ONE, TWO = Decimal(0), Decimal(1), Decimal(2)


def _operator_pair(rule: Callable[["Digits", "Digits"], object]) -> tuple[Callable, Callable]:
    """A rule of two numbers as the methods ``__op__`` and ``__rop__`` of an operator."""

    def left(self: "Digits", other: object) -> object:
        digits = _exact_digits(other)
        return NotImplemented if digits is None else rule(self, digits)

    def right(self: "Digits", other: object) -> object:
        digits = _exact_digits(other)
        return NotImplemented if digits is None else rule(digits, self)

    return left, right


def _add(a: "Digits", b: "Digits") -> "Digits":
    return Digits(WIDE.add(a.value, b.value), _sum_errors(a.error, b.error, a.size, b.size))


def _subtract(a: "Digits", b: "Digits") -> "Digits":
    return Digits(WIDE.subtract(a.value, b.value), _sum_errors(a.error, b.error, a.size, b.size))


def _multiply(a: "Digits", b: "Digits") -> "Digits":
    value = WIDE.multiply(a.value, b.value)
    carried = NARROW.multiply(a.size, b.error), NARROW.multiply(b.size, a.error)
    return Digits(value, _sum_errors(*carried, NARROW.abs(value)))


def _divide(a: "Digits", b: "Digits") -> "Digits":
    value = WIDE.divide(a.value, b.value)
    carried = NARROW.add(a.error, NARROW.multiply(NARROW.abs(value), b.error))
    return Digits(value, NARROW.add(NARROW.divide(carried, b.size), NARROW.abs(value)))


def _sum_errors(*errors: Decimal) -> Decimal:
    """The sum of a few errors."""
    total = ZERO
    for error in errors:
        total = NARROW.add(total, error)
    return total


class Digits:
    """A number with the error of its value. Nothing is ever changed.

    Attributes
    ----------
    value : Decimal
        Fifty digits.
    error : Decimal
        In units of one rounding, not negative; 0 for what was given.
    """

    __slots__ = ("error", "value")
    shape, ndim, dtype = (), 0, np.dtype(object)  # as NumPy's own scalars have

    def __init__(self, value: Decimal, error: Decimal = ZERO) -> None:
        self.value, self.error = value, error

    @property
    def size(self) -> Decimal:
        """The magnitude of the value, as exact as errors are."""
        return NARROW.abs(self.value)

    __add__, __radd__ = _operator_pair(_add)
    __sub__, __rsub__ = _operator_pair(_subtract)
    __mul__, __rmul__ = _operator_pair(_multiply)
    __truediv__, __rtruediv__ = _operator_pair(_divide)
    __lt__ = _operator_pair(lambda a, b: operator.lt(a.value, b.value))[0]
    __le__ = _operator_pair(lambda a, b: operator.le(a.value, b.value))[0]
    __gt__ = _operator_pair(lambda a, b: operator.gt(a.value, b.value))[0]
    __ge__ = _operator_pair(lambda a, b: operator.ge(a.value, b.value))[0]

    def __neg__(self) -> "Digits":
        return Digits(self.value.copy_negate(), self.error)  # unary minus would round

    def __float__(self) -> float:  # to the nearest
        return float(self.value)

    def __repr__(self) -> str:
        return f"Digits({self.value}, {self.error})"

    def reshape(self, shape: tuple[int, ...]) -> Array:
        """Return an array of it alone."""
        return np.asarray(self, object).reshape(shape)  # pyright: ignore[reportReturnType]

    def exp(self) -> "Digits":  # the names by which NumPy's functions find them in an array
        """Return its exponential."""
        return self._apply_function(WIDE.exp(self.value), WIDE.exp(self.value))

    def log(self) -> "Digits":
        """Return its natural logarithm."""
        return self._apply_function(WIDE.ln(self.value), WIDE.divide(ONE, self.value))

    def sqrt(self) -> "Digits":
        """Return its square root; its error is that of a positive number."""
        root = WIDE.sqrt(self.value)
        return self._apply_function(root, WIDE.divide(ONE, WIDE.multiply(TWO, root)))

    def arctan(self) -> "Digits":
        """Return the angle of which it is the tangent."""
        slope = WIDE.divide(ONE, WIDE.add(ONE, WIDE.multiply(self.value, self.value)))
        return self._apply_function(WIDE.plus(arctan(self.value)), slope)

    def _apply_function(self, value: Decimal, slope: Decimal) -> "Digits":
        carried = NARROW.multiply(NARROW.abs(slope), self.error)
        return Digits(value, NARROW.add(carried, NARROW.abs(value)))


def _exact_digits(number: object) -> Digits | None:
    """A number that was given, exactly; None for anything else."""
    if isinstance(number, Digits):
        return number
    if isinstance(number, np.generic):
        number = number.item()
    return Digits(Decimal(number)) if isinstance(number, int | float) else None


def arctan(x: Decimal) -> Decimal:
    """Return the arctangent to some 58 digits: half the angle five times, then its series::

    arctan(x) = 2 arctan(x / (1 + sqrt(1 + x^2)))
    """
    halvings, c = 5, WIDER
    for _ in range(halvings):
        x = c.divide(x, c.add(ONE, c.sqrt(c.add(ONE, c.multiply(x, x)))))
    square, power, total = c.minus(c.multiply(x, x)), x, ZERO
    for k in range(1, 60, 2):  # abs(x) < 0.05, so that the last term is below 1e-75 of the first
        total = c.add(total, c.divide(power, Decimal(k)))
        power = c.multiply(power, square)
    return c.multiply(total, Decimal(2**halvings))


def lift(array: NDArray) -> Array:
    """Return numbers that are given, exactly, as an array of `Digits`."""
    return np.frompyfunc(_exact_digits, 1, 1)(array)  # pyright: ignore[reportReturnType]


def values(array: object) -> Array:
    """Return each number of an array of `Digits` rounded to float64, once; no zero is negative."""
    return np.asarray(np.frompyfunc(float, 1, 1)(np.asarray(array, object))).astype("<f8") + 0.0


def errors(array: object) -> Array:
    """Return the error of each, in units of one rounding; 0 for a number that was given."""
    read = np.frompyfunc(lambda x: float(getattr(x, "error", 0.0)), 1, 1)
    return np.asarray(read(np.asarray(array, object))).astype("<f8")


def pi() -> Digits:
    """Return pi, with the error that it has in any other format."""
    value = WIDE.multiply(Decimal(4), arctan(ONE))
    return Digits(value, NARROW.plus(value))
