"""What is lost between steps, rounded, or counted by another number: knobs, and causes in words.

What is planted is written in the blind set's two networks, so that nothing here knows the knobs.
"""

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.case import Case

torch = pytest.importorskip("torch")
from tests.crosscheck.blind.auto import Auto  # noqa: E402
from tests.crosscheck.blind.hand import Hand, dsigma  # noqa: E402
from tests.crosscheck.planted_knobs import assert_same_numbers  # noqa: E402

WHOLE, NETWORKS = -1, 2


class LeaksInFixedPoint(Auto):
    def setup(self):
        self.leak = [round(64 * leak) / 64 for leak in self.leak]


class LeaksAsShifts(Auto):
    def setup(self):
        self.leak = [1 - 2.0 ** -max(1, round(-np.log2(1 - leak))) for leak in self.leak]


class CastLayers(Auto):
    """All arrays of spiking layers are cast to bfloat16."""

    def question(self):
        for layer in self.layers[: self.depth]:
            layer |= {k: a.to(torch.bfloat16).to(self.dtype) for k, a in layer.items()}


class EightBits(Auto):
    def question(self):
        for layer in self.layers[: self.depth]:
            w = layer["w"].detach()
            step = w.abs().max() / 127
            layer["w"] = layer["w"] + (torch.round(w / step) * step - w)


class LastResetMissing(Auto):
    def carried(self, i, t):
        free = self.leak[i] * self.u[i][t - 1]
        return free if t == self.time else super().carried(i, t)


class Rectified(Auto):
    def rule(self, i, u, s):
        return torch.relu(super().rule(i, u, s))


class RunInHalves(Auto):
    """From step T // 2 + 1 on without the state before it."""

    parts = ("u", "s")

    def integrate(self, i, t):
        if t != self.time // 2 + 1:
            return super().integrate(i, t)
        kept = {part: getattr(self, part)[i][-1] for part in self.parts}
        for part, array in kept.items():
            getattr(self, part)[i][-1] = torch.zeros_like(array)
        found = super().integrate(i, t)
        for part, array in kept.items():
            getattr(self, part)[i][-1] = array
        return found


class SpikesForgotten(RunInHalves):
    parts = ("s",)


class HardBetweenLayers(Auto):
    def passed(self, i):
        return [s + (torch.round(s) - s).detach() for s in super().passed(i)]


class FirstFifthUnread(Auto):
    def read(self, s):
        return super().read(s if self.readout == "LeakyReadout" else s[max(1, len(s) // 5) :])

    def pool_potentials(self, v):
        return v[max(1, len(v) // 5) :].mean(dim=0)


class NormedProducts(Auto):
    """W a over recordings, in the first layer, before the bias."""

    def current(self, i, t):
        found, c = super().current(i, t), self.a[i][t - 1] @ self.layers[i]["w"].T
        normed = torch.nn.functional.batch_norm(c, None, None, training=True)
        return found if i else found - c + normed


class HalfSpikes(Auto):
    def fire(self, i, t):
        return super().fire(i, t).to(torch.float16).to(self.dtype)


class HalfPotentials(Auto):
    def integrate(self, i, t):
        return super().integrate(i, t).to(torch.float16).to(self.dtype)


class FilledBatch(Auto):
    def loss(self, z):
        size = 1
        while size < len(z):
            size *= 2
        return super().loss(z) * len(z) / size


def everywhere(name: str, *, first: int = 0, layers: int | None = None):
    """The setting with one knob on in all spiking layers, or in some."""
    return lambda case: {
        (name, i): 1.0 for i in list(range(first, len(case.network.neurons)))[:layers]
    }


def leaks(change):
    return lambda case: {("leak", i): change(n.leak) for i, n in enumerate(case.network.neurons)}


KINDS = {
    LeaksInFixedPoint: (leaks(lambda leak: round(64 * leak) / 64), "rest steps"),
    LeaksAsShifts: (
        leaks(lambda leak: 1 - 0.5 ** max(1, round(np.log(1 - leak) / np.log(0.5)))),
        "rest steps",
    ),
    CastLayers: (everywhere("parameters of the layer in bfloat16, gradients too"), "double"),
    EightBits: (everywhere("weights quantised to 8 bits (not V)"), "rest recurrent"),
    LastResetMissing: (everywhere("reset left out at the last step"), "rest reset steps"),
    Rectified: (everywhere("carried potential at least zero"), "rest subtract steps"),
    RunInHalves: (everywhere("state zero in the middle"), "rest steps recurrent"),
    SpikesForgotten: (everywhere("spikes lost in the middle"), "rest reset steps recurrent"),
    HardBetweenLayers: (
        everywhere("spikes of the layer below as zeros and ones, straight through", first=1),
        "rest deep",
    ),
    FirstFifthUnread: (
        lambda case: {
            ("share of the first steps unread, at least one", len(case.network.neurons)): 5.0
        },
        "rest steps",
    ),
    NormedProducts: (everywhere("products normalised over recordings", layers=1), "rest bias"),
    HalfSpikes: (
        everywhere("spikes in half precision (float16), gradients too"),
        "rest double recurrent",
    ),
    HalfPotentials: (
        everywhere("potentials in half precision (float16), gradients too"),
        "rest double",
    ),
    FilledBatch: (lambda case: {("batch filled up to a power of two", WHOLE): 1.0}, "parted"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_knob_gives_the_numbers_of_what_is_planted(kind):
    assert_same_numbers(kind, *KINDS[kind], NETWORKS)


class GainForgotten(Hand):
    def back_alpha(self):
        return self.alpha() / self.gain


class Narrow(Hand):
    def slope(self, i, t):
        return dsigma(self.family[i], self.k[i], 2 * (self.u[i][t] - self.theta[i]))


class TailsCut(Hand):
    def slope(self, i, t):
        v = self.u[i][t] - self.theta[i]
        return super().slope(i, t) * (abs(v) <= self.theta[i])


class Normalised(Auto):
    def output_potentials(self, s):
        return (1 - self.kappa) * super().output_potentials(s)


class MeanOfTwoSteps(Hand):
    def question(self):
        half = len(self.x) // 2
        means = self.x[: 2 * half].reshape(half, 2, *self.x.shape[1:]).mean(axis=1)
        self.x = np.concatenate([np.repeat(means, 2, axis=0), self.x[2 * half :]])


class MinMax(Hand):
    def question(self):
        self.x = (self.x - self.x.min()) / (self.x.max() - self.x.min())


class FirstNeuronNeverReset(Auto):
    def carried(self, i, t):
        free = self.leak[i] * self.u[i][t - 1]
        return torch.cat([free[:, :1], super().carried(i, t)[:, 1:]], dim=1)


class RoundedCounts(Hand):
    """Sums of the first layer's weights take inputs for counts of events."""

    def sums(self, i, delta):
        given = self.a[i]
        self.a[i] = given if i else np.round(given)
        found = super().sums(i, delta)
        self.a[i] = given
        return found


class FirstRecordingUncounted(Hand):
    """In the biases of the first layer alone."""

    def sums(self, i, delta):
        found, late = super().sums(i, delta), delta[1 : self.time + 1, 1:]
        return found if i else {**found, "b": late.sum(axis=(0, 1))}


def small_case(readout) -> Case:
    neuron = rs.LIF(0.8342, 0.7637, rs.FastSigmoid(1.7183), rs.Subtract())
    network = rs.Network((3, 4, 3), neuron, readout)
    rng = np.random.default_rng(1)
    params = rs.unflatten(network, 1.5 * rng.standard_normal(network.n_params))
    return Case(network, params, rng.random((7, 3, 3)) * 2.0, np.array([0, 2, 1]))


RATE, LEAKY = rs.SpikeRate(4.7), rs.LeakyReadout(3, 0.29997)
NAMED = [
    (LeaksInFixedPoint, RATE, "float32", "the leak rounded to 6 bits of fraction"),
    (EightBits, RATE, "float64", "weights quantised to 8 bits"),
    (HalfPotentials, RATE, "float64", "half precision (float16) at every step, gradients too"),
    (FirstFifthUnread, LEAKY, "float64", "all but the first T // 5 steps, at least one"),
    (FilledBatch, LEAKY, "float32", "a batch filled up to a power of two"),
    (GainForgotten, RATE, "float64", "0.212766 = 1/gain"),
    (Narrow, RATE, "float32", "= 2 k, k its slope for k in it"),
    (TailsCut, RATE, "float64", "= the threshold"),
    (Normalised, LEAKY, "float32", "0.70003 = 1 - the readout's leak"),
    (MeanOfTwoSteps, LEAKY, "float32", "the input of each two steps averaged"),
    (MinMax, RATE, "float64", "the input stretched to 0 and 1 (least, largest)"),
    (FirstNeuronNeverReset, LEAKY, "float64", "the first neuron"),
    (RoundedCounts, RATE, "float32", "paired with the inputs rounded to integers"),
    (FirstRecordingUncounted, RATE, "float64", "with the recordings but the first counted"),
]


@pytest.mark.parametrize(("kind", "readout", "dtype", "words"), NAMED)
def test_it_is_named(kind, readout, dtype, words):
    case = small_case(readout)

    cause = rs.check(kind(case.network, np.dtype(dtype)), case).cause

    assert cause.exact
    assert words in "; ".join((cause.says, *cause.others))


def test_numbers_of_few_digits_are_not_said_where_others_fit_better():
    case = small_case(rs.LeakyReadout(3, 0.4))

    class Scaled(Auto):
        def output_potentials(self, s):
            return 0.70003 * super().output_potentials(s)

    cause = rs.check(Scaled(case.network, np.dtype(np.float32)), case).cause

    assert cause.exact
    assert "multiplied by 0.70003" in cause.says
    assert cause.ratio == pytest.approx(1.0, abs=2e-5)
