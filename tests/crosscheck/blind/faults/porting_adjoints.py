"""Faults of the way back through time and layers."""

import numpy as np

from tests.crosscheck.blind.hand import Hand, dsigma
from tests.crosscheck.blind.kinds import kind


class Loop(Hand):
    """The same loop with more places to override; no fault."""

    first = 1

    def adjoints(self, i, down):
        delta = np.zeros((self.time + 2, *self.u[i].shape[1:]), self.dtype)
        delta[self.time + 1] = self.beyond(down)
        for t in range(self.time, self.first - 1, -1):
            later = self.later(delta, t)
            g = down[t] + later * self.reset_s(i, t) + self.fed(i, delta, t)
            delta[t] = self.stored(i, t, g * self.slope(i, t) + later * self.reset_u(i, t))
        return delta

    def beyond(self, down):
        return 0.0

    def later(self, delta, t):
        return delta[t + 1]

    def fed(self, i, delta, t):
        return self.feedback(i, self.later(delta, t))

    def stored(self, i, t, found):
        return found


@kind(
    "averages the surrogate derivative over the batch (a mean with keepdims too many)",
    place="adjoint",
    cause="The surrogate derivative used at each step is the mean over the recordings instead "
    "of each recording's own.",
)
class SlopeAveragedOverBatch(Hand):
    def slope(self, i, t):
        return super().slope(i, t).mean(axis=0, keepdims=True)


@kind(
    "takes the damped triangle 0.3 / theta * max(0, 1 - |u - theta| / theta) from LSNN code",
    place="adjoint",
    cause="The surrogate derivative is another function than the spike's: the damped triangle "
    "(0.3 / theta) max(0, 1 - |u / theta - 1|) of LSNN code, whatever family was asked for.",
)
class DampedTriangleOfLSNN(Hand):
    def slope(self, i, t):
        theta = self.theta[i]
        return 0.3 / theta * np.maximum(0, 1 - np.abs((self.u[i][t] - theta) / theta))


@kind(
    "forgets the exponent in the denominator of the surrogate derivative",
    place="adjoint",
    cause="The denominator of the surrogate derivative lacks its exponent: k/2 / (1 + k|v|) for "
    "FastSigmoid, k/2 / (1 + pi/2 k|v|) for Arctan, k/2 / (1 + (kv)^2) for Algebraic; right "
    "at threshold, too wide away from it.",
)
class ExponentForgotten(Hand):
    def slope(self, i, t):
        m = np.abs(self.k[i] * (self.u[i][t] - self.theta[i]))
        below = {"FastSigmoid": m, "Arctan": 0.5 * np.pi * m, "Algebraic": m * m}
        if self.family[i] not in below:
            return super().slope(i, t)
        return (0.5 * self.k[i] / (1 + below[self.family[i]])).astype(self.dtype)


@kind(
    "takes the recurrent feedback from the adjoint two steps later and not one",
    place="adjoint",
    cause="The recurrent feedback V^T delta is taken from step t + 2 instead of t + 1.",
    needs="recurrent steps",
)
class FeedbackTwoStepsLate(Loop):
    def fed(self, i, delta, t):
        return self.feedback(i, delta[min(t + 2, self.time + 1)])


@kind(
    "cuts the carried adjoint where a neuron fired (u > theta), whatever the reset",
    place="adjoint",
    cause="du[t+1]/du[t] is leak where the neuron was silent and zero where u > theta, a hard "
    "mask, instead of leak (subtracting or no reset) or leak * (1 - s) (reset to zero).",
)
class CarryCutByHardMask(Hand):
    def reset_u(self, i, t):
        return self.leak[i] * (self.u[i][t] <= self.theta[i]).astype(self.dtype)


@kind(
    "adds the recurrent feedback in the cell's backward and again in the loop",
    place="adjoint",
    cause="The recurrent feedback V^T delta[t+1] is counted twice in the adjoint.",
    needs="recurrent",
)
class FeedbackCountedTwice(Hand):
    def feedback(self, i, later):
        return 2 * super().feedback(i, later)


@kind(
    "lets the loop back end before the first step (range(T, 1, -1))",
    place="adjoint",
    cause="The backward loop stops one step early: the adjoint of step 1 is zero in every "
    "layer, all later steps of the top layer are right.",
)
class FirstStepNeverVisited(Loop):
    first = 2


@kind(
    "starts the carried adjoint with the error of the last step instead of zero",
    place="adjoint",
    cause="What is carried into the last step from beyond the end is not zero but the error of "
    "the spikes of the last step, which then counts through the leak, reset and recurrence of a "
    "step that does not exist.",
)
class CarrySeededWithTheError(Loop):
    def beyond(self, down):
        return down[self.time]


@kind(
    "detaches the recurrent spikes every four steps, the potentials not",
    place="adjoint",
    cause="Truncated every four steps in the recurrent connections alone: the feedback through "
    "V into steps that are multiples of four is missing, the leak's path is whole.",
    needs="recurrent steps",
)
class RecurrenceTruncatedEveryFour(Loop):
    def fed(self, i, delta, t):
        return super().fed(i, delta, t) * (0.0 if t % 4 == 0 else 1.0)


@kind(
    "keeps the carried adjoint in a buffer without batch axis, the mean of the recordings",
    place="adjoint",
    cause="What is carried from step t + 1 (leak, reset and recurrence) is the mean adjoint over "
    "the recordings instead of each recording's own; the last step is right.",
)
class CarryMeanOverRecordings(Loop):
    def later(self, delta, t):
        return np.broadcast_to(delta[t + 1].mean(axis=0, keepdims=True), delta[t].shape)


@kind(
    "keeps adjoints in half precision without scaling the loss",
    place="adjoint",
    cause="Adjoints are rounded to float16 at each step: rounding errors of 1e-4 and more, and "
    "small ones underflow; a matter of precision, no wrong formula.",
    needs="double",
)
class AdjointsKeptInHalf(Loop):
    def stored(self, i, t, found):
        return found.astype(np.float16)


@kind(
    "draws a (seeded) dropout mask in the backward that the forward pass does not have",
    place="adjoint",
    cause="What is handed down to the layer below is masked as by dropout (a fifth of the "
    "entries zero, the rest scaled by 1.25) although the forward pass has no dropout.",
    needs="deep",
)
class DropoutMaskGoingDownOnly(Hand):
    def below(self, i, delta):
        found = super().below(i, delta)
        kept = np.random.default_rng(i).random(found.shape) >= 0.2
        return (found * kept / 0.8).astype(self.dtype)


@kind(
    "evaluates the surrogate derivative at the input current and not at the potential",
    place="adjoint",
    cause="The surrogate derivative is evaluated at the step's input current minus threshold "
    "instead of the potential minus threshold (what is carried over is missing).",
)
class SlopeAtCurrent(Hand):
    def slope(self, i, t):
        return dsigma(self.family[i], self.k[i], self.current(i, t) - self.theta[i])


@kind(
    "takes the feedforward weights for the recurrent feedback",
    place="adjoint",
    cause="The recurrent feedback goes through W instead of V (delta[t+1] @ w).",
    needs="recurrent square",
)
class FeedbackThroughW(Hand):
    def feedback(self, i, later):
        layer = self.layers[i]
        if "v" in layer and layer["w"].shape == layer["v"].shape:
            return later @ layer["w"]
        return super().feedback(i, later)


@kind(
    "loops over n - 1 neurons when handing errors down, so the last one below gets none",
    place="adjoint",
    cause="The last neuron of each layer below the top receives no error from the layer above.",
    needs="deep",
)
class LastNeuronBelowForgotten(Hand):
    def below(self, i, delta):
        found = super().below(i, delta).copy()
        found[..., -1] = 0
        return found


@kind(
    "differentiates the reset only where the neuron fired (u > theta)",
    place="adjoint",
    cause="The path from the spike to the next potential through the reset is missing where "
    "u <= theta, right where u > theta.",
    needs="reset",
)
class ResetDifferentiatedWhereFiredOnly(Hand):
    def reset_s(self, i, t):
        return super().reset_s(i, t) * (self.u[i][t] > self.theta[i])


@kind(
    "leaves the gradient of a penalty on squared potentials in the backward",
    place="adjoint",
    cause="A term proportional to the potential (0.01 / batch * u) is added to each adjoint, the "
    "gradient of a regulariser on u that the loss does not contain.",
)
class PotentialPenaltyInBackward(Loop):
    def stored(self, i, t, found):
        return found + 0.01 / self.batch * self.u[i][t]


@kind(
    "passes spikes and not potentials to the surrogate derivative",
    place="adjoint",
    cause="The surrogate derivative is evaluated at the spike minus threshold (s - theta) instead "
    "of the potential minus threshold.",
)
class SlopeAtSpikes(Hand):
    def slope(self, i, t):
        return dsigma(self.family[i], self.k[i], self.s[i][t] - self.theta[i])


@kind(
    "differentiates the subtracting reset with threshold one and adds weight decay to gradients",
    place="adjoint",
    cause="Two: the derivative of the subtracting reset takes 1 for the threshold (-1 or -leak), "
    "and 0.01 * w (weight decay) is added to the gradients of the weights.",
    needs="subtract steps",
)
class ResetOfOneGoingBackAndDecay(Hand):
    def reset_s(self, i, t):
        return super().reset_s(i, t) / (1.0 if self.reset[i] == "zero" else self.theta[i])

    def finish(self):
        for grads, layer in zip(self.grads, self.layers, strict=True):
            grads["w"] = (grads["w"] + 0.01 * layer["w"]).astype(self.dtype)


@kind(
    "goes down through weights rounded to eighths and averages the bias gradient over the steps",
    place="adjoint",
    cause="Two: errors are handed down through weights rounded to multiples of 1/8, and the "
    "gradients of the biases are divided by the number of steps.",
    needs="deep bias",
)
class EighthsGoingDownAndBiasOverSteps(Hand):
    def below(self, i, delta):
        return delta[: self.time + 1] @ (np.round(8 * self.layers[i]["w"]) / 8)

    def sums(self, i, delta):
        grads = super().sums(i, delta)
        if "b" in grads:
            grads["b"] = grads["b"] / self.time
        return grads
