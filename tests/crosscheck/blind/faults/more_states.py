"""Faults of the forward pass: the states are wrong first."""

import math

import numpy as np
import torch

from tests.crosscheck.blind.auto import Auto, sigma
from tests.crosscheck.blind.hand import Hand
from tests.crosscheck.blind.hand import sigma as sigma_np
from tests.crosscheck.blind.kinds import kind


@kind(
    "the tuple (spikes, potential) is unpacked in the wrong order: the next layer gets potentials",
    place="state",
    cause="the next layer is fed the membrane potential instead of the spikes",
    needs="deep",
)
class PotentialHandedOn(Auto):
    def passed(self, i):
        return self.u[i][1:]


@kind(
    "the leak is taken as 1 - 1/tau, converted to tau, and used as exp(-1/tau)",
    place="state",
    cause="the leak is exp(-(1 - leak)) instead of leak (wrong leak constant)",
)
class LeakFromExponential(Auto):
    def setup(self):
        self.leak = [math.exp(-(1 - leak)) for leak in self.leak]


@kind(
    "the weighted input and recurrence are scaled by 1 - leak, the bias is not",
    place="state",
    cause="the synaptic current, without the bias, is multiplied by (1 - leak)",
    needs="bias",
)
class WeightsScaledBiasNot(Auto):
    def current(self, i, t):
        b = self.bias(i, t)
        return (1 - self.leak[i]) * (super().current(i, t) - b) + b


@kind(
    "the list of thresholds is indexed by i - 1, which for the first layer is the last one",
    place="state",
    cause="each layer uses the threshold of the layer before it",
    needs="own",
)
class ThresholdOfTheLayerBefore(Auto):
    def setup(self):
        self.theta = [self.theta[i - 1] for i in range(self.depth)]


@kind(
    "the threshold adaptation of an ALIF neuron was left on",
    place="state",
    cause="the firing threshold rises with a trace of past spikes (adaptive threshold)",
)
class ThresholdRisesWithSpikes(Auto):
    def run_layer(self, i):
        self.trace = 0.0
        super().run_layer(i)

    def fire(self, i, t):
        self.trace = 0.8 * self.trace + self.s[i][t - 1]
        v = self.u[i][t] - self.theta[i] - 0.3 * self.trace
        return sigma(self.family[i], self.k[i], v)


@kind(
    "a refractory step: what comes in right after a spike is ignored",
    place="state",
    cause="the current (input, bias, recurrence) is multiplied by 1 - s of the step before",
)
class DeafAfterASpike(Auto):
    def current(self, i, t):
        return super().current(i, t) * (1 - self.s[i][t - 1])


@kind(
    "recordings are run one after another and the state is never reset in between",
    place="state",
    cause="each recording starts from the final state of the recording before it in the batch",
)
class RecordingsRunOneIntoTheNext(Hand):
    def run_layer(self, i):
        super().run_layer(i)
        u, s = self.u[i], self.s[i]
        for b in range(1, self.batch):
            u[0, b], s[0, b] = u[-1, b - 1], s[-1, b - 1]
            for t in range(1, self.time + 1):
                u[t, b] = (self.carried(i, t) + self.current(i, t))[b]
                s[t, b] = sigma_np(self.family[i], self.k[i], u[t, b] - self.theta[i])


@kind(
    "the loop runs to T - 1, and the last step keeps the zeros its buffers were made with",
    place="state",
    cause="the last time step is never computed: its potential and spikes are zero",
)
class LastStepNeverIntegrated(Auto):
    def run_layer(self, i):
        super().run_layer(i)
        self.u[i][-1] = torch.zeros_like(self.u[i][-1])
        self.s[i][-1] = torch.zeros_like(self.s[i][-1])


@kind(
    "the bias is added to each product before they are summed, by broadcasting",
    place="state",
    cause="the bias is added once per incoming connection, so it is multiplied by the fan-in",
    needs="bias",
)
class BiasInsideTheSumOfConnections(Auto):
    def bias(self, i, t):
        return super().bias(i, t) * self.layers[i]["w"].shape[1]


@kind(
    "neurons are updated one by one in place, and hear this step's spikes of those before them",
    place="state",
    cause="the recurrent input has this step's spikes of neurons of lower index instead of those"
    " of the step before",
    needs="recurrent",
)
class NeuronsUpdatedOneByOne(Auto):
    def run_layer(self, i):
        super().run_layer(i)
        layer = self.layers[i]
        self.u[i], self.s[i] = self.u[i][:1], self.s[i][:1]
        for t in range(1, self.time + 1):
            still = self.carried(i, t) + self.a[i][t - 1] @ layer["w"].T + self.bias(i, t)
            spikes, potentials = list(self.s[i][t - 1].unbind(1)), []
            for j, row in enumerate(layer["v"]):
                potentials.append(still[:, j] + torch.stack(spikes, 1) @ row)
                spikes[j] = sigma(self.family[i], self.k[i], potentials[j] - self.theta[i])
            self.u[i].append(torch.stack(potentials, 1))
            self.s[i].append(torch.stack(spikes, 1))


@kind(
    "a batch-first input is brought to time-first by reshape where transpose was meant",
    place="state",
    cause="time and batch of the input are mixed up: reshaped instead of transposed",
)
class BatchFirstReshaped(Hand):
    def question(self):
        batch_first = np.ascontiguousarray(self.x.transpose(1, 0, 2))
        self.x = batch_first.reshape(self.x.shape)


@kind(
    "the reset asks u > threshold while what goes out is the smooth spike",
    place="state",
    cause="the reset uses hard spikes (Heaviside) instead of the smooth ones",
    needs="reset",
)
class HardSpikesInTheReset(Auto):
    def carried(self, i, t):
        if t == 1:
            return super().carried(i, t)
        fired = (self.u[i][t - 1] > self.theta[i]).to(self.dtype)
        return self.rule(i, self.u[i][t - 1], fired)


@kind(
    "bipolar neurons: a potential below minus the threshold gives a negative spike",
    place="state",
    cause="a negative spike sigma(-u - threshold) is subtracted from each spike",
)
class NegativeSpikesToo(Auto):
    def fire(self, i, t):
        u = self.u[i][t]
        return super().fire(i, t) - sigma(self.family[i], self.k[i], -u - self.theta[i])


@kind(
    "dropout was left on, its seed being fixed",
    place="state",
    cause="a fixed part of each layer's inputs is dropped and the rest is scaled up (dropout)",
)
class SeededDropoutLeftOn(Auto):
    def current(self, i, t):
        n = self.a[i][0].shape[1]
        kept = torch.arange(n) % 4 != 1
        a = self.a[i]
        self.a[i] = [each * kept / 0.75 for each in a]
        found = super().current(i, t)
        self.a[i] = a
        return found


@kind(
    "potentials are in fixed point, multiples of 1/8, rounded down, straight through backwards",
    place="state",
    cause="the membrane potential is rounded down to multiples of 1/8 at each step",
)
class PotentialInEighths(Auto):
    def integrate(self, i, t):
        u = super().integrate(i, t)
        return u + (torch.floor(8 * u) / 8 - u).detach()


@kind(
    "two: spikes come back through v instead of its transpose, the bias is there at step 1 alone",
    place="state",
    cause="v is transposed in the recurrence; and the bias is added at the first step only",
    needs="recurrent bias steps",
)
class RecurrenceTransposedAndBiasOnce(Auto):
    def bias(self, i, t):
        return super().bias(i, t) * (t == 1)

    def current(self, i, t):
        fed = self.fed_back(i, t)
        turned = fed @ self.layers[i]["v"] - fed @ self.layers[i]["v"].T
        return super().current(i, t) + turned


@kind(
    "two: the threshold is 1 whatever was asked, and each layer hears the one below a step late",
    place="state",
    cause="the threshold is hard-coded as 1; and each layer gets the spikes of the layer below one"
    " step late",
    needs="deep",
)
class ThresholdOneAndLayersLate(Auto):
    def setup(self):
        self.theta = [1.0] * self.depth

    def passed(self, i):
        return self.s[i][:-1]
