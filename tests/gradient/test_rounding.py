"""The error bounds: large enough for every rounding, and small enough to be of use."""

import numpy as np
import pytest
from hypothesis import given

import refsast as rs
from refsast.testing import (
    TOLERANCE,
    Problem,
    error_ratio,
    min_examples,
    params_error_ratio,
    problems,
)


@given(problems())
@min_examples(500)
def test_it_has_the_shapes_of_what_it_measures_and_no_sign(case):
    of_params, of_input = rs.rounding(*case)

    assert [r.w.shape for r in of_params] == [layer.w.shape for layer in case.params]
    assert [set(vars(r)) for r in of_params] == [set(vars(layer)) for layer in case.params]
    assert (rs.flatten(of_params) >= 0.0).all()
    assert of_input.shape == case.x.shape
    assert (of_input >= 0.0).all()


@given(problems())
@min_examples(300)
def test_a_modest_multiple_of_one_rounding_covers_both_gradients(case):
    """Far below the 1e-12 that is asked for: 1e-14 is ninety roundings."""
    by_hand, by_tape = rs.fast.loss_and_grad(*case)[1], rs.reference.loss_and_grad(*case)[1]

    assert params_error_ratio(by_hand, by_tape, rs.rounding(*case)[0]) <= 1e-14


def faint_case() -> Problem:
    """A network whose first weight has a gradient of about 1e-12."""
    neuron = rs.LIF(0.5, 1.0, rs.Arctan(2.0))
    network = rs.Network((1, 1, 2), neuron, rs.SpikeRate(1.0), bias=False)
    params = (rs.Layer(np.array([[1e-3]])), rs.Layer(np.array([[1e-9], [-2e-9]])))
    return Problem(network, params, np.full((3, 1, 1), 1e-2), np.array([0]))


def test_a_relative_error_of_1e_9_in_an_entry_of_1e_12_is_caught():
    case = faint_case()
    grads = rs.flatten(rs.fast.loss_and_grad(*case)[1])
    size = rs.flatten(rs.rounding(*case)[0])
    wrong = grads.copy()
    wrong[0] *= 1.0 + 1e-9

    assert 1e-13 < abs(grads[0]) < 1e-11
    assert error_ratio(wrong, grads, size) > TOLERANCE
    assert np.allclose(wrong, grads, rtol=1e-7, atol=1e-8)  # where the usual checkers pass it
    wrong[0] = 2.0 * grads[0]
    assert np.allclose(wrong, grads, rtol=1e-7, atol=1e-8)


def detectable_share(time: int, error: float, reset: object = None) -> float:
    """Return the share of entries in which a relative error is larger than rounding may be."""
    shares = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        neuron = rs.LIF(0.9, 1.0, rs.Arctan(2.0), reset or rs.ToZero())
        network = rs.Network((8, 6, 4), neuron, rs.LinearReadout(4))
        params, x = rs.init(network, rng), (rng.random((time, 3, 8)) < 0.3).astype(float)
        case = Problem(network, params, x, rng.integers(4, size=3))
        grads = rs.flatten(rs.fast.loss_and_grad(*case)[1])
        shares.append(np.mean(error * abs(grads) > TOLERANCE * rs.flatten(rs.rounding(*case)[0])))
    return float(np.mean(shares))


def test_it_sees_a_relative_error_of_1e_9_in_most_entries_of_a_short_run():
    assert detectable_share(2, 1e-9) > 0.8


@pytest.mark.parametrize("reset", [rs.ToZero(), rs.Subtract(leaked=True), rs.NoReset()])
def test_it_sees_it_on_a_long_run_too(reset):
    assert detectable_share(100, 1e-9, reset) > 0.7
    assert detectable_share(100, 1e-7, reset) > 0.95


def test_the_judge_counts_what_cannot_be_compared_as_infinitely_far(tiny):
    grads = rs.fast.loss_and_grad(*tiny())[1]
    one = np.ones(2)

    assert error_ratio(one, one, 0.0 * one) == 0.0
    assert error_ratio(one, 2.0 * one, 4.0 * one) == 0.25
    assert error_ratio(one, np.array([1.0, 1.5]), 0.0 * one) == np.inf
    assert error_ratio(one, np.array([1.0, np.nan]), one) == np.inf
    assert error_ratio(one, one[:1], one) == np.inf
    assert params_error_ratio(grads[:2], grads, grads) == np.inf
    assert params_error_ratio(grads, grads, grads) == 0.0
