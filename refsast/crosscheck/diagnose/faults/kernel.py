"""Faults of a kernel: turned, moved, of other channels, forward and back."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from refsast.arrays import Array, Integers
from refsast.autodiff import stop_gradient
from refsast.crosscheck.diagnose.faults.fault import Fault, backward_as
from refsast.crosscheck.diagnose.faults.part import Part, change_part, shift_windows
from refsast.model.connections.conv2d import Conv2d
from refsast.model.connections.pool2d import AvgPool2d, MaxPool2d
from refsast.model.connections.windows import Shape
from refsast.model.params import Layer


def kernel_faults() -> Iterator[Fault]:
    """Yield the faults of a kernel."""
    yield Fault(
        "kernel flipped", "with the kernel flipped (a convolution, not a cross-correlation)",
        change_part(Conv2d, _with_weights(_flip), _is_wide),
    )  # fmt: skip
    yield Fault(
        "kernel transposed", "with height and width of the kernel exchanged",
        change_part(Conv2d, _with_weights(_swap_sides), _is_square),
    )  # fmt: skip
    yield Fault(
        "kernel's channels exchanged", "with channels in and out of the kernel exchanged",
        change_part(
            Conv2d,
            _with_weights(lambda w: _reorder(w, lambda n: n.swapaxes(0, 1))),
            lambda part, shape: part.channels == shape[0] // part.groups > 1,
        ),
    )  # fmt: skip
    yield Fault(
        "kernel not flipped backwards", "with the kernel flipped in the gradient of its input",
        change_part(Conv2d, _by_paths(lambda w: w, _flip), _is_wide), backward=True,
    )  # fmt: skip
    yield Fault(
        "kernel's gradient flipped", "with the gradient of the kernel flipped",
        change_part(Conv2d, _by_paths(_flip, lambda w: w), _is_wide), backward=True,
    )  # fmt: skip
    yield Fault(
        "kernel's gradient transposed", "with height and width exchanged in the kernel's gradient",
        change_part(Conv2d, _by_paths(_swap_sides, lambda w: w), _is_square), backward=True,
    )  # fmt: skip
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if (dy, dx) != (0, 0):
                for what, kinds in WINDOWS.items():
                    yield Fault(
                        f"windows of {what} moved by ({dy}, {dx})",
                        f"with the windows of {what} moved by {dy} rows and {dx} columns, as by a "
                        "padding or stride that is off by one at one side",
                        change_part(kinds, shift_windows(dy, dx)),
                    )
    yield Fault(
        "padding by the edge", "with the pixels at the edge as padding, not zeros",
        change_part(Conv2d, _edge_padding, lambda part, _: part.padding != (0, 0)),
    )  # fmt: skip


WINDOWS = {"the kernel": Conv2d, "the pooling": (AvgPool2d, MaxPool2d)}


def _reorder(w: Array, change: Callable[[Integers], Integers]) -> Array:
    """The same numbers in another order; on the tape, too."""
    places = np.arange(int(np.prod(w.shape))).reshape(w.shape)
    return np.take(w.reshape(1, -1), change(places).ravel(), axis=-1).reshape(*w.shape)


def _with_weights(change: Callable[[Array], Array]) -> Part:
    return lambda part, shape, layer, a, earlier: part(change(layer.w), layer.b, a, shape)


def _flip(w: Array) -> Array:
    return _reorder(w, lambda n: n[:, :, ::-1, ::-1])


def _swap_sides(w: Array) -> Array:
    return _reorder(w, lambda n: n.swapaxes(2, 3))


def _by_paths(of_weights: Callable[[Array], Array], of_input: Callable[[Array], Array]) -> Part:
    """The right value, with other weights in the gradient of the weights and of the input."""

    def part(part: Any, shape: Shape, layer: Layer, a: Array, earlier: Sequence[Array]) -> Array:
        right = part(layer.w, layer.b, a, shape)
        path = part(of_weights(layer.w), layer.b, stop_gradient(a), shape)
        path = path + part(stop_gradient(of_input(layer.w)), None, a, shape)
        return backward_as(right, path)

    return part


def _edge_padding(
    part: Any, shape: Shape, layer: Layer, a: Array, earlier: Sequence[Array]
) -> Array:
    """Padding by the pixel at the edge."""
    channels, height, width = shape
    py, px = part.padding
    y = np.clip(np.arange(-py, height + py), 0, height - 1)
    x = np.clip(np.arange(-px, width + px), 0, width - 1)
    first = height * width * np.arange(channels)[:, None, None]
    index = (y[:, None] * width + x + first).ravel()
    bare = Conv2d(part.channels, part.kernel, part.stride, 0, part.dilation, part.groups)
    larger = (channels, height + 2 * py, width + 2 * px)
    return bare(layer.w, layer.b, np.take(a, index, axis=-1), larger)


def _is_square(part: Any, shape: Shape) -> bool:
    return part.kernel[0] == part.kernel[1] > 1


def _is_wide(part: Any, shape: Shape) -> bool:
    return part.kernel != (1, 1)
