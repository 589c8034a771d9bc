"""Faults of the sums over steps and recordings, and of what is done to finished gradients."""

import numpy as np

from tests.crosscheck.blind.hand import Hand
from tests.crosscheck.blind.kinds import kind


@kind(
    "weights are paired with the input of the step before, as recurrent ones are",
    place="gradient",
    cause="w is paired with the input of the step before",
    needs="steps",
)
class InputOfTheStepBefore(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        grads["w"] = np.einsum("tbo,tbi->oi", delta[1:-1], self.a[i][:-1]).astype(self.dtype)
        return grads


@kind(
    "recurrent weights are paired with potentials of the step before, as in a plain RNN whose"
    " state is what is fed back",
    place="gradient",
    cause="v is paired with potentials in place of spikes",
    needs="recurrent",
)
class RecurrentPairedWithPotentials(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        if "v" in grads:
            found = np.einsum("tbo,tbi->oi", delta[1:-1], self.u[i][:-1])
            grads["v"] = found.astype(self.dtype)
        return grads


@kind(
    "recurrent weights are paired with spikes of two steps before, the shift being applied twice",
    place="gradient",
    cause="v is paired with spikes of two steps before",
    needs="recurrent steps",
)
class RecurrentTwoStepsBefore(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        if "v" in grads:
            found = np.einsum("tbo,tbi->oi", delta[2:-1], self.s[i][:-2])
            grads["v"] = found.astype(self.dtype)
        return grads


@kind(
    "the bias sums the errors that come from above, before the spike's derivative: a name mixed up",
    place="gradient",
    cause="the gradient of the bias sums dL/ds (what comes from above) in place of adjoints dL/du",
    needs="bias",
)
class BiasSumsErrorsFromAbove(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        if "b" in grads:
            grads["b"] = self.down[1:].sum(axis=(0, 1)).astype(self.dtype)
        return grads


@kind(
    "the bias of the readout is not in the list of what is trained",
    place="gradient",
    cause="the gradient of the readout's bias is zero",
    needs="affine bias",
)
class ReadoutBiasUntrained(Hand):
    def readout_sums(self, g):
        grads = super().readout_sums(g)
        if "b" in grads:
            grads["b"] = np.zeros_like(grads["b"])
        return grads


@kind(
    "clipping by norm lacks its minimum with one: g / norm also where the norm is small",
    place="gradient",
    cause="the gradient is divided by its norm: all of it times one number, its norm is 1",
)
class ClipWithoutMinimum(Hand):
    def finish(self):
        norm = np.sqrt(sum(float(np.sum(a**2)) for g in self.grads for a in g.values()))
        scale = 1.0 / (norm + 1e-6)
        self.grads = [{k: a * self.dtype.type(scale) for k, a in g.items()} for g in self.grads]


@kind(
    "matrices come flattened column by column, and are read back row by row",
    place="gradient",
    cause="entries of the gradients of matrices are in other places: flattened in column order,"
    " read in row order",
)
class ColumnMajorReshape(Hand):
    def finish(self):
        for grads in self.grads:
            for key in {"w", "v"} & set(grads):
                grads[key] = grads[key].ravel(order="F").reshape(grads[key].shape)


@kind(
    "the input is taken for a still image: the first layer's weights are paired with frame 1 at"
    " every step",
    place="gradient",
    cause="w of layer 1 is paired with the input of the first step at every step",
    needs="steps",
)
class FirstFramePairedWithAllSteps(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        if i == 0:
            total = delta[1:-1].sum(axis=0)
            grads["w"] = (total.T @ self.a[0][1]).astype(self.dtype)
        return grads


@kind(
    "the gradient of the initial potential reads the adjoint of step 2, an index off by one",
    place="gradient",
    cause="the gradient of start is from the adjoint of step 2 in place of step 1",
    needs="start",
)
class StartReadsSecondStep(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        if "start" in grads:
            grads["start"] = (self.leak[i] * delta[2].sum(axis=0)).astype(self.dtype)
        return grads


@kind(
    "gradients go through a text file with four decimals",
    place="gradient",
    cause="finished gradients are rounded to 4 decimals",
)
class GradientsSavedAsText(Hand):
    def finish(self):
        self.grads = [{k: np.round(a, 4) for k, a in g.items()} for g in self.grads]


@kind(
    "clipping of entries has an upper bound alone: minimum(g, 0.01)",
    place="gradient",
    cause="entries above 0.01 are clipped, negative ones are not",
)
class ClippedOnlyAbove(Hand):
    def finish(self):
        top = self.dtype.type(0.01)
        self.grads = [{k: np.minimum(a, top) for k, a in g.items()} for g in self.grads]


@kind(
    "two at once: recurrent weights are paired with spikes of the same step, and biases are"
    " averaged over recordings once more",
    place="gradient",
    cause="v is paired with spikes of the same step, and the gradient of the bias (of spiking"
    " layers) is divided by the batch",
    needs="recurrent bias",
)
class RecurrentSameStepAndBiasBatchMean(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        if "v" in grads:
            found = np.einsum("tbo,tbi->oi", delta[1:-1], self.s[i][1:])
            grads["v"] = found.astype(self.dtype)
        if "b" in grads:
            grads["b"] = grads["b"] / self.dtype.type(self.batch)
        return grads
