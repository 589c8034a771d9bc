"""What is done to finished gradients: orders, clips, penalties, steps."""

import numpy as np

from tests.crosscheck.blind.hand import Hand
from tests.crosscheck.blind.kinds import kind


def each_array(grads):
    return [(layer, name) for layer in grads for name in layer]


@kind(
    "the gradient of square weights is transposed",
    place="gradient",
    cause="gradients of weights are transposed",
    needs="square",
    listed=True,
)
class Transposed(Hand):
    def finish(self):
        for layer in self.grads[: self.depth]:
            layer["w"] = layer["w"].T.copy()


@kind(
    "the first layer is frozen",
    place="gradient",
    cause="the gradient of layer 1 is zero",
    listed=True,
)
class Frozen(Hand):
    def finish(self):
        self.grads[0] = {k: 0 * a for k, a in self.grads[0].items()}


@kind(
    "gradients of neighbouring neurons are exchanged",
    place="gradient",
    cause="rows of the gradient are in another order",
)
class ShiftedNeurons(Hand):
    def finish(self):
        layer = self.grads[self.pick]
        layer["w"] = np.roll(layer["w"], 1, axis=0)


@kind(
    "the gradient of the initial potential is zero: it is no parameter",
    place="gradient",
    cause="the gradient of start is zero",
    needs="start",
)
class StartZero(Hand):
    def finish(self):
        for layer in self.grads[: self.depth]:
            layer["start"] = 0 * layer["start"]


@kind(
    "all gradients are scaled to a norm of at most 0.05",
    place="gradient",
    cause="the gradient is clipped by its norm: all of it times one number",
    listed=True,
)
class ClippedNorm(Hand):
    def finish(self):
        arrays = each_array(self.grads)
        norm = np.sqrt(sum(np.sum(layer[k] ** 2) for layer, k in arrays))
        for layer, k in arrays:
            layer[k] = layer[k] * self.dtype.type(min(1.0, 0.05 / norm))


@kind(
    "each array is scaled to a norm of at most 0.02",
    place="gradient",
    cause="each array is clipped by its own norm",
    listed=True,
)
class ClippedArrays(Hand):
    def finish(self):
        for layer, k in each_array(self.grads):
            norm = np.sqrt(np.sum(layer[k] ** 2))
            layer[k] = layer[k] * self.dtype.type(min(1.0, 0.02 / max(norm, 1e-30)))


@kind(
    "each entry is clipped to [-0.01, 0.01]",
    place="gradient",
    cause="entries are clipped at 0.01",
    listed=True,
)
class ClippedEntries(Hand):
    def finish(self):
        for layer, k in each_array(self.grads):
            layer[k] = np.clip(layer[k], -0.01, 0.01).astype(self.dtype)


@kind(
    "gradients of weights are centred, row by row",
    place="gradient",
    cause="the mean of each row is subtracted from weights' gradients",
)
class CentredGradient(Hand):
    def finish(self):
        for layer in self.grads:
            layer["w"] = layer["w"] - layer["w"].mean(axis=1, keepdims=True)


@kind(
    "0.01 w is added, the decay of an optimiser",
    place="gradient",
    cause="weight decay 0.01 is added to the gradient",
    listed=True,
)
class Decay(Hand):
    def finish(self):
        for layer, own in zip(self.grads, self.layers, strict=True):
            layer["w"] = layer["w"] + self.dtype.type(0.01) * own["w"]


@kind(
    "0.001 times the sign of the weights is added (L1)",
    place="gradient",
    cause="an L1 penalty of 0.001 is added to the gradient",
)
class Lasso(Hand):
    def finish(self):
        for layer, own in zip(self.grads, self.layers, strict=True):
            layer["w"] = layer["w"] + self.dtype.type(0.001) * np.sign(own["w"])


@kind(
    "the step is returned in place of the gradient: -0.01 g",
    place="gradient",
    cause="the gradient times -0.01",
    listed=True,
)
class Step(Hand):
    def finish(self):
        for layer, k in each_array(self.grads):
            layer[k] = layer[k] * self.dtype.type(-0.01)


@kind(
    "the first step of Adam is returned: g / (|g| + 1e-8)",
    place="gradient",
    cause="the gradient is divided by its magnitude: signs",
    listed=True,
)
class AdamStep(Hand):
    def finish(self):
        for layer, k in each_array(self.grads):
            layer[k] = layer[k] / (np.abs(layer[k]) + self.dtype.type(1e-8))


@kind(
    "backward is called twice: weights' gradients add up, biases' do not",
    place="gradient",
    cause="gradients of weights are doubled",
)
class DoubledWeights(Hand):
    def finish(self):
        for layer in self.grads:
            layer["w"] = 2 * layer["w"]
