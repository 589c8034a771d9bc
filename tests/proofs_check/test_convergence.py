"""THEORY 5: expectations without sampling error, runs that are the library's, rates, and bias."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

import refsast as rs
from proofs_check import counterexamples_descent as escapes
from proofs_check import descent_draws, descents, runs
from proofs_check.claim import check
from proofs_check.claims import convergence
from proofs_check.instances import Seeded
from tests.strategies import at_least, instances


def _random_walk(x, rng):
    """The value of f after one step of the library, with minibatches drawn."""
    batches = x.family.batches()
    first, second = (batches[int(i)].value_and_grad for i in rng.integers(len(batches), size=2))
    g = rs.sam.gradient(first, x.w, rho=x.rho, second=None if x.shared else second)
    return x.family.mean.value_and_grad(x.w - x.eta * g)[0]


@pytest.mark.parametrize("shared", [False, True])
@at_least(20)
@given(instances(descent_draws.step))
def test_the_enumerated_mean_is_that_of_many_steps_of_the_library(shared, x):
    x = replace(x, shared=shared)
    f = x.family.mean
    rng = np.random.default_rng(0)
    walks = np.array([_random_walk(x, rng) for _ in range(300)])

    values = np.array([f.value_and_grad(w)[0] for w in descents.arrivals(x)])

    size = max(1.0, np.abs(values).max())
    assert walks.min() >= values.min() - 1e-9 * size
    assert walks.max() <= values.max() + 1e-9 * size
    error = values.std() / np.sqrt(len(walks))
    assert abs(walks.mean() - values.mean()) <= 5.0 * error + 1e-9 * size


def test_one_of_many_runs_is_a_run_of_the_library():
    x = replace(descent_draws.runs(Seeded(np.random.default_rng(3))), runs=4)
    s, rng = x.path.first, np.random.default_rng(x.seed)
    batches = s.family.batches()
    first, second = (rng.integers(len(batches), size=(x.path.steps, 4)) for _ in range(2))
    for run in range(4):
        w, squares = s.w, []
        for b1, b2 in zip(first[:, run], second[:, run], strict=True):
            squares.append(np.sum(s.family.mean.value_and_grad(w)[1] ** 2))
            one, two = batches[int(b1)].value_and_grad, batches[int(b2)].value_and_grad
            w = w - s.eta * rs.sam.gradient(one, w, rho=s.rho, second=two)

        np.testing.assert_allclose(runs.averages(x)[run], np.mean(squares), rtol=1e-10)


def test_a_tree_of_one_step_is_a_step():
    x = descent_draws.path(Seeded(np.random.default_rng(5)))
    short = replace(x, steps=1)
    seen = descents.tree(short)

    np.testing.assert_array_equal(seen.points[1], descents.arrivals(x.first))
    assert convergence.average(short) == pytest.approx(
        np.sum(x.first.family.mean.value_and_grad(x.first.w)[1] ** 2)
    )


def test_one_step_is_attained_by_a_quadratic_with_noise():
    x = replace(escapes.noisy(), variance=1.0, rho=0.5)
    assert check(convergence.ONE_STEP, x).ratio == pytest.approx(1.0)

    for eta in (0.1, 0.5, 1.5):
        y = replace(x, eta=eta)
        assert check(convergence.ONE_STEP_SHARP, y).ratio == pytest.approx(1.0)


def test_the_shared_minibatch_breaks_one_step_by_any_factor():
    ratios = []
    for contrast in (2.0, 8.0, 32.0):
        x = escapes.opposed(contrast, eta=1e-3 / contrast**2)
        verdict = check(convergence.ONE_STEP.without(convergence.TWO), x)
        assert verdict.refuted
        ratios.append(verdict.ratio)
        assert not check(convergence.ONE_STEP, replace(x, shared=False)).refuted
        assert convergence.bias(x) > 0.99 * contrast * x.lipschitz * x.rho
        assert check(convergence.BIAS, x).ratio > 0.9

    assert ratios[1] > 10.0 * ratios[0] > 20.0
    assert ratios[2] > 10.0 * ratios[1]


def _farthest(x):
    """The largest abs(w) that runs with shared minibatches reach."""
    s, rng = x.path.first, np.random.default_rng(x.seed)
    slopes, w, far = runs.together(s.family.batches()), np.tile(s.w, (x.runs, 1)), 0.0
    for picks in rng.integers(2, size=(x.path.steps, x.runs)):
        w = w - s.eta * slopes(runs.raised(w, slopes(w, picks), s.rho), picks)
        far = max(far, float(np.abs(w).max()))
    return far


@pytest.mark.slow
def test_the_shared_minibatch_breaks_k_steps():
    x = escapes.biased_runs()
    right = descents.right_side(x.path)

    assert _farthest(x) < 2.0
    assert runs.lower_limit(runs.averages(x), 4.0 * right) > 1.2 * right

    apart = escapes.biased_runs(shared=False, far=15.0)
    assert runs.averages(apart).mean() < descents.right_side(apart.path)
    assert runs.averages(apart).mean() < 0.5 * runs.averages(x).mean()


def test_a_single_path_of_one_sample_has_no_bias_to_find():
    x = replace(escapes.bowl(), shared=True)

    assert convergence.bias(x) == 0.0


@pytest.mark.slow
def test_the_rates_are_those_of_the_theorem():
    start = replace(escapes.noisy(), w=np.array([2.0]), variance=1.0, rho=0.5, eta=1.0)

    found = runs.rates(start, -0.0, steps=(10, 30, 100, 300, 1000), runs=200, seed=0)

    assert (found.measured <= found.bounds).all()
    assert found.bound_slope == pytest.approx(-0.5, abs=1e-12)
    assert found.slope <= -0.5 + 5.0 * found.slope_error
    assert found.slope > -1.1


def test_a_confidence_limit_is_below_the_mean_and_comes_closer_with_more_runs():
    rng = np.random.default_rng(0)
    few, many = (runs.lower_limit(rng.random(n), 1.0) for n in (100, 100_000))

    assert few < 0.4
    assert 0.48 < many < 0.5
    assert runs.lower_limit(np.full(100_000, 7.0), 1.0) < 1.0  # what is cut off only lowers it


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rho": -1.0}, "rho must not be negative"),
        ({"variance": np.nan}, "variance must not be negative"),
        ({"eta": 0.0}, "eta must be positive"),
        ({"lipschitz": 0.0}, "lipschitz must be positive"),
    ],
)
def test_a_step_that_makes_no_sense_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(escapes.bowl(), **change)
