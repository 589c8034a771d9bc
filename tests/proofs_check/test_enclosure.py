"""Intervals against exact fractions; the supremum against functions whose maximum is known."""

import math
import operator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.certified import intervals
from proofs_check.certified.intervals import PI, Interval, exact, interval, sqrt, square
from proofs_check.certified.supremum import supremum
from proofs_check.certified.unit_spikes import UNIT_SPIKES, initial_edges
from tests.strategies import min_examples, seeds

OPERATIONS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "square": lambda x, y: square(x) if isinstance(x, Interval) else x * x,
    "abs": lambda x, y: abs(x),
}
ROUNDED = ("+", "-", "*", "/", "square")
operations = pytest.mark.parametrize("name", OPERATIONS)
finite = st.floats(-1e100, 1e100)


def holds(box, value):
    return Fraction(float(box.lower)) <= value <= Fraction(float(box.upper))


def between(x, share):
    """Return a double of the interval."""
    return float(np.clip(x.lower + share * (x.upper - x.lower), x.lower, x.upper))


@operations
@given(finite, finite, finite, finite, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
@min_examples(200)
def test_an_interval_holds_the_exact_result_of_whatever_it_holds(name, a, b, c, d, s, t):
    x, y = interval(*sorted((a, b))), interval(*sorted((c, d)))
    if name == "/" and any(0.0 < abs(end) < 1e-100 for end in (c, d)):
        return  # a quotient beyond all doubles would be a warning
    if name == "/" and y.lower <= 0.0 <= y.upper:
        with pytest.raises(ValueError, match=r"^divisor must not hold zero, got "):
            x / y
        return
    points = Fraction(between(x, s)), Fraction(between(y, t))

    assert holds(OPERATIONS[name](x, y), OPERATIONS[name](*points))


@operations
def test_numbers_and_arrays_are_operands(name):
    x, numbers = exact(np.array([1.5, -2.0])), np.array([3.0, 0.7])
    of_arrays = OPERATIONS[name](numbers, x) if name in "+-*/" else OPERATIONS[name](x, 0.0)
    for i in range(2):
        wanted = OPERATIONS[name](*map(Fraction, (numbers[i], x.lower[i])))
        if name in ROUNDED[:4]:
            assert holds(Interval(of_arrays.lower[i], of_arrays.upper[i]), wanted)
    assert holds(OPERATIONS[name](exact(1.5), 0.1), OPERATIONS[name](Fraction(1.5), Fraction(0.1)))


@given(st.floats(0.0, 1e300))
def test_the_root_is_between_numbers_whose_squares_are_below_and_above(x):
    root = sqrt(exact(x))

    assert max(Fraction(float(root.lower)), 0) ** 2 <= Fraction(x)
    assert Fraction(float(root.upper)) ** 2 >= Fraction(x)


def test_there_is_no_root_of_a_negative_number():
    with pytest.raises(ValueError, match=r"^x must not be negative, got "):
        sqrt(interval(-1.0, 2.0))


def escapes(name, seed):
    """Whether the exact result is not in the interval, for generic operands."""
    x, y = np.random.default_rng(seed).normal(size=2)
    return not holds(
        OPERATIONS[name](exact(x), exact(y)),
        OPERATIONS[name](Fraction(x), Fraction(y)),
    )


@pytest.mark.parametrize("name", ROUNDED)
def test_rounding_to_nearest_is_caught(name, monkeypatch):
    assert not any(escapes(name, seed) for seed in range(50))

    monkeypatch.setattr(intervals, "round_outward", Interval)

    assert sum(escapes(name, seed) for seed in range(50)) > 10


def test_a_root_rounded_to_nearest_is_caught(monkeypatch):
    monkeypatch.setattr(intervals, "round_outward", Interval)
    root = Fraction(float(sqrt(exact(2.0)).lower))

    assert root**2 > 2


def test_pi_is_between_two_neighbours():
    digits = Fraction(314159265358979323846264338327950288, 10**35)

    assert holds(PI, digits)
    assert holds(PI, digits + Fraction(1, 10**35))
    assert np.nextafter(PI.lower, 4.0) == PI.upper


def test_what_the_series_leave_out_is_less_than_their_rest():
    large, small = Fraction(3, 16), Fraction(1, 100)

    assert Fraction(-intervals.EXP_UNDERFLOW) / 2**intervals.HALVINGS < large
    first = large ** len(intervals.EXP_TERMS) / math.factorial(len(intervals.EXP_TERMS))
    assert 2 * first <= Fraction(float(intervals.EXP_REMAINDER.upper))
    assert math.tan(math.pi / 32.0) < 0.0999  # squared, below 1/100
    terms = len(intervals.ARCTAN_TERMS)
    assert small**terms / (2 * terms + 1) <= Fraction(float(intervals.ARCTAN_REMAINDER.upper))
    for rest in (intervals.EXP_REMAINDER, intervals.ARCTAN_REMAINDER):
        assert rest.lower == -rest.upper


CUBIC = st.lists(st.integers(-8, 8), min_size=4, max_size=4)
EDGES = np.linspace(0.0, 3.0, 7)


def polynomial(coefficients):
    """Return a polynomial, the highest coefficient first, that takes intervals and arrays."""

    def value(x):
        total = 0.0 * x
        for c in coefficients:
            total = total * x + float(c)
        return total

    return value


@given(CUBIC, st.sampled_from([1e-3, 1e-6, 1e-10]))
@min_examples(100)
def test_the_supremum_is_enclosed_as_tightly_as_wanted(coefficients, rel):
    slope = [c * (3 - i) for i, c in enumerate(coefficients[:3])]
    f, derivative = polynomial(coefficients), polynomial(slope)
    found = supremum(f, derivative, EDGES, rel)
    sample = f(np.linspace(0.0, 3.0, 3001)).max()

    assert 0.0 <= found.point <= 3.0
    assert abs(f(np.array(found.point)) - found.lower) <= 1e-12 * (1.0 + abs(sample))
    assert found.lower <= found.upper
    assert sample <= found.upper + 1e-12 * (1.0 + abs(sample))
    assert found.upper - found.lower <= rel * abs(found.lower) + 1e-12


def test_a_wrong_derivative_is_seen():
    """Taken for constant, x (3 - x) would be largest at an end or a middle of a first box."""
    f = polynomial([-1, 3, 0])
    wrong = supremum(f, lambda x: exact(np.zeros_like(x.lower)), np.array([0.0, 1.0, 3.0]))

    assert wrong.upper < 2.25 - 1e-3
    assert supremum(f, polynomial([-2, 3]), np.array([0.0, 1.0, 3.0])).upper >= 2.25


def test_what_cannot_exceed_the_floor_is_not_refined():
    asked = []

    def f(x):
        asked.append(x.lower.size)
        return polynomial([-1, 3, 0])(x)

    found = supremum(f, polynomial([-2, 3]), EDGES, 1e-6, 5.0)

    assert len(asked) == 1
    assert found.lower <= 2.25 <= found.upper


@given(seeds())
@min_examples(5)
def test_where_the_values_are_vague_the_enclosure_is_wide_and_true(seed):
    top, vague = np.random.default_rng(seed).uniform(0.5, 2.5), interval(-1e-3, 1e-3)
    found = supremum(
        lambda x: 1.0 - square(x - top) + vague, lambda x: -2.0 * (x - top), EDGES, 1e-9
    )

    assert found.lower <= 1.0 <= found.upper
    assert found.upper - found.lower < 0.01


@pytest.mark.parametrize("family", UNIT_SPIKES, ids=lambda f: f.__name__)
def test_the_first_boxes_leave_no_gap(family):
    edges = initial_edges(UNIT_SPIKES[family])

    assert edges[0] == 0.0
    assert edges[-1] == UNIT_SPIKES[family].far
    assert (np.diff(edges) > 0.0).all()
