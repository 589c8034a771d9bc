"""Faults of neurons in the forward pass; the gradient is autograd's, of the wrong network."""

import math

import torch

from tests.crosscheck.blind.auto import Auto, sigma
from tests.crosscheck.blind.kinds import kind


@kind(
    "the reset subtracts 1, not the threshold",
    place="state",
    cause="the reset subtracts 1 in place of the threshold",
    needs="subtract steps",
    listed=True,
)
class ResetByOne(Auto):
    def rule(self, i, u, s):
        leak = self.leak[i]
        return leak * (u - s) if self.reset[i] == "leaked" else leak * u - s


@kind(
    "a reset to zero wipes the new input, too",
    place="state",
    cause="the reset multiplies the input, too",
    needs="to zero steps",
    listed=True,
)
class ResetWipesInput(Auto):
    def integrate(self, i, t):
        u, s = self.u[i][t - 1], self.s[i][t - 1]
        return (self.leak[i] * u + self.current(i, t)) * (1 - s)


@kind(
    "the last spiking layer is not reset",
    place="state",
    cause="no reset in the last layer alone",
    needs="reset deep steps",
)
class LastLayerUnreset(Auto):
    def rule(self, i, u, s):
        return self.leak[i] * u if i == self.depth - 1 else super().rule(i, u, s)


@kind(
    "another reset: subtraction where zero is wanted, zero where subtraction is",
    place="state",
    cause="the reset is the other one",
    needs="reset steps",
    listed=True,
)
class OtherReset(Auto):
    def setup(self):
        self.reset = ["subtract" if r == "zero" else "zero" for r in self.reset]


@kind(
    "the reset reads the spike of one step earlier still",
    place="state",
    cause="the reset follows the spike of two steps ago",
    needs="reset steps",
    listed=True,
)
class ResetLate(Auto):
    def carried(self, i, t):
        s = self.s[i][t - 2] if t > 1 else self.s[i][0]
        return self.rule(i, self.u[i][t - 1], s)


@kind(
    "the reset is scaled: only a fifth of the wanted amount is taken away",
    place="state",
    cause="the reset is multiplied by 0.2",
    needs="reset steps",
)
class WeakReset(Auto):
    def rule(self, i, u, s):
        return super().rule(i, u, 0.2 * s)


@kind(
    "reset by spikes rounded to 0 or 1, straight through backwards",
    place="state",
    cause="the reset is by hard spikes, forward",
    needs="reset steps",
)
class HardReset(Auto):
    def carried(self, i, t):
        s = self.s[i][t - 1]
        return self.rule(i, self.u[i][t - 1], s + (s.round() - s).detach())


@kind(
    "a neuron that has fired does not fire at the next step (a refractory factor)",
    place="state",
    cause="spikes are multiplied by one minus the spike before",
    needs="steps",
)
class Refractory(Auto):
    def fire(self, i, t):
        return super().fire(i, t) * (1 - self.s[i][t - 1])


@kind(
    "potentials are not allowed below zero",
    place="state",
    cause="potentials are clamped at zero from below",
    needs="steps",
    listed=True,
)
class Rectified(Auto):
    def integrate(self, i, t):
        return super().integrate(i, t).clamp(min=0.0)


@kind(
    "the leak acts on the input, too: u = leak (u + I)",
    place="state",
    cause="the input is multiplied by the leak",
    listed=True,
)
class LeakyInput(Auto):
    def current(self, i, t):
        return self.leak[i] * super().current(i, t)


@kind(
    "the input is multiplied by one minus the leak",
    place="state",
    cause="the input is multiplied by 1 - leak",
    listed=True,
)
class ScaledInput(Auto):
    def current(self, i, t):
        return (1 - self.leak[i]) * super().current(i, t)


@kind(
    "the leak is taken for one minus the leak",
    place="state",
    cause="leak 1 - leak in place of the leak",
    needs="steps",
    listed=True,
)
class ComplementLeak(Auto):
    def setup(self):
        self.leak = [1 - each for each in self.leak]


@kind(
    "the leak is taken for a logit: sigmoid(leak)",
    place="state",
    cause="another number for the leak in every layer: sigmoid of it",
    needs="steps",
    listed=True,
)
class SigmoidLeak(Auto):
    def setup(self):
        self.leak = [1 / (1 + math.exp(-each)) for each in self.leak]


@kind(
    "one Euler step of half the time step: leak 1 - (1 - leak)/2, input halved",
    place="state",
    cause="another leak and the input times 0.5",
    needs="steps",
)
class HalfStep(Auto):
    def setup(self):
        self.leak = [1 - 0.5 * (1 - each) for each in self.leak]

    def current(self, i, t):
        return 0.5 * super().current(i, t)


@kind(
    "all layers get the numbers of the first one",
    place="state",
    cause="leak, threshold and slope of layer 1 in the others",
    needs="own",
    listed=True,
)
class SharedNumbers(Auto):
    def setup(self):
        for numbers in (self.leak, self.theta, self.k):
            numbers[:] = numbers[:1] * self.depth


@kind(
    "the threshold of one layer is 1, whatever it should be",
    place="state",
    cause="threshold 1 in that layer",
    listed=True,
)
class UnitThreshold(Auto):
    def setup(self):
        self.theta[self.pick] = 1.0


@kind(
    "the spike gets u / threshold - 1",
    place="state",
    cause="the distance is divided by the threshold: the slope is slope / threshold",
)
class RelativeDistance(Auto):
    def fire(self, i, t):
        return sigma(self.family[i], self.k[i], self.u[i][t] / self.theta[i] - 1)


@kind(
    "the spike gets u, not u - threshold",
    place="state",
    cause="the spike is taken at u, the threshold being left out",
    listed=True,
)
class NoThreshold(Auto):
    def fire(self, i, t):
        return sigma(self.family[i], self.k[i], self.u[i][t])


@kind(
    "hard spikes forward, the smooth derivative backward, in all layers",
    place="state",
    cause="spikes are hard, forward",
    listed=True,
)
class HardSpikes(Auto):
    def fire(self, i, t):
        s = super().fire(i, t)
        return s + ((self.u[i][t] >= self.theta[i]).to(s.dtype) - s).detach()


@kind(
    "hard spikes in one layer alone, straight through backwards",
    place="state",
    cause="spikes of that layer are hard, forward",
    needs="deep",
)
class HardLayer(Auto):
    def fire(self, i, t):
        s = super().fire(i, t)
        hard = (self.u[i][t] >= self.theta[i]).to(s.dtype)
        return s + (hard - s).detach() if i == self.pick else s


@kind(
    "spikes below 0.05 are set to zero to keep them sparse",
    place="state",
    cause="small spikes are cut to zero",
)
class SparseSpikes(Auto):
    def fire(self, i, t):
        s = super().fire(i, t)
        return s * (s >= 0.05)


@kind(
    "the spike fires before the input of the step arrives",
    place="state",
    cause="the spike is taken of the potential before the input of its step",
    needs="steps",
)
class FireFirst(Auto):
    def fire(self, i, t):
        return sigma(self.family[i], self.k[i], self.carried(i, t) - self.theta[i])


@kind(
    "the slope grows with the step, as an annealing that counts steps for epochs",
    place="state",
    cause="the slope grows from step to step",
    needs="steps",
)
class AnnealedSlope(Auto):
    def fire(self, i, t):
        k = self.k[i] * (1 + 0.5 * t / self.time)
        return sigma(self.family[i], k, self.u[i][t] - self.theta[i])


@kind(
    "the threshold rises by 0.1 of each spike (an adaptation left on)",
    place="state",
    cause="the threshold adapts to spikes",
    needs="steps",
)
class Adapting(Auto):
    def fire(self, i, t):
        raised = self.theta[i] + 0.1 * sum(self.s[i][1:t])
        return sigma(self.family[i], self.k[i], self.u[i][t] - raised)


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


@kind(
    "given initial potentials are ignored",
    place="state",
    cause="potentials start at zero",
    needs="start",
)
class IgnoredStart(Auto):
    def start(self, i):
        return 0 * self.layers[i]["start"]


@kind(
    "the leak does not act on the initial potential",
    place="state",
    cause="the initial potential is not multiplied by the leak",
    needs="start",
)
class UnleakedStart(Auto):
    def start(self, i):
        return self.layers[i]["start"] / self.leak[i]


@kind(
    "the state before the first step has a spike, of the initial potential",
    place="state",
    cause="a spike before the first step, of the initial potential",
    needs="start reset",
)
class FiredStart(Auto):
    def carried(self, i, t):
        s = (
            self.s[i][t - 1]
            if t > 1
            else sigma(self.family[i], self.k[i], self.u[i][0] - self.theta[i])
        )
        return self.rule(i, self.u[i][t - 1], s)


@kind(
    "recordings are run one after the other and states are not reset between",
    place="state",
    cause="a recording starts with the last state of the one before",
    needs="rest",
)
class CarriedOver(Auto):
    def solve(self, params, x, y):
        self.batch_x, self.last = x, [None] * 9
        super().solve(params, x, y)

    def run_layer(self, i):
        rows_u, rows_s, inputs = [], [], self.a[i]
        u = s = torch.zeros((1, len(self.layers[i]["w"])), dtype=self.dtype)
        batch = self.batch
        self.batch = 1
        self.u.append([])
        self.s.append([])
        for row in range(batch):
            self.a[i] = [each[row : row + 1] for each in inputs]
            self.u[i], self.s[i] = [u], [s]
            for t in range(1, self.time + 1):
                self.u[i].append(self.integrate(i, t))
                self.s[i].append(self.fire(i, t))
            u, s = self.u[i][-1], self.s[i][-1]
            rows_u.append(self.u[i])
            rows_s.append(self.s[i])
        self.batch, self.a[i] = batch, inputs
        self.u[i] = [torch.cat(each) for each in zip(*rows_u, strict=True)]
        self.s[i] = [torch.cat(each) for each in zip(*rows_s, strict=True)]
