"""Resets and one step of a neuron, number by number."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refsast as rs
from proofs_check.certified.constants import kappa, map_curvature
from proofs_check.claims.stability import max_reset_drop
from refsast.autodiff.numeric import complex_step
from refsast.gradient.fast.kernels import RESET_KERNELS
from refsast.model.lif import step
from refsast.model.reset import Reset
from refsast.testing import RESETS, fractions, min_examples, neurons, numbers
from tests import oracle

potentials, spikes = numbers(5.0), numbers(1.0).map(abs)
leaks, thresholds = fractions(0.0, 1.0, 0.0, 0.5, 1.0), fractions(0.1, 2.0, 0.5, 1.0)


@given(st.sampled_from(RESETS), leaks, thresholds, potentials, spikes)
@min_examples(300)
def test_the_partials_are_the_derivatives(reset, leak, threshold, u, s):
    one = np.ones(1)
    at_u, at_s = np.array([u]), np.array([s])
    by_u = complex_step(lambda u: reset(leak, threshold, u, at_s), at_u, one)
    by_s = complex_step(lambda s: reset(leak, threshold, at_u, s) + 0.0 * s, at_s, one)

    r_u, r_s = reset.partials(leak, threshold, at_u, at_s)

    assert by_u == pytest.approx(r_u * one, rel=1e-14, abs=1e-300)
    assert by_s == pytest.approx(r_s * one, rel=1e-14, abs=1e-300)


def test_each_reset_by_hand():
    state = (0.5, 2.0, np.array([4.0]), np.array([0.25]))

    assert rs.ToZero()(*state) == [1.5]
    assert rs.Subtract()(*state) == [1.5]
    assert rs.Subtract(leaked=True)(*state) == [1.75]
    assert rs.NoReset()(*state) == [2.0]


@given(neurons(), potentials, spikes, potentials)
@min_examples(300)
def test_one_step_is_that_of_the_equations(neuron, u, s, current):
    new_u, new_s = step(neuron, *(np.array([[z]]) for z in (u, s, current)))

    want = oracle.apply_reset(neuron, u, s) + current

    assert abs(new_u.item() - want) <= 1e-14 * (abs(u) + neuron.threshold + abs(current))
    assert abs(new_s.item() - oracle.sigma(neuron.spike, new_u.item() - neuron.threshold)) <= 1e-15


def test_a_new_reset_is_entered_everywhere():
    """docs/extending.md: in the union, in the table of names, and with a kernel of its own."""
    kinds = set(get_args(Reset))

    assert {type(reset) for reset in RESETS} == kinds
    assert set(RESET_KERNELS) == kinds


@pytest.mark.parametrize("use", [kappa, map_curvature, max_reset_drop])
def test_no_constant_takes_a_reset_that_no_proof_covers_for_another(use):
    neuron = rs.LIF(0.9, 1.0, rs.Logistic(8.0))
    object.__setattr__(neuron, "reset", "squared")

    with pytest.raises(
        ValueError, match="reset must be ToZero, Subtract or NoReset, got 'squared'"
    ):
        use(neuron)
