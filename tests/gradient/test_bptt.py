"""The page that teaches, against the tape and the fast gradient, on every variant of a network."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given

import refsast as rs
from refsast.testing import (
    RESETS,
    SURROGATES,
    TOLERANCE,
    Problem,
    min_examples,
    params_error_ratio,
    problems,
    to_float32,
    to_float64,
)

READOUTS = (rs.SpikeRate(3.0), rs.LinearReadout(3), rs.LeakyReadout(3, 0.7))
BOTH = (False, True)


def agrees(case: Problem) -> bool:
    """Whether loss and gradient are those of the tape and of the fast path, to rounding."""
    loss, grads = rs.bptt.loss_and_grad(*case)
    bounds = rs.rounding(*case)[0]
    return all(
        abs(loss - same) <= TOLERANCE * (1.0 + abs(same))
        and params_error_ratio(grads, others, bounds) <= TOLERANCE
        for same, others in (rs.reference.loss_and_grad(*case), rs.fast.loss_and_grad(*case))
    )


@given(problems())
@min_examples(500)
def test_three_gradients_are_one(case):
    assert agrees(case)


@pytest.mark.parametrize("spike", SURROGATES)
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("readout", READOUTS)
def test_they_are_one_on_every_variant(spike, reset, readout):
    """Generic numbers, so that no entry is zero, and one neuron per layer."""
    rng = np.random.default_rng(1)
    for detach, bias, recurrent in product(BOTH, repeat=3):
        first = rs.LIF(0.8, 1.0, spike(2.0), reset, detach)
        network = rs.Network(
            (3, 4, 3), (first, rs.LIF(0.6, 0.5, spike(1.0))), readout, bias, recurrent
        )
        params = rs.unflatten(network, rng.normal(size=network.n_params))

        assert agrees(Problem(network, params, rng.normal(size=(4, 2, 3)), np.array([0, 2])))


def test_spikes_and_single_precision_are_computed_in_double(tiny):
    case = to_float32(tiny())
    loss, grads = rs.bptt.loss_and_grad(*case)
    same, others = rs.bptt.loss_and_grad(*to_float64(case))
    again, sparse = rs.bptt.loss_and_grad(case.network, case.params, rs.as_spikes(case.x), case.y)

    assert loss == same == again
    assert rs.flatten(grads).dtype == np.float64
    assert rs.flatten(grads).tobytes() == rs.flatten(others).tobytes()
    assert rs.flatten(grads).tobytes() == rs.flatten(sparse).tobytes()


def test_they_are_one_on_a_single_step(tiny):
    assert agrees(tiny(time=1))
