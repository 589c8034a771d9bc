"""Faults of readout and loss, forward or backward."""

import numpy as np
import torch

from tests.crosscheck.blind.auto import Auto
from tests.crosscheck.blind.hand import Hand, softmax
from tests.crosscheck.blind.kinds import kind


@kind(
    "g[:, y] -= 1 is written for g[arange, y] -= 1",
    place="loss or readout",
    cause="the one of the one-hot label is subtracted in the columns of all labels of the batch",
)
class OneHotSubtractedFromWholeColumns(Hand):
    def loss(self, z):
        value, _ = super().loss(z)
        g = softmax(z)
        g[:, self.y] -= 1
        return value, (g / len(self.y)).astype(self.dtype)


@kind(
    "the derivative of a sigmoid is multiplied to softmax minus one-hot",
    place="loss or readout",
    cause="the gradient of the logits has an extra factor p(1 - p)",
)
class SigmoidDerivativeAfterSoftmax(Hand):
    def loss(self, z):
        value, g = super().loss(z)
        p = softmax(z)
        return value, (g * p * (1 - p)).astype(self.dtype)


@kind(
    "the cross entropy is taken of every step's output and averaged over the steps",
    place="loss or readout",
    cause="the loss is the mean of each step's cross entropy instead of that of the mean output",
)
class LossOfEveryStepAveraged(Auto):
    def read(self, s):
        if self.readout == "SpikeRate":
            self.outputs = self.gain * torch.stack(s)
        elif self.readout == "LinearReadout":
            layer = self.layers[-1]
            self.outputs = torch.stack(s) @ layer["w"].T + layer.get("b", 0.0)
        else:
            self.outputs = self.output_potentials(s)
        return self.outputs.mean(dim=0)

    def loss(self, z):
        losses = [torch.nn.functional.cross_entropy(each, self.y) for each in self.outputs]
        return torch.stack(losses).mean()


@kind(
    "labels are taken to count from one, so one is subtracted and class 0 becomes the last",
    place="loss or readout",
    cause="all labels are shifted down by one",
)
class LabelsCountedFromOne(Hand):
    def question(self):
        self.y = self.y - 1


@kind(
    "the first quarter of the steps is left out of the readout as warm-up, still divided by T",
    place="loss or readout",
    cause="the spikes of the first quarter of the steps do not count in the readout",
    needs="steps rest",
)
class WarmUpStepsLeftOut(Hand):
    def alpha(self):
        return np.where(np.arange(self.time) < self.time // 4, 0.0, super().alpha())


@kind(
    "the bias of the linear readout is added at each step of a sum that is then not averaged",
    place="loss or readout",
    cause="the readout's bias counts once per step: it is multiplied by the number of steps",
    needs="linear bias",
)
class ReadoutBiasAddedEachStep(Auto):
    def read(self, s):
        return super().read(s) + (self.time - 1) * self.layers[-1]["b"]


@kind(
    "two: the last recording is dropped to make chunks equal, a firing-rate penalty was left in",
    place="loss or readout",
    cause="the last recording of the batch is left out of the loss; and a firing-rate penalty is"
    " added to it",
)
class LastRecordingDroppedAndRatePenalised(Auto):
    def loss(self, z):
        rates = [torch.stack(s[1:]).mean() for s in self.s]
        kept = torch.nn.functional.cross_entropy(z[:-1], self.y[:-1])
        return kept + 0.5 * sum(rate**2 for rate in rates)
