"""Numbers of fifty digits: their functions against Arb, their errors against float32."""

from decimal import Decimal, localcontext

import numpy as np
import pytest

from tools.golden.digits import Digits, errors, lift, pi, values

GIVEN = [2.0**-30, 0.03125, 0.3, 0.75, 1.0, 1.5, 3.0, 40.0, 2.0**60]
SIGNED = [*GIVEN, 0.0, *(-x for x in GIVEN)]


FUNCTIONS = {"exp": SIGNED[:8] + SIGNED[9:-1], "arctan": SIGNED, "log": GIVEN, "sqrt": GIVEN}


@pytest.mark.parametrize(("name", "given"), FUNCTIONS.items())
def test_the_functions_are_right_to_48_digits(name, given):
    flint = pytest.importorskip("flint")
    flint.ctx.dps = 70
    for x in given:
        got = getattr(np, name)(lift(np.array([x])))[0].value
        want = getattr(flint.arb(x), {"arctan": "atan"}.get(name, name))()
        gap = abs(flint.arb(str(got)) - want)

        assert gap <= 1e-48 * abs(want)


def test_pi_is_right_to_48_digits():
    flint = pytest.importorskip("flint")
    flint.ctx.dps = 70

    assert abs(flint.arb(str(pi().value)) - flint.arb.pi()) < 1e-48


OPERATIONS = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "exp": lambda a, b: np.exp(-a),
    "log": lambda a, b: np.log(a + 0.5),
    "sqrt": lambda a, b: np.sqrt(a),
    "arctan": lambda a, b: np.arctan(a),
}


def round_digits(name: str, exact: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers in float32, in fifty digits, and the errors: of an operation after some rounding."""
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0.5, 2.0, (2, 2000)).astype(np.float32)
    third, f = np.float32(3.0), OPERATIONS[name]
    one, other = (a, b) if exact else (a / third, b * third)
    wide = lift(a.astype(float)), lift(b.astype(float))
    right = f(*wide) if exact else f(wide[0] / 3.0, wide[1] * 3.0)
    got = f(one.astype(float), other.astype(float)).astype(np.float32)  # rounded once, correctly
    return got.astype(float), values(right), errors(right)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_error_bounds_float32_and_is_no_more_than_a_few_times_too_large(name, exact):
    got, want, error = round_digits(name, exact)
    share = abs(got - want) / (2.0**-24 * error)

    assert share.max() <= 1.01  # it is of first order
    assert share.max() > 0.2


def test_errors_of_factors_and_divisors_are_carried_along():
    """Each term of each rule by itself: the value is exact, the error is given."""
    a, b = Digits(Decimal(3), Decimal(5)), Digits(Decimal(2), Decimal(7))

    assert float((a * b).error) == 3 * 7 + 2 * 5 + 6
    assert float((a / b).error) == (5 + 1.5 * 7) / 2 + 1.5
    assert float((a + b).error) == float((a - b).error) == 5 + 7 + 3 + 2
    assert float((-a).error) == 5
    assert float((1.0 - a).value) == -2
    assert float((1.0 / b).value) == 0.5


def test_what_was_given_has_no_error_and_comes_back_to_the_bit():
    x = np.array([0.1, -1e-300, 3.0, 0.0])

    assert values(lift(x)).tobytes() == x.tobytes()
    assert errors(lift(x)).tolist() == [0.0] * 4


def test_a_number_is_rounded_to_float64_to_the_nearest():
    above, below = Decimal(1) + Decimal(2) ** -53, Decimal(1) + Decimal(2) ** -54

    assert float(Digits(above + Decimal("1e-25"))) == 1.0 + 2.0**-52
    assert float(Digits(below)) == 1.0


def test_the_context_of_the_caller_has_no_say():
    x = lift(np.array([1.0])) / 3.0
    with localcontext(prec=5):
        moved = [x + 1.0, -x, x * x, 1.0 / x, np.exp(x), np.log(x), np.sqrt(x), np.arctan(x)]
    still = [x + 1.0, -x, x * x, 1.0 / x, np.exp(x), np.log(x), np.sqrt(x), np.arctan(x)]

    assert list(map(repr, moved)) == list(map(repr, still))
    assert ((-x) + x)[0].value == 0


def test_only_numbers_mix_with_it():
    with pytest.raises(TypeError):
        _ = Digits(Decimal(1)) + "1"  # pyright: ignore[reportOperatorIssue]
