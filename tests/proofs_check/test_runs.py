"""Many seeded runs: 5b holds with confidence, they are the library's, the rate is as claimed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

import refsast as rs
from proofs_check.claim import check_claim
from proofs_check.claims.convergence import SEEDED, mean_squared_gradient
from proofs_check.descent.counterexamples import thousand_runs_from_step
from proofs_check.descent.draws import draw_quadratics, draw_ridges, draw_risks, draw_runs
from proofs_check.descent.enumeration import SastPath, SastStep, path_bound
from proofs_check.descent.finite_sum import FiniteSum
from proofs_check.descent.objectives import Quadratic
from proofs_check.descent.runs import SastRuns, lower_confidence_limit, run_averages
from proofs_check.draws import RandomSource
from refsast.testing import min_examples, seeds
from tests.proofs_check.tight_instances import tight_step


def source(seed):
    """Return a source of choices."""
    return RandomSource(np.random.default_rng(seed))


@given(seeds())
@min_examples(15)
def test_the_claim_about_many_runs_holds(seed):
    verdict = check_claim(SEEDED, draw_runs(source(seed)))

    assert not verdict.refuted, verdict


def test_the_bound_for_many_runs_is_nearly_attained():
    x = thousand_runs_from_step(replace(tight_step(), rho=1.0))

    assert check_claim(SEEDED, x).ratio > 0.8


@pytest.mark.parametrize("shared", [False, True])
def test_the_mean_over_runs_is_that_over_paths(shared):
    x = replace(tight_step(), rho=0.7, eta=0.6, shared=shared)
    path = SastPath(x, 3, 0.0)
    found = run_averages(SastRuns(path, 4000, 1))

    assert abs(found.mean() - mean_squared_gradient(path)) <= 5.0 * found.std() / 4000**0.5


@pytest.mark.parametrize("kind", [draw_quadratics, draw_ridges, draw_risks])
def test_runs_go_where_the_library_goes(kind):
    drawn = kind(source(11))
    x = SastStep(*drawn, 0.1, 0.05, 1.0, 0.0)
    batches = x.family.batches()
    rng = np.random.default_rng(3)
    first, second = (rng.integers(len(batches), size=(4, 2)) for _ in range(2))
    wanted = np.zeros(2)
    for run in range(2):
        w = x.w
        for k in range(4):
            wanted[run] += np.square(x.family.mean.value_and_grad(w)[1]).sum() / 4
            one, two = (batches[picks[k, run]].value_and_grad for picks in (first, second))
            w = w - x.eta * rs.sam.gradient(one, w, rho=x.rho, second=two)

    assert run_averages(SastRuns(SastPath(x, 4, 0.0), 2, 3)) == pytest.approx(
        wanted, rel=1e-11, abs=1e-13
    )


def test_the_confidence_limit_is_seldom_above_the_expectation():
    rng = np.random.default_rng(0)
    coins = rng.integers(2, size=(2000, 100)).astype(float)

    limits = np.array([lower_confidence_limit(c, 1.0) for c in coins])

    assert limits.max() < 0.5
    assert limits.mean() == pytest.approx(0.5 - np.sqrt(np.log(1e9) / 200.0), abs=0.01)
    assert lower_confidence_limit(100.0 * coins[0], 1.0) == limits[0]


def test_the_rate_is_the_inverse_root_of_the_number_of_steps():
    """With eta ~ K^(-1/2) and rho ~ K^(-1/4): the slope of log average against log K is -1/2."""
    rng = np.random.default_rng(0)
    bowl = tuple(Quadratic(np.diag([1.0, 0.1]), rng.normal(size=2)) for _ in range(5))
    family, steps = FiniteSum(bowl, 1), np.array([10, 30, 100, 300, 1000])
    start = SastStep(family, np.array([2.0, -1.0]), 1.0, 1.0, 1.0, family.spread)
    paths = [
        SastPath(replace(start, eta=k**-0.5, rho=k**-0.25), int(k), family.lower) for k in steps
    ]
    found = [run_averages(SastRuns(path, 100, seed)) for seed, path in enumerate(paths)]
    measured, bounds = np.mean(found, axis=1), np.array([path_bound(path) for path in paths])
    errors = np.std(found, axis=1, ddof=1) / 10.0

    centred = np.log(steps) - np.log(steps).mean()
    weights = centred / (centred @ centred)  # of the line of least squares
    slope_error = np.linalg.norm(weights * errors / measured)

    assert weights @ np.log(bounds) == pytest.approx(-0.5, abs=1e-12)
    assert abs(weights @ np.log(measured) + 0.5) <= 0.01 + 5.0 * slope_error
    assert slope_error < 0.01
    assert (measured + 5.0 * errors < bounds).all()
    assert (measured > 0.3 * bounds).all()
