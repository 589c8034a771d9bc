"""The weights that a layer computes with, by mistake not its own, and what it makes of its input.

Rule 1: a changed weight is used forth and back; its gradient is that of the weight in use (passed
        straight through), but for absolute values and clips, which may be derived, too, and for
        weights that are normalised, which are.
"""

import re
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import Array, Integers
from refsast.crosscheck.diagnose.knobs.dials import Dials, mix, multiply
from refsast.crosscheck.diagnose.knobs.normalisation import OF_PRODUCT, normalise
from refsast.crosscheck.diagnose.knobs.precision import (
    LAYER_FORMATS,
    WEIGHT_ROUNDINGS,
    round_to_grid,
)
from refsast.model.params import Layer

# One entry of the matrix through which a gradient goes to the layer below.
BACKWARD_ENTRY = re.compile(r"backward weight (\d+) (\d+)")
DERIVED = ", derived"
# What the gradient in weights makes of that in those in use.
PULLS: Mapping[str, Callable[[Array, Array], Array]] = {
    "weights as absolute values": lambda w, g: g * np.sign(w),
    "weights at least zero": lambda w, g: g * (w >= 0.0),
    "weights within -1 and 1": lambda w, g: g * (abs(w) <= 1.0),
}
NOT_V = " (not V)"
GRIDS = (2, 4, 8, 10, 16, 32, 64, 100, 128, 256)
# Of W and V, not of biases.
PLAIN_CHANGES: Mapping[str, Callable[[Array], Array]] = {
    "weights as absolute values": abs,
    "weights at least zero": lambda a: np.maximum(a, 0.0),
    "weights within -1 and 1": lambda a: np.clip(a, -1.0, 1.0),
    **{f"weights in steps of 1/{n}": lambda a, n=n: round_to_grid(a, 1.0 / n) for n in GRIDS},
    **{name.replace("parameters", "weights"): f for name, f in WEIGHT_ROUNDINGS.items()},
}


def _standardise(axes: tuple[int, ...]) -> Callable[[Array], Array]:
    def change(w: Array) -> Array:
        off = w - w.mean(axis=axes, keepdims=True)
        return off / _deviation(off, axes)

    return change


def _deviation(off: Array, axes: tuple[int, ...]) -> Array:
    """The deviation as PyTorch has it: squares are averaged over one value fewer."""
    count = off.size // off.mean(axis=axes).size
    square = (off**2).sum(axis=axes, keepdims=True) / max(count - 1, 1)
    return np.where(square == 0.0, 1.0, np.sqrt(square))


def _pull_standardised(axes: tuple[int, ...]) -> Callable[[Array, Array], Array]:
    def pull(w: Array, g: Array) -> Array:
        deviation = _deviation(w - w.mean(axis=axes, keepdims=True), axes)
        unit = _standardise(axes)(w)
        square = (unit**2).sum(axis=axes, keepdims=True)
        along = (g * unit).sum(axis=axes, keepdims=True) / np.where(square == 0.0, 1.0, square)
        return (g - g.mean(axis=axes, keepdims=True) - along * unit) / deviation

    return pull


def _reshape(w: Array) -> Array:
    """A matrix of (inputs, neurons) read as one of (neurons, inputs)."""
    *more, n, n_in = w.shape
    return np.swapaxes(w.reshape(*more, n_in, n), -1, -2)


def _reshape_back(g: Array) -> Array:
    return np.swapaxes(g, -1, -2).reshape(g.shape)


def _row_norms(w: Array) -> Array:
    norm = np.sqrt((w**2).sum(axis=-1, keepdims=True))
    return np.where(norm == 0.0, 1.0, norm)


def _pull_rows(w: Array, g: Array) -> Array:
    unit = w / _row_norms(w)
    return (g - (g * unit).sum(axis=-1, keepdims=True) * unit) / _row_norms(w)


# Weights that are normalised or reshaped before they are used, and what their gradient makes of
# that of those in use.
WEIGHT_NORMS: Mapping[str, tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]] = {
    "weights reshaped, not transposed": (_reshape, lambda w, g: _reshape_back(g)),
    "weights over the norm of each row": (lambda w: w / _row_norms(w), _pull_rows),
    "weights standardised": (_standardise((-2, -1)), _pull_standardised((-2, -1))),
    "weights standardised, each row": (_standardise((-1,)), _pull_standardised((-1,))),
}
WEIGHT_CHANGES = {
    **PLAIN_CHANGES,
    **{name + DERIVED: PLAIN_CHANGES[name] for name in PULLS},
    **{name: change for name, (change, _) in WEIGHT_NORMS.items()},
}
# At which steps, of so many, the bias is added.
BIAS_STEPS: Mapping[str, Callable[[Integers, int], NDArray[np.bool_]]] = {
    "all steps but the first": lambda at, n: at > 0,
    "all steps but the last": lambda at, n: at < n - 1,
    "the last step": lambda at, n: at == n - 1,
    "odd steps": lambda at, n: at % 2 == 0,
    "even steps": lambda at, n: at % 2 == 1,
}


def change_weights(dials: Dials, index: int, w: Array, *, recurrent: bool = False) -> Array:
    """Return the weights in use, shape (K, n, n_in); (n, n_in) where nothing is turned."""
    others = {}
    for name, change in WEIGHT_CHANGES.items():
        ends = ("",) if recurrent else ("", NOT_V)
        others |= {name + end: change for end in ends if dials.turns(name + end, index)}
    found = mix(dials, index, w, {name: change(w) for name, change in others.items()})
    return change_layer(dials, index, found)


def change_layer(dials: Dials, index: int, array: Array) -> Array:
    """Return an array of a layer as it is cast with all others of it, (K, 1, n) of n numbers."""
    turned = [name for name in LAYER_FORMATS if dials.turns(name, index)]
    return mix(dials, index, array, {name: LAYER_FORMATS[name](array) for name in turned})


def backward_weights(dials: Dials, index: int, w: Array) -> Array:
    """Return the weights through which a gradient goes to the layer below, as `change_weights`."""
    w, turned = change_weights(dials, index, w), {}
    for name, at in dials.turned:
        if at == index and (match := BACKWARD_ENTRY.fullmatch(name)):
            turned[int(match[1]), int(match[2])] = dials.read(name, at, np.nan)
    if not turned:
        return w
    found = np.broadcast_to(w, (len(next(iter(turned.values()))), *w.shape[-2:])).copy()
    for (i, j), values in turned.items():
        new = values[:, 0, 0]
        found[:, i, j] = np.where(np.isnan(new), found[:, i, j], new)
    return found


def derive_weights(
    dials: Dials, index: int, w: Array, gradient: Array, *, recurrent: bool = False
) -> Array:
    """Return the gradient in weights from that in the weights in use, shape (K, n, n_in)."""
    pulls = {name + DERIVED: pull for name, pull in PULLS.items()}
    pulls |= {name: pull for name, (_, pull) in WEIGHT_NORMS.items()}
    ends = ("",) if recurrent else ("", NOT_V)
    turned = [(n, end) for n in pulls for end in ends if dials.turns(n + end, index)]
    return mix(dials, index, gradient, {n + end: pulls[n](w, gradient) for n, end in turned})


def weighted_input(layer: Layer, index: int, dials: Dials, a: Array) -> Array:
    """Return ``W a + b`` of all steps."""
    currents = normalise(dials, index, weighted_product(layer, index, dials, a), OF_PRODUCT)
    currents = currents * dials.read("weight gain", index, 1.0)
    if layer.b is not None:
        bias = change_layer(dials, index, layer.b)
        currents = currents + bias_weight(index, dials, len(a)) * bias
    return currents


def weighted_product(layer: Layer, index: int, dials: Dials, a: Array) -> Array:
    """Return ``W a`` of all steps."""
    product = multiply(dials, a, np.swapaxes(change_weights(dials, index, layer.w), -1, -2))
    return mix(dials, index, product, transposed_product(layer, a))


def bias_weight(index: int, dials: Dials, steps: int) -> Array | float:
    """Return how often the bias is added, at each step where that differs (time, K, 1, 1)."""
    gain = dials.read("bias gain", index, 1.0)
    for name in BIAS_STEPS:
        if dials.turns(f"bias at {name}", index):
            kept = BIAS_STEPS[name](np.arange(steps).reshape(-1, 1, 1, 1), steps)
            share = dials.read(f"bias at {name}", index, 0.0)
            gain = gain * (1.0 + share * (np.where(kept, 1.0, 0.0) - 1.0))
    if not dials.turns("bias at the first step", index):
        return gain
    share = dials.read("bias at the first step", index, 0.0)
    later = np.where(np.arange(steps).reshape(-1, 1, 1, 1) > 0, 1.0, 0.0)
    return gain * (1.0 - share * later)


def transposed_product(layer: Layer, a: Array) -> dict[str, Array]:
    """Return ``W' a`` of a square W, under the name of its knob."""
    square = layer.w.shape[0] == layer.w.shape[1]
    return {"transposed weight": a @ layer.w} if square else {}


def recurrent_matrix(layer: Layer, index: int, dials: Dials) -> Array:
    """Return the recurrent weights, shape (K or 1, n, n)."""
    assert layer.v is not None
    others = {
        "recurrence transposed": layer.v.T,
        "recurrence without diagonal": layer.v - np.diag(np.diag(layer.v)),
        "recurrence of the diagonal": np.diag(np.diag(layer.v)),
        "input weights recurrent": layer.w if layer.w.shape == layer.v.shape else layer.v,
    }
    own = change_weights(dials, index, layer.v[None], recurrent=True)
    return dials.read("recurrence gain", index, 1.0) * mix(dials, index, own, others)
