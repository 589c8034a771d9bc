"""Faults of the gradient of loss and readout, their values being right."""

import numpy as np

from tests.crosscheck.blind.hand import Hand, pad, softmax
from tests.crosscheck.blind.kinds import kind


@kind(
    "the gradient of the logits is not divided by the batch",
    place="loss or readout",
    cause="the gradient is a sum over recordings: times the batch",
    listed=True,
)
class UndividedGradient(Hand):
    def loss(self, z):
        value, g = super().loss(z)
        return value, g * len(self.y)


@kind(
    "the gradient of the logits lacks the probabilities",
    place="loss or readout",
    cause="the derivative of the loss is minus the one-hot label alone",
)
class OneHotGradient(Hand):
    def loss(self, z):
        value, g = super().loss(z)
        return value, g - (softmax(z) / len(self.y)).astype(g.dtype)


@kind(
    "probabilities come from a softmax with another gain backwards",
    place="loss or readout",
    cause="the readout's gain is left out of the gradient",
    needs="rate",
    listed=True,
)
class NoGainBack(Hand):
    def back_alpha(self):
        return self.alpha() / self.gain


@kind(
    "backwards the readout is a mean, its leak left out",
    place="loss or readout",
    cause="the readout's leak is left out of the gradient",
    needs="leaky steps",
    listed=True,
)
class NoReadoutLeakBack(Hand):
    def back_alpha(self):
        return np.full(self.time, 1 / self.time)


@kind(
    "the loss's gradient reaches the last step alone",
    place="loss or readout",
    cause="the last step alone receives the readout's gradient",
    needs="steps",
    listed=True,
)
class LastStepBack(Hand):
    def back_alpha(self):
        return self.alpha() * (np.arange(self.time) == self.time - 1)


@kind(
    "the readout's gradient is paired with the steps in reversed order",
    place="loss or readout",
    cause="the readout's weights of the steps are reversed",
    needs="leaky steps",
)
class MirroredReadoutBack(Hand):
    def back_alpha(self):
        return self.alpha()[::-1]


@kind(
    "the loss is discounted over time: step t counts 0.9^(T - t) backwards",
    place="loss or readout",
    cause="steps count 0.9^(T - t) in the readout's gradient",
    needs="steps",
)
class Discounted(Hand):
    def back_alpha(self):
        return self.alpha() * 0.9 ** np.arange(self.time - 1, -1, -1)


@kind(
    "the readout's bias gradient lacks the sum over its time weights",
    place="gradient",
    cause="the gradient of the readout's bias is not summed over steps",
    needs="bias leaky",
)
class ReadoutBiasOnce(Hand):
    def readout_sums(self, g):
        return {**super().readout_sums(g), "b": g.sum(axis=0)}


@kind(
    "the readout's weights are updated before the gradient goes through them",
    place="loss or readout",
    cause="the way back goes through updated readout weights, lr 0.1",
    needs="affine",
)
class UpdatedReadout(Hand):
    def read_back(self):
        super().read_back()
        w = self.layers[-1]["w"] - 0.1 * self.grads[-1]["w"]
        return pad(self.alpha()[:, None, None] * (self.dlogits @ w)).astype(self.dtype)
