"""The checker itself: what it must refute, what it must not call a success."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.claim import ROUNDING, Claim, ClaimResult, Hypothesis, check_claim

SQUARE = Claim[float](
    label="square",
    title="squares",
    source="nowhere",
    statement="x^2 <= abs(x) for abs(x) <= 1.",
    hypotheses=(Hypothesis("abs(x) <= 1", lambda x: abs(x) <= 1.0),),
    measure=lambda x: x * x,
    bound=abs,
)


@given(st.floats(-1.0, 1.0))
def test_a_true_claim_holds(x):
    verdict = check_claim(SQUARE, x)

    assert verdict.applies
    assert not verdict.refuted
    assert verdict.ratio == (x * x / abs(x) if x * x > 0.0 else 0.0)


def test_silence_is_neither_success_nor_refutation():
    verdict = check_claim(SQUARE, 2.0)

    assert verdict.unmet == ("abs(x) <= 1",)
    assert not verdict.applies
    assert not verdict.refuted
    assert np.isnan(verdict.measured)
    assert check_claim(SQUARE.drop_hypothesis("abs(x) <= 1"), 2.0).refuted


@pytest.mark.parametrize(("measured", "bound"), [(np.nan, 1.0), (1.0, np.nan), (np.nan, np.nan)])
def test_what_is_not_a_number_is_a_failure(measured, bound):
    assert ClaimResult("x", (), measured, bound).refuted

    claim = replace(SQUARE, measure=lambda x: measured, bound=lambda x: bound)
    assert check_claim(claim, 0.5).refuted


@pytest.mark.parametrize("bad", [np.nan, 5.0, np.inf])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_one_bad_entry_among_good_ones_refutes(bad, at):
    measured = np.array([0.1, 0.2, 0.3])
    measured[at] = bad
    claim = replace(SQUARE, measure=lambda x: measured, bound=lambda x: np.ones(3))

    verdict = check_claim(claim, 0.5)

    assert verdict.refuted
    np.testing.assert_equal(verdict.measured, bad)


def test_an_entry_below_a_negative_bound_is_found_beside_zeros():
    claim = replace(
        SQUARE, measure=lambda x: np.array([-1.0, 0.0]), bound=lambda x: np.array([-2.0, 1.0])
    )

    assert check_claim(claim, 0.5).refuted


def test_layers_of_other_shapes_are_checked_each_against_its_own():
    claim = replace(
        SQUARE,
        measure=lambda x: (np.full((2, 3, 4), 1.0), np.array([[2.0]])),
        bound=lambda x: (np.full(4, 2.0), np.array(4.0 * x)),
    )

    assert not check_claim(claim, 0.6).refuted
    assert check_claim(claim, 0.4).measured == 2.0
    assert check_claim(claim, 0.4).refuted


def test_the_room_for_rounding_is_what_it_says():
    def wide(by: float) -> Claim[float]:
        return replace(SQUARE, measure=lambda x: 1.0 + by, bound=lambda x: 1.0)

    assert not check_claim(wide(0.9 * ROUNDING), 0.5).refuted
    assert check_claim(wide(2.0 * ROUNDING), 0.5).refuted
    large = replace(SQUARE, measure=lambda x: 1e9 * (1.0 + 0.9 * ROUNDING), bound=lambda x: 1e9)
    assert not check_claim(large, 0.5).refuted
    assert not check_claim(replace(wide(1e-3), rounding=lambda x: 1e-3), 0.5).refuted


def test_the_ratio_does_not_count_what_rounding_explains():
    claim = replace(SQUARE, measure=lambda x: 1e-9, bound=lambda x: 0.0, rounding=lambda x: 1e-8)

    assert check_claim(claim, 0.5).ratio == 0.0
    assert not check_claim(claim, 0.5).refuted
    assert check_claim(replace(claim, rounding=lambda x: 0.0), 0.5).ratio == np.inf
