"""What is checked, once, where a network, parameters and data come in from outside.

Every function returns arrays, or raises a ValueError: NAME must REQUIREMENT, got VALUE.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsast.arrays import (
    Array,
    Integers,
    as_array,
    format_shape,
    require_floats,
    require_fraction,
    require_numeric,
    require_positive,
    shape_matches,
)
from refsast.model.network import Network, learned_numbers
from refsast.model.params import Layer, Params, cast_float64, layer_arrays, map_params
from refsast.spikes import Spikes, validate_spikes


def validate(
    network: Network, params: Params, x: ArrayLike | Spikes, y: ArrayLike
) -> tuple[Params, Array, Integers]:
    """Return parameters and input as `validate_run` does, and the labels as integers."""
    params, x = validate_run(network, params, x)
    return params, x, validate_labels(y, x.shape[1], network.classes)


def validate_float64(
    network: Network, params: Params, x: ArrayLike | Spikes, y: ArrayLike
) -> tuple[Params, Array, Integers]:
    """`validate`, with the parameters, and so the input, in double precision."""
    params = map_params(cast_float64, validate_params(network, params))
    return validate(network, params, x, y)


def validate_run(network: Network, params: Params, x: ArrayLike | Spikes) -> tuple[Params, Array]:
    """Return parameters and input as finite arrays; the input in the dtype of the parameters.

    Floating-point input of more precision than float32 parameters is rounded to theirs; complex
    input stays complex.
    """
    params, given = validate_params(network, params), validate_input(network, x)
    dtype = params[0].w.dtype
    if isinstance(given, Spikes):
        return params, require_floats(given.dense(dtype), "x")
    if given.dtype.kind in "biu":  # spikes: once, to what they will be multiplied with
        return params, require_floats(given.astype(dtype), "x")
    x = as_array(given, "x")
    dtype = np.result_type(dtype, np.complex128 if np.iscomplexobj(x) else np.float32)
    if x.dtype != dtype:
        with np.errstate(over="ignore"):
            x = as_array(x.astype(dtype), "x")  # what is too large for float32 is not finite
    return params, x


def validate_input(network: Network, x: ArrayLike | Spikes) -> NDArray[np.generic] | Spikes:
    """Return a batch of the right shape; whether its numbers are finite is not looked at."""
    if not isinstance(x, Spikes):
        x = require_numeric(x, "x")
    wanted = ("time", "batch", network.sizes[0])
    if not shape_matches(x.shape, wanted):
        raise ValueError(f"x must have shape {format_shape(wanted)}, got {format_shape(x.shape)}")
    if 0 in x.shape:
        raise ValueError(f"x must have at least one step and one recording, got shape {x.shape}")
    if isinstance(x, Spikes):
        validate_spikes(x, "x")
    return x


def validate_params(
    network: Network, params: Params, name: str = "params", read: Callable[..., Array] = as_array
) -> Params:
    """Return `params` as arrays, each as ``read`` returns it, or say which one is wrong.

    What neurons learn must lie in its range; of complex numbers the real part counts.
    """
    params = validate_layout(network, params, name, read)
    require_range(network, params, name)
    return params


def require_range(network: Network, params: Params, name: str) -> None:
    """Raise ValueError unless what neurons learn as it is lies in its range."""
    for i, (neuron, layer) in enumerate(zip(network.neurons, params, strict=False)):
        for part, value in learned_numbers(neuron).items():
            if part == "start" or value.sigmoid:
                continue
            where = f"{name}[{i}].{part}"
            require = require_positive if part == "threshold" else require_fraction
            for number in as_array(getattr(layer, part), where).real.ravel():
                require(number, where)


def validate_layout(
    network: Network, params: Params, name: str, read: Callable[..., Array] = as_array
) -> Params:
    """Return `params` as `validate_params` does, in any range: also a direction or a gradient."""
    if not isinstance(network, Network):
        raise ValueError(f"network must be a Network, got {type(network).__name__}")
    if not isinstance(params, Sequence) or not all(isinstance(p, Layer) for p in params):
        raise ValueError(f"{name} must be a tuple of Layer records, got {type(params).__name__}")
    if len(params) != len(network.shapes):
        raise ValueError(f"{name} must have {len(network.shapes)} layers, got {len(params)}")
    layers = []
    for i, (layer, shapes) in enumerate(zip(params, network.shapes, strict=True)):
        got = layer_arrays(layer)
        if set(got) != set(shapes):
            raise ValueError(f"{name}[{i}] must have {sorted(shapes)}, got {sorted(got)}")
        layers.append(Layer(**{k: read(got[k], f"{name}[{i}].{k}", shapes[k]) for k in shapes}))
    # One dtype, since it is that of the whole computation.
    dtypes = {array.dtype for layer in layers for array in layer_arrays(layer).values()}
    if len(dtypes) > 1:
        raise ValueError(f"{name} must share one dtype, got {sorted(map(str, dtypes))}")
    return tuple(layers)


def validate_real_params(network: Network, params: Params) -> Params:
    """Return `params` as arrays of real numbers, or say which one is wrong."""
    params = validate_params(network, params)
    if params[0].w.dtype.kind == "c":
        raise ValueError(f"params must be real, got dtype {params[0].w.dtype}")
    return params


def validate_labels(y: ArrayLike, batch: int, classes: int) -> Integers:
    """Return the labels as integers, or say what is wrong with them."""
    try:
        labels = np.asarray(y)
    except ValueError as error:  # ragged nesting
        raise ValueError(f"y must have shape ({batch},), got a ragged one") from error
    if labels.shape != (batch,):
        raise ValueError(f"y must have shape ({batch},), got {labels.shape}")
    if labels.dtype.kind not in "iu":
        raise ValueError(f"y must hold integers, got dtype {labels.dtype}")
    if not ((labels >= 0) & (labels < classes)).all():
        worst = labels[(labels < 0) | (labels >= classes)][0]
        raise ValueError(f"y must lie in [0, {classes}), got {worst}")
    return labels


def validate_dataset(
    network: Network, x: ArrayLike | Spikes, y: ArrayLike, name: str = "x"
) -> tuple[NDArray[np.generic] | Spikes, Integers]:
    """Check shapes and labels of a set of recordings; its numbers are checked as they are used."""
    if isinstance(x, Spikes):
        validate_spikes(x, name)
    else:
        x = np.asarray(x)
    wanted = f"(time, n, {network.sizes[0]})"
    if len(x.shape) != 3 or x.shape[2] != network.sizes[0] or 0 in x.shape:
        raise ValueError(f"{name} must have shape {wanted}, got {x.shape}")
    if not isinstance(x, Spikes) and x.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold real numbers, got dtype {x.dtype}")
    return x, validate_labels(y, x.shape[1], network.classes)
