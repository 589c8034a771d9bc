"""Faults of readout and loss, forward (autograd) or backward (by hand)."""

import torch

from tests.crosscheck.blind.auto import Auto
from tests.crosscheck.blind.kinds import kind

cross_entropy = torch.nn.functional.cross_entropy


@kind(
    "the integrator's last potential is read",
    place="loss or readout",
    cause="the logits are the last potential of the readout, not the mean over steps",
    needs="leaky",
)
class FinalPotentialAsLogits(Auto):
    def pool_potentials(self, v):
        return v[-1]


@kind(
    "the integrator's bias is added once to the logits",
    place="loss or readout",
    cause="the readout's bias is added once to the logits, not integrated at every step",
    needs="leaky bias",
)
class IntegratorBiasAddedOnce(Auto):
    def output_potentials(self, s):
        layer, v, potentials = self.layers[-1], 0.0, []
        for each in s:
            v = self.kappa * v + each @ layer["w"].T
            potentials.append(v)
        return torch.stack(potentials) + layer["b"]


@kind(
    "recordings are padded with empty frames to a multiple of 16 steps, and no mask is used",
    place="loss or readout",
    cause="steps of zero input after the end are simulated and counted in the readout",
)
class PaddingWithoutMask(Auto):
    def question(self):
        missing = -len(self.x) % 16
        self.x = torch.cat([self.x, torch.zeros_like(self.x[:1]).repeat(missing, 1, 1)])


@kind(
    "two: logits are summed over steps, and the loss over recordings",
    place="loss or readout",
    cause="logits are the sum over steps, not the mean, and the loss is the sum over the batch, "
    "not the mean",
)
class SummedOverStepsAndRecordings(Auto):
    def read(self, s):
        return super().read(s) * len(s)

    def loss(self, z):
        return cross_entropy(z, self.y, reduction="sum")
