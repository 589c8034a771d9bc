"""Intervals against exact rational arithmetic and against Arb; every check is seen to fail."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs_check import enclosure
from proofs_check.enclosure import PI, Interval, exact, interval
from tests.proofs_check import arb
from tests.strategies import at_least

INF, EPS, LARGEST = np.inf, np.finfo(float).eps, np.finfo(float).max
# By name: the operation of intervals, and of fractions; a root is judged by its square.
UNARY = {
    "minus": (lambda x: -x, lambda x: -x),
    "magnitude": (abs, abs),
    "square": (enclosure.square, lambda x: x * x),
}
BINARY = {
    "x + y": (lambda x, y: x + y, lambda x, y: x + y),
    "x - y": (lambda x, y: x - y, lambda x, y: x - y),
    "x * y": (lambda x, y: x * y, lambda x, y: x * y),
    "x / y": (lambda x, y: x / y, lambda x, y: x / y),
}
OPERATIONS = UNARY | BINARY
ROUNDED = ("square", *BINARY)
# By name: the function of intervals, of Arb's balls, where it is known closely, and how closely:
# each of 12 squarings doubles a few units of the last place; an arccotangent adds up 16.
ELEMENTARY = {
    "exp": (enclosure.exp, lambda x: x.exp(), (-700.0, 709.0), 2**12 * 8 * EPS),
    "arccot": (enclosure.arccot, arb.arccot, (0.0, 1e300), 32 * EPS),
}
rounded = pytest.mark.parametrize("name", ROUNDED)
operations = pytest.mark.parametrize("name", OPERATIONS)
elementary = pytest.mark.parametrize("name", ELEMENTARY)


def magnitudes(lowest=-300.0, highest=300.0):
    """Positive numbers, their exponents even."""
    return st.floats(lowest, highest).map(lambda exponent: 10.0**exponent)


def numbers():
    """Doubles of either sign from 1e-300 to 1e300, and the plainest of them."""
    plain = st.sampled_from([0.0, -0.0, 1.0, -1.0, 3.0, 0.1, 1e-300, 1e300, -1e300, 5e-324])
    signed = st.tuples(st.sampled_from([-1.0, 1.0]), magnitudes() | magnitudes(-1.0, 1.0))
    return plain | signed.map(np.prod).map(float) | st.floats(-4.0, 4.0)


def pairs():
    """Ends of intervals, sometimes equal."""
    return st.tuples(numbers(), numbers()).map(sorted) | numbers().map(lambda x: [x, x])


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
    return 0 <= low and low * low <= value <= high * high


def holds_ball(found, value):
    """Whether an interval surely holds all of one of Arb's balls."""
    return bool(arb.ball(found.lower.item()) <= value) and bool(
        value <= arb.ball(found.upper.item())
    )


@operations
@given(data=st.data())
@at_least(60)
def test_an_operation_on_numbers_holds_the_exact_result_and_little_more(name, data):
    operation, judge = OPERATIONS[name]
    drawn = operands(name, data, numbers())

    found = operation(*map(exact, drawn))

    assert holds(found, judge(*map(Fraction, drawn)))
    with np.errstate(over="ignore"):
        assert found.lower <= found.upper <= np.nextafter(np.nextafter(found.lower, INF), INF)


@operations
@given(data=st.data(), shares=st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)))
@at_least(60)
def test_an_operation_on_intervals_holds_the_results_of_all_that_is_in_them(name, data, shares):
    operation, judge = OPERATIONS[name]
    drawn = operands(name, data, pairs())

    found = operation(*(interval(*ends) for ends in drawn))

    for a, b in [shares, (0, 0), (0, 1), (1, 0), (1, 1)]:
        inside = [
            Fraction(low) + Fraction(share) * (Fraction(high) - Fraction(low))
            for (low, high), share in zip(drawn, (a, b), strict=False)
        ]
        assert holds(found, judge(*inside))


@given(numbers(), numbers())
@at_least(60)
def test_numbers_and_arrays_meet_intervals_on_either_side(x, y):
    for number in (x, np.float64(x), np.array([x])):
        assert holds(number + exact(y), Fraction(x) + Fraction(y))
        assert holds(number - exact(y), Fraction(x) - Fraction(y))
        assert holds(exact(y) - number, Fraction(y) - Fraction(x))
        assert holds(number * exact(y), Fraction(x) * Fraction(y))
        if y:
            assert holds(number / exact(y), Fraction(x) / Fraction(y))


@given(pairs())
@at_least(60)
def test_a_root_squared_is_the_number_and_no_root_is_negative(ends):
    low, high = sorted(map(abs, ends))
    found = enclosure.sqrt(interval(low, high))

    assert holds_root(found, Fraction(low))
    assert holds_root(found, Fraction(high))
    assert holds_root(enclosure.sqrt(exact(low)), Fraction(low))
    assert enclosure.sqrt(exact(low)).upper <= np.sqrt(low) * (1.0 + 2.0 * EPS) + 5e-324
    assert enclosure.sqrt(enclosure.square(interval(*ends))).lower >= 0.0


@given(st.floats(-745.0, 709.0) | magnitudes() | magnitudes(-300.0, 2.8).map(lambda x: -x), pairs())
@at_least(100)
def test_an_exponential_holds_the_exact_one(x, ends):
    assert_holds("exp", [x])
    assert_holds("exp", ends)


@given(st.just(0.0) | magnitudes() | magnitudes(-1.0, 1.0), pairs())
@at_least(100)
def test_an_arccotangent_holds_the_exact_one(x, ends):
    assert_holds("arccot", [x])
    assert_holds("arccot", sorted(map(abs, ends)))


def assert_holds(name, ends):
    """Check a function at the ends and in the middle of an interval."""
    function, judge, (low, high), close = ELEMENTARY[name]
    found = function(interval(ends[0], ends[-1]))

    assert 0.0 <= found.lower <= found.upper
    for x in (ends[0], 0.5 * ends[0] + 0.5 * ends[-1], ends[-1]):
        at = min(max(x, -1e9), 1e9) if name == "exp" else x  # Arb's exponents are not so large
        assert found.upper == INF or holds_ball(found, judge(arb.ball(at)))
    if len(ends) == 1 and low <= ends[0] <= high:
        assert found.upper <= found.lower * (1.0 + close) + 2e-322


def test_far_out_an_exponential_is_only_known_to_be_small_or_large():
    assert enclosure.exp(exact(709.0)).upper < INF
    assert enclosure.exp(exact(710.0)).upper == INF
    assert 8e307 < enclosure.exp(exact(INF)).lower < INF
    for x in (-745.1, -800.0, -1e300, -INF):
        assert enclosure.exp(exact(x)).lower == 0.0
        assert 0.0 < enclosure.exp(exact(x)).upper <= 2e-323


def test_pi_lies_between_its_neighbours():
    assert holds_ball(PI, arb.flint.arb.pi())
    assert PI.upper == np.nextafter(PI.lower, 4.0)


def test_infinite_ends_say_nothing_on_their_side_and_overflow_is_held_in_silence():
    everything, far = interval(-INF, INF), interval(2.0, INF)

    for found, ends in (
        (exact(1e300) * 1e300, (LARGEST, INF)),
        (exact(1e300) * -1e300, (-INF, -LARGEST)),
        (exact(LARGEST) + LARGEST, (LARGEST, INF)),
        (exact(1.0) / 5e-324, (LARGEST, INF)),
        (enclosure.square(exact(-1e200)), (LARGEST, INF)),
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
    assert enclosure.arccot(exact(INF)).lower == 0.0


@pytest.mark.parametrize(
    "divisor", [(0.0, 1.0), (-1.0, 0.0), (0.0, 0.0), (-1.0, 1.0), (np.nan, 1.0)]
)
def test_what_may_be_zero_divides_nothing(divisor):
    with pytest.raises(ValueError, match="^divisor must not hold zero, got Interval"):
        exact(1.0) / interval(*divisor)


@pytest.mark.parametrize("lower", [-1.0, -5e-324, np.nan])
def test_a_negative_number_has_no_root(lower):
    with pytest.raises(ValueError, match="^x must not be negative, got Interval"):
        enclosure.sqrt(interval(lower, 1.0))


def to_nearest(lower, upper):
    """What `outward` would be if rounding were not minded."""
    return Interval(lower, upper)


@rounded
def test_rounding_to_nearest_is_caught_in(name, monkeypatch):
    operation, judge = OPERATIONS[name]
    rng = np.random.default_rng(0)
    drawn = np.exp(rng.uniform(-3.0, 3.0, (50, 1 if name in UNARY else 2))).tolist()

    def escapes():
        return sum(not holds(operation(*map(exact, x)), judge(*map(Fraction, x))) for x in drawn)

    assert escapes() == 0
    monkeypatch.setattr(enclosure, "outward", to_nearest)
    assert escapes() > 25


def test_rounding_to_nearest_is_caught_in_a_root(monkeypatch):
    monkeypatch.setattr(enclosure, "outward", to_nearest)

    assert not holds_root(enclosure.sqrt(exact(2.0)), Fraction(2))


@elementary
def test_rounding_to_nearest_is_caught_in_the_function(name, monkeypatch):
    function, judge, *_ = ELEMENTARY[name]
    drawn = np.random.default_rng(0).uniform(0.1, 4.0, 50).tolist()

    def escapes():
        return sum(not holds_ball(function(exact(x)), judge(arb.ball(x))) for x in drawn)

    assert escapes() == 0
    monkeypatch.setattr(enclosure, "outward", to_nearest)
    assert escapes() > 5
