"""How far two answers are apart, entry by entry, in units of computed error bounds."""

import numpy as np

import refsast as rs
from refsast.arrays import Array

TOLERANCE = 1e-12  # DESIGN 5: a few thousand roundings of 1.1e-16


def error_ratio(got: Array, want: Array, bound: Array) -> float:
    """Return the largest ``abs(got - want) / bound``; infinite where there is a NaN or no bound.

    There is no absolute tolerance: where the bound is zero, the entries must be equal.
    """
    if not np.shape(got) == np.shape(want) == np.shape(bound):
        return np.inf
    gap = np.abs(np.asarray(got) - want)
    same = gap == 0.0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.where(same, 0.0, gap / bound)
    return float(np.where(np.isnan(ratio), np.inf, ratio).max(initial=0.0))


def params_error_ratio(got: rs.Params, want: rs.Params, bound: rs.Params) -> float:
    """The same for parameters; infinite unless they have the same parts."""
    layout = [[(k, np.shape(v)) for k, v in vars(layer).items()] for layer in want]
    if [[(k, np.shape(v)) for k, v in vars(layer).items()] for layer in got] != layout:
        return np.inf
    return error_ratio(rs.flatten(got), rs.flatten(want), rs.flatten(bound))
