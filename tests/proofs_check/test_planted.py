"""Planted errors in the certificates: each must be caught by an instance that is pinned here."""

import numpy as np
import pytest

import refsast as rs
from proofs_check.transfer import certificate
from refsast.certify import boxes, sharp
from tests.proofs_check.adversaries import sound
from tests.proofs_check.tight_instances import CROSSED, INSTANCES


def _to_zero_only(neuron, u):
    """Carried over as if the spike were the hard one's."""
    hard = rs.heaviside(0.5 * (u.lo + u.hi) - neuron.threshold)
    return boxes._reset_corners(neuron, u, boxes.Box(hard, hard))


def _no_rounding(layer, largest):
    return 0.0, np.zeros((len(largest), len(layer.w)))


def _centre_only(a, w, b=None):
    centre = 0.5 * (a.lo + a.hi) @ w.T + (0.0 if b is None else b)
    return boxes.Box(centre, centre)


PLANTED = {
    "the reset forgotten": (
        certificate,
        "_max_reset_slope",
        lambda neuron, top: np.zeros_like(top),
    ),
    "tail(m) for tail(m/2)": (certificate, "spike_tail", lambda n, m: boxes.spike_tail(n, 2.0 * m)),
    "the weights forgotten": (certificate, "_max_row_sum", lambda w: 0.0),
    "the largest weight for the row sum": (
        certificate,
        "_max_row_sum",
        lambda w: 0.0 if w is None else np.abs(w).max(),
    ),
    "one step for all": (certificate, "geometric_sum", lambda k, steps: 1.0),
    "mean for the readout's weights": (
        sharp,
        "pool",
        lambda readout, s: s.mean(axis=0),
    ),
    "the hard reset in the boxes": (boxes, "_reset_box", _to_zero_only),
    "no radius": (
        boxes,
        "_affine_box",
        _centre_only,
    ),
    "half the tail": (boxes, "spike_tail", lambda n, m: 0.5 * n.spike(-m)),
    "no rounding": (boxes, "potential_rounding", _no_rounding),
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
