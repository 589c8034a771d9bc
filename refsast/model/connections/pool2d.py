"""Pooling of images: the mean or the largest of each window, channel by channel."""

import math
from dataclasses import dataclass
from functools import reduce

import numpy as np

from refsast.arrays import Array, Integers
from refsast.autodiff import stop_gradient
from refsast.model.connections.windows import (
    Pair,
    Shape,
    add_windows,
    as_images,
    as_pair,
    count_windows,
    look_up,
    place_slices,
    require_image,
    window_index,
)


@dataclass(frozen=True)
class AvgPool2d:
    """The mean of each window; padding counts as zeros.

    Attributes
    ----------
    kernel : int or (int, int)
        Height and width of the window.
    stride : int or (int, int), optional
        Step between windows; by default the kernel, so that they do not overlap.
    padding : int or (int, int)
        Zeros added at each side, at most half of the kernel.

    References
    ----------
    PyTorch ``torch.nn.AvgPool2d`` with its defaults.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> rs.AvgPool2d(2).output_shape((12, 30, 30))
    (12, 15, 15)
    >>> rs.AvgPool2d(2)(np.array([[1.0, 2.0, 3.0, 6.0]]), (1, 2, 2))
    array([[3.]])
    """

    kernel: int | Pair
    stride: int | Pair | None = None
    padding: int | Pair = 0

    def __post_init__(self) -> None:
        _read_sides(self)

    def output_shape(self, shape: Shape) -> Shape:
        """Return channels, height and width of what comes out of an image of this shape."""
        return _pooled_shape(self, shape)

    def __call__(self, a: Array, shape: Shape) -> Array:
        """Return the means, (rows, channels * windows)."""
        kernel, stride, padding, dilation = _geometry(self)
        images = as_images(a, require_image(shape, "AvgPool2d"), padding)
        y, x = map(place_slices, images.shape[2:], kernel, stride, dilation)
        columns = reduce(np.add, [images[..., part, :] for part in y])
        total = reduce(np.add, [columns[..., part] for part in x])
        return total.reshape(len(a), -1) / math.prod(kernel)

    def transpose(self, g: Array, a: Array, shape: Shape) -> Array:
        """Return the cotangent of `a`, (rows, n_in), of that of the value."""
        kernel, (channels, *windows) = _geometry(self)[0], self.output_shape(shape)
        each = g.reshape(len(g), channels, 1, 1, *windows) / math.prod(kernel)
        whole = np.broadcast_to(each, (len(g), channels, *kernel, *windows))
        return add_windows(whole, require_image(shape, "AvgPool2d"), *_geometry(self))


@dataclass(frozen=True)
class MaxPool2d:
    """The largest of each window, the first of several; of spikes, whether any neuron fired.

    Where two are equal it has a kink: the derivative is that of the first.

    Attributes
    ----------
    kernel, stride, padding
        As for `AvgPool2d`; padding is never the largest.

    References
    ----------
    PyTorch ``torch.nn.MaxPool2d``.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> rs.MaxPool2d(2)(np.array([[1.0, 2.0, 3.0, 6.0]]), (1, 2, 2))
    array([[6.]])
    """

    kernel: int | Pair
    stride: int | Pair | None = None
    padding: int | Pair = 0

    def __post_init__(self) -> None:
        _read_sides(self)

    def output_shape(self, shape: Shape) -> Shape:
        """Return channels, height and width of what comes out of an image of this shape."""
        return _pooled_shape(self, shape)

    def _largest(self, a: Array, shape: Shape) -> Integers:
        """Which entry of its row each window's largest is, (rows, channels * windows)."""
        index = pool_index(self, shape)
        windows = look_up(np.real(stop_gradient(a)), index, outside=-np.inf)
        place = windows.argmax(axis=-2)
        channel, window = np.indices(place.shape[1:])
        return index[channel, place, window].reshape(len(place), -1)

    def __call__(self, a: Array, shape: Shape) -> Array:
        """Return the largest entries, (rows, channels * windows)."""
        rows, n = a.shape
        index = self._largest(a, shape) + n * np.arange(rows)[:, None]
        return np.take(a.reshape(1, rows * n), index, axis=-1).reshape(*index.shape)

    def transpose(self, g: Array, a: Array, shape: Shape) -> Array:
        """Return the cotangent of `a`, (rows, n_in), of that of the value."""
        out = np.zeros(a.shape, g.dtype)
        rows = np.arange(len(g))[:, None]
        np.add.at(out, (rows, self._largest(a, shape)), g)  # windows may overlap
        return out


Pool2d = AvgPool2d | MaxPool2d


def _read_sides(pool: Pool2d) -> None:
    """Spell out kernel, stride and padding, one number per side."""
    stride = pool.kernel if pool.stride is None else pool.stride
    sides = {
        "kernel": as_pair(pool.kernel, "kernel"),
        "stride": as_pair(stride, "stride"),
        "padding": as_pair(pool.padding, "padding", least=0),
    }
    for name, pair in sides.items():
        object.__setattr__(pool, name, pair)
    if any(2 * p > k for p, k in zip(sides["padding"], sides["kernel"], strict=True)):
        raise ValueError(
            f"padding must be at most half of kernel {sides['kernel']}, got {sides['padding']}"
        )


def _geometry(pool: Pool2d) -> tuple[Pair, Pair, Pair, Pair]:
    return pool.kernel, pool.stride, pool.padding, (1, 1)  # pyright: ignore[reportReturnType]


def _pooled_shape(pool: Pool2d, shape: Shape) -> Shape:
    channels, height, width = require_image(shape, type(pool).__name__)
    return (channels, *count_windows((height, width), *_geometry(pool)))


def pool_index(pool: Pool2d, shape: Shape) -> Integers:
    """Return `window_index` of what comes into a pool."""
    return window_index(require_image(shape, type(pool).__name__), *_geometry(pool)[:3])
