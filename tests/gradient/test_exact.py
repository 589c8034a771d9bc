"""Both gradients of parameters and inputs, against judges that know neither."""

import numpy as np
import pytest
from hypothesis import given

import refsast as rs
from refsast.autodiff.numeric import complex_step_gradient
from tests import oracle
from tests.gradient.yardsticks import marked, through_inputs
from tests.judge import EXACT, apart, params_apart
from tests.strategies import Case, at_least, cases, double, networks, seeds, single


def loss_of(case: Case):
    """The loss as a function of the flat parameters."""
    return lambda w: rs.reference.loss(case.network, rs.unflatten(case.network, w), case.x, case.y)


@pytest.mark.slow
@given(cases(detach=False))
@at_least(500)
def test_the_tape_gives_the_gradient_of_the_loss(case):
    judged = complex_step_gradient(loss_of(case), rs.flatten(case.params))

    value, grads = rs.reference.loss_and_grad(*case)

    assert value == rs.reference.loss(*case)
    assert apart(rs.flatten(grads), judged, rs.flatten(rs.rounding(*case)[0])) <= EXACT


@pytest.mark.slow
@given(cases())
@at_least(500)
def test_both_gradients_are_one(case):
    loss, by_hand = rs.fast.loss_and_grad(*case)
    same, by_tape = rs.reference.loss_and_grad(*case)

    assert abs(loss - same) <= EXACT * (1.0 + abs(same))
    assert params_apart(by_hand, by_tape, rs.rounding(*case)[0]) <= EXACT


READOUTS = [rs.SpikeRate(3.0), rs.LinearReadout(2), rs.LeakyReadout(2, 0.7)]


@pytest.mark.parametrize("readout", READOUTS)
def test_both_gradients_are_one_in_three_layers_with(readout):
    neuron = rs.LIF(0.8, 1.0, rs.Logistic(3.0))
    network = rs.Network((3, 4, 3, 2), neuron, readout, recurrent=True)
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(5, 2, 3)), np.array([0, 1])
    params = rs.unflatten(network, rng.normal(size=network.n_params))
    case = Case(network, params, x, y)

    by_hand, by_tape = rs.fast.loss_and_grad(*case)[1], rs.reference.loss_and_grad(*case)[1]

    assert params_apart(by_hand, by_tape, rs.rounding(*case)[0]) <= EXACT
    assert abs(rs.flatten(by_hand)).min() > 1e-9


@pytest.mark.slow
@given(networks(), seeds())
@at_least(300)
def test_both_gradients_are_one_where_the_yardstick_is_the_gradient(network, seed):
    """Any yardstick may be far longer than the gradient; generic numbers need none."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(5, 2, network.sizes[0])), rng.integers(network.classes, size=2)
    params = rs.unflatten(network, rng.normal(size=network.n_params))

    by_hand = rs.flatten(rs.fast.loss_and_grad(network, params, x, y)[1])
    by_tape = rs.flatten(rs.reference.loss_and_grad(network, params, x, y)[1])

    assert np.linalg.norm(by_hand - by_tape) <= 1e-9 * np.linalg.norm(by_tape)


@pytest.mark.slow
@given(cases().map(single))
@at_least(500)
def test_single_precision_gives_the_same_gradient_to_single_precision(case):
    exact = double(case)
    loss, grads = rs.fast.loss_and_grad(*case)
    want, truth = rs.reference.loss_and_grad(*exact)

    assert rs.flatten(grads).dtype == np.float32
    assert params_apart(grads, truth, rs.rounding(*exact)[0]) <= 1e-4
    assert abs(loss - want) <= 1e-4 * (1.0 + abs(want))


@pytest.mark.slow
@given(cases(detach=False))
@at_least(500)
def test_the_gradient_in_the_input_is_that_of_the_loss(case):
    network, params, x, y = case
    judged = complex_step_gradient(lambda x: rs.reference.loss(network, params, x, y), x)

    assert apart(rs.reference.input_grad(*case), judged, rs.rounding(*case)[1]) <= EXACT


@pytest.mark.slow
@given(cases())
@at_least(500)
def test_both_gradients_in_the_input_are_one(case):
    by_hand, by_tape = rs.fast.input_grad(*case), rs.reference.input_grad(*case)
    columns = rs.fast.loss_and_grad(*marked(case))[1][0].w
    by_markers = through_inputs(case, columns, case.params[0].w)

    assert by_hand.shape == case.x.shape
    assert apart(by_hand, by_tape, rs.rounding(*case)[1]) <= EXACT
    assert apart(by_markers, by_tape, rs.rounding(*case)[1]) <= EXACT


@pytest.mark.slow
@given(cases())
@at_least(150)
def test_the_loss_is_that_of_a_plain_loop(case):
    want = oracle.loss(case)

    for loss in (rs.reference.loss(*case), rs.fast.loss_and_grad(*case)[0]):
        assert abs(loss - want) <= EXACT * (1.0 + abs(want))


def test_both_gradients_are_one_on_a_single_step(tiny):
    case = tiny(time=1)
    by_hand, by_tape = rs.fast.loss_and_grad(*case)[1], rs.reference.loss_and_grad(*case)[1]

    assert params_apart(by_hand, by_tape, rs.rounding(*case)[0]) <= EXACT
    assert abs(by_hand[0].w).max() > 0.0
    assert (by_hand[0].v == 0.0).all()  # nothing has come back yet
