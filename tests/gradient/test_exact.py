"""Both gradients of parameters and inputs, against numerical derivatives."""

import numpy as np
import pytest
from hypothesis import given

import refsast as rs
from refsast.autodiff.numeric import complex_step_gradient
from refsast.testing import (
    TOLERANCE,
    Problem,
    error_ratio,
    min_examples,
    networks,
    params_error_ratio,
    problems,
    seeds,
    to_float32,
    to_float64,
)
from tests import oracle
from tests.gradient.error_bounds import add_markers, grad_from_markers


def loss_function(case: Problem):
    """The loss as a function of the flat parameters."""
    return lambda w: rs.reference.loss(case.network, rs.unflatten(case.network, w), case.x, case.y)


@pytest.mark.slow
@given(problems(detach=False))
@min_examples(500)
def test_the_tape_gives_the_gradient_of_the_loss(case):
    numeric = complex_step_gradient(loss_function(case), rs.flatten(case.params))

    value, grads = rs.reference.loss_and_grad(*case)

    assert value == rs.reference.loss(*case)
    assert error_ratio(rs.flatten(grads), numeric, rs.flatten(rs.rounding(*case)[0])) <= TOLERANCE


@given(problems())
@min_examples(500)
def test_both_gradients_are_one(case):
    loss, by_hand = rs.fast.loss_and_grad(*case)
    same, by_tape = rs.reference.loss_and_grad(*case)

    assert abs(loss - same) <= TOLERANCE * (1.0 + abs(same))
    assert params_error_ratio(by_hand, by_tape, rs.rounding(*case)[0]) <= TOLERANCE


READOUTS = [rs.SpikeRate(3.0), rs.LinearReadout(2), rs.LeakyReadout(2, 0.7)]


@pytest.mark.parametrize("readout", READOUTS)
def test_both_gradients_are_one_in_three_layers_with(readout):
    neuron = rs.LIF(0.8, 1.0, rs.Logistic(3.0))
    network = rs.Network((3, 4, 3, 2), neuron, readout, recurrent=True)
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(5, 2, 3)), np.array([0, 1])
    params = rs.unflatten(network, rng.normal(size=network.n_params))
    case = Problem(network, params, x, y)

    by_hand, by_tape = rs.fast.loss_and_grad(*case)[1], rs.reference.loss_and_grad(*case)[1]

    assert params_error_ratio(by_hand, by_tape, rs.rounding(*case)[0]) <= TOLERANCE
    assert abs(rs.flatten(by_hand)).min() > 1e-9


@given(networks(), seeds())
@min_examples(300)
def test_both_gradients_are_one_where_the_gradient_is_its_own_bound(network, seed):
    """An error bound may be far larger than the gradient; generic numbers need none."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(5, 2, network.sizes[0])), rng.integers(network.classes, size=2)
    params = rs.unflatten(network, rng.normal(size=network.n_params))

    by_hand = rs.flatten(rs.fast.loss_and_grad(network, params, x, y)[1])
    by_tape = rs.flatten(rs.reference.loss_and_grad(network, params, x, y)[1])

    assert np.linalg.norm(by_hand - by_tape) <= 1e-9 * np.linalg.norm(by_tape)


@given(problems().map(to_float32))
@min_examples(500)
def test_single_precision_gives_the_same_gradient_to_single_precision(case):
    exact = to_float64(case)
    loss, grads = rs.fast.loss_and_grad(*case)
    want, truth = rs.reference.loss_and_grad(*exact)

    assert rs.flatten(grads).dtype == np.float32
    assert params_error_ratio(grads, truth, rs.rounding(*exact)[0]) <= 1e-4
    assert abs(loss - want) <= 1e-4 * (1.0 + abs(want))


@pytest.mark.slow
@given(problems(detach=False))
@min_examples(500)
def test_the_gradient_in_the_input_is_that_of_the_loss(case):
    network, params, x, y = case
    numeric = complex_step_gradient(lambda x: rs.reference.loss(network, params, x, y), x)

    assert error_ratio(rs.reference.input_grad(*case), numeric, rs.rounding(*case)[1]) <= TOLERANCE


@given(problems())
@min_examples(500)
def test_both_gradients_in_the_input_are_one(case):
    by_hand, by_tape = rs.fast.input_grad(*case), rs.reference.input_grad(*case)
    columns = rs.fast.loss_and_grad(*add_markers(case))[1][0].w
    by_markers = grad_from_markers(case, columns, case.params[0].w)

    assert by_hand.shape == case.x.shape
    assert error_ratio(by_hand, by_tape, rs.rounding(*case)[1]) <= TOLERANCE
    assert error_ratio(by_markers, by_tape, rs.rounding(*case)[1]) <= TOLERANCE


@given(problems())
@min_examples(150)
def test_the_loss_is_that_of_a_plain_loop(case):
    want = oracle.loss(case)

    for loss in (rs.reference.loss(*case), rs.fast.loss_and_grad(*case)[0]):
        assert abs(loss - want) <= TOLERANCE * (1.0 + abs(want))


def test_both_gradients_are_one_on_a_single_step(tiny):
    case = tiny(time=1)
    by_hand, by_tape = rs.fast.loss_and_grad(*case)[1], rs.reference.loss_and_grad(*case)[1]

    assert params_error_ratio(by_hand, by_tape, rs.rounding(*case)[0]) <= TOLERANCE
    assert abs(by_hand[0].w).max() > 0.0
    assert (by_hand[0].v == 0.0).all()  # nothing has come back yet
