"""Theorem 5 and what training does: minibatches by permutation, Adam, sampling with replacement."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

import refsast as rs
from proofs_check.claim import check_claim
from proofs_check.claims.reshuffling import (
    EPOCH,
    SastEpoch,
    certify_epoch,
    draw_epoch,
    epoch_bound,
    epoch_gain,
    epoch_points,
)
from proofs_check.descent.counterexamples import adam_at_the_bottom, bowl_step, last_of_two
from proofs_check.draws import RandomSource
from refsast.experiment.train import _epoch_order


def test_the_last_minibatch_of_an_epoch_does_more_than_5a_allows():
    """What is left in the second step of an epoch of two is known, given the first."""
    after, allowed = last_of_two()

    assert (after, allowed) == (0.28125, 0.1875)


@pytest.mark.parametrize("w", [1e-3, 1e-6])
def test_adam_overshoots_next_to_a_minimum(w):
    after, allowed = adam_at_the_bottom(w)

    assert allowed == 0.0
    assert after > 0.45


def test_every_order_of_an_epoch_keeps_to_5d():
    source = RandomSource(np.random.default_rng(5))
    for _ in range(20):
        x = draw_epoch(source)
        for order in permutations(range(len(x.order))):
            result = check_claim(EPOCH, certify_epoch(replace(x, order=order), 1.0))

            assert not result.refuted


def test_the_epoch_is_that_of_the_library():
    """Step by step as `sam.gradient` and plain descent take it."""
    first = bowl_step(1.0, -1.0, 3.0, w=2.0, rho=0.5, eta=0.25)
    x = SastEpoch(first, (2, 0, 1), (1, 2, 0))
    w = first.w
    for i, j in zip(x.order, x.ascents, strict=True):
        climb, descend = (first.family.samples[k].value_and_grad for k in (j, i))
        w = w - first.eta * rs.sam.gradient(climb, w, rho=first.rho, second=descend)

    np.testing.assert_allclose(epoch_points(x)[0][-1], w, rtol=1e-14)
    f = first.family.mean.value_and_grad
    wanted = f(w)[0] - f(first.w)[0] + 0.375 * f(first.w)[1] @ f(first.w)[1]
    assert epoch_gain(x) == pytest.approx(wanted, rel=1e-13)


def test_the_bound_of_an_epoch_by_hand():
    """Bowls of curvature 1 about 1 and -2 from w = 0: slopes 1 and 2, eta 1/4, rho 1/2."""
    x = SastEpoch(bowl_step(1.0, -2.0, w=0.0, rho=0.5, eta=0.25), (0, 1), (0, 1))
    second = 0.5 + 0.25 * (1.0 + 0.5)

    assert epoch_bound(x) == 0.5 * 0.5 * (0.5 * (0.5 + second)) ** 2


@pytest.mark.parametrize("which", [(0,), (0, 3), (0, -1)])
def test_an_order_that_is_none_is_refused(which):
    with pytest.raises(ValueError, match=r"^order must be 2 indices below 2, got "):
        SastEpoch(bowl_step(1.0, -1.0, w=0.0), which, (0, 1))


def config(sampling="with replacement", batch=8):
    """Plain descent."""
    method = rs.descent.sgd(learning_rate=0.1, momentum=0.0, weight_decay=0.0)
    return rs.Config(3, batch, 0.1, 0.0, method, rs.descent.constant, sampling=sampling)


def test_minibatches_with_replacement_are_drawn_anew():
    data = (None, np.zeros(50))
    drawn = [_epoch_order(0, epoch, data, config()) for epoch in range(200)]

    assert all(len(order) == 7 and all(len(rows) == 8 for rows in order) for order in drawn)
    rows = np.concatenate([np.concatenate(order) for order in drawn])
    share = np.bincount(rows, minlength=50) / rows.size
    assert np.abs(share - 0.02).max() < 5.0 * np.sqrt(0.02 / rows.size)
    # Of 56 rows of 50 recordings some come twice, which never happens in a permutation.
    assert all(len(set(np.concatenate(order[:6]).tolist())) < 48 for order in drawn)


def test_a_run_with_replacement_is_known_by_its_record_and_repeats():
    network = rs.Network((3, 2), rs.LIF(0.5, 1.0, rs.Arctan(1.0)), rs.SpikeRate(1.0))
    rng = np.random.default_rng(0)
    data = rng.standard_normal((2, 20, 3)), rng.integers(2, size=20)
    runs = [
        rs.train(network, rs.init(network, 0), data, c, rng=np.random.default_rng(1))
        for c in (config(), config(), config("permutation"))
    ]

    assert rs.flatten(runs[0].params).tobytes() == rs.flatten(runs[1].params).tobytes()
    assert rs.flatten(runs[0].params).tobytes() != rs.flatten(runs[2].params).tobytes()
    assert runs[0].mark["config"]["sampling"] == "with replacement"
    assert "sampling" not in runs[2].mark["config"]


def test_what_sampling_is_not_known_is_refused():
    with pytest.raises(ValueError, match=r"^sampling must be 'permutation' or 'with replacement'"):
        config("by chance")
    with pytest.raises(ValueError, match=r"^sampling must be one of "):
        replace(rs.PRESETS["quick"], sampling="by chance")
    with pytest.raises(ValueError, match=r"^descent must be one of "):
        replace(rs.PRESETS["quick"], descent="newton")


def test_plain_descent_is_a_setting():
    made = replace(rs.PRESETS["quick"], descent="sgd", sampling="replacement").config

    assert made.descent.description.startswith("sgd(learning_rate=0.001, momentum=0.0")
    assert made.sampling == "with replacement"
