"""Maxima that rounding decides: two numbers so near each other that either may be the larger.

Rule 1: an exact tie is clear: from the same terms every implementation computes the same numbers,
        and the first counts. Extended precision tells it from one that rounding made.
"""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import Array
from refsast.crosscheck.case import Case, cast_params
from refsast.gradient.rounding import ErrorBounds
from refsast.model.connections.chain import Connection, trace_values
from refsast.model.connections.conv2d import Conv2d
from refsast.model.connections.dense import Dense
from refsast.model.connections.flatten import Flatten
from refsast.model.connections.pool2d import AvgPool2d, MaxPool2d, pool_index
from refsast.model.connections.skip import Skip
from refsast.model.connections.windows import Shape, look_up
from refsast.model.network import Network, replace_spikes
from refsast.model.output_potential import output_potentials
from refsast.model.params import Layer
from refsast.model.readout import MaxPotential
from refsast.model.spike import heaviside
from refsast.model.unroll import unroll

Flags: TypeAlias = NDArray[np.bool_]
ROUNDINGS = 4.0  # of a sum of products, in units of the sum of their magnitudes


def has_maxima(network: Network) -> bool:
    """Return whether a network takes the largest of several numbers anywhere."""
    pooled = any(isinstance(part, MaxPool2d) for chain in network.chains for part in chain)
    return pooled or isinstance(network.readout, MaxPotential)


def find_close_maxima(case: Case, tolerance: ErrorBounds, dtype: np.dtype) -> Flags:
    """Return in which recordings, (batch,) of bool, a maximum is one that rounding decides."""
    network = case.network
    unclear = np.zeros(len(case.y), bool)
    if not has_maxima(network):
        return unclear
    run = replace_spikes(network, lambda _: heaviside) if case.hard else network
    params, x = cast_params(case.params, np.longdouble), case.x.astype(np.longdouble)
    spikes = unroll(run, params, x).s  # pyright: ignore[reportArgumentType]
    values = [_as_rows(each) for each in (x, *spikes)]  # pyright: ignore[reportArgumentType]
    near = [_as_rows(each) for each in (np.zeros(x.shape), *tolerance.s)]
    for i in range(network.depth):
        for close in _close_windows(network, i, params[i], values, near, dtype):
            unclear |= close.reshape(len(x), len(case.y), -1).any(axis=(0, 2))
    if isinstance(network.readout, MaxPotential):
        unclear |= _close_potentials(network.readout, params[-1], spikes[-1], tolerance, dtype)
    return unclear


def _as_rows(a: Array) -> Array:
    return a.reshape(a.shape[0] * a.shape[1], -1)


def _close_windows(
    network: Network,
    i: int,
    layer: Layer,
    values: Sequence[Array],
    near: Sequence[Array],
    dtype: np.dtype,
) -> Iterator[Flags]:
    """Which windows of a layer's maxima are close, (rows, windows)."""
    chain, shapes = network.chains[i], network.chain_shapes[i]
    if not any(isinstance(part, MaxPool2d) for part in chain):
        return
    spread = near[i]
    traced = trace_values(chain, shapes, layer, values[: i + 1])
    for part, shape, a in zip(chain, shapes, traced, strict=False):
        if isinstance(part, MaxPool2d):
            index = pool_index(part, shape)
            windows, errors = look_up(a, index, outside=-np.inf), look_up(spread, index)
            yield _is_close(windows, errors, axis=2).reshape(len(a), -1)
        spread = _spread(part, shape, layer, a, spread, near, dtype)


def _is_close(values: Array, near: Array, axis: int) -> Flags:
    """Whether another than the first of the largest along an axis may be larger."""
    first = np.expand_dims(values.argmax(axis=axis), axis)
    largest, error = (np.take_along_axis(side, first, axis) for side in (values, near))
    behind = largest - values
    return np.asarray(((behind > 0.0) & (behind <= near + error)).any(axis=axis))


def _spread(
    part: Connection,
    shape: Shape,
    layer: Layer,
    a: Array,
    near: Array,
    earlier: Sequence[Array],
    dtype: np.dtype,
) -> Array:
    """By how much rounding moves what comes out of a map, of what it moves that which comes in."""
    unit = ROUNDINGS * float(np.finfo(dtype).eps)
    if isinstance(part, Skip):
        return near + earlier[part.layer]
    if isinstance(part, Conv2d | Dense):
        w, b = abs(layer.w), None if layer.b is None else abs(layer.b)
        return part(w, None, near, shape) + unit * part(w, b, abs(a), shape)
    if isinstance(part, AvgPool2d):
        return part(near, shape) + unit * part(abs(a), shape)
    assert isinstance(part, Flatten | MaxPool2d)
    return part(near, shape)


def _close_potentials(
    readout: MaxPotential, layer: Layer, s: Array, tolerance: ErrorBounds, dtype: np.dtype
) -> Flags:
    """In which recordings the largest potential over time is one that rounding decides."""
    w, b = abs(layer.w), None if layer.b is None else abs(layer.b)
    unit = ROUNDINGS * float(np.finfo(dtype).eps)
    moved = output_potentials(readout.leak, Layer(w), tolerance.s[-1])
    moved = moved + unit * output_potentials(readout.leak, Layer(w, b), abs(s))
    v = output_potentials(readout.leak, layer, s)
    return np.asarray(_is_close(v, moved, axis=0).any(axis=1))
