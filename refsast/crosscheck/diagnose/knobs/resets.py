"""Resets that a neuron may have by mistake: what is taken off, and by which spike.

Rule 1: a spike resets by a function of it, the identity where nothing is wrong, whose derivative
        the gradient passes on its way back through the reset.
"""

from collections.abc import Callable, Mapping

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.diagnose.knobs.dials import Dials, mix
from refsast.model.lif import LIF
from refsast.model.reset import NoReset, Subtract, ToZero

# Of a reset: what a full spike takes off, per leaked potential, threshold, leaked threshold, drive.
RESETS = {
    "reset to zero": (1.0, 0.0, 0.0, 0.0),
    "unleaked subtraction": (0.0, 1.0, 0.0, 0.0),
    "leaked subtraction": (0.0, 0.0, 1.0, 0.0),
    "no reset": (0.0, 0.0, 0.0, 0.0),
    "reset of the input too": (1.0, 0.0, 0.0, 1.0),
    "reset by any spike": (1.0, 0.0, 0.0, 0.0),  # that is not quite none, and detached
}


def _spare_neuron(neuron: int) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """Spikes of all neurons of a layer but one, and the derivative."""

    def mask(s: Array) -> Array:
        return np.where(np.arange(s.shape[-1]) == neuron % s.shape[-1], 0.0, np.ones(s.shape))

    return lambda s: mask(s) * s, mask


UNRESET_NEURONS = {"reset of all but the last neuron": -1, "reset of all but the first neuron": 0}
# What resets in place of a spike s, and its derivative. Hard spikes have none, unless the gradient
# is passed straight through them.
RESET_SPIKES: Mapping[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "hard reset": (lambda s: np.where(s >= 0.5, 1.0, 0.0), np.zeros_like),
    "hard reset, attached": (lambda s: np.where(s >= 0.5, 1.0, 0.0), np.ones_like),
    "reset by any spike": (lambda s: np.where(s != 0.0, 1.0, 0.0), np.ones_like),
    "reset factor squared": (lambda s: s * (2.0 - s), lambda s: 2.0 - 2.0 * s),
    **{name: _spare_neuron(neuron) for name, neuron in UNRESET_NEURONS.items()},
    "reset by the squared spike": (lambda s: s * s, lambda s: 2.0 * s),
    "reset by the root of the spike": (np.sqrt, lambda s: 0.5 / np.sqrt(np.maximum(s, 1e-300))),
}
FIRST_RESETS = "reset by the spikes of the first recording"
OFTEN = "reset as often as the threshold fits"


def reset_name(neuron: LIF) -> str:
    """Return which of `RESETS` is the right one."""
    if isinstance(neuron.reset, ToZero):
        return "reset to zero"
    if isinstance(neuron.reset, NoReset):
        return "no reset"
    assert isinstance(neuron.reset, Subtract)
    return "leaked subtraction" if neuron.reset.leaked else "unleaked subtraction"


def reset_parts(neuron: LIF, index: int, dials: Dials, side: str = "") -> list[Array | float]:
    """Return the parts of a layer's reset; `side` is that of its knobs."""
    right = RESETS[reset_name(neuron)]
    found: list[Array | float] = list(right)
    for name, parts in RESETS.items():
        if dials.turns(name + side, index):
            share = dials.read(name + side, index, 0.0)
            found = [f + share * (p - r) for f, p, r in zip(found, parts, right, strict=True)]
    return found


def reset_spikes(dials: Dials, index: int, s: Array) -> Array:
    """Return what resets in place of spikes."""
    turned = _turned_spikes(dials, index)
    return mix(dials, index, s, {name: RESET_SPIKES[name][0](s) for name in turned})


def reset_slopes(dials: Dials, index: int, s: Array) -> Array | float:
    """Return the derivative of what resets in the spikes."""
    turned = _turned_spikes(dials, index)
    if not turned:
        return 1.0
    one = np.ones(s.shape)
    return mix(dials, index, one, {name: RESET_SPIKES[name][1](s) for name in turned})


def choose_resets(dials: Dials, index: int, s: Array) -> Array:
    """Return the spikes that reset: by mistake those of the first recording in all of them."""
    first = {FIRST_RESETS: lambda: np.broadcast_to(s[..., :1, :], s.shape)}
    return mix(dials, index, s, first)


def count_resets(neuron: LIF, dials: Dials, index: int, s: Array, u: Array) -> Array:
    """Return spikes, or what they receive, as often as the threshold fits, by mistake."""
    often = {OFTEN: lambda: s * np.maximum(np.floor(u / neuron.threshold), 1.0)}
    return mix(dials, index, s, often)


def _turned_spikes(dials: Dials, index: int) -> list[str]:
    return [name for name in RESET_SPIKES if dials.turns(name, index)]
