"""What rounding does to a sum of many terms, in whatever order it is taken."""

import numpy as np

from refsast.arrays import Array

# Two right answers may differ by this many standard deviations of what random errors of one
# rounding do. `tests.crosscheck.right_implementations` measures how many it takes.
DEVIATIONS = 8.0
LOOKED_AT = 16  # columns in which equal terms are counted
EQUAL_DIGITS = 5  # what differs by less than the rounding of a long sum counts as equal


def sum_noise(
    total: Array,
    magnitudes: Array,
    count: Array | float,
    turns: Array | float = 0.0,
    alike: float = 0.0,
) -> Array:
    """Return the error of a sum, in roundings, in whatever order it is taken.

    Added one after the other, n terms make n partial sums, each with an error of its own size. Of
    terms without an order these grow towards the total: n/3 of its square. `turns` of them grow to
    a part of the sum of magnitudes first, as in time, and come back. Equal terms make errors of
    equal sign, which add up to one rounding of the largest partial sum for each, but no more.

    Parameters
    ----------
    total : array
        The sum.
    magnitudes : array
        The sum of the terms' magnitudes.
    count : array or float
        Number of terms that are not zero.
    turns : array or float
        Number of partial sums in an order of their own; 0: there is no such order.
    alike : float
        How many terms are equal, as `count_equal_terms` has it.
    """
    # Relative to the magnitudes, since their squares may underflow.
    share = np.divide(abs(total), magnitudes, out=np.zeros(magnitudes.shape), where=magnitudes > 0)
    largest = 0.5 + 0.5 * share  # partial sum in any order
    square = 1.0 + turns / 12.0 + (count / 3.0) * share**2 + (alike / DEVIATIONS * largest) ** 2
    return magnitudes * np.sqrt(square)


def count_equal_terms(values: Array) -> float:
    """Return the root of the sum of squared sizes of all groups of equal (terms, n) magnitudes.

    It is the number of terms where all are equal, and its root where no two are; zeros do not
    count. The largest of some columns is taken.
    """
    columns = values[:, :: max(1, values.shape[1] // LOOKED_AT)].T
    peaks = columns.max(axis=1, keepdims=True, initial=0.0)
    columns = np.sort(np.round(columns / np.where(peaks > 0.0, peaks, 1.0), EQUAL_DIGITS), axis=1)
    first = np.ones(columns.shape, bool)  # of its group
    first[:, 1:] = columns[:, 1:] != columns[:, :-1]
    starts = np.flatnonzero(first)
    sizes = np.diff(starts, append=first.size) * (columns.ravel()[starts] != 0.0)
    squares = np.bincount(starts // max(1, columns.shape[1]), sizes.astype(np.float64) ** 2)
    return float(np.sqrt(squares.max(initial=0.0)))
