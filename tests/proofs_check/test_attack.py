"""The attack: it improves on chance, by every way, and its instances are what they claim to be."""

import time
from dataclasses import replace

import numpy as np
import pytest

from proofs_check import attack
from proofs_check.claims.smoothness import GRADIENT_BOUND
from proofs_check.draws import RandomSource
from proofs_check.register import CLAIMS_BY_LABEL
from refsast import Network
from refsast.autodiff import value_and_grad

PAIRS = CLAIMS_BY_LABEL["2-pairs"]


def _draw(trial, count, seed=0):
    source = RandomSource(np.random.default_rng(seed))
    return [attack.check_instance(trial.claim, trial.draw(source), "draw") for _ in range(count)]


def _best(found):
    return max(found, key=lambda f: f.ratio)


def _later():
    return time.monotonic() + 60.0


@pytest.mark.parametrize("label", ["1b", "2-pairs", "2-gradient", "3a", "3b-product"])
def test_gradient_ascent_uses_more_of_the_bound(label):
    entry = CLAIMS_BY_LABEL[label]
    drawn = [f for f in _draw(entry, 30, seed=3) if 0.0 < f.ratio < 0.5]
    start = _best(drawn)

    found = attack.climb_gradient(entry, start, 20, _later())

    assert found.ratio > 1.2 * start.ratio
    assert attack.check_instance(entry.claim, found.instance, "again").ratio == found.ratio


def test_the_slope_of_the_ratio_is_exact():
    instance = _best(_draw(CLAIMS_BY_LABEL["3a"], 20)).instance
    arrays = list(attack.float_arrays(instance))
    rng = np.random.default_rng(0)
    d = [rng.standard_normal(a.shape) for a in arrays]

    def gain(h):
        moved = attack.replace_floats(instance, [a + h * v for a, v in zip(arrays, d, strict=True)])
        return float(np.log(GRADIENT_BOUND.measure(moved)) - np.log(GRADIENT_BOUND.bound(moved)))

    slope = attack._log_ratio_gradient(GRADIENT_BOUND, instance)

    along = sum(np.sum(g * v) for g, v in zip(slope, d, strict=True))
    near, far = (gain(k * 1e-3) - gain(-k * 1e-3) for k in (1, 2))
    np.testing.assert_allclose(along, (8.0 * near - far) / 12e-3, rtol=1e-5)


def test_a_claim_that_the_tape_cannot_follow_is_left_to_the_other_ways():
    entry = CLAIMS_BY_LABEL["4a"]
    start = _best(_draw(entry, 5))

    assert attack.climb_gradient(entry, start, 5, _later()) is start


def test_random_moves_and_hypothesis_find_something():
    start = _best(_draw(PAIRS, 10))
    rng = np.random.default_rng(0)

    moved = attack.perturb(PAIRS, start, rng, 60, _later())
    guided = attack.guide_hypothesis(PAIRS, 5, 30)

    assert moved.ratio > start.ratio
    assert guided.way == "Hypothesis"
    assert guided.ratio > 0.0


def test_the_same_seed_finds_the_same():
    twice = [
        attack.attack(PAIRS, np.random.default_rng(5), effort=6, seconds=60.0) for _ in range(2)
    ]

    assert twice[0].ratio == twice[1].ratio > 0.0


@pytest.mark.slow
def test_a_wrong_bound_is_refuted_by_the_attack():
    claim = replace(PAIRS.claim, bound=lambda x: 0.01 * PAIRS.claim.bound(x))
    wrong = replace(PAIRS, claim=claim)

    found = attack.attack(wrong, np.random.default_rng(0), effort=40, seconds=60.0)

    assert found.result.refuted
    assert found.ratio == np.inf


def test_a_claim_that_is_always_silent_is_found_to_be():
    entry = CLAIMS_BY_LABEL["1c-contraction"]
    never = replace(entry.claim.hypotheses[0], holds=lambda x: False)
    silent = replace(entry, claim=replace(entry.claim, hypotheses=(never,)))

    found = attack.attack(silent, np.random.default_rng(0), effort=3)

    assert found.ratio == -1.0
    assert not found.result.refuted


def test_no_time_is_no_attack():
    starts = _draw(PAIRS, 3)

    found = attack.attack(PAIRS, np.random.default_rng(0), seconds=0.0, starts=starts)

    assert found is _best(starts)


@pytest.mark.parametrize("label", CLAIMS_BY_LABEL)
def test_arrays_taken_out_of_an_instance_go_back_in(label):
    instance = CLAIMS_BY_LABEL[label].draw(RandomSource(np.random.default_rng(1)))
    arrays = list(attack.float_arrays(instance))

    again = attack.replace_floats(instance, [a.copy() for a in arrays])

    assert arrays
    assert type(again) is type(instance)
    for before, after in zip(arrays, attack.float_arrays(again), strict=True):
        np.testing.assert_array_equal(before, after)
    assert not any(isinstance(a, Network) for a in arrays)


def test_the_entry_that_is_followed_is_the_worst_one():
    measured = (np.array([1.0, 2.0]), np.array([[3.0], [0.1]]))
    bound = (np.array([4.0, 4.0]), np.array([5.0, 6.0]))

    def worst(a):
        m, b = attack._worst_entry((a * measured[0], measured[1]), bound)
        return m / b

    value, (grad,) = value_and_grad(worst, np.ones(2))
    assert value == 3.0 / 5.0
    np.testing.assert_array_equal(grad, [0.0, 0.0])
    value, (grad,) = value_and_grad(worst, 2.0 * np.ones(2))
    assert value == 1.0
    np.testing.assert_array_equal(grad, [0.0, 0.5])
