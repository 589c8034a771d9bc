"""Faults of the sums over steps and recordings and of finished gradients, adjoints being right."""

import numpy as np

from tests.crosscheck.blind.hand import Hand
from tests.crosscheck.blind.kinds import kind


def spiking(self, i, d, a, s):
    """The sums of one layer, of these arrays."""
    grads = {"w": np.einsum("tbo,tbi->oi", d, a)}
    if "b" in self.layers[i]:
        grads["b"] = d.sum(axis=(0, 1))
    if "v" in self.layers[i]:
        grads["v"] = np.einsum("tbo,tbi->oi", d, s)
    return {k: g.astype(self.dtype) for k, g in grads.items()}


@kind(
    "gradients of the spiking layers are averaged over steps",
    place="gradient",
    cause="gradients of w, v and b of spiking layers are divided by the number of steps",
)
class StepsAveraged(Hand):
    def sums(self, i, delta):
        right = super().sums(i, delta)
        return {k: g if k == "start" else g / self.time for k, g in right.items()}


@kind(
    "= in place of += in the backward loop: the last one written, of step 1, stays",
    place="gradient",
    cause="only the first step counts in the gradients of w, v and b, there is no sum over steps",
)
class AssignedNotAdded(Hand):
    def sums(self, i, delta):
        only = spiking(self, i, delta[1:2], self.a[i][1:2], self.s[i][:1])
        return {**super().sums(i, delta), **only}


@kind(
    "the gradient of the recurrent weights is (from, to)",
    place="gradient",
    cause="the gradient of v is transposed",
    needs="recurrent",
)
class FeedbackGradientFromTo(Hand):
    def sums(self, i, delta):
        right = super().sums(i, delta)
        return {k: g.T.copy() if k == "v" else g for k, g in right.items()}


@kind(
    "spikes are kept as bytes for the backward pass: smooth ones are rounded to 0 or 1",
    place="gradient",
    cause="the gradients of w and v pair adjoints with spikes rounded to 0 or 1",
    needs="deep",
)
class SpikesKeptAsBytes(Hand):
    def sums(self, i, delta):
        a = self.a[i][1:] if i == 0 else np.rint(self.a[i][1:])
        found = spiking(self, i, delta[1 : self.time + 1], a, np.rint(self.s[i][:-1]))
        return {**super().sums(i, delta), **found}


@kind(
    "the readout's weights are paired with the spikes of the last step",
    place="gradient",
    cause="the gradient of the readout's w takes the last step's spikes instead of all steps'",
    needs="affine",
)
class ReadoutPairedWithLastSpikes(Hand):
    def readout_sums(self, g):
        w = (g.T @ self.s[-1][-1] * np.sum(self.alpha())).astype(self.dtype)
        return {**super().readout_sums(g), "w": w}


@kind(
    "clip_grad_norm_ is still on: the whole gradient is scaled to norm 0.1 where it is longer",
    place="gradient",
    cause="the whole gradient is clipped to norm 0.1: all arrays have one factor",
)
class NormClippedInside(Hand):
    def finish(self):
        squares = sum(float(np.sum(g.astype(float) ** 2)) for d in self.grads for g in d.values())
        factor = min(1.0, 0.1 / max(squares**0.5, 1e-30))
        self.grads = [
            {k: (factor * g).astype(self.dtype) for k, g in layer.items()} for layer in self.grads
        ]


@kind(
    "the optimiser's weight decay is already in the gradients",
    place="gradient",
    cause="0.01 times the parameter is added to each gradient, the loss has no such term",
)
class DecayAlreadyInside(Hand):
    def finish(self):
        self.grads = [
            {k: (g + 0.01 * layer[k]).astype(self.dtype) for k, g in found.items()}
            for found, layer in zip(self.grads, self.layers, strict=True)
        ]


@kind(
    "recordings are summed two at a time, batch // 2 times: the odd one is lost",
    place="gradient",
    cause="the last recording is missing in the gradients of w, v and b of spiking layers",
    needs="parted",
)
class OddRecordingLost(Hand):
    def sums(self, i, delta):
        n, d = self.batch // 2 * 2, delta[1 : self.time + 1]
        found = spiking(self, i, d[:, :n], self.a[i][1:, :n], self.s[i][:-1, :n])
        return {**super().sums(i, delta), **found}


@kind(
    "two: weights are paired with the input of the step before, and the bias is counted twice, "
    "as bias_ih and bias_hh",
    place="gradient",
    cause="the gradient of w takes the inputs of the step before, and that of b is twice too large",
    needs="bias",
)
class InputLateAndBiasTwice(Hand):
    def sums(self, i, delta):
        right = super().sums(i, delta)
        w = np.einsum("tbo,tbi->oi", delta[1 : self.time + 1], self.a[i][:-1])
        return {**right, "w": w.astype(self.dtype), "b": 2 * right["b"]}


@kind(
    "spiking layers write into one buffer and return it: the last one written stays",
    place="gradient",
    cause="all spiking layers return the gradient in w of the first layer: they share one buffer",
    needs="deep square",
)
class OneBufferOverwritten(Hand):
    def finish(self):
        for i in range(self.depth):
            self.grads[i]["w"] = self.grads[0]["w"].copy()
