"""How a potential is held, by mistake: rounded, between limits, or bent; and what is kept of it.

Rule 1: where it is held at a limit no gradient passes; what rounds it passes the gradient on.
"""

from collections.abc import Callable, Mapping

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.diagnose.knobs.dials import Dials
from refsast.crosscheck.diagnose.knobs.precision import CASTS, ROUNDINGS, round_to_bits

CLAMPED = "carried potential at least zero"
# Multiples of 2 to the power of minus so many: to the nearest, down, and towards zero.
GRIDS: Mapping[str, Callable[[Array], Array]] = {
    "potentials rounded to a grid": np.round,
    "potentials cut down to a grid": np.floor,
    "potentials cut to a grid": np.trunc,
}


def limit_potential(dials: Dials, index: int, u: Array) -> tuple[Array, Array | None]:
    """Return a potential as it is held, and whether it is its own; None: it always is."""
    for name, change in (*ROUNDINGS.items(), *CASTS.items()):
        if dials.turns(f"potentials in {name}", index):
            u = u + dials.read(f"potentials in {name}", index, 0.0) * (change(u) - u)
    for name in [name for name in GRIDS if dials.turns(name, index)]:
        u = round_to_bits(dials.read(name, index, np.inf), u, GRIDS[name])
    free = None
    for name, side in (("potential at least", 1.0), ("potential at most", -1.0)):
        if dials.turns(name, index):
            limit = side * np.asarray(dials.read(name, index, -side * np.inf))
            own = np.where(side * u >= limit, 1.0, 0.0)
            free = own if free is None else free * own
            u = side * np.maximum(side * u, limit)
    if dials.turns("potential through tanh", index):
        share = np.asarray(dials.read("potential through tanh", index, 0.0))
        through = np.tanh(u)
        own = 1.0 - share * through**2
        free, u = own if free is None else free * own, u + share * (through - u)
    return u, free


def clamp_carried(dials: Dials, index: int, carried: Array) -> tuple[Array, Array]:
    """Return what is carried from the step before, not below zero, and where it is its own."""
    share = np.asarray(dials.read(CLAMPED, index, 0.0))
    own = 1.0 - share * (carried < 0.0)
    return own * carried, own
