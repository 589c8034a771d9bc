"""How much a search may compute: a count of work, so that the same case has the same answer."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.diagnose.knobs.dials import Setting
from refsast.crosscheck.diagnose.knobs.fit import Residuals

ELEMENTS = 3_000_000  # of the largest array of a run, K settings side by side
CALL = 1_000  # what one step of one layer costs beside its elements, in elements
LIMIT = 2.8e7  # elements that one search may compute
SECOND = 1.2e7  # and a second search, where the first found what does not hold

# Called with elements before they are computed.
Meter: TypeAlias = Callable[[float], None]


class OutOfWork(Exception):
    """A search has computed as much as it may."""


def start_meter(limit: float = LIMIT, whole: Meter | None = None) -> Meter:
    """Return a meter that raises `OutOfWork` once more than a limit is spent, or than a whole's."""
    spent = 0.0

    def spend(elements: float) -> None:
        nonlocal spent
        spent += elements
        if whole is not None:
            whole(elements)
        if spent > limit:
            raise OutOfWork

    return spend


def meter_runs(
    run: Callable[[Sequence[Setting]], Array], meter: Meter, size: int, calls: int
) -> Residuals:
    """Return a run of any number of settings, as many side by side as memory allows.

    Parameters
    ----------
    run : callable
        Residuals of settings, all at once.
    meter : Meter
        What it is charged to.
    size : int
        Elements of all its arrays, per setting.
    calls : int
        Steps times layers.
    """
    chunk = max(1, ELEMENTS // max(size, 1))

    def whole(settings: Sequence[Setting]) -> Array:
        parts = []
        with np.errstate(all="ignore"):
            for start in range(0, len(settings), chunk):
                piece = settings[start : start + chunk]
                meter(CALL * calls + size * len(piece))
                found = run(piece)
                parts.append(np.broadcast_to(found, (len(piece), found.shape[1])))
        return np.concatenate(parts)

    return whole
