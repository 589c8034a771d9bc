"""The smooth spikes against closed forms, the complex step and the tape."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refsast as rs
from refsast.autodiff import value_and_grad
from refsast.autodiff.numeric import complex_step
from refsast.testing import ANALYTIC, SURROGATES, min_examples, numbers, surrogates
from tests import oracle

families = pytest.mark.parametrize("family", SURROGATES, ids=lambda f: f.__name__)
GRID = np.concatenate([np.linspace(-6.0, 6.0, 40_001), np.geomspace(1e-9, 1e3, 2_001)])
EXTREMES = [0.0, -0.0, 1e-300, 1e-30, 1.0, 30.0, 800.0, 1e8, 1e154, 1e155, 1e200, 1e300]

# z where abs(sigma'') is largest, in units of 1/slope; a jump is approached, not attained.
PEAK = {
    rs.Arctan: 2.0 / (math.pi * math.sqrt(3.0)),
    rs.Logistic: math.log(2.0 + math.sqrt(3.0)),
    rs.Algebraic: 0.5,
    rs.FastSigmoid: 1e-17,
    rs.PiecewiseQuadratic: 0.5,
}
# DESIGN 4: sigma'(0) in units of the slope.
SLOPE_AT_THRESHOLD = {
    rs.Arctan: 0.5,
    rs.Logistic: 0.25,
    rs.Algebraic: 0.5,
    rs.FastSigmoid: 0.5,
    rs.PiecewiseQuadratic: 1.0,
}


def slope_and_curvature(spike, v):
    """Return sigma' and sigma'' of one number by the textbook's formulae, for moderate v."""
    k, side = spike.slope, math.copysign(1.0, v)
    if isinstance(spike, rs.Arctan):
        z = math.pi * k * v / 2.0
        return k / 2.0 / (1.0 + z**2), -math.pi * k**2 / 2.0 * z / (1.0 + z**2) ** 2
    if isinstance(spike, rs.Logistic):
        s = 1.0 / (1.0 + math.exp(k * abs(v)))
        return k * s * (1.0 - s), -side * k**2 * s * (1.0 - s) * (1.0 - 2.0 * s)
    z = k * v
    if isinstance(spike, rs.Algebraic):
        return k / 2.0 * (1.0 + z**2) ** -1.5, -1.5 * k**2 * z * (1.0 + z**2) ** -2.5
    if isinstance(spike, rs.FastSigmoid):
        return k / 2.0 / (1.0 + abs(z)) ** 2, -side * k**2 / (1.0 + abs(z)) ** 3
    return k * max(0.0, 1.0 - abs(z)), -side * k**2 * (abs(z) < 1.0)


@families
@pytest.mark.parametrize("slope", [0.3, 1.0, 5.0])
def test_the_constants_are_attained_and_never_exceeded(family, slope):
    spike = family(slope)
    peak = np.array([PEAK[family] / slope])

    assert spike.derivative(np.zeros(1))[0] == pytest.approx(spike.sup_derivative, rel=1e-15)
    assert abs(spike.second(peak))[0] == pytest.approx(spike.sup_second, rel=1e-12)
    assert spike.derivative(GRID).max() <= spike.sup_derivative * (1.0 + 1e-15)
    assert abs(spike.second(GRID)).max() <= spike.sup_second * (1.0 + 1e-12)
    assert spike.sup_derivative == SLOPE_AT_THRESHOLD[family] * slope


@families
@pytest.mark.parametrize("v", [-2.0, -0.8, -0.3, -0.1, 0.1, 0.3, 0.8, 2.0])
def test_value_slope_and_curvature_at_a_few_points(family, v):
    spike, at = family(1.7), np.array([v])
    slope, second = slope_and_curvature(spike, v)

    assert spike(at)[0] == pytest.approx(oracle.sigma(spike, v), rel=1e-14)
    assert spike.derivative(at)[0] == pytest.approx(slope, rel=1e-13)
    assert spike.second(at)[0] == pytest.approx(second, rel=1e-12)


@given(surrogates(), st.floats(-1e300, 1e300), numbers(20.0))
@min_examples(500)
def test_what_holds_of_every_spike_at_every_number(spike, far, near):
    for number in (far, near):
        v = np.array([number])
        s, slope, second = spike(v)[0], spike.derivative(v)[0], spike.second(v)[0]

        assert 0.0 <= s <= 1.0
        assert 0.0 <= slope <= spike.sup_derivative * (1.0 + 1e-15)
        assert abs(second) <= spike.sup_second * (1.0 + 1e-14)
        assert s + spike(-v)[0] == pytest.approx(1.0, rel=4e-16)  # symmetric
        assert slope == spike.derivative(-v)[0]
        assert second == -spike.second(-v)[0]
        assert (s - 0.5) * number >= 0.0


@given(surrogates(), numbers(20.0))
@min_examples(500)
def test_value_slope_and_curvature_are_those_of_the_textbook(spike, number):
    v = np.array([number])
    slope, second = slope_and_curvature(spike, number)
    kink = isinstance(spike, rs.FastSigmoid | rs.PiecewiseQuadratic) and number == 0.0

    assert abs(spike(v)[0] - oracle.sigma(spike, number)) <= 4e-16
    assert spike.derivative(v)[0] == pytest.approx(slope, rel=1e-12, abs=1e-16 * spike.slope)
    assert kink or abs(spike.second(v)[0] - second) <= 1e-12 * abs(second) + 1e-15 * spike.slope**2
    assert not kink or spike.second(v)[0] == 0.0


@given(surrogates(), numbers(20.0))
@min_examples(500)
def test_the_slope_is_the_derivative_by_complex_step_and_by_tape(spike, number):
    v = np.array([number])
    slope = spike.derivative(v)[0]
    by_tape = value_and_grad(lambda v: np.sum(spike(v)), v)[1][0][0]
    # z/sqrt(1 + z^2) and z/(1 + |z|) cancel where they are differentiated term by term.
    z = 1.0 + spike.slope * abs(number)

    assert abs(complex_step(spike, v, np.ones(1))[0] - slope) <= 1e-15 * z * z * slope
    assert abs(by_tape - slope) <= 1e-15 * z * z * slope


@given(surrogates(ANALYTIC), numbers(20.0))
@min_examples(300)
def test_the_curvature_is_the_derivative_of_the_slope(spike, number):
    v = np.array([number])
    second = spike.second(v)[0]

    numeric = complex_step(spike.derivative, v, np.ones(1))[0]

    # Near zero it is a difference of two numbers of size slope^2.
    assert abs(numeric - second) <= 1e-13 * abs(second) + 1e-15 * spike.slope**2


@given(surrogates(), numbers(20.0), st.floats(0.0, 5.0))
@min_examples(300)
def test_every_spike_is_monotone(spike, number, more):
    assert spike(np.array([number + more]))[0] >= spike(np.array([number]))[0]


@families
@pytest.mark.parametrize("slope", [1e-3, 0.25, np.float64(0.25), 2.0, 100.0, 1e4])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_everything_is_finite_and_silent_however_far(family, slope, dtype):
    spike = family(slope)
    with np.errstate(over="ignore"):
        far = np.array(EXTREMES).astype(dtype)
    far = np.concatenate([far, -far])
    far = np.clip(far, np.finfo(dtype).min, np.finfo(dtype).max)

    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        results = [spike(far), spike.derivative(far), spike.second(far)]

    assert all(np.isfinite(r).all() and r.dtype == dtype for r in results)
    off = abs(results[0] - rs.heaviside(far))[abs(far) > 1e20]  # every tail is below 1/(slope v)
    assert (off <= 1e-15 / slope).all()
    assert (off[far[abs(far) > 1e20] > 0.0] == 0.0).all()


@families
def test_the_tape_and_the_complex_step_are_finite_and_silent_however_far(family):
    far = np.concatenate([EXTREMES, np.negative(EXTREMES)])
    spike = family(2.0)

    with np.errstate(all="raise", under="ignore"):
        by_tape = value_and_grad(lambda v: np.sum(spike(v)), far)[1][0]
        stepped = complex_step(spike, far, np.ones(far.shape))

    assert np.isfinite(by_tape).all()
    assert np.isfinite(stepped).all()


TAILS = {  # leading terms as v grows: of 1 - sigma, sigma' and -sigma''
    rs.Arctan: lambda k, v: (
        2.0 / (math.pi**2 * k * v), 2.0 / (math.pi**2 * k * v * v), 4.0 / (math.pi**2 * k * v**3)
    ),
    rs.Algebraic: lambda k, v: (
        0.25 / (k * v) ** 2, 0.5 * k / (k * v) ** 3, 1.5 * k**2 / (k * v) ** 4
    ),
    rs.FastSigmoid: lambda k, v: (
        0.5 / (k * v), 0.5 * k / (k * v) ** 2, k**2 / (k * v) ** 3
    ),
}  # fmt: skip


@pytest.mark.parametrize("family", TAILS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("v", [1e9, 1e20, 1e50])
def test_slopes_are_exact_in_the_tails(family, v):
    spike, far = family(2.0), np.array([v])
    _, slope, second = TAILS[family](2.0, v)

    assert spike.derivative(far)[0] == pytest.approx(slope, rel=1e-8)
    assert spike.second(far)[0] == pytest.approx(-second, rel=1e-8)


def test_the_logistic_spike_is_exact_in_its_tail():
    spike = rs.Logistic(2.0)
    far = np.array([-20.0, -100.0, -300.0])

    assert spike(far) == pytest.approx(np.exp(2.0 * far), rel=1e-12, abs=0.0)
    assert spike.derivative(far) == pytest.approx(2.0 * np.exp(2.0 * far), rel=1e-12, abs=0.0)
    assert spike.second(far) == pytest.approx(4.0 * np.exp(2.0 * far), rel=1e-12, abs=0.0)


def test_the_hard_spike_fires_at_the_tie_and_not_for_nan():
    v = np.array([-1.0, -5e-324, -0.0, 0.0, 5e-324, np.inf, -np.inf, np.nan])

    assert rs.heaviside(v).tolist() == [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    assert rs.heaviside(np.array([-1, 0, 2])).tolist() == [0.0, 1.0, 1.0]
    assert rs.heaviside(np.array([-1, 0, 2])).dtype == np.float64
    assert rs.heaviside(v.astype(np.float32)).dtype == np.float32
    assert rs.heaviside(np.array([0.0 - 1e-40j, -1.0 + 1j])).tolist() == [1.0, 0.0]
    assert rs.heaviside(np.float64(0.0)) == 1.0


def test_the_hard_spike_has_no_gradient():
    value, (grad,) = value_and_grad(lambda v: np.sum(rs.heaviside(v)), np.array([-1.0, 0.0, 1.0]))

    assert value == 2.0
    assert grad.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("slope", [0.0, -1.0, math.nan, math.inf])
@families
def test_a_slope_must_be_positive_and_finite(family, slope):
    with pytest.raises(ValueError, match=f"^slope must be positive and finite, got {slope}$"):
        family(slope)
