"""A detached reset: no gradient of the loss, but the gradient of one with the resets held fixed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

import refsast as rs
from refsast.testing import TOLERANCE, Problem, error_ratio, min_examples, problems
from tests import oracle

STEP = 1e-40


def perturb(case: Problem, entry: int) -> Problem:
    """Return the case with one parameter moved by an imaginary step."""
    w = rs.flatten(case.params).astype(complex)
    w[entry] += 1j * STEP
    return replace(case, params=rs.unflatten(case.network, w))


@given(problems(detach=True))
@min_examples(100)
def test_it_is_the_gradient_of_a_loss_whose_resets_are_held_fixed(case):
    held = oracle.run(case)[1]
    moves = [oracle.loss(perturb(case, i), frozen=held) for i in range(case.network.n_params)]
    want, bounds = np.imag(moves) / STEP, rs.flatten(rs.rounding(*case)[0])

    for gradient in (rs.fast, rs.reference):
        got = rs.flatten(gradient.loss_and_grad(*case)[1])
        assert error_ratio(got, want, bounds) <= TOLERANCE


@pytest.mark.parametrize("reset", [rs.ToZero(), rs.Subtract(), rs.Subtract(leaked=True)])
def test_it_changes_the_gradient_and_not_the_loss(reset, tiny):
    loss, exact = rs.fast.loss_and_grad(*tiny(reset))
    same, biased = rs.fast.loss_and_grad(*tiny(reset, detach_reset=True))

    assert loss == same
    assert np.linalg.norm(rs.flatten(exact) - rs.flatten(biased)) > 1e-3


def test_it_changes_nothing_where_there_is_no_reset(tiny):
    exact = rs.fast.loss_and_grad(*tiny(rs.NoReset()))[1]
    detached = rs.fast.loss_and_grad(*tiny(rs.NoReset(), detach_reset=True))[1]

    assert (rs.flatten(exact) == rs.flatten(detached)).all()


def test_one_detached_layer_among_others_detaches_only_itself(tiny):
    case = tiny()
    plain, detached = case.network.neuron, replace(case.network.neuron, detach_reset=True)
    pairs = [(plain, plain), (plain, detached), (detached, plain), (detached, detached)]
    variants = [replace(case, network=replace(case.network, neuron=pair)) for pair in pairs]

    grads = {rs.flatten(rs.fast.loss_and_grad(*variant)[1]).tobytes() for variant in variants}

    assert len(grads) == 4
