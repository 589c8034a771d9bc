"""Faults of a neuron's numbers and of its spike, forward; autograd follows them."""

import math

from tests.crosscheck.blind.auto import Auto, sigma
from tests.crosscheck.blind.kinds import kind


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
