"""Wrong layers in PyTorch: resets, synapses, adaptation, refractory time, recurrence."""

import torch

from tests.gradient.torch_extended import Layer


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
