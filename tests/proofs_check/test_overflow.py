"""Where constants are beyond all doubles a bound is infinite: nothing is refuted or raises."""

import numpy as np
import pytest

import refsast as rs
from proofs_check.claim import check_claim
from proofs_check.claims import lipschitz, sam, smoothness, stability
from proofs_check.descent.objectives import Risk
from proofs_check.instances import (
    LabelledBatch,
    TwoInputs,
    TwoParameterPoints,
    TwoStartStates,
    norm_caps,
)

CELL = rs.LIF(0.9, 1.0, rs.Arctan(100.0))
NETWORK = rs.Network((2, 2, 2), CELL, rs.SpikeRate(4.0), recurrent=True)


def long(steps):
    """A recurrent network whose sums of powers of kappa_e are astronomical."""
    rng = np.random.default_rng(0)
    x = (rng.random((steps, 1, 2)) < 0.5).astype(float)
    return LabelledBatch(NETWORK, rs.init(NETWORK, rng), x, np.zeros(1, np.int64))


@pytest.mark.slow
@pytest.mark.parametrize("steps", [50, 400])
def test_no_claim_is_refuted_by_overflow(steps):
    x = long(steps)
    there = tuple(rs.Layer(p.w + 1e-3, p.b, p.v) for p in x.params)
    moved = TwoParameterPoints(
        NETWORK, x.params, there, x.x, x.y, norm_caps(NETWORK, x.params, there)
    )
    pair = TwoInputs(NETWORK, x.params, x.x, 1.0 - x.x)
    states = TwoStartStates(CELL, x.params[0], x.x, np.ones((1, 2)), np.zeros((1, 2)))
    verdicts = [
        *(check_claim(claim, pair) for claim in (lipschitz.INPUT_PAIRS,)),
        *(check_claim(c, x) for c in (lipschitz.INPUT_GRADIENT, smoothness.GRADIENT_BOUND)),
        *(
            check_claim(c, moved)
            for c in (
                smoothness.DIFFERENCE_QUOTIENT,
                smoothness.HESSIAN_PRODUCT,
                smoothness.JOINT_SMOOTHNESS,
            )
        ),
        check_claim(stability.INCREMENTAL_STABILITY, states),
    ]

    assert not any(v.refuted for v in verdicts)
    assert all(v.applies for v in verdicts)
    assert all(0.0 <= v.ratio <= 1.0 for v in verdicts)
    if steps == 400:
        assert [v.bound for v in verdicts[1:6]] == [np.inf] * 5


def test_a_constant_that_is_not_known_is_no_constant():
    x = long(400)
    ascent = sam.certify_smoothness(
        sam.Ascent(Risk(NETWORK, x.x, x.y), rs.flatten(x.params), 0.1, 1.0)
    )

    assert ascent.smoothness == np.inf
    for claim in (sam.REMAINDER, sam.MAXIMUM, sam.CHANGE, sam.DROPPED):
        assert check_claim(claim, ascent).unmet == (sam.SMOOTH_ON_BALL.condition,)


def test_a_run_that_gives_no_number_still_refutes():
    x = long(50)
    broken = LabelledBatch(NETWORK, x.params, np.full_like(x.x, np.nan), x.y)

    assert check_claim(smoothness.GRADIENT_BOUND, broken).refuted
    assert check_claim(stability.COMPACT_BY_STEP, broken).refuted


def test_the_room_for_rounding_grows_with_the_steps_as_the_bound_does():
    x = TwoStartStates(CELL, long(60).params[0], long(60).x, np.ones((1, 2)), np.zeros((1, 2)))
    bound, slack = (
        stability.INCREMENTAL_STABILITY.bound(x),
        stability.INCREMENTAL_STABILITY.rounding(x),
    )

    assert (slack <= 1e-8 * bound).all()
