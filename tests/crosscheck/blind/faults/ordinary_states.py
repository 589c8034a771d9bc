"""Ordinary faults of the forward pass, followed by autograd; two have a second mistake."""

import math

import torch

from tests.crosscheck.blind.auto import Auto, sigma
from tests.crosscheck.blind.kinds import kind


@kind(
    "the threshold of the paper is not passed on, the neurons keep the default 1.0",
    place="state",
    cause="the threshold is 1 in firing and reset, not the network's own",
)
class ThresholdKeptAtDefault(Auto):
    def setup(self):
        self.theta = [1.0 for _ in self.theta]


@kind(
    "the surrogate is made without its argument: slope 2, ATan's default",
    place="state",
    cause="the slope of the spike is 2 in every layer, not the network's own",
)
class AlphaKeptAtDefault(Auto):
    def setup(self):
        self.k = [2.0 for _ in self.k]


@kind(
    "reset_mechanism was not set: the neurons reset by subtraction, not to zero",
    place="state",
    cause="the reset subtracts the threshold where it should be to zero",
    needs="zero",
)
class ResetMechanismKeptAtDefault(Auto):
    def rule(self, i, u, s):
        return self.leak[i] * u - self.theta[i] * s


@kind(
    "the potential is reset right after firing and reset again at the start of the next step",
    place="state",
    cause="the reset is applied twice for each spike",
    needs="reset",
)
class ResetBothEndsOfStep(Auto):
    def rule(self, i, u, s):
        done = u * (1 - s) if self.reset[i] == "zero" else u - self.theta[i] * s
        return super().rule(i, done, s)


@kind(
    "reset_net is forgotten: the run starts with potentials and spikes of an earlier pass",
    place="state",
    cause="the initial potentials and spikes are the last of an earlier pass, not zero",
)
class NetNotResetAfterWarmUp(Auto):
    def question(self):
        self.time, self.batch = self.x.shape[:2]
        self.kept, self.a, self.u, self.s = None, [list(self.x)], [], []
        with torch.no_grad():
            for i in range(self.depth):
                self.run_layer(i)
                self.a.append(self.passed(i))
        self.kept = [(u[-1], s[-1]) for u, s in zip(self.u, self.s, strict=True)]

    def run_layer(self, i):
        if self.kept is None:
            super().run_layer(i)
            return
        self.u.append([self.kept[i][0]])
        self.s.append([self.kept[i][1]])
        for t in range(1, self.time + 1):
            self.u[i].append(self.integrate(i, t))
            self.s[i].append(self.fire(i, t))


@kind(
    "the frames are cast to bool before they are fed in",
    place="state",
    cause="the input is made binary: every value that is not zero becomes one",
)
class FramesCastToBool(Auto):
    def question(self):
        self.x = self.x.bool().to(self.dtype)


@kind(
    "neurons are built by closures in a loop: all get the numbers of the last layer",
    place="state",
    cause="leak, threshold and slope of the last layer are used in all layers",
    needs="own",
)
class ClosuresBoundLate(Auto):
    def setup(self):
        for numbers in (self.leak, self.theta, self.k):
            numbers[:] = numbers[-1:] * self.depth


@kind(
    "neurons fire first and integrate then: a spike comes of the potential before the update",
    place="state",
    cause="the spike of a step is computed from the potential of the step before",
)
class FiredBeforeIntegrated(Auto):
    def fire(self, i, t):
        return sigma(self.family[i], self.k[i], self.u[i][t - 1] - self.theta[i])


@kind(
    "two: threshold left at 1.0, and Linear made with bias=False in the spiking layers",
    place="state",
    cause="threshold is 1 instead of the network's own, and the bias is missing in spiking layers",
    needs="bias",
)
class DefaultThresholdAndNoBias(Auto):
    def setup(self):
        self.theta = [1.0 for _ in self.theta]

    def bias(self, i, t):
        return 0.0


@kind(
    "two: the leak is exp(-1/tau) of tau = 1/(1 - leak), and a softmax comes before the loss",
    place="state",
    cause="the leak is exp(leak - 1) instead of leak, and softmax is applied twice in the loss",
)
class ConvertedTauAndDoubleSoftmax(Auto):
    def setup(self):
        self.leak = [math.exp(leak - 1) for leak in self.leak]

    def loss(self, z):
        return super().loss(torch.softmax(z, dim=1))
