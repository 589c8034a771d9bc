"""Currents that are normalised, or rectified, by mistake: over recordings, neurons, steps, too.

Rule 1: what is normalised over recordings makes a recording depend on others, so that one that is
        asked alone has another loss than in its batch.
"""

from collections.abc import Mapping

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.diagnose.knobs.dials import Dials, mix

EPSILON = 1e-5  # what PyTorch adds to a variance
STEPS, RECORDINGS, NEURONS = -4, -2, -1  # axes of (time, K, batch, n)
RECTIFIED = "currents at least zero"  # over no axes
# Over which axes the mean is taken off, and whether what is left is divided by its deviation.
NORMALISATIONS: Mapping[str, tuple[tuple[int, ...], bool]] = {
    "currents centred over recordings": ((RECORDINGS,), False),
    "currents centred over neurons": ((NEURONS,), False),
    "currents centred over recordings and neurons": ((RECORDINGS, NEURONS), False),
    "currents normalised over recordings": ((RECORDINGS,), True),
    "currents normalised over neurons": ((NEURONS,), True),
    RECTIFIED: ((), False),
}
# The same, of the input of all steps at once.
OVER_STEPS: Mapping[str, tuple[tuple[int, ...], bool]] = {
    "input centred over steps and recordings": ((STEPS, RECORDINGS), False),
    "input normalised over steps and recordings": ((STEPS, RECORDINGS), True),
    "input centred over steps": ((STEPS,), False),
}
# The same, of W a alone: before a bias is added, and what is fed back.
OF_PRODUCT: Mapping[str, tuple[tuple[int, ...], bool]] = {
    "products centred over recordings": ((RECORDINGS,), False),
    "products normalised over recordings": ((RECORDINGS,), True),
    "products normalised over neurons": ((NEURONS,), True),
    "products normalised over steps and recordings": ((STEPS, RECORDINGS), True),
}
OVER_RECORDINGS = tuple(
    name
    for name, (axes, _) in {**NORMALISATIONS, **OVER_STEPS, **OF_PRODUCT}.items()
    if RECORDINGS in axes
)


def normalise(
    dials: Dials, index: int, current: Array, kinds: Mapping[str, tuple[tuple[int, ...], bool]]
) -> Array:
    """Return currents as they are used."""
    turned = {name: kind for name, kind in kinds.items() if dials.turns(name, index)}
    return mix(dials, index, current, {name: _apply(current, *turned[name]) for name in turned})


def pull_back(
    dials: Dials, index: int, current: Array, g: Array,
    kinds: Mapping[str, tuple[tuple[int, ...], bool]],
) -> Array:  # fmt: skip
    """Return what the currents receive where they are normalised."""
    turned = {name: kind for name, kind in kinds.items() if dials.turns(name, index)}
    return mix(dials, index, g, {name: _pull(current, g, *turned[name]) for name in turned})


def _apply(current: Array, axes: tuple[int, ...], divided: bool) -> Array:
    if not axes:
        return np.maximum(current, 0.0)
    off = current - current.mean(axis=axes, keepdims=True)
    return off / _deviation(off, axes) if divided else off


def _deviation(off: Array, axes: tuple[int, ...]) -> Array:
    return np.sqrt((off**2).mean(axis=axes, keepdims=True) + EPSILON)


def _pull(current: Array, g: Array, axes: tuple[int, ...], divided: bool) -> Array:
    if not axes:
        return np.where(current > 0.0, g, 0.0)
    off = g - g.mean(axis=axes, keepdims=True)
    if not divided:
        return off
    own = current - current.mean(axis=axes, keepdims=True)
    deviation = _deviation(own, axes)
    unit = own / deviation
    return (off - unit * (g * unit).mean(axis=axes, keepdims=True)) / deviation
