"""Branch and bound on functions whose largest value is known, or on a grid; and how it may fail."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.certified import supremum as module
from proofs_check.certified.intervals import exact, interval, square
from proofs_check.certified.supremum import supremum
from refsast.testing import min_examples, seeds

REL = 1e-6
UNIT = np.array([0.0, 1.0])
# The last is the value at zero: the largest is positive, so that a relative width can be reached.
COEFFICIENTS = st.builds(
    lambda rising, last: [*rising, last],
    st.lists(st.floats(-3.0, 3.0), min_size=1, max_size=4),
    st.floats(1.0, 3.0),
)


def polynomial(coefficients):
    """Return a polynomial, the highest coefficient first, of intervals or of numbers."""

    def value(x):
        total = 0.0 * x + coefficients[0]
        for c in coefficients[1:]:
            total = total * x + c
        return total

    return value


def derivative(coefficients):
    n = len(coefficients) - 1
    return polynomial([(n - i) * c for i, c in enumerate(coefficients[:-1])])


@given(
    COEFFICIENTS,
    st.floats(-2.0, 0.0),
    st.floats(0.0, 2.0),
    st.integers(1, 5),
    st.sampled_from([1e-3, REL, 1e-10]),
)
@min_examples(100)
def test_the_largest_value_of_a_polynomial_lies_between(coefficients, low, high, pieces, rel):
    f, edges = polynomial(coefficients), np.linspace(low, high, pieces + 1)

    found = supremum(f, derivative(coefficients), edges, rel)

    sampled = f(np.linspace(low, high, 2001)).max()
    size = sum(np.abs(coefficients)) * 16.0  # of the terms that a value is rounded from
    slack = rel * abs(found.upper) + 1e-14 * size
    assert found.lower <= found.upper <= found.lower + slack
    assert low <= found.point <= high
    assert found.lower <= f(exact(found.point)).upper
    assert abs(f(found.point) - found.lower) <= 1e-14 * size
    assert sampled <= found.upper + 1e-14 * size


def bump(x):
    """Return the inverse of ``1 + (1000 (x - 0.3))^2``, narrow."""
    return 1.0 / (1.0 + square(1000.0 * (x - 0.3)))


def bump_slope(x):
    return -2e6 * (x - 0.3) * square(bump(x))


@pytest.mark.parametrize("edges", [UNIT, np.array([0.0, 0.3, 1.0]), np.linspace(0.0, 1.0, 8)])
def test_a_narrow_peak_is_found(edges):
    found = supremum(bump, bump_slope, edges)

    assert 1.0 <= found.upper <= 1.0 + 2.0 * REL
    assert 1.0 - REL <= found.lower <= 1.0
    assert found.point == pytest.approx(0.3, abs=1e-5)


def test_with_no_slope_known_it_takes_longer_and_is_as_true():
    found = supremum(bump, lambda x: interval(-np.inf, np.inf) + 0.0 * x, UNIT, rel=1e-4)

    assert 1.0 <= found.upper <= 1.0 + 2e-4


def test_what_cannot_exceed_the_floor_is_dropped_and_the_bound_stays_a_bound():
    low = supremum(bump, bump_slope, UNIT, floor=0.5)
    high = supremum(bump, bump_slope, UNIT, floor=2.0)

    assert 1.0 <= low.upper <= 1.0 + 2.0 * REL
    assert 1.0 <= high.upper <= 2.0 * (1.0 + REL)
    assert high.lower <= 1.0


@pytest.mark.parametrize("value", [-2.0, 0.0, 3.0])
def test_a_constant_is_itself(value):
    found = supremum(lambda x: 0.0 * x + value, lambda x: 0.0 * x, UNIT)

    assert found.lower <= value <= found.upper
    assert found.upper - found.lower <= 1e-15 * abs(value) + 1e-300


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_monotone_function_is_largest_at_an_end_with_one_box(sign):
    calls = []

    def f(x):
        calls.append(x)
        return 3.0 + sign * x

    found = supremum(f, lambda x: exact(np.full_like(x.lower, sign)), UNIT)

    assert len(calls) == 1
    assert found.point == max(0.0, sign)
    assert found.lower <= 3.0 + max(0.0, sign) <= found.upper


def test_when_boxes_run_out_the_bound_is_wider_and_true(monkeypatch):
    for name, value in (("MAX_ROUNDS", 2), ("MAX_BOXES", 1)):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            found = supremum(bump, bump_slope, UNIT)

        assert found.upper >= 1.0
        assert found.lower <= 1.0


def nowhere(x):
    """Hold no number where x may be 0.7: an interval that says nothing."""
    unknown = (x.lower <= 0.7) & (x.upper >= 0.7)
    return replace(
        x, lower=np.where(unknown, np.nan, x.lower), upper=np.where(unknown, np.nan, x.upper)
    )


def test_what_is_not_a_number_is_never_taken_for_small():
    found = supremum(nowhere, lambda x: exact(np.ones_like(x.lower)) * interval(-1.0, 1.0), UNIT)

    assert not found.upper <= 1e300


def test_a_slope_that_lies_is_not_forgiven():
    """These checks see a wrong slope: with half of it the bound falls below the largest value."""
    honest = supremum(lambda x: x * (1.0 - x), lambda x: 1.0 - 2.0 * x, np.array([0.1, 1.2]))
    lying = supremum(lambda x: x * (1.0 - x), lambda x: 0.0 * x, np.array([0.1, 1.2]))

    assert honest.lower <= 0.25 <= honest.upper
    assert lying.upper < 0.25 - 1e-4


@given(seeds())
@min_examples(5)
def test_where_the_values_are_vague_the_bounds_are_wide_and_true(seed):
    top, vague = np.random.default_rng(seed).uniform(0.5, 2.5), interval(-1e-3, 1e-3)
    edges = np.linspace(0.0, 3.0, 7)
    found = supremum(
        lambda x: 1.0 - square(x - top) + vague, lambda x: -2.0 * (x - top), edges, 1e-9
    )

    assert found.lower <= 1.0 <= found.upper
    assert found.upper - found.lower < 0.01


def test_what_cannot_exceed_the_floor_is_not_refined():
    calls = []

    def f(x):
        calls.append(x)
        return polynomial([-1.0, 3.0, 0.0])(x)

    found = supremum(f, polynomial([-2.0, 3.0]), np.linspace(0.0, 3.0, 7), floor=5.0)

    assert len(calls) == 1
    assert found.lower <= 2.25 <= found.upper
