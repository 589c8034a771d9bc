"""The doors: what is checked once where a network, parameters and data come in."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsast.arrays import Array, Integers, as_array
from refsast.model.network import Network
from refsast.model.params import Layer, Params, parts


def checked(
    network: Network, params: Params, x: ArrayLike, y: ArrayLike
) -> tuple[Params, Array, Integers]:
    """Check parameters, input and labels; as `checked_input`, which says what is checked."""
    params, x = checked_input(network, params, x)
    return params, x, checked_labels(y, x.shape[1], network.classes)


def checked_input(network: Network, params: Params, x: ArrayLike) -> tuple[Params, Array]:
    """Check what came through a door.

    Parameters
    ----------
    network : Network
        Says what is wanted.
    params : tuple of Layer
        Must have its shapes, finite numbers, and one dtype.
    x : (time, batch, n_in) array
        Input spikes or values; finite, at least one step and one recording.

    Returns
    -------
    params : tuple of Layer
        As arrays.
    x : (time, batch, n_in) array
        In the dtype of the parameters.

    Raises
    ------
    ValueError
        If anything is not as it must be.
    """
    params = checked_params(network, params)
    if isinstance(x, np.ndarray) and x.dtype.kind in "biu":
        x = x.astype(params[0].w.dtype)  # spikes: once, to what they will be multiplied with
    x = as_array(x, "x", ("time", "batch", network.sizes[0]))
    dtype = np.result_type(params[0].w, np.complex128 if np.iscomplexobj(x) else np.float32)
    if x.dtype != dtype:
        with np.errstate(over="ignore"):
            x = as_array(x.astype(dtype), "x")  # what is too large for float32 is not finite
    if 0 in x.shape:
        raise ValueError(f"x must have at least one step and one recording, got shape {x.shape}")
    return params, x


def checked_params(network: Network, params: Params, name: str = "params") -> Params:
    """Return `params` as arrays, or say which one does not belong to `network`."""
    if not isinstance(network, Network):
        raise ValueError(f"network must be a Network, got {type(network).__name__}")
    if not isinstance(params, Sequence) or not all(isinstance(p, Layer) for p in params):
        raise ValueError(f"{name} must be a tuple of Layer records, got {type(params).__name__}")
    if len(params) != len(network.shapes):
        raise ValueError(f"{name} must have {len(network.shapes)} layers, got {len(params)}")
    layers = []
    for i, (layer, shapes) in enumerate(zip(params, network.shapes, strict=True)):
        got = parts(layer)
        if set(got) != set(shapes):
            raise ValueError(f"{name}[{i}] must have {sorted(shapes)}, got {sorted(got)}")
        layers.append(Layer(**{k: as_array(got[k], f"{name}[{i}].{k}", shapes[k]) for k in shapes}))
    dtypes = {array.dtype for layer in layers for array in parts(layer).values()}
    if len(dtypes) > 1:
        raise ValueError(f"{name} must share one dtype, got {sorted(map(str, dtypes))}")
    return tuple(layers)


def checked_labels(y: ArrayLike, batch: int, classes: int) -> Integers:
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


def checked_recordings(
    network: Network, x: ArrayLike, y: ArrayLike, name: str = "x"
) -> tuple[NDArray[np.generic], Integers]:
    """Check shapes and labels of a set of recordings; its numbers are checked as they are used."""
    x = np.asarray(x)
    wanted = f"(time, n, {network.sizes[0]})"
    if x.ndim != 3 or x.shape[2] != network.sizes[0] or 0 in x.shape:
        raise ValueError(f"{name} must have shape {wanted}, got {x.shape}")
    if x.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold real numbers, got dtype {x.dtype}")
    return x, checked_labels(y, x.shape[1], network.classes)
