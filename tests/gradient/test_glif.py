"""Every part of the generalised neuron, one at a time and all at once, in all gradients."""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.gradient.glif import backward_glif
from refsast.model.glif_step import unroll_glif
from refsast.testing import TOLERANCE, Problem
from tests.gradient.extended import (
    complex_step_gap,
    generic_gaps,
    hessian_gap,
    straight_through_gap,
    tape,
)

A = rs.Arctan(2.0)
SYNAPSE = {"synapse": rs.Synapse(0.7, 0.8), "synapse_leak": rs.Learned(0.7)}
DELAYED = rs.Synapse(0.7, 0.8, delayed=True)
EACH = rs.Learned(0.7, per_neuron=True, sigmoid=True)
NEURONS = {
    "numbers": rs.GLIF((0.9, 0.8, 0.7, 0.5), (1.0, 0.9, 0.8, 0.7), A, rs.Subtract()),
    "learned": rs.GLIF(rs.Learned(0.7), rs.Learned(1.0), A, rs.Subtract(leaked=True)),
    "subtract": rs.GLIF(rs.Learned(0.7), rs.Learned(1.0), A, rs.Subtract()),
    "none": rs.GLIF(rs.Learned(0.7), rs.Learned(1.0), A, rs.NoReset()),
    "each": rs.GLIF(EACH, rs.Learned(1.0, per_neuron=True), A),
    "sigmoid": rs.GLIF(rs.Learned(0.9, sigmoid=True), 1.0, A),
    "synapse": rs.GLIF(0.9, 1.0, A, **SYNAPSE),
    "fixed synapse": rs.GLIF(0.9, 1.0, A, synapse=rs.Synapse(0.6, 1.5)),
    "delayed": rs.GLIF(0.9, 1.0, A, rs.NoReset(), synapse=DELAYED, synapse_leak=EACH),
    "alpha": rs.GLIF(0.9, 1.0, A, synapse=rs.Alpha(0.7, 0.5, 0.8)),
    "alpha, delayed": rs.GLIF(0.9, 1.0, A, synapse=rs.Alpha(0.7, 0.5, 0.8, delayed=True)),
    "adaptation": rs.GLIF(
        0.9, rs.Learned(1.0), A, rs.Subtract(), adaptation=rs.Adaptation(0.9, 0.3)
    ),
    "refractory 1": rs.GLIF(0.9, 1.0, A, refractory=1),
    "refractory 2": rs.GLIF(0.9, 1.0, A, rs.Subtract(), refractory=2),
    "start": rs.GLIF(0.9, 1.0, A, learn_start=True),
    "all": rs.GLIF(
        rs.Learned(0.9, sigmoid=True),
        rs.Learned(1.0, per_neuron=True),
        rs.Logistic(3.0),
        rs.Subtract(),
        **SYNAPSE,
        adaptation=rs.Adaptation(0.8, 0.4),
        refractory=3,
        learn_start=True,
    ),
}
kinds = pytest.mark.parametrize("kind", NEURONS)
recurrence = pytest.mark.parametrize("recurrent", [False, True])


def make(neuron: rs.GLIF, recurrent: bool = True, time: int = 6) -> Problem:
    """Two layers of a neuron with generic numbers, none of them at an edge of its range."""
    network = rs.Network((5, 4, 4), neuron, rs.LinearReadout(3), recurrent=recurrent)
    rng, w = np.random.default_rng(1), rs.flatten(rs.init(network, 0))
    params = rs.unflatten(network, w + rng.uniform(-0.2, 0.2, size=w.size))
    return Problem(network, params, rng.normal(size=(time, 3, 5)), rng.integers(0, 3, 3))


@kinds
@recurrence
def test_the_tape_gives_the_gradient_of_the_loss(kind, recurrent):
    assert complex_step_gap(make(NEURONS[kind], recurrent)) <= TOLERANCE


@kinds
@recurrence
def test_all_gradients_are_one(kind, recurrent):
    assert max(generic_gaps(make(NEURONS[kind], recurrent)).values()) <= TOLERANCE


@kinds
def test_all_gradients_are_one_where_the_reset_is_detached(kind):
    case = make(replace(NEURONS[kind], detach_reset=True))
    attached = make(NEURONS[kind])

    assert max(generic_gaps(case).values()) <= TOLERANCE
    same = np.array_equal(rs.flatten(tape(case)[1]), rs.flatten(tape(attached)[1]))
    assert same == isinstance(NEURONS[kind].reset, rs.NoReset)


@kinds
def test_the_straight_through_estimate_is_that_of_the_tape(kind):
    assert straight_through_gap(make(NEURONS[kind]), checkpoint=4) <= TOLERANCE


@kinds
def test_the_product_with_the_hessian_is_a_derivative_of_the_gradient(kind):
    assert hessian_gap(make(NEURONS[kind])) <= 1e-10


@kinds
def test_every_learned_number_has_a_gradient(kind):
    """What does not reach the loss would be right in every comparison above."""
    for layer in tape(make(NEURONS[kind]))[1]:
        for name in ("leak", "threshold", "synapse_leak", "start"):
            grad = getattr(layer, name)
            assert grad is None or (grad != 0.0).all()


@kinds
def test_a_run_in_two_halves_has_the_cotangents_of_the_whole(kind):
    """What the state between them receives carries all that the second half says of the first."""
    case = make(NEURONS[kind])
    neuron, layer = case.network.neurons[0], case.params[0]
    rng = np.random.default_rng(0)
    currents, g = rng.normal(size=(2, 6, 3, 4))
    states = unroll_glif(neuron, layer, currents)

    whole = backward_glif(neuron, layer, states, g)
    second = backward_glif(neuron, layer, states[3:], g[3:])
    first = backward_glif(neuron, layer, states[:4], g[:3], second.before)

    assert np.array_equal(np.concatenate([first.delta, second.delta]), whole.delta)
    for name, grad in whole.learned.items():
        both = first.learned[name] + (0.0 if name == "start" else second.learned[name])
        assert both == pytest.approx(grad, rel=1e-12)
