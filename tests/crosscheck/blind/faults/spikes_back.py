"""Faults of the spike's derivative and of the way down, the forward pass being right."""

import numpy as np

from tests.crosscheck.blind.hand import Hand, dsigma
from tests.crosscheck.blind.kinds import kind


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
