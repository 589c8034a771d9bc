"""The conventional estimator: a hard network's loss, and a vector that is no gradient."""

import numpy as np
import pytest
from hypothesis import given

import refsast as rs
from refsast.autodiff.numeric import central_difference
from refsast.testing import TOLERANCE, min_examples, params_error_ratio, problems
from tests.gradient.error_bounds import straight_through_bounds


@given(problems())
@min_examples(500)
def test_both_estimates_are_one(case):
    loss, by_hand = rs.straight_through(*case)
    same, by_tape = rs.reference.straight_through(*case)

    assert abs(loss - same) <= TOLERANCE * (1.0 + abs(same))
    assert params_error_ratio(by_hand, by_tape, straight_through_bounds(case)) <= TOLERANCE


def test_the_loss_is_that_of_the_hard_network(tiny):
    case = tiny()
    logits = rs.run(case.network, case.params, case.x, spike=rs.heaviside).logits
    each = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(2), case.y]

    assert rs.straight_through(*case)[0] == pytest.approx(each.mean(), rel=1e-14)
    assert rs.straight_through(*case)[0] != rs.reference.loss(*case)


def test_it_is_neither_the_smooth_gradient_nor_that_of_its_own_loss(tiny):
    """The hard loss is flat almost everywhere: its differences are zero, the estimate is not."""
    case = tiny()
    estimate = rs.flatten(rs.straight_through(*case)[1])
    smooth = rs.flatten(rs.fast.loss_and_grad(*case)[1])

    def hard_loss(w):
        return rs.straight_through(case.network, rs.unflatten(case.network, w), case.x, case.y)[0]

    first = np.eye(estimate.size)[np.argmax(abs(estimate[:12]))]  # a weight below a spike
    slope, _ = central_difference(hard_loss, rs.flatten(case.params), first, step=1e-6)

    assert slope == 0.0
    assert abs(first @ estimate) > 1e-3
    assert np.linalg.norm(estimate - smooth) > 1e-2 * np.linalg.norm(smooth)
