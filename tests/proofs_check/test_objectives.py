"""What is minimised: exact derivatives, and certificates that nothing exceeds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refsast as rs
from proofs_check import descent_draws
from proofs_check.families import Finite, apart, joined
from proofs_check.instances import Seeded
from proofs_check.objectives import Quadratic, Ridge, Risk
from tests.strategies import at_least, instances, seeds

DRAWS = {
    "quadratics": descent_draws.quadratics,
    "ridges": descent_draws.ridges,
    "risks": descent_draws.risks,
}
KINDS = st.sampled_from(sorted(DRAWS))


@at_least(60)
@given(KINDS, seeds())
def test_the_gradient_is_that_of_the_value_and_the_product_that_of_the_gradient(kind, seed):
    rng = np.random.default_rng(seed)
    family, w = DRAWS[kind](Seeded(rng))
    d, h = rng.standard_normal(w.size), 1e-5
    f = family.mean
    (after, g_after), (before, g_before) = (f.value_and_grad(w + s * h * d) for s in (1, -1))
    value_size, grad_size = f.sizes(w, h * float(np.linalg.norm(d)))
    bend = f.lipschitz(w, 1e-3 * float(np.linalg.norm(d)))

    slope = f.value_and_grad(w)[1] @ d
    room = 1e-13 * value_size / h + 1e-4 * min(bend, 1e6) * (d @ d)
    assert abs(slope - (after - before) / (2.0 * h)) <= room
    change = np.linalg.norm(g_after - g_before) / (2.0 * h * np.linalg.norm(d))
    assert change <= bend * (1.0 + 1e-9) + 1e-11 * grad_size / h
    assert np.linalg.norm(f.hvp(w, d)) <= bend * np.linalg.norm(d) * (1.0 + 1e-9)


@at_least(60)
@given(KINDS, seeds(), st.sampled_from((0.0, 0.1, 1.0)))
def test_no_two_points_of_the_ball_exceed_the_constant(kind, seed, radius):
    rng = np.random.default_rng(seed)
    family, w = DRAWS[kind](Seeded(rng))
    f = family.mean
    ends = [rng.standard_normal(w.size) for _ in range(2)]
    a, b = (w + radius * rng.random() * e / np.linalg.norm(e) for e in ends)
    (fa, ga), (fb, gb) = f.value_and_grad(a), f.value_and_grad(b)
    value_size, grad_size = f.sizes(w, radius)

    assert (
        np.linalg.norm(ga - gb)
        <= f.lipschitz(w, radius) * np.linalg.norm(a - b) * (1.0 + 1e-12) + 1e-12 * grad_size
    )
    assert min(fa, fb) >= f.lower - 1e-12 * value_size
    assert max(abs(fa), abs(fb)) <= value_size * (1.0 + 1e-9)
    assert max(np.linalg.norm(ga), np.linalg.norm(gb)) <= grad_size * (1.0 + 1e-9)


@at_least(30)
@given(KINDS, seeds())
def test_minibatches_average_to_the_whole(kind, seed):
    family, w = DRAWS[kind](Seeded(np.random.default_rng(seed)))
    size = family.sizes(w, 0.0)[1]

    grads = np.stack([b.value_and_grad(w)[1] for b in family.batches()])

    np.testing.assert_allclose(
        grads.mean(axis=0), family.value_and_grad(w)[1], rtol=0.0, atol=1e-13 * size
    )
    variance = np.square(grads - grads.mean(axis=0)).sum(axis=1).mean()
    assert variance <= family.spread * (1.0 + 1e-9) + 1e-20 * size**2


def test_the_minimum_of_a_quadratic_is_certified_from_below():
    f = Quadratic(np.diag([1.0, 4.0]), np.array([1.0, 2.0]), 3.0)

    assert f.lower == pytest.approx(3.0 - 0.5 - 0.5)
    assert f.lower <= 2.0
    assert Quadratic(np.diag([1.0, -1.0]), np.zeros(2)).lower == -np.inf
    assert Quadratic(np.zeros((1, 1)), np.ones(1)).lower == -np.inf
    assert Quadratic(np.zeros((1, 1)), np.zeros(1), 5.0).lower == 5.0


def test_what_is_no_objective_is_refused():
    x, y = np.ones((1, 1, 1)), np.zeros(1, np.int64)
    detached = rs.LIF(0.5, 1.0, rs.Arctan(1.0), detach_reset=True)
    network = rs.Network((1, 1), detached, rs.LinearReadout(2))
    f = Quadratic(np.eye(1), np.zeros(1))

    with pytest.raises(ValueError, match="detach_reset must be False"):
        Risk(network, x, y)
    with pytest.raises(ValueError, match="h must be symmetric"):
        Quadratic(np.array([[0.0, 1.0], [0.0, 0.0]]), np.zeros(2))
    with pytest.raises(ValueError, match=r"batch must lie in 1\.\.1"):
        Finite((f,), 2)
    with pytest.raises(ValueError, match="samples must be of one kind"):
        joined((f, Ridge(rs.Arctan(1.0), np.ones((1, 1)), np.zeros(1))))


@given(instances(descent_draws.quadratics))
def test_two_quadratics_are_as_far_apart_as_their_hessians(drawn):
    family, w = drawn
    one, f = family.samples[0], family.mean

    assert apart(one, f, w, 1.0) == pytest.approx(np.linalg.norm(one.h - f.h, 2), abs=1e-12)
