"""What may be added to a loss by mistake: penalties on spikes and on parameters.

Rule 1: each has a weight; a penalty on spikes is of all layers, or of one alone.
Rule 2: one may be in the gradient alone, where the loss is reported without it.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Dials
from refsast.model.params import ARRAY_NAMES, Layer, layer_arrays

# Of the mean over recordings, too: what a recording adds depends on the others of its batch.
SQUARED_RATES = "penalty on squared rates over the batch"


def _squared_rates(s: Array, count: int) -> tuple[Array, Array]:
    """Squares of the mean spikes over steps and recordings, summed, over so many."""
    rates = s.mean(axis=(0, -2), keepdims=True)
    slope = np.broadcast_to(2.0 * rates / (len(s) * count), s.shape)
    return (rates[0] ** 2).sum(axis=-1) / count, slope


# Of the spikes (time, K, batch, n) of a layer: a penalty for each recording, and its derivative.
PENALTIES: Mapping[str, Callable[[Array], tuple[Array, Array | float]]] = {
    "penalty on all spikes": lambda s: (s.sum(axis=(0, -1)), 1.0),
    "penalty on spike rates": lambda s: (s.mean(axis=(0, -1)), 1.0 / (len(s) * s.shape[-1])),
    "penalty on squared rates": lambda s: (
        (s.mean(axis=0) ** 2).mean(axis=-1),
        2.0 * s.mean(axis=0) / (len(s) * s.shape[-1]),
    ),
    "penalty on summed squared rates": lambda s: (
        (s.mean(axis=0) ** 2).sum(axis=-1),
        2.0 * s.mean(axis=0) / len(s),
    ),
    "penalty on squared spikes": lambda s: (
        (s**2).mean(axis=(0, -1)),
        2.0 * s / (len(s) * s.shape[-1]),
    ),
    "penalty on summed squared spikes": lambda s: ((s**2).sum(axis=(0, -1)), 2.0 * s),
    SQUARED_RATES: lambda s: _squared_rates(s, s.shape[-1]),
    f"{SQUARED_RATES}, summed over neurons": lambda s: _squared_rates(s, 1),
    "penalty on the squared rate of the layer": lambda s: (
        s.mean(axis=(0, -1)) ** 2,
        2.0 * s.mean(axis=(0, -1))[..., None] / (len(s) * s.shape[-1]),
    ),
}
# Of a parameter: what is summed over all entries, and its derivative; of which arrays.
WEIGHT_PENALTIES: Mapping[
    str, tuple[Callable[[Array], Array], Callable[[Array], Array], Sequence[str]]
] = {
    "weight penalty": (lambda a: 0.5 * a**2, lambda a: a, ARRAY_NAMES),
    "penalty on weights without biases": (lambda a: 0.5 * a**2, lambda a: a, ("w", "v")),
    "penalty on feed-forward weights": (lambda a: 0.5 * a**2, lambda a: a, ("w",)),
    "penalty on absolute parameters": (abs, np.sign, ARRAY_NAMES),
    "penalty on absolute weights": (abs, np.sign, ("w", "v")),
    "penalty on absolute feed-forward weights": (abs, np.sign, ("w",)),
}


def penalise_spikes(
    dials: Dials, index: int, s: Array, side: str = ""
) -> tuple[Array | float, Array | float]:
    """Return a penalty on a layer's spikes for each recording, (K, batch), and its slope.

    With a `side`, what is in the gradient alone counts, too.
    """
    loss, slope = 0.0, 0.0
    for name, at in dials.turned:
        penalty = PENALTIES.get(name.removesuffix(side))
        if penalty is not None and at in (WHOLE, index):
            weight = np.asarray(dials.read(name, at, 0.0))
            value, derivative = penalty(s)
            loss, slope = loss + weight[..., 0] * value, slope + weight * derivative
    return loss, slope


def penalise_weights(case: Case, dials: Dials) -> Array | float:
    """Return the penalties on all parameters, shape (K, 1)."""
    found: Array | float = 0.0
    for name, (size, _, parts) in WEIGHT_PENALTIES.items():
        if dials.turns(name, WHOLE):
            arrays = [pair for layer in case.params for pair in layer_arrays(layer).items()]
            whole = sum(float(size(a).sum()) for part, a in arrays if part in parts)
            found = found + np.reshape(dials.read(name, WHOLE, 0.0), (-1, 1)) * whole
    return found


def penalty_slopes(dials: Dials, layer: Layer, part: str) -> Array | float:
    """Return what the penalties on parameters add to a gradient, shape (K, ...)."""
    own, found = getattr(layer, part), 0.0
    for name, (_, slope, parts) in WEIGHT_PENALTIES.items():
        if dials.turns(name, WHOLE) and part in parts:
            weight = np.reshape(dials.read(name, WHOLE, 0.0), (-1, *(1,) * own.ndim))
            found = found + weight * slope(own)
    return found
