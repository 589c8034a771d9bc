"""Faults of the input and of the readout, forward; autograd follows them."""

import numpy as np
import torch

from tests.crosscheck.blind.auto import Auto
from tests.crosscheck.blind.kinds import kind


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
