"""Every readout with every loss that it allows, in all gradients."""

import re
from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.model.loss import one_hot, softmax
from refsast.testing import TOLERANCE, Problem
from tests.gradient.extended import (
    complex_step_gap,
    generic_gaps,
    hessian_gap,
    sam_gap,
    single_gap,
    straight_through_gap,
)

NEURON = rs.LIF(0.9, 1.0, rs.Arctan(2.0))
CROSS, STEPS = rs.CrossEntropy(), rs.StepCrossEntropy()
PAIRS = [
    (rs.SpikeRate(3.0), CROSS),
    (rs.SpikeRate(3.0, 2), CROSS),
    (rs.SpikeRate(3.0, 2), STEPS),
    (rs.SpikeRate(3.0), STEPS),
    (rs.SpikeRate(3.0), rs.MeanSquaredRate(0.8, 0.1)),
    (rs.SpikeRate(3.0, 2), rs.MeanSquaredRate()),
    (rs.LinearReadout(3), CROSS),
    (rs.LinearReadout(3), STEPS),
    (rs.LeakyReadout(3, 0.7), CROSS),
    (rs.LeakyReadout(3, 0.7), STEPS),
    (rs.LastPotential(3, 0.7), CROSS),
    (rs.LastPotential(3, 0.0), CROSS),
    (rs.MaxPotential(3, 0.7), CROSS),
    (rs.MeanPotential(1.5), CROSS),
    (rs.MeanPotential(), STEPS),
]
pairs = pytest.mark.parametrize(("readout", "loss"), PAIRS, ids=str)


def make(readout: object, loss: object, bias: bool = True) -> Problem:
    """A generic problem with a readout and a loss."""
    network = rs.Network((5, 4, 6), NEURON, readout, bias=bias, recurrent=True, loss=loss)
    rng = np.random.default_rng(2)
    params = rs.unflatten(network, 0.7 * rng.normal(size=network.n_params))
    x, y = rng.normal(size=(6, 3, 5)), rng.integers(0, network.classes, 3)
    return Problem(network, params, x, y)


@pairs
def test_the_tape_gives_the_gradient_of_the_loss(readout, loss):
    assert complex_step_gap(make(readout, loss)) <= TOLERANCE


@pairs
@pytest.mark.parametrize("bias", [False, True])
def test_all_gradients_are_one(readout, loss, bias):
    assert max(generic_gaps(make(readout, loss, bias)).values()) <= TOLERANCE


@pairs
def test_all_that_is_made_of_gradients_is_right(readout, loss):
    case = make(readout, loss)

    assert straight_through_gap(case) <= TOLERANCE
    assert sam_gap(case) <= TOLERANCE
    assert hessian_gap(case) <= 1e-10
    assert single_gap(case, each_array=True) <= 1e-5


def generic(network: rs.Network) -> Problem:
    """A generic problem of a network."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 3, network.sizes[0])), rng.integers(network.classes, size=3)
    return Problem(network, rs.unflatten(network, rng.normal(size=network.n_params)), x, y)


def test_losses_are_what_they_say():
    """Means over recordings; of every step also over time; of rates also over classes."""
    network = rs.Network((4, 6), NEURON, rs.SpikeRate(3.0, population=2))
    case = generic(network)
    s, y = rs.run(network, case.params, case.x).s[-1], case.y
    classes = s.reshape(5, 3, 3, 2).mean(axis=3)
    truth = one_hot(y, 3)

    def loss_of(loss: object) -> float:
        other = replace(network, loss=loss)
        return float(rs.reference.loss(other, case.params, case.x, y))

    logits = 3.0 * classes.mean(axis=0)
    assert loss_of(rs.CrossEntropy()) == pytest.approx(
        -np.log((softmax(logits) * truth).sum(axis=1)).mean(), rel=1e-12
    )
    each = [-np.log((softmax(3.0 * step) * truth).sum(axis=1)) for step in classes]
    assert loss_of(rs.StepCrossEntropy()) == pytest.approx(np.mean(each), rel=1e-12)
    wanted = np.where(truth == 1.0, 0.8, 0.1)
    squares = (classes.mean(axis=0) - wanted) ** 2
    assert loss_of(rs.MeanSquaredRate(0.8, 0.1)) == pytest.approx(squares.mean(), rel=1e-12)


@pytest.mark.parametrize("kind", [rs.LeakyReadout, rs.LastPotential, rs.MaxPotential])
def test_readouts_of_potentials_are_what_they_say(kind):
    network = rs.Network((4, 6), NEURON, kind(2, 0.7))
    case = generic(network)
    trace, readout = rs.run(network, case.params, case.x), case.params[-1]

    v, vs = np.zeros((3, 2)), []
    for s in trace.s[-1]:
        v = 0.7 * v + s @ readout.w.T + readout.b
        vs.append(v)
    want = {
        rs.LeakyReadout: np.mean(vs, axis=0),
        rs.LastPotential: vs[-1],
        rs.MaxPotential: np.max(vs, axis=0),
    }[kind]

    assert trace.logits == pytest.approx(want, rel=1e-12)


def test_of_equal_potentials_the_first_has_the_derivative():
    """A leak of zero and the same input make all steps alike: only the first is differentiated."""
    neuron = rs.LIF(0.0, 1.0, rs.Arctan(2.0))
    network = rs.Network((1, 1), neuron, rs.MaxPotential(2, 0.0), bias=False)
    params = (rs.Layer(np.array([[0.7]])), rs.Layer(np.array([[1.0], [-1.0]])))

    for input_grad in (rs.reference.input_grad, rs.fast.input_grad):
        grads = input_grad(network, params, np.ones((3, 1, 1)), np.array([0]))
        assert grads[0, 0, 0] != 0.0
        assert (grads[1:] == 0.0).all()


def network(n: int = 5, **changes: object) -> rs.Network:
    options = {"readout": rs.SpikeRate(1.0)} | changes
    return rs.Network((4, n), NEURON, **options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: network(readout=rs.SpikeRate(1.0, 2)),
            "population must divide the neurons of the last layer, 5, got 2",
        ),
        (lambda: rs.SpikeRate(1.0, 0), "population must be a positive integer, got 0"),
        (lambda: rs.SpikeRate(1.0, 2.0), "population must be a positive integer, got 2.0"),
        (
            lambda: network(readout=rs.LinearReadout(2), loss=rs.MeanSquaredRate()),
            "readout must be SpikeRate for MeanSquaredRate, got LinearReadout(n_out=2)",
        ),
        (
            lambda: network(readout=rs.LastPotential(2, 0.5), loss=STEPS),
            "readout must speak at every step for StepCrossEntropy, "
            "got LastPotential(n_out=2, leak=0.5)",
        ),
        (
            lambda: network(readout=rs.MaxPotential(2, 0.5), loss=STEPS),
            "readout must speak at every step for StepCrossEntropy, "
            "got MaxPotential(n_out=2, leak=0.5)",
        ),
        (lambda: rs.MeanSquaredRate(1.5, 0.0), "right must lie in [0, 1], got 1.5"),
        (lambda: rs.MeanSquaredRate(0.5, -0.5), "wrong must lie in [0, 1], got -0.5"),
        (
            lambda: network(loss="ce"),
            "loss must be CrossEntropy, StepCrossEntropy or MeanSquaredRate, got 'ce'",
        ),
        (lambda: rs.LastPotential(0, 0.5), "n_out must be a positive integer, got 0"),
        (lambda: rs.MaxPotential(2, 1.5), "leak must lie in [0, 1], got 1.5"),
        (
            lambda: rs.MaxPotential(2, 0.5).time_weights(3),
            "readout must be linear in time, got MaxPotential",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(make, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make()


def test_the_weights_of_steps_are_those_of_the_equations_one_by_one():
    """Forward and backward share them, so that only numbers can tell."""
    for readout, want in (
        (rs.SpikeRate(3.0), [0.75, 0.75, 0.75, 0.75]),
        (rs.MeanPotential(3.0), [0.75, 0.75, 0.75, 0.75]),
        (rs.LinearReadout(2), [0.25, 0.25, 0.25, 0.25]),
        (rs.LeakyReadout(2, 0.5), [1.875 / 4, 1.75 / 4, 1.5 / 4, 1.0 / 4]),
        (rs.LastPotential(2, 0.5), [0.125, 0.25, 0.5, 1.0]),
    ):
        assert readout.time_weights(4).tolist() == want
