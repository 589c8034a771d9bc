"""Every way through the fast room, against the tape: spikes, stretches of time, threads."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refsast as rs
from refsast.gradient.fast import products
from tests.gradient.yardsticks import of_straight_through
from tests.judge import EXACT, apart, params_apart
from tests.strategies import Case, at_least, cases, double, single

CHECKPOINTS = st.sampled_from([None, 1, 2, 3, 100])


def binary(case: Case) -> Case:
    """Return the case with its input made zeros and ones."""
    return replace(case, x=(case.x > 0.0).astype(float))


def by_events(gradient, case: Case, **options):
    """Return what a gradient makes of the input as spikes, multiplied as such."""
    return gradient(case.network, case.params, rs.as_spikes(case.x), case.y, **options)


@pytest.fixture(scope="module", autouse=True)
def _several_threads():
    """Split even the smallest product over three threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "SPLIT", 0)
        patch.setattr(products, "threads", lambda: 3)
        yield


@pytest.mark.slow
@given(cases().map(binary), CHECKPOINTS)
@at_least(500)
def test_spikes_give_the_gradient_of_the_array(case, checkpoint):
    loss, grads = by_events(rs.fast.loss_and_grad, case, dense_above=1.0, checkpoint=checkpoint)
    same, by_tape = rs.reference.loss_and_grad(*case)

    assert abs(loss - same) <= EXACT * (1.0 + abs(same))
    assert params_apart(grads, by_tape, rs.rounding(*case)[0]) <= EXACT


@pytest.mark.slow
@given(cases(), CHECKPOINTS)
@at_least(500)
def test_stretches_of_time_give_the_gradient_of_the_whole(case, checkpoint):
    loss, grads = rs.fast.loss_and_grad(*case, checkpoint=checkpoint)
    same, by_tape = rs.reference.loss_and_grad(*case)

    assert abs(loss - same) <= EXACT * (1.0 + abs(same))
    assert params_apart(grads, by_tape, rs.rounding(*case)[0]) <= EXACT


@pytest.mark.slow
@given(cases().map(binary), CHECKPOINTS)
@at_least(150)
def test_the_gradient_in_the_input_goes_the_same_ways(case, checkpoint):
    want, yardstick = rs.reference.input_grad(*case), rs.rounding(*case)[1]

    for got in (
        by_events(rs.fast.input_grad, case, checkpoint=checkpoint),
        rs.fast.input_grad(*case, checkpoint=checkpoint),
    ):
        assert apart(got, want, yardstick) <= EXACT


@pytest.mark.slow
@given(cases().map(binary), CHECKPOINTS)
@at_least(150)
def test_the_straight_through_estimate_goes_the_same_ways(case, checkpoint):
    options = {"checkpoint": checkpoint, "dense_above": 1.0}
    loss, estimate = by_events(rs.fast.straight_through, case, **options)
    same, by_tape = rs.reference.straight_through(*case)

    assert abs(loss - same) <= EXACT * (1.0 + abs(same))
    assert params_apart(estimate, by_tape, of_straight_through(case)) <= EXACT


@pytest.mark.slow
@given(cases().map(binary).map(single), CHECKPOINTS)
@at_least(300)
def test_single_precision_goes_the_same_ways(case, checkpoint):
    exact = double(case)
    _, grads = by_events(rs.fast.loss_and_grad, case, dense_above=1.0, checkpoint=checkpoint)
    _, truth = rs.reference.loss_and_grad(*exact)

    assert rs.flatten(grads).dtype == np.float32
    assert params_apart(grads, truth, rs.rounding(*exact)[0]) <= 1e-4


@pytest.mark.parametrize("dense_above", [0.0, 1.0, None])
@pytest.mark.parametrize("checkpoint", [None, 2])
def test_the_same_call_twice_gives_the_same_bits(tiny, dense_above, checkpoint):
    case, options = binary(tiny()), {"checkpoint": checkpoint, "dense_above": dense_above}

    (loss, grads), (again, others) = (
        by_events(rs.fast.loss_and_grad, case, **options) for _ in range(2)
    )

    assert loss == again
    assert rs.flatten(grads).tobytes() == rs.flatten(others).tobytes()


def test_how_many_threads_there_are_changes_no_bit(tiny, monkeypatch):
    case, bits = binary(tiny()), set()

    for count in (1, 2, 5):
        monkeypatch.setattr(products, "threads", lambda count=count: count)
        grads = by_events(rs.fast.loss_and_grad, case, dense_above=1.0)[1]
        bits.add(rs.flatten(grads).tobytes())

    assert len(bits) == 1


def wide(dtype, *, rows=40, n_in=120, n=96, seed=0):
    """A case wide enough for every kind of step, its potentials near threshold."""
    rng = np.random.default_rng(seed)
    net = rs.Network((n_in, n, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    w = rng.normal(size=net.n_params) * 0.3
    x = (rng.random((6, rows, n_in)) < 0.3).astype(dtype)
    params = rs.unflatten(net, w.astype(dtype))
    return Case(net, params, x, rng.integers(3, size=rows))
