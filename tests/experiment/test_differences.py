"""Paired differences and their p-values, corrected for how many there are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from refsast.experiment.compare import BASELINE, LONGER, estimate_mean
from refsast.experiment.differences import holm, paired_differences, t_test_p
from tests.experiment.made_results import THREE_ARMS, results


def test_holm_by_hand():
    """In order 0.005, 0.01, 0.03, 0.04, times 4, 3, 2, 1: 0.02, 0.03, 0.06, and 0.04 below 0.06."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02), rel=1e-15)


def test_holm_ends_at_one_counts_what_is_not_known_and_takes_none():
    assert holm([]) == ()
    assert holm([0.7, 0.9]) == (1.0, 1.0)
    corrected = holm([np.nan, 0.01])
    assert np.isnan(corrected[0])
    assert corrected[1] == pytest.approx(0.02)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8), st.floats(0.0, 1.0, exclude_max=True))
def test_holm_rejects_what_its_steps_reject(p_values, level):
    """The smallest is held against level / m, the next against level / (m - 1), to the first no."""
    rejected = set()
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    for k, i in enumerate(order):
        if (len(order) - k) * p_values[i] > level:
            break
        rejected.add(i)

    assert {i for i, p in enumerate(holm(p_values)) if p <= level} == rejected


def test_the_p_value_is_that_of_scipy():
    one, other = np.array([0.9, 0.95, 0.93, 0.7]), np.array([0.6, 0.64, 0.9, 0.71])

    assert t_test_p(one - other) == pytest.approx(stats.ttest_rel(one, other).pvalue, rel=1e-12)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [0.1, 0.1, 0.1], [0.0, 0.0, 0.0]])
def test_without_a_spread_there_is_no_p_value(values):
    assert np.isnan(t_test_p(np.array(values)))


def test_rounding_is_no_spread():
    """0.3 - 0.2 and 0.2 - 0.1 differ in their last bits only."""
    assert np.isnan(t_test_p(np.array([0.3 - 0.2, 0.2 - 0.1, 0.1])))


def test_differences_are_the_references_less_the_others():
    found = {d.arm: d for d in paired_differences(results(THREE_ARMS), "SAST, rho 0.1")}
    gain = 100.0 * (np.array(THREE_ARMS["SAST, rho 0.1"]) - np.array(THREE_ARMS[LONGER]))

    assert set(found) == {BASELINE, LONGER}
    assert found[LONGER].mean.value == pytest.approx(gain.mean())
    assert found[LONGER].mean.half_width == pytest.approx(estimate_mean(gain).half_width)
    assert found[LONGER].p == pytest.approx(t_test_p(gain), rel=1e-9)
    assert found[LONGER].holm >= found[LONGER].p
    assert sorted(d.holm for d in found.values()) == sorted(holm([d.p for d in found.values()]))


def test_a_diverged_run_takes_its_seed_out_of_the_pairs():
    made = results({"a": (0.5, None, 0.6, 0.7, 0.4), "b": (0.3, 0.1, 0.5, None, 0.1)})
    (difference,) = paired_differences(made, "a")

    assert difference.mean.values == 3
    assert difference.mean.value == pytest.approx(20.0)


def test_an_unknown_reference_is_refused():
    with pytest.raises(ValueError, match="reference must be one of baseline"):
        paired_differences(results(THREE_ARMS), "SAST")
