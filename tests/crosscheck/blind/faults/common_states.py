"""Faults of the forward pass, written without a look at how causes are found."""

import torch

from tests.crosscheck.blind.auto import Auto, sigma
from tests.crosscheck.blind.kinds import kind


@kind(
    "one layer leaks twice in each step",
    place="state",
    cause="the leak of one layer is squared",
    needs="steps",
)
class LeakSquaredInOneLayer(Auto):
    def setup(self):
        self.leak[self.pick] **= 2


@kind(
    "the first layer scales its current by 1 - leak",
    place="state",
    cause="the current of the first layer (input, recurrence and bias) is multiplied by 1 - leak",
)
class FirstLayerCurrentTimesOneMinusLeak(Auto):
    def current(self, i, t):
        found = super().current(i, t)
        return (1 - self.leak[i]) * found if i == 0 else found


@kind(
    "every layer's reset subtracts the first layer's threshold",
    place="state",
    cause="the reset of the later layers subtracts the threshold of layer 1",
    needs="own subtract steps",
)
class ResetByFirstLayersThreshold(Auto):
    def rule(self, i, u, s):
        leak, theta = self.leak[i], self.theta[0]
        return leak * (u - theta * s) if self.reset[i] == "leaked" else leak * u - theta * s


@kind(
    "the slope multiplies u, not u - threshold",
    place="state",
    cause="the spike is of slope * u - threshold",
)
class SlopeTimesPotentialOnly(Auto):
    def fire(self, i, t):
        return sigma(self.family[i], 1.0, self.k[i] * self.u[i][t] - self.theta[i])


@kind(
    "the loop of the reset ends one neuron early",
    place="state",
    cause="the last neuron of every layer is never reset",
    needs="reset steps",
)
class LastNeuronNeverReset(Auto):
    def rule(self, i, u, s):
        found = super().rule(i, u, s)
        return torch.cat([found[:, :-1], self.leak[i] * u[:, -1:]], dim=1)


@kind(
    "one layer begins where the last call left it",
    place="",
    cause="state is kept from call to call",
    needs="rest",
)
class PotentialsOfOneLayerKept(Auto):
    kept = None

    def solve(self, params, x, y):
        super().solve(params, x, y)
        self.kept = self.u[self.pick][-1].detach(), self.s[self.pick][-1].detach()

    def carried(self, i, t):
        if t == 1 and i == self.pick and self.kept is not None:
            u, s = self.kept
            if u.shape == self.u[i][0].shape:
                return self.rule(i, u, s)
        return super().carried(i, t)


@kind(
    "the recording begins with its second frame",
    place="state",
    cause="the input comes one step early, with nothing in the last step",
)
class InputOneFrameEarly(Auto):
    def question(self):
        self.x = torch.cat([self.x[1:], torch.zeros_like(self.x[:1])])


@kind(
    "two mistakes: the bias is added twice, and every layer has the leak of the first",
    place="state",
    cause="the bias counts twice, and the later layers have the leak of layer 1",
    needs="own bias steps",
)
class BiasTwiceAndFirstLayersLeak(Auto):
    def setup(self):
        self.leak = [self.leak[0]] * self.depth

    def bias(self, i, t):
        return 2 * super().bias(i, t)


@kind(
    "two mistakes: a neuron hears only itself, and leaked and plain subtraction are mixed up",
    place="state",
    cause="v is its diagonal, and the reset subtracts with the leak where it should do so without "
    "(or the other way round)",
    needs="recurrent subtract steps",
)
class OwnRecurrenceAndLeakOfDropSwapped(Auto):
    def setup(self):
        other = {"subtract": "leaked", "leaked": "subtract"}
        self.reset = [other.get(each, each) for each in self.reset]

    def question(self):
        for layer in self.layers:
            if "v" in layer:
                layer["v"] = torch.diag(torch.diagonal(layer["v"]))


@kind(
    "two mistakes: the last layer's current is scaled by 1 - leak, and the reset is detached",
    place="state",
    cause="the current of the last layer is multiplied by 1 - leak, and the reset has no gradient "
    "by its spike",
    needs="reset steps",
)
class LastCurrentScaledAndResetDetached(Auto):
    def current(self, i, t):
        found = super().current(i, t)
        return (1 - self.leak[i]) * found if i == self.depth - 1 else found

    def rule(self, i, u, s):
        return super().rule(i, u, s.detach())
