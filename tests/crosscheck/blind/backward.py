"""Faults of backpropagation through time: adjoints, forward pass being right."""

import numpy as np

from tests.crosscheck.blind.hand import Hand, dsigma
from tests.crosscheck.blind.kinds import kind


@kind(
    "the reset's dependence on the spike is not differentiated",
    place="adjoint",
    cause="the reset is detached",
    needs="reset",
    listed=True,
)
class DetachedReset(Hand):
    def reset_s(self, i, t):
        return 0.0


@kind(
    "the reset's dependence on the spike has the wrong sign",
    place="adjoint",
    cause="the path through the reset's spike times -1",
    needs="reset",
    listed=True,
)
class ResetSign(Hand):
    def reset_s(self, i, t):
        return -super().reset_s(i, t)


@kind(
    "the leak path forgets that a reset neuron forgets: leak in place of leak (1 - s)",
    place="adjoint",
    cause="the factor 1 - s is missing on the leak path",
    needs="to zero",
    listed=True,
)
class UnresetLeakPath(Hand):
    def reset_u(self, i, t):
        return self.leak[i]


@kind(
    "backwards the reset is by subtraction, forwards to zero",
    place="adjoint",
    cause="the reset is another one backwards",
    needs="to zero",
    listed=True,
)
class OtherResetBack(Hand):
    def reset_u(self, i, t):
        return self.leak[i]

    def reset_s(self, i, t):
        return -self.theta[i]


@kind(
    "the reset's derivative takes the potential of the step after",
    place="adjoint",
    cause="the path through the reset takes the potential of the next step",
    needs="to zero",
)
class ResetLaterPotential(Hand):
    def reset_s(self, i, t):
        return -self.leak[i] * self.u[i][min(t + 1, self.time)]


@kind(
    "what comes through the reset is not multiplied by the spike's derivative",
    place="adjoint",
    cause="the spike's derivative is missing on the reset path",
    needs="reset",
)
class UnslopedReset(Hand):
    def slope(self, i, t):
        return super().slope(i, t)

    def adjoints(self, i, down):
        delta = np.zeros((self.time + 2, *self.u[i].shape[1:]), self.dtype)
        for t in range(self.time, 0, -1):
            later = delta[t + 1]
            g = (down[t] + self.feedback(i, later)) * self.slope(i, t)
            delta[t] = g + later * (self.reset_s(i, t) + self.reset_u(i, t))
        return delta


@kind(
    "the leak is missing on the way back",
    place="adjoint",
    cause="the leak path has a 1 in place of the leak",
    listed=True,
)
class UnleakedBack(Hand):
    def reset_u(self, i, t):
        return super().reset_u(i, t) / self.leak[i]


@kind(
    "the leak is applied twice on the way back",
    place="adjoint",
    cause="the leak path times the leak once more",
    listed=True,
)
class LeakTwiceBack(Hand):
    def reset_u(self, i, t):
        return super().reset_u(i, t) * self.leak[i]


@kind(
    "each layer's leak on the way back is that of the layer above",
    place="adjoint",
    cause="leaks of other layers on the leak path",
    needs="own",
)
class LeakAboveBack(Hand):
    def reset_u(self, i, t):
        above = self.leak[(i + 1) % self.depth]
        return super().reset_u(i, t) / self.leak[i] * above


@kind(
    "nothing flows back in time",
    place="adjoint",
    cause="the gradient through time is cut",
    needs="steps",
    listed=True,
)
class NoTime(Hand):
    def adjoints(self, i, down):
        delta = np.zeros((self.time + 2, *self.u[i].shape[1:]), self.dtype)
        for t in range(self.time, 0, -1):
            delta[t] = down[t] * self.slope(i, t)
        return delta


@kind(
    "truncated in blocks of five steps",
    place="adjoint",
    cause="backpropagation is cut in blocks of 5 steps",
    needs="steps",
    listed=True,
)
class Blocks(Hand):
    def adjoints(self, i, down):
        delta = np.zeros((self.time + 2, *self.u[i].shape[1:]), self.dtype)
        for t in range(self.time, 0, -1):
            later = delta[t + 1] * (t % 5 != 0)
            g = down[t] + later * self.reset_s(i, t) + self.feedback(i, later)
            delta[t] = g * self.slope(i, t) + later * self.reset_u(i, t)
        return delta


@kind(
    "each step's signal goes back three steps and no further",
    place="adjoint",
    cause="the gradient of each step goes back 3 steps only",
    needs="steps",
)
class ShortMemory(Hand):
    def adjoints(self, i, down):
        total = np.zeros((self.time + 2, *self.u[i].shape[1:]), self.dtype)
        part = total.copy()
        part[1:-1] = [down[t] * self.slope(i, t) for t in range(1, self.time + 1)]
        for _ in range(4):
            total += part
            moved = np.zeros_like(part)
            for t in range(1, self.time):
                later = part[t + 1]
                g = later * self.reset_s(i, t) + self.feedback(i, later)
                moved[t] = g * self.slope(i, t) + later * self.reset_u(i, t)
            part = moved
        return total


@kind(
    "recurrent spikes are detached",
    place="adjoint",
    cause="the recurrent path is cut",
    needs="recurrent",
    listed=True,
)
class DetachedRecurrence(Hand):
    def feedback(self, i, later):
        return 0.0


@kind(
    "recurrent weights are not transposed on the way back",
    place="adjoint",
    cause="the recurrent weights are transposed backwards",
    needs="recurrent",
    listed=True,
)
class UntransposedBack(Hand):
    def feedback(self, i, later):
        return later @ self.layers[i]["v"].T


@kind(
    "the adjoint is clipped to [-c, c] at every step, as gradients are",
    place="adjoint",
    cause="adjoints are clipped on the way back",
)
class ClippedAdjoint(Hand):
    def adjoints(self, i, down):
        delta = np.zeros((self.time + 2, *self.u[i].shape[1:]), self.dtype)
        for t in range(self.time, 0, -1):
            later = delta[t + 1]
            g = down[t] + later * self.reset_s(i, t) + self.feedback(i, later)
            found = g * self.slope(i, t) + later * self.reset_u(i, t)
            delta[t] = np.clip(found, -0.001, 0.001)
        return delta


@kind(
    "the surrogate's slope is left at 1 backwards",
    place="adjoint",
    cause="slope 1 backwards",
    listed=True,
)
class UnitSlopeBack(Hand):
    def slope(self, i, t):
        return dsigma(self.family[i], 1.0, self.u[i][t] - self.theta[i])


@kind(
    "the derivative lacks the factor slope (the inner derivative)",
    place="adjoint",
    cause="the spike's derivative is divided by the slope",
    listed=True,
)
class NoInnerDerivative(Hand):
    def slope(self, i, t):
        return super().slope(i, t) / self.k[i]


@kind(
    "the derivative is scaled to a peak of 1",
    place="adjoint",
    cause="the spike's derivative is divided by its largest value",
    listed=True,
)
class PeakOne(Hand):
    def slope(self, i, t):
        return super().slope(i, t) / dsigma(self.family[i], self.k[i], 0.0)


@kind(
    "the derivative of another surrogate: the boxcar of width 1",
    place="adjoint",
    cause="a rectangle stands for the spike's derivative",
    listed=True,
)
class Boxcar(Hand):
    def slope(self, i, t):
        return (np.abs(self.u[i][t] - self.theta[i]) < 0.5).astype(self.dtype)


@kind(
    "a Gaussian stands for the derivative",
    place="adjoint",
    cause="a Gaussian stands for the spike's derivative",
    listed=True,
)
class Gaussian(Hand):
    def slope(self, i, t):
        v = self.u[i][t] - self.theta[i]
        return (np.exp(-0.5 * v * v) / np.sqrt(2 * np.pi)).astype(self.dtype)


@kind(
    "s (1 - s), the logistic derivative without its slope, whatever the spike is",
    place="adjoint",
    cause="s (1 - s) stands for the spike's derivative",
)
class LogisticHabit(Hand):
    def slope(self, i, t):
        return self.s[i][t] * (1 - self.s[i][t])


@kind(
    "the derivative is taken at u, not u - threshold",
    place="adjoint",
    cause="the derivative is taken at u",
    listed=True,
)
class SlopeAtPotential(Hand):
    def slope(self, i, t):
        return dsigma(self.family[i], self.k[i], self.u[i][t])


@kind(
    "the derivative is taken at the potential of the step before",
    place="adjoint",
    cause="the derivative is taken at the potential one step earlier",
    needs="steps",
    listed=True,
)
class SlopeEarlier(Hand):
    def slope(self, i, t):
        return dsigma(self.family[i], self.k[i], self.u[i][t - 1] - self.theta[i])


@kind(
    "the derivative is taken after the reset",
    place="adjoint",
    cause="the derivative is taken at the potential after its reset",
    needs="reset",
    listed=True,
)
class SlopeAfterReset(Hand):
    def slope(self, i, t):
        u, s = self.u[i][t], self.s[i][t]
        after = u * (1 - s) if self.reset[i] == "zero" else u - self.theta[i] * s
        return dsigma(self.family[i], self.k[i], after - self.theta[i])


@kind(
    "the derivative is zero further than 0.5 from the threshold",
    place="adjoint",
    cause="the derivative is zero outside a window of 0.5",
    listed=True,
)
class Window(Hand):
    def slope(self, i, t):
        near = np.abs(self.u[i][t] - self.theta[i]) < 0.5
        return super().slope(i, t) * near


@kind(
    "no gradient through a neuron above its threshold",
    place="adjoint",
    cause="the derivative is zero above the threshold",
)
class BelowOnly(Hand):
    def slope(self, i, t):
        return super().slope(i, t) * (self.u[i][t] < self.theta[i])


@kind(
    "a floor of 0.05 under the derivative, so that gradients do not die",
    place="adjoint",
    cause="the spike's derivative is at least 0.05, or has 0.05 added",
)
class Floor(Hand):
    def slope(self, i, t):
        return super().slope(i, t) + 0.05


@kind(
    "the derivative is capped at 0.3",
    place="adjoint",
    cause="the spike's derivative is clipped at 0.3 from above",
    listed=True,
)
class Capped(Hand):
    def slope(self, i, t):
        return np.minimum(super().slope(i, t), 0.3).astype(self.dtype)


@kind(
    "one layer's derivative is applied twice",
    place="adjoint",
    cause="in one layer the spike's derivative is squared",
)
class SquaredSlope(Hand):
    def slope(self, i, t):
        found = super().slope(i, t)
        return found * found if i == self.pick else found


@kind(
    "gradients go down through the signs of the weights",
    place="adjoint",
    cause="signs of the weights on the way back",
    needs="deep",
)
class SignSymmetric(Hand):
    def below(self, i, delta):
        return delta[: self.time + 1] @ np.sign(self.layers[i]["w"])


@kind(
    "gradients go down through fixed random weights (feedback alignment)",
    place="adjoint",
    cause="other weights than the layer's on the way back",
    needs="deep",
    listed=True,
)
class FeedbackAlignment(Hand):
    def below(self, i, delta):
        w = self.layers[i]["w"]
        return delta[: self.time + 1] @ np.random.default_rng(i).normal(0, 0.5, w.shape)


@kind(
    "weights are updated before the gradient goes down through them",
    place="adjoint",
    cause="weights updated with lr 0.1 on the way back",
    needs="deep",
)
class UpdatedWeights(Hand):
    def below(self, i, delta):
        return delta[: self.time + 1] @ (self.layers[i]["w"] - 0.1 * self.grads[i]["w"])


@kind(
    "a layer's signal is paired with the step after on its way down",
    place="adjoint",
    cause="what goes down is one step late",
    needs="deep steps",
    listed=True,
)
class LateBelow(Hand):
    def below(self, i, delta):
        return delta[1 : self.time + 2] @ self.layers[i]["w"]


@kind(
    "gradients do not reach the layers below the last",
    place="adjoint",
    cause="the path to lower layers is cut",
    needs="deep",
    listed=True,
)
class CutBelow(Hand):
    def below(self, i, delta):
        return 0 * super().below(i, delta)


@kind(
    "what goes down is divided by the square root of the layer's width",
    place="adjoint",
    cause="what goes down is multiplied by a number per layer: 1 / sqrt(width)",
    needs="deep",
)
class ScaledBelow(Hand):
    def below(self, i, delta):
        return super().below(i, delta) / np.sqrt(delta.shape[-1])
