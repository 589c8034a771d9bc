"""Faults of a kernel: turned, moved, of other channels, forward and back."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from refsast.arrays import Array, Integers
from refsast.autodiff import stop_gradient
from refsast.crosscheck.diagnose.faults.fault import Fault, backward_as
from refsast.crosscheck.diagnose.faults.part import Part, change_part, move_windows
from refsast.model.connections.conv2d import Conv2d
from refsast.model.connections.pool2d import AvgPool2d, MaxPool2d
from refsast.model.connections.windows import Shape
from refsast.model.params import Layer


def kernel_faults() -> Iterator[Fault]:
    """Yield the faults of a kernel."""
    yield from _orientation_faults()
    yield from _window_faults()
    for words, order in GROUPS.items():
        yield Fault(
            f"groups: {words}", f"with, for each group of channels, {words}",
            change_part(Conv2d, _regroup(order), lambda part, _: part.groups > 1),
        )  # fmt: skip
    for words, weigh in PIXELS.items():
        yield Fault(
            f"bias {words}", f"with the gradient of the kernel's bias {words}",
            change_part(Conv2d, _weigh_bias(weigh)), backward=True, local=("b",),
        )  # fmt: skip
    yield Fault(
        "padding by the edge", "with the pixels at the edge as padding, not zeros",
        change_part(Conv2d, _edge_padding, lambda part, _: part.padding != (0, 0)),
    )  # fmt: skip


def _orientation_faults() -> Iterator[Fault]:
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
            _with_weights(_swap_channels),
            _is_even,
        ),
    )  # fmt: skip
    yield Fault(
        "kernel not flipped backwards", "with the kernel flipped in the gradient of its input",
        change_part(Conv2d, _split_paths(lambda w: w, _flip), _is_wide), backward=True, below=True,
    )  # fmt: skip
    yield Fault(
        "kernel's gradient flipped", "with the gradient of the kernel flipped",
        change_part(Conv2d, _split_paths(_flip, lambda w: w), _is_wide), backward=True,
        local=("w",),
    )  # fmt: skip
    yield Fault(
        "kernel's gradient transposed", "with height and width exchanged in the kernel's gradient",
        change_part(Conv2d, _split_paths(_swap_sides, lambda w: w), _is_square), backward=True,
        local=("w",),
    )  # fmt: skip
    yield Fault(
        "kernel's gradient with channels exchanged",
        "with channels in and out exchanged in the kernel's gradient",
        change_part(Conv2d, _split_paths(_swap_channels, lambda w: w), _is_even), backward=True,
        local=("w",),
    )  # fmt: skip


def _window_faults() -> Iterator[Fault]:
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if (dy, dx) != (0, 0):
                for what, kinds in WINDOWS.items():
                    yield Fault(
                        f"windows of {what} moved by ({dy}, {dx})",
                        f"with the windows of {what} moved by {dy} rows and {dx} columns, as by a "
                        "padding or stride that is off by one at one side",
                        change_part(kinds, move_windows(dy, dx)),
                    )
    for what, kinds in WINDOWS.items():
        for words, more in {"further apart": 1, "closer together": -1}.items():
            yield Fault(
                f"windows of {what} {words}",
                f"with the windows of {what} one pixel {words}, as by a stride that is off by one",
                change_part(kinds, move_windows(stride=more)),
            )
    for words, dilation in DILATIONS.items():
        yield Fault(
            f"dilation {words}", f"with the dilation of the kernel {words}",
            change_part(
                Conv2d, move_windows(dilation=dilation),
                lambda part, _, dilation=dilation: any(
                    d != dilation(d) > 0 and k > 1
                    for d, k in zip(part.dilation, part.kernel, strict=True)
                ),
            ),
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


def _swap_channels(w: Array) -> Array:
    return _reorder(w, lambda n: n.swapaxes(0, 1))


def _is_even(part: Any, shape: Shape) -> bool:
    return part.channels == shape[0] // part.groups > 1


DILATIONS: dict[str, Callable[[int], int]] = {
    "ignored": lambda d: 1,
    "one more": lambda d: d + 1,
    "one less": lambda d: d - 1,
}
# Which channel each group reads, of (groups, channels of a group) channels.
GROUPS: dict[str, Callable[[Integers], Integers]] = {
    "the channels of the first": lambda n: np.broadcast_to(n[:1], n.shape),
    "the channels of the next": lambda n: np.roll(n, -1, axis=0),
    "the channels of the one before": lambda n: np.roll(n, 1, axis=0),
    "channels at a distance, not side by side": lambda n: n.ravel().reshape(n.shape[::-1]).T,
}


def _regroup(order: Callable[[Integers], Integers]) -> Part:
    """Groups read other channels than their own."""

    def part(part: Any, shape: Shape, layer: Layer, a: Array, earlier: Sequence[Array]) -> Array:
        channels, height, width = shape
        seen = order(np.arange(channels).reshape(part.groups, -1)).reshape(-1, 1)
        index = (seen * height * width + np.arange(height * width)).ravel()
        return part(layer.w, layer.b, np.take(a, index, axis=-1), shape)

    return part


# What each pixel counts in the gradient of a bias, of how many there are.
PIXELS: dict[str, Callable[[int], Array]] = {
    "of the first pixel alone": lambda n: 1.0 * (np.arange(n) == 0),
    "of the last pixel alone": lambda n: 1.0 * (np.arange(n) == n - 1),
    "averaged over pixels, not summed": lambda n: np.full(n, 1.0 / n),
}


def _weigh_bias(weigh: Callable[[int], Array]) -> Part:
    """The gradient of a bias that does not count all pixels once."""

    def part(part: Any, shape: Shape, layer: Layer, a: Array, earlier: Sequence[Array]) -> Array:
        right = part(layer.w, layer.b, a, shape)
        if layer.b is None:
            return right
        pixels = right.shape[1] // part.channels
        bias = layer.b.reshape(part.channels, 1) * weigh(pixels)
        path = part(layer.w, None, a, shape) + bias.reshape(1, part.channels * pixels)
        return backward_as(right, path)

    return part


def _split_paths(of_weights: Callable[[Array], Array], of_input: Callable[[Array], Array]) -> Part:
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
