"""Faults of weights, precision and memory, and two faults at once."""

import numpy as np
import torch

from tests.crosscheck.blind.auto import Auto
from tests.crosscheck.blind.faults.finished import ClippedNorm, each_array
from tests.crosscheck.blind.faults.spikes_back import NoInnerDerivative
from tests.crosscheck.blind.faults.time_back import DetachedReset
from tests.crosscheck.blind.hand import Hand
from tests.crosscheck.blind.kinds import kind


def change_weights(layers, change):
    for layer in layers:
        layer["w"] = change(layer["w"])


@kind(
    "the gradient is SAM's, at the perturbed weights, rho 0.05; the loss, too",
    place="state",
    cause="the gradient at perturbed weights (SAM, 0.05)",
    listed=True,
)
class SamLeft(Hand):
    def solve(self, params, x, y):
        super().solve(params, x, y)
        first = [dict(layer) for layer in self.grads]
        norm = np.sqrt(sum(np.sum(layer[k] ** 2) for layer, k in each_array(first)))
        self.shift = [{k: 0.05 * a / norm for k, a in layer.items()} for layer in first]
        super().solve(params, x, y)
        del self.shift

    def question(self):
        if hasattr(self, "shift"):
            for layer, shift in zip(self.layers, self.shift, strict=True):
                for k in layer:
                    layer[k] = (layer[k] + shift[k]).astype(self.dtype)


@kind(
    "weights are stored in half precision",
    place="state",
    cause="weights are rounded to half precision",
    listed=True,
)
class HalfWeights(Auto):
    def question(self):
        change_weights(self.layers, lambda w: w.half().to(w.dtype))


@kind(
    "weights are quantised to 8 bits per array, straight through backwards",
    place="state",
    cause="weights are rounded to 8 bits",
    listed=True,
)
class QuantisedWeights(Auto):
    def question(self):
        def quantise(w):
            step = w.detach().abs().max() / 127
            return w + (torch.round(w / step) * step - w).detach()

        change_weights(self.layers, quantise)


@kind(
    "rows of the weights are normalised to length 1",
    place="state",
    cause="weights of each neuron are divided by their norm",
)
class NormedRows(Auto):
    def question(self):
        change_weights(self.layers[: self.depth], lambda w: w / w.norm(dim=1, keepdim=True))


@kind(
    "negative weights are taken for zero", place="state", cause="negative weights are cut to zero"
)
class NonNegative(Auto):
    def question(self):
        change_weights(self.layers[: self.depth], lambda w: w.clamp(min=0))


@kind(
    "weights are standardised per layer (weight standardisation)",
    place="state",
    cause="weights are standardised",
)
class StandardisedWeights(Auto):
    def question(self):
        change_weights(self.layers[: self.depth], lambda w: (w - w.mean()) / w.std())


@kind(
    "all is computed in float32 and returned as float64",
    place="state",
    cause="precision: float32 in place of float64",
    needs="double",
    listed=True,
)
class SingleInDouble(Auto):
    def solve(self, params, x, y):
        self.dtype = torch.float32
        super().solve(params, x, y)
        self.grads = [{k: a.astype(np.float64) for k, a in g.items()} for g in self.grads]


@kind(
    "potentials are stored in half precision",
    place="state",
    cause="potentials are rounded to half precision",
    listed=True,
)
class HalfPotentials(Auto):
    def integrate(self, i, t):
        u = super().integrate(i, t)
        return u + (u.half().to(u.dtype) - u).detach()


@kind(
    "gradients go through half precision (mixed precision without scaling)",
    place="gradient",
    cause="finished gradients are rounded to half precision",
    listed=True,
)
class HalfGradients(Hand):
    def finish(self):
        for layer, k in each_array(self.grads):
            layer[k] = layer[k].astype(np.float16).astype(self.dtype)


@kind(
    "spikes are kept as 8-bit integers, n/255", place="state", cause="spikes are rounded to 8 bits"
)
class ByteSpikes(Auto):
    def fire(self, i, t):
        s = super().fire(i, t)
        return s + (torch.round(255 * s) / 255 - s).detach()


@kind(
    "gradients are not cleared: those of the last call are added",
    place="",
    cause="gradients of the call before are added: they are not cleared",
)
class Uncleared(Hand):
    kept = None

    def finish(self):
        if self.kept is not None:
            for layer, before in zip(self.grads, self.kept, strict=True):
                for k in layer:
                    layer[k] = layer[k] + before[k]
        self.kept = self.grads


@kind(
    "states are kept from the last call",
    place="",
    cause="states kept from the last call: they are not reset",
    needs="rest",
)
class KeptStates(Hand):
    def solve(self, params, x, y):
        self.old = [u[-1].copy() for u in getattr(self, "u", [])]
        super().solve(params, x, y)

    def carried(self, i, t):
        if t == 1 and self.old and self.old[i].shape == self.u[i][0].shape:
            self.u[i][0] = self.old[i]
        return super().carried(i, t)


@kind(
    "dropout is left on, drawn anew at each call",
    place="",
    cause="a second call gives another answer",
)
class Dropout(Hand):
    rng = None

    def question(self):
        if self.rng is None:
            self.rng = np.random.default_rng(0)
        self.x = (self.x * 2 * (self.rng.random(self.x.shape) < 0.5)).astype(self.dtype)


@kind(
    "two at once: reset detached, loss summed over the batch",
    place="loss or readout",
    cause="the reset is detached, and a sum over recordings",
    needs="reset",
    listed=True,
)
class DetachedAndSummed(DetachedReset):
    def loss(self, z):
        value, g = super().loss(z)
        return value * len(self.y), g * len(self.y)


@kind(
    "two at once: input scaled by 1 - leak, reset detached",
    place="state",
    cause="the input times 1 - leak, and the reset detached",
    needs="reset steps",
    listed=True,
)
class ScaledAndDetached(Auto):
    def current(self, i, t):
        return (1 - self.leak[i]) * super().current(i, t)

    def carried(self, i, t):
        return self.rule(i, self.u[i][t - 1], self.s[i][t - 1].detach())


@kind(
    "two at once: the inner derivative missing, and the gradient clipped by norm",
    place="adjoint",
    cause="the derivative divided by the slope, and the gradient clipped",
    listed=True,
)
class UnscaledAndClipped(NoInnerDerivative):
    finish = ClippedNorm.finish
