"""Faults of the sums that make gradients of adjoints, and of what is done to gradients then."""

import numpy as np

from tests.crosscheck.blind.hand import Hand
from tests.crosscheck.blind.kinds import kind


@kind(
    "writes the feedforward gradient into the recurrent weights' gradient as well",
    place="gradient",
    cause="The gradient of the recurrent weights is a copy of that of the feedforward weights "
    "(the layer's input instead of its own earlier spikes).",
    needs="recurrent square",
)
class RecurrentGetsFeedforwardGradient(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        if "v" in grads and grads["v"].shape == grads["w"].shape:
            grads["v"] = grads["w"].copy()
        return grads


@kind(
    "sums the gradients over all steps but the last (range(T - 1))",
    place="gradient",
    cause="The last step is missing in the sum of the layers' gradients over time; the adjoints "
    "are right.",
)
class LastStepUnsummed(Hand):
    def sums(self, i, delta):
        delta = delta.copy()
        delta[self.time] = 0
        return super().sums(i, delta)


@kind(
    "accumulates the gradients of weights over the steps in half precision",
    place="gradient",
    cause="The weights' gradients are summed step by step in a float16 accumulator: errors of "
    "rounding in the sum, adjoints are right and no formula is wrong.",
    needs="double steps",
)
class AccumulatedInHalf(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        total = np.zeros(grads["w"].shape, np.float16)
        for t in range(1, self.time + 1):
            total += (delta[t].T @ self.a[i][t]).astype(np.float16)
        grads["w"] = total.astype(self.dtype)
        return grads


@kind(
    "keeps the larger half of each gradient's entries, the compression for many workers",
    place="gradient",
    cause="In each gradient the entries smaller in magnitude than the array's median are set to "
    "zero (sparsified, top half kept); the others are right.",
)
class SmallerHalfDropped(Hand):
    def finish(self):
        for grads in self.grads:
            for name, g in grads.items():
                grads[name] = np.where(np.abs(g) < np.median(np.abs(g)), 0, g).astype(self.dtype)


@kind(
    "masks the gradient where weights count as pruned, below 0.2 in magnitude",
    place="gradient",
    cause="Gradients of weights (w and v) are zero wherever the weight's magnitude is below 0.2, "
    "a pruning mask; elsewhere they are right.",
)
class PrunedWeightsMasked(Hand):
    def finish(self):
        for grads, layer in zip(self.grads, self.layers, strict=True):
            for name in ("w", "v"):
                if name in grads:
                    grads[name] = grads[name] * (np.abs(layer[name]) >= 0.2)


@kind(
    "adds to a bias's gradient only at steps at which the neuron fired",
    place="gradient",
    cause="The layers' bias gradients sum the adjoints of those steps and recordings alone at "
    "which the neuron fired (u > theta), instead of all.",
    needs="bias",
)
class BiasSummedWhereFired(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        if "b" in grads:
            fired = self.u[i][1:] > self.theta[i]
            grads["b"] = (delta[1 : self.time + 1] * fired).sum(axis=(0, 1)).astype(self.dtype)
        return grads


@kind(
    "divides each weight gradient by the number of inputs, from a scaled parametrisation",
    place="gradient",
    cause="Gradients of the weights w are divided by the layer's number of inputs (fan-in); "
    "biases and recurrent weights are right.",
)
class DividedByFanIn(Hand):
    def finish(self):
        for grads in self.grads:
            grads["w"] = grads["w"] / grads["w"].shape[1]


@kind(
    "takes plain firing rates for the readout's weight gradient, forgetting its leak",
    place="gradient",
    cause="The leaky readout's weight gradient is the outer product with the plain mean of the "
    "spikes instead of the spikes weighted through the readout's leak; its bias is right.",
    needs="leaky",
)
class ReadoutSumOfPlainRates(Hand):
    def readout_sums(self, g):
        grads = super().readout_sums(g)
        grads["w"] = (g.T @ self.s[-1][1:].mean(axis=0)).astype(self.dtype)
        return grads


@kind(
    "appends gradients while going down and forgets to reverse the list",
    place="gradient",
    cause="The gradients of the spiking layers are returned in reversed order, the bottom "
    "layer's in the top layer's place and so on.",
    needs="square deep",
)
class GradientsListReversed(Hand):
    def finish(self):
        found = self.grads[: self.depth]
        alike = all(g[name].shape == found[0][name].shape for g in found for name in found[0])
        if alike:
            self.grads[: self.depth] = found[::-1]


@kind(
    "reads the adjoint of the last step for the gradient of the initial potential",
    place="gradient",
    cause="The gradient of the initial state is leak times the adjoint of the last step instead "
    "of the first.",
    needs="start",
)
class StartReadsLastAdjoint(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        if "start" in grads:
            found = self.leak[i] * delta[self.time].sum(axis=0)
            grads["start"] = found.astype(self.dtype)
        return grads


@kind(
    "sums gradients over two workers instead of averaging, and sends them in eight bits",
    place="gradient",
    cause="Two: all gradients are doubled (a sum over two workers instead of a mean), and each "
    "array is rounded to 127 levels of its largest entry.",
)
class TwoWorkersSummedInEightBits(Hand):
    def finish(self):
        for grads in self.grads:
            for name, g in grads.items():
                level = np.abs(g).max() / 127 or 1.0
                grads[name] = (2 * level * np.round(g / level)).astype(self.dtype)


@kind(
    "bakes layerwise learning rates into gradients and takes the bias from the last step alone",
    place="gradient",
    cause="Two: the gradients of each spiking layer are halved once for each layer above it, and "
    "the layers' bias gradients are the last step's adjoint alone instead of the sum of steps.",
    needs="deep bias",
)
class LayerwiseRatesAndBiasOfLastStep(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        if "b" in grads:
            grads["b"] = delta[self.time].sum(axis=0).astype(self.dtype)
        return grads

    def finish(self):
        for i in range(self.depth):
            for name, g in self.grads[i].items():
                self.grads[i][name] = g * 0.5 ** (self.depth - 1 - i)


@kind(
    "returns the momentum buffer, which a call leaves to the next, for the gradient",
    place="",
    cause="A momentum buffer outlives the call: what is returned is 0.9 times the earlier "
    "call's answer plus this gradient; the first call is right.",
)
class MomentumReturned(Hand):
    velocity = None

    def finish(self):
        old = self.velocity or [{} for _ in self.grads]
        self.grads = [
            {k: (g + 0.9 * v.get(k, 0.0)).astype(self.dtype) for k, g in grads.items()}
            for grads, v in zip(self.grads, old, strict=True)
        ]
        self.velocity = [dict(grads) for grads in self.grads]


@kind(
    "steps its private copy of the weights in every call, so the next call has others",
    place="",
    cause="The call trains: after each call the implementation's own weights have moved by 0.1 "
    "times the gradient and the next call uses them instead of those given.",
)
class OwnWeightsTrained(Hand):
    moved = None

    def question(self):
        if self.moved is not None:
            for layer, moved in zip(self.layers, self.moved, strict=True):
                for name, a in moved.items():
                    layer[name] = (layer[name] + a).astype(self.dtype)

    def finish(self):
        old = self.moved or [{} for _ in self.grads]
        self.moved = [
            {k: v.get(k, 0.0) - 0.1 * g for k, g in grads.items()}
            for grads, v in zip(self.grads, old, strict=True)
        ]
