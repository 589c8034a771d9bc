"""Faults of sums over steps and recordings, and of finished gradients; adjoints are right."""

import numpy as np

from tests.crosscheck.blind.hand import Hand
from tests.crosscheck.blind.kinds import kind


@kind(
    "w[:, places] += delta adds once where an input neuron has several events in a step",
    place="gradient",
    cause="the gradient of the first layer's w takes whether there was input, not how much",
)
class EventsCountOnce(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        if i == 0:
            d, there = delta[1 : self.time + 1], (self.a[0][1:] != 0).astype(self.dtype)
            grads["w"] = np.einsum("tbo,tbi->oi", d, there)
        return grads


@kind(
    "an eligibility trace of the inputs is used with adjoints that already remember",
    place="gradient",
    cause="w is paired with a leaky trace of the inputs instead of the inputs of the step",
)
class TraceAndAdjointBoth(Hand):
    def sums(self, i, delta):
        trace = self.a[i].copy()
        for t in range(1, self.time + 1):
            trace[t] += self.leak[i] * trace[t - 1]
        w = np.einsum("tbo,tbi->oi", delta[1 : self.time + 1], trace[1:])
        return {**super().sums(i, delta), "w": w}


@kind(
    "np.sum without an axis: each bias gets the sum over all neurons",
    place="gradient",
    cause="the bias gradient is summed over neurons too: the same number for all neurons",
    needs="bias",
)
class BiasSumWithoutAxis(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        return {**grads, "b": np.full_like(grads["b"], grads["b"].sum())}


@kind(
    "[np.zeros(shape)] * depth: the layers of one shape all add to the same array",
    place="gradient",
    cause="all layers share one accumulator: each w gets the sum of the gradients of all layers",
    needs="square deep",
)
class OneAccumulatorForAllLayers(Hand):
    def finish(self):
        total = sum(self.grads[i]["w"] for i in range(self.depth))
        for i in range(self.depth):
            self.grads[i]["w"] = total


@kind(
    "micro-batches of two, the last of one: their mean gradients are averaged as equals",
    place="gradient",
    cause="recordings are weighted unequally: the last one, alone in its micro-batch, counts"
    " double",
    needs="parted",
)
class LoneMicrobatchCountsDouble(Hand):
    def sums(self, i, delta):
        chunks = (self.batch + 1) // 2
        weights = np.full(self.batch, self.batch / (2 * chunks))
        weights[-1] *= 2
        return super().sums(i, (delta * weights[:, None]).astype(self.dtype))


@kind(
    "the outer product is taken of adjoints summed over time and of input rates",
    place="gradient",
    cause="w is the product of the time-summed adjoint and the time-averaged input",
)
class OuterProductOfRates(Hand):
    def sums(self, i, delta):
        d, a = delta[1 : self.time + 1].sum(axis=0), self.a[i][1:].mean(axis=0)
        return {**super().sums(i, delta), "w": np.einsum("bo,bi->oi", d, a).astype(self.dtype)}


@kind(
    "a mask for excitatory weights was left on: negative weights get no gradient",
    place="gradient",
    cause="the gradient of w is zero where the weight is negative",
)
class OnlyPositiveWeightsLearn(Hand):
    def finish(self):
        for grads, layer in zip(self.grads, self.layers, strict=True):
            grads["w"] = grads["w"] * (layer["w"] > 0)


@kind(
    "the initial potential is treated as a bias: its gradient is summed over all steps",
    place="gradient",
    cause="the gradient of the initial potential sums the adjoints of all steps, not of the first",
    needs="start",
)
class StartGetsEveryStep(Hand):
    def sums(self, i, delta):
        start = self.leak[i] * delta[1 : self.time + 1].sum(axis=(0, 1))
        return {**super().sums(i, delta), "start": start.astype(self.dtype)}


@kind(
    "two: v's gradient is made symmetric, the readout's is of the last step's spikes",
    place="gradient",
    cause="the gradient of v is averaged with its transpose; and the readout's w is paired with the"
    " spikes of the last step instead of the pooled ones",
    needs="recurrent affine",
)
class RecurrentSymmetricAndReadoutOfLastStep(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        return {**grads, "v": (grads["v"] + grads["v"].T) / 2}

    def readout_sums(self, g):
        last = self.s[-1][-1] * np.sum(self.alpha())
        return {**super().readout_sums(g), "w": (g.T @ last).astype(self.dtype)}
