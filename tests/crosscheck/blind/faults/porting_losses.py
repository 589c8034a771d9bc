"""Faults of readouts and losses."""

import numpy as np
import torch

from tests.crosscheck.blind.auto import Auto
from tests.crosscheck.blind.hand import Hand, softmax
from tests.crosscheck.blind.kinds import kind


@kind(
    "takes binary cross-entropy with one-hot targets, a sigmoid for every class",
    place="loss or readout",
    cause="The loss is a binary cross-entropy of each logit (sigmoid per class, mean over "
    "recordings and classes) instead of the softmax cross-entropy; states and logits are right.",
)
class BinaryCrossEntropyPerClass(Auto):
    def loss(self, z):
        wanted = torch.nn.functional.one_hot(self.y, z.shape[1]).to(z.dtype)
        return torch.nn.functional.binary_cross_entropy_with_logits(z, wanted)


@kind(
    "takes the softmax at every step and averages probabilities, not potentials",
    place="loss or readout",
    cause="The loss is -log of the probabilities averaged over steps (softmax of the readout's "
    "potentials at each step, then mean), instead of softmax of the mean potential.",
    needs="leaky",
)
class ProbabilitiesAveraged(Auto):
    def pool_potentials(self, v):
        self.potentials = v
        return super().pool_potentials(v)

    def loss(self, z):
        if self.readout != "LeakyReadout":
            return super().loss(z)
        p = torch.softmax(self.potentials, dim=2).mean(dim=0)
        return torch.nn.functional.nll_loss(torch.log(p), self.y)


@kind(
    "divides the spike counts by all output spikes of the recording and not by the steps",
    place="loss or readout",
    cause="The logits are the gain times each neuron's share of all the output spikes of the "
    "recording (divided by their sum over neurons) instead of the mean over steps.",
    needs="rate",
)
class SharesOfSpikes(Auto):
    def read(self, s):
        if self.readout != "SpikeRate":
            return super().read(s)
        counts = torch.stack(s).sum(dim=0)
        return self.gain * counts / counts.sum(dim=1, keepdim=True).clamp(min=1e-6)


@kind(
    "scales the leaky readout's input by one minus its leak, as an exponential average",
    place="loss or readout",
    cause="The readout's input (weights, spikes and bias) is multiplied by 1 - readout leak: "
    "logits are too small by that factor.",
    needs="leaky",
)
class ReadoutInputScaled(Auto):
    def output_potentials(self, s):
        return (1 - self.kappa) * super().output_potentials(s)


@kind(
    "leaves the output neurons their reset, so the readout's potentials drop by one above one",
    place="loss or readout",
    cause="The leaky readout, which should never reset, subtracts 1 from its potential after "
    "each step at which that exceeds 1.",
    needs="leaky steps",
)
class ReadoutResets(Auto):
    def output_potentials(self, s):
        layer, v, potentials = self.layers[-1], torch.zeros(()), []
        for each in s:
            fired = (v.detach() > 1).to(self.dtype)
            v = self.kappa * v + each @ layer["w"].T + layer.get("b", 0.0) - fired
            potentials.append(v)
        return torch.stack(potentials)


@kind(
    "pads the logits with a background class of logit zero",
    place="loss or readout",
    cause="The softmax has one class too many, whose logit is always zero: exp(0) = 1 is added "
    "to the normalising sum.",
)
class ExtraClassOfZeroLogit(Auto):
    def loss(self, z):
        return super().loss(torch.cat([z, torch.zeros_like(z[:, :1])], dim=1))


@kind(
    "divides the gradient of the loss by recordings times classes, the mean of all entries",
    place="loss or readout",
    cause="dL/dlogits is divided by the number of classes as well as by the batch: all "
    "gradients are too small by the factor 1 / classes; the loss's value is right.",
)
class GradientDividedByClassesToo(Hand):
    def loss(self, z):
        value, g = super().loss(z)
        return value, g / z.shape[1]


@kind(
    "sets the gradient of the loss at the label's logit alone and leaves the others at zero",
    place="loss or readout",
    cause="dL/dlogits is p - 1 at the label and zero at every other class, where it should be p: "
    "wrong classes are never pushed down.",
)
class GradientOnlyAtTarget(Hand):
    def loss(self, z):
        value, _ = super().loss(z)
        rows = np.arange(len(self.y))
        g = np.zeros_like(z)
        g[rows, self.y] = softmax(z)[rows, self.y] - 1
        return value, (g / len(self.y)).astype(self.dtype)


@kind(
    "multiplies by the gain in the readout and again before the loss, and detaches the older half",
    place="loss or readout",
    cause="Two: the gain of the spike rate is applied twice to the logits, and potentials are "
    "detached in the middle of the sequence (the leak's path is cut between the halves).",
    needs="rate steps",
)
class GainTwiceAndHalfDetached(Auto):
    def read(self, s):
        return (self.gain if self.readout == "SpikeRate" else 1.0) * super().read(s)

    def carried(self, i, t):
        u, s = self.u[i][t - 1], self.s[i][t - 1]
        return self.rule(i, u.detach() if t == self.time // 2 + 1 else u, s)


@kind(
    "never clears the counters of output spikes between two calls",
    place="",
    cause="Output spike counts outlive the call: the counts of the call before are added to "
    "those of this one before the rate is taken.",
    needs="rate",
)
class CountsNotCleared(Auto):
    kept = None

    def read(self, s):
        if self.readout != "SpikeRate":
            return super().read(s)
        counts = torch.stack(s).sum(dim=0)
        if self.kept is not None and self.kept.shape == counts.shape:
            counts = counts + self.kept
        self.kept = counts.detach()
        return self.gain * counts / len(s)
