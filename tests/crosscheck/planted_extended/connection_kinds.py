"""Faults of kernels, pools, skips and the order of an image, in PyTorch."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch

import refsast as rs
from tests.crosscheck.planted_extended.kind import Kind
from tests.gradient.torch_extended import Layer

functional = torch.nn.functional
FAR = 8  # pixels around an image, more than any window goes beyond it


def has_part(kinds: type | tuple, allowed: Callable = lambda part, shape: True) -> Callable:
    """Return whether a layer has a part of these kinds."""

    def has(case: rs.Case, i: int) -> bool:
        network = case.network
        pairs = zip(network.chains[i], network.chain_shapes[i], strict=False)
        return any(isinstance(part, kinds) and allowed(part, shape) for part, shape in pairs)

    return has


def cut_windows(a, part, out, *, fill=0.0, moved=(0, 0), **other):
    """Return (batch, channels, places, down, across): windows at other places than right ones.

    `out` is the number of windows of the right ones; `other` their stride, padding or dilation.
    """
    stride, padding = other.get("stride", part.stride), other.get("padding", part.padding)
    dilation = other.get("dilation", getattr(part, "dilation", (1, 1)))
    wide = functional.pad(a, (FAR,) * 4, value=fill)
    y, x = (
        (
            torch.arange(n)[None, :] * stride[side]
            + torch.arange(part.kernel[side])[:, None] * dilation[side]
            - padding[side] + moved[side] + FAR
        )
        for side, n in enumerate(out)
    )  # fmt: skip
    places = wide[:, :, y[:, None, :, None], x[None, :, None, :]]
    return places.flatten(2, 3)


def count_windows(a, part):
    """Return how many windows of a part there are, down and across."""
    dilation = getattr(part, "dilation", (1, 1))
    sides = zip(a.shape[2:], part.kernel, part.stride, part.padding, dilation, strict=True)
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in sides)


def sum_windows(windows, w, b, groups):
    """Return the convolution of windows."""
    out, inside = w.shape[0] // groups, w.shape[1]
    flat = w.flatten(2)
    found = [
        torch.einsum(
            "ocp,ncpyx->noyx",
            flat[g * out : (g + 1) * out],
            windows[:, g * inside : (g + 1) * inside],
        )
        for g in range(groups)
    ]
    current = torch.cat(found, dim=1)
    return current if b is None else current + b[:, None, None]


def moved_layer(what: str, change: Callable) -> type[Layer]:
    """Return a layer whose windows, of "kernel" or "pool", are elsewhere: ``change(part)``."""

    class Moved(Layer):
        def convolve(self, part, a):
            if what != "kernel":
                return super().convolve(part, a)
            windows = cut_windows(a, part, count_windows(a, part), **change(part))
            return sum_windows(
                windows, self.parameters["w"], self.parameters.get("b"), part.groups
            )

        def average(self, part, a):
            if what != "pool":
                return super().average(part, a)
            return cut_windows(a, part, count_windows(a, part), **change(part)).mean(dim=2)

        def maximum(self, part, a):
            if what != "pool":
                return super().maximum(part, a)
            out = count_windows(a, part)
            return cut_windows(a, part, out, fill=-math.inf, **change(part)).amax(dim=2)

    return Moved


def layer_with(**methods: Callable) -> type[Layer]:
    """Return a layer with other methods."""
    return type("Wrong", (Layer,), methods)


def of_weights(change: Callable) -> Callable:
    """Return a convolution with other weights."""

    def convolve(self, part, a):
        w = change(self.parameters["w"])
        sides = part.stride, part.padding, part.dilation, part.groups
        return functional.conv2d(a, w, self.parameters.get("b"), *sides)

    return convolve


def flipped_backwards(self, part, a):
    """The kernel flipped in the gradient of its input."""
    w, b = self.parameters["w"], self.parameters.get("b")
    sides = part.stride, part.padding, part.dilation, part.groups
    path = functional.conv2d(a, w.detach().flip(2, 3), None, *sides)
    return functional.conv2d(a.detach(), w, b, *sides) + path - path.detach()


def first_group(self, part, a):
    """Every group reads the channels of the first."""
    inside = a.shape[1] // part.groups
    return Layer.convolve(self, part, a[:, :inside].repeat(1, part.groups, 1, 1))


def sum_pool(self, part, a):
    """Sums in place of means."""
    return math.prod(part.kernel) * Layer.average(self, part, a)


def undivided_backwards(self, part, a):
    """Sums in place of means, backwards."""
    right = Layer.average(self, part, a)
    path = math.prod(part.kernel) * right
    return right.detach() + path - path.detach()


def spread_ties(self, part, a):
    """The gradient of the largest to all that are as large."""
    windows = cut_windows(a, part, count_windows(a, part), fill=-math.inf)
    largest = windows.detach().amax(dim=2, keepdim=True)
    path = torch.where(windows == largest, windows, 0.0 * windows.detach().clamp(min=-1.0))
    path = path.sum(dim=2)
    return largest[:, :, 0] + path - path.detach()


def change_w(change: Callable) -> Callable:
    """Return a change of the gradient of the weights."""
    return lambda case, i, layer: replace(layer, w=np.ascontiguousarray(change(layer.w)))


def average_bias(case, i, layer):
    """The gradient of a convolution's bias averaged over pixels, not summed."""
    network = case.network
    shape = next(
        shape
        for part, shape in zip(network.chains[i], network.chain_shapes[i][1:], strict=True)
        if isinstance(part, rs.Conv2d)
    )
    return replace(layer, b=layer.b / math.prod(shape[1:]))


class FirstPixel(torch.autograd.Function):
    """A bias per channel whose gradient is that of the first pixel alone."""

    @staticmethod
    def forward(ctx, current, b):
        return current + b[:, None, None]

    @staticmethod
    def backward(ctx, g):
        return g, g[:, :, 0, 0].sum(dim=0)


def first_pixel(self, part, a):
    """The gradient of the bias of the first pixel alone."""
    sides = part.stride, part.padding, part.dilation, part.groups
    current = functional.conv2d(a, self.parameters["w"], None, *sides)
    return FirstPixel.apply(current, self.parameters["b"])


def channels_last(self, a):
    """An image flattened with its channels last."""
    return Layer.multiply(self, a.permute(0, 2, 3, 1) if a.ndim == 4 else a)


is_wide = has_part(rs.Conv2d, lambda part, shape: part.kernel != (1, 1))
is_square = has_part(rs.Conv2d, lambda p, shape: p.groups == 1 and p.channels == shape[0] > 1)
POOLS = (rs.AvgPool2d, rs.MaxPool2d)
WINDOW_WORDS = (("windows", "moved"), ("padding", "in place of"))


def has_biased_kernel(case: rs.Case, i: int) -> bool:
    """Whether a layer has a convolution of several pixels with a bias."""
    found = zip(case.network.chains[i], case.network.chain_shapes[i][1:], strict=True)
    return case.params[i].b is not None and any(
        isinstance(part, rs.Conv2d) and math.prod(shape[1:]) > 1 for part, shape in found
    )


def connection_kinds() -> Iterator[Kind]:
    """Yield the kinds of this file."""
    conv, bias = {"parts": ("conv",)}, {"parts": ("conv", "bias")}
    yield Kind("kernel flipped", "the kernel is flipped, as in a true convolution",
               [("kernel", "flipped (a convolution")], conv, is_wide,
               layer_with(convolve=of_weights(lambda w: w.flip(2, 3))))  # fmt: skip
    yield Kind("kernel flipped in the input's gradient", "the gradient passed down by the kernel "
               "unflipped", [("kernel flipped in the gradient of its input",)], conv,
               lambda case, i: i > 0 and is_wide(case, i),
               layer_with(convolve=flipped_backwards))  # fmt: skip
    yield Kind("kernel's gradient flipped", "the gradient of the kernel is flipped",
               [("gradient of the kernel flipped",)], conv, is_wide,
               finish=change_w(lambda w: w[:, :, ::-1, ::-1] if w.ndim == 4 else w))  # fmt: skip
    yield Kind("kernel's gradient with channels exchanged", "channels in and out exchanged in the "
               "gradient of the kernel", [("channels", "exchanged", "gradient")],
               {"parts": ("square", "conv")}, is_square,
               finish=change_w(lambda w: w.swapaxes(0, 1) if w.ndim == 4 else w))  # fmt: skip
    yield Kind("padding off by one", "the padding of the kernel is one more, the image cut to size",
               WINDOW_WORDS, conv, has_part(rs.Conv2d),
               moved_layer("kernel", lambda p: {"padding": (p.padding[0] + 1, p.padding[1] + 1)}))  # fmt: skip
    yield Kind("pooling's padding off by one", "the padding of a pooling is one more, cut to size",
               WINDOW_WORDS, {"parts": ("mean", "max")}, has_part(POOLS),
               moved_layer("pool", lambda p: {"padding": (p.padding[0] + 1, p.padding[1] + 1)}))  # fmt: skip
    yield Kind("stride off by one", "the windows of the kernel are one pixel further apart",
               [("stride",)], conv, has_part(rs.Conv2d),
               moved_layer("kernel", lambda p: {"stride": (p.stride[0] + 1, p.stride[1] + 1)}))  # fmt: skip
    yield Kind("pooling's stride off by one", "the windows of a pooling are one pixel further apart",
               [("stride",)], {"parts": ("mean", "max")}, has_part(POOLS),
               moved_layer("pool", lambda p: {"stride": (p.stride[0] + 1, p.stride[1] + 1)}))  # fmt: skip
    yield Kind("dilation ignored", "the pixels of a window lie side by side",
               [("dilation",)], {"parts": ("dilated", "conv")},
               has_part(rs.Conv2d, lambda part, shape: part.dilation != (1, 1)),
               moved_layer("kernel", lambda part: {"dilation": (1, 1)}))  # fmt: skip
    yield Kind("groups ignored", "every group reads the channels of the first group",
               [("group",)], {"parts": ("grouped", "conv")},
               has_part(rs.Conv2d, lambda part, shape: part.groups > 1),
               layer_with(convolve=first_group))  # fmt: skip
    yield Kind("bias averaged over pixels", "the gradient of a convolution's bias is averaged over "
               "pixels, not summed", [(".b", "multiplied by"), ("bias", "averaged over", "pixels")],
               bias, has_biased_kernel, finish=average_bias)  # fmt: skip
    yield Kind("bias of the first pixel", "the gradient of a convolution's bias is of the first "
               "pixel alone", [("bias", "first pixel alone")], bias, has_biased_kernel,
               layer_with(convolve=first_pixel))  # fmt: skip
    yield Kind("pooling not divided", "sums in place of means in the pooling",
               [("sums in place of means",)], {"parts": ("mean",)}, has_part(rs.AvgPool2d),
               layer_with(average=sum_pool))  # fmt: skip
    yield Kind("pooling's gradient not divided", "the gradient of a mean is not divided",
               [("pooling's gradient not divided",)], {"parts": ("mean",)},
               lambda case, i: i > 0 and has_part(rs.AvgPool2d)(case, i),
               layer_with(average=undivided_backwards))  # fmt: skip
    yield Kind("maximum's gradient to all ties", "the gradient of a maximum goes to all that are as "
               "large", [("gradient of the pooling to all of the largest",)],
               {"parts": ("max",), "hard": True},
               lambda case, i: i > 0 and has_part(rs.MaxPool2d)(case, i),
               layer_with(maximum=spread_ties))  # fmt: skip
    yield Kind("skip's gradient not added", "the gradient that a skip passes down is left out",
               [("skip", "detached"), ("skip's gradient multiplied by 0",)], {"parts": ("skip",)},
               lambda case, i: any(isinstance(p, rs.Skip) and p.layer > 0
                                   for p in case.network.chains[i]),
               layer_with(skip=lambda self, a, e: a + e.detach()))  # fmt: skip
    yield Kind("skip averaged", "the mean, not the sum, at a skip",
               [("sum at the skip multiplied by 0.5",)], {"parts": ("skip",)}, has_part(rs.Skip),
               layer_with(skip=lambda self, a, e: 0.5 * (a + e)))  # fmt: skip
    yield Kind("channels last", "an image is flattened with its channels last",
               [("flattened with its channels last",)], conv,
               has_part(rs.Dense, lambda part, shape: len(shape) == 3 and shape[0] > 1),
               layer_with(multiply=channels_last))  # fmt: skip
