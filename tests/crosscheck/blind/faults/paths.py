"""Faults of recurrence, biases and what passes between layers; autograd follows them."""

import torch

from tests.crosscheck.blind.auto import Auto
from tests.crosscheck.blind.kinds import kind


@kind(
    "recurrent weights are transposed forward",
    place="state",
    cause="recurrent weights are transposed",
    needs="recurrent steps",
    listed=True,
)
class TransposedRecurrence(Auto):
    def question(self):
        for layer in self.layers[: self.depth]:
            layer["v"] = layer["v"].T


@kind(
    "spikes are fed back two steps late",
    place="state",
    cause="recurrent spikes of two steps ago",
    needs="recurrent steps",
    listed=True,
)
class LateRecurrence(Auto):
    def fed_back(self, i, t):
        return self.s[i][max(t - 2, 0)]


@kind(
    "no neuron feeds back to itself: the diagonal is masked",
    place="state",
    cause="the diagonal of the recurrent weights is left out",
    needs="recurrent steps",
)
class MaskedDiagonal(Auto):
    def question(self):
        for layer in self.layers[: self.depth]:
            layer["v"] = layer["v"] - torch.diag(torch.diag(layer["v"]))


@kind(
    "potentials are fed back in place of spikes",
    place="state",
    cause="the recurrence reads potentials",
    needs="recurrent steps",
    listed=True,
)
class RecurrentPotentials(Auto):
    def fed_back(self, i, t):
        return self.u[i][t - 1]


@kind(
    "the bias enters at the first step only",
    place="state",
    cause="the bias is added at step 1 alone",
    needs="bias steps",
)
class BiasOnce(Auto):
    def bias(self, i, t):
        return super().bias(i, t) if t == 1 else 0.0


@kind(
    "the bias is added twice, by the product and by the neuron",
    place="state",
    cause="the bias counts twice",
    needs="bias",
)
class BiasTwice(Auto):
    def bias(self, i, t):
        return 2 * super().bias(i, t)


@kind(
    "the bias is left out of the spiking layers",
    place="state",
    cause="no bias in spiking layers",
    needs="bias",
)
class NoBias(Auto):
    def bias(self, i, t):
        return 0.0


@kind(
    "each layer reads the spikes that the one below had a step before",
    place="state",
    cause="spikes reach the layer above one step late",
    needs="deep steps",
    listed=True,
)
class LayerDelay(Auto):
    def passed(self, i):
        return self.s[i][:-1] if i < self.depth - 1 else self.s[i][1:]


@kind(
    "one layer passes potentials on in place of spikes",
    place="state",
    cause="that layer passes potentials on",
    needs="deep",
    listed=True,
)
class PassedPotentials(Auto):
    def passed(self, i):
        return self.u[i][1:] if i == min(self.pick, self.depth - 2) else self.s[i][1:]


@kind(
    "currents are centred over the batch (a normalisation left in training mode)",
    place="state",
    cause="the mean over the batch is subtracted from currents",
)
class Centred(Auto):
    def current(self, i, t):
        found = super().current(i, t)
        return found - found.mean(dim=0)
