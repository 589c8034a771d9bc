"""Faults of the reset and of what is carried from step to step; autograd follows them."""

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
