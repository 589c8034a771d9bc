"""The parameters of a network, as a tuple of records or as one flat vector."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array


@dataclass(frozen=True, eq=False)
class Layer:
    """The parameters of one layer.

    Attributes
    ----------
    w : (n_out, n_in) array
        Feed-forward weights, potential per input spike.
    b : (n_out,) array or None
        Bias, potential per step.
    v : (n_out, n_out) array or None
        Recurrent weights, potential per spike of the previous step.
    """

    w: Array
    b: Array | None = None
    v: Array | None = None


Params: TypeAlias = tuple[Layer, ...]
ARRAY_NAMES = ("w", "b", "v")  # the order in the flat vector


def flatten(params: Params) -> Array:
    """Return all parameters as one vector.

    Parameters
    ----------
    params : tuple of Layer
        Any parameters.

    Returns
    -------
    (p,) array
        Layer after layer, each as w, b, v, in row-major order.
    """
    return np.concatenate(
        [part.ravel() for layer in params for part in layer_arrays(layer).values()]
    )


def layer_arrays(layer: Layer) -> dict[str, Array]:
    """Return the arrays that a layer has, by name, in the order of the flat vector."""
    found = {part: getattr(layer, part) for part in ARRAY_NAMES}
    return {part: array for part, array in found.items() if array is not None}


def map_params(function: Callable[[Array], Array], params: Params) -> Params:
    """Return the parameters with ``function(array)`` in place of every array."""
    return tuple(
        Layer(**{k: function(a) for k, a in layer_arrays(layer).items()}) for layer in params
    )
