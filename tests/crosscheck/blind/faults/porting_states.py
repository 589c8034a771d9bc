"""Faults of the forward pass: input, leaks, resets, recurrence, biases, what is passed on."""

import torch

from tests.crosscheck.blind.auto import Auto
from tests.crosscheck.blind.kinds import kind


@kind(
    "takes a neuron with synaptic current (snnTorch's Synaptic for Leaky), decaying by the leak",
    place="state",
    cause="The input current is itself low-pass filtered before it reaches the potential: "
    "I[t] = leak * I[t-1] + W x + b + V s, a second (synaptic) state that should not be there.",
    needs="steps",
)
class SynapticInsteadOfLeaky(Auto):
    def current(self, i, t):
        fresh = super().current(i, t)
        self.synapse = fresh if t == 1 else self.leak[i] * self.synapse + fresh
        return self.synapse


@kind(
    "resets to a reset potential of -0.1 which was kept from another project, and not to zero",
    place="state",
    cause="After a spike the potential is set to -0.1 instead of 0: -0.1 * leak * s is added to "
    "what is carried over (a reset potential that is not zero).",
    needs="zero",
)
class ResetToMinusTenth(Auto):
    def rule(self, i, u, s):
        found = super().rule(i, u, s)
        return found - 0.1 * self.leak[i] * s if self.reset[i] == "zero" else found


@kind(
    "lets potentials decay to a resting potential of 0.1 and not to zero",
    place="state",
    cause="The leak goes towards a resting potential of 0.1: a constant (1 - leak) * 0.1 is added "
    "to every potential at every step.",
)
class LeakTowardsRest(Auto):
    def carried(self, i, t):
        return super().carried(i, t) + (1 - self.leak[i]) * 0.1


@kind(
    "leaves a batch normalisation in training mode between the weights and the neurons",
    place="state",
    cause="The feedforward current (W x + b) is normalised per neuron over all steps and "
    "recordings (mean subtracted, divided by the standard deviation) before it is integrated.",
)
class CurrentsBatchNormed(Auto):
    def current(self, i, t):
        layer = self.layers[i]
        if t == 1:
            c = torch.stack(list(self.a[i])) @ layer["w"].T + self.bias(i, t)
            var, mean = torch.var_mean(c, dim=(0, 1), unbiased=False)
            self.normed = (c - mean) / torch.sqrt(var + 1e-5)
        found = self.normed[t - 1]
        return found + self.fed_back(i, t) @ layer["v"].T if "v" in layer else found


@kind(
    "starts potentials at half the threshold, as some in-house code does, and not at zero",
    place="state",
    cause="The potential before the first step is half the threshold instead of zero.",
    needs="rest",
)
class StartsAtHalfThreshold(Auto):
    def run_layer(self, i):
        n = len(self.layers[i]["w"])
        s = torch.zeros((self.batch, n), dtype=self.dtype)
        self.u.append([s + 0.5 * self.theta[i]])
        self.s.append([s])
        for t in range(1, self.time + 1):
            self.u[i].append(self.integrate(i, t))
            self.s[i].append(self.fire(i, t))


@kind(
    "integrates the same input in two substeps per step and fires only after the second",
    place="state",
    cause="Every step integrates twice: the fresh potential is leaked once more and the current "
    "is added a second time, u = leak * (carried + I) + I.",
)
class TwoSubstepsPerStep(Auto):
    def integrate(self, i, t):
        c = self.current(i, t)
        return self.leak[i] * (self.carried(i, t) + c) + c


@kind(
    "gives recurrent connections to the first layer alone, all layers above run without theirs",
    place="state",
    cause="The recurrent weights of the layers above the first are not used (no recurrent "
    "current there, their gradient is zero); the first layer is right.",
    needs="recurrent deep",
)
class RecurrenceInFirstLayerOnly(Auto):
    def fed_back(self, i, t):
        found = super().fed_back(i, t)
        return found if i == 0 else torch.zeros_like(found)


@kind(
    "hands spikes on as threshold times spike, as after conversion from an ANN",
    place="state",
    cause="What a layer hands to the layer above is its spikes times its threshold; the next "
    "layer's input is scaled by the threshold of the layer below (the readout is not).",
    needs="deep",
)
class SpikesWorthThreshold(Auto):
    def passed(self, i):
        return [self.theta[i] * s for s in self.s[i][1:]]


@kind(
    "copies the line of the feedforward product and forgets to change w to v",
    place="state",
    cause="The recurrent current is taken with the feedforward weights w instead of v (v is "
    "unused and its gradient zero).",
    needs="recurrent square",
)
class CopiedLineUsesFeedforward(Auto):
    def current(self, i, t):
        layer = self.layers[i]
        found = self.a[i][t - 1] @ layer["w"].T + self.bias(i, t)
        if "v" not in layer:
            return found
        same = layer["w"].shape == layer["v"].shape
        return found + self.fed_back(i, t) @ layer["w" if same else "v"].T


@kind(
    "sends analog input through a (seeded) Poisson encoder that was meant for images",
    place="state",
    cause="The input is replaced by random spikes drawn with the (clipped) input as probability: "
    "the network does not see the input that was given but a spike-encoded one.",
    needs="analog",
)
class EncodedOnceMore(Auto):
    def question(self):
        random = torch.Generator().manual_seed(0)
        drawn = torch.rand(self.x.shape, generator=random, dtype=torch.float64)
        self.x = (drawn < self.x.clamp(0, 1)).to(self.dtype)


@kind(
    "leaves a delta encoding in the data loader, so the network gets differences of frames",
    place="state",
    cause="The input of each step after the first is the difference x[t] - x[t-1] to the frame "
    "before instead of x[t].",
    needs="steps",
)
class DeltaEncoded(Auto):
    def question(self):
        self.x = torch.cat([self.x[:1], self.x[1:] - self.x[:-1]])
