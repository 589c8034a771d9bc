"""Every way through the fast gradient, against the tape: spikes, chunks of time, threads."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refsast as rs
from refsast import cores
from refsast.gradient.fast import inputs
from refsast.testing import (
    TOLERANCE,
    Problem,
    error_ratio,
    min_examples,
    params_error_ratio,
    problems,
    to_float32,
    to_float64,
)
from tests.gradient.error_bounds import straight_through_bounds

CHECKPOINTS = st.sampled_from([None, 1, 2, 3, 100])


def binarize(case: Problem) -> Problem:
    """Return the case with its input made zeros and ones."""
    return replace(case, x=(case.x > 0.0).astype(float))


def call_with_spikes(gradient, case: Problem, **options):
    """Return what a gradient makes of the input as spikes, multiplied as such."""
    return gradient(case.network, case.params, rs.as_spikes(case.x), case.y, **options)


@pytest.fixture(scope="module", autouse=True)
def _several_threads():
    """Split even the smallest product over three threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "MIN_ONES_FOR_THREADS", 0)
        patch.setattr(cores, "thread_count", lambda: 3)
        yield


@given(problems().map(binarize), CHECKPOINTS)
@min_examples(500)
def test_spikes_give_the_gradient_of_the_array(case, checkpoint):
    loss, grads = call_with_spikes(
        rs.fast.loss_and_grad, case, dense_above=1.0, checkpoint=checkpoint
    )
    same, by_tape = rs.reference.loss_and_grad(*case)

    assert abs(loss - same) <= TOLERANCE * (1.0 + abs(same))
    assert params_error_ratio(grads, by_tape, rs.rounding(*case)[0]) <= TOLERANCE


@given(problems(), CHECKPOINTS)
@min_examples(500)
def test_chunks_of_time_give_the_gradient_of_the_whole(case, checkpoint):
    loss, grads = rs.fast.loss_and_grad(*case, checkpoint=checkpoint)
    same, by_tape = rs.reference.loss_and_grad(*case)

    assert abs(loss - same) <= TOLERANCE * (1.0 + abs(same))
    assert params_error_ratio(grads, by_tape, rs.rounding(*case)[0]) <= TOLERANCE


@given(problems().map(binarize), CHECKPOINTS)
@min_examples(150)
def test_the_gradient_in_the_input_goes_the_same_ways(case, checkpoint):
    want, bounds = rs.reference.input_grad(*case), rs.rounding(*case)[1]

    for got in (
        call_with_spikes(rs.fast.input_grad, case, checkpoint=checkpoint),
        rs.fast.input_grad(*case, checkpoint=checkpoint),
    ):
        assert error_ratio(got, want, bounds) <= TOLERANCE


@given(problems().map(binarize), CHECKPOINTS)
@min_examples(150)
def test_the_straight_through_estimate_goes_the_same_ways(case, checkpoint):
    options = {"checkpoint": checkpoint, "dense_above": 1.0}
    loss, estimate = call_with_spikes(rs.fast.straight_through, case, **options)
    same, by_tape = rs.reference.straight_through(*case)

    assert abs(loss - same) <= TOLERANCE * (1.0 + abs(same))
    assert params_error_ratio(estimate, by_tape, straight_through_bounds(case)) <= TOLERANCE


@given(problems().map(binarize).map(to_float32), CHECKPOINTS)
@min_examples(300)
def test_single_precision_goes_the_same_ways(case, checkpoint):
    exact = to_float64(case)
    _, grads = call_with_spikes(rs.fast.loss_and_grad, case, dense_above=1.0, checkpoint=checkpoint)
    _, truth = rs.reference.loss_and_grad(*exact)

    assert rs.flatten(grads).dtype == np.float32
    assert params_error_ratio(grads, truth, rs.rounding(*exact)[0]) <= 1e-4


@pytest.mark.parametrize("dense_above", [0.0, 1.0, None])
@pytest.mark.parametrize("checkpoint", [None, 2])
def test_the_same_call_twice_gives_the_same_bits(tiny, dense_above, checkpoint):
    case, options = binarize(tiny()), {"checkpoint": checkpoint, "dense_above": dense_above}

    (loss, grads), (again, others) = (
        call_with_spikes(rs.fast.loss_and_grad, case, **options) for _ in range(2)
    )

    assert loss == again
    assert rs.flatten(grads).tobytes() == rs.flatten(others).tobytes()


def test_how_many_threads_there_are_changes_no_bit(tiny, monkeypatch):
    case, bits = binarize(tiny()), set()

    for count in (1, 2, 5):
        monkeypatch.setattr(cores, "thread_count", lambda count=count: count)
        grads = call_with_spikes(rs.fast.loss_and_grad, case, dense_above=1.0)[1]
        bits.add(rs.flatten(grads).tobytes())

    assert len(bits) == 1


def wide_case(dtype, *, rows=40, n_in=120, n=96, seed=0):
    """A case wide enough for every kind of step, its potentials near threshold."""
    rng = np.random.default_rng(seed)
    net = rs.Network((n_in, n, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    w = rng.normal(size=net.n_params) * 0.3
    x = (rng.random((6, rows, n_in)) < 0.3).astype(dtype)
    params = rs.unflatten(net, w.astype(dtype))
    return Problem(net, params, x, rng.integers(3, size=rows))
