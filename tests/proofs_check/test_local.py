"""The local claims: norms from above, points of balls, weights that cancel."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refsast as rs
from proofs_check.certified import balls
from proofs_check.certified.balls import Ball, exact_ball, matmul, top_eigenvalue_bound
from proofs_check.claim import check_claim
from proofs_check.claims import lipschitz, local, smoothness
from proofs_check.draws import RESETS, RandomSource
from proofs_check.instances import TwoInputs
from proofs_check.local.enclosure import enclose
from proofs_check.local.lipschitz import local_lipschitz, probabilities
from proofs_check.local.metrics import perron_bound
from proofs_check.local.smoothness import local_curvature
from refsast.testing import SURROGATES, min_examples, seeds

CLAIMS = (
    (local.LOCAL_LIPSCHITZ, local.draw_near_inputs),
    (local.LOCAL_GRADIENT, local.draw_near_inputs),
    (local.LOCAL_SMOOTHNESS, local.draw_near_points),
    (local.LOCAL_ASCENT, local.draw_network_ascent),
)


def network_of(spike, reset, recurrent=False, readout=None):
    neuron = rs.LIF(0.9, 1.0, spike, reset)
    readout = readout or rs.SpikeRate(10.0)
    return rs.Network((6, 12, 4), neuron, readout, recurrent=recurrent)


def batch_of(network, seed=0, batch=1):
    rng = np.random.default_rng(seed)
    params = rs.unflatten(network, 2.0 * rs.flatten(rs.init(network, rng)))
    return (
        params,
        (rng.uniform(size=(5, batch, 6)) < 0.4).astype(float),
        rng.integers(4, size=batch),
    )


@pytest.mark.parametrize("limit", [300, 0])
@given(seeds())
@min_examples(30)
def test_the_top_eigenvalue_is_not_below_numpys(limit, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 30))
    root = rng.standard_normal((n, int(rng.integers(1, 30)))) * 10.0 ** rng.uniform(-8, 8)
    form, true = root @ root.T, np.linalg.norm(root, 2) ** 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(balls, "LARGEST_SOLVED", limit)
        bound = top_eigenvalue_bound(exact_ball(form))

    assert true * (1.0 - 1e-13) <= bound <= true * (1.0 + 1e-9 if limit else 1.3)


@given(seeds())
@min_examples(30)
def test_magnitudes_have_the_eigenvalue_of_perron(seed):
    rng = np.random.default_rng(seed)
    root = np.abs(rng.standard_normal((int(rng.integers(1, 9)), 5)))
    true = np.linalg.norm(root, 2) ** 2

    assert true <= perron_bound(root @ root.T) <= 1.1 * true + 1e-6


def test_what_is_not_finite_bounds_nothing():
    form = np.array([[np.inf, 1.0], [1.0, 1.0]])

    assert top_eigenvalue_bound(exact_ball(form)) == np.inf
    assert perron_bound(form) == np.inf


@given(seeds())
@min_examples(30)
def test_products_hold_those_of_long_doubles(seed):
    rng = np.random.default_rng(seed)
    w, x = rng.standard_normal((3, 40)), rng.standard_normal((40, 2)) * 10.0 ** rng.uniform(-9, 9)
    found = matmul(w, exact_ball(x))
    exact = w.astype(np.longdouble) @ x.astype(np.longdouble)

    assert (np.abs(found.centre - exact) <= found.radius).all()
    assert (found.radius <= 1e-12 * (np.abs(w) @ np.abs(x))).all()


def test_probabilities_hold_those_of_every_corner():
    logits = Ball(np.array([2.0, -1.0, 50.0]), np.array([0.5, 3.0, 48.0]))
    found = probabilities(logits)
    for signs in np.ndindex(2, 2, 2):
        z = logits.centre + logits.radius * (2.0 * np.array(signs) - 1.0)
        p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        assert (found.lower <= p + 1e-15).all()
        assert (p <= found.upper + 1e-15).all()


@pytest.mark.parametrize("reset", RESETS, ids=str)
@pytest.mark.parametrize("family", SURROGATES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("recurrent", [False, True])
def test_points_of_the_ball_are_inside(family, reset, recurrent):
    network = network_of(family(2.0), reset, recurrent, rs.LeakyReadout(4, 0.5))
    params, x, _ = batch_of(network)
    rng, radius = np.random.default_rng(1), 0.005
    found = enclose(network, params, x, radius, weights_move=False)
    bounds = local_lipschitz(network, params, x, radius)
    d = rng.standard_normal((5, 200, 6))
    d *= radius / np.linalg.norm(d, axis=(0, 2))[:, None]
    pair = TwoInputs(network, params, np.broadcast_to(x, d.shape), x + d)
    trace = rs.run(network, params, pair.other)
    for steps, u in zip(found.layers, trace.u, strict=True):
        for step, row in zip(steps, u, strict=True):
            assert (np.abs(row - step.u.centre) <= step.u.radius).all()
    norms = np.linalg.norm(local.jacobian(pair), 2, (1, 2))
    assert norms.max() <= bounds.logits * (1.0 + 1e-12)
    assert norms.max() >= 0.2 * bounds.logits
    assert (local.loss_gradient_norms(pair) <= bounds.loss * (1.0 + 1e-12)).all()


def test_at_the_point_itself_the_input_bounds_are_equalities():
    network = network_of(rs.Arctan(2.0), rs.ToZero())
    params, x, _ = batch_of(network)
    pair, bounds = TwoInputs(network, params, x, x), local_lipschitz(network, params, x, 0.0)

    assert np.isclose(np.linalg.norm(local.jacobian(pair)[0], 2), bounds.logits, rtol=1e-6)
    assert np.allclose(local.loss_gradient_norms(pair)[0], bounds.loss, rtol=1e-5)
    assert bounds.logits < 0.1 * float(lipschitz.lipschitz_constant(network, params, len(x)))


@pytest.mark.slow
@pytest.mark.parametrize("recurrent", [False, True])
def test_the_local_curvature_is_far_below_that_of_norms(recurrent):
    network = network_of(rs.Arctan(2.0), rs.ToZero(), recurrent)
    params, x, y = batch_of(network, batch=3)
    batch = smoothness.LabelledBatch(network, params, x, y)
    top = float(np.linalg.norm(smoothness.hessian(batch), 2))
    found = local_curvature(network, params, x, y, 0.0)
    everywhere = float(smoothness.smoothness_constant(smoothness.forms_at_params(batch)))

    assert top <= found.constant <= 30.0 * top
    assert found.constant < 0.01 * everywhere
    assert local_curvature(network, params, x, y, 1e-3).constant > found.constant


def test_a_radius_that_is_far_too_large_gives_no_bound_or_a_true_one():
    network = network_of(rs.Logistic(4.0), rs.Subtract(), recurrent=True)
    params, x, y = batch_of(network)

    assert local_lipschitz(network, params, x, 1e200).logits > 0.0
    assert local_curvature(network, params, x, y, 1e200).constant > 1e3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"radius": -1.0}, "radius must be finite and not negative, got -1.0"),
        ({"radius": np.nan}, "radius must be finite and not negative, got nan"),
        ({"x": np.zeros((3, 2, 6))}, "x must have one recording, got 2"),
    ],
)
def test_what_is_not_valid_is_refused(change, message):
    network = network_of(rs.Arctan(2.0), rs.ToZero())
    asked = {"x": np.zeros((3, 1, 6)), "radius": 0.1} | change
    with pytest.raises(ValueError, match=message):
        enclose(network, rs.init(network, 0), **asked, weights_move=False)


def cancel(x, size):
    """The same with weights, or a weight and a bias, that are large and cancel."""
    first = x.params[0]
    w = np.concatenate([first.w, np.full((len(first.w), 1), size)], axis=1)
    if first.b is None:
        w = np.concatenate([w, np.full((len(first.w), 1), -size)], axis=1)
    b = None if first.b is None else first.b - size
    more = w.shape[1] - first.w.shape[1]
    params = (replace(first, w=w, b=b), *x.params[1:])
    sizes = (w.shape[1], *x.network.sizes[1:])
    changes = {"network": replace(x.network, sizes=sizes), "params": params}
    for name in ("x", "other"):
        a = getattr(x, name)
        changes[name] = np.concatenate([a, np.ones((*a.shape[:2], more))], axis=2)
    return replace(x, **changes)


@pytest.mark.slow
@pytest.mark.parametrize("claim", [local.LOCAL_LIPSCHITZ, local.LOCAL_GRADIENT])
@given(st.integers(0, 10**6), st.sampled_from([1e2, 1e4, 1e6]))
@min_examples(100)
def test_no_cancellation_refutes_a_claim_about_inputs(claim, seed, size):
    x = cancel(local.draw_near_inputs(RandomSource(np.random.default_rng(seed))), size)

    assert not check_claim(claim, x).refuted


@pytest.mark.parametrize(("claim", "draw"), CLAIMS, ids=lambda c: getattr(c, "label", ""))
def test_half_of_a_bound_is_refuted_somewhere(claim, draw):
    """4b's middle side is half as large as its last: all entries are scaled together."""

    def half(x):
        bound = claim.bound(x)
        return tuple(0.5 * b for b in bound) if isinstance(bound, tuple) else 0.5 * bound

    source, smaller = RandomSource(np.random.default_rng(0)), replace(claim, bound=half)

    assert any(check_claim(smaller, draw(source)).refuted for _ in range(60))
