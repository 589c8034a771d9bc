"""Faults of the backward recursion: states and loss are right, adjoints are wrong first."""

import numpy as np

from tests.crosscheck.blind.hand import Hand, dsigma
from tests.crosscheck.blind.kinds import kind


@kind(
    "two buffers hold the potentials in turn: the way back finds those of the last two steps",
    place="adjoint",
    cause="the slope is evaluated at potentials of the last two steps, the saved ones having been"
    " overwritten",
)
class PingPongBuffers(Hand):
    def slope(self, i, t):
        u = self.u[i][self.time - (self.time - t) % 2]
        return dsigma(self.family[i], self.k[i], u - self.theta[i])


@kind(
    "each layer's weights take their descent step before the error goes through them",
    place="adjoint",
    cause="the error goes down through weights that have already been updated",
    needs="deep",
)
class WeightsUpdatedBeforeGoingDown(Hand):
    def below(self, i, delta):
        w = self.layers[i]["w"] - 2.0 * self.grads[i]["w"]
        return delta[: self.time + 1] @ w


@kind(
    "what comes back through the recurrent weights is added after multiplying by the slope",
    place="adjoint",
    cause="the recurrent feedback lacks the factor of the spike's slope",
    needs="recurrent",
)
class FeedbackPastTheSlope(Hand):
    def adjoints(self, i, down):
        delta = np.zeros((self.time + 2, *self.u[i].shape[1:]), self.dtype)
        for t in range(self.time, 0, -1):
            later = delta[t + 1]
            g = (down[t] + later * self.reset_s(i, t)) * self.slope(i, t)
            delta[t] = g + self.feedback(i, later) + later * self.reset_u(i, t)
        return delta


@kind(
    "the derivative of the reset to zero was kept when the reset became a subtraction",
    place="adjoint",
    cause="the reset by subtraction is differentiated as a reset to zero",
    needs="subtract",
)
class SubtractionDifferentiatedAsZeroing(Hand):
    def reset_u(self, i, t):
        return self.leak[i] * (1 - self.s[i][t])

    def reset_s(self, i, t):
        return -self.leak[i] * self.u[i][t]


@kind(
    "the buffer of dL/ds is added to and never cleared: each step also has what later steps got",
    place="adjoint",
    cause="what comes from above is accumulated over the later steps instead of taken per step",
)
class FromAboveNeverCleared(Hand):
    def adjoints(self, i, down):
        summed = down.copy()
        summed[1:] = np.cumsum(down[:0:-1], axis=0)[::-1]
        return super().adjoints(i, summed)


@kind(
    "the slope is a rectangle of the same height as the smooth spike's",
    place="adjoint",
    cause="a rectangular (boxcar) surrogate replaces the derivative of the spike",
)
class RectangleForTheSlope(Hand):
    def slope(self, i, t):
        v = self.u[i][t] - self.theta[i]
        height = dsigma(self.family[i], self.k[i], np.zeros(1))[0]
        return (height * (np.abs(v) < 0.5 / height)).astype(self.dtype)


@kind(
    "surrogate functions made in a loop close over its variable: all are of the last layer",
    place="adjoint",
    cause="the slope in every layer is that of the last layer (its steepness and threshold)",
    needs="own deep",
)
class LateBoundSurrogate(Hand):
    def slope(self, i, t):
        return dsigma(self.family[-1], self.k[-1], self.u[i][t] - self.theta[-1])


@kind(
    "feedback alignment was left on: the error goes down through a fixed matrix",
    place="adjoint",
    cause="the error goes to the layer below through a fixed matrix instead of the weights",
    needs="deep",
)
class FixedMatrixGoingDown(Hand):
    def below(self, i, delta):
        shape = self.layers[i]["w"].shape
        fixed = np.random.default_rng(7).standard_normal(shape) / np.sqrt(shape[1])
        return (delta[: self.time + 1] @ fixed).astype(self.dtype)


@kind(
    "as for a ReLU, only neurons that fired (s > 1/2) get what comes from above",
    place="adjoint",
    cause="the error from above is masked by whether the neuron fired",
)
class FiredMaskAsOfReLU(Hand):
    def adjoints(self, i, down):
        return super().adjoints(i, down * (self.s[i] > 0.5))


@kind(
    "the feedback is elementwise with the diagonal of v, as in diagonal RTRL",
    place="adjoint",
    cause="the recurrent feedback keeps only the diagonal of v",
    needs="recurrent",
)
class FeedbackOfOneselfOnly(Hand):
    def feedback(self, i, later):
        return later * np.diag(self.layers[i]["v"])


@kind(
    "the adjoints are stacked as the reversed scan made them and are not flipped back",
    place="adjoint",
    cause="the error handed to the layer below is in reversed time order",
    needs="deep",
)
class HandedDownInReversedTime(Hand):
    def below(self, i, delta):
        found = super().below(i, delta)
        found[1:] = found[:0:-1].copy()
        return found


@kind(
    "adjoints are kept in fixed point with a resolution of 1/2048 and cut towards zero",
    place="adjoint",
    cause="the adjoints are truncated to a coarse fixed-point grid; small ones vanish",
)
class AdjointsInFixedPoint(Hand):
    def adjoints(self, i, down):
        delta = np.zeros((self.time + 2, *self.u[i].shape[1:]), self.dtype)
        for t in range(self.time, 0, -1):
            later = delta[t + 1]
            g = down[t] + later * self.reset_s(i, t) + self.feedback(i, later)
            found = g * self.slope(i, t) + later * self.reset_u(i, t)
            delta[t] = np.trunc(found * 2048) / 2048
        return delta


@kind(
    "the carried adjoint is multiplied by the leak and gate in place, then read for the spikes",
    place="adjoint",
    cause="the error through spikes (reset and recurrence) uses the carried adjoint after it was"
    " overwritten by its product with dr/du",
    needs="reset",
)
class CarriedOverwrittenTooEarly(Hand):
    def adjoints(self, i, down):
        delta = np.zeros((self.time + 2, *self.u[i].shape[1:]), self.dtype)
        carried = delta[0].copy()
        for t in range(self.time, 0, -1):
            carried *= self.reset_u(i, t)
            g = down[t] + carried * self.reset_s(i, t) + self.feedback(i, carried)
            carried += g * self.slope(i, t)
            delta[t] = carried
        return delta


@kind(
    "u[0] is written for u[b] in a loop over recordings: all have the slope of the first",
    place="adjoint",
    cause="the slope of every recording is that of the first recording of the batch",
)
class SlopeOfTheFirstRecording(Hand):
    def slope(self, i, t):
        return np.broadcast_to(super().slope(i, t)[:1], self.u[i][t].shape)


@kind(
    "two: the slope is centred at a threshold of 1, and the feedback lacks a transposition",
    place="adjoint",
    cause="the slope uses a hard-coded threshold of 1; and the recurrent feedback uses v"
    " transposed",
    needs="recurrent",
)
class SlopeAtOneAndFeedbackTransposed(Hand):
    def slope(self, i, t):
        return dsigma(self.family[i], self.k[i], self.u[i][t] - 1.0)

    def feedback(self, i, later):
        return later @ self.layers[i]["v"].T


@kind(
    "two: 1 - leak is taken for leak on the way back in time, and each layer divides by the batch",
    place="adjoint",
    cause="the carried adjoint decays by 1 - leak instead of leak; and the error is divided by the"
    " batch size again in each layer below",
    needs="deep",
)
class OneMinusLeakAndBatchDividedAgain(Hand):
    def reset_u(self, i, t):
        return super().reset_u(i, t) * ((1 - self.leak[i]) / self.leak[i])

    def below(self, i, delta):
        return super().below(i, delta) / self.batch
