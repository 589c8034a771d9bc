"""THEORY 5: the claims hold, are nearly attained, and fail where a hypothesis does."""

from collections import Counter
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given

import refsast as rs
from proofs_check.claim import check_claim
from proofs_check.claims import convergence as claims
from proofs_check.claims.convergence import CLAIMS, INDEPENDENT, ONE_STEP, SMOOTH
from proofs_check.claims.reshuffling import EPOCH, draw_epoch
from proofs_check.descent.counterexamples import (
    ESCAPES,
    axis_batches,
    bias_against_descent,
    bowl_sum,
    double_gain,
    maximal_bias,
    snn_step,
    thousand_runs_from_step,
)
from proofs_check.descent.draws import (
    draw_path,
    draw_quadratics,
    draw_ridges,
    draw_risks,
    draw_runs,
    draw_step,
)
from proofs_check.descent.enumeration import (
    SastPath,
    SastStep,
    end_points,
    path_outcomes,
    step_outcomes,
)
from proofs_check.descent.finite_sum import FiniteSum
from proofs_check.descent.objectives import Quadratic
from proofs_check.descent.runs import SastRuns
from proofs_check.draws import RandomSource
from refsast.testing import min_examples, seeds
from tests.proofs_check.tight_instances import tight_path, tight_step

EVERY = (*CLAIMS, EPOCH)
BY_LABEL = {claim.label: claim for claim in EVERY}
DRAWS = {
    "5a": draw_step,
    "5a-sharp": draw_step,
    "5a-shared": partial(draw_step, shared=True),
    "5b": draw_path,
    "5b-seeded": draw_runs,
    "5c": draw_step,
    "5c-bias": draw_step,
    "5d": draw_epoch,
}


def source(seed):
    """Return a source of choices."""
    return RandomSource(np.random.default_rng(seed))


@pytest.mark.parametrize("label", sorted(set(DRAWS) - {"5b-seeded"}))
@given(seed=seeds())
@min_examples(60)
def test_the_claim_holds(label, seed):
    verdict = check_claim(BY_LABEL[label], DRAWS[label](source(seed)))

    assert not verdict.refuted, verdict


def test_the_draws_keep_to_the_hypotheses():
    draws = (*[partial(draw_step, draw=kind) for kind in (draw_quadratics, draw_ridges)], draw_path)
    silent = Counter()
    for i in range(300):
        draw = draws[i % 3]
        claim = claims.K_STEPS if draw is draw_path else ONE_STEP
        silent[bool(check_claim(claim, draw(source(i))).unmet)] += 1

    assert silent[True] < 0.1 * 300


def test_the_draws_of_risks_keep_to_the_hypotheses():
    verdicts = [check_claim(ONE_STEP, draw_step(source(i), draw=draw_risks)) for i in range(40)]

    assert sum(v.applies for v in verdicts) >= 30


@pytest.mark.parametrize("at", list(ESCAPES), ids=" ".join)
def test_without_this_hypothesis_the_claim_fails(at):
    label, says = at
    claim, escape = BY_LABEL[label], ESCAPES[at]()

    assert check_claim(claim, escape).unmet == (says,)
    assert check_claim(claim.drop_hypothesis(says), escape).refuted


def test_no_hypothesis_lacks_an_escape():
    assert set(ESCAPES) == {(c.label, h.condition) for c in EVERY for h in c.hypotheses}


@pytest.mark.parametrize(
    ("claim", "instance"),
    [
        (ONE_STEP, tight_step()),
        (claims.ONE_STEP_SHARP, tight_step(0.1)),
        (claims.ONE_STEP_SHARP, tight_step(5.0)),
        (claims.K_STEPS, tight_path()),
        (claims.BIAS, maximal_bias()),
    ],
    ids=lambda x: getattr(x, "label", ""),
)
def test_the_bound_is_attained(claim, instance):
    assert 0.9999 < check_claim(claim, instance).ratio <= 1.0


def test_the_bound_for_shared_minibatches_is_nearly_attained():
    x = with_scatter(bias_against_descent(eta=1e-6))  # biased by as much as can be

    assert check_claim(claims.SHARED_STEP, x).ratio > 0.999


@pytest.mark.parametrize(
    ("label", "instance"),
    [
        ("5a", tight_step()),
        ("5a-sharp", tight_step(0.3)),
        ("5b", tight_path()),
        ("5b-seeded", thousand_runs_from_step(replace(tight_step(), rho=1.0))),
        ("5c-bias", maximal_bias()),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_half_the_bound_is_refuted(label, instance):
    claim = BY_LABEL[label]
    half = 0.5 * check_claim(claim, instance).ratio

    assert check_claim(replace(claim, bound=lambda x: half * claim.bound(x)), instance).refuted


def test_an_ascent_that_is_too_long_is_caught(monkeypatch):
    ascent_point = rs.sam.ascent_point
    monkeypatch.setattr(
        rs.sam, "ascent_point", lambda w, grad, *, rho: ascent_point(w, grad, rho=1.01 * rho)
    )

    assert check_claim(ONE_STEP, tight_step()).refuted


def test_a_second_minibatch_that_is_ignored_is_caught(monkeypatch):
    gradient = rs.sam.gradient
    monkeypatch.setattr(rs.sam, "gradient", lambda f, w, *, rho, second: gradient(f, w, rho=rho))

    assert check_claim(claims.UNBIASED, replace(maximal_bias(), shared=False)).refuted


@given(seeds())
@min_examples(30)
def test_the_enumeration_goes_where_the_library_goes(seed):
    x = replace(draw_step(source(seed), draw=draw_ridges), shared=bool(seed % 2))
    batches = [b.value_and_grad for b in x.family.batches()]
    pairs = [(b, None) for b in batches] if x.shared else [(a, b) for a in batches for b in batches]

    steps = [rs.sam.gradient(a, x.w, rho=x.rho, second=b) for a, b in pairs]

    assert end_points(x).tobytes() == (x.w - x.eta * np.stack(steps)).tobytes()


@pytest.mark.parametrize("shared", [False, True])
def test_the_enumerated_mean_is_that_of_many_random_steps(shared):
    x = replace(draw_step(source(5), draw=draw_quadratics), shared=shared)
    samples = tuple(Quadratic(np.diag([i, 1.0]), np.array([1.0, i])) for i in (1.0, -2.0, 3.0))
    x = replace(x, family=FiniteSum(samples, 2), w=np.array([0.3, -0.2]), eta=0.1, rho=0.5)
    rng, batches = np.random.default_rng(0), x.family.batches()
    values = []
    for _ in range(4000):
        one, two = (batches[i].value_and_grad for i in rng.integers(len(batches), size=2))
        moved = x.w - x.eta * rs.sam.gradient(one, x.w, rho=x.rho, second=None if shared else two)
        values.append(x.family.mean.value_and_grad(moved)[0])

    exact = np.mean([x.family.mean.value_and_grad(w)[0] for w in end_points(x)])

    assert abs(np.mean(values) - exact) <= 5.0 * np.std(values) / 4000**0.5
    assert np.std(values) > 0.0


def test_a_path_branches_into_every_pair_of_minibatches():
    x = SastPath(SastStep(bowl_sum(1.0, -1.0), np.zeros(1), 0.5, 0.5, 1.0, 1.0), 3, 0.0)

    assert [len(points) for points in path_outcomes(x).points] == [1, 4, 16, 64]
    assert [len(grads) for grads in path_outcomes(x).grads] == [1, 4, 16]


def test_one_minibatch_for_both_passes_biases_the_step_by_more_than_l_rho():
    assert claims.one_batch_bias(maximal_bias()) == pytest.approx(2.0, rel=1e-12)
    for n in (2, 5, 20):
        assert claims.one_batch_bias(axis_batches(n)) == pytest.approx(n**0.5 - n**-0.5, rel=1e-9)


@pytest.mark.parametrize(
    ("instance", "factor"),
    [
        (double_gain(), 1.99),
        (bias_against_descent(), 3.8),
        (bias_against_descent(eta=1e-6), 3.99),
        (axis_batches(20), 19.9),
    ],
)
def test_5a_fails_with_one_minibatch_for_both_passes(instance, factor):
    assert check_claim(ONE_STEP.drop_hypothesis(INDEPENDENT), instance).ratio > factor
    assert not check_claim(ONE_STEP, replace(instance, shared=False)).refuted
    assert not check_claim(claims.SHARED_STEP, with_scatter(instance)).refuted


def test_5a_fails_on_a_spiking_network_with_one_minibatch_for_both_passes():
    claim, x = ONE_STEP.drop_hypothesis(SMOOTH), snn_step()

    assert claims.one_batch_bias(x) > 8.0 * x.lipschitz * x.rho
    assert check_claim(claim.drop_hypothesis(INDEPENDENT), x).ratio > 20.0
    assert not check_claim(claim, replace(x, shared=False)).refuted
    assert not check_claim(claims.SHARED_STEP.drop_hypothesis(SMOOTH), with_scatter(x)).refuted


def test_the_closed_constant_of_the_spiking_network_bounds_its_curvature():
    x, rng = snn_step(), np.random.default_rng(0)

    found = []
    for w in rng.normal(1.0, 1.0, size=(100, 2)):
        columns = [x.family.mean.hvp(w, e) for e in np.eye(2)]
        found.append(np.linalg.norm(np.stack(columns), 2))

    assert 0.3 * x.lipschitz < max(found) <= x.lipschitz


def with_scatter(x):
    """Return the step with v2 as 5a-shared asks for it."""
    return replace(x, variance=step_outcomes(x).direction_variance)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rho": -1.0}, "rho must not be negative, got -1.0"),
        ({"variance": np.nan}, "variance must not be negative, got nan"),
        ({"eta": 0.0}, "eta must be positive, got 0.0"),
        ({"lipschitz": 0.0}, "lipschitz must be positive, got 0.0"),
    ],
)
def test_what_makes_no_sense_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(tight_step(), **change)
    with pytest.raises(ValueError, match="steps must be positive, got 0"):
        SastPath(tight_step(), 0, 0.0)
    with pytest.raises(ValueError, match="runs must be positive, got 0"):
        SastRuns(tight_path(), 0, 0)
