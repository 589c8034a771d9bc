"""Faults of neurons in PyTorch: the reset, learned numbers, synapses, adaptation, recurrence."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch

import refsast as rs
from tests.crosscheck.planted_extended.connection_kinds import layer_with
from tests.crosscheck.planted_extended.kind import Kind
from tests.gradient.torch_extended import Layer

LEAK = {"neuron": {"leak": lambda rng, n: rs.Learned(0.8, sigmoid=bool(rng.integers(2)))}}


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


def reset_detached(self, s, leak, threshold):
    """The reset detached."""
    return Layer.reset_by(self, s.detach(), leak, threshold)


class Bypass(Layer):
    """The gradient of the synapse's leak sees the current of the step before as a constant."""

    path = 0.0  # of zeros, with the gradient of the leak

    def decay(self, current):
        synapse, before, late = self.neuron.synapse, torch.as_tensor(self.i), self.path
        leak = self.number("synapse_leak")
        self.i = leak.detach() * before + current
        self.path = (leak - leak.detach()) * before.detach()
        return synapse.scale * (before + late if synapse.delayed else self.i + self.path)


def delayed(self, current):
    """The current of the step before, with any synapse."""
    before = self.i
    Layer.filter(self, current)
    return self.neuron.synapse.scale * before


def first_stage(self, current):
    """The first stage of the synapse read, not the second."""
    before = self.h
    Layer.rise_and_fall(self, current)
    return self.neuron.synapse.scale * (before if self.neuron.synapse.delayed else self.h)


def difference(self, current):
    """The difference of two exponential currents, as the alpha function is often written."""
    synapse = self.neuron.synapse
    before = torch.as_tensor(self.h) - torch.as_tensor(self.i)
    self.h = synapse.rise * self.h + current
    self.i = synapse.decay * self.i + current
    return synapse.scale * (before if synapse.delayed else self.h - self.i)


def adaptation_detached(self):
    """The raised threshold a constant."""
    return torch.as_tensor(Layer.adapt(self)).detach()


def late_adaptation(self):
    """The adaptation by the spike of a step before the last."""
    raised = self.neuron.adaptation.strength * torch.as_tensor(self.a)
    Layer.adapt(self)
    return raised


def refractory_detached(self, s):
    """The refractory factor a constant."""
    for earlier in self.past:
        s = s * (1.0 - earlier.detach())
    return s


def refractory_ignored(self, s):
    """The refractory factor is not there backwards."""
    found = s.detach()
    for earlier in self.past:
        found = found * (1.0 - earlier.detach())
    return found + s - s.detach()


def refractory_holds(self):
    """The potential stays at zero in the refractory time."""
    kept = Layer.reset(self)
    for earlier in self.past:
        kept = kept * (1.0 - earlier)
    return kept


def slope_at_rest(self, raised):
    """The spike's derivative at the threshold that is not raised."""
    raised = torch.as_tensor(raised)
    v = self.u - (self.spread("threshold", self.threshold) + raised)
    return self.refrain(RestSlope.apply(v, raised.detach(), self))


class RestSlope(torch.autograd.Function):
    """A spike whose derivative is taken so much above."""

    @staticmethod
    def forward(ctx, v, raised, layer):
        ctx.layer = layer
        ctx.save_for_backward(v + raised)
        with torch.no_grad():
            return layer.fire(layer.neuron.spike, v)

    @staticmethod
    def backward(ctx, g):
        (v,) = ctx.saved_tensors
        with torch.enable_grad():
            v = v.detach().requires_grad_()
            slope = torch.autograd.grad(ctx.layer.fire(ctx.layer.neuron.spike, v).sum(), v)[0]
        return g * slope, None, None


def zero(name: str) -> Callable:
    """Return a change of the gradients that loses one of them."""
    return lambda case, i, layer: replace(layer, **{name: 0.0 * getattr(layer, name)})


def summed(case, i, layer):
    """Every neuron's gradient is the sum of all neurons'."""
    name = next(n for n in ("leak", "threshold") if is_each(case, i, n))
    grad = getattr(layer, name)
    return replace(layer, **{name: np.full(grad.shape, grad.sum())})


def without_sigmoid(self, parameter):
    """The sigmoid's derivative left out."""
    return torch.sigmoid(parameter).detach() + parameter - parameter.detach()


class FedBack(torch.autograd.Function):
    """The recurrent input, whose weights have the gradient of other spikes, known later."""

    @staticmethod
    def forward(ctx, s, v, later):
        ctx.later = later
        ctx.save_for_backward(v)
        return s @ v.T

    @staticmethod
    def backward(ctx, g):
        (v,) = ctx.saved_tensors
        return g @ v, g.T @ ctx.later[0], None


class SameStep(Layer):
    """The gradient of the recurrent weights with the spikes of the same step."""

    def feed_back(self, s):
        self.later = []
        return FedBack.apply(s, self.parameters["v"], self.later)

    def step(self, current):
        s = super().step(current)
        self.later.append(s.detach())
        return s


def learned(name: str, *, scalar: bool = False) -> Callable:
    """Return whether a layer learns a number."""

    def has(case: rs.Case, i: int) -> bool:
        value = getattr(case.params[i], name)
        return value is not None and not (scalar and value.ndim)

    return has


def is_each(case: rs.Case, i: int, name: str) -> bool:
    """Whether each of several neurons learns its own."""
    value = getattr(case.params[i], name)
    return value is not None and value.ndim == 1 and value.size > 1


def has_option(name: str, allowed: Callable = lambda value: bool(value)) -> Callable:
    """Return whether the neuron of a layer has an option."""
    return lambda case, i: allowed(getattr(case.network.neurons[i], name))


def is_alpha(case: rs.Case, i: int) -> bool:
    """Whether the synapse of a layer is of second order."""
    return isinstance(case.network.neurons[i].synapse, rs.Alpha)


def not_first(has: Callable) -> Callable:
    """Return whether a layer resets with a gradient through its spikes, and has this."""
    return lambda case, i: not case.network.neurons[i].detach_reset and has(case, i)


def any_layer(case: rs.Case, i: int) -> bool:
    """Whether a layer has what all have."""
    return True


def subtracts(case: rs.Case, i: int) -> bool:
    """Whether the reset of a layer subtracts a learned threshold."""
    return learned("threshold")(case, i) and isinstance(case.network.neurons[i].reset, rs.Subtract)


def leaky_reset(case: rs.Case, i: int) -> bool:
    """Whether the learned leak of a layer has a path through its reset."""
    return learned("leak")(case, i) and case.network.neurons[i].reset != rs.Subtract()


def recurs(case: rs.Case, i: int) -> bool:
    """Whether a layer is recurrent."""
    return case.params[i].v is not None


def neuron_kinds() -> Iterator[Kind]:
    """Yield the kinds of resets, synapses, adaptation, refractory time and recurrence."""
    alpha = {"neuron": {"synapse": lambda rng, n: rs.Alpha(0.75, 0.5, 1.0, bool(rng.integers(3) == 0))}}
    exponential = {
        "neuron": {
            "synapse": lambda rng, n: rs.Synapse(0.7, 1.0, bool(rng.integers(3) == 0)),
            "synapse_leak": lambda rng, n: rs.Learned(0.7, bool(rng.integers(2))),
        }
    }
    soon = {"neuron": {"synapse": lambda rng, n: (rs.Synapse(0.7), rs.Alpha(0.75, 0.5))[rng.integers(2)]}}
    alif = {"neuron": {"adaptation": rs.Adaptation(0.9, 0.4)}}
    refractory = {"neuron": {"refractory": lambda rng, n: int(rng.integers(1, 3))}}
    yield Kind("reset detached", "the reset detached", [("with the reset detached",)], {},
               not_first(any_layer), layer_with(reset_by=reset_detached))  # fmt: skip
    yield Kind("current one step late", "the synaptic current delayed by a step",
               [("synaptic current", "delayed")], soon,
               has_option("synapse", lambda s: s is not None and not s.delayed),
               layer_with(filter=delayed))  # fmt: skip
    yield Kind("synapse's leak without recurrence", "the gradient of the synapse's leak without the "
               "way through earlier currents", [("synapse's leak", "earlier")],
               exponential, learned("synapse_leak"), Bypass)  # fmt: skip
    yield Kind("alpha's currents exchanged", "the first current of an alpha synapse read, not the "
               "second", [("first stage", "read"), ("synapse's decay 0 ",)], alpha, is_alpha,
               layer_with(rise_and_fall=first_stage))  # fmt: skip
    yield Kind("difference of currents", "the difference of two exponential currents",
               [("difference",)], alpha, is_alpha, layer_with(rise_and_fall=difference))  # fmt: skip
    yield Kind("adaptation detached", "the adaptation detached", [("adaptation detached",)], alif,
               has_option("adaptation"), layer_with(adapt=adaptation_detached))  # fmt: skip
    yield Kind("adaptation of the other sign", "the threshold falls with every spike",
               [("strength -",), ("strength", "sign")], alif, has_option("adaptation"),
               layer_with(adapt=lambda self: -Layer.adapt(self)))  # fmt: skip
    yield Kind("adaptation one step late", "the adaptation one step later",
               [("adaptation one step later",)], alif, has_option("adaptation"),
               layer_with(adapt=late_adaptation))  # fmt: skip
    yield Kind("derivative at rest", "the spike's derivative at the threshold that is not raised",
               [("derivative at the threshold that is not raised",)], alif,
               has_option("adaptation"), layer_with(emit=slope_at_rest))  # fmt: skip
    yield Kind("refractory factor detached", "no gradient through earlier spikes of the refractory "
               "factor", [("refractory factor detached",)], refractory, has_option("refractory"),
               layer_with(refrain=refractory_detached))  # fmt: skip
    yield Kind("refractory time ignored backwards", "the refractory factor is missing backwards",
               [("refractory", "ignored backwards")], refractory, has_option("refractory"),
               layer_with(refrain=refractory_ignored))  # fmt: skip
    yield Kind("refractory time holds the potential", "the potential at zero in the refractory time",
               [("potential", "refractory")], refractory, has_option("refractory"),
               layer_with(reset=refractory_holds))  # fmt: skip
    yield Kind("recurrence detached", "the spikes that are fed back detached",
               [("spikes that are fed back detached",)], {"recurrent": True}, recurs,
               layer_with(feed_back=lambda self, s: Layer.feed_back(self, s.detach())))  # fmt: skip
    yield Kind("recurrent weights by the same step", "the gradient of the recurrent weights with "
               "the spikes of the same step", [("recurrent weights", "same step")],
               {"recurrent": True}, recurs, SameStep)  # fmt: skip


def learned_kinds() -> Iterator[Kind]:
    """Yield the kinds of learned numbers."""
    threshold = {"neuron": {"threshold": lambda rng, n: rs.Learned(0.9)}}
    scalars = {"neuron": {**LEAK["neuron"], **threshold["neuron"]}}
    each = {
        "neuron": {
            "leak": lambda rng, n: rs.Learned(0.8, True, bool(rng.integers(2))),
            "threshold": lambda rng, n: rs.Learned(0.9, True),
        }
    }
    sigmoid = {"neuron": {"leak": lambda rng, n: rs.Learned(0.8, bool(rng.integers(2)), True)}}
    start = {"neuron": {"learn_start": True}}

    def both(case: rs.Case, i: int) -> bool:
        return learned("leak", scalar=True)(case, i) and learned("threshold", scalar=True)(case, i)

    yield Kind("leak without its path through the reset", "the gradient of the learned leak without "
               "its path through the reset",
               [("learned leak without its path through the reset",), ("leak without the reset's",)],
               LEAK, leaky_reset, layer_with(reset_by=leak_not_through_reset))  # fmt: skip
    yield Kind("reset detached for the leak alone", "the reset is detached for the gradient of the "
               "learned leak alone", [("reset detached", "learned leak alone")], LEAK,
               not_first(learned("leak")), layer_with(reset_by=reset_detached),
               borrow="leak")  # fmt: skip
    yield Kind("threshold without its path through the reset", "the gradient of the learned "
               "threshold without its path through the reset",
               [("threshold without its path through the reset",)],
               {"neuron": {**threshold["neuron"], "reset": rs.Subtract()}}, subtracts,
               layer_with(reset_threshold=lambda self: self.threshold.detach()))  # fmt: skip
    for words, reduce in {
        "the first recording alone": lambda g: g[0].sum(),
        "the first neuron alone": lambda g: g[:, 0].sum(),
        "the mean over recordings": lambda g: g.mean(dim=0).sum(),
        "the mean over neurons": lambda g: g.mean(dim=1).sum(),
    }.items():
        plain = words.replace("the mean", "averaged").removeprefix("the ")
        yield Kind(f"learned scalars: {words}", f"the gradients of learned scalars are of {words}",
                   [("leak", "threshold", plain), ("leak", "threshold", "multiplied by")]
                   if "mean" in words else [("leak", "threshold", plain)],
                   scalars, both, reduced(reduce))  # fmt: skip
    yield Kind("gradients per neuron summed", "every neuron's gradient of a learned number is the "
               "sum of all neurons'", [("learned leak summed over neurons",)],
               each, lambda case, i: is_each(case, i, "leak"), finish=summed)  # fmt: skip
    yield Kind("sigmoid's derivative missing", "the gradient of the learned leak without the "
               "sigmoid's derivative", [("without the sigmoid's derivative",)], sigmoid,
               lambda case, i: getattr(case.network.neurons[i].leak, "sigmoid", False),
               layer_with(squash=without_sigmoid))  # fmt: skip
    yield Kind("start's gradient lost", "no gradient for the potential at the start",
               [("zeros for", ".start")], start, learned("start"), finish=zero("start"))  # fmt: skip
    yield Kind("start ignored", "from a potential of zero", [("from a potential of zero",)], start,
               learned("start"),
               layer_with(start=lambda self, like: Layer.start(_without_start(self), like)))  # fmt: skip


def _without_start(layer: Layer) -> Layer:
    layer.parameters = {k: a for k, a in layer.parameters.items() if k != "start"}
    return layer
