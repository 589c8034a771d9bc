"""Where the claims of THEORY 4 and 6 are equalities, at every size: so no power is missing."""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from proofs_check.claim import check_claim
from proofs_check.claims import mechanism, sam
from proofs_check.descent.objectives import Quadratic
from proofs_check.instances import LabelledBatch


@pytest.mark.parametrize("rho", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("bend", [0.5, 4.0])
def test_a_parabola_uses_all_of_4a_4b_and_4c(rho, bend):
    x = sam.certify_smoothness(
        sam.Ascent(Quadratic(np.diag([bend]), np.zeros(1)), np.ones(1), rho, 1.0)
    )

    assert check_claim(sam.REMAINDER, x).ratio == pytest.approx(1.0)
    assert check_claim(sam.CHANGE, x).ratio == pytest.approx(1.0)
    assert check_claim(sam.MAXIMUM, x).ratio == pytest.approx(1.0)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_gaps_of_the_identities_are_relative(scale, monkeypatch):
    """An error of a millionth is as wrong in small gradients as in large ones."""
    network = rs.Network((2, 2), rs.LIF(0.5, 1.0, rs.Arctan(1.0)), rs.SpikeRate(scale))
    rng = np.random.default_rng(0)
    x = LabelledBatch(
        network, rs.init(network, rng), rng.normal(size=(3, 1, 2)), np.zeros(1, np.int64)
    )
    assert not check_claim(mechanism.IDENTITY, x).refuted

    real = mechanism.current_gradient
    monkeypatch.setattr(mechanism, "current_gradient", lambda x: real(x) * (1.0 + 1e-6))

    assert check_claim(mechanism.IDENTITY, x).refuted
    assert check_claim(mechanism.IDENTITY, x).measured < 1e-5


def test_more_rows_than_columns_are_never_independent():
    assert mechanism.smallest_singular_value(np.ones((3, 2))) == 0.0
    assert mechanism.smallest_singular_value(np.eye(2, 3)) == 1.0


def test_at_a_zero_gradient_nothing_is_dropped():
    x = sam.certify_smoothness(sam.Ascent(Quadratic(np.eye(2), np.zeros(2)), np.zeros(2), 0.5, 1.0))

    assert sam.hessian_term_bound(x) == sam.hessian_term(x) == 0.0
    assert check_claim(sam.DROPPED, replace(x, smoothness=2.0)).ratio == 0.0
