"""Faults of the way back through time and layers, written by hand."""

import numpy as np

from tests.crosscheck.blind.hand import Hand, dsigma
from tests.crosscheck.blind.kinds import kind


@kind(
    "the spike's derivative is read one step too late, at the potential of the step after",
    place="adjoint",
    cause="the spike's derivative is that of the step after",
)
class SlopeOfTheStepAfter(Hand):
    def slope(self, i, t):
        return super().slope(i, min(t + 1, self.time))


@kind(
    "the spike's derivative of each layer uses the threshold of the layer below, an index off by"
    " one (layer 1 that of the last)",
    place="adjoint",
    cause="the spike's derivative is taken at another threshold: that of another layer",
    needs="own",
)
class SlopeAtOtherLayersThreshold(Hand):
    def slope(self, i, t):
        return dsigma(self.family[i], self.k[i], self.u[i][t] - self.theta[i - 1])


@kind(
    "the reset by subtraction is differentiated as if the threshold were 1",
    place="adjoint",
    cause="the path through the reset has 1 in place of the threshold",
    needs="subtract steps",
)
class ResetByOneBack(Hand):
    def reset_s(self, i, t):
        found = super().reset_s(i, t)
        return found / self.theta[i] if self.reset[i] in ("subtract", "leaked") else found


@kind(
    "the reset to zero is differentiated by the spike without the leak: -u, not -leak u",
    place="adjoint",
    cause="the leak is missing on the path through the reset (and not on the leak path)",
    needs="to zero steps",
)
class ZeroResetPathUnleaked(Hand):
    def reset_s(self, i, t):
        return -self.u[i][t] if self.reset[i] == "zero" else super().reset_s(i, t)


@kind(
    "potentials are saved after the reset, and the derivative by the spike reads them: u (1 - s)",
    place="adjoint",
    cause="the path through the reset takes the potential after the reset, u (1 - s), in place of"
    " u: it has a factor 1 - s too many",
    needs="to zero steps",
)
class ResetPathOfWipedPotential(Hand):
    def reset_s(self, i, t):
        found = super().reset_s(i, t)
        return found * (1 - self.s[i][t]) if self.reset[i] == "zero" else found


@kind(
    "on the leak path the factor 1 - s of a reset to zero has the spike of one step before",
    place="adjoint",
    cause="on the leak path 1 - s takes the spike of the step before",
    needs="to zero steps",
)
class ResetPathReadsOlderSpike(Hand):
    def reset_u(self, i, t):
        if self.reset[i] == "zero":
            return self.leak[i] * (1 - self.s[i][t - 1])
        return super().reset_u(i, t)


@kind(
    "layers below are trained by rates: what goes down is averaged over time, the same each step",
    place="adjoint",
    cause="what goes down to the layer below is its mean over time at every step",
    needs="deep steps",
)
class AveragedOverTimeGoingDown(Hand):
    def below(self, i, delta):
        down = super().below(i, delta)
        down[1:] = down[1:].mean(axis=0)
        return down


@kind(
    "the half in front of the spike function is forgotten in its derivative: twice the derivative"
    " for arctan, algebraic and fast sigmoid",
    place="adjoint",
    cause="the spike's derivative is multiplied by two",
)
class SlopeOfTheUnhalvedSpike(Hand):
    def slope(self, i, t):
        halved = self.family[i] in ("Arctan", "Algebraic", "FastSigmoid")
        return (2 if halved else 1) * super().slope(i, t)


@kind(
    "the derivative is that of tanh, k (1 - s s), from the code of a plain recurrent network",
    place="adjoint",
    cause="another function for the spike's derivative: k (1 - s^2)",
)
class TanhDerivativeOfSpikes(Hand):
    def slope(self, i, t):
        return self.k[i] * (1 - self.s[i][t] ** 2)


@kind(
    "the loop going back begins at T - 1, so the last step has no adjoint",
    place="adjoint",
    cause="the adjoint of the last step is zero: the way back begins one step early",
    needs="steps",
)
class LastStepNeverVisitedBack(Hand):
    def adjoints(self, i, down):
        delta = np.zeros((self.time + 2, *self.u[i].shape[1:]), self.dtype)
        for t in range(self.time - 1, 0, -1):
            later = delta[t + 1]
            g = down[t] + later * self.reset_s(i, t) + self.feedback(i, later)
            delta[t] = g * self.slope(i, t) + later * self.reset_u(i, t)
        return delta


@kind(
    "the readout's leak is used on the way back through the neurons, a name mixed up",
    place="adjoint",
    cause="the leak path has the readout's leak in place of the neuron's",
    needs="leaky steps",
)
class ReadoutLeakOnTheCarry(Hand):
    def reset_u(self, i, t):
        return super().reset_u(i, t) * (self.kappa / self.leak[i])


@kind(
    "what goes down is computed before the leak path is added to the adjoint",
    place="adjoint",
    cause="what goes down to the layer below lacks the part of the adjoint that comes by the leak"
    " path",
    needs="deep steps",
)
class InstantErrorGoingDown(Hand):
    def below(self, i, delta):
        instant = delta.copy()
        for t in range(1, self.time + 1):
            instant[t] -= delta[t + 1] * self.reset_u(i, t)
        return super().below(i, instant)


@kind(
    "the last spiking layer is taken for a linear output: its adjoint has no spike derivative",
    place="adjoint",
    cause="the spike's derivative is missing (is 1) in the last spiking layer alone",
    needs="deep",
)
class OutputLayerTakenForLinear(Hand):
    def slope(self, i, t):
        found = super().slope(i, t)
        return np.ones_like(found) if i == self.depth - 1 else found


@kind(
    "the spike's derivative is taken at the decayed potential that was saved before the input came",
    place="adjoint",
    cause="the spike's derivative is taken at the potential before the input of the step is added",
)
class SlopeBeforeInput(Hand):
    def slope(self, i, t):
        return dsigma(self.family[i], self.k[i], self.carried(i, t) - self.theta[i])


@kind(
    "the first three steps, a warm-up, run under no_grad though their spikes count in the readout",
    place="adjoint",
    cause="adjoints of steps 1 to 3 are zero: no gradient from the first three steps",
    needs="steps",
)
class WarmUpUnderNoGrad(Hand):
    def adjoints(self, i, down):
        delta = super().adjoints(i, down)
        delta[1:4] = 0
        return delta


@kind(
    "recurrent weights of the first layer are used in all layers on the way back, a variable that"
    " was set before the loop",
    place="adjoint",
    cause="the recurrent path back goes through the recurrent weights of another layer (layer 1)",
    needs="recurrent deep square",
)
class FeedbackThroughOtherLayersWeights(Hand):
    def feedback(self, i, later):
        return later @ self.layers[0]["v"] if "v" in self.layers[0] else 0.0


@kind(
    "two at once: the reset is detached, and gradients of spiking layers are means over time",
    place="adjoint",
    cause="the reset is detached, and gradients of spiking layers are divided by T",
    needs="reset steps",
)
class ResetDetachedAndTimeMean(Hand):
    def reset_s(self, i, t):
        return 0.0

    def sums(self, i, delta):
        return {k: g / self.time for k, g in super().sums(i, delta).items()}


@kind(
    "two at once: recurrent spikes are detached, and the inner derivative of the spike is missing",
    place="adjoint",
    cause="the recurrent path is cut, and the spike's derivative is divided by the slope k",
    needs="recurrent steps",
)
class FeedbackDetachedAndSlopeUnscaled(Hand):
    def feedback(self, i, later):
        return 0.0

    def slope(self, i, t):
        return super().slope(i, t) / self.k[i]
