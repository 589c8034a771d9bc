"""Elementary functions of intervals against Arb; every check of rounding is seen to fail."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs_check import enclosure
from proofs_check.enclosure import PI, Interval, exact, interval
from tests.proofs_check import arb
from tests.strategies import at_least, magnitudes, spans

EPS = np.finfo(float).eps
# By name: the function of intervals, of Arb's balls, where it is known closely, and how closely:
# each of 12 squarings doubles a few units of the last place; an arccotangent adds up 16.
ELEMENTARY = {
    "exp": (enclosure.exp, lambda x: x.exp(), (-700.0, 709.0), 2**12 * 8 * EPS),
    "arccot": (enclosure.arccot, arb.arccot, (0.0, 1e300), 32 * EPS),
}
elementary = pytest.mark.parametrize("name", ELEMENTARY)


def holds_ball(found, value):
    """Whether an interval surely holds all of one of Arb's balls."""
    low, high = arb.ball(found.lower.item()), arb.ball(found.upper.item())
    return bool(low <= value) and bool(value <= high)


@given(st.floats(-745.0, 709.0) | magnitudes() | magnitudes(-300.0, 2.8).map(lambda x: -x), spans())
@at_least(100)
def test_an_exponential_holds_the_exact_one(x, ends):
    assert_holds("exp", [x])
    assert_holds("exp", ends)


@given(st.just(0.0) | magnitudes() | magnitudes(-1.0, 1.0), spans())
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
        assert holds_ball(found, judge(arb.ball(at)))
    if len(ends) == 1 and low <= ends[0] <= high:
        assert found.upper <= found.lower * (1.0 + close) + 2e-322


def test_pi_lies_between_its_neighbours():
    assert holds_ball(PI, arb.flint.arb.pi())
    assert PI.upper == np.nextafter(PI.lower, 4.0)


@elementary
def test_rounding_to_nearest_is_caught_in_the_function(name, monkeypatch):
    function, judge, *_ = ELEMENTARY[name]
    drawn = np.random.default_rng(0).uniform(0.1, 4.0, 50).tolist()

    def escapes():
        return sum(not holds_ball(function(exact(x)), judge(arb.ball(x))) for x in drawn)

    assert escapes() == 0
    monkeypatch.setattr(enclosure, "outward", Interval)
    assert escapes() > 5
