"""Faults of the loss; autograd follows them."""

import numpy as np
import torch

from tests.crosscheck.blind.auto import Auto
from tests.crosscheck.blind.kinds import kind

nll = torch.nn.functional.nll_loss


@kind(
    "softmax twice: probabilities go into the cross entropy",
    place="loss or readout",
    cause="softmax is applied twice",
    listed=True,
)
class TwoSoftmaxes(Auto):
    def loss(self, z):
        return super().loss(torch.softmax(z, dim=1))


@kind(
    "softmax over the batch",
    place="loss or readout",
    cause="softmax over recordings in place of classes",
    listed=True,
)
class BatchSoftmax(Auto):
    def loss(self, z):
        return nll(torch.log_softmax(z, dim=0), self.y)


@kind(
    "the loss is summed over the batch",
    place="loss or readout",
    cause="a sum over recordings in place of the mean",
    listed=True,
)
class SummedLoss(Auto):
    def loss(self, z):
        return super().loss(z) * self.batch


@kind(
    "labels are smoothed by 0.1", place="loss or readout", cause="label smoothing 0.1", listed=True
)
class Smoothed(Auto):
    def loss(self, z):
        return torch.nn.functional.cross_entropy(z, self.y, label_smoothing=0.1)


@kind(
    "the loss is in bits, its gradient too",
    place="loss or readout",
    cause="the loss is divided by log 2",
    listed=True,
)
class Bits(Auto):
    def loss(self, z):
        return super().loss(z) / np.log(2.0)


@kind(
    "squared error of the probabilities",
    place="loss or readout",
    cause="squared error of probabilities in place of cross entropy",
    listed=True,
)
class SquaredError(Auto):
    def loss(self, z):
        wanted = torch.nn.functional.one_hot(self.y, z.shape[1])
        return ((torch.softmax(z, dim=1) - wanted) ** 2).sum(dim=1).mean()


@kind(
    "focal loss, gamma 2",
    place="loss or readout",
    cause="the cross entropy of each recording is weighted by (1 - p)^2",
)
class Focal(Auto):
    def loss(self, z):
        p = torch.softmax(z, dim=1)[torch.arange(len(self.y)), self.y]
        return (-((1 - p) ** 2) * torch.log(p)).mean()


@kind(
    "classes are weighted by how seldom they are in the batch",
    place="loss or readout",
    cause="recordings are weighted by the frequency of their class",
)
class Balanced(Auto):
    def loss(self, z):
        counts = torch.bincount(self.y, minlength=z.shape[1]).clamp(min=1)
        weight = (len(self.y) / counts).to(z.dtype)
        return torch.nn.functional.cross_entropy(z, self.y, weight=weight)


@kind(
    "log(p + 1e-4) in place of log(p)",
    place="loss or readout",
    cause="an epsilon is added within the logarithm",
    needs="double",
)
class Epsilon(Auto):
    def loss(self, z):
        return nll(torch.log(torch.softmax(z, dim=1) + 1e-4), self.y)


@kind(
    "logits are divided by a temperature of 2",
    place="loss or readout",
    cause="logits times 0.5",
    listed=True,
)
class Temperature(Auto):
    def loss(self, z):
        return super().loss(z / 2)


@kind(
    "recordings of class 0 are left out, as padding",
    place="loss or readout",
    cause="recordings with label 0 are not counted",
    listed=True,
)
class IgnoredClass(Auto):
    def loss(self, z):
        kept = self.y != 0
        return (
            super().loss(z)
            if not kept.any()
            else torch.nn.functional.cross_entropy(z, self.y, ignore_index=0)
        )


@kind(
    "a margin loss in place of the cross entropy",
    place="loss or readout",
    cause="a margin loss in place of cross entropy",
)
class Margin(Auto):
    def loss(self, z):
        return torch.nn.functional.multi_margin_loss(z, self.y)


@kind(
    "the last recording is dropped",
    place="loss or readout",
    cause="the last recording is left out",
    listed=True,
)
class DroppedRecording(Auto):
    def loss(self, z):
        return torch.nn.functional.cross_entropy(z[:-1], self.y[:-1])


@kind(
    "two half batches of unequal size, their means averaged",
    place="loss or readout",
    cause="recordings of the first half count otherwise than those of the second",
    needs="parted",
)
class UnequalHalves(Auto):
    def loss(self, z):
        half = len(self.y) // 2
        first = torch.nn.functional.cross_entropy(z[:half], self.y[:half])
        return 0.5 * (first + torch.nn.functional.cross_entropy(z[half:], self.y[half:]))


@kind(
    "labels are in the order of another shuffle than the input: reversed",
    place="loss or readout",
    cause="labels are in reversed order",
    listed=True,
)
class ReversedLabels(Auto):
    def question(self):
        self.y = self.y.flip(0)


@kind(
    "a penalty of 0.01 times the mean squared spike rate is in loss and gradient",
    place="loss or readout",
    cause="a penalty on spike rates, 0.01",
)
class RatePenalty(Auto):
    def loss(self, z):
        rates = [torch.stack(s[1:]).mean(dim=(0, 1)) for s in self.s]
        return super().loss(z) + 0.01 * sum((r**2).sum() for r in rates)


@kind(
    "weight decay, 0.01/2 w^2 of feed-forward weights, is in loss and gradient",
    place="loss or readout",
    cause="an L2 penalty on weights, 0.01",
    listed=True,
)
class DecayInLoss(Auto):
    def loss(self, z):
        return super().loss(z) + 0.005 * sum((layer["w"] ** 2).sum() for layer in self.layers)
