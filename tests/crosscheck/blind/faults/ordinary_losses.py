"""Faults of readout and loss, forward (autograd) or backward (by hand)."""

import numpy as np
import torch

from tests.crosscheck.blind.auto import Auto
from tests.crosscheck.blind.hand import Hand, softmax
from tests.crosscheck.blind.kinds import kind

cross_entropy = torch.nn.functional.cross_entropy


@kind(
    "the model ends in a softmax and CrossEntropyLoss takes another",
    place="loss or readout",
    cause="softmax is applied twice: probabilities are given to the cross entropy as logits",
)
class ModelEndsInSoftmax(Auto):
    def loss(self, z):
        return super().loss(torch.softmax(z, dim=1))


@kind(
    "log_softmax is given dim=0: it normalises over the batch",
    place="loss or readout",
    cause="the softmax is taken over recordings instead of classes",
)
class LogSoftmaxDimZero(Auto):
    def loss(self, z):
        return torch.nn.functional.nll_loss(torch.log_softmax(z, dim=0), self.y)


@kind(
    "cross entropy is taken at every step and averaged, not once of the mean logits",
    place="loss or readout",
    cause="the loss is the mean over steps of the cross entropy of each step's logits",
)
class CrossEntropyOfEachStep(Auto):
    def read(self, s):
        if self.readout == "SpikeRate":
            self.each = self.gain * torch.stack(s)
        elif self.readout == "LinearReadout":
            layer = self.layers[-1]
            self.each = torch.stack(s) @ layer["w"].T + layer.get("b", 0.0)
        else:
            self.each = self.output_potentials(s)
        return self.each.mean(dim=0)

    def loss(self, z):
        return torch.stack([cross_entropy(each, self.y) for each in self.each]).mean()


@kind(
    "the integrator's last potential is read",
    place="loss or readout",
    cause="the logits are the last potential of the readout, not the mean over steps",
    needs="leaky",
)
class FinalPotentialAsLogits(Auto):
    def pool_potentials(self, v):
        return v[-1]


@kind(
    "the integrator's bias is added once to the logits",
    place="loss or readout",
    cause="the readout's bias is added once to the logits, not integrated at every step",
    needs="leaky bias",
)
class IntegratorBiasAddedOnce(Auto):
    def output_potentials(self, s):
        layer, v, potentials = self.layers[-1], 0.0, []
        for each in s:
            v = self.kappa * v + each @ layer["w"].T
            potentials.append(v)
        return torch.stack(potentials) + layer["b"]


@kind(
    "a burn-in of a quarter of the steps is left out of the mean",
    place="loss or readout",
    cause="the first quarter of the steps is not counted in the readout's mean",
)
class BurnInLeftOut(Auto):
    def read(self, s):
        skipped = 0 if self.readout == "LeakyReadout" else max(1, len(s) // 4)
        return super().read(s[skipped:])

    def pool_potentials(self, v):
        return v[max(1, len(v) // 4) :].mean(dim=0)


@kind(
    "recordings are padded with empty frames to a multiple of 16 steps, and no mask is used",
    place="loss or readout",
    cause="steps of zero input after the end are simulated and counted in the readout",
)
class PaddingWithoutMask(Auto):
    def question(self):
        missing = -len(self.x) % 16
        self.x = torch.cat([self.x, torch.zeros_like(self.x[:1]).repeat(missing, 1, 1)])


@kind(
    "ignore_index=0 was meant for padding: recordings of class 0 are left out",
    place="loss or readout",
    cause="recordings of class 0 are left out of the loss",
)
class ClassZeroTakenForPadding(Auto):
    def loss(self, z):
        return cross_entropy(z, self.y, ignore_index=0)


@kind(
    "the one-hot is subtracted by g[:, y] -= 1: in all rows, for every label of the batch",
    place="loss or readout",
    cause="one is subtracted in the columns of all labels of the batch in each row of the "
    "derivative of the loss by the logits, not of the row's own label alone",
)
class OneHotInEveryRow(Hand):
    def loss(self, z):
        value, _ = super().loss(z)
        g = softmax(z)
        g[:, self.y] -= 1
        return value, (g / len(self.y)).astype(self.dtype)


@kind(
    "p - onehot is multiplied by the derivative of the softmax once more",
    place="loss or readout",
    cause="the derivative of the loss by the logits has an extra factor p (1 - p)",
)
class SoftmaxDerivativeOnceMore(Hand):
    def loss(self, z):
        value, g = super().loss(z)
        p = softmax(z)
        return value, (g * p * (1 - p)).astype(self.dtype)


@kind(
    "the way back through the integrator is that of a plain mean",
    place="loss or readout",
    cause="the leak of the readout is missing in what its spikes receive: 1/T at every step",
    needs="leaky",
)
class IntegratorBackAsMean(Hand):
    def back_alpha(self):
        return np.full(self.time, 1 / self.time)


@kind(
    "two: logits are summed over steps, and the loss over recordings",
    place="loss or readout",
    cause="logits are the sum over steps, not the mean, and the loss is the sum over the batch, "
    "not the mean",
)
class SummedOverStepsAndRecordings(Auto):
    def read(self, s):
        return super().read(s) * len(s)

    def loss(self, z):
        return cross_entropy(z, self.y, reduction="sum")
