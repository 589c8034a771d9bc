"""What the property tests draw, I: numbers and arrays.

Rule 1: a drawn array is exact (all zeros, or quarters, so that potentials meet the threshold
        exactly and spikes tie) or generic (from a drawn seed), never one kind only.
Rule 2: no drawn number is subnormal or so small that a complex step of 1e-40 would underflow.
"""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from refsast.arrays import Array


def min_examples(examples: int) -> settings:
    """Return `examples` per test; fewer or more where the profile asks for fewer or more than 100.

    Parameters
    ----------
    examples : int
        How many with Hypothesis' default of 100. Positive.

    Returns
    -------
    settings
        A decorator of Hypothesis.

    Examples
    --------
    >>> from refsast.testing import min_examples
    >>> min_examples(10).max_examples
    10
    """
    chosen = settings().max_examples
    if chosen < 100:
        return settings(max_examples=min(examples, chosen))
    return settings(max_examples=examples if chosen == 100 else chosen)


def seeds() -> st.SearchStrategy[int]:
    """Return seeds of generators of generic numbers.

    Returns
    -------
    SearchStrategy
        Of integers in [0, 2^32).

    Examples
    --------
    >>> from hypothesis import find
    >>> from refsast.testing import seeds
    >>> find(seeds(), lambda seed: seed > 7)
    8
    """
    return st.integers(0, 2**32 - 1)


def fractions(low: float, high: float, *exact: float) -> st.SearchStrategy[float]:
    """Return numbers in [low, high]: the `exact` ones, or any from a thousandth on.

    Parameters
    ----------
    low, high : float
        Ends.
    *exact : float
        Numbers to be drawn as they are, such as the ends.

    Returns
    -------
    SearchStrategy
        Of floats.

    Examples
    --------
    >>> from hypothesis import find
    >>> from refsast.testing import fractions
    >>> find(fractions(0.0, 1.0, 0.5), lambda x: True)
    0.5
    """
    return st.sampled_from(exact) | st.floats(max(low, 1e-3), high)


def numbers(limit: float) -> st.SearchStrategy[float]:
    """Return numbers in [-limit, limit], zero among them, none smaller than 1e-100.

    Parameters
    ----------
    limit : float
        Positive.

    Returns
    -------
    SearchStrategy
        Of floats.

    Examples
    --------
    >>> from hypothesis import find
    >>> from refsast.testing import numbers
    >>> find(numbers(2.0), lambda number: number > 1.0)
    2.0
    """
    return st.floats(-limit, limit).map(lambda x: x if abs(x) > 1e-100 else 0.0)


def magnitudes(lowest: float = -300.0, highest: float = 300.0) -> st.SearchStrategy[float]:
    """Return positive numbers, their decimal exponents evenly drawn.

    Parameters
    ----------
    lowest, highest : float
        Least and largest decimal exponent.

    Returns
    -------
    SearchStrategy
        Of floats.

    Examples
    --------
    >>> from hypothesis import find
    >>> from refsast.testing import magnitudes
    >>> find(magnitudes(-3.0, 3.0), lambda number: number > 1.0) <= 1000.0
    True
    """
    return st.floats(lowest, highest).map(lambda exponent: 10.0**exponent)


def arrays(
    shape: int | tuple[int, ...], low: float = -2.0, high: float = 2.0
) -> st.SearchStrategy[Array]:
    """Return arrays of one shape: zeros, quarters or generic numbers in [low, high].

    Parameters
    ----------
    shape : int or tuple of int
        Their shape.
    low, high : float
        Least and largest entry.

    Returns
    -------
    SearchStrategy
        Of float64 arrays.

    Examples
    --------
    >>> from hypothesis import find
    >>> from refsast.testing import arrays
    >>> find(arrays((2,)), lambda a: a.min() > 0).shape
    (2,)
    """
    quarters = st.integers(int(np.ceil(4 * low)), int(np.floor(4 * high)))

    def generic(seed: int) -> Array:
        return np.random.default_rng(seed).uniform(low, high, shape)

    exact = hnp.arrays(np.int64, shape, elements=quarters).map(lambda k: 0.25 * k)
    return seeds().map(generic) | exact


def directions(shape: int | tuple[int, ...]) -> st.SearchStrategy[Array]:
    """Return generic arrays of one shape, standard normal.

    Parameters
    ----------
    shape : int or tuple of int
        Their shape.

    Returns
    -------
    SearchStrategy
        Of float64 arrays.

    Examples
    --------
    >>> from hypothesis import find
    >>> from refsast.testing import directions
    >>> find(directions((3,)), lambda direction: direction[0] > 0.0).shape
    (3,)
    """
    return seeds().map(lambda seed: np.random.default_rng(seed).standard_normal(shape))
