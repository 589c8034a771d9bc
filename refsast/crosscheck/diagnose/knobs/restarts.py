"""What a layer does not receive from the step before, by mistake: its state, its spikes, a reset.

Rule 1: what is lost on the way forth has no gradient on the way back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.diagnose.knobs.dials import Dials

UNRESET = "reset left out at the last step"
WARMED = "states of an earlier pass"  # which are not reset before this one
# Of so many steps, at which one, from 0, and what it does not receive.
RESTARTS: Mapping[str, tuple[Callable[[int], int], tuple[str, ...]]] = {
    "state zero in the middle": (lambda n: n // 2, ("state", "reset", "fed")),
    "spikes lost in the middle": (lambda n: n // 2, ("reset", "fed")),
    UNRESET: (lambda n: n - 1, ("reset",)),
}


@dataclass(frozen=True, eq=False)
class Handover:
    """What each step receives of the step before, (time, K, 1, 1) each: 1, or 0 where it is lost.

    Attributes
    ----------
    state : array or float
        Its potential, and all else.
    reset, fed : array or float
        Its spikes, in the reset and in the recurrence.
    """

    state: Array
    reset: Array
    fed: Array


def read_handover(dials: Dials, index: int, steps: int) -> Handover | None:
    """Return what each step receives of the one before; None where nothing is lost."""
    names = [name for name in RESTARTS if dials.turns(name, index)]
    if not names:
        return None
    at = np.arange(steps).reshape(-1, 1, 1, 1)
    ones = np.ones(at.shape)
    found = Handover(ones, ones, ones)
    for name in names:
        step, parts = RESTARTS[name]
        lost = dials.read(name, index, 0.0) * ((at == step(steps)) & (at > 0))
        found = replace(found, **{part: getattr(found, part) * (1.0 - lost) for part in parts})
    return found


def lose_spikes(dials: Dials, index: int, heard: Array) -> Array:
    """Return the spikes fed back to each step, (time, K, batch, n), without what is lost."""
    handover = read_handover(dials, index, len(heard))
    return heard if handover is None else handover.fed * heard
