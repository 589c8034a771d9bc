"""Faults of the question, the readout and the loss."""

import numpy as np
import torch

from tests.crosscheck.blind.auto import Auto
from tests.crosscheck.blind.hand import Hand, pad, softmax
from tests.crosscheck.blind.kinds import kind

nll = torch.nn.functional.nll_loss


@kind(
    "input is cast to integers",
    place="state",
    cause="the input is rounded (towards zero)",
    needs="analog",
)
class IntegerInput(Auto):
    def question(self):
        self.x = self.x.trunc()


@kind(
    "input is standardised over steps and recordings",
    place="state",
    cause="the input is standardised",
    listed=True,
)
class StandardisedInput(Auto):
    def question(self):
        x = self.x.reshape(-1, self.x.shape[-1])
        self.x = (self.x - x.mean(0)) / (x.std(0) + 1e-8)


@kind(
    "input is reshaped to (batch, time) where it should be transposed",
    place="state",
    cause="time and batch are mixed up by a reshape",
    needs="steps",
)
class ReshapedInput(Auto):
    def question(self):
        steps, batch, n = self.x.shape
        self.x = self.x.reshape(batch, steps, n).transpose(0, 1)


@kind(
    "the first frame is shown at every step",
    place="state",
    cause="the input of step 1 at all steps",
    needs="steps",
)
class StaticInput(Auto):
    def question(self):
        self.x = self.x[:1].expand_as(self.x)


@kind(
    "the run begins at the second step",
    place="state",
    cause="the first step is left out",
    needs="steps",
    listed=True,
)
class SkippedStep(Auto):
    def question(self):
        self.x = torch.cat([torch.zeros_like(self.x[:1]), self.x[1:]])

    def integrate(self, i, t):
        return self.u[i][0] if t == 1 else super().integrate(i, t)

    def fire(self, i, t):
        return 0 * super().fire(i, t) if t == 1 else super().fire(i, t)


@kind(
    "input is seen backwards in time",
    place="state",
    cause="time is reversed",
    needs="steps",
    listed=True,
)
class ReversedInput(Auto):
    def question(self):
        self.x = self.x.flip(0)


@kind(
    "a fixed half of the input is dropped, the rest doubled",
    place="state",
    cause="inputs are left out, others doubled (dropout)",
)
class DroppedInput(Auto):
    def question(self):
        kept = torch.tensor(np.random.default_rng(5).random(self.x.shape[1:]) < 0.5)
        self.x = 2 * self.x * kept


@kind(
    "logits are summed over time, not averaged",
    place="loss or readout",
    cause="a sum over steps in place of the mean: the readout times T",
    listed=True,
)
class SummedReadout(Auto):
    def read(self, s):
        return super().read(s) * len(s)


@kind(
    "logits are read at the last step alone",
    place="loss or readout",
    cause="the last step alone is read",
    needs="steps",
    listed=True,
)
class LastStepRead(Auto):
    def read(self, s):
        if self.readout == "LeakyReadout":
            return super().read(s)
        return super().read(s[-1:])

    def pool_potentials(self, v):
        return v[-1]


@kind(
    "the first quarter of the steps is not read (a warm-up)",
    place="loss or readout",
    cause="the readout's mean is over the later steps alone",
    needs="steps",
)
class WarmUp(Auto):
    def read(self, s):
        if self.readout == "LeakyReadout":
            return super().read(s)
        return super().read(s[len(s) // 4 :])

    def pool_potentials(self, v):
        return v[len(v) // 4 :].mean(dim=0)


@kind(
    "the readout takes the largest potential over time",
    place="loss or readout",
    cause="the maximum over steps in place of the mean",
    needs="leaky steps",
)
class LargestRead(Auto):
    def pool_potentials(self, v):
        return v.max(dim=0).values


@kind(
    "the mean over steps divides by T - 1",
    place="loss or readout",
    cause="the readout is multiplied by T / (T - 1)",
)
class OneStepShort(Auto):
    def read(self, s):
        return super().read(s) * (len(s) / (len(s) - 1))


@kind(
    "the readout's potential is read before the spikes of its step arrive",
    place="loss or readout",
    cause="the readout is one step late",
    needs="leaky",
    listed=True,
)
class LateReadout(Auto):
    def output_potentials(self, s):
        v = super().output_potentials(s)
        return torch.cat([torch.zeros_like(v[:1]), v[:-1]])


@kind(
    "the readout has the leak of the last spiking layer",
    place="loss or readout",
    cause="another leak of the readout",
    needs="leaky steps",
    listed=True,
)
class SharedReadoutLeak(Auto):
    def setup(self):
        self.kappa = self.leak[-1]


@kind(
    "the readout reads the potentials of the last layer",
    place="loss or readout",
    cause="potentials are read in place of spikes",
    listed=True,
)
class PotentialsRead(Auto):
    def read(self, s):
        return super().read(self.u[-1][1:])


@kind(
    "the bias of the readout is left out",
    place="loss or readout",
    cause="no bias of the readout",
    needs="bias affine",
)
class UnbiasedReadout(Auto):
    def read(self, s):
        self.layers[-1].pop("b")
        return super().read(s)


@kind(
    "softmax twice: probabilities go into the cross entropy",
    place="loss or readout",
    cause="softmax is applied twice",
    listed=True,
)
class TwoSoftmaxes(Auto):
    def loss(self, z):
        return super().loss(torch.softmax(z, dim=1))


@kind(
    "softmax over the batch",
    place="loss or readout",
    cause="softmax over recordings in place of classes",
    listed=True,
)
class BatchSoftmax(Auto):
    def loss(self, z):
        return nll(torch.log_softmax(z, dim=0), self.y)


@kind(
    "the loss is summed over the batch",
    place="loss or readout",
    cause="a sum over recordings in place of the mean",
    listed=True,
)
class SummedLoss(Auto):
    def loss(self, z):
        return super().loss(z) * self.batch


@kind(
    "labels are smoothed by 0.1", place="loss or readout", cause="label smoothing 0.1", listed=True
)
class Smoothed(Auto):
    def loss(self, z):
        return torch.nn.functional.cross_entropy(z, self.y, label_smoothing=0.1)


@kind(
    "the loss is in bits, its gradient too",
    place="loss or readout",
    cause="the loss is divided by log 2",
    listed=True,
)
class Bits(Auto):
    def loss(self, z):
        return super().loss(z) / np.log(2.0)


@kind(
    "squared error of the probabilities",
    place="loss or readout",
    cause="squared error of probabilities in place of cross entropy",
    listed=True,
)
class SquaredError(Auto):
    def loss(self, z):
        wanted = torch.nn.functional.one_hot(self.y, z.shape[1])
        return ((torch.softmax(z, dim=1) - wanted) ** 2).sum(dim=1).mean()


@kind(
    "focal loss, gamma 2",
    place="loss or readout",
    cause="the cross entropy of each recording is weighted by (1 - p)^2",
)
class Focal(Auto):
    def loss(self, z):
        p = torch.softmax(z, dim=1)[torch.arange(len(self.y)), self.y]
        return (-((1 - p) ** 2) * torch.log(p)).mean()


@kind(
    "classes are weighted by how seldom they are in the batch",
    place="loss or readout",
    cause="recordings are weighted by the frequency of their class",
)
class Balanced(Auto):
    def loss(self, z):
        counts = torch.bincount(self.y, minlength=z.shape[1]).clamp(min=1)
        weight = (len(self.y) / counts).to(z.dtype)
        return torch.nn.functional.cross_entropy(z, self.y, weight=weight)


@kind(
    "log(p + 1e-4) in place of log(p)",
    place="loss or readout",
    cause="an epsilon is added within the logarithm",
    needs="double",
)
class Epsilon(Auto):
    def loss(self, z):
        return nll(torch.log(torch.softmax(z, dim=1) + 1e-4), self.y)


@kind(
    "logits are divided by a temperature of 2",
    place="loss or readout",
    cause="logits times 0.5",
    listed=True,
)
class Temperature(Auto):
    def loss(self, z):
        return super().loss(z / 2)


@kind(
    "recordings of class 0 are left out, as padding",
    place="loss or readout",
    cause="recordings with label 0 are not counted",
    listed=True,
)
class IgnoredClass(Auto):
    def loss(self, z):
        kept = self.y != 0
        return (
            super().loss(z)
            if not kept.any()
            else torch.nn.functional.cross_entropy(z, self.y, ignore_index=0)
        )


@kind(
    "a margin loss in place of the cross entropy",
    place="loss or readout",
    cause="a margin loss in place of cross entropy",
)
class Margin(Auto):
    def loss(self, z):
        return torch.nn.functional.multi_margin_loss(z, self.y)


@kind(
    "the last recording is dropped",
    place="loss or readout",
    cause="the last recording is left out",
    listed=True,
)
class DroppedRecording(Auto):
    def loss(self, z):
        return torch.nn.functional.cross_entropy(z[:-1], self.y[:-1])


@kind(
    "two half batches of unequal size, their means averaged",
    place="loss or readout",
    cause="recordings of the first half count otherwise than those of the second",
    needs="parted",
)
class UnequalHalves(Auto):
    def loss(self, z):
        half = len(self.y) // 2
        first = torch.nn.functional.cross_entropy(z[:half], self.y[:half])
        return 0.5 * (first + torch.nn.functional.cross_entropy(z[half:], self.y[half:]))


@kind(
    "labels are in the order of another shuffle than the input: reversed",
    place="loss or readout",
    cause="labels are in reversed order",
    listed=True,
)
class ReversedLabels(Auto):
    def question(self):
        self.y = self.y.flip(0)


@kind(
    "a penalty of 0.01 times the mean squared spike rate is in loss and gradient",
    place="loss or readout",
    cause="a penalty on spike rates, 0.01",
)
class RatePenalty(Auto):
    def loss(self, z):
        rates = [torch.stack(s[1:]).mean(dim=(0, 1)) for s in self.s]
        return super().loss(z) + 0.01 * sum((r**2).sum() for r in rates)


@kind(
    "weight decay, 0.01/2 w^2 of feed-forward weights, is in loss and gradient",
    place="loss or readout",
    cause="an L2 penalty on weights, 0.01",
    listed=True,
)
class DecayInLoss(Auto):
    def loss(self, z):
        return super().loss(z) + 0.005 * sum((layer["w"] ** 2).sum() for layer in self.layers)


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
