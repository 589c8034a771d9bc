"""Objectives: their derivatives against differences, their certificates against search."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

import refsast as rs
from proofs_check.claims.smoothness_constants import layer_norms
from proofs_check.descent.draws import draw_quadratics, draw_ridges, draw_risks
from proofs_check.descent.finite_sum import FiniteSum, difference_lipschitz, pool_samples
from proofs_check.descent.objectives import Quadratic, Ridge, Risk
from proofs_check.draws import RandomSource
from refsast.testing import min_examples, seeds

KINDS = (draw_quadratics, draw_ridges, draw_risks)


def drawn(seed, kind=None):
    """Return a family, a point and the generator that drew them."""
    source = RandomSource(np.random.default_rng(seed))
    family, w = (kind or source.choice(KINDS))(source)
    return family, w, source.rng


def in_ball(w, radius, rng):
    """Return a point of the ball about `w`, as often as not on its surface."""
    d = rng.normal(size=w.size)
    return w + radius * rng.choice([1.0, rng.random()]) * d / np.linalg.norm(d)


@given(seeds())
@min_examples(60)
def test_the_gradient_is_the_slope_of_the_value(seed):
    family, w, rng = drawn(
        seed, RandomSource(np.random.default_rng(seed)).choice((draw_quadratics, draw_ridges))
    )
    d, h = rng.normal(size=w.size), 1e-5
    if isinstance(family.samples[0], Ridge):
        family = FiniteSum(tuple(replace(s, spike=rs.Arctan(2.0)) for s in family.samples), 1)

    ends = [family.mean.value_and_grad(w + sign * h * d)[0] for sign in (1.0, -1.0)]
    curves = [family.mean.value_and_grad(w + sign * h * d)[1] for sign in (1.0, -1.0)]
    scale = np.sum(family.sizes(w, h * np.linalg.norm(d))) * (1.0 + d @ d) ** 2

    slope = (ends[0] - ends[1]) / (2.0 * h)
    assert abs(slope - family.mean.value_and_grad(w)[1] @ d) <= 1e-8 * scale
    bent = (curves[0] - curves[1]) / (2.0 * h)
    assert np.abs(bent - family.mean.hvp(w, d)).max() <= 1e-7 * scale


@given(seeds())
@min_examples(40)
def test_the_risk_is_the_mean_loss_of_the_network(seed):
    family, w, rng = drawn(seed, draw_risks)
    risk, d = family.mean, rng.normal(size=w.size)

    value, grad = risk.value_and_grad(w)
    params = rs.unflatten(risk.network, w)
    wanted, grads = rs.reference.loss_and_grad(risk.network, params, risk.x, risk.y)

    assert value == pytest.approx(wanted, rel=1e-12, abs=1e-13)
    assert grad == pytest.approx(rs.flatten(grads), rel=1e-9, abs=1e-11 * (1 + risk.sizes(w, 0)[1]))
    assert np.linalg.norm(risk.hvp(w, d)) <= risk.lipschitz(w, 0.0) * np.linalg.norm(d) + 1e-12


@given(seeds())
@min_examples(150)
def test_no_difference_quotient_in_the_ball_exceeds_the_certified_constant(seed):
    family, w, rng = drawn(seed)
    radius = float(rng.choice([1e-2, 0.3, 2.0]))
    bound, slack = family.lipschitz(w, radius), 1e-12 * family.sizes(w, radius)[1]

    for _ in range(3):
        near, far = in_ball(w, radius, rng), in_ball(w, radius, rng)
        change = family.mean.value_and_grad(far)[1] - family.mean.value_and_grad(near)[1]
        assert np.linalg.norm(change) <= bound * np.linalg.norm(far - near) * (1 + 1e-12) + slack


def test_the_constant_of_a_risk_grows_with_the_ball():
    family, w, _ = drawn(3, draw_risks)

    constants = [family.lipschitz(w, radius) for radius in (0.0, 0.1, 1.0)]

    assert constants == sorted(constants)
    assert family.lipschitz(w, np.inf) == np.inf


@pytest.mark.parametrize("readout", [rs.LinearReadout(2), rs.SpikeRate(5.0)])
def test_each_block_attains_its_largest_norm_on_the_ball(readout):
    """It moves along its first singular vectors, by the whole radius; what is no block stays."""
    radius = 0.75
    net = rs.Network((4, 3, 2), rs.LIF(0.5, 1.0, rs.Arctan(1.0)), readout, recurrent=True)
    params = rs.init(net, 0)
    found = Risk(net, np.ones((2, 1, 4)), np.array([0]))._ball_norms(params, radius)

    for norms, layer in zip(found, (*params, None), strict=False):
        for norm, block in zip(
            norms, (None, None) if layer is None else (layer.w, layer.v), strict=True
        ):
            if block is not None:
                u, _, vt = np.linalg.svd(block)
                reached = np.linalg.norm(block + radius * np.outer(u[:, 0], vt[0]), 2)
                assert norm == pytest.approx(reached, rel=1e-12)
    assert [float(norms[1]) for norms in found[2:]] == [0.0]
    if isinstance(readout, rs.SpikeRate):
        assert found[2][0] == layer_norms(net, params)[2][0]


def test_the_constant_of_an_unknown_spike_is_infinite():
    net = rs.Network((1, 1), rs.LIF(0.5, 1.0, np.tanh, rs.ToZero()), rs.LinearReadout(2))
    risk = Risk(net, np.ones((1, 1, 1)), np.array([0]))

    assert risk.lipschitz(np.zeros(net.n_params), 1.0) == np.inf


@given(seeds())
@min_examples(100)
def test_no_value_is_below_the_lower_bound(seed):
    family, w, rng = drawn(seed)

    for scale in (0.0, 1.0, 100.0):
        point = w + scale * rng.normal(size=w.size)
        assert not family.mean.value_and_grad(point)[0] < family.lower


def test_the_lower_bound_of_a_quadratic_is_its_minimum():
    h = np.array([[2.0, 1.0], [1.0, 3.0]])
    at = np.array([3.0, -4.0])

    assert Quadratic(h, -h @ at, 7.0).lower == pytest.approx(7.0 - 0.5 * at @ h @ at, rel=1e-13)
    assert Quadratic(np.diag([1.0, -1e-9]), at).lower == -np.inf
    assert Quadratic(0.0 * h, 0.0 * at, 7.0).lower == 7.0
    assert Quadratic(0.0 * h, at).lower == -np.inf


@given(seeds())
@min_examples(100)
def test_a_family_is_the_mean_of_its_batches_and_of_its_samples(seed):
    family, w, _ = drawn(seed)
    value, grad = family.mean.value_and_grad(w)
    size = 1e-12 * np.array(family.sizes(w, 0.0))

    for parts in (family.samples, family.batches()):
        each = [part.value_and_grad(w) for part in parts]
        assert np.mean([v for v, _ in each]) == pytest.approx(value, rel=1e-12, abs=size[0])
        assert np.mean([g for _, g in each], axis=0) == pytest.approx(grad, abs=size[1])


@given(seeds())
@min_examples(100)
def test_the_variance_is_nowhere_more_than_the_spread(seed):
    family, w, rng = drawn(seed)
    for scale in (0.0, 1.0, 10.0):
        point = w + scale * rng.normal(size=w.size)
        grads = np.array([b.value_and_grad(point)[1] for b in family.batches()])
        assert grads.var(axis=0).sum() <= family.spread * (1.0 + 1e-12) + 1e-20


def test_the_spread_of_subsets_is_exact_where_the_noise_is_constant():
    rng = np.random.default_rng(0)
    samples = tuple(Quadratic(np.eye(2), rng.normal(size=2)) for _ in range(5))

    for batch in range(1, 6):
        family = FiniteSum(samples, batch)
        grads = np.array([b.value_and_grad(np.ones(2))[1] for b in family.batches()])
        assert family.spread == pytest.approx(grads.var(axis=0).sum(), rel=1e-12, abs=1e-30)


@given(seeds())
@min_examples(60)
def test_the_constant_of_a_difference_bounds_its_quotients(seed):
    family, w, rng = drawn(seed)
    one, other, end = family.batches()[0], family.mean, in_ball(w, 0.5, rng)

    def of(w):
        return one.value_and_grad(w)[1] - other.value_and_grad(w)[1]

    slack = 1e-11 * family.sizes(w, 0.5)[1]
    moved = np.linalg.norm(end - w)
    assert (
        np.linalg.norm(of(end) - of(w)) <= difference_lipschitz(one, other, w, 0.5) * moved + slack
    )


def test_what_makes_no_sense_is_refused():
    q, two = Quadratic(np.eye(1), np.zeros(1)), np.array([[1.0, 2.0], [0.0, 1.0]])
    ridge = Ridge(rs.Arctan(1.0), np.eye(1), np.zeros(1))
    neuron = rs.LIF(0.5, 1.0, rs.Arctan(1.0), rs.ToZero(), detach_reset=True)
    net = rs.Network((1, 1), neuron, rs.SpikeRate(1.0))

    with pytest.raises(ValueError, match="h must be symmetric"):
        Quadratic(two, np.zeros(2))
    with pytest.raises(ValueError, match=r"batch must lie in 1\.\.1, got 2"):
        FiniteSum((q,), 2)
    with pytest.raises(ValueError, match="samples must be of one kind"):
        pool_samples((q, ridge))
    with pytest.raises(ValueError, match="samples must have one spike and shape"):
        pool_samples((ridge, replace(ridge, spike=rs.Arctan(2.0))))
    with pytest.raises(ValueError, match="detach_reset must be False"):
        Risk(net, np.ones((1, 1, 1)), np.array([0]))
