"""Faults of the recursion backward in time and down the layers."""

import numpy as np

from tests.crosscheck.blind.hand import Hand
from tests.crosscheck.blind.kinds import kind


@kind(
    "SuperSpike's derivative, of peak one, is used whatever the spike is",
    place="adjoint",
    cause="the derivative of the spike is 1 / (1 + k |v|)^2, which is not that of the spike used",
)
class SuperSpikeWhateverTheSpike(Hand):
    def slope(self, i, t):
        v = self.u[i][t] - self.theta[i]
        return 1 / (1 + self.k[i] * np.abs(v)) ** 2


@kind(
    "states are detached every four steps: truncated backpropagation",
    place="adjoint",
    cause="backpropagation through time is cut every four steps",
    needs="steps",
)
class DetachedEveryFourSteps(Hand):
    def adjoints(self, i, down):
        delta = np.zeros((self.time + 2, *self.u[i].shape[1:]), self.dtype)
        for t in range(self.time, 0, -1):
            later = np.zeros_like(delta[t]) if t % 4 == 0 else delta[t + 1]
            g = down[t] + later * self.reset_s(i, t) + self.feedback(i, later)
            delta[t] = g * self.slope(i, t) + later * self.reset_u(i, t)
        return delta


@kind(
    "dL/du of the next step is added before the surrogate's derivative multiplies",
    place="adjoint",
    cause="the path from a potential to the next one is multiplied by the derivative of the spike",
)
class CarryThroughSurrogate(Hand):
    def adjoints(self, i, down):
        delta = np.zeros((self.time + 2, *self.u[i].shape[1:]), self.dtype)
        for t in range(self.time, 0, -1):
            later = delta[t + 1]
            g = down[t] + later * self.reset_s(i, t) + self.feedback(i, later)
            delta[t] = (g + later * self.reset_u(i, t)) * self.slope(i, t)
        return delta


@kind(
    "only neurons that fired get a gradient through their spike",
    place="adjoint",
    cause="the derivative of the spike is set to zero below the threshold",
)
class SilentNeuronsGetNothing(Hand):
    def slope(self, i, t):
        return np.where(self.u[i][t] >= self.theta[i], super().slope(i, t), 0).astype(self.dtype)


@kind(
    "one buffer holds dL/ds of all layers and is added to, not cleared",
    place="adjoint",
    cause="a lower layer also receives what the layer above received: the buffer isn't cleared",
    needs="deep square",
)
class BackBufferNotCleared(Hand):
    def below(self, i, delta):
        return self.down + super().below(i, delta)


@kind(
    "two: spikes are detached in the reset and in the recurrent current",
    place="adjoint",
    cause="there is no gradient through the spike in the reset, nor through recurrent spikes",
    needs="recurrent reset",
)
class OldSpikesDetached(Hand):
    def reset_s(self, i, t):
        return 0.0

    def feedback(self, i, later):
        return 0.0


@kind(
    "two: the surrogate's derivative is cut to a window of half around the threshold, and "
    "finished gradients are divided by the batch again",
    place="adjoint",
    cause="the derivative of the spike is zero where |u - threshold| > 0.5, and gradients are "
    "divided by the batch size twice",
)
class WindowAndBatchTwice(Hand):
    def slope(self, i, t):
        near = np.abs(self.u[i][t] - self.theta[i]) <= 0.5
        return np.where(near, super().slope(i, t), 0).astype(self.dtype)

    def finish(self):
        self.grads = [{k: a / self.batch for k, a in layer.items()} for layer in self.grads]
