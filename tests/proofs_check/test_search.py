"""The attack: it improves on chance, by every way, and its instances are what they claim to be."""

import time
from dataclasses import replace

import numpy as np
import pytest

from proofs_check import search
from proofs_check.claims.lipschitz import PAIRS
from proofs_check.claims.smoothness import GRADIENT_BOUND
from proofs_check.draws import Seeded, driven, pair
from proofs_check.register import CLAIMS
from refsast import Network
from refsast.autodiff import value_and_grad


def _drawn(claim, draw, count, seed=0):
    source = Seeded(np.random.default_rng(seed))
    return [search.judged(claim, draw(source), "draw") for _ in range(count)]


def _best(found):
    return max(found, key=lambda f: f.ratio)


def _later():
    return time.monotonic() + 60.0


@pytest.mark.slow
@pytest.mark.parametrize("label", ["1b", "2-pairs", "2-gradient", "3a", "3b-product"])
def test_gradient_ascent_uses_more_of_the_bound(label):
    entry = CLAIMS[label]
    drawn = [f for f in _drawn(entry.claim, entry.draw, 30, seed=3) if 0.0 < f.ratio < 0.5]
    start = _best(drawn)

    found = search.climb(entry.claim, start, entry.mend, 20, _later())

    assert found.ratio > 1.2 * start.ratio
    assert search.judged(entry.claim, found.instance, "again").ratio == found.ratio


@pytest.mark.slow
def test_the_slope_of_the_ratio_is_exact():
    instance = _best(_drawn(GRADIENT_BOUND, driven, 20)).instance
    arrays = list(search.arrays_of(instance))
    rng = np.random.default_rng(0)
    d = [rng.standard_normal(a.shape) for a in arrays]

    def gain(h):
        moved = search.with_arrays(instance, [a + h * v for a, v in zip(arrays, d, strict=True)])
        return float(np.log(GRADIENT_BOUND.measure(moved)) - np.log(GRADIENT_BOUND.bound(moved)))

    slope = search._slope(GRADIENT_BOUND, instance)

    along = sum(np.sum(g * v) for g, v in zip(slope, d, strict=True))
    near, far = (gain(k * 1e-3) - gain(-k * 1e-3) for k in (1, 2))
    np.testing.assert_allclose(along, (8.0 * near - far) / 12e-3, rtol=1e-5)


def test_a_claim_that_the_tape_cannot_follow_is_left_to_the_other_ways():
    entry = CLAIMS["4a"]
    start = _best(_drawn(entry.claim, entry.draw, 5))

    assert search.climb(entry.claim, start, entry.mend, 5, _later()) is start


@pytest.mark.slow
def test_random_moves_and_hypothesis_find_something():
    start = _best(_drawn(PAIRS, pair, 10))
    rng = np.random.default_rng(0)

    moved = search.jiggle(PAIRS, start, lambda x: x, rng, 60, _later())
    guided = search.guided(PAIRS, pair, 5, 30)

    assert moved.ratio > start.ratio
    assert guided.way == "Hypothesis"
    assert guided.ratio > 0.0


@pytest.mark.slow
def test_the_same_seed_finds_the_same():
    twice = [
        search.attack(PAIRS, pair, np.random.default_rng(5), effort=6, seconds=60.0)
        for _ in range(2)
    ]

    assert twice[0].ratio == twice[1].ratio > 0.0


def test_a_wrong_bound_is_refuted_by_the_attack():
    wrong = replace(PAIRS, bound=lambda x: 0.01 * PAIRS.bound(x))

    found = search.attack(wrong, pair, np.random.default_rng(0), effort=40, seconds=60.0)

    assert found.verdict.refuted
    assert found.ratio == np.inf


def test_a_claim_that_is_always_silent_is_found_to_be():
    entry = CLAIMS["1c-contraction"]
    never = replace(entry.claim.hypotheses[0], holds=lambda x: False)
    silent = replace(entry.claim, hypotheses=(never,))

    found = search.attack(silent, entry.draw, np.random.default_rng(0), effort=3)

    assert found.ratio == -1.0
    assert not found.verdict.refuted


def test_no_time_is_no_attack():
    starts = _drawn(PAIRS, pair, 3)

    found = search.attack(PAIRS, pair, np.random.default_rng(0), seconds=0.0, starts=starts)

    assert found is _best(starts)


@pytest.mark.parametrize("label", CLAIMS)
def test_arrays_taken_out_of_an_instance_go_back_in(label):
    instance = CLAIMS[label].draw(Seeded(np.random.default_rng(1)))
    arrays = list(search.arrays_of(instance))

    again = search.with_arrays(instance, [a.copy() for a in arrays])

    assert arrays
    assert type(again) is type(instance)
    for before, after in zip(arrays, search.arrays_of(again), strict=True):
        np.testing.assert_array_equal(before, after)
    assert not any(isinstance(a, Network) for a in arrays)


def test_the_entry_that_is_followed_is_the_worst_one():
    measured = (np.array([1.0, 2.0]), np.array([[3.0], [0.1]]))
    bound = (np.array([4.0, 4.0]), np.array([5.0, 6.0]))

    def worst(a):
        m, b = search._worst((a * measured[0], measured[1]), bound)
        return m / b

    value, (grad,) = value_and_grad(worst, np.ones(2))
    assert value == 3.0 / 5.0
    np.testing.assert_array_equal(grad, [0.0, 0.0])
    value, (grad,) = value_and_grad(worst, 2.0 * np.ones(2))
    assert value == 1.0
    np.testing.assert_array_equal(grad, [0.0, 0.5])
