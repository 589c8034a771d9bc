"""Currents that are normalised, or rectified, by mistake: over recordings, neurons, steps, too.

Rule 1: what is normalised over recordings makes a recording depend on others, so that one that is
        asked alone has another loss than in its batch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.diagnose.knobs.dials import Dials, mix

EPSILON = 1e-5  # what PyTorch adds to a variance
STEPS, RECORDINGS, NEURONS = -4, -2, -1  # axes of (time, K, batch, n)


@dataclass(frozen=True)
class Change:
    """What is made of currents.

    Attributes
    ----------
    axes : tuple of int
        Over which of them numbers depend on each other.
    apply : callable
        ``apply(current)``.
    pull : callable
        ``pull(current, g)``: what the currents receive where what is made of them receives g.
    """

    axes: tuple[int, ...]
    apply: Callable[[Array], Array]
    pull: Callable[[Array, Array], Array]


def _centre(*axes: int) -> Change:
    """The mean taken off."""

    def off(a: Array) -> Array:
        return a - a.mean(axis=axes, keepdims=True)

    return Change(axes, off, lambda current, g: off(g))


def _standardise(*axes: int) -> Change:
    """The mean taken off, and what is left divided by its deviation."""
    off = _centre(*axes).apply

    def deviation(current: Array) -> Array:
        return np.sqrt((off(current) ** 2).mean(axis=axes, keepdims=True) + EPSILON)

    def apply(current: Array) -> Array:
        return off(current) / deviation(current)

    def pull(current: Array, g: Array) -> Array:
        unit = apply(current)
        along = (g * unit).mean(axis=axes, keepdims=True)
        return (off(g) - unit * along) / deviation(current)

    return Change(axes, apply, pull)


RECTIFIED = "currents at least zero"
NORMALISATIONS: Mapping[str, Change] = {
    "currents centred over recordings": _centre(RECORDINGS),
    "currents centred over neurons": _centre(NEURONS),
    "currents centred over recordings and neurons": _centre(RECORDINGS, NEURONS),
    "currents normalised over recordings": _standardise(RECORDINGS),
    "currents normalised over neurons": _standardise(NEURONS),
    RECTIFIED: Change(
        (), lambda a: np.maximum(a, 0.0), lambda current, g: np.where(current > 0.0, g, 0.0)
    ),
}
# The same, of the input of all steps at once.
OVER_STEPS: Mapping[str, Change] = {
    "input centred over steps and recordings": _centre(STEPS, RECORDINGS),
    "input normalised over steps and recordings": _standardise(STEPS, RECORDINGS),
    "input centred over steps": _centre(STEPS),
}
# The same, of W a alone: before a bias is added, and what is fed back.
OF_PRODUCT: Mapping[str, Change] = {
    "products centred over recordings": _centre(RECORDINGS),
    "products normalised over recordings": _standardise(RECORDINGS),
    "products normalised over neurons": _standardise(NEURONS),
    "products normalised over steps and recordings": _standardise(STEPS, RECORDINGS),
}
OVER_RECORDINGS = tuple(
    name
    for name, change in {**NORMALISATIONS, **OVER_STEPS, **OF_PRODUCT}.items()
    if RECORDINGS in change.axes
)


def normalise(dials: Dials, index: int, current: Array, kinds: Mapping[str, Change]) -> Array:
    """Return currents as they are used."""
    others = {name: partial(change.apply, current) for name, change in kinds.items()}
    return mix(dials, index, current, others)


def pull_back(
    dials: Dials, index: int, current: Array, g: Array, kinds: Mapping[str, Change]
) -> Array:
    """Return what the currents receive where they are normalised."""
    others = {name: partial(change.pull, current, g) for name, change in kinds.items()}
    return mix(dials, index, g, others)
