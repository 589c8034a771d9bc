"""Faults of the forward pass that are seldom: resets, biases, layers that share, pairs, calls."""

import numpy as np
import torch

from tests.crosscheck.blind.auto import Auto, sigma
from tests.crosscheck.blind.kinds import kind


@kind(
    "leaves the skip connection of a residual block around every layer",
    place="state",
    cause="Each layer hands on its spikes plus its own input (identity skip connection), so the "
    "layers from the second on receive too much.",
    needs="square deep",
)
class ResidualAdded(Auto):
    def passed(self, i):
        given, spikes = self.a[i], self.s[i][1:]
        if given[0].shape != spikes[0].shape:
            return spikes
        return [s + a for s, a in zip(spikes, given, strict=True)]


@kind(
    "hands on the decaying trace of the spikes and not the spikes",
    place="state",
    cause="The layer above gets an exponentially decaying trace (sum of earlier spikes, decay by "
    "the leak) of the layer's spikes instead of the spikes.",
    needs="deep",
)
class TracePassedOn(Auto):
    def passed(self, i):
        trace, found = 0.0, []
        for s in self.s[i][1:]:
            trace = self.leak[i] * trace + s
            found.append(trace)
        return found


@kind(
    "indexes spk[0] as if a tuple came back, so the first recording's spikes reset all",
    place="state",
    cause="The reset of every recording uses the spikes of the first recording of the batch "
    "(recording 1 is right, the others are not reset by their own spikes).",
    needs="reset",
)
class FirstRecordingResetsAll(Auto):
    def carried(self, i, t):
        s = self.s[i][t - 1]
        return self.rule(i, self.u[i][t - 1], s[:1].expand_as(s))


@kind(
    "runs the matrix products under autocast in bfloat16",
    place="state",
    cause="Currents are computed in low precision (bfloat16 products): states are off by some "
    "thousandths everywhere from the first step, a rounding error and not a wrong formula.",
    needs="double",
)
class BfloatProducts(Auto):
    def current(self, i, t):
        layer = self.layers[i]
        found = self.product(self.a[i][t - 1], layer["w"]) + self.bias(i, t)
        return found + self.product(self.fed_back(i, t), layer["v"]) if "v" in layer else found

    def product(self, a, w):
        return (a.to(torch.bfloat16) @ w.to(torch.bfloat16).T).to(self.dtype)


@kind(
    "subtracts the threshold as often as it fits into the potential, as multi-spike neurons do",
    place="state",
    cause="Where the potential is at or above twice the threshold, the reset subtracts the "
    "threshold floor(u / threshold) times instead of once.",
    needs="subtract",
)
class MultiSpikeReset(Auto):
    def rule(self, i, u, s):
        times = torch.floor(u.detach() / self.theta[i]).clamp(min=1)
        return super().rule(i, u, s * times) if self.reset[i] != "zero" else super().rule(i, u, s)


@kind(
    "uses the bias as an offset of the threshold and never adds it to the potential",
    place="state",
    cause="The bias is not integrated into the potential; it only shifts the threshold when "
    "firing, s = sigma(u + b - theta).",
    needs="bias",
)
class BiasShiftsThresholdOnly(Auto):
    def bias(self, i, t):
        return 0.0

    def fire(self, i, t):
        shift = self.layers[i].get("b", 0.0)
        return sigma(self.family[i], self.k[i], self.u[i][t] + shift - self.theta[i])


@kind(
    "calls one neuron object for the first and the second layer, which share its state",
    place="state",
    cause="First and second layer share one state: the second layer continues from the first "
    "layer's potential and spikes of the same step, the first from the second's of the step "
    "before.",
    needs="square deep rest",
)
class OneNeuronObjectForTwoLayers(Auto):
    def run_layer(self, i):
        alike = self.depth > 1 and len(self.layers[0]["w"]) == len(self.layers[1]["w"])
        if i > 1 or not alike:
            return super().run_layer(i)
        if i == 1:
            return None  # has been run together with the first
        zero = torch.zeros((self.batch, len(self.layers[0]["w"])), dtype=self.dtype)
        self.u, self.s = [[zero], [zero]], [[zero], [zero]]
        handed = []
        self.a.append(handed)
        state = zero, zero
        for t in range(1, self.time + 1):
            for j in (0, 1):
                self.u[j].append(self.rule(j, *state) + self.current(j, t))
                self.s[j].append(self.fire(j, t))
                state = self.u[j][t], self.s[j][t]
                if j == 0:
                    handed.append(self.s[0][t])
        self.a.pop()
        return None


@kind(
    "writes the learnt initial potential into the first row of the batch and not into all",
    place="state",
    cause="The learnt initial state is given to the first recording alone; all others start "
    "from zero.",
    needs="start",
)
class StartOfFirstRecordingOnly(Auto):
    def start(self, i):
        first = torch.zeros((self.batch, 1), dtype=self.dtype)
        first[0] = 1
        return first * super().start(i)


@kind(
    "merges frames in pairs (coarser event frames) and bounds potentials below at -0.25",
    place="state",
    cause="Two: the input of each pair of steps is replaced by the pair's mean, and potentials "
    "are clamped from below at -0.25 (first wrong is the merged input).",
    needs="steps",
)
class FramesMergedAndLowerBound(Auto):
    def question(self):
        x = self.x.clone()
        whole = len(x) // 2 * 2
        mean = (x[0:whole:2] + x[1:whole:2]) / 2
        x[0:whole:2], x[1:whole:2] = mean, mean
        self.x = x

    def integrate(self, i, t):
        return super().integrate(i, t).clamp(min=-0.25)


@kind(
    "makes the top layer integrators without leak and sums the loss over the batch",
    place="state",
    cause="Two: the top layer does not leak (leak 1), and the loss is the sum and not the mean "
    "over the recordings.",
    needs="steps",
)
class TopWithoutLeakAndSummedLoss(Auto):
    def setup(self):
        self.leak = [*self.leak[:-1], 1.0]

    def loss(self, z):
        return torch.nn.functional.cross_entropy(z, self.y, reduction="sum")


@kind(
    "leaves a mirroring augmentation on and gives leaks to the layers in reversed order",
    place="state",
    cause="Two: the input's features come in reversed order, and the leaks of the layers are "
    "assigned from top to bottom.",
    needs="own",
)
class FeaturesMirroredAndLeaksReversed(Auto):
    def setup(self):
        self.leak = self.leak[::-1]

    def question(self):
        self.x = self.x.flip(-1)


@kind(
    "sharpens the surrogate by a tenth after each call, as its schedule per epoch would",
    place="",
    cause="A schedule outlives the call: the slope of the spike function grows with every call, "
    "so equal calls give different answers.",
)
class SlopeScheduleCountsCalls(Auto):
    def solve(self, params, x, y):
        super().solve(params, x, y)
        self.k = [min(1.1 * k, 50.0) for k in self.k]


@kind(
    "adapts thresholds to firing rates after each call (homeostasis left on)",
    place="",
    cause="Thresholds outlive the call: homeostasis moves each layer's threshold after a call by "
    "its firing rate, so a second equal call gives another answer.",
)
class HomeostasisBetweenCalls(Auto):
    def solve(self, params, x, y):
        super().solve(params, x, y)
        for i in range(self.depth):
            rate = float(torch.stack(self.s[i][1:]).detach().mean())
            self.theta[i] = float(np.clip(self.theta[i] + 0.1 * (rate - 0.2), 0.1, 3.0))


@kind(
    "adds noise to the input without a seed, the training augmentation",
    place="",
    cause="Random without a seed: noise is added to the input at each call, so two equal calls "
    "differ.",
)
class UnseededInputNoise(Auto):
    def question(self):
        noise = np.random.default_rng().normal(0.0, 0.1, tuple(self.x.shape))
        self.x = self.x + torch.tensor(noise, dtype=self.dtype)
