"""Wrong layers in PyTorch: kernels, windows, groups, pools, biases, the order of an image."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

import refsast as rs
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
            return sum_windows(windows, self.parameters["w"], self.parameters.get("b"), part.groups)

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
