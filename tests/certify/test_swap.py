"""The swap certified: no run contradicts it, and what it leaves open it says."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refsast as rs
from refsast.certify import search
from refsast.certify.search import scale_slopes
from refsast.certify.sharp import sharp_certificate
from refsast.certify.slope_form import Form
from refsast.model.reset import RESETS
from refsast.testing import inputs, min_examples, networks, parameters
from tests.certify.test_slope_form import FAMILIES

FACTORS = np.geomspace(1.0, 1e6, 40)


def contradictions(network, params, x, found, factors=FACTORS):
    """Runs at a certified slope, or hard, with another class."""
    hard = rs.run(network, params, x, rs.heaviside).logits.argmax(axis=1)
    count = int(np.sum(hard != found.classes))
    for factor in factors:
        smooth = rs.run(scale_slopes(network, factor), params, x).logits.argmax(axis=1)
        count += int(np.sum((smooth != found.classes) & (found.factor <= factor)))
    return count


@st.composite
def runs(draw):
    network = scale_slopes(draw(networks()), 10.0 ** draw(st.floats(-0.5, 2.0)))
    return network, draw(parameters(network)), draw(inputs(network.sizes[0]))


@min_examples(60)
@given(runs())
def test_no_run_contradicts_a_certificate(case):
    found = rs.certify_swap(*case, cells=200)

    assert contradictions(*case, found) == 0
    assert [reason == "certified" for reason in found.reason] == found.certified.tolist()


LINEAR = rs.LinearReadout(3)


def drawn(family=rs.Arctan, reset=RESETS["zero"], seed=0, readout=LINEAR, batch=24):
    rng = np.random.default_rng(seed)
    neuron = rs.LIF(0.9, 1.0, family(2.0), reset)
    network = rs.Network((6, 8, 4), neuron, readout, recurrent=True)
    params = rs.unflatten(network, 0.8 * rng.normal(size=network.n_params))
    return network, params, rng.normal(size=(5, batch, 6))


CASES = [
    *((family, RESETS["zero"], rs.SpikeRate(1.0)) for family in FAMILIES),
    *((rs.Arctan, reset, rs.LinearReadout(3)) for reset in RESETS.values()),
    (rs.Logistic, RESETS["subtract"], rs.LeakyReadout(3, 0.8)),
]


@pytest.mark.parametrize(("family", "reset", "readout"), CASES)
def test_it_certifies_far_more_than_the_boxes(family, reset, readout):
    """Otherwise the property above would hold by silence."""
    case = drawn(family, reset, readout=readout)
    found = rs.certify_swap(*case)
    by_boxes = sharp_certificate(*case).certified

    assert np.all(found.certified | ~by_boxes)
    assert found.certified.sum() >= by_boxes.sum() + 2
    assert contradictions(*case, found) == 0
    assert set(found.reason) <= {"certified", "tie", "other class", "open"}


def test_a_witness_is_a_run_with_another_class():
    network, params, x = drawn()
    found = rs.certify_swap(network, params, x)
    rows = np.flatnonzero(~np.isnan(found.witness))

    assert len(rows) > 0
    for row in rows:
        factor = found.witness[row]
        run = rs.run(scale_slopes(network, factor), params, x[:, row : row + 1])
        assert found.lowest <= factor <= found.factor[row]
        assert run.logits.argmax() != found.classes[row]


def test_equal_logits_of_the_hard_network_are_a_tie():
    network, params, x = drawn(readout=rs.SpikeRate(1.0))
    silent = tuple(replace(layer, w=0.0 * layer.w, b=0.0 * layer.b) for layer in params)
    found = rs.certify_swap(network, silent, x)

    assert set(found.reason) == {"tie"}
    assert np.isinf(found.factor).all()


def test_the_share_falls_with_the_slope_and_ends_at_what_is_certified():
    found = rs.certify_swap(*drawn())
    share = found.share([1.0, 3.0, 10.0, 1e9])

    assert share[0] == found.certified.mean()
    assert np.all(np.diff(share) >= 0.0)
    assert share[-1] == np.mean(np.isfinite(found.factor))


def test_a_recording_is_certified_for_itself_in_any_chunk():
    network, params, x = drawn(batch=210)
    told = []
    whole = rs.certify_swap(network, params, x, watch=told.append)
    part = rs.certify_swap(network, params, x[:, 195:])

    assert told == [200, 10]
    assert part.reason == whole.reason[195:]
    np.testing.assert_array_equal(part.classes, whole.classes[195:])


def test_labels_say_which_classes_are_right():
    network, params, x = drawn()
    y = rs.run(network, params, x, rs.heaviside).logits.argmax(axis=1)
    y[0] = (y[0] + 1) % network.classes
    found = rs.certify_swap(network, params, x, y)

    assert found.correct.tolist() == [False] + [True] * (len(y) - 1)
    assert rs.certify_swap(network, params, x).correct is None


def test_from_a_larger_factor_on_no_less_is_certified():
    case = drawn()
    one, ten = (rs.certify_swap(*case, lowest=lowest) for lowest in (1.0, 10.0))

    assert np.all(ten.certified | ~one.certified)
    assert ten.certified.sum() > one.certified.sum()
    assert np.sum(ten.factor == 10.0) > 3


def test_layers_of_different_slopes_and_spikes_are_scaled_together():
    network, params, x = drawn()
    neurons = tuple(
        replace(neuron, spike=family(slope))
        for neuron, family, slope in zip(network.neurons, FAMILIES, (1.0, 4.0, 2.5), strict=False)
    )
    network = replace(network, neuron=neurons)
    found = rs.certify_swap(network, params, x)

    assert 0 < found.certified.sum() < len(found.classes)
    assert contradictions(network, params, x, found) == 0


def test_events_and_single_precision_are_taken():
    network, params, x = drawn()
    spikes = (x > 0.5).astype(float)
    plain = rs.certify_swap(network, params, spikes)

    assert rs.certify_swap(network, params, rs.as_spikes(spikes)).reason == plain.reason


PLANTED = {
    "radius forgotten": lambda form: Form(form.c, form.k, 0.0 * form.r),
    "slope forgotten": lambda form: Form(form.c, 0.0 * form.k, form.r),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_error_is_caught(name, monkeypatch):
    whole = search.enclose_last_spikes
    monkeypatch.setattr(search, "enclose_last_spikes", lambda *given: PLANTED[name](whole(*given)))
    found = [
        (case, rs.certify_swap(*case)) for case in (drawn(seed=s, batch=100) for s in range(2))
    ]
    fine = np.geomspace(1.0, 100.0, 400)

    assert sum(contradictions(*case, certificate, fine) for case, certificate in found) > 0


@dataclass(frozen=True)
class Jump(rs.Arctan):
    """Looks like an arctangent, and is none."""

    def __call__(self, v):
        return rs.heaviside(v)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lowest": 0.0}, "lowest must be positive"),
        ({"narrowest": 0.0}, "narrowest must lie in"),
        ({"narrowest": np.nan}, "narrowest must lie in"),
        ({"cells": 0}, "cells must be a positive integer"),
        ({"x": np.ones((3, 2))}, "x must have shape"),
        ({"x": np.full((5, 2, 6), np.inf)}, "x must be finite"),
        ({"y": [0]}, "y must have shape"),
        ({"params": ()}, "params must"),
    ],
)
def test_what_is_not_as_it_must_be_is_refused(change, words):
    network, params, x = drawn(batch=2)
    with pytest.raises(ValueError, match=words):
        rs.certify_swap(**({"network": network, "params": params, "x": x} | change))


@pytest.mark.parametrize("spike", [rs.heaviside, Jump(2.0)])
def test_a_spike_that_no_proof_covers_is_refused(spike):
    network, params, x = drawn(batch=2)
    network = replace(network, neuron=replace(network.neurons[0], spike=spike))
    with pytest.raises(ValueError, match="spike must be one of Arctan"):
        rs.certify_swap(network, params, x)


def test_a_network_that_no_proof_covers_is_refused():
    neuron = rs.LIF(0.9, 1.0, rs.Arctan(2.0))
    network = rs.Network((2, 3), neuron, rs.MaxPotential(2, 0.9))
    with pytest.raises(ValueError, match="must be asked of dense LIF layers"):
        rs.certify_swap(network, rs.init(network, 0), np.ones((4, 1, 2)))
