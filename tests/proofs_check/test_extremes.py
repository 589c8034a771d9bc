"""The certified constants where slopes and thresholds leave all reason, or are refused."""

import math

import numpy as np
import pytest

import refsast as rs
from proofs_check.certified import constants
from refsast.testing import SURROGATES
from tests.proofs_check.sampled_constants import kept

families = pytest.mark.parametrize("family", SURROGATES, ids=lambda f: f.__name__)
EXTREMES = [1e-307, 1e-200, 1e-100, 1e-6, 1e6, 1e100, 1e200, 1e307]
OF_SPIKES = (constants.sup_derivative, constants.sup_second)
OF_MAPS = (constants.max_carry, constants.kappa, constants.map_curvature)


@families
@pytest.mark.parametrize("slope", EXTREMES)
def test_far_beyond_all_reason_bounds_are_true_and_silent(family, slope):
    v = np.array([-1.0, -0.5, 0.25, 0.5, 1.0]) / slope
    for threshold in (t for t in EXTREMES if slope * t <= 1e307):
        neuron = rs.LIF(0.5, threshold, family(slope))
        with np.errstate(all="raise"):
            carry, *others = [f(neuron) for f in OF_MAPS]

        assert all(found.lower <= found.upper for found in (carry, *others))
        carried = 0.5 * np.maximum(threshold + v, 0.0) * kept(neuron.spike, v)
        assert carried.max() <= carry.upper * (1.0 + 1e-14)


@families
@pytest.mark.parametrize("f", OF_SPIKES)
def test_the_constants_of_a_spike_overflow_in_silence(family, f):
    for slope in EXTREMES:
        with np.errstate(all="raise"):
            found = f(family(slope))
        assert found.lower <= found.upper


@families
@pytest.mark.parametrize("f", OF_MAPS)
def test_a_slope_times_a_threshold_beyond_all_doubles_is_refused(family, f):
    with pytest.raises(ValueError, match=r"^slope times threshold must be finite, got "):
        f(rs.LIF(0.5, 1e200, family(1e200)))


@families
def test_a_slope_that_has_lost_digits_is_refused(family):
    for f in (*OF_SPIKES, lambda spike: constants.kappa(rs.LIF(0.5, 1.0, spike))):
        with pytest.raises(ValueError, match=r"^slope must be at least 2\.2\d*e-308, got 1e-310$"):
            f(family(1e-310))


@pytest.mark.parametrize(("steps", "total"), [(0, 0.0), (1, 1.0), (2, math.inf)])
def test_a_geometric_sum_of_an_infinite_factor_is_a_number(steps, total):
    assert constants.geometric_sum(math.inf, steps) == total
