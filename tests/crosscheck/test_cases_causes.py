"""Causes of the kinds that public reports describe: named on ten variants each, and never falsely.

How many of the ten are named is in the table of `case_kinds`; where it is fewer, none is called by
another name, and no place is wrong.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest

import refsast as rs

torch = pytest.importorskip("torch")
from tests.crosscheck import case_kinds as kinds  # noqa: E402
from tests.crosscheck import torch_faults as faults  # noqa: E402
from tests.draws import draws  # noqa: E402

pytestmark = pytest.mark.slow
ce, one_hot = torch.nn.functional.cross_entropy, torch.nn.functional.one_hot


@pytest.mark.slow
@pytest.mark.parametrize("name", kinds.KINDS)
def test_a_kind_of_fault_is_named_on_ten_variants(name):
    kind = kinds.KINDS[name]
    many = draws(kinds.VARIANTS)
    found = [kinds.judge(kind, kinds.draw_variant(kind, seed))[0] for seed in range(many)]

    assert set(found) <= {"", "no cause"}
    assert found.count("no cause") <= kinds.VARIANTS - kind.least, found


LOSSES = {
    "cross entropy of each step, averaged": kinds.lost(
        lambda s, y: torch.stack([ce(5.0 * each, y) for each in s]).mean()
    ),
    "cross entropy of each step, summed": kinds.lost(
        lambda s, y: torch.stack([ce(5.0 * each, y) for each in s]).sum()
    ),
    "mean square of counts": kinds.lost(
        lambda s, y: ((s.sum(0) - 0.8 * len(s) * one_hot(y, s.shape[2])) ** 2).mean()
    ),
    **{name: faults.KINDS[name] for name in ("last potential", "max potential")},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_another_loss_is_placed_there_and_not_explained_by_anything_else(name):
    readout = kinds.READOUTS[:1] if "of" in name else kinds.READOUTS[2:]
    kind = kinds.Kind(LOSSES[name], (name,), {"readouts": readout} | kinds.SMOOTH)
    for seed in range(draws(kinds.VARIANTS)):
        variant = kinds.draw_variant(kind, seed)
        report, _, place, _ = faults.judge(variant.case, variant.slip, variant.dtype)
        assert report.verdict == "DISAGREES"
        assert report.first.what in ("loss or readout", "not known"), report
        assert place != "WRONG"
        says = "; ".join((report.cause.says, *report.cause.others))
        words = ("loss", "readout", "logits", "step", "entropy", "square", "potential")
        assert not report.cause.exact or any(each in says for each in words), says


@pytest.mark.parametrize("seed", range(kinds.VARIANTS))
def test_the_cross_entropy_of_counts_is_a_gain_of_as_many_as_there_are_steps(seed):
    rng = np.random.default_rng(seed)
    case = kinds.draw_network(rng, readouts=kinds.READOUTS[:1], hard=(False,))
    network = replace(case.network, readout=rs.SpikeRate(float(len(case.x))))
    case = replace(case, network=network)
    slip = kinds.lost(lambda s, y: ce(s.sum(0), y))(kinds.EVERY)
    report = rs.check(faults.implementation(case, slip, torch.float64), case)

    assert all(stage.agrees for stage in report.stages), report


@pytest.mark.parametrize("seed", range(kinds.VARIANTS))
def test_a_gradient_that_is_off_by_the_leak_is_not_called_off_by_the_slope(seed):
    rng = np.random.default_rng(seed)
    leak, slope = float(rng.choice([0.5, 0.8, 0.95])), float(rng.choice([1.0, 2.0]))
    sizes = tuple(map(int, rng.integers(3, 7, rng.integers(2, 4))))
    neuron = rs.LIF(leak, 1.0, rs.FastSigmoid(slope), rs.NoReset())
    network = rs.Network(sizes, neuron, rs.LinearReadout(3), bias=False)
    x = rng.standard_normal((8, 4, sizes[0]))
    case = rs.Case(network, rs.init(network, rng), x, rng.integers(0, 3, 4))

    def leaky(params, x, y):
        """The input's part of the potential multiplied by the leak, backwards."""
        loss, grads = rs.fast.loss_and_grad(network, params, x, y)
        n = len(network.neurons)
        return loss, tuple(
            rs.Layer(leak ** (n - i) * layer.w) if i < n else layer for i, layer in enumerate(grads)
        )

    report = rs.check(leaky, case)

    assert report.cause.exact, report
    assert any("the leak" in says for says in (report.cause.says, *report.cause.others)), report
    assert "its slope" not in report.cause.says


BENDS = (
    lambda g: np.tanh(3.0 * g),
    lambda g: 40.0 * g**3,
    lambda g: np.sign(g) * np.sqrt(abs(g)),
)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(kinds.VARIANTS))
def test_no_cause_is_fitted_to_a_gradient_of_two_numbers(seed):
    rng, bend = np.random.default_rng(seed), BENDS[seed % 3]
    neuron = rs.LIF(0.5, 0.5, rs.FastSigmoid(2.0), kinds.RESETS[seed % 3])
    network = rs.Network((1, 2), neuron, rs.SpikeRate(4.0), bias=False)
    params = (rs.Layer(rng.uniform(0.3, 1.8, (2, 1))),)
    case = rs.Case(network, params, rng.standard_normal((4, 1, 1)), np.array([1]))

    def gradient(params, x, y):
        loss, grads = rs.fast.loss_and_grad(network, params, x, y)
        return loss, (rs.Layer(bend(grads[0].w)),)

    report = rs.check(gradient, case)

    assert report.verdict == "DISAGREES"
    assert not report.cause.exact, report


@dataclass(frozen=True)
class Box:
    """A spike of one's own: a ramp, whose derivative is 1 within half a width of the threshold."""

    half: float
    slope: float = 1.0

    def __call__(self, v):
        return np.clip(0.5 + v, 0.0, 1.0)

    def derivative(self, v):
        return 1.0 * (abs(v) < self.half)


@pytest.mark.parametrize("seed", range(kinds.VARIANTS))
def test_a_spike_of_ones_own_can_be_asked_about_and_another_width_is_named(seed):
    rng = np.random.default_rng(seed)
    drawn = kinds.draw_network(rng, hard=(True,), synapses=(None,), readouts=kinds.READOUTS[1:])
    case, narrow = (
        replace(drawn, network=replace(drawn.network, neuron=box_neuron(drawn, half)))
        for half in (0.5, 0.3)
    )
    right, wrong = (
        rs.check(lambda *given, c=each: rs.straight_through(c.network, *given), case)
        for each in (case, narrow)
    )

    assert all(stage.agrees for stage in right.stages), right
    assert wrong.verdict == "DISAGREES"
    assert "0.3" in wrong.cause.says, wrong


def box_neuron(case: rs.Case, half: float) -> rs.LIF:
    """A case's neuron with a box of some width."""
    return replace(case.network.neurons[0], spike=Box(half))
