"""A mean over recordings that is divided by another number than that of the recordings.

Rule 1: it is that of a batch that was filled up, or of the batch that was planned, so that the
        factor depends on how many recordings are asked.
"""

from collections.abc import Callable, Mapping

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Dials

SEVERAL = "loss of several recordings"  # what that of one alone is not multiplied by
NOMINAL = "mean over a batch of another size"
FILLED: Mapping[str, Callable[[int], int]] = {
    "batch filled up to a power of two": lambda n: 1 << (n - 1).bit_length(),
    **{
        f"batch filled up to a multiple of {m}": lambda n, m=m: -(-n // m) * m
        for m in (2, 4, 8, 16, 32, 64)
    },
}
# Of how many recordings the first of two unequal halves is, whose means are averaged.
HALVES: Mapping[str, Callable[[int], int]] = {
    "two halves of the batch, the first the smaller": lambda n: n // 2,
    "two halves of the batch, the first the larger": lambda n: -(-n // 2),
}


def batch_factor(dials: Dials, batch: int) -> Array | float:
    """Return what loss and gradient of a batch of so many are multiplied by."""
    found = dials.read(SEVERAL, WHOLE, 1.0) if batch > 1 else 1.0
    if dials.turns(NOMINAL, WHOLE):
        size = np.asarray(dials.read(NOMINAL, WHOLE, np.inf))
        found = found * np.where(np.isfinite(size), batch / size, 1.0)
    for name in [name for name in FILLED if dials.turns(name, WHOLE)]:
        share = dials.read(name, WHOLE, 0.0)
        found = found * (1.0 + share * (batch / FILLED[name](batch) - 1.0))
    return found
