"""The bounds, against the formulas of THEORY written once more: in numbers, along one direction.

A bound that is too small is refuted somewhere, but one factor of many can be lost and leave it
large enough for every network that is drawn. So each formula is held against its statement here.
"""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refsast as rs
from proofs_check import draws
from proofs_check.certified.constants import (
    kappa,
    map_curvature,
    max_carry,
    sup_derivative,
    sup_second,
)
from proofs_check.claims import (
    lipschitz,
    smoothness,
    smoothness_constants,
    stability,
    state_derivatives,
)
from proofs_check.draws import RandomSource
from proofs_check.instances import LabelledBatch, TwoStartStates
from proofs_check.norms import inner_product
from refsast.autodiff import hvp, jvp
from refsast.model.params import param_arrays, replace_arrays
from refsast.model.unroll import unroll
from refsast.testing import min_examples, seeds

CELLS = [
    rs.LIF(0.5, 2.0, rs.Arctan(1.0), reset)
    for reset in (rs.ToZero(), rs.Subtract(), rs.Subtract(leaked=True), rs.NoReset())
]


def powers(k, steps):
    """1 + k + ... + k^(steps - 1)."""
    return sum(k**i for i in range(steps))


def norm(matrix):
    return 0.0 if matrix is None else np.linalg.norm(matrix, 2)


def by_hand(cell, x=((1.0, 0.5), (-3.0, 0.0))):
    """Two recurrent neurons on two inputs, all numbers small."""
    network = rs.Network((2, 2, 1), cell, rs.SpikeRate(1.0), recurrent=True)
    params = (
        rs.Layer(
            np.array([[1.0, -2.0], [0.0, 4.0]]),
            np.array([-0.5, 7.0]),
            np.array([[0.25, -1.0], [-2.0, -3.0]]),
        ),
        rs.Layer(np.array([[2.0, -5.0]]), np.array([-1.0]), np.array([[-6.0]])),
    )
    return LabelledBatch(network, params, np.array(x).reshape(2, 1, 2), np.zeros(1, np.int64))


def test_currents_are_sums_of_magnitudes():
    first, second = stability.current_bounds(by_hand(CELLS[0]))

    assert first.tolist() == [3.0 * 3.0 + 1.25 + 0.5, 3.0 * 4.0 + 5.0 + 7.0]
    assert second.tolist() == [7.0 + 6.0 + 1.0]


def test_upward_currents_are_those_of_positive_weights_where_no_input_is_negative():
    mixed = stability.upper_currents(by_hand(CELLS[0]))
    positive = stability.upper_currents(by_hand(CELLS[0], ((1.0, 0.0), (2.0, 0.0))))

    assert mixed[0].tolist() == [3.0 * 3.0 + 0.25 - 0.5, 3.0 * 4.0 + 7.0]
    assert positive[0].tolist() == [2.0 * 1.0 + 0.25 - 0.5, 2.0 * 4.0 + 7.0]
    assert positive[1].tolist() == mixed[1].tolist() == [2.0 - 1.0]
    lower = by_hand(CELLS[0])
    layer = replace(lower.params[1], b=np.array([-9.0]))
    assert stability.upper_currents(replace(lower, params=(lower.params[0], layer)))[
        1
    ].tolist() == [0.0]


@pytest.mark.parametrize(("cell", "taken"), [*zip(CELLS, (0.0, 2.0, 1.0, 0.0), strict=True)])
def test_compact_sets_follow_from_the_currents(cell, taken):
    x = by_hand(cell)
    currents = stability.current_bounds(x)

    for whole, by_step, current in zip(
        stability.compact_bound(x), stability.compact_bound_by_step(x), currents, strict=True
    ):
        assert whole.tolist() == ((current + taken) / (1.0 - 0.5)).tolist()
        assert by_step[0, 0].tolist() == current.tolist()  # nothing is reset at first
        assert by_step[1, 0].tolist() == (0.5 * current + taken + current).tolist()


def test_saturation_is_the_upward_current_and_what_a_reset_leaves():
    x = by_hand(CELLS[1])
    left = max_carry(CELLS[0]).upper

    for found, current in zip(
        stability.saturation_bound(x), stability.upper_currents(x), strict=True
    ):
        assert found.tolist() == (current + left).tolist()


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_trajectory_starts_where_it_is_told_to(cell):
    rng = np.random.default_rng(0)
    layer = rs.Layer(rng.normal(size=(3, 2)), rng.normal(size=3), rng.normal(size=(3, 3)))
    x, u = rng.normal(size=(4, 2, 2)), rng.normal(size=(2, 3))
    found = stability.trajectory(TwoStartStates(cell, layer, x, u, u), u)

    for n, step in product(range(2), range(4)):
        before = u[n] if step == 0 else found[step - 1, n]
        s = cell.spike(before - cell.threshold)
        kept = cell.reset(cell.leak, cell.threshold, before, s)
        now = kept + layer.w @ x[step, n] + layer.v @ s + layer.b
        np.testing.assert_allclose(found[step, n], now, rtol=1e-13)


@min_examples(60)
@given(seeds())
def test_the_lipschitz_constant_is_the_product_of_the_theorem(seed):
    x = draws.draw_batch(RandomSource(np.random.default_rng(seed)))
    steps = len(x.x)
    wanted = np.linalg.norm(x.network.readout.time_weights(steps))
    wanted *= 1.0 if x.network.readout.n_out is None else norm(x.params[-1].w)
    for neuron, layer in zip(x.network.neurons, x.params, strict=False):
        slope = sup_derivative(neuron.spike).upper
        wanted *= slope * norm(layer.w) * powers(kappa(neuron).upper + slope * norm(layer.v), steps)

    found = lipschitz.lipschitz_constant(x.network, x.params, steps)

    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def along(x, d):
    """What THEORY 3 bounds zdot and zddot by, in a direction whose blocks have those norms."""
    steps = len(x.x)
    left, below, bent = list(d), 0.0, 0.0
    a = max(np.linalg.norm(row) for row in x.x.reshape(-1, x.x.shape[2]))
    for i, (neuron, layer) in enumerate(zip(x.network.neurons, x.params, strict=False)):
        shapes = x.network.shapes[i]
        size = {name: left.pop(0) if name in shapes else 0.0 for name in ("w", "b", "v")}
        d1, d2 = sup_derivative(neuron.spike).upper, sup_second(neuron.spike).upper
        w, v, n = norm(layer.w), norm(layer.v), np.sqrt(len(layer.w))
        c = powers(kappa(neuron).upper + d1 * v, steps)
        p = c * (a * size["w"] + w * below + n * size["v"] + size["b"])
        q = (map_curvature(neuron).upper + v * d2) * p * p + 2.0 * size["w"] * below
        q = c * (q + 2.0 * size["v"] * d1 * p + w * bent)
        below, bent, a = d1 * p, d1 * q + d2 * p * p, n
    total = x.network.readout.time_weights(steps).sum()
    plain = x.network.readout.n_out is None
    w = 1.0 if plain else norm(x.params[-1].w)
    e_w = 0.0 if plain else left.pop(0)
    e_b = left.pop(0) if left else 0.0
    assert not left
    return total * (a * e_w + w * below + e_b), total * (2.0 * e_w * below + w * bent)


@min_examples(100)
@given(seeds())
def test_the_forms_are_those_of_the_theorem(seed):
    rng = np.random.default_rng(seed)
    x = draws.draw_batch(RandomSource(rng))
    norms = smoothness_constants.layer_norms(x.network, x.params)
    found = smoothness_constants.derivative_forms(x.network, norms, x.x)
    d = rng.exponential(size=found.q.size)

    first, second = along(x, d)

    np.testing.assert_allclose(found.q @ d, first, rtol=1e-11)
    np.testing.assert_allclose(d @ found.r @ d, second, rtol=1e-11)
    np.testing.assert_array_equal(found.r, found.r.T)


def drawn_forms(seed):
    rng = np.random.default_rng(seed)
    root = rng.exponential(size=(3, 3))
    return smoothness_constants.DerivativeForms(rng.exponential(size=3), root + root.T)


@given(seeds())
def test_the_constant_is_the_largest_along_any_direction(seed):
    form = drawn_forms(seed)
    rng = np.random.default_rng(seed)
    d = rng.exponential(size=(2000, 3))
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    values = np.sqrt(2.0) * np.einsum("ki,ij,kj->k", d, form.r, d) + 0.5 * (d @ form.q) ** 2

    found = smoothness_constants.smoothness_constant(form)

    assert values.max() <= found * (1.0 + 1e-12)
    assert values.max() >= 0.97 * found


@given(seeds())
def test_taken_together_the_loss_allows_no_more_than_apart(seed):
    form = drawn_forms(seed)
    together = smoothness_constants.joint_smoothness_constant(form)

    assert together <= smoothness_constants.smoothness_constant(form) * (1.0 + 1e-12)
    flat = replace(form, r=0.0 * form.r)
    np.testing.assert_allclose(
        smoothness_constants.joint_smoothness_constant(flat),
        smoothness_constants.smoothness_constant(flat),
        rtol=1e-12,
    )
    steep = replace(form, q=0.0 * form.q)
    np.testing.assert_allclose(
        smoothness_constants.joint_smoothness_constant(steep),
        smoothness_constants.smoothness_constant(steep),
        rtol=1e-12,
    )


def slope_and_bend(p):
    """Of the loss with those probabilities, label 0: what the cells bound."""
    return np.linalg.norm(p - np.eye(len(p))[0]), np.linalg.norm(np.diag(p) - np.outer(p, p), 2)


@min_examples(300)
@given(st.integers(2, 5), st.floats(0.05, 5.0), seeds())
def test_every_softmax_lies_beneath_a_cell(classes, spread, seed):
    slope, bend = slope_and_bend(np.random.default_rng(seed).dirichlet(np.full(classes, spread)))

    assert any(
        slope <= c[0] + 1e-12 and bend <= c[1] + 1e-12
        for c in smoothness_constants.loss_derivative_cells()
    )


def test_no_cell_is_far_above_every_softmax():
    """Attained where the label has no probability and two other classes share it."""
    seen = [slope_and_bend(np.array([0.0, a, 1.0 - a])) for a in np.linspace(0.5, 1.0, 400)]

    for slope, bend in smoothness_constants.loss_derivative_cells():
        assert min(max(slope - s, bend - b) for s, b in seen) < 0.026


def test_no_cell_is_beneath_another():
    cells = smoothness_constants.loss_derivative_cells()

    for c in cells:
        assert not any(d != c and d[0] >= c[0] and d[1] >= c[1] for d in cells)
    assert max(c[0] for c in cells) == pytest.approx(np.sqrt(2.0))
    assert max(c[1] for c in cells) == pytest.approx(0.5)


@given(seeds())
@min_examples(25)
def test_the_derivatives_of_the_states_are_those_of_the_run(seed):
    """The recursions of `state_derivatives` against the tape, twice."""
    rng = np.random.default_rng(seed)
    x = draws.draw_two_points(RandomSource(rng))
    arrays, d = param_arrays(x.params), smoothness.displacement(x)
    first, second = state_derivatives.derivatives_along(x)

    def run(*blocks):
        return unroll(x.network, replace_arrays(x.params, blocks), x.x)

    parts = [lambda *a, i=i: run(*a).u[i] for i in range(len(x.network.neurons))]
    for i, f in enumerate((*parts, lambda *a: run(*a).logits)):
        moved = jvp(f, arrays, d)
        size = np.abs(moved).max()
        found = np.sqrt(np.square(moved).sum(axis=-1))
        np.testing.assert_allclose(first[i], found, rtol=1e-9, atol=1e-11 * size)
        units = np.eye(moved.shape[-1])
        bent = np.linalg.norm([inner_product(hvp(_entry(f, e), arrays, d), d) for e in units])
        last = second[i].reshape(-1)[-1]  # of the last step and recording
        np.testing.assert_allclose(last, bent, rtol=1e-7, atol=1e-9 * size * (1.0 + size))


def _entry(f, unit):
    """One number of a signal: the last recording's, at the last step, along an axis."""

    def number(*a):
        value = f(*a)
        return np.sum((value[-1] if len(value.shape) == 2 else value[-1][-1]) * unit)

    return number
