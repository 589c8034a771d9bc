"""Faults of the sums and of finished gradients, written without a look at the search."""

import numpy as np

from tests.crosscheck.blind.hand import Hand
from tests.crosscheck.blind.kinds import kind


@kind(
    "the weights' gradient of one layer is assigned in each step, not added to",
    place="gradient",
    cause="w of one layer has the term of the first step alone",
    needs="steps",
)
class WeightOfOneLayerOverwritten(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        if i == self.pick:
            grads["w"] = (delta[1].T @ self.a[i][1]).astype(self.dtype)
        return grads


@kind(
    "in one layer the bias' gradient is of the first recording alone",
    place="gradient",
    cause="the sum of b of one layer leaves out all recordings but the first",
    needs="bias",
)
class BiasOfFirstRecordingOnly(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        if i == self.pick and "b" in grads:
            grads["b"] = delta[1 : self.time + 1, 0].sum(axis=0)
        return grads


@kind(
    "the recurrent weights' sum takes the spikes of the same step",
    place="gradient",
    cause="the sum of v takes s of step t in place of t - 1",
    needs="recurrent",
)
class RecurrentSumOfSameStep(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        if "v" in grads:
            d = delta[1 : self.time + 1]
            grads["v"] = np.einsum("tbo,tbi->oi", d, self.s[i][1:]).astype(self.dtype)
        return grads


@kind(
    "the first layer's sum takes the input cut to integers",
    place="gradient",
    cause="the sum of the first w has the input without its fractions",
    needs="analog",
)
class InputCutToIntegersInSum(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        if i == 0:
            d = delta[1 : self.time + 1]
            grads["w"] = np.einsum("tbo,tbi->oi", d, np.trunc(self.a[0][1:])).astype(self.dtype)
        return grads


@kind(
    "the initial state's gradient is the first adjoint, without the leak",
    place="gradient",
    cause="the gradient of the initial state misses the factor leak",
    needs="start",
)
class StartSumWithoutLeak(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        if "start" in grads:
            grads["start"] = delta[1].sum(axis=0)
        return grads


@kind(
    "the readout weights' gradient takes the last step's spikes",
    place="gradient",
    cause="the sum of the readout's w has the spikes of the last step in place of the pooled ones",
    needs="affine",
)
class ReadoutWeightsFromLastSpikes(Hand):
    def readout_sums(self, g):
        grads = super().readout_sums(g)
        grads["w"] = (g.T @ self.s[-1][-1]).astype(self.dtype)
        return grads


@kind(
    "the gradient is clipped to a norm of 0.1",
    place="gradient",
    cause="the norm of all gradients together is clipped",
)
class WholeNormClippedToTenth(Hand):
    def finish(self):
        norm = np.sqrt(sum(float((a**2).sum()) for g in self.grads for a in g.values()))
        factor = min(1.0, 0.1 / (norm + 1e-6))
        self.grads = [
            {k: (factor * a).astype(self.dtype) for k, a in g.items()} for g in self.grads
        ]


@kind(
    "two mistakes: the last recording is left out of the weights' sum, and the bias counts twice",
    place="gradient",
    cause="the sum of w misses the last recording, and the gradient of b is doubled",
    needs="bias",
)
class WeightsWithoutLastRecordingAndBiasTwice(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        d, a = delta[1 : self.time + 1, :-1], self.a[i][1:, :-1]
        grads["w"] = np.einsum("tbo,tbi->oi", d, a).astype(self.dtype)
        if "b" in grads:
            grads["b"] = 2 * grads["b"]
        return grads


@kind(
    "two mistakes: the reset is detached, and weight decay of 0.001 is in the gradient",
    place="adjoint",
    cause="no reset path by the spike, and 0.001 * w is added to the gradient of w",
    needs="reset steps",
)
class ResetDetachedAndWeightsDecay(Hand):
    def reset_s(self, i, t):
        return 0.0

    def finish(self):
        for g, layer in zip(self.grads, self.layers, strict=True):
            g["w"] = (g["w"] + 0.001 * layer["w"]).astype(self.dtype)
