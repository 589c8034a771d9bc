"""The transfer certificates: no run escapes them, and each of their terms is nearly attained."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refsast as rs
from proofs_check.transfer.certificate import layer_errors, simple_certificate
from proofs_check.transfer.slope_curve import replace_slope
from refsast.certify import boxes
from refsast.certify.boxes import enclose_states
from refsast.certify.sharp import sharp_certificate
from refsast.model.network import replace_spikes
from refsast.testing import inputs, min_examples, networks, parameters, seeds
from tests.proofs_check.adversaries import (
    CERTIFICATES,
    boxes_hold,
    falls,
    leads_hold,
    no_larger,
    reach_holds,
    steeper,
)
from tests.proofs_check.tight_instances import (
    CROSSED,
    INSTANCES,
    PUSHED,
    PUSHED_LEAKY,
    PUSHED_TOO_FAR,
    one_neuron,
)


@st.composite
def runs(draw):
    """A network of any kind with any slope, its parameters and a batch."""
    network = replace_slope(draw(networks()), 10.0 ** draw(st.floats(-1.0, 9.0)))
    return network, draw(parameters(network)), draw(inputs(network.sizes[0]))


@pytest.mark.slow
@min_examples(200)
@given(runs(), seeds())
def test_no_spike_of_the_envelope_escapes(case, seed):
    assert boxes_hold(*case, seed)
    assert reach_holds(*case, seed)
    for certify in CERTIFICATES:
        assert leads_hold(certify, *case, seed)


@given(runs(), st.floats(1.0, 100.0))
def test_sharp_is_no_larger_than_simple_and_neither_grows_with_the_slope(case, factor):
    network, *rest = case
    plain, fine = simple_certificate(*case), sharp_certificate(*case)

    assert no_larger(fine.bound, plain.bound, *case)
    assert np.all(fine.certified | ~plain.certified)
    for certify, before in ((simple_certificate, plain), (sharp_certificate, fine)):
        after = certify(steeper(network, factor), *rest)
        assert no_larger(after.bound, before.bound, *case)
        assert np.all(after.certified | ~before.certified)


@given(runs())
def test_silence_is_no_success(case):
    plain, fine = simple_certificate(*case), sharp_certificate(*case)

    assert fine.applies.all()
    assert not np.any(plain.certified & ~plain.applies)


@pytest.mark.parametrize("certify", CERTIFICATES)
@given(runs())
def test_a_recording_is_certified_for_itself(certify, case):
    network, params, x = case
    batch, alone = certify(network, params, x), certify(network, params, x[:, -1:])

    assert batch.certified[-1] == alone.certified[0]


def test_both_certify_much_of_what_is_drawn_when_spikes_are_steep():
    """Otherwise the properties above would hold by silence."""
    rng = np.random.default_rng(0)
    neuron = rs.LIF(0.9, 1.0, rs.Logistic(3e3))
    network = rs.Network((6, 8, 8, 3), neuron, rs.SpikeRate(1.0), recurrent=True)
    params = rs.unflatten(network, rng.normal(size=network.n_params))
    x = rng.normal(size=(5, 400, 6))
    given = [certify(network, params, x) for certify in CERTIFICATES]

    assert 0.2 < given[0].certified.mean() < given[1].certified.mean()
    assert given[0].applies.mean() < 0.9


@pytest.mark.parametrize("name", INSTANCES)
def test_the_reach_is_nearly_attained(name):
    network, params, x = INSTANCES[name]
    layer = layer_errors(network, params, x)[-1]
    hard, smooth = (rs.run(network, params, x, spike=s) for s in (rs.heaviside, None))

    assert layer.applies.all()
    assert np.abs(smooth.u[-1] - hard.u[-1]).max() > 0.98 * layer.potential[0]


@pytest.mark.parametrize("certify", CERTIFICATES)
@pytest.mark.parametrize("instance", [PUSHED, PUSHED_LEAKY])
def test_the_bound_on_a_lead_is_nearly_attained(certify, instance):
    network, params, x = instance

    assert falls(network, network, params, x).max() > 0.99 * certify(*instance).bound.max()


def test_the_bound_on_a_certified_lead_is_that_of_the_logits():
    """With spike rates the weights of time sum to the gain: twice the gain, twice the bound."""
    network, params, x = PUSHED
    spiking = params[: len(network.neurons)]
    one, two = (
        simple_certificate(replace(network, readout=rs.SpikeRate(gain)), spiking, x).bound
        for gain in (3.0, 6.0)
    )

    assert np.isfinite(one).all()
    assert one.max() > 1e-6
    assert two.max() == pytest.approx(2.0 * one.max(), rel=1e-6)


@pytest.mark.parametrize("instance", [CROSSED, PUSHED_TOO_FAR])
def test_where_the_condition_fails_the_simple_bound_is_escaped(instance):
    network, params, x = instance
    layers = layer_errors(*instance)
    tail = network.neurons[-1].spike(-0.5 * layers[-1].margin)
    would_be = 2.0 * tail * network.readout.time_weights(len(x)).sum()
    fall = falls(network, network, params, x).max()

    assert [bool(layer.applies[0]) for layer in layers] == [True, False]
    assert layers[-1].spike[0] == 1.0
    assert fall > 2.0 * would_be[0]
    assert simple_certificate(*instance).bound.max() == np.inf
    assert fall <= sharp_certificate(*instance).bound.max() < np.inf


def test_without_the_condition_a_wrong_class_would_be_certified():
    network, params, x = CROSSED
    would_be = 2.0 * network.neurons[-1].spike(-0.5 * layer_errors(*CROSSED)[-1].margin)
    hard, smooth = (rs.run(network, params, x, s).logits.argmax() for s in (rs.heaviside, None))

    assert simple_certificate(*CROSSED).lead.max() > would_be[0]
    assert hard != smooth
    assert not simple_certificate(*CROSSED).certified[0]
    assert not sharp_certificate(*CROSSED).certified[0]


def test_at_threshold_hard_fires_and_smooth_fires_half():
    network, params, x = one_neuron(rs.LIF(0.0, 1.0, rs.Arctan(1e6)), (1.0,))
    box = enclose_states(network, params, x).s[0]

    assert rs.run(network, params, x, spike=rs.heaviside).s[0] == 1.0
    assert boxes.spike_tail(network.neurons[0], np.zeros(1)) == pytest.approx(0.5, abs=1e-14)
    assert box.lo == 0.0 and box.hi == 1.0  # one rounding away it may be on either side  # noqa: PT018
    assert not layer_errors(network, params, x)[0].applies[0]


def test_the_box_at_a_sure_distance_is_the_envelope():
    network, params, x = one_neuron(rs.LIF(0.0, 1.0, rs.Arctan(2.0)), (1.25,))
    box = enclose_states(network, params, x).s[0]

    assert box.lo.item() == pytest.approx(network.neurons[0].spike(np.array(0.25)), abs=1e-12)
    assert box.hi.item() == 1.0


def test_a_lead_of_zero_is_not_certified():
    network = rs.Network((1, 2), rs.LIF(0.0, 1.0, rs.Logistic(1e9)), rs.SpikeRate(1.0), bias=False)
    params = (rs.Layer(np.full((2, 1), 2.0)),)

    for certify in CERTIFICATES:
        assert not certify(network, params, np.ones((1, 1, 1))).certified[0]


def test_one_class_alone_is_certified():
    assert sharp_certificate(*one_neuron(rs.LIF(0.9, 1.0, rs.Arctan(1.0)), (1.0,))).certified[0]


def test_spikes_and_single_precision_parameters_come_in():
    network = rs.Network((2, 3, 2), rs.LIF(0.5, 1.0, rs.Arctan(10.0)), rs.SpikeRate(1.0))
    params = rs.init(network, np.random.default_rng(0))
    single = rs.unflatten(network, rs.flatten(params).astype(np.float32))
    ones = np.random.default_rng(0).random((4, 3, 2)) < 0.5

    dense, sparse = (
        sharp_certificate(network, params, a) for a in (ones.astype(float), rs.as_spikes(ones))
    )
    assert np.array_equal(dense.bound, sparse.bound)
    assert sharp_certificate(network, single, ones).bound.dtype == np.float64


@pytest.mark.parametrize("certify", [*CERTIFICATES, layer_errors, enclose_states])
def test_other_spikes_and_numbers_are_refused(certify):
    network, params, x = PUSHED
    with pytest.raises(ValueError, match="spike must be a smooth spike of refsast, got"):
        certify(replace_spikes(network, lambda spike: rs.heaviside), params, x)
    with pytest.raises(ValueError, match="x and params must be real, got complex"):
        certify(network, params, x + 0j)
    with pytest.raises(ValueError, match="x must have shape"):
        certify(network, params, x[0])
