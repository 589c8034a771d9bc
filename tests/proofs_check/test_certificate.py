"""The transfer certificates: no run escapes them, and each of their terms is nearly attained."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refsast as rs
from proofs_check import boxes, certificate
from proofs_check.boxes import enclose
from proofs_check.certificate import reach, sharp, simple
from proofs_check.slopes import with_slope
from refsast.arrays import Array
from refsast.model.network import with_spikes
from tests.proofs_check.instances import CROSSED, INSTANCES, PUSHED, PUSHED_LEAKY, one_neuron
from tests.strategies import at_least, inputs, networks, parameters, seeds

CERTIFICATES = (simple, sharp)


@st.composite
def runs(draw):
    """A network of any kind with any slope, its parameters and a batch."""
    network = with_slope(draw(networks()), 10.0 ** draw(st.floats(-1.0, 9.0)))
    return network, draw(parameters(network)), draw(inputs(network.sizes[0]))


def no_larger(a, b, network, params, x):
    """``a <= b`` of two bounds on leads, but for what both allow for rounding and round again."""
    hard = rs.run(network, params, x, spike=rs.heaviside).logits.argmax(axis=1)
    rounding = certificate._readout_rounding(network, params, len(x), hard)
    return bool(np.all(a <= b * (1.0 + 1e-9) + rounding))


@dataclass(frozen=True, eq=False)
class Erratic:
    """A spike that is anywhere in the envelope of a smooth one, jumps, and never rises or falls."""

    spike: rs.Arctan
    seed: int

    def __call__(self, v: Array) -> Array:
        share = np.random.default_rng(self.seed).random(v.shape)
        far = np.where(np.cos(1e6 * v) > 0.0, share, 1.0) * self.spike(-np.abs(v))
        return np.where(v >= 0.0, 1.0 - far, far)


def steeper(network, factor):
    return with_spikes(network, lambda spike: replace(spike, slope=spike.slope * factor))


def rivals(network, seed=0):
    """The spikes that a certificate speaks for: smooth, steeper, hard and erratic."""
    erratic = with_spikes(network, lambda spike: Erratic(spike, seed))
    hard = with_spikes(network, lambda spike: rs.heaviside)
    return network, steeper(network, 3.0), steeper(network, 1e4), hard, erratic


def inside(box, a):
    return bool(np.all((box.lo <= a) & (a <= box.hi)))


def backwards(params, x):
    """The same network, its inputs in the opposite order: the same but for rounding."""
    first = replace(params[0], w=params[0].w[:, ::-1])
    return (first, *params[1:]), x[..., ::-1]


def boxes_hold(network, params, x, seed=0):
    enclosed = enclose(network, params, x)
    traces = [rs.run(rival, params, x) for rival in rivals(network, seed)]
    traces.append(rs.run(network, *backwards(params, x)))
    return all(
        inside(box, a)
        for trace in traces
        for box, a in zip((*enclosed.u, *enclosed.s), (*trace.u, *trace.s), strict=True)
    )


def reach_holds(network, params, x, seed=0):
    """Where it applies, in all layers up to one, no rival is farther from the hard run there."""
    hard = rs.run(network, params, x, spike=rs.heaviside)
    for rival in rivals(network, seed):
        trace, applies = rs.run(rival, params, x), np.ones(x.shape[1], bool)
        for i, layer in enumerate(reach(network, params, x)):
            applies &= layer.applies
            by_u = np.abs(trace.u[i] - hard.u[i]).max(axis=(0, 2)) <= layer.potential
            by_s = np.abs(trace.s[i] - hard.s[i]).max(axis=(0, 2)) <= layer.spike
            if not np.all(by_u & by_s | ~applies):
                return False
    return True


def falls(network, rival, params, x):
    """By how much the leads of the hard class are smaller with the rival's spikes."""
    hard = rs.run(network, params, x, spike=rs.heaviside).logits
    other = rs.run(rival, params, x).logits
    rows, first = np.arange(len(hard)), hard.argmax(axis=1)
    return hard[rows, first][:, None] - hard - (other[rows, first][:, None] - other)


def leads_hold(certify, network, params, x, seed=0):
    """No lead falls by more than the bound, and the class of the certified does not change."""
    given = certify(network, params, x)
    hard = rs.run(network, params, x, spike=rs.heaviside).logits.argmax(axis=1)
    for rival in rivals(network, seed):
        agree = rs.run(rival, params, x).logits.argmax(axis=1) == hard
        if not np.all(falls(network, rival, params, x) <= given.bound):
            return False
        if not np.all(agree | ~given.certified):
            return False
    return True


def sound(network, params, x):
    """Whether everything that is said of one instance is so."""
    leads = all(leads_hold(certify, network, params, x) for certify in CERTIFICATES)
    return leads and boxes_hold(network, params, x) and reach_holds(network, params, x)


@at_least(200)
@given(runs(), seeds())
def test_no_spike_of_the_envelope_escapes(case, seed):
    assert boxes_hold(*case, seed)
    assert reach_holds(*case, seed)
    for certify in CERTIFICATES:
        assert leads_hold(certify, *case, seed)


@given(runs(), st.floats(1.0, 100.0))
def test_sharp_is_no_larger_than_simple_and_neither_grows_with_the_slope(case, factor):
    network, *rest = case
    plain, fine = simple(*case), sharp(*case)

    assert no_larger(fine.bound, plain.bound, *case)
    assert np.all(fine.certified | ~plain.certified)
    for certify, before in ((simple, plain), (sharp, fine)):
        after = certify(steeper(network, factor), *rest)
        assert no_larger(after.bound, before.bound, *case)
        assert np.all(after.certified | ~before.certified)


@given(runs())
def test_silence_is_no_success(case):
    plain, fine = simple(*case), sharp(*case)

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
    layer = reach(network, params, x)[-1]
    hard, smooth = (rs.run(network, params, x, spike=s) for s in (rs.heaviside, None))

    assert layer.applies.all()
    assert np.abs(smooth.u[-1] - hard.u[-1]).max() > 0.98 * layer.potential[0]


@pytest.mark.parametrize("certify", CERTIFICATES)
@pytest.mark.parametrize("instance", [PUSHED, PUSHED_LEAKY])
def test_the_bound_on_a_lead_is_nearly_attained(certify, instance):
    network, params, x = instance

    assert falls(network, network, params, x).max() > 0.99 * certify(*instance).bound.max()


def test_where_the_condition_fails_the_simple_bound_is_escaped():
    network, params, x = CROSSED
    layers = reach(*CROSSED)
    tail = network.neurons[-1].spike(-0.5 * layers[-1].margin)
    would_be = 2.0 * tail * network.readout.time_weights(len(x)).sum()
    fall = falls(network, network, params, x).max()

    assert [bool(layer.applies[0]) for layer in layers] == [True, False]
    assert fall > 10.0 * would_be[0]
    assert simple(*CROSSED).lead.max() > would_be[0]  # would be certified, and
    classes = [rs.run(network, params, x, s).logits.argmax() for s in (rs.heaviside, None)]
    assert classes[0] != classes[1]  # wrongly
    assert not simple(*CROSSED).certified[0]
    assert not sharp(*CROSSED).certified[0]
    assert sharp(*CROSSED).bound.max() >= fall


def test_at_threshold_hard_fires_and_smooth_fires_half():
    network, params, x = one_neuron(rs.LIF(0.0, 1.0, rs.Arctan(1e6)), (1.0,))
    box = enclose(network, params, x).s[0]

    assert rs.run(network, params, x, spike=rs.heaviside).s[0] == 1.0
    assert boxes.tail(network.neurons[0], np.zeros(1)) == pytest.approx(0.5, abs=1e-14)
    assert box.lo == 0.0 and box.hi == 1.0  # one rounding away it may be on either side  # noqa: PT018
    assert not reach(network, params, x)[0].applies[0]


def test_the_box_at_a_sure_distance_is_the_envelope():
    network, params, x = one_neuron(rs.LIF(0.0, 1.0, rs.Arctan(2.0)), (1.25,))
    box = enclose(network, params, x).s[0]

    assert box.lo.item() == pytest.approx(network.neurons[0].spike(np.array(0.25)), abs=1e-12)
    assert box.hi.item() == 1.0


def test_a_lead_of_zero_is_not_certified():
    network = rs.Network((1, 2), rs.LIF(0.0, 1.0, rs.Logistic(1e9)), rs.SpikeRate(1.0), bias=False)
    params = (rs.Layer(np.full((2, 1), 2.0)),)

    for certify in CERTIFICATES:
        assert not certify(network, params, np.ones((1, 1, 1))).certified[0]


def test_one_class_alone_is_certified():
    assert sharp(*one_neuron(rs.LIF(0.9, 1.0, rs.Arctan(1.0)), (1.0,))).certified[0]


def _to_zero_only(neuron, u):
    """Carried over as if the spike were the hard one's."""
    hard = rs.heaviside(0.5 * (u.lo + u.hi) - neuron.threshold)
    return boxes._corners(neuron, u, boxes.Box(hard, hard))


def _no_rounding(layer, largest):
    return 0.0, np.zeros((len(largest), len(layer.w)))


def _centre_only(a, w, b=None):
    centre = 0.5 * (a.lo + a.hi) @ w.T + (0.0 if b is None else b)
    return boxes.Box(centre, centre)


PLANTED = {
    "the reset forgotten": (certificate, "_through_reset", lambda neuron, top: np.zeros_like(top)),
    "tail(m) for tail(m/2)": (certificate, "tail", lambda n, m: boxes.tail(n, 2.0 * m)),
    "the weights forgotten": (certificate, "_row_sum", lambda w: 0.0),
    "the largest weight for the row sum": (
        certificate,
        "_row_sum",
        lambda w: 0.0 if w is None else np.abs(w).max(),
    ),
    "one step for all": (certificate, "_geometric", lambda k, steps: 1.0),
    "mean for the readout's weights": (
        certificate,
        "pool",
        lambda readout, s: s.mean(axis=0),
    ),
    "the hard reset in the boxes": (boxes, "_carried", _to_zero_only),
    "no radius": (
        boxes,
        "_times",
        _centre_only,
    ),
    "half the tail": (boxes, "tail", lambda n, m: 0.5 * n.spike(-m)),
    "no rounding": (boxes, "rounding", _no_rounding),
}


def _wide(rng):
    """Many inputs of one sign and another, whose sum rounds."""
    network = rs.Network((60, 20), rs.LIF(0.9, 1.0, rs.Arctan(1e3)), rs.SpikeRate(1.0))
    params = rs.unflatten(network, rng.normal(size=network.n_params))
    return network, params, rng.normal(size=(6, 40, 60))


def _random(rng):
    neuron = rs.LIF(0.9, 1.0, rs.Logistic(300.0))
    network = rs.Network((4, 5, 5), neuron, rs.LeakyReadout(3, 0.9), recurrent=True)
    params = rs.unflatten(network, 0.5 * rng.normal(size=network.n_params))
    return network, params, rng.normal(size=(6, 40, 4))


@pytest.fixture(scope="module")
def witnesses():
    rng = np.random.default_rng(3)
    return [*INSTANCES.values(), CROSSED, _wide(rng), _random(rng)]


def test_the_witnesses_are_sound(witnesses):
    assert all(sound(*witness) for witness in witnesses)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_error_is_caught(name, witnesses, monkeypatch):
    monkeypatch.setattr(*PLANTED[name])

    assert not all(sound(*witness) for witness in witnesses)


def test_spikes_and_single_precision_parameters_come_in():
    network = rs.Network((2, 3, 2), rs.LIF(0.5, 1.0, rs.Arctan(10.0)), rs.SpikeRate(1.0))
    params = rs.init(network, np.random.default_rng(0))
    single = rs.unflatten(network, rs.flatten(params).astype(np.float32))
    ones = np.random.default_rng(0).random((4, 3, 2)) < 0.5

    dense, sparse = (sharp(network, params, a) for a in (ones.astype(float), rs.as_spikes(ones)))
    assert np.array_equal(dense.bound, sparse.bound)
    assert sharp(network, single, ones).bound.dtype == np.float64


@pytest.mark.parametrize("certify", [*CERTIFICATES, reach, enclose])
def test_other_spikes_and_numbers_are_refused(certify):
    network, params, x = PUSHED
    with pytest.raises(ValueError, match="spike must be a smooth spike of refsast, got"):
        certify(with_spikes(network, lambda spike: rs.heaviside), params, x)
    with pytest.raises(ValueError, match="x and params must be real, got complex"):
        certify(network, params, x + 0j)
    with pytest.raises(ValueError, match="x must have shape"):
        certify(network, params, x[0])
