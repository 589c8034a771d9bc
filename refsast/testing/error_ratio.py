"""How far two answers are apart, entry by entry, in units of computed error bounds."""

import numpy as np

from refsast.arrays import Array
from refsast.model.params import Params, flatten

TOLERANCE = 1e-12  # DESIGN 5: a few thousand roundings of 1.1e-16


def error_ratio(got: Array, want: Array, bound: Array) -> float:
    """Return the largest ``abs(got - want) / bound``; infinite where there is a NaN or no bound.

    There is no absolute tolerance: where the bound is zero, the entries must be equal.

    Parameters
    ----------
    got, want, bound : ndarray
        Of one shape, else the answer is infinite. Bounds as of `rs.rounding`.

    Returns
    -------
    float
        At most `TOLERANCE` where rounding explains the difference.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast.testing import error_ratio
    >>> error_ratio(np.array([1.0, 2.0]), np.array([1.0, 2.5]), np.array([0.0, 1.0]))
    0.5
    """
    if not np.shape(got) == np.shape(want) == np.shape(bound):
        return np.inf
    gap = np.abs(np.asarray(got) - want)
    same = gap == 0.0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.where(same, 0.0, gap / bound)
    return float(np.where(np.isnan(ratio), np.inf, ratio).max(initial=0.0))


def params_error_ratio(got: Params, want: Params, bound: Params) -> float:
    """Return the same for parameters; infinite unless they have the same parts.

    Parameters
    ----------
    got, want, bound : tuple of Layer
        Two gradients, and the bounds of `rs.rounding`.

    Returns
    -------
    float
        The largest ratio of all entries.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast.testing import TOLERANCE, params_error_ratio
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> problem = network, rs.init(network, 0), np.ones((4, 1, 2)), np.array([2])
    >>> by_tape, by_hand = (m.loss_and_grad(*problem)[1] for m in (rs.reference, rs.fast))
    >>> params_error_ratio(by_hand, by_tape, rs.rounding(*problem)[0]) <= TOLERANCE
    True
    """
    layout = [[(k, np.shape(v)) for k, v in vars(layer).items()] for layer in want]
    if [[(k, np.shape(v)) for k, v in vars(layer).items()] for layer in got] != layout:
        return np.inf
    return error_ratio(flatten(got), flatten(want), flatten(bound))
