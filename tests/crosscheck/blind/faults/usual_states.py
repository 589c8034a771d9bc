"""Faults of the forward pass: input, weights, leaks, resets, spikes, recurrence."""

import math

import torch

from tests.crosscheck.blind.auto import Auto
from tests.crosscheck.blind.kinds import kind


@kind(
    "one variable `spk` goes through the loop over layers, so the recurrent weights read what comes"
    " from below in this step, not the layer's own spikes of the step before",
    place="state",
    cause="recurrent weights are fed with the layer's input of the same step in place of the"
    " layer's own spikes of the step before",
    needs="recurrent deep square",
)
class OneSpikeVariableForAll(Auto):
    def fed_back(self, i, t):
        return self.a[i][t - 1]


@kind(
    "each input feature is scaled to [0, 1] by its minimum and maximum over the batch",
    place="state",
    cause="the input is shifted and scaled feature by feature (min-max normalisation)",
)
class MinMaxPerFeature(Auto):
    def question(self):
        low, high = self.x.amin(dim=(0, 1)), self.x.amax(dim=(0, 1))
        span = torch.where(high > low, high - low, torch.ones_like(low))
        self.x = (self.x - low) / span


@kind(
    "bins of events overlap: both ends of the interval are included, each frame has the one before",
    place="state",
    cause="the input of the step before is added to the input of each step",
    needs="steps",
)
class OverlappingBins(Auto):
    def question(self):
        x = self.x
        self.x = x + torch.cat([torch.zeros_like(x[:1]), x[:-1]])


@kind(
    "leaks, thresholds and slopes are read back from a configuration printed with two decimals",
    place="state",
    cause="leak, threshold and slope are rounded to two decimals (each slightly another number)",
    needs="steps",
)
class NumbersPrintedShort(Auto):
    def setup(self):
        self.leak, self.theta, self.k = (
            [float(f"{n:.2f}") for n in numbers] for numbers in (self.leak, self.theta, self.k)
        )


@kind(
    "the leak is a bit shift as on the chip, u - (u >> n), the nearest that there is",
    place="state",
    cause="the leak is another number: 1 - 2^-n with a whole n",
    needs="steps",
)
class LeakAsBitShift(Auto):
    def setup(self):
        self.leak = [1 - 2.0 ** -max(1, round(-math.log2(1 - leak))) for leak in self.leak]


@kind(
    "the slope is taken for a width: v / k in place of k v in the spike function",
    place="state",
    cause="the slope of the spike is 1 / k in place of k",
)
class SlopeTakenForWidth(Auto):
    def setup(self):
        self.k = [1 / k for k in self.k]


@kind(
    "recurrent input is added to the potential after firing, so the leak of the next step acts on"
    " it, too",
    place="state",
    cause="the recurrent input alone is multiplied by the leak",
    needs="recurrent steps",
)
class RecurrentInputLeaked(Auto):
    def fed_back(self, i, t):
        return self.leak[i] * super().fed_back(i, t)


@kind(
    "the bias is added inside the bracket that the leak multiplies, leak (u + b) + w x",
    place="state",
    cause="the bias (of spiking layers) is multiplied by the leak",
    needs="bias",
)
class BiasBeforeTheLeak(Auto):
    def bias(self, i, t):
        return self.leak[i] * super().bias(i, t)


@kind(
    "layers are made as [layer] * depth, so all of them are the first and share its weights",
    place="state",
    cause="layers above the first use the weights (w, b and v) of layer 1; theirs are not used",
    needs="deep square rest",
)
class LayerListMultiplied(Auto):
    def question(self):
        self.layers[: self.depth] = [self.layers[0]] * self.depth


@kind(
    "initial potentials are given to the first layer only, the others start at zero",
    place="state",
    cause="the initial potentials of layers above the first are ignored",
    needs="start deep",
)
class StartForFirstLayerAlone(Auto):
    def start(self, i):
        found = super().start(i)
        return found if i == 0 else torch.zeros_like(found)


@kind(
    "a bracket is misplaced: leak (u - theta s) where leak u - theta s is wanted, or the reverse",
    place="state",
    cause="what the reset subtracts is leaked where it must not be, or not where it must: the"
    " other of the two subtracting resets",
    needs="subtract steps",
)
class ResetInsideTheLeak(Auto):
    def setup(self):
        swap = {"subtract": "leaked", "leaked": "subtract"}
        self.reset = [swap.get(reset, reset) for reset in self.reset]


@kind(
    "`spk * threshold` is copied from the reset by subtraction into the one to zero",
    place="state",
    cause="the reset to zero takes away theta s u in place of s u: it is scaled by the threshold",
    needs="to zero steps",
)
class ZeroResetTimesThreshold(Auto):
    def rule(self, i, u, s):
        if self.reset[i] == "zero":
            return self.leak[i] * u * (1 - self.theta[i] * s)
        return super().rule(i, u, s)


@kind(
    "inhibition=True is left on: only the neuron with the highest potential of a layer fires",
    place="state",
    cause="spikes of all but the neuron with the highest potential are zero",
)
class InhibitionLeftOn(Auto):
    def fire(self, i, t):
        u = self.u[i][t]
        winner = torch.nn.functional.one_hot(u.argmax(dim=1), u.shape[1])
        return super().fire(i, t) * winner.to(self.dtype)


@kind(
    "ReLUs of the network that was converted are left between the linear layers and the neurons",
    place="state",
    cause="input currents are rectified: negative sums of input, bias and recurrence become zero",
)
class ReluLeftBeforeNeurons(Auto):
    def current(self, i, t):
        return torch.relu(super().current(i, t))


@kind(
    "the sign of the input is dropped: events of negative polarity count as positive ones",
    place="state",
    cause="the absolute value of the input is taken",
    needs="analog",
)
class SignOfEventsLost(Auto):
    def question(self):
        self.x = self.x.abs()


@kind(
    "frames are loaded in the order of their file names as text: 0, 1, 10, 11, ..., 2, 20, ...",
    place="state",
    cause="the steps of the input are in another order",
    needs="steps",
)
class FramesSortedAsText(Auto):
    def question(self):
        self.x = self.x[sorted(range(len(self.x)), key=str)]


@kind(
    "kernels of shape (in, out) are made by reshape where a transpose is wanted",
    place="state",
    cause="feedforward weights are reshaped in place of transposed: entries of w are in other"
    " places (where w is square, that is its transpose)",
)
class WeightsReshapedNotTransposed(Auto):
    def question(self):
        for layer in self.layers[: self.depth]:
            layer["w"] = layer["w"].reshape(layer["w"].shape[::-1]).T


@kind(
    "an event-driven loop passes over silent frames: without an event the first layer neither"
    " leaks nor gets its bias",
    place="state",
    cause="where a frame of a recording has no input, the potential of the step before is kept:"
    " no leak (nor reset, bias, recurrence) in those steps, in layer 1",
    needs="steps",
)
class SilentFramesSkipped(Auto):
    def integrate(self, i, t):
        found = super().integrate(i, t)
        if i:
            return found
        busy = (self.a[0][t - 1] != 0).any(dim=1, keepdim=True)
        return torch.where(busy, found, self.u[0][t - 1])


@kind(
    "two at once: square kernels of another framework stay untransposed, and the reset is detached",
    place="state",
    cause="feedforward weights are transposed, and the reset is detached",
    needs="square reset steps",
)
class KernelUntransposedAndResetDetached(Auto):
    def question(self):
        for layer in self.layers[: self.depth]:
            layer["w"] = layer["w"].T

    def rule(self, i, u, s):
        return super().rule(i, u, s.detach())


@kind(
    "two at once: input is clamped to [0, 1] as images are, and label smoothing of 0.1 is left on",
    place="state",
    cause="the input is clamped to [0, 1], and labels are smoothed by 0.1",
    needs="analog",
)
class ClampedInputAndSmoothedLabels(Auto):
    def question(self):
        self.x = self.x.clamp(0, 1)

    def loss(self, z):
        return torch.nn.functional.cross_entropy(z, self.y, label_smoothing=0.1)
