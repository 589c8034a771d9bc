"""A data set in two parts: recording by recording, or by the people in them."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from refsast.spikes import Spikes

Inputs: TypeAlias = NDArray | Spikes
Part: TypeAlias = tuple[Inputs, NDArray[np.int64]]


def split_dataset(
    x: Inputs, y: NDArray[np.int64], *, fraction: float, rng: np.random.Generator
) -> tuple[Part, Part]:
    """Split a data set in two, each class in the same proportion.

    Parameters
    ----------
    x : (time, n, cells) array or Spikes
        Inputs.
    y : (n,) array of int
        Labels.
    fraction : float
        Share of every class that goes to the first part, in (0, 1), rounded to
        the nearest number of recordings.
    rng : numpy.random.Generator
        Draws which ones.

    Returns
    -------
    (x1, y1), (x2, y2)
        The two parts. Each keeps the order of `x`; together they are all of it.

    Raises
    ------
    ValueError
        If `fraction` is outside (0, 1), the lengths differ, or a part is empty.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import data
    >>> x, y = np.zeros((5, 10, 2)), np.arange(10) % 2
    >>> rng = np.random.default_rng(0)
    >>> (part, labels), (rest, _) = data.split_dataset(x, y, fraction=0.2, rng=rng)
    >>> part.shape, rest.shape, labels
    ((5, 2, 2), (5, 8, 2), array([0, 1]))
    """
    _validate_fraction(fraction)
    if len(x.shape) < 2 or y.shape != x.shape[1:2]:
        raise ValueError(f"y must have one label per recording of x, got {y.shape} for {x.shape}")
    first = np.zeros(y.size, bool)
    for label in np.unique(y):
        members = rng.permutation(np.flatnonzero(y == label))
        first[members[: int(fraction * members.size + 0.5)]] = True
    return _divide(x, y, first, fraction)


def split_people(
    x: Inputs,
    y: NDArray[np.int64],
    people: NDArray[np.int64],
    *,
    fraction: float,
    rng: np.random.Generator,
) -> tuple[Part, Part]:
    """Split a data set in two so that nobody is in both parts.

    Parameters
    ----------
    x : (time, n, cells) array or Spikes
        Inputs.
    y : (n,) array of int
        Labels.
    people : (n,) array of int
        Of whom each recording is.
    fraction : float
        Share of the people whose recordings go to the first part, in (0, 1), rounded to the
        nearest number of them.
    rng : numpy.random.Generator
        Draws whose.

    Returns
    -------
    (x1, y1), (x2, y2)
        The two parts. Each keeps the order of `x`; together they are all of it.

    Raises
    ------
    ValueError
        If `fraction` is outside (0, 1), the lengths differ, or a part is empty.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import data
    >>> x, y, people = np.zeros((5, 6, 2)), np.arange(6) % 2, np.array([7, 7, 8, 8, 9, 9])
    >>> rng = np.random.default_rng(0)
    >>> (part, _), (rest, _) = data.split_people(x, y, people, fraction=0.7, rng=rng)
    >>> part.shape, rest.shape
    ((5, 4, 2), (5, 2, 2))
    """
    _validate_fraction(fraction)
    if not y.shape == people.shape == x.shape[1:2]:
        raise ValueError(
            f"y and people must have one number per recording of x, got {y.shape} and "
            f"{people.shape} for {x.shape}"
        )
    everybody = rng.permutation(np.unique(people))
    first = np.isin(people, everybody[: int(fraction * everybody.size + 0.5)])
    return _divide(x, y, first, fraction)


def _validate_fraction(fraction: float) -> None:
    if not 0.0 < fraction < 1.0:
        raise ValueError(f"fraction must lie in (0, 1), got {fraction}")


def _divide(
    x: Inputs, y: NDArray[np.int64], first: NDArray[np.bool_], fraction: float
) -> tuple[Part, Part]:
    """The recordings that are in the first part, and all others; neither may be empty."""
    if first.all() or not first.any():
        raise ValueError(f"fraction must leave recordings in both parts, got {fraction}")
    return (x[:, first], y[first]), (x[:, ~first], y[~first])
