"""The arithmetic's assumption: measured, refused where it fails, and enough for every spike."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest

import refsast as rs
from refsast.certify import libm
from tests.certify.test_slope_form import FAMILIES, exact_spike


@pytest.fixture
def fresh():
    libm.require_accurate_libm.cache_clear()
    yield
    libm.require_accurate_libm.cache_clear()


@pytest.mark.parametrize("name", libm.FUNCTIONS)
def test_this_machine_keeps_it_with_room_to_spare(name):
    error, _ = libm.largest_error(libm.FUNCTIONS[name])

    assert 0.3 < error < 2.0


@pytest.mark.parametrize("name", libm.FUNCTIONS)
def test_the_exact_values_are_those_of_mpmath(name):
    function = libm.FUNCTIONS[name]
    reference = {"arctan": mpmath.atan, "exp": mpmath.exp, "tanh": mpmath.tanh}[name]
    with mpmath.workdps(50), libm.localcontext(libm.DIGITS):
        for x in (-20.0, -1.5, -1e-6, 0.3, 1.0, 7.0):
            exact = mpmath.mpf(str(function.exact(libm.Decimal(x))))
            assert abs(exact / reference(mpmath.mpf(x)) - 1) < mpmath.mpf(10) ** -35


@pytest.mark.parametrize("name", libm.FUNCTIONS)
@pytest.mark.parametrize("ulps", [6, -6])
def test_a_machine_that_does_not_is_refused(name, ulps, monkeypatch, fresh):
    function = libm.FUNCTIONS[name]

    def wrong(x):
        return function.compute(x) + ulps * np.spacing(function.compute(x))

    monkeypatch.setitem(libm.FUNCTIONS, name, replace(function, compute=wrong))
    network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    with pytest.raises(ValueError, match=f"numpy.{name} must be within 4 units"):
        rs.certify_swap(network, rs.init(network, 0), np.ones((4, 1, 2)))


def test_one_wrong_value_is_enough(monkeypatch, fresh):
    """Also one that only the loop for single numbers gives, or NaN."""
    for broken in (np.nan, 2.0):
        wrong = replace(
            libm.FUNCTIONS["exp"], compute=lambda x, b=broken: np.exp(x) if x.ndim else b + 0.0 * x
        )
        monkeypatch.setitem(libm.FUNCTIONS, "exp", wrong)
        with pytest.raises(ValueError, match=r"numpy\.exp"):
            libm.require_accurate_libm()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_spike_is_within_half_of_what_is_allowed(family):
    """200 settings of each family, slopes and distances over many powers of ten."""
    rng = np.random.default_rng(11)
    worst = 0.0
    with mpmath.workdps(50):
        for _ in range(200):
            slope, v = 10.0 ** rng.uniform(-2.0, 6.0), rng.normal() * 10.0 ** rng.uniform(-6.0, 1.0)
            exact = exact_spike(family, mpmath.mpf(slope) * mpmath.mpf(v))
            worst = max(worst, float(abs(mpmath.mpf(family(slope)(np.array(v)).item()) - exact)))

    assert worst <= 0.5 * libm.SPIKE_ROUNDING
