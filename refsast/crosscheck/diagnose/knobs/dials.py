"""A setting of knobs, and many settings side by side, so that one run answers for all of them.

Rule 1: a key is the name of a knob and a layer, counted from 0; the readout is the number of
        spiking layers, and what is of the whole network is `WHOLE`.
Rule 2: a setting names only what is turned; everything else has its right value.
Rule 3: with K settings every array of a run has shape (time, K or 1, batch, n).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import Array
from refsast.crosscheck.diagnose.knobs.precision import CASTS, round_product

WHOLE = -1
# What is wrong on the way forth is not followed on the way back, as where both are by hand.
AS_RIGHT = "way back of the right equations"
Key: TypeAlias = tuple[str, int]
Setting: TypeAlias = Mapping[Key, float]


@dataclass(frozen=True, eq=False)
class Dials:
    """The values of the knobs that are turned in any of K settings, each of shape (K, 1, 1)."""

    turned: Mapping[Key, Array]

    def read(self, name: str, layer: int, right: Array | float) -> Array | float:
        """Return the values of a knob; NaN in a setting stands for its right value."""
        values = self.turned.get((name, layer))
        if values is None:
            return right
        return np.where(np.isnan(values), right, values)

    def turns(self, name: str, layer: int) -> bool:
        """Whether a knob is turned in any of the settings."""
        return (name, layer) in self.turned


def stack_settings(settings: Sequence[Setting]) -> Dials:
    """Return the dials of several settings."""
    turned: dict[Key, Array] = {}
    for k, setting in enumerate(settings):
        for key, value in setting.items():
            if key not in turned:
                turned[key] = np.full((len(settings), 1, 1), np.nan)
            turned[key][k] = value
    return Dials(turned)


def mask_settings(dials: Dials, keys: Sequence[Key]) -> NDArray[np.bool_]:
    """Return in which of the settings any of some knobs that are off or on is on, shape (K,)."""
    count = max((len(values) for values in dials.turned.values()), default=1)
    on = [np.nan_to_num(dials.turned[key]).ravel() != 0.0 for key in keys if key in dials.turned]
    return np.logical_or.reduce([np.zeros(count, dtype=bool), *on])


def pick_settings(dials: Dials, which: NDArray[np.bool_]) -> Dials:
    """Return the dials of some of the settings."""
    return Dials({key: values[which] for key, values in dials.turned.items()})


def pick_rows(array: Array, which: NDArray[np.bool_]) -> Array:
    """Return an array (time, K or 1, batch, n) of some of the settings."""
    return array[:, which] if array.shape[1] > 1 else array


def put_settings(right: Array, other: Array, which: NDArray[np.bool_], axis: int) -> Array:
    """Return an array of all settings, in some of them that of the other array."""
    shape = list(right.shape)
    shape[axis] = len(which)
    found = np.moveaxis(np.broadcast_to(right, shape).copy(), axis, 0)
    found[which] = np.moveaxis(other, axis, 0)
    return np.moveaxis(found, 0, axis)


def shift_steps(array: Array, steps: int) -> Array:
    """Return an array whose step t is step ``t - steps`` of the given one; zeros come in."""
    if steps == 0:
        return array
    moved = np.zeros_like(array)
    if abs(steps) < len(array):
        if steps > 0:
            moved[steps:] = array[:-steps]
        else:
            moved[:steps] = array[-steps:]
    return moved


def trace_steps(a: Array, leak: Array | float) -> Array:
    """Return the trace of a signal over time: each step, and `leak` of the trace before."""
    found, trace = [], 0.0
    for now in a:
        trace = now + leak * trace
        found.append(trace)
    return np.stack(np.broadcast_arrays(*found))


def mix(
    dials: Dials, layer: int, right: Array, others: Mapping[str, Array | Callable[[], Array]]
) -> Array:
    """Return ``right + sum_i m_i (other_i - right)``, m_i the values of the knobs of that name.

    Where few of many are turned, functions give the others.
    """
    found = right
    for name, other in others.items():
        if dials.turns(name, layer):
            other = other() if callable(other) else other
            found = found + dials.read(name, layer, 0.0) * (other - right)
    return found


def round_back(dials: Dials, index: int, what: str, g: Array) -> Array:
    """Return what comes back through something that is rounded forth and back."""
    turned = [name for name in CASTS if dials.turns(f"{what} in {name}", index)]
    return mix(dials, index, g, {f"{what} in {name}": CASTS[name](g) for name in turned})


def multiply(dials: Dials, a: Array, b: Array) -> Array:
    """Return a product as it is computed, in TF32 where that is turned."""
    if not dials.turns("products in TF32", WHOLE):
        return a @ b
    share = dials.read("products in TF32", WHOLE, 0.0)
    right = a @ b
    return right + share * (round_product(a) @ round_product(b) - right)
