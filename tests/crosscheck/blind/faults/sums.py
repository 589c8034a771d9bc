"""Faults of the sums over steps and recordings, adjoints being right."""

import numpy as np

from tests.crosscheck.blind.hand import Hand
from tests.crosscheck.blind.kinds import kind


def with_start(grads, right):
    """The gradient of the initial potential is no sum over steps: it stays right."""
    return {k: right[k] if k == "start" else a for k, a in grads.items()}


@kind(
    "the gradient of the recurrent weights takes the spikes of the same step",
    place="gradient",
    cause="v is paired with spikes of the same step",
    needs="recurrent",
    listed=True,
)
class RecurrentSameStep(Hand):
    def sums(self, i, delta):
        v = np.einsum("tbo,tbi->oi", delta[1 : self.time + 1], self.s[i][1:])
        return {**super().sums(i, delta), "v": v}


@kind(
    "the spikes of the step before come from np.roll: those of the last step at the first",
    place="gradient",
    cause="step 1 is paired with the spikes of the last step",
    needs="recurrent",
)
class RolledSpikes(Hand):
    def sums(self, i, delta):
        before = np.roll(self.s[i][1:], 1, axis=0)
        v = np.einsum("tbo,tbi->oi", delta[1 : self.time + 1], before)
        return {**super().sums(i, delta), "v": v}


@kind(
    "the gradient of the recurrent weights has a zero diagonal",
    place="gradient",
    cause="the diagonal of v's gradient is zero",
    needs="recurrent",
)
class NoDiagonal(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        np.fill_diagonal(grads["v"], 0.0)
        return grads


@kind(
    "bias gradients are means over time",
    place="gradient",
    cause="the gradient of the bias is divided by T",
    needs="bias",
    listed=True,
)
class BiasMean(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        return {**grads, "b": grads["b"] / self.dtype.type(self.time)}


@kind(
    "bias gradients are divided by the batch once more",
    place="gradient",
    cause="the gradient of the bias is divided by the batch",
    needs="bias",
    listed=True,
)
class BiasBatchMean(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        return {**grads, "b": grads["b"] / self.dtype.type(self.batch)}


@kind(
    "the bias gradient is overwritten in the loop: step 1 is what is left",
    place="gradient",
    cause="the gradient of the bias is that of step 1 alone",
    needs="bias steps",
    listed=True,
)
class BiasOverwritten(Hand):
    def sums(self, i, delta):
        return {**super().sums(i, delta), "b": delta[1].sum(axis=0)}


@kind(
    "only the first recording counts in the gradient of the bias",
    place="gradient",
    cause="the gradient of the bias is that of one recording",
    needs="bias",
)
class BiasOneRecording(Hand):
    def sums(self, i, delta):
        return {**super().sums(i, delta), "b": delta[1 : self.time + 1, 0].sum(axis=0)}


@kind(
    "sums over time leave the first step out",
    place="gradient",
    cause="step 1 is missing in the sums of gradients",
    needs="steps",
    listed=True,
)
class FirstStepUnsummed(Hand):
    def sums(self, i, delta):
        kept = delta.copy()
        kept[1] = 0.0
        return with_start(super().sums(i, kept), super().sums(i, delta))


@kind(
    "gradients are summed over the second half of the steps alone",
    place="gradient",
    cause="the early steps are missing in the sums of gradients",
    needs="steps",
)
class LateHalfSummed(Hand):
    def sums(self, i, delta):
        kept = delta.copy()
        kept[: self.time // 2 + 1] = 0.0
        return with_start(super().sums(i, kept), super().sums(i, delta))


@kind(
    "gradients are means over time",
    place="gradient",
    cause="gradients of spiking layers are divided by T",
    listed=True,
)
class TimeMean(Hand):
    def sums(self, i, delta):
        grads = super().sums(i, delta)
        return {k: a / self.dtype.type(self.time) for k, a in grads.items()}


@kind(
    "a running mean over steps stands for the sum: g = (g + new) / 2",
    place="gradient",
    cause="steps count 2^-k in the sums of gradients",
    needs="steps",
)
class RunningMean(Hand):
    def sums(self, i, delta):
        weights = 0.5 ** np.arange(1, self.time + 1)  # from step 1 on, the last one added
        kept = delta.copy()
        kept[1:-1] *= weights[:, None, None]
        return with_start(super().sums(i, kept), super().sums(i, delta))


@kind(
    "weights are paired with the input of the step after",
    place="gradient",
    cause="w is paired with the input of the next step",
    needs="steps",
    listed=True,
)
class NextInput(Hand):
    def sums(self, i, delta):
        w = np.einsum("tbo,tbi->oi", delta[1 : self.time], self.a[i][2:])
        return {**super().sums(i, delta), "w": w}


@kind(
    "weights are paired with the potentials below, not the spikes",
    place="gradient",
    cause="w is paired with potentials of the layer below",
    needs="deep",
)
class PotentialsBelow(Hand):
    def sums(self, i, delta):
        a = self.a[i][1:] if i == 0 else self.u[i - 1][1:]
        w = np.einsum("tbo,tbi->oi", delta[1 : self.time + 1], a)
        return {**super().sums(i, delta), "w": w}


@kind(
    "spikes are stored as booleans for the backward pass",
    place="gradient",
    cause="w and v are paired with spikes rounded to 0 or 1",
    needs="deep",
)
class BooleanSpikes(Hand):
    def sums(self, i, delta):
        d, grads = delta[1 : self.time + 1], super().sums(i, delta)
        if i > 0:
            grads["w"] = np.einsum("tbo,tbi->oi", d, (self.a[i][1:] > 0.5).astype(self.dtype))
        return grads


@kind(
    "the products of the means over the batch in place of the mean of products",
    place="gradient",
    cause="adjoint and input are averaged over recordings apart",
)
class MeanProducts(Hand):
    def sums(self, i, delta):
        d, a = delta[1 : self.time + 1].sum(axis=1), self.a[i][1:].mean(axis=1)
        return {**super().sums(i, delta), "w": d.T @ a}


@kind(
    "e-prop: low-pass traces of the input stand for the way back in time",
    place="adjoint",
    cause="traces of the input stand for the way back in time",
    needs="steps",
    listed=True,
)
class Eprop(Hand):
    def adjoints(self, i, down):
        delta = np.zeros((self.time + 2, *self.u[i].shape[1:]), self.dtype)
        for t in range(1, self.time + 1):
            delta[t] = down[t] * self.slope(i, t)
        return delta

    def sums(self, i, delta):
        traces = self.a[i].copy()
        for t in range(1, self.time + 1):
            traces[t] += self.leak[i] * traces[t - 1]
        w = np.einsum("tbo,tbi->oi", delta[1 : self.time + 1], traces[1:])
        return {**super().sums(i, delta), "w": w.astype(self.dtype)}


@kind(
    "the last neuron of each layer is left out, a loop ending too early",
    place="gradient",
    cause="the gradient of the last neuron is zero",
)
class LastNeuron(Hand):
    def sums(self, i, delta):
        kept = delta.copy()
        kept[..., -1] = 0.0
        return super().sums(i, kept)


@kind(
    "the gradient of the initial potential lacks the leak",
    place="gradient",
    cause="the gradient of start is not multiplied by the leak",
    needs="start",
)
class StartUnleaked(Hand):
    def sums(self, i, delta):
        return {**super().sums(i, delta), "start": delta[1].sum(axis=0)}


@kind(
    "the gradient of the initial potential is a mean over recordings",
    place="gradient",
    cause="the gradient of start is divided by the batch",
    needs="start",
)
class StartMean(Hand):
    def sums(self, i, delta):
        return {**super().sums(i, delta), "start": self.leak[i] * delta[1].mean(axis=0)}
