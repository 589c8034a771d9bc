"""Paired differences between arms, with p-values corrected for how many arms were looked at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refsast.experiment.compare import Mean, Result, estimate_mean, seed_differences


@dataclass(frozen=True)
class Difference:
    """The reference's hard accuracy less that of another arm, seed by seed, in points.

    Attributes
    ----------
    arm, reference : str
        The names of the two.
    mean : Mean
        Of the differences, over the seeds with which neither diverged.
    p : float
        Of the paired t-test of no difference; NaN where there is none: fewer than three seeds, or
        the same difference with every seed.
    holm : float
        The same, corrected by `holm` for all arms compared with this reference.
    """

    arm: str
    reference: str
    mean: Mean
    p: float
    holm: float


def paired_differences(results: Sequence[Result], reference: str) -> tuple[Difference, ...]:
    """Compare the hard accuracy of one arm with that of every other.

    Parameters
    ----------
    results : sequence of Result
        Of any number of arms.
    reference : str
        The arm whose differences are asked for.

    Returns
    -------
    tuple of Difference
        One per other arm, in the order in which the arms first appear.

    Raises
    ------
    ValueError
        If no result is of the reference.

    References
    ----------
    S. Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    names = tuple(dict.fromkeys(r.arm for r in results))
    if reference not in names:
        raise ValueError(f"reference must be one of {', '.join(names)}, got {reference}")
    others = [name for name in names if name != reference]
    values = [100.0 * seed_differences(results, reference, name) for name in others]
    p_values = [t_test_p(each) for each in values]
    return tuple(
        Difference(arm, reference, estimate_mean(each), p, corrected)
        for arm, each, p, corrected in zip(others, values, p_values, holm(p_values), strict=True)
    )


def t_test_p(differences: np.ndarray) -> float:
    """Return the two-sided p-value of Student's t for a mean of zero.

    NaN for fewer than three differences, and where all are the same: their spread is not known.
    """
    from scipy.special import stdtr

    n = len(differences)
    # Equal accuracies differ by rounding, which is no spread to divide by.
    if n < 3 or np.ptp(differences) <= 1e-9 * np.abs(differences).max():
        return np.nan
    t = differences.mean() / (differences.std(ddof=1) / np.sqrt(n))
    return float(2.0 * stdtr(n - 1, -abs(t)))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return p-values corrected for their number, each to be compared with the level itself.

    The k-th smallest of m, from 0, is multiplied by ``m - k``; none is above 1 or below one that
    was smaller. A NaN stays one, and counts among the m.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)  # NaN comes last
    factors = np.arange(len(p), 0, -1)
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(factors * p[order]), 1.0)
    return tuple(corrected.tolist())
