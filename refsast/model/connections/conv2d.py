"""Convolution of images: the same small window of weights over all places."""

import math
from dataclasses import dataclass

from refsast.arrays import Array, is_positive_int
from refsast.model.connections.windows import (
    Pair,
    Shape,
    add_windows,
    as_pair,
    count_windows,
    cut_windows,
    require_image,
)


@dataclass(frozen=True)
class Conv2d:
    """What PyTorch calls so: a cross-correlation, the kernel not flipped::

        out[o, y, x] = b[o] + sum over c, i, j of w[o, c, i, j] a[c, s y + d i - p, s x + d j - p]

    with zeros outside of the image; c runs over the channels of the group of o.

    Attributes
    ----------
    channels : int
        Channels that come out. Positive.
    kernel : int or (int, int)
        Height and width of the window.
    stride, padding, dilation : int or (int, int)
        Step between windows, zeros added at each side, step between pixels of a window.
    groups : int
        Into how many parts channels are divided, each with windows of its own; divides the channels
        that come in and out.

    References
    ----------
    PyTorch ``torch.nn.Conv2d``, whose weights are these.

    Examples
    --------
    >>> import refsast as rs
    >>> conv = rs.Conv2d(12, 5)
    >>> conv.output_shape((2, 34, 34)), conv.weight_shape((2, 34, 34))
    ((12, 30, 30), (12, 2, 5, 5))
    >>> conv.output_shape((2, 4, 34))
    Traceback (most recent call last):
    ValueError: kernel must fit into the image, got height 1 * (5 - 1) + 1 = 5 over 4 + 2 * 0 = 4
    """

    channels: int
    kernel: int | Pair
    stride: int | Pair = 1
    padding: int | Pair = 0
    dilation: int | Pair = 1
    groups: int = 1

    def __post_init__(self) -> None:
        for name in ("channels", "groups"):
            if not is_positive_int(getattr(self, name)):
                value = getattr(self, name)
                raise ValueError(f"{name} must be a positive integer, got {value!r}")
        for name, least in (("kernel", 1), ("stride", 1), ("padding", 0), ("dilation", 1)):
            object.__setattr__(self, name, as_pair(getattr(self, name), name, least))
        if self.channels % self.groups:
            raise ValueError(f"groups must divide channels {self.channels}, got {self.groups}")

    @property
    def _geometry(self) -> tuple[Pair, Pair, Pair, Pair]:
        return self.kernel, self.stride, self.padding, self.dilation  # pyright: ignore[reportReturnType]

    def output_shape(self, shape: Shape) -> Shape:
        """Return channels, height and width of what comes out of an image of this shape."""
        channels, height, width = require_image(shape, "Conv2d")
        if channels % self.groups:
            raise ValueError(
                f"groups must divide the channels that come in, {channels}, got {self.groups}"
            )
        return (self.channels, *count_windows((height, width), *self._geometry))

    def weight_shape(self, shape: Shape) -> Shape:
        """Return ``(channels, channels in / groups, kernel height, kernel width)``."""
        return (self.channels, shape[0] // self.groups, *self._geometry[0])

    def _windows(self, a: Array, shape: Shape) -> Array:
        """All windows, (rows, groups, weights of a channel, windows): what one product needs."""
        windows = cut_windows(a, require_image(shape, "Conv2d"), *self._geometry)
        return windows.reshape(len(a), self.groups, -1, math.prod(windows.shape[4:]))

    def _matrices(self, w: Array) -> Array:
        """The weights, (groups, channels of a group, weights of a channel)."""
        return w.reshape(self.groups, self.channels // self.groups, -1)

    def _by_group(self, g: Array) -> Array:
        """What is like the value, (rows, groups, channels of a group, windows)."""
        return g.reshape(len(g), self.groups, self.channels // self.groups, -1)

    def __call__(self, w: Array, b: Array | None, a: Array, shape: Shape) -> Array:
        """Return the convolution, (rows, channels * windows)."""
        current = self._matrices(w) @ self._windows(a, shape)
        if b is not None:
            current = current + b.reshape(self.groups, -1, 1)
        return current.reshape(len(a), -1)

    def transpose(self, w: Array, g: Array, shape: Shape) -> Array:
        """Return the cotangent of `a`, (rows, n_in), of that of the value."""
        windows = self._matrices(w).swapaxes(1, 2) @ self._by_group(g)
        places = self._geometry[0] + self.output_shape(shape)[1:]
        each = windows.reshape(len(g), shape[0], *places)
        return add_windows(each, require_image(shape, "Conv2d"), *self._geometry)

    def weight_grad(self, g: Array, a: Array, shape: Shape) -> Array:
        """Return the cotangent of `w`."""
        grads = self._by_group(g) @ self._windows(a, shape).swapaxes(2, 3)
        return grads.sum(axis=0).reshape(self.weight_shape(shape))

    def bias_grad(self, g: Array, shape: Shape) -> Array:
        """Return the cotangent of `b`, (channels,)."""
        return g.reshape(len(g), self.channels, -1).sum(axis=(0, 2))
