"""Faults of backpropagation through time, the forward pass being right."""

import numpy as np

from tests.crosscheck.blind.hand import Hand
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
