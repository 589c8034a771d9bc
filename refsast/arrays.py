"""The array types, and the checks of arrays and numbers that a public function is given."""

from collections.abc import Sequence
from numbers import Real
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]


class NotFinite(ValueError):
    """A number that must be finite is not: during a training, a sign that it diverges."""


def as_array(value: ArrayLike, name: str, shape: Sequence[int | str] | None = None) -> Array:
    """Return `value` as a finite floating-point array of the wanted shape.

    float32, float64 and complex128 arrays are returned as they are (complex
    numbers serve the complex step); booleans and integers become float64.

    Parameters
    ----------
    value : array_like
        What the caller handed in. Not copied where it already fits.
    name : str
        The caller's name for it, for the message.
    shape : sequence of int or str, optional
        The wanted shape. A word such as ``"batch"`` stands for any length.

    Returns
    -------
    ndarray
        A finite array of that shape.

    Raises
    ------
    ValueError
        If the shape differs, or an entry is not a finite number.

    Examples
    --------
    >>> as_array([1, 2], "w", ("p",))
    array([1., 2.])
    >>> as_array([1, 2], "grad", (3,))
    Traceback (most recent call last):
    ValueError: grad must have shape (3,), got (2,)
    """
    array = require_floats(value, name, shape)
    if not all_finite(array):
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise NotFinite(f"{name} must be finite, got {array[where]} at {where}")
    return array


def require_floats(value: ArrayLike, name: str, shape: Sequence[int | str] | None = None) -> Array:
    """Return what `as_array` does, but do not look at whether the numbers are finite."""
    array = require_numeric(value, name)
    if shape is not None and not shape_matches(array.shape, shape):
        raise ValueError(
            f"{name} must have shape {format_shape(shape)}, got {format_shape(array.shape)}"
        )
    if array.dtype in (np.float32, np.float64, np.complex128):
        return array
    return array.astype("c16" if array.dtype.kind == "c" else "f8")


def all_finite(array: NDArray[np.generic]) -> bool:
    """Return whether all entries are finite."""
    # One sum is cheaper than a mask; it is finite only if all entries are, but may overflow.
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(array.sum()) or np.isfinite(array).all())


def require_numeric(value: ArrayLike, name: str) -> Array:
    """Return `value` as an array of numbers of any kind; raise where it holds anything else."""
    try:
        array = np.asarray(value)
    except ValueError as error:  # ragged nesting
        raise ValueError(f"{name} must be a rectangular array, got a ragged one") from error
    if array.dtype.kind not in "biufc":
        raise ValueError(f"{name} must hold numbers, got dtype {array.dtype}")
    return array


def require_number(value: object, name: str) -> float:
    """Return `value` if it is a real number; raise where it is not, as True and False are not."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"{name} must be a number, got {value!r}")
    return float(value)


def plain_numbers(record: object) -> None:
    """Make NumPy's numbers of a frozen record Python's: they would turn single precision double."""
    for name, value in vars(record).items():
        if isinstance(value, np.number) or (isinstance(value, np.ndarray) and value.ndim == 0):
            object.__setattr__(record, name, value.item())


def require_positive(value: object, name: str) -> None:
    """Raise unless `value` is a positive and finite number."""
    if not 0.0 < require_number(value, name) < np.inf:
        raise ValueError(f"{name} must be positive and finite, got {value}")


def require_nonnegative(value: object, name: str) -> None:
    """Raise unless `value` is a finite number and not negative."""
    if not 0.0 <= require_number(value, name) < np.inf:
        raise ValueError(f"{name} must be finite and not negative, got {value}")


def require_fraction(value: object, name: str) -> None:
    """Raise unless `value` is a number in [0, 1]."""
    if not 0.0 <= require_number(value, name) <= 1.0:
        raise ValueError(f"{name} must lie in [0, 1], got {value}")


def is_int(value: object, least: int) -> bool:
    """Whether `value` is an integer and at least `least`; True is none."""
    integer = isinstance(value, int | np.integer)
    return integer and not isinstance(value, bool) and bool(value >= least)


def is_positive_int(value: object) -> bool:
    """Whether `value` is a positive integer; True is not."""
    return is_int(value, 1)


def shape_matches(shape: Sequence[int], wanted: Sequence[int | str]) -> bool:
    """Return whether `shape` is `wanted`, words standing for any length."""
    return len(shape) == len(wanted) and all(
        isinstance(w, str) or n == w for n, w in zip(shape, wanted, strict=True)
    )


def format_shape(shape: Sequence[int | str]) -> str:
    """Return `shape` as Python writes a tuple, words without quotes."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
