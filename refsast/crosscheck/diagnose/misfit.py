"""How far an answer is from a candidate's, in units of what rounding allows."""

from collections.abc import Iterator

import numpy as np

from refsast.crosscheck.case import Answer
from refsast.crosscheck.compare import STAGES, Examination, stage_arrays
from refsast.crosscheck.diagnose.knobs.fit import misfits
from refsast.crosscheck.tolerance import norm


def relative_limit(dtype: np.dtype) -> float:
    """Return the relative distance at which two arrays count as one.

    A candidate's numbers are not computed in the same order as the given ones, so they differ by
    more than one rounding; but another fault differs by more than this.
    """
    return float(np.finfo(dtype).eps) ** 0.6


def misfit(seen: Examination, candidate: Answer) -> float:
    """Return the largest distance of an array from a candidate's, in units of what is allowed."""
    # What a library reports as its state, before or after the reset, is a convention.
    stages = [stage for stage in STAGES if stage != "states"]
    found = [each for stage in stages for each in _distances(seen, candidate, stage)]
    return float(misfits(np.array([found]))[0])


def explains_states(seen: Examination, candidate: Answer) -> bool:
    """Whether the states that were handed over, if they are wrong, are a candidate's."""
    if "states" not in seen.wrong:
        return True
    return bool(misfits(np.array([list(_distances(seen, candidate, "states"))]))[0] <= 1.0)


def _distances(seen: Examination, candidate: Answer, stage: str) -> Iterator[float]:
    want, allowed = (stage_arrays(side, stage) for side in (candidate, seen.tolerance))
    for name, got in stage_arrays(seen.got, stage).items():
        # 8 times the tolerance for small arrays, whose relative error is all rounding.
        near = relative_limit(seen.dtype) * norm(want[name]) + 8.0 * norm(allowed[name])
        with np.errstate(over="ignore"):
            yield float(np.float64(norm(got - want[name])) / near)
