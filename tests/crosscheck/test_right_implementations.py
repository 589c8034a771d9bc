"""Right implementations of every kind are within the tolerance, which is no wider than need be."""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck import tolerance
from refsast.crosscheck.compare import examine_answer
from refsast.crosscheck.variants import solve
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


def test_the_noise_of_small_gradients_is_that_of_large_ones():
    """The squares of their errors are below what single precision holds."""
    network = rs.Network((3, 4, 2), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.LinearReadout(2))
    rng = np.random.default_rng(0)
    params, x = rs.init(network, rng), rng.standard_normal((6, 3, 3))
    shares = []
    for size in (2.0**-8, 2.0**-60):
        *hidden, readout = params
        small = (*hidden, replace(readout, w=size * readout.w, b=0.0 * readout.b))
        case = rs.Case(network, small, x, np.array([0, 1, 1]))
        (share,) = (
            share
            for stage in examine_answer(solve(case), case, np.dtype(np.float64)).stages
            for name, share in stage.shares
            if name == "grads[0].w"
        )
        shares.append(share)
    assert shares[1] == pytest.approx(shares[0], rel=0.05)
