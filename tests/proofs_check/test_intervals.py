"""Intervals against exact rational arithmetic; every check of rounding is seen to fail."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.certified import intervals
from proofs_check.certified.intervals import PI, Interval, exact, interval
from refsast.testing import min_examples
from tests.strategies import doubles, spans

INF, EPS, LARGEST = np.inf, np.finfo(float).eps, np.finfo(float).max
# By name: the operation of intervals, and of fractions; a root is judged by its square.
UNARY = {
    "minus": (lambda x: -x, lambda x: -x),
    "magnitude": (abs, abs),
    "square": (intervals.square, lambda x: x * x),
}
BINARY = {
    "x + y": (lambda x, y: x + y, lambda x, y: x + y),
    "x - y": (lambda x, y: x - y, lambda x, y: x - y),
    "x * y": (lambda x, y: x * y, lambda x, y: x * y),
    "x / y": (lambda x, y: x / y, lambda x, y: x / y),
}
OPERATIONS = UNARY | BINARY
ROUNDED = ("square", *BINARY)
rounded = pytest.mark.parametrize("name", ROUNDED)
operations = pytest.mark.parametrize("name", OPERATIONS)


def operands(name, data, strategy):
    """Draw what an operation asks for; a divisor, or an interval of them, does not hold zero."""
    if name in UNARY:
        return [data.draw(strategy)]
    other = strategy if name != "x / y" else strategy.filter(lambda y: not spans_zero(y))
    return [data.draw(strategy), data.draw(other)]


def spans_zero(y):
    low, high = (y, y) if isinstance(y, float) else y
    return low <= 0.0 <= high


def holds(found, value):
    """Whether an interval holds a fraction; Python compares fractions and doubles exactly."""
    return found.lower.item() <= value <= found.upper.item()


def holds_root(found, value):
    """Whether an interval of no negative numbers holds the square root of a fraction."""
    low, high = Fraction(found.lower.item()), Fraction(found.upper.item())
    return low >= 0 and low * low <= value <= high * high


@operations
@given(data=st.data())
@min_examples(60)
def test_an_operation_on_numbers_holds_the_exact_result_and_little_more(name, data):
    operation, judge = OPERATIONS[name]
    drawn = operands(name, data, doubles())

    found = operation(*map(exact, drawn))

    assert holds(found, judge(*map(Fraction, drawn)))
    with np.errstate(over="ignore"):
        assert found.lower <= found.upper <= np.nextafter(np.nextafter(found.lower, INF), INF)


@operations
@given(data=st.data(), shares=st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)))
@min_examples(60)
def test_an_operation_on_intervals_holds_the_results_of_all_that_is_in_them(name, data, shares):
    operation, judge = OPERATIONS[name]
    drawn = operands(name, data, spans())

    found = operation(*(interval(*ends) for ends in drawn))

    for a, b in [shares, (0, 0), (0, 1), (1, 0), (1, 1)]:
        inside = [
            Fraction(low) + Fraction(share) * (Fraction(high) - Fraction(low))
            for (low, high), share in zip(drawn, (a, b), strict=False)  # one operand, or two
        ]
        assert holds(found, judge(*inside))


SIGNS = [(2.0, 3.0), (-3.0, -2.0), (-2.0, 3.0), (-3.0, 2.0), (0.0, 3.0), (-3.0, 0.0)]


@pytest.mark.parametrize("x", SIGNS)
@pytest.mark.parametrize("y", SIGNS)
@pytest.mark.parametrize("name", ["x * y", "x / y"])
def test_whatever_the_signs_no_corner_is_forgotten(name, x, y):
    operation, judge = OPERATIONS[name]
    if name == "x / y" and spans_zero(y):
        return

    found = operation(interval(*x), interval(*y))

    for a, b in itertools.product(x, y):
        assert holds(found, judge(Fraction(a), Fraction(b)))


@given(doubles(), doubles())
@min_examples(60)
def test_numbers_and_arrays_meet_intervals_on_either_side(x, y):
    for number in (x, np.float64(x), np.array([x])):
        assert holds(number + exact(y), Fraction(x) + Fraction(y))
        assert holds(number - exact(y), Fraction(x) - Fraction(y))
        assert holds(exact(y) - number, Fraction(y) - Fraction(x))
        assert holds(number * exact(y), Fraction(x) * Fraction(y))
        if y:
            assert holds(number / exact(y), Fraction(x) / Fraction(y))


@given(spans())
@min_examples(60)
def test_a_root_squared_is_the_number_and_no_root_is_negative(ends):
    low, high = sorted(map(abs, ends))
    found = intervals.sqrt(interval(low, high))

    assert holds_root(found, Fraction(low))
    assert holds_root(found, Fraction(high))
    assert holds_root(intervals.sqrt(exact(low)), Fraction(low))
    assert intervals.sqrt(exact(low)).upper <= np.sqrt(low) * (1.0 + 2.0 * EPS) + 5e-324
    assert intervals.sqrt(intervals.square(interval(*ends))).lower >= 0.0


def test_far_out_an_exponential_is_only_known_to_be_small_or_large():
    assert intervals.exp(exact(709.0)).upper < INF
    assert intervals.exp(exact(710.0)).upper == INF
    assert 8e307 < intervals.exp(exact(INF)).lower < INF
    for x in (-745.1, -800.0, -1e300, -INF):
        assert intervals.exp(exact(x)).lower == 0.0
        assert 0.0 < intervals.exp(exact(x)).upper <= 2e-323


def test_infinite_ends_say_nothing_on_their_side_and_overflow_is_held_in_silence():
    everything, far = interval(-INF, INF), interval(2.0, INF)

    for found, ends in (
        (exact(1e300) * 1e300, (LARGEST, INF)),
        (exact(1e300) * -1e300, (-INF, -LARGEST)),
        (exact(LARGEST) + LARGEST, (LARGEST, INF)),
        (exact(1.0) / 5e-324, (LARGEST, INF)),
        (intervals.square(exact(-1e200)), (LARGEST, INF)),
        (far - far, (-INF, INF)),
        (interval(0.0, 1.0) * everything, (-INF, INF)),
        (-far, (-INF, -2.0)),
        (abs(everything), (0.0, INF)),
    ):
        assert (found.lower, found.upper) == ends
    assert holds(interval(0.0, 1.0) * far, 0)
    assert (interval(0.0, 1.0) * far).upper == INF
    assert holds(exact(0.0) * far, 0)
    assert (exact(0.0) * far).upper == 5e-324
    assert holds(far / far, Fraction(1, 10**400))
    assert (far / far).upper == INF
    assert intervals.arccot(exact(INF)).lower == 0.0


@pytest.mark.parametrize(
    "divisor", [(0.0, 1.0), (-1.0, 0.0), (0.0, 0.0), (-1.0, 1.0), (np.nan, 1.0)]
)
def test_what_may_be_zero_divides_nothing(divisor):
    with pytest.raises(ValueError, match=r"^divisor must not hold zero, got Interval"):
        exact(1.0) / interval(*divisor)


@pytest.mark.parametrize("lower", [-1.0, -5e-324, np.nan])
def test_a_negative_number_has_no_root(lower):
    with pytest.raises(ValueError, match=r"^x must not be negative, got Interval"):
        intervals.sqrt(interval(lower, 1.0))


@rounded
def test_rounding_to_nearest_is_caught_in(name, monkeypatch):
    operation, judge = OPERATIONS[name]
    rng = np.random.default_rng(0)
    drawn = np.exp(rng.uniform(-3.0, 3.0, (50, 1 if name in UNARY else 2))).tolist()

    def escapes():
        return sum(not holds(operation(*map(exact, x)), judge(*map(Fraction, x))) for x in drawn)

    assert escapes() == 0
    monkeypatch.setattr(intervals, "round_outward", Interval)
    assert escapes() > 25


def test_rounding_to_nearest_is_caught_in_a_root(monkeypatch):
    monkeypatch.setattr(intervals, "round_outward", Interval)

    assert not holds_root(intervals.sqrt(exact(2.0)), Fraction(2))


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
