"""What must hold of any gradient of a mean: batches, order, repetition, long recordings."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refsast as rs
from refsast.testing import (
    TOLERANCE,
    Problem,
    error_ratio,
    min_examples,
    params_error_ratio,
    problems,
)

GRADIENTS = [rs.fast.loss_and_grad, rs.reference.loss_and_grad, rs.straight_through]


def mean_result(results):
    """Return the mean loss and the mean gradient of several batches."""
    losses, grads = zip(*results, strict=True)
    return np.mean(losses), np.mean([rs.flatten(g) for g in grads], axis=0)


@given(problems(), st.randoms(use_true_random=False))
@min_examples(100)
def test_a_batch_is_the_mean_of_its_recordings_in_any_order(case, random):
    network, params, x, y = case
    order = list(range(y.size))
    random.shuffle(order)
    bounds = rs.flatten(rs.rounding(*case)[0])

    loss, grads = rs.fast.loss_and_grad(*case)
    one_by_one = [rs.fast.loss_and_grad(network, params, x[:, [k]], y[[k]]) for k in order]
    shuffled_loss, shuffled = rs.fast.loss_and_grad(network, params, x[:, order], y[order])

    for other_loss, other in (mean_result(one_by_one), (shuffled_loss, rs.flatten(shuffled))):
        assert abs(other_loss - loss) <= TOLERANCE * (1.0 + abs(loss))
        assert error_ratio(other, rs.flatten(grads), bounds) <= TOLERANCE


@given(problems())
@min_examples(50)
def test_a_recording_twice_in_a_batch_counts_twice_in_the_input_gradient(case):
    network, params, x, y = case
    doubled = Problem(network, params, np.concatenate([x, x], 1), np.concatenate([y, y]))

    once, twice = rs.fast.input_grad(*case), rs.fast.input_grad(*doubled)

    for half in (twice[:, : y.size], twice[:, y.size :]):
        assert error_ratio(half, 0.5 * once, rs.rounding(*case)[1]) <= TOLERANCE


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_the_same_call_twice_gives_the_same_bits(gradient, tiny):
    (loss, grads), (again, grads_again) = (gradient(*tiny()) for _ in range(2))

    assert loss == again
    assert rs.flatten(grads).tobytes() == rs.flatten(grads_again).tobytes()


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_an_input_neuron_that_is_silent_and_one_that_weighs_nothing_change_nothing(gradient, tiny):
    case = tiny()
    first = case.params[0]
    silent = Problem(
        replace(case.network, sizes=(4, 4, 3)),
        (replace(first, w=np.hstack([first.w, np.zeros((4, 1))])), *case.params[1:]),
        np.concatenate([case.x, np.zeros((*case.x.shape[:2], 1))], 2),
        case.y,
    )

    (loss, grads), (same, wider) = gradient(*case), gradient(*silent)

    assert loss == pytest.approx(same, rel=1e-14)
    assert (wider[0].w[:, 3] == 0.0).all()
    narrower = (replace(wider[0], w=wider[0].w[:, :3]), *wider[1:])
    assert params_error_ratio(narrower, grads, rs.rounding(*case)[0]) <= TOLERANCE


def test_integers_booleans_and_lists_are_inputs_too(tiny):
    case = tiny()
    want = rs.flatten(rs.fast.loss_and_grad(*case)[1])

    for x, y in (
        (case.x.astype(np.uint8), case.y.astype(np.int8)),
        (case.x.astype(bool), case.y.astype(np.uint16)),
        (case.x.tolist(), case.y.tolist()),
        (np.asfortranarray(case.x), case.y[::1]),
    ):
        got = rs.flatten(rs.fast.loss_and_grad(case.network, case.params, x, y)[1])
        assert error_ratio(got, want, rs.flatten(rs.rounding(*case)[0])) <= TOLERANCE


def test_a_thousand_steps(tiny):
    case = tiny(time=1000)

    by_hand, by_tape = rs.fast.loss_and_grad(*case)[1], rs.reference.loss_and_grad(*case)[1]

    assert np.linalg.norm(rs.flatten(by_hand)) > 1e-6
    gap = rs.flatten(by_hand) - rs.flatten(by_tape)
    assert np.linalg.norm(gap) <= 1e-10 * np.linalg.norm(rs.flatten(by_tape))
