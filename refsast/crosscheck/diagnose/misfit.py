"""How far an answer is from a candidate's, in units of what rounding allows."""

from collections.abc import Iterator

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Answer
from refsast.crosscheck.compare import STAGES, Examination, cosine_and_ratio, stage_arrays
from refsast.crosscheck.diagnose.knobs.fit import misfits
from refsast.crosscheck.tolerance import MAX_SHARE, norm
from refsast.model.params import flatten

SMALL = 8.0  # times the tolerance: of small arrays, whose relative error is all rounding


def relative_limit(dtype: np.dtype) -> float:
    """Return the relative distance at which two arrays count as one.

    A candidate's numbers are not computed in the same order as the given ones, so they differ by
    more than one rounding; but another fault differs by more than this.
    """
    return float(np.finfo(dtype).eps) ** 0.6


def allowed_distance(dtype: np.dtype, want: Array, tolerance: Array) -> float:
    """Return how far an array may be from a candidate's that counts as the same."""
    return relative_limit(dtype) * norm(want) + SMALL * norm(tolerance)


def vanishes(array: Array, tolerance: Array) -> bool:
    """Return whether no tolerance tells an array from zero."""
    return norm(array) <= SMALL * norm(tolerance)


def misfit(seen: Examination, candidate: Answer) -> float:
    """Return the largest distance of an array from a candidate's, in units of what is allowed."""
    # What a library reports as its state, before or after the reset, is a convention.
    stages = [stage for stage in STAGES if stage != "states"]
    found = [each for stage in stages for each in _distances(seen, candidate, stage)]
    return float(misfits(np.array([found]))[0])


def fits_fault(seen: Examination, candidate: Answer, share: float) -> bool:
    """Return whether a candidate is nearer to an answer than such a share of what is wrong in it.

    A number that is fitted to a small fault gives nearly the same gradient whatever the fault is.
    """
    for stage in ("loss", "parameter gradients"):
        got, want, right, allowed = (
            stage_arrays(side, stage) for side in (seen.got, candidate, seen.right, seen.tolerance)
        )
        for name, array in got.items():
            near = share * norm(array - right[name]) + SMALL * norm(allowed[name])
            if not norm(array - want[name]) <= near:
                return False
    return True


def explains(exam: Examination, answer: Answer) -> bool:
    """Return whether an answer is the one that was given, also where much may be rounding.

    What vanishes beside the right gradient is as near to one answer as to another.
    """
    if misfit(exam, answer) > 1.0 or _all_vanish(exam):
        return False
    cosine, ratio = cosine_and_ratio(flatten(exam.got.grads), flatten(answer.grads))
    return cosine >= 1.0 - MAX_SHARE and abs(ratio - 1.0) <= MAX_SHARE


def _all_vanish(exam: Examination) -> bool:
    """Whether gradients are not zero, and no tolerance tells any of them from that."""
    got, allowed = (
        stage_arrays(side, "parameter gradients") for side in (exam.got, exam.tolerance)
    )
    return any(a.any() for a in got.values()) and all(
        vanishes(a, allowed[name]) for name, a in got.items()
    )


def explains_states(seen: Examination, candidate: Answer) -> bool:
    """Whether the states that were handed over, if they are wrong, are a candidate's."""
    if "states" not in seen.wrong:
        return True
    return bool(misfits(np.array([list(_distances(seen, candidate, "states"))]))[0] <= 1.0)


def _distances(seen: Examination, candidate: Answer, stage: str) -> Iterator[float]:
    want, allowed = (stage_arrays(side, stage) for side in (candidate, seen.tolerance))
    for name, got in stage_arrays(seen.got, stage).items():
        near = allowed_distance(seen.dtype, want[name], allowed[name])
        with np.errstate(over="ignore"):
            yield float(np.float64(norm(got - want[name])) / near)
