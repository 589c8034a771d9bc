"""Mistakes of the way back: steps left out, masks, paths, precision; knobs and their causes.

What is planted is written in the blind set's network by hand, so that nothing here knows the knobs.
"""

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.program import solve_settings
from tests.crosscheck.blind.hand import Hand, dsigma, softmax
from tests.crosscheck.planted_knobs import assert_same_numbers

NETWORKS = 2


def half(array):
    return array.astype(np.float16).astype(np.float64)


class Recursion(Hand):
    """The recursion of the adjoints with what a kind does at one step."""

    def adjoints(self, i, down):
        delta = np.zeros((self.time + 2, *self.u[i].shape[1:]), self.dtype)
        self.sum = np.zeros(delta.shape[1:])
        for t in range(self.time, 0, -1):
            delta[t] = self.step(i, t, down[t], delta[t + 1])
        return delta

    def step(self, i, t, down, later):
        g = down + later * self.reset_s(i, t) + self.feedback(i, later)
        return g * self.slope(i, t) + later * self.reset_u(i, t)


class FirstLeftOut(Recursion):
    def step(self, i, t, down, later):
        return super().step(i, t, down, later) * (t > 1)


class LastLeftOut(Recursion):
    def step(self, i, t, down, later):
        return super().step(i, t, down, later) * (t < self.time)


class WarmingUp(Recursion):
    def step(self, i, t, down, later):
        return super().step(i, t, down, later) * (t > self.time // 3)


class TwoLeftOut(Recursion):
    def step(self, i, t, down, later):
        return super().step(i, t, down, later) * (t > 2)


class ThroughSlope(Recursion):
    def step(self, i, t, down, later):
        g = down + later * (self.reset_s(i, t) + self.reset_u(i, t)) + self.feedback(i, later)
        return g * self.slope(i, t)


class PastSlope(Recursion):
    def step(self, i, t, down, later):
        own = (down + later * self.reset_s(i, t)) * self.slope(i, t)
        return own + later * self.reset_u(i, t) + self.feedback(i, later)


class NeverCleared(Recursion):
    def step(self, i, t, down, later):
        self.sum = self.sum + down + later * self.reset_s(i, t) + self.feedback(i, later)
        return self.sum * self.slope(i, t) + later * self.reset_u(i, t)


class NotReversed(Recursion):
    def adjoints(self, i, down):
        delta = np.zeros((self.time + 2, *self.u[i].shape[1:]), self.dtype)
        for t in range(1, self.time + 1):
            delta[t] = self.step(i, t, down[t], delta[t - 1])
        return delta


class HalfAdjoints(Recursion):
    def step(self, i, t, down, later):
        return half(super().step(i, t, down, later))


class HalfSlopes(Hand):
    def slope(self, i, t):
        return half(super().slope(i, t))


class HalfDistances(Hand):
    def slope(self, i, t):
        return half(dsigma(self.family[i], self.k[i], half(self.u[i][t] - self.theta[i])))


class Density(Hand):
    def slope(self, i, t):
        z = 2.0 * self.k[i] * (self.u[i][t] - self.theta[i])
        return 2.0 * self.k[i] * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)


class EarlyGate(Hand):
    def reset_u(self, i, t):
        return self.leak[i] * (1.0 - self.s[i][t - 1])


class ResetTwice(Hand):
    def reset_s(self, i, t):
        return super().reset_s(i, t) * (1.0 - self.s[i][t])


class Backwards(Hand):
    def below(self, i, delta):
        down = super().below(i, delta)
        return np.concatenate([down[:1], down[:0:-1]])


class AtSpikes(Hand):
    def sums(self, i, delta):
        kept = np.where(self.s[i][1:] > 0.5, delta[1:-1], 0.0)
        w = np.einsum("tbo,tbi->oi", kept, self.a[i][1:])
        return {**super().sums(i, delta), "w": w}


class OwnSpikes(Hand):
    def sums(self, i, delta):
        w = np.einsum("tbo,tbi->oi", delta[1:-1], self.s[i][1:])
        return {**super().sums(i, delta), "w": w}


class LastHeard(Hand):
    def readout_sums(self, g):
        return {**super().readout_sums(g), "w": g.T @ self.s[-1][-1]}


class Finished(Hand):
    """What a kind does to each finished array."""

    def finish(self):
        layers = zip(self.layers, self.grads, strict=True)
        self.grads = [{k: self.change(k, a, layer[k]) for k, a in g.items()} for layer, g in layers]


class Normalised(Finished):
    def change(self, name, array, parameter):
        return array / (np.linalg.norm(array) + 1e-8)


class Pruned(Finished):
    def change(self, name, array, parameter):
        size = abs(parameter)
        return array * (size >= np.median(size)) if name == "w" else array


class Largest(Finished):
    def change(self, name, array, parameter):
        size = abs(array)
        return array * (size >= np.quantile(size, 0.75)) if name in "wv" else array


class OverBatch(Hand):
    def loss(self, z):
        hot = np.eye(z.shape[1])[self.y]
        return super().loss(z)[0], (softmax(z, axis=0) - hot) / len(self.y)


def layers(name: str, value: float = 1.0, first: int = 0, readout: int = 0):
    """The setting with one knob at a value in all layers from one on, and in the readout."""
    return lambda case: {
        (name, i): value for i in range(first, len(case.network.neurons) + readout)
    }


def weights(name: str, value: float, parts: str):
    """The setting with a knob at a value of such parts of all levels."""
    return lambda case: {
        (f"{part} {name}", i): value
        for part in parts
        for i, layer in enumerate(case.params)
        if getattr(layer, part) is not None
    }


def top(name: str):
    """The setting with a knob of the readout."""
    return lambda case: {(name, len(case.network.neurons)): 1.0}


KINDS = {
    FirstLeftOut: (layers("adjoint of the first step zero"), ""),
    LastLeftOut: (layers("adjoint of the last step zero"), ""),
    WarmingUp: (layers("adjoints of a share of steps zero", 3.0), "steps"),
    TwoLeftOut: (layers("adjoints of the first steps zero", 2.0), "steps"),
    ThroughSlope: (layers("leak path through the derivative"), "steps"),
    PastSlope: (layers("recurrent path past the derivative"), "recurrent steps"),
    NeverCleared: (layers("gradient of the spike summed up over later steps"), "steps"),
    NotReversed: (layers("adjoints forward in time"), "steps"),
    HalfAdjoints: (layers("adjoints in half precision (float16)"), ""),
    HalfSlopes: (layers("derivative in half precision (float16)"), ""),
    HalfDistances: (layers("derivative and its argument in half precision (float16)"), ""),
    Density: (layers("derivative the density of a Gaussian of deviation 1/(2 k)"), ""),
    EarlyGate: (layers("reset factor of the step before backward"), "zero steps"),
    ResetTwice: (layers("reset path after the reset"), "zero steps"),
    Backwards: (layers("layer path reversed", first=1), "deep steps"),
    AtSpikes: (layers("w sums of the steps of own spikes (s > 1/2) alone"), ""),
    OwnSpikes: (layers("input of the layer's own spikes"), "square"),
    LastHeard: (top("gradient in W of the readout from the last spikes alone"), "affine"),
    Normalised: (layers("each array over its norm + 1e-08", readout=1), ""),
    Pruned: (weights("zero at small weights", 0.5, "w"), ""),
    Largest: (weights("largest entries alone", 0.75, "wv"), ""),
    OverBatch: (top("slope of the readout's softmax over recordings, not classes backward"), ""),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_knob_gives_the_numbers_of_what_is_planted(kind):
    assert_same_numbers(kind, *KINDS[kind], NETWORKS)


# What the causes have to say, the plainest and those of the same numbers.
NAMED = {
    FirstLeftOut: ("first step left out of the sums", "adjoint of zero at the first step"),
    WarmingUp: ("first T // 3 of T steps",),
    ThroughSlope: ("through the leak times the spike's derivative",),
    NeverCleared: ("never cleared",),
    NotReversed: ("recursion of the adjoints forward",),
    HalfDistances: ("what it is taken at, rounded to half",),
    Density: ("density of a Gaussian of deviation 1/(2 k)",),
    LastHeard: ("readout's weights from the spikes of the last step",),
    Normalised: ("divided by its norm + 1e-08",),
    Largest: ("smallest entries of the gradient in V zero, 0.75 of all",),
    OverBatch: ("softmax over recordings",),
}


def make_case() -> Case:
    neuron = rs.LIF(0.8, 0.9, rs.Logistic(3.0), rs.ToZero())
    network = rs.Network((3, 5, 4), neuron, rs.LeakyReadout(3, 0.7), recurrent=True)
    rng = np.random.default_rng(1)
    params = rs.unflatten(network, rng.standard_normal(network.n_params))
    return Case(network, params, 2.0 * rng.random((7, 3, 3)), np.array([0, 2, 1]))


def test_settings_side_by_side_are_those_alone():
    case = make_case()
    settings = [setting(case) for setting, needs in KINDS.values() if needs != "square"]

    for answer, setting in zip(solve_settings(case, settings), settings, strict=True):
        alone = solve_settings(case, [setting])[0]
        assert rs.flatten(answer.grads) == pytest.approx(rs.flatten(alone.grads), rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("kind", NAMED)
def test_it_is_named(kind):
    case = make_case()

    report = rs.check(kind(case.network, np.dtype(np.float64)), case)

    assert report.cause.exact
    says = "; ".join((report.cause.says, *report.cause.others))
    assert all(words in says for words in NAMED[kind]), says
    if kind is FirstLeftOut:  # the sums, or the adjoint: these numbers do not tell
        assert report.first.what == "not known"
        assert "causes of the same numbers lie at" in report.first.how
