"""Faults of readout and loss, forward or back, written without a look at the search."""

import numpy as np
import torch
from torch.nn.functional import cross_entropy, one_hot

from tests.crosscheck.blind.auto import Auto
from tests.crosscheck.blind.hand import Hand, softmax
from tests.crosscheck.blind.kinds import kind


@kind(
    "the loss is the mean over the steps of the loss of each step's spikes",
    place="loss or readout",
    cause="cross entropy of each step and then the mean, in place of the other way round",
    needs="rate",
)
class CrossEntropyOfEveryStep(Auto):
    def loss(self, z):
        each = [super(CrossEntropyOfEveryStep, self).loss(self.gain * s) for s in self.s[-1][1:]]
        return torch.stack(each).mean()


@kind(
    "the loss is the squared error of the rates to one hot labels",
    place="loss or readout",
    cause="mean squared error in place of cross entropy",
    needs="rate",
)
class SquaredErrorOfRates(Auto):
    def loss(self, z):
        wanted = one_hot(self.y, z.shape[1]).to(self.dtype)
        return ((z / self.gain - wanted) ** 2).mean()


@kind(
    "the first half of the steps is a warm-up that the rate leaves out",
    place="loss or readout",
    cause="the rate is of the second half of the steps alone",
    needs="rate",
)
class RateOfSecondHalf(Auto):
    def read(self, s):
        return super().read(s[len(s) // 2 :])


@kind(
    "the leaky readout's bias is added to the logits, not integrated",
    place="loss or readout",
    cause="the bias of the leaky readout counts once, in the logits",
    needs="leaky bias",
)
class LeakyBiasAddedOnce(Auto):
    def output_potentials(self, s):
        v, potentials = 0.0, []
        for each in s:
            v = self.kappa * v + each @ self.layers[-1]["w"].T
            potentials.append(v)
        return torch.stack(potentials)

    def pool_potentials(self, v):
        return v.mean(dim=0) + self.layers[-1].get("b", 0.0)


@kind(
    "on the way back the softmax is over the batch, not the classes",
    place="loss or readout",
    cause="the gradient of the loss has a softmax over the wrong axis",
)
class SoftmaxOverBatchOnWayBack(Hand):
    def loss(self, z):
        value, _ = super().loss(z)
        g = softmax(z, axis=0)
        g[np.arange(len(self.y)), self.y] -= 1
        return value, (g / len(self.y)).astype(self.dtype)


@kind(
    "the gradient of the loss is divided by the batch twice",
    place="loss or readout",
    cause="all gradients are divided by the batch size once too often",
)
class BatchMeanTwiceOnWayBack(Hand):
    def loss(self, z):
        value, g = super().loss(z)
        return value, g / len(self.y)


@kind(
    "the mean activity of all layers is added to the loss, times 0.1",
    place="loss or readout",
    cause="the loss has a penalty on the spikes of all layers",
)
class ActivityPenaltyInLoss(Auto):
    def loss(self, z):
        activity = sum(torch.stack(s[1:]).mean() for s in self.s)
        return super().loss(z) + 0.1 * activity


@kind(
    "two mistakes: the loss is a sum over the batch, and the readout has no bias",
    place="loss or readout",
    cause="the loss is summed over the batch, and the bias of the readout is left out",
    needs="affine bias",
)
class CrossEntropySummedAndReadoutUnbiased(Auto):
    def question(self):
        if self.readout != "SpikeRate":
            self.layers[-1].pop("b", None)

    def loss(self, z):
        return cross_entropy(z, self.y, reduction="sum")


@kind(
    "two mistakes: the way back misses the gain, and says nothing to the last step",
    place="loss or readout",
    cause="the readout's way back misses the gain, and its share of the last step is zero",
    needs="rate",
)
class NoGainBackAndLastStepUntold(Hand):
    def back_alpha(self):
        shares = self.alpha() / self.gain
        shares[-1] = 0.0
        return shares
