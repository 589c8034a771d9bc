"""Faults of the way back through time and layers, written without a look at the search."""

import numpy as np

from tests.crosscheck.blind.hand import Hand, dsigma
from tests.crosscheck.blind.kinds import kind


@kind(
    "the derivative is of the potential after the reset",
    place="adjoint",
    cause="the surrogate derivative is taken at the potential after the reset",
    needs="reset",
)
class SlopeAtPotentialAfterReset(Hand):
    def slope(self, i, t):
        u, s, theta = self.u[i][t], self.s[i][t], self.theta[i]
        after = u * (1 - s) if self.reset[i] == "zero" else u - theta * s
        after = u if self.reset[i] == "none" else after
        return dsigma(self.family[i], self.k[i], after - theta)


@kind(
    "in one layer the derivative is taken at u, not at u - threshold",
    place="adjoint",
    cause="the surrogate derivative of one layer forgets the threshold",
)
class SlopeForgetsThresholdInOneLayer(Hand):
    def slope(self, i, t):
        if i != self.pick:
            return super().slope(i, t)
        return dsigma(self.family[i], self.k[i], self.u[i][t])


@kind(
    "the reset path of step t takes the potential of step t + 1",
    place="adjoint",
    cause="the reset path by the spike is -leak * u of the next step",
    needs="to zero steps",
)
class ResetPathOfNextPotential(Hand):
    def reset_s(self, i, t):
        return super().reset_s(i, min(t + 1, self.time))


@kind(
    "the leak path is shut where the potential is at the threshold, in place of by 1 - s",
    place="adjoint",
    cause="the leak path has a hard spike in its 1 - s",
    needs="to zero steps",
)
class LeakPathGatedByHardSpike(Hand):
    def reset_u(self, i, t):
        if self.reset[i] != "zero":
            return super().reset_u(i, t)
        return self.leak[i] * (self.u[i][t] < self.theta[i]).astype(self.dtype)


@kind(
    "what the layer below receives is averaged over the batch",
    place="adjoint",
    cause="all recordings send the same down, their mean",
    needs="deep",
)
class BelowAveragedOverBatch(Hand):
    def below(self, i, delta):
        found = super().below(i, delta)
        return np.broadcast_to(found.mean(axis=1, keepdims=True), found.shape)


@kind(
    "what the layer below receives is clipped to 0.001",
    place="adjoint",
    cause="the entries of what the layer below receives are clipped",
    needs="deep",
)
class BelowClippedToThousandth(Hand):
    def below(self, i, delta):
        return np.clip(super().below(i, delta), -1e-3, 1e-3)


@kind(
    "the way back begins with dL/ds where dL/du is due",
    place="adjoint",
    cause="the last step misses the surrogate derivative, in all layers",
)
class LastStepWithoutSlope(Hand):
    def slope(self, i, t):
        return np.ones_like(self.u[i][t]) if t == self.time else super().slope(i, t)


@kind(
    "two mistakes: the reset is detached, and the derivative is capped at 0.5",
    place="adjoint",
    cause="no reset path by the spike, and the surrogate derivative is at most 0.5",
    needs="reset steps",
)
class ResetDetachedAndSlopeCapped(Hand):
    def reset_s(self, i, t):
        return 0.0

    def slope(self, i, t):
        return np.minimum(super().slope(i, t), 0.5)


@kind(
    "two mistakes: the leak path ignores the reset, and the recurrent path is left out",
    place="adjoint",
    cause="the leak path misses 1 - s, and no recurrent path",
    needs="to zero recurrent steps",
)
class UngatedLeakAndNoRecurrentPath(Hand):
    def reset_u(self, i, t):
        return self.leak[i]

    def feedback(self, i, later):
        return 0.0


@kind(
    "two mistakes: the leak path has the leak of the first layer, and the derivative lacks slope",
    place="adjoint",
    cause="the leak path of later layers has the leak of layer 1, and the surrogate derivative "
    "misses the factor slope",
    needs="own steps",
)
class FirstLayersLeakBackAndNoFactorSlope(Hand):
    def reset_u(self, i, t):
        leak = self.leak[0]
        return leak * (1 - self.s[i][t]) if self.reset[i] == "zero" else leak

    def slope(self, i, t):
        return super().slope(i, t) / self.k[i]
