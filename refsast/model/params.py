"""The parameters of a network, as a tuple of records or as one flat vector."""

from collections.abc import Callable, Iterable
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
        Feed-forward weights, potential per input spike; of a `Conv2d` as its `weight_shape`.
    b : (n_out,) array or None
        Bias, potential per step; of a `Conv2d` one per channel.
    v : (n_out, n_out) array or None
        Recurrent weights, potential per spike of the previous step.
    leak, threshold, synapse_leak : array of shape () or (n_out,), or None
        What a `GLIF` has learned, see `Learned`.
    start : (n_out,) array or None
        Potentials before the first step, where they are learned.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> layer = rs.Layer(w=np.eye(2), b=np.zeros(2))
    >>> layer.v is None
    True
    >>> rs.flatten((layer,))
    array([1., 0., 0., 1., 0., 0.])
    """

    w: Array
    b: Array | None = None
    v: Array | None = None
    leak: Array | None = None
    threshold: Array | None = None
    synapse_leak: Array | None = None
    start: Array | None = None


Params: TypeAlias = tuple[Layer, ...]
WEIGHTS = ("w", "b", "v")  # what layers of LIF neurons have
ARRAY_NAMES = (*WEIGHTS, "leak", "threshold", "synapse_leak", "start")  # as in the flat vector


def flatten(params: Params) -> Array:
    """Return all parameters as one vector.

    Parameters
    ----------
    params : tuple of Layer
        Any parameters.

    Returns
    -------
    (p,) array
        Layer after layer, each as w, b, v and what its neurons have learned, row-major.

    Examples
    --------
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> rs.flatten(params).shape  # 3 x 2 weights and 3 biases
    (9,)
    """
    return np.concatenate([array.ravel() for array in param_arrays(params)])


def allocate_like(params: Params) -> Params:
    """Return parameters of the same shapes as views of one new vector, which has no values yet."""
    arrays = param_arrays(params)
    return _view_as(params, np.empty(sum(array.size for array in arrays), arrays[0].dtype))


def as_vector(params: Params) -> Array:
    """Return what `flatten` does; no copy, where `allocate_like` made the parameters."""
    arrays = param_arrays(params)
    vector = arrays[0].base
    if vector is None or vector.shape != (sum(array.size for array in arrays),):
        return flatten(params)
    views = param_arrays(_view_as(params, vector))
    pairs = zip(arrays, views, strict=True)
    same = all(a.__array_interface__ == b.__array_interface__ for a, b in pairs)
    return vector if same else flatten(params)


def _view_as(params: Params, vector: Array) -> Params:
    """Pieces of a vector in the shapes of parameters."""
    arrays = param_arrays(params)
    pieces = np.split(vector, np.cumsum([array.size for array in arrays])[:-1])
    return replace_arrays(params, (p.reshape(a.shape) for p, a in zip(pieces, arrays, strict=True)))


def layer_arrays(layer: Layer) -> dict[str, Array]:
    """Return the arrays that a layer has, by name, in the order of the flat vector."""
    arrays = {name: getattr(layer, name) for name in ARRAY_NAMES}
    return {name: array for name, array in arrays.items() if array is not None}


def param_arrays(params: Params) -> tuple[Array, ...]:
    """Return all arrays of the parameters, in the order of the flat vector."""
    return tuple(array for layer in params for array in layer_arrays(layer).values())


def replace_arrays(params: Params, arrays: Iterable[Array]) -> Params:
    """Return parameters of the same structure made of `arrays`, in the order of `param_arrays`."""
    rest = iter(arrays)
    return tuple(Layer(**{name: next(rest) for name in layer_arrays(layer)}) for layer in params)


def map_params(function: Callable[[Array], Array], params: Params) -> Params:
    """Return the parameters with ``function(array)`` in place of every array."""
    return replace_arrays(params, map(function, param_arrays(params)))


def cast_float64(array: Array) -> Array:
    """Return an array in double precision, real or complex; always a copy."""
    return array.astype(np.result_type(array, np.float64))
