"""Faults of labels, readouts and losses."""

import numpy as np
import torch
from torch.nn import functional

from tests.crosscheck.blind.auto import Auto, sigma
from tests.crosscheck.blind.hand import Hand
from tests.crosscheck.blind.kinds import kind


@kind(
    "labels lag the recordings by one: each recording has the label of the one before",
    place="loss or readout",
    cause="labels are those of other recordings (shifted by one in the batch)",
)
class LabelsOffByOneRecording(Auto):
    def question(self):
        self.y = torch.roll(self.y, 1)


@kind(
    "logits are clipped to [-5, 5] lest exp overflows",
    place="loss or readout",
    cause="logits are clipped at 5: no gradient from where they are larger",
    needs="rate",
)
class LogitsClippedForSafety(Auto):
    def loss(self, z):
        return super().loss(z.clamp(-5, 5))


@kind(
    "log-sum-exp subtracts the largest logit and does not add it again",
    place="loss or readout",
    cause="the largest logit is missing in the loss: log-sum-exp of shifted logits minus the"
    " unshifted logit of the label (the gradient has one less at the largest logit)",
)
class MaxNotAddedBack(Auto):
    def loss(self, z):
        shifted = z - z.amax(dim=1, keepdim=True)
        target = z.gather(1, self.y[:, None])[:, 0]
        return (torch.log(torch.exp(shifted).sum(dim=1)) - target).mean()


@kind(
    "y is overwritten with the predictions, for the accuracy, before the loss is computed",
    place="loss or readout",
    cause="the classes with the largest logits stand for the labels",
)
class LabelsOverwrittenByPredictions(Auto):
    def loss(self, z):
        return functional.cross_entropy(z, z.argmax(dim=1))


@kind(
    "the list of recorded steps begins with the zeros of the initial state, and the mean counts it",
    place="loss or readout",
    cause="the readout's mean over time is divided by T + 1 in place of T",
)
class MeanOverInitialStateToo(Auto):
    def read(self, s):
        if self.readout == "LeakyReadout":
            return super().read(s)
        return super().read([torch.zeros_like(s[0]), *s])

    def pool_potentials(self, v):
        return torch.cat([torch.zeros_like(v[:1]), v]).mean(dim=0)


@kind(
    "the loss counts the output neurons' spikes in place of reading their potentials",
    place="loss or readout",
    cause="output potentials go through the spike function before they are averaged",
    needs="leaky",
)
class OutputNeuronSpikesCounted(Auto):
    def pool_potentials(self, v):
        return sigma(self.family[-1], self.k[-1], v - self.theta[-1]).mean(dim=0)


@kind(
    "the sum over recordings is divided by the loader's batch size, 8, though the batch is smaller",
    place="loss or readout",
    cause="the loss is divided by 8 in place of the batch: loss and gradient times batch / 8",
)
class DividedByNominalBatch(Auto):
    def loss(self, z):
        return functional.cross_entropy(z, self.y, reduction="sum") / 8


@kind(
    "nll_loss is given softmax, not log_softmax",
    place="loss or readout",
    cause="the loss is minus the probability of the label, not minus its logarithm",
)
class NllOfProbabilities(Auto):
    def loss(self, z):
        return functional.nll_loss(functional.softmax(z, dim=1), self.y)


@kind(
    "on the way back the sum of powers of the readout's leak ends one term early: the last step"
    " gets nothing",
    place="loss or readout",
    cause="the leaky readout's weights of the steps are shifted by one on the way back: each step"
    " has that of the step after, the last step has zero",
    needs="leaky",
)
class ReadoutTraceOneStepShort(Hand):
    def back_alpha(self):
        return np.append(super().back_alpha()[1:], 0.0)


@kind(
    "two at once: a confidence penalty, 0.1 times the negative entropy, is left in the loss, and"
    " biases do not require gradients",
    place="loss or readout",
    cause="0.1 times the entropy of the softmax is subtracted from the loss, and gradients of"
    " biases are zero",
    needs="bias",
)
class ConfidencePenaltyAndBiasFrozen(Auto):
    def question(self):
        for layer in self.layers:
            if "b" in layer:
                layer["b"] = layer["b"].detach()

    def loss(self, z):
        log_p = functional.log_softmax(z, dim=1)
        return super().loss(z) + 0.1 * (log_p.exp() * log_p).sum(dim=1).mean()
