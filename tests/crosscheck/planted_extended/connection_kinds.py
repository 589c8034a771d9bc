"""Faults of kernels, windows, groups, pools, skips and the order of an image."""

import math
from collections.abc import Callable, Iterator

import refsast as rs
from tests.crosscheck.planted_extended.connection_layers import (
    average_bias,
    change_w,
    channels_last,
    first_group,
    first_pixel,
    flipped_backwards,
    has_part,
    layer_with,
    moved_layer,
    of_weights,
    spread_ties,
    sum_pool,
    undivided_backwards,
)
from tests.crosscheck.planted_extended.kind import Kind

is_wide = has_part(rs.Conv2d, lambda part, shape: part.kernel != (1, 1))
is_square = has_part(rs.Conv2d, lambda p, shape: p.groups == 1 and p.channels == shape[0] > 1)
POOLS = (rs.AvgPool2d, rs.MaxPool2d)
WINDOWS_MOVED = (("windows", "moved"),)


def one_more(name: str) -> Callable:
    """Return the change of stride or padding of a part: one more at both sides."""
    return lambda part: {name: tuple(n + 1 for n in getattr(part, name))}


def has_biased_kernel(case: rs.Case, i: int) -> bool:
    """Whether a layer has a convolution of several pixels with a bias."""
    found = zip(case.network.chains[i], case.network.chain_shapes[i][1:], strict=True)
    return case.params[i].b is not None and any(
        isinstance(part, rs.Conv2d) and math.prod(shape[1:]) > 1 for part, shape in found
    )


def connection_kinds() -> Iterator[Kind]:
    """Yield the kinds of kernels, groups, pools, skips and the order of an image."""
    yield from _kernel_kinds()
    yield from _window_kinds()
    yield from _bias_kinds()
    yield from _other_kinds()


CONV = {"parts": ("conv",)}
POOLED = {"parts": ("mean", "max")}


def _kernel_kinds() -> Iterator[Kind]:
    def turn(w):
        return w[:, :, ::-1, ::-1] if w.ndim == 4 else w

    def exchange(w):
        return w.swapaxes(0, 1) if w.ndim == 4 else w

    yield Kind(
        "kernel flipped",
        "the kernel is flipped, as in a true convolution",
        [("kernel", "flipped (a convolution")],
        CONV,
        is_wide,
        layer_with(convolve=of_weights(lambda w: w.flip(2, 3))),
    )
    yield Kind(
        "kernel flipped in the input's gradient",
        "the gradient passed down by the kernel unflipped",
        [("kernel flipped in the gradient of its input",)],
        CONV,
        lambda case, i: i > 0 and is_wide(case, i),
        layer_with(convolve=flipped_backwards),
    )
    yield Kind(
        "kernel's gradient flipped",
        "the gradient of the kernel is flipped",
        [("gradient of the kernel flipped",)],
        CONV,
        is_wide,
        finish=change_w(turn),
    )
    yield Kind(
        "kernel's gradient with channels exchanged",
        "channels in and out exchanged in the gradient of the kernel",
        [("channels in and out exchanged in the kernel's gradient",)],
        {"parts": ("square", "conv")},
        is_square,
        finish=change_w(exchange),
    )
    yield Kind(
        "groups ignored",
        "every group reads the channels of the first group",
        [("for each group of channels, the channels of the first",)],
        {"parts": ("grouped", "conv")},
        has_part(rs.Conv2d, lambda part, shape: part.groups > 1),
        layer_with(convolve=first_group),
    )


def _window_kinds() -> Iterator[Kind]:
    yield Kind(
        "padding off by one",
        "the padding of the kernel is one more, the image cut to size",
        WINDOWS_MOVED,
        CONV,
        has_part(rs.Conv2d),
        moved_layer("kernel", one_more("padding")),
    )
    yield Kind(
        "pooling's padding off by one",
        "the padding of a pooling is one more, the image cut to size",
        WINDOWS_MOVED,
        POOLED,
        has_part(POOLS),
        moved_layer("pool", one_more("padding")),
    )
    yield Kind(
        "stride off by one",
        "the windows of the kernel are one pixel further apart",
        [("windows of the kernel one pixel further apart",)],
        CONV,
        has_part(rs.Conv2d),
        moved_layer("kernel", one_more("stride")),
    )
    yield Kind(
        "pooling's stride off by one",
        "the windows of a pooling are one pixel further apart",
        [("windows of the pooling one pixel further apart",)],
        POOLED,
        has_part(POOLS),
        moved_layer("pool", one_more("stride")),
    )
    yield Kind(
        "dilation ignored",
        "the pixels of a window lie side by side",
        [("dilation of the kernel ignored",)],
        {"parts": ("dilated", "conv")},
        has_part(rs.Conv2d, lambda part, shape: part.dilation != (1, 1)),
        moved_layer("kernel", lambda part: {"dilation": (1, 1)}),
    )


def _bias_kinds() -> Iterator[Kind]:
    bias = {"parts": ("conv", "bias")}
    yield Kind(
        "bias averaged over pixels",
        "the gradient of a convolution's bias is averaged over pixels, not summed",
        [("kernel's bias averaged over pixels",)],
        bias,
        has_biased_kernel,
        finish=average_bias,
    )
    yield Kind(
        "bias of the first pixel",
        "the gradient of a convolution's bias is of the first pixel alone",
        [("kernel's bias of the first pixel alone",)],
        bias,
        has_biased_kernel,
        layer_with(convolve=first_pixel),
    )


def _other_kinds() -> Iterator[Kind]:
    yield Kind(
        "pooling not divided",
        "sums in place of means in the pooling",
        [("sums in place of means",)],
        {"parts": ("mean",)},
        has_part(rs.AvgPool2d),
        layer_with(average=sum_pool),
    )
    yield Kind(
        "pooling's gradient not divided",
        "the gradient of a mean is not divided",
        [("pooling's gradient not divided",)],
        {"parts": ("mean",)},
        lambda case, i: i > 0 and has_part(rs.AvgPool2d)(case, i),
        layer_with(average=undivided_backwards),
    )
    yield Kind(
        "maximum's gradient to all ties",
        "the gradient of a maximum goes to all that are as large",
        [("gradient of the pooling to all of the largest",)],
        {"parts": ("max",), "hard": True},
        lambda case, i: i > 0 and has_part(rs.MaxPool2d)(case, i),
        layer_with(maximum=spread_ties),
    )
    yield Kind(
        "skip's gradient not added",
        "the gradient that a skip passes down is left out",
        [("skip", "detached"), ("skip's gradient multiplied by 0",)],
        {"parts": ("skip",)},
        has_part(rs.Skip, lambda part, shape: part.layer > 0),
        layer_with(skip=lambda self, a, e: a + e.detach()),
    )
    yield Kind(
        "skip averaged",
        "the mean, not the sum, at a skip",
        [("sum at the skip multiplied by 0.5",)],
        {"parts": ("skip",)},
        has_part(rs.Skip),
        layer_with(skip=lambda self, a, e: 0.5 * (a + e)),
    )
    yield Kind(
        "channels last",
        "an image is flattened with its channels last",
        [("flattened with its channels last",)],
        CONV,
        has_part(rs.Dense, lambda part, shape: len(shape) == 3 and shape[0] > 1),
        layer_with(multiply=channels_last),
    )
