"""No true instance is refuted by rounding, however much of its sums cancels."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

import refsast as rs
from proofs_check.claim import check_claim
from proofs_check.claims import mechanism, stability
from proofs_check.descent.objectives import Risk
from proofs_check.draws import RandomSource
from proofs_check.instances import LabelledBatch, TwoStartStates
from proofs_check.register import CLAIMS_BY_LABEL
from refsast.testing import min_examples, seeds
from tests.proofs_check.cancelling import draw_cancelling
from tests.strategies import instances

# Local claims round outwards all that they compute, and have instances of their own.
LABELS = [label for label in CLAIMS_BY_LABEL if "local" not in label]


@pytest.mark.parametrize("label", LABELS)
def test_no_instance_whose_sums_cancel_is_refuted(label):
    trial = CLAIMS_BY_LABEL[label]

    @min_examples(15)
    @given(instances(lambda source: draw_cancelling(source, trial)))
    def holds(instance):
        result = check_claim(trial.claim, instance)

        assert not result.refuted, result

    holds()


@pytest.mark.slow
@pytest.mark.parametrize("label", [each for each in LABELS if each != "7-rounding"])
def test_the_claims_speak_on_most_of_them(label):  # 7-rounding wants counts, and these are none
    trial, source = CLAIMS_BY_LABEL[label], RandomSource(np.random.default_rng(3))
    results = [check_claim(trial.claim, draw_cancelling(source, trial)) for _ in range(40)]

    assert sum(r.applies for r in results) >= 15
    assert not any(r.refuted for r in results)


def test_a_bias_may_cancel_the_weights():
    rng = np.random.default_rng(0)
    network = rs.Network((8, 1), rs.LIF(0.0, 1.0, rs.Arctan(1.0)), rs.SpikeRate(1.0))
    excess = []
    for _ in range(50):
        w = 1e3 * rng.random((1, 8))
        params = (rs.Layer(w, np.array([1e-3 - w.sum()])),)
        x = LabelledBatch(network, params, np.ones((1, 1, 8)), np.zeros(1, np.int64))
        result = check_claim(stability.SATURATION, x)

        assert not result.refuted
        excess.append(result.measured / result.bound - 1.0)
    assert max(excess) > 1e-12  # more than the relative tolerance alone allows


def states(neuron, layer, steps=20):
    """Two states of that layer that are close to each other and to rest."""
    near = np.array([[5e-3, 4e-3]])
    return TwoStartStates(neuron, layer, np.ones((steps, 1, 1)), near, near + 1e-9)


def test_a_threshold_may_be_large_beside_all_potentials():
    neuron = rs.LIF(0.0, 1e4, rs.Logistic(5e-5), rs.Subtract())
    held = float(neuron.spike(np.array(-1e4))) * 1e4  # what the reset takes away
    result = check_claim(
        stability.INCREMENTAL_STABILITY, states(neuron, rs.Layer(np.full((2, 1), held)))
    )

    assert not result.refuted
    assert result.slack > 1e-13  # of potentials of 1e-2


def test_recurrent_currents_may_cancel_the_input():
    v = 1e3 * np.array([[1.0, -0.5], [0.3, 0.8]])
    layer = rs.Layer(-(v @ np.full((2, 1), 0.5)), None, v)

    assert not check_claim(
        stability.INCREMENTAL_STABILITY, states(rs.LIF(0.0, 1e-2, rs.Logistic(4e-4)), layer)
    ).refuted


def test_currents_may_cancel_before_a_steep_spike():
    rng = np.random.default_rng(1)
    network = rs.Network((30, 2), rs.LIF(0.5, 1.0, rs.Arctan(50.0)), rs.SpikeRate(1.0))
    for _ in range(20):
        w, x = rng.standard_normal((2, 30)), 1e4 * rng.standard_normal((1, 1, 30))
        params = (rs.Layer(w, 1.0 - w @ x[0, 0] + 0.3 / 50.0),)
        batch = LabelledBatch(network, params, x, np.zeros(1, np.int64))

        assert not check_claim(mechanism.IDENTITY, batch).refuted


@given(seeds())
def test_the_jacobians_give_the_librarys_gradients(seed):
    source = RandomSource(np.random.default_rng(seed))
    x = mechanism.draw_independent_logits(source)
    j_w, j_x = mechanism.jacobians(x)
    r = mechanism.logit_gradient(x)
    _, grads = rs.reference.loss_and_grad(x.network, x.params, x.x, x.y)
    size = np.abs(r) @ np.abs(j_w)

    assert np.abs(r @ j_w - rs.flatten(grads)).max() <= 1e-11 * size.max()
    found = rs.reference.input_grad(x.network, x.params, x.x, x.y).ravel()
    assert np.abs(r @ j_x - found).max() <= 1e-11 * (np.abs(r) @ np.abs(j_x)).max()


def test_what_a_risk_is_summed_from_grows_with_what_cancels():
    network = rs.Network((2, 2), rs.LIF(0.5, 1.0, rs.Arctan(10.0)), rs.SpikeRate(1.0))
    plain = (rs.Layer(np.ones((2, 2)), np.zeros(2)),)
    cancels = (rs.Layer(1e6 * np.ones((2, 2)), np.full(2, -2e6)),)
    risk = Risk(network, np.ones((1, 1, 2)), np.zeros(1, np.int64))
    sizes = [risk.rounded_terms(rs.flatten(params), 0.0) for params in (plain, cancels)]

    assert sizes[1][0] > 1e5 * sizes[0][0]
    assert sizes[1][1] > 1e5 * sizes[0][1]
    flat = replace(risk, network=replace(network, neuron=rs.LIF(0.5, 1e6, rs.Arctan(1e-5))))
    assert flat.rounded_terms(rs.flatten(plain), 0.0)[0] > 5.0


@pytest.mark.parametrize("count", [1e7, 3e9])
def test_of_counts_that_no_accumulator_holds_7_rounding_is_silent(count):
    network = rs.Network((4, 3), rs.LIF(0.5, 1.0, rs.Arctan(2.0)), rs.SpikeRate(1.0))
    params, entry = rs.init(network, 0), CLAIMS_BY_LABEL["7-rounding"]
    for x, applies in ((np.ones((3, 2, 4)), True), (np.full((3, 2, 4), count), False)):
        result = check_claim(entry.claim, LabelledBatch(network, params, x, np.array([0, 1])))
        assert result.applies == applies
