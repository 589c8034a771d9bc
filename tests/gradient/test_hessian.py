"""The exact product of the Hessian with a direction."""

import numpy as np
import pytest
from hypothesis import given

import refsast as rs
from refsast.autodiff.numeric import central_difference, complex_step
from refsast.testing import ANALYTIC, directions, min_examples, neurons, problems


def fast_gradient(case):
    """The gradient by hand, as a function of the flat parameters."""

    def grad(w):
        params = rs.unflatten(case.network, w)
        return rs.flatten(rs.fast.loss_and_grad(case.network, params, case.x, case.y)[1])

    return grad


@given(problems(families=ANALYTIC, detach=False), directions(200))
@min_examples(500)
def test_it_is_the_derivative_of_the_gradient(case, numbers):
    w = rs.flatten(case.params)
    direction = numbers[: w.size]

    product = rs.reference.hvp(*case, rs.unflatten(case.network, direction))
    numeric = complex_step(fast_gradient(case), w, direction)

    assert np.linalg.norm(rs.flatten(product) - numeric) <= 1e-10 * np.linalg.norm(numeric)


@pytest.mark.parametrize("family", [rs.FastSigmoid, rs.PiecewiseQuadratic])
def test_it_is_so_between_the_kinks_of_the_other_spikes(family, tiny):
    case = tiny(spike=family(0.7))
    direction = np.random.default_rng(1).standard_normal(case.network.n_params)

    product = rs.reference.hvp(*case, rs.unflatten(case.network, direction))
    numeric, error = central_difference(
        fast_gradient(case), rs.flatten(case.params), direction, step=1e-4
    )

    assert np.linalg.norm(error) < 1e-8 * np.linalg.norm(numeric)
    assert np.linalg.norm(rs.flatten(product) - numeric) < 1e-8 * np.linalg.norm(numeric)


@given(problems(families=ANALYTIC, detach=False), directions(200), directions(200))
@min_examples(100)
def test_it_is_symmetric(case, one, other):
    a, b = (numbers[: case.network.n_params] for numbers in (one, other))
    ha, hb = (rs.flatten(rs.reference.hvp(*case, rs.unflatten(case.network, d))) for d in (a, b))

    scale = np.linalg.norm(b) * np.linalg.norm(ha) + np.linalg.norm(a) * np.linalg.norm(hb)
    assert abs(b @ ha - a @ hb) <= 1e-10 * scale


@given(neurons(detach=True))
@min_examples(10)
def test_there_is_none_where_the_reset_is_detached(neuron):
    network = rs.Network((1, 1), neuron, rs.SpikeRate(1.0))
    params = rs.init(network, np.random.default_rng(0))

    with pytest.raises(ValueError, match=r"^detach_reset must be False .*, got True$"):
        rs.reference.hvp(network, params, np.ones((1, 1, 1)), np.array([0]), params)


def test_a_direction_of_another_shape_is_refused(tiny):
    case = tiny()

    with pytest.raises(ValueError, match=r"^direction must have 3 layers, got 2$"):
        rs.reference.hvp(*case, case.params[:2])
