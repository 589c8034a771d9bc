"""Right implementations of every kind are within the tolerance, which is no wider than need be."""

import numpy as np
import pytest

from refsast.crosscheck import tolerance
from tests.crosscheck.right_implementations import judge_one

MANY = 40
LARGEST = 3000.0  # width times depth times steps; ten times less than in the long run


@pytest.mark.slow
def test_no_right_implementation_is_called_wrong_and_few_are_not_decided():
    rng = np.random.default_rng(0)
    trials = [judge_one(rng, most=LARGEST) for _ in range(MANY)]
    assert max(trial.error for trial in trials) < 1.0
    assert sum(trial.share > tolerance.MAX_SHARE for trial in trials) <= MANY // 10


@pytest.mark.slow
def test_tolerances_are_not_much_wider_than_the_errors():
    rng = np.random.default_rng(1)
    largest = [judge_one(rng, most=LARGEST).true_error for _ in range(MANY)]
    assert np.median(largest) > 1.0 / 20.0


@pytest.mark.slow
def test_a_fiftieth_of_the_tolerance_raises_alarms(monkeypatch):
    monkeypatch.setattr(tolerance, "FACTOR", tolerance.FACTOR / 50.0)
    rng = np.random.default_rng(0)
    assert max(judge_one(rng, most=LARGEST).error for _ in range(MANY // 2)) > 1.0
