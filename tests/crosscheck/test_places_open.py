"""What looks like another place than it is: then no place is named, or the true one."""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs

pytest.importorskip("torch")
from tests.crosscheck.blind.auto import Auto
from tests.crosscheck.blind.faults.common_states import PotentialsOfOneLayerKept
from tests.crosscheck.blind.hand import Hand

DOUBLE = np.dtype(np.float64)


def draw_case(seed, sizes=(4, 5, 4, 3), steps=8):
    rng = np.random.default_rng(seed)
    network = rs.Network(sizes, rs.LIF(0.8, 0.7, rs.Arctan(2.0)), rs.LinearReadout(3))
    params = tuple(
        replace(layer, w=2.0 * layer.w, b=0.3 * rng.standard_normal(len(layer.w)))
        for layer in rs.init(network, rng)
    )
    x = rng.standard_normal((steps, 3, sizes[0]))
    return rs.Case(network, params, x, rng.integers(0, 3, 3))


def check(kind, case, dtype=DOUBLE):
    return rs.check(kind(case.network, dtype), case)


class AdjointsRolled(Hand):
    """The highest layer's, over recordings: their sum is right."""

    def adjoints(self, i, down):
        delta = super().adjoints(i, down)
        return np.roll(delta, 1, axis=1) if i == self.depth - 1 else delta


class BentSums(Hand):
    """Of adjoints, in the sums of all arrays alone."""

    def sums(self, i, delta):
        return super().sums(i, np.tanh(30.0 * delta) / 30.0)


class OneNeuronUnheard(Hand):
    """Adjoints of a neuron to whose input weights the layer below does not reach."""

    def adjoints(self, i, down):
        delta = super().adjoints(i, down)
        if i == 1:
            delta[..., 0] = np.tanh(30.0 * delta[..., 0])
        return delta


class SmoothStepRead(Auto):
    """The readout hears 0 and 1 as they are, and what lies between them otherwise."""

    def read(self, s):
        return super().read([each**2 * (3.0 - 2.0 * each) for each in s])


class TwoFaults(Hand):
    """Logits are bent, and the first layer's weights are paired with the input's tanh."""

    def read(self, s):
        z = super().read(s)
        return z + 0.1 * z**2

    def sums(self, i, delta):
        found = super().sums(i, delta)
        if i == 0:
            found["w"] = np.einsum("tbo,tbi->oi", delta[1 : self.time + 1], np.tanh(self.a[0][1:]))
        return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("kind", "true"),
    [
        (AdjointsRolled, "adjoint"),
        (BentSums, "gradient"),
        (TwoFaults, "loss or readout"),
    ],
)
def test_no_other_place_is_named(kind, true, seed):
    report = check(kind, draw_case(seed))

    assert report.verdict == "DISAGREES"
    assert report.first.what in (true, "not known")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_saturated_layers_do_not_clear_a_readout_that_bends_smooth_spikes(seed):
    report = check(SmoothStepRead, draw_case(seed, sizes=(1, 5, 4)))

    assert report.verdict == "DISAGREES"
    assert report.first.what in ("loss or readout", "not known")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_layer_below_that_hears_not_all_does_not_clear_adjoints(seed):
    case = draw_case(seed)
    w = case.params[1].w.copy()
    w[0] = 0.0
    params = (case.params[0], replace(case.params[1], w=w), *case.params[2:])

    report = check(OneNeuronUnheard, replace(case, params=params))

    assert report.verdict == "DISAGREES"
    assert report.first.what in ("adjoint", "not known")


class LaterCalls(Hand):
    """Gradients are doubled; from the third call on another slope is used, too."""

    calls = 0

    def finish(self):
        self.calls += 1
        self.k = [2.0 * (1.1 if self.calls >= 2 else 1.0)] * self.depth
        self.grads = [{name: 2.0 * a for name, a in layer.items()} for layer in self.grads]


def test_a_cause_is_of_the_calls_that_were_compared():
    report = check(LaterCalls, draw_case(0))

    assert report.verdict == "DISAGREES"
    assert "slope" not in str(report.cause)
    assert "a later call of the same case gives another answer" in str(report)


class SmallPenalty(Hand):
    """In the loss that is returned, of a thousandth, another with another input."""

    def solve(self, params, x, y):
        super().solve(params, x, y)
        self.value += 1e-3 * float(np.mean(self.s[0] ** 2)) * (1.0 + float(np.tanh(x.mean())))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_loss_of_few_digits_is_not_multiplied_by_anything(seed):
    report = check(SmallPenalty, draw_case(seed), np.dtype(np.float32))

    assert report.verdict == "DISAGREES"
    assert "loss multiplied by" not in str(report.cause)


@pytest.mark.parametrize("seed", range(4))
def test_another_answer_of_a_second_call_is_never_agreed_to(seed):
    """Also where gradients are so small beside what rounding does that half their digits count."""
    neuron = rs.LIF(0.4, 1.0, rs.Logistic(8.0), rs.NoReset())
    network = rs.Network((6, 2, 3), neuron, rs.LinearReadout(4))
    rng = np.random.default_rng(seed)
    params = rs.init(network, rng)
    params = (params[0], replace(params[1], b=params[1].b - 1.5), params[2])
    case = rs.Case(network, params, rng.standard_normal((4, 3, 6)), rng.integers(0, 4, 3))

    assert check(PotentialsOfOneLayerKept, case, np.dtype(np.float32)).verdict != "agrees"
