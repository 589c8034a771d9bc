"""Scores of networks whose answers are known."""

import sys

import numpy as np
import pytest

import refsast as rs
from refsast.experiment.evaluate import evaluate, potential_histogram

NEURON = rs.LIF(0.0, 1.0, rs.Arctan(2.0))
NETWORK = rs.Network((2, 2), NEURON, rs.SpikeRate(1.0), bias=False)


def identity(scale: float) -> rs.Params:
    return (rs.Layer(scale * np.eye(2)),)


def one_hot_inputs(labels: list[int]) -> np.ndarray:
    return np.eye(2)[np.array(labels)][None]


def test_accuracy_counts_the_recordings_that_are_read_correctly():
    x = one_hot_inputs([0, 1, 1, 0])

    scores = evaluate(NETWORK, identity(1.5), x, np.array([0, 1, 0, 0]))

    assert (scores.smooth, scores.hard, scores.gap) == (0.75, 0.75, 0.0)


def test_the_gap_is_what_the_swap_to_hard_spikes_costs():
    """A potential of 0.9 never fires hard, so both logits are zero and class 0 is answered."""
    scores = evaluate(NETWORK, identity(0.9), one_hot_inputs([0, 1]), np.array([0, 1]))

    assert (scores.smooth, scores.hard, scores.gap) == (1.0, 0.5, 0.5)


def test_the_loss_is_that_of_the_smooth_network():
    x, y = one_hot_inputs([0, 1, 1]), np.array([0, 1, 0])

    assert evaluate(NETWORK, identity(1.5), x, y).loss == pytest.approx(
        float(rs.reference.loss(NETWORK, identity(1.5), x, y)), rel=1e-14
    )


def test_chunks_do_not_change_the_answer(monkeypatch):
    rng = np.random.default_rng(0)
    network = rs.Network((5, 4, 3), NEURON, rs.SpikeRate(2.0))
    params = rs.init(network, rng)
    x, y = 3.0 * rng.random((4, 11, 5)), rng.integers(0, 3, 11)
    whole = evaluate(network, params, x, y)

    monkeypatch.setattr(sys.modules[evaluate.__module__], "CHUNK", 3)

    pieces = evaluate(network, params, x, y)
    assert (pieces.smooth, pieces.hard) == (whole.smooth, whole.hard)
    assert pieces.loss == pytest.approx(whole.loss, rel=1e-14)


def test_the_membrane_histogram_is_a_share_of_all_potentials():
    x = one_hot_inputs([0, 0, 0, 1])  # potentials 1.5 and 0, distances 0.5 and -1
    edges = np.array([-2.0, -0.5, 0.0, 1.0])

    np.testing.assert_allclose(
        potential_histogram(NETWORK, identity(1.5), x, edges), [[0.5, 0.0, 0.5]]
    )


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        (np.zeros((2, 3)), np.zeros(3, int), "x must have shape"),
        (np.zeros((1, 0, 2)), np.zeros(0, int), "x must have shape"),
        (np.zeros((1, 2, 2)), np.zeros(3, int), "y must have shape"),
        (np.zeros((1, 2, 2)), np.array([0, 2]), "y must lie in"),
        (np.full((1, 2, 2), np.nan), np.array([0, 1]), "x must be finite"),
        (np.zeros((1, 2, 3)), np.array([0, 1]), "x must have shape"),
        (np.zeros((1, 2, 2), complex), np.array([0, 1]), "x must hold real numbers"),
    ],
)
def test_bad_recordings_are_refused(x, y, says):
    with pytest.raises(ValueError, match=says):
        evaluate(NETWORK, identity(1.0), x, y)


def test_a_tie_is_counted_by_two_rules_and_silence_apart():
    """Inputs: class 0; none at all; both at once; class 1, which the second row asks for."""
    x = np.array([[[1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [0.0, 1.0]]])
    y = np.array([0, 1, 1, 1])

    scores = evaluate(NETWORK, identity(1.5), x, y)

    assert scores.hard == 0.5  # the two ties go to class 0
    assert scores.hard_shared == (1 + 0.5 + 0.5 + 1) / 4
    assert (scores.tied, scores.silent) == (0.5, 0.25)


def test_the_silent_share_is_that_of_the_last_spiking_layer_also_before_a_linear_readout():
    network = rs.Network((2, 2), NEURON, rs.LinearReadout(2))
    params = (
        rs.Layer(1.5 * np.eye(2), np.zeros(2)),
        rs.Layer(np.eye(2), np.array([0.0, 1.0])),
    )
    x = np.array([[[1.0, 0.0], [0.0, 0.0]]])

    scores = evaluate(network, params, x, np.array([0, 1]))

    assert (scores.silent, scores.tied) == (0.5, 0.5)  # the silent one is told by its bias
