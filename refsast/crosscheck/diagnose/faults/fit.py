"""The number with which a fault explains an answer best."""

from collections.abc import Sequence

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.compare import Examination
from refsast.crosscheck.diagnose.faults.fault import Fault
from refsast.crosscheck.diagnose.faults.setting import Planted, Setting, solve_setting
from refsast.model.params import flatten

FIT_STEPS = 8
PROGRESS = 0.5  # by which the misfit of a fit has to fall in its first two steps


def fit_values(
    part: Examination,
    fault: Fault,
    layers: tuple[int, ...],
    units: Sequence[float],
    start: float,
) -> Sequence[float] | None:
    """Return the numbers, multiples of `units`, with which a fault explains an answer; or None.

    By Gauss-Newton from `start`.
    """

    def miss(by: float) -> Array | None:
        return _residual(part, (Planted(fault, layers, [by * unit for unit in units]),))

    by, first = start, None
    for step in range(FIT_STEPS):
        width = 1e-6 * max(abs(by), 1e-2)
        here, there = miss(by), miss(by + width)
        if here is None or there is None:
            return None
        size = float(np.linalg.norm(here))
        first = size if first is None else first
        if step == 2 and not size <= PROGRESS * first:
            return None
        slope = (there - here) / width
        curvature = float(slope @ slope)
        if curvature == 0.0:
            return None
        change = -float(slope @ here) / curvature
        by += float(np.clip(change, -2.0 * abs(by) - 0.5, 2.0 * abs(by) + 0.5))
        if abs(change) <= 1e-12 * abs(by):
            break
    by = 0.0 if abs(by) < 1e-9 * max(abs(start), 1e-3) else by
    return [by * unit for unit in units]


def _residual(part: Examination, setting: Setting) -> Array | None:
    answer = solve_setting(part.case, setting)
    if answer is None:
        return None
    scale = np.linalg.norm(flatten(part.got.grads)) or 1.0
    loss = (answer.loss - part.got.loss) / max(abs(part.got.loss), 1e-300)
    return np.append((flatten(answer.grads) - flatten(part.got.grads)) / scale, loss)
