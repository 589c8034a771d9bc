"""SAM, from the property that defines it, from closed forms and at its edges."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import refsast as rs
from refsast.autodiff.numeric import central_difference, complex_step_gradient
from refsast.optim import sam
from refsast.testing import ANALYTIC, arrays, directions, min_examples, problems

radii = st.sampled_from([0.0, 0.05, 0.5]) | st.floats(1e-3, 2.0)


@given(arrays(6), arrays(6), directions(6), radii)
@min_examples(500)
def test_no_other_step_of_the_same_length_gains_more(w, grad, other, rho):
    best = sam.ascent_point(w, grad, rho=rho) - w
    rival = other * (rho / np.linalg.norm(other))

    rounding = 1e-14 * (1.0 + rho + np.linalg.norm(w))
    assert np.linalg.norm(best) <= rho + rounding
    assert grad @ rival <= grad @ best + rounding * (1.0 + np.linalg.norm(grad))
    assert grad @ best == pytest.approx(rho * np.linalg.norm(grad), abs=1e-13)


@given(arrays(5), directions(5), radii, st.sampled_from([1e-300, 1e-160, 1e-8, 1e8, 1e160, 1e300]))
@min_examples(200)
def test_the_point_does_not_depend_on_the_length_of_the_gradient(w, grad, rho, scale):
    huge = grad * (scale / np.abs(grad).max())
    assert np.isfinite(huge).all()

    got, want = (sam.ascent_point(w, g, rho=rho) for g in (huge, grad))

    assert got == pytest.approx(want, rel=1e-14, abs=1e-14)


@pytest.mark.parametrize("rho", [0.0, 0.3, 1e300])
def test_at_a_zero_gradient_nothing_moves(rho):
    w = np.array([1.0, -2.0])

    def flat(w):
        return 0.0, np.zeros(2)

    assert sam.ascent_point(w, np.zeros(2), rho=rho) is w
    assert sam.gradient(flat, w, rho=rho).tolist() == [0.0, 0.0]
    assert sam.exact_gradient(flat, lambda w, d: d, w, rho=rho).tolist() == [0.0, 0.0]
    assert sam.ascent_point(np.zeros(0), np.zeros(0), rho=rho).shape == (0,)


def quadratic(matrix):
    """Return ``w' A w / 2`` as an objective."""
    return lambda w: (0.5 * w @ matrix @ w, matrix @ w)


@given(arrays((4, 4)), arrays(4), radii)
@min_examples(200)
def test_on_a_quadratic_it_is_the_closed_form(half, w, rho):
    a = half + half.T
    g = a @ w
    assume(np.linalg.norm(g) > 1e-3)

    got = sam.gradient(quadratic(a), w, rho=rho)

    want = a @ (w + rho * g / np.linalg.norm(g))
    assert got == pytest.approx(want, rel=1e-12, abs=1e-13 * (1.0 + abs(a).sum() * (rho + 8.0)))


class CallRecorder:
    """An objective that remembers where it was called."""

    def __init__(self, objective):
        self.objective, self.points = objective, []

    def __call__(self, w):
        self.points.append(w)
        return self.objective(w)


@given(arrays(4), directions(4))
@min_examples(50)
def test_the_first_chooses_where_the_second_is_differentiated(w, target):
    first = CallRecorder(quadratic(np.eye(4)))
    second = CallRecorder(lambda w: (0.5 * (w - target) @ (w - target), w - target))
    assume(np.linalg.norm(w) > 1e-3)

    g = sam.gradient(first, w, rho=0.5, second=second)

    point = w + 0.5 * w / np.linalg.norm(w)
    assert len(first.points) == len(second.points) == 1
    assert first.points[0] is w
    assert second.points[0] == pytest.approx(point, rel=1e-14)
    assert (g == second.points[0] - target).all()


def test_how_often_the_objective_is_called():
    w, objective = np.ones(2), CallRecorder(quadratic(np.eye(2)))

    sam.gradient(objective, w, rho=0.1)
    assert len(objective.points) == 2

    only = CallRecorder(quadratic(np.eye(2)))
    sam.gradient(only, w, rho=0.0)
    assert len(only.points) == 1

    never, second = CallRecorder(quadratic(np.eye(2))), CallRecorder(quadratic(np.eye(2)))
    sam.gradient(never, w, rho=0.0, second=second)
    assert (len(never.points), len(second.points)) == (0, 1)


@given(problems())
@min_examples(50)
def test_without_a_radius_it_is_plain_descent_to_the_bit(case):
    w = rs.flatten(case.params)
    objective = network_objective(case)

    assert sam.gradient(objective, w, rho=0.0).tobytes() == objective(w)[1].tobytes()
    assert sam.ascent_point(w, objective(w)[1], rho=0.0) is w


def network_objective(case, module=rs.fast):
    """Return the loss of a network as an objective on the flat vector."""

    def objective(w):
        params = rs.unflatten(case.network, w)
        loss, grads = module.loss_and_grad(case.network, params, case.x, case.y)
        return loss, rs.flatten(grads)

    return objective


@given(problems(detach=False), radii)
@min_examples(100)
def test_on_a_network_it_is_the_gradient_at_the_ascent_point(case, rho):
    w, objective = rs.flatten(case.params), network_objective(case)
    g = objective(w)[1]
    assume(np.linalg.norm(g) > 1e-9)

    got = sam.gradient(objective, w, rho=rho)

    point = w + rho * (g / math.sqrt(math.fsum((g * g).tolist())))
    want = objective(point)[1]
    assert np.linalg.norm(got - want) <= 1e-9 * (np.linalg.norm(want) + np.linalg.norm(g))


SMOOTH = {  # f, its gradient and its Hessian along d; analytic, so the complex step runs through
    "quartic": (
        lambda w: 0.25 * np.sum(w**4) + w[0] * w[1] + np.sum(w),
        lambda w: w**3 + np.concatenate([[w[1], w[0]], 0.0 * w[2:]]) + 1.0,
        lambda w, d: 3.0 * w**2 * d + np.concatenate([[d[1], d[0]], 0.0 * d[2:]]),
    ),
    "logsumexp": (
        lambda w: np.log(np.sum(np.exp(w))),
        lambda w: np.exp(w) / np.sum(np.exp(w)),
        lambda w, d: (p := np.exp(w) / np.sum(np.exp(w))) * (d - p @ d),
    ),
}


@pytest.mark.parametrize("name", SMOOTH)
@given(directions(4), st.floats(0.01, 1.0))
@min_examples(100)
def test_the_exact_gradient_is_that_of_the_loss_at_the_ascent_point(name, w, rho):
    f, grad, hvp = SMOOTH[name]

    def raised(w):
        g = grad(w)
        return f(w + rho * g / np.sqrt(np.sum(g * g)))

    assume(np.linalg.norm(grad(w)) > 1e-2)
    got = sam.exact_gradient(lambda w: (f(w), grad(w)), hvp, w, rho=rho)

    numeric = complex_step_gradient(raised, w)
    assert np.linalg.norm(got - numeric) <= 1e-11 * (1.0 + np.linalg.norm(numeric))
    plain = sam.gradient(lambda w: (f(w), grad(w)), w, rho=rho)
    missing = rho * hvp(w, plain - (u := grad(w) / np.linalg.norm(grad(w))) * (u @ plain))
    assert got - plain == pytest.approx(missing / np.linalg.norm(grad(w)), rel=1e-9, abs=1e-12)


@pytest.mark.slow
@given(problems(families=ANALYTIC, detach=False))
@min_examples(50)
def test_so_it_is_on_a_network_with_exact_hessian_products(case):
    network, _, x, y = case
    w, objective = rs.flatten(case.params), network_objective(case)
    g = objective(w)[1]
    assume(np.linalg.norm(g) > 1e-3)

    def hvp(w, d):
        point, along = (rs.unflatten(network, v) for v in (w, d))
        return rs.flatten(rs.reference.hvp(network, point, x, y, along))

    def raised(w):
        return objective(sam.ascent_point(w, objective(w)[1], rho=0.01))[0]

    along = np.random.default_rng(0).standard_normal(w.size)
    slope, error = central_difference(raised, w, along / np.linalg.norm(along), step=1e-3)
    got = sam.exact_gradient(objective, hvp, w, rho=0.01)

    gap = abs(got @ along / np.linalg.norm(along) - slope)
    assert gap <= 10.0 * error + 1e-9 * (1.0 + np.linalg.norm(got))


def test_without_a_radius_the_exact_gradient_is_the_plain_one():
    a = np.array([[2.0, 1.0], [1.0, 3.0]])
    w = np.array([1.0, -1.0])

    got = sam.exact_gradient(quadratic(a), lambda w, d: np.full(2, np.nan), w, rho=0.0)

    assert got.tolist() == (a @ w).tolist()


@pytest.mark.parametrize("rho", [-1e-9, -1.0, math.nan, math.inf])
def test_a_radius_must_be_finite_and_not_negative(rho):
    objective, w = quadratic(np.eye(2)), np.ones(2)

    for call in (
        lambda: sam.ascent_point(w, w, rho=rho),
        lambda: sam.gradient(objective, w, rho=rho),
        lambda: sam.exact_gradient(objective, lambda w, d: d, w, rho=rho),
    ):
        with pytest.raises(ValueError, match=f"^rho must be finite and not negative, got {rho}$"):
            call()


def test_what_an_objective_returns_is_checked():
    w = np.ones(2)

    for wrong, message in [
        (np.ones(3), r"grad must have shape \(2,\), got \(3,\)"),
        (np.array([1.0, math.nan]), r"grad must be finite, got nan at \(1,\)"),
    ]:
        for rho in (0.0, 0.1):
            with pytest.raises(ValueError, match=f"^{message}$"):
                sam.gradient(lambda w, wrong=wrong: (0.0, wrong), w, rho=rho)
    with pytest.raises(ValueError, match=r"^hvp must have shape \(2,\), got \(3,\)$"):
        sam.exact_gradient(quadratic(np.eye(2)), lambda w, d: np.ones(3), w, rho=0.1)
    with pytest.raises(ValueError, match=r"^w must have shape \(p,\), got \(2, 1\)$"):
        sam.ascent_point(np.ones((2, 1)), np.ones((2, 1)), rho=0.1)


def test_nothing_is_written_into_an_argument():
    w, g = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    w.flags.writeable = g.flags.writeable = False

    moved = sam.ascent_point(w, g, rho=1.0)
    sam.exact_gradient(lambda w: (0.0, g), lambda w, d: d, w, rho=1.0)

    assert moved == pytest.approx([1.6, 2.8], rel=1e-15)
    assert (w.tolist(), g.tolist()) == ([1.0, 2.0], [3.0, 4.0])


def test_single_precision_stays_single():
    w = np.ones(3, np.float32)

    assert sam.ascent_point(w, w, rho=0.1).dtype == np.float32


def test_the_adaptive_ball_is_measured_in_units_of_each_parameter():
    """Scaling a parameter scales its perturbation: T = |w|, eta = 0 in arXiv:2102.11600."""
    w, grad = np.array([3.0, -1.0, 0.0]), np.array([1.0, 4.0, 7.0])  # T grad = (3, 4, 0), norm 5

    there = sam.adaptive_ascent_point(w, grad, rho=0.5)

    np.testing.assert_allclose(there, [3.0 + 0.5 * 9 / 5, -1.0 + 0.5 * 4 / 5, 0.0], rtol=1e-15)
    assert np.linalg.norm((there - w)[:2] / w[:2]) == pytest.approx(0.5, rel=1e-15)


def test_the_adaptive_ascent_stays_where_no_direction_is_better():
    w = np.array([0.0, 2.0])

    assert np.array_equal(sam.adaptive_ascent_point(w, np.array([1.0, 0.0]), rho=0.5), w)
    assert np.array_equal(sam.adaptive_ascent_point(w, np.array([1.0, 1.0]), rho=0.0), w)


def test_a_random_ascent_asks_for_randomness():
    with pytest.raises(ValueError, match="rng must be a numpy Generator, got None"):
        sam.gradient(lambda w: (0.0, w), np.ones(2), rho=0.1, ascent=sam.random_ascent)


def test_a_negative_radius_is_refused_by_every_ascent():
    for ascent in (sam.steepest_ascent, sam.adaptive_ascent, sam.random_ascent):
        with pytest.raises(ValueError, match="rho must"):
            sam.gradient(lambda w: (0.0, w), np.ones(2), rho=-0.1, ascent=ascent)
