"""Faults of the gradients of learned numbers, in PyTorch."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch

import refsast as rs
from tests.crosscheck.planted_extended.connection_layers import layer_with
from tests.crosscheck.planted_extended.kind import Kind
from tests.crosscheck.planted_extended.neuron_kinds import keeps_reset, learned
from tests.crosscheck.planted_extended.neuron_layers import reset_detached
from tests.gradient.torch_extended import Layer


class Reduced(torch.autograd.Function):
    """A number of all neurons, whose gradient is not the sum of all terms."""

    @staticmethod
    def forward(ctx, number, like, reduce):
        ctx.reduce, ctx.shape = reduce, number.shape
        return number + torch.zeros_like(like)

    @staticmethod
    def backward(ctx, g):
        return ctx.reduce(g).reshape(ctx.shape), None, None


def reduced(reduce: Callable) -> type[Layer]:
    """Return a layer whose learned scalars have gradients of ``reduce(terms of a step)``."""

    class Wrong(Layer):
        def spread(self, name, number):
            learned = isinstance(getattr(self.neuron, name), rs.Learned)
            return Reduced.apply(number, self.u, reduce) if learned else number

    return Wrong


def leak_not_through_reset(self, s, leak, threshold):
    """The leak's gradient without its path through the reset."""
    kind, cut = self.neuron.reset, leak.detach()
    if isinstance(kind, rs.ToZero):
        return leak * self.u - cut * self.u * s
    if isinstance(kind, rs.Subtract) and kind.leaked:
        return leak * self.u - cut * threshold * s
    return Layer.reset_by(self, s, leak, threshold)


def zero(name: str) -> Callable:
    """Return a change of the gradients that loses one of them."""
    return lambda case, i, layer: replace(layer, **{name: 0.0 * getattr(layer, name)})


def summed(case, i, layer):
    """Every neuron's gradient is the sum of all neurons'."""
    return replace(layer, leak=np.full(layer.leak.shape, layer.leak.sum()))


def without_sigmoid(self, parameter):
    """The sigmoid's derivative left out."""
    return torch.sigmoid(parameter).detach() + parameter - parameter.detach()


def is_each(case: rs.Case, i: int, name: str) -> bool:
    """Whether each of several neurons learns its own."""
    value = getattr(case.params[i], name)
    return value is not None and value.ndim == 1 and value.size > 1


def subtracts(case: rs.Case, i: int) -> bool:
    """Whether the reset of a layer subtracts a learned threshold."""
    return learned("threshold")(case, i) and isinstance(case.network.neurons[i].reset, rs.Subtract)


def leaky_reset(case: rs.Case, i: int) -> bool:
    """Whether the learned leak of a layer has a path through its reset."""
    return learned("leak")(case, i) and case.network.neurons[i].reset != rs.Subtract()


def without_start(self, like):
    """From a potential of zero."""
    self.parameters = {k: a for k, a in self.parameters.items() if k != "start"}
    Layer.start(self, like)


def learned_kinds() -> Iterator[Kind]:
    """Yield the kinds of gradients of learned numbers."""
    yield from _path_kinds()
    yield from _sum_kinds()
    yield Kind(
        "sigmoid's derivative missing",
        "the gradient of the learned leak without the sigmoid's derivative",
        [("without the sigmoid's derivative",)],
        {"neuron": {"leak": lambda rng, n: rs.Learned(0.8, bool(rng.integers(2)), True)}},
        lambda case, i: getattr(case.network.neurons[i].leak, "sigmoid", False),
        layer_with(squash=without_sigmoid),
    )
    start = {"neuron": {"learn_start": True}}
    yield Kind(
        "start's gradient lost",
        "no gradient for the potential at the start",
        [("zeros for", ".start")],
        start,
        learned("start"),
        finish=zero("start"),
    )
    yield Kind(
        "start ignored",
        "from a potential of zero",
        [("from a potential of zero",)],
        start,
        learned("start"),
        layer_with(start=without_start),
    )


def draw_leak(rng: np.random.Generator, n: int) -> rs.Learned:
    """Draw a learned leak of all neurons."""
    return rs.Learned(0.8, sigmoid=bool(rng.integers(2)))


def _path_kinds() -> Iterator[Kind]:
    leak = {"neuron": {"leak": draw_leak}}
    yield Kind(
        "leak without its path through the reset",
        "the gradient of the learned leak without its path through the reset",
        [
            ("learned leak without its path through the reset",),
            ("learned leak without the reset's factor",),
        ],
        leak,
        leaky_reset,
        layer_with(reset_by=leak_not_through_reset),
    )
    yield Kind(
        "reset detached for the leak alone",
        "the reset is detached for the gradient of the learned leak alone",
        [("reset detached", "learned leak alone")],
        leak,
        lambda case, i: keeps_reset(case, i) and learned("leak")(case, i),
        layer_with(reset_by=reset_detached),
        borrow="leak",
    )
    yield Kind(
        "threshold without its path through the reset",
        "the gradient of the learned threshold without its path through the reset",
        [("threshold without its path through the reset",)],
        {"neuron": {"threshold": lambda rng, n: rs.Learned(0.9), "reset": rs.Subtract()}},
        subtracts,
        layer_with(reset_threshold=lambda self: self.threshold.detach()),
    )


def _sum_kinds() -> Iterator[Kind]:
    def both(case: rs.Case, i: int) -> bool:
        return learned("leak", scalar=True)(case, i) and learned("threshold", scalar=True)(case, i)

    scalars = {"neuron": {"leak": draw_leak, "threshold": lambda rng, n: rs.Learned(0.9)}}
    for words, reduce in {
        "of the first recording alone": lambda g: g[0].sum(),
        "of the first neuron alone": lambda g: g[:, 0].sum(),
        "averaged over recordings": lambda g: g.mean(dim=0).sum(),
        "averaged over neurons": lambda g: g.mean(dim=1).sum(),
    }.items():
        yield Kind(
            f"learned scalars {words}",
            f"the gradients of learned scalars are {words}",
            [("all learned numbers", words)],
            scalars,
            both,
            reduced(reduce),
        )
    yield Kind(
        "gradients per neuron summed",
        "every neuron's gradient of the learned leak is the sum of all neurons'",
        [("learned leak summed over neurons",)],
        {"neuron": {"leak": lambda rng, n: rs.Learned(0.8, True, bool(rng.integers(2)))}},
        lambda case, i: is_each(case, i, "leak"),
        finish=summed,
    )
