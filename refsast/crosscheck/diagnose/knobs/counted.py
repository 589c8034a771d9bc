"""Which steps and recordings are counted in a layer's sums, where not all are."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import Array, Integers
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Dials

# Which steps, or recordings, of so many are counted in a sum, where not all are: "=" in place of
# "+=" leaves the last one, or the first.
STEPS_COUNTED: Mapping[str, Callable[[Integers, int], NDArray[np.bool_]]] = {
    "first step alone": lambda at, n: at == 0,
    "last step alone": lambda at, n: at == n - 1,
    "last two steps alone": lambda at, n: at >= n - 2,
    "steps but the second": lambda at, n: at != 1,
    "steps but the third": lambda at, n: at != 2,
    "steps but the fourth": lambda at, n: at != 3,
    "steps but the last but one": lambda at, n: at != n - 2,
    "odd steps alone": lambda at, n: at % 2 == 0,
    "even steps alone": lambda at, n: at % 2 == 1,
    "first half of the steps alone": lambda at, n: at < n / 2,
    "last half of the steps alone": lambda at, n: at >= n / 2,
    "first T // 2 steps alone": lambda at, n: at < n // 2,
    "steps but the first T // 2 alone": lambda at, n: at >= n // 2,
}
RECORDINGS_COUNTED: Mapping[str, Callable[[Integers, int], NDArray[np.bool_]]] = {
    "first recording alone": lambda at, n: at == 0,
    "last recording alone": lambda at, n: at == n - 1,
    "recordings but the last": lambda at, n: at < n - 1,
    "recordings but the first": lambda at, n: at > 0,
    "full pairs of recordings alone": lambda at, n: at < n // 2 * 2,
    "full fours of recordings alone": lambda at, n: at < n // 4 * 4,
}
# Which recording's gradient is returned, and whether as that of a batch of it alone.
LONE_RECORDINGS = {
    "gradient of the first recording alone": (0, False),
    "gradient of the last recording alone": (-1, False),
    "gradient of a batch of the first recording": (0, True),
    "gradient of a batch of the last recording": (-1, True),
}


def lone_recording(dials: Dials, batch: int) -> Array | float:
    """Return the weights of recordings where the gradient is that of one alone."""
    found: Array | float = 1.0
    for name, (at, whole) in LONE_RECORDINGS.items():
        if dials.turns(name, WHOLE):
            alone = (np.arange(batch) == at % batch).reshape(-1, 1) * (batch if whole else 1.0)
            found = found * (1.0 + dials.read(name, WHOLE, 0.0) * (alone - 1.0))
    return found


def count_terms(dials: Dials, index: int, part: str, current: Array) -> Array | float:
    """Return the weight of each step and recording in the sum of one array, (time, K, batch, 1)."""
    found: Array | float = 1.0
    for axis, table in ((0, STEPS_COUNTED), (2, RECORDINGS_COUNTED)):
        size = current.shape[axis]
        at = np.arange(size).reshape([-1 if a == axis else 1 for a in range(4)])
        for name, counts in table.items():
            key = f"{part} sums of the {name}"
            if dials.turns(key, index):
                found = found * (
                    1.0 + dials.read(key, index, 0.0) * (np.where(counts(at, size), 1.0, 0.0) - 1.0)
                )
    return found
