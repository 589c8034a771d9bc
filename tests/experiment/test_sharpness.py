"""Eigenvalues against a dense Hessian, the remainder against its definition and its bounds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refsast as rs
from refsast.autodiff.numeric import complex_step
from refsast.experiment.sharpness import along_training, sam_remainder, top_eigenvalues
from refsast.experiment.sharpness import spectrum as spectrum_module
from refsast.testing import ANALYTIC, min_examples, problems, seeds, to_float64
from tests.experiment.tiny import CONFIG, NETWORK, bits, recordings, start, train

P = NETWORK.n_params


def rng(seed=0):
    return np.random.default_rng(seed)


def tiny_case():
    return (NETWORK, start(), *recordings())


def dense_hessian(network, params, x, y):
    """Column by column: the complex step through the gradient by hand, no tape in it."""

    def grad(w):
        return rs.flatten(rs.fast.loss_and_grad(network, rs.unflatten(network, w), x, y)[1])

    w = rs.flatten(params)
    return np.stack([complex_step(grad, w, column) for column in np.eye(w.size)], axis=1)


@pytest.mark.slow
@given(problems(families=ANALYTIC, detach=False), st.integers(1, 60), st.booleans(), seeds())
@min_examples(8)
def test_the_eigenvalues_are_those_of_the_dense_hessian(case, k, by_magnitude, seed):
    hessian = dense_hessian(*case)
    everything = np.linalg.eigvalsh(0.5 * (hessian + hessian.T))
    wanted = -np.sort(-(np.abs(everything) if by_magnitude else everything))
    k, size = min(k, len(hessian)), max(np.abs(everything).max(), 1e-300)

    found = top_eigenvalues(*case, k=k, rng=rng(seed), by_magnitude=by_magnitude)

    values = np.abs(found.values) if by_magnitude else found.values
    assert values[0] == pytest.approx(wanted[0], abs=1e-9 * size)
    assert (np.diff(values) <= 1e-12 * size).all()
    if k == len(hessian) or (np.diff(wanted[: k + 1]) < -1e-6 * size).all():  # none twice
        np.testing.assert_allclose(values, wanted[:k], atol=1e-9 * size, rtol=0.0)
    assert found.products <= len(hessian) + k
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(k), atol=1e-9)
    apart = hessian @ found.vectors - found.vectors * found.values
    np.testing.assert_allclose(np.linalg.norm(apart, axis=0), found.residuals, atol=1e-9 * size)
    assert found.residuals.max() <= 1e-8 * size


def test_the_iteration_finds_what_the_decomposition_finds():
    hessian = dense_hessian(*tiny_case())
    wanted, vectors = np.linalg.eigh(hessian)
    told = []

    found = top_eigenvalues(*tiny_case(), k=3, rng=rng(), watch=told.append)

    np.testing.assert_allclose(found.values, wanted[::-1][:3], rtol=1e-10)
    np.testing.assert_allclose(
        np.abs(np.sum(found.vectors * vectors[:, ::-1][:, :3], axis=0)), 1.0, rtol=1e-9
    )
    assert told == list(range(1, found.products + 1))


@pytest.mark.parametrize("k", [1, P])
def test_any_number_of_them(k):
    found = top_eigenvalues(*tiny_case(), k=k, rng=rng())

    everything = np.linalg.eigvalsh(dense_hessian(*tiny_case()))
    np.testing.assert_allclose(found.values, everything[::-1][:k], atol=1e-10)
    assert found.vectors.shape == (P, k)


def test_a_network_of_one_parameter():
    network = rs.Network((1, 1), NETWORK.neuron, rs.LinearReadout(1), bias=False)
    one = rs.Network((1, 1), NETWORK.neuron, rs.SpikeRate(1.0), bias=False)

    for net in (network, one):  # one class: the loss is zero everywhere
        params = rs.init(net, rng())
        found = top_eigenvalues(net, params, np.ones((3, 2, 1)), np.zeros(2, int), k=1, rng=rng())
        assert found.values.tolist() == [0.0]
        assert found.residuals.tolist() == [0.0]


def test_a_hessian_of_nothing_but_zeros():
    network = rs.Network((30, 1), NETWORK.neuron, rs.SpikeRate(1.0))
    params = rs.init(network, rng())

    found = top_eigenvalues(network, params, np.ones((3, 2, 30)), np.zeros(2, int), k=2, rng=rng())

    assert found.values.tolist() == found.residuals.tolist() == [0.0, 0.0]
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(2), atol=1e-15)


def test_a_looser_tolerance_takes_fewer_products_and_its_residual_says_so(monkeypatch):
    monkeypatch.setattr(
        spectrum_module, "DENSE_LIMIT", 0
    )  # a Hessian of 53 columns, as if it were a large one
    exact, loose = (
        top_eigenvalues(*tiny_case(), k=2, rng=rng(), tolerance=tolerance)
        for tolerance in (0.0, 0.1)
    )

    assert loose.products < exact.products
    everything = np.linalg.eigvalsh(dense_hessian(*tiny_case()))
    for value, residual in zip(loose.values, loose.residuals, strict=True):
        assert np.abs(everything - value).min() <= residual + 1e-12


def test_products_that_are_wrong_show_in_the_residuals_or_the_values(monkeypatch):
    """A planted error: one entry of the direction gets lost."""
    whole = spectrum_module.reference.hvp
    honest = top_eigenvalues(*tiny_case(), k=1, rng=rng())

    def wrong(network, params, x, y, direction):
        first = replace(direction[0], b=np.zeros_like(direction[0].b))
        return whole(network, params, x, y, (first, *direction[1:]))

    monkeypatch.setattr(spectrum_module.reference, "hvp", wrong)
    found = top_eigenvalues(*tiny_case(), k=1, rng=rng())

    assert abs(found.values[0] - honest.values[0]) > 1e-3 * honest.values[0]


def test_the_same_seed_gives_the_same_bits():
    once, again = (top_eigenvalues(*tiny_case(), k=2, rng=rng(5)) for _ in range(2))

    assert once.vectors.tobytes() == again.vectors.tobytes()


def test_single_precision_and_spikes_are_taken_as_the_numbers_they_are():
    network, _, x, y = tiny_case()
    params = start(np.float32)
    found = top_eigenvalues(network, params, rs.as_spikes(x), y, k=1, rng=rng())
    exact = rs.unflatten(network, rs.flatten(params).astype(np.float64))

    assert found.values == top_eigenvalues(network, exact, x, y, k=1, rng=rng()).values


@given(problems(families=ANALYTIC, detach=False), st.floats(1e-3, 2.0))
@min_examples(40)
def test_the_remainder_is_its_definition(case, rho):
    network, params, x, y = to_float64(case)
    w = rs.flatten(params)

    def objective(w):
        loss, grads = rs.fast.loss_and_grad(network, rs.unflatten(network, w), x, y)
        return float(loss), rs.flatten(grads)

    found = sam_remainder(network, params, x, y, rho=rho)

    loss, grad = objective(w)
    norm = np.linalg.norm(grad)
    step = rho * grad / norm if norm > 0.0 else 0.0 * grad
    raised, at_step = objective(w + step)
    assert found.loss == pytest.approx(loss, rel=1e-12)
    assert found.grad_norm == pytest.approx(norm, rel=1e-10)
    assert found.first_order == pytest.approx(raised - loss - rho * norm, abs=1e-11 * (1 + loss))
    assert found.gradient_change == pytest.approx(
        np.linalg.norm(at_step - grad), abs=1e-10 * (norm + np.linalg.norm(at_step))
    )
    assert found.curvature == 2.0 * found.first_order / rho**2
    if norm > 0.0:
        across = at_step - grad * (grad @ at_step) / norm**2
        along = rs.reference.hvp(network, params, x, y, rs.unflatten(network, across))
        term = rho / norm * np.linalg.norm(rs.flatten(along))
        slack = 1e-9 * np.linalg.norm(at_step) * (1.0 + rho / norm)
        assert found.dropped == pytest.approx(term, rel=1e-6, abs=slack)


@pytest.mark.parametrize("rho", [1e-3, 0.1])
def test_the_dropped_term_is_the_difference_of_two_gradients(rho):
    """The exact gradient of ``w -> f(w + e(w))`` by the complex step, which knows no Hessian."""
    network, params, x, y = tiny_case()
    w = rs.flatten(params)

    def raised(w):
        grads = rs.fast.loss_and_grad(network, rs.unflatten(network, w), x, y)[1]
        g = rs.flatten(grads)
        there = w + rho * g / np.sqrt(np.sum(g * g))  # not the norm: a complex one is not analytic
        return rs.fast.loss_and_grad(network, rs.unflatten(network, there), x, y)

    exact = np.array([complex_step(lambda w: raised(w)[0], w, e) for e in np.eye(P)])
    sam_gradient = rs.flatten(raised(w)[1])

    found = sam_remainder(network, params, x, y, rho=rho)

    assert found.dropped == pytest.approx(np.linalg.norm(exact - sam_gradient), rel=1e-7)


def test_a_small_step_sees_the_curvature_along_the_gradient():
    """On the scale of the step the loss is a quadratic: 2 first_order / rho^2 -> g'Hg / g'g."""
    network, params, x, y = tiny_case()
    hessian = dense_hessian(network, params, x, y)
    g = rs.flatten(rs.fast.loss_and_grad(network, params, x, y)[1])
    along = hessian @ g / np.linalg.norm(g)

    found = sam_remainder(network, params, x, y, rho=1e-5)

    assert found.curvature == pytest.approx(along @ g / np.linalg.norm(g), rel=1e-3)
    assert found.gradient_change == pytest.approx(1e-5 * np.linalg.norm(along), rel=1e-3)
    bound = np.abs(np.linalg.eigvalsh(hessian)).max()
    assert abs(found.curvature) <= bound * 1.001
    assert found.gradient_change <= 1e-5 * bound * 1.001


def test_nothing_moves_where_the_gradient_is_zero():
    network = rs.Network((2, 1), NETWORK.neuron, rs.SpikeRate(1.0))
    params = rs.init(network, rng())

    found = sam_remainder(network, params, np.ones((3, 2, 2)), np.zeros(2, int), rho=0.5)

    assert (found.grad_norm, found.first_order, found.curvature) == (0.0, 0.0, 0.0)
    assert (found.gradient_change, found.dropped) == (0.0, 0.0)


MEASURE = {"rho": 0.1, "every": 2, "tolerance": 1e-3, "on": recordings(6)}


@pytest.mark.slow
def test_along_a_training_that_stays_what_it_is():
    run, points = along_training(
        NETWORK,
        start(),
        recordings(),
        CONFIG,
        rng=np.random.default_rng(2),
        held_out=recordings(6, seed=3),
        **MEASURE,
    )

    assert bits(run) == bits(train())
    assert run.curve == train().curve
    assert [point.epoch for point in points] == [0, 2, 3]
    last = points[-1]
    assert last.remainder == sam_remainder(NETWORK, run.params, *recordings(6), rho=0.1)
    exact = np.linalg.eigvalsh(dense_hessian(NETWORK, run.params, *recordings(6)))[-1]
    assert abs(last.top - exact) <= last.residual + 1e-12
    assert last.products > 0


def test_along_a_training_each_point_is_of_the_network_as_it_was_then():
    config = replace(CONFIG, slope_end=4.0)
    run, points = along_training(
        NETWORK, start(), recordings(), config, rng=np.random.default_rng(2), **MEASURE
    )

    expected = sam_remainder(run.network, run.params, *recordings(6), rho=0.1)
    assert points[-1].remainder == expected
    assert expected != sam_remainder(NETWORK, run.params, *recordings(6), rho=0.1)


REFUSED = {
    "k": ({"k": 0}, f"k must be an integer of 1 to {P}, got 0"),
    "k too large": ({"k": P + 1}, f"k must be an integer of 1 to {P}, got {P + 1}"),
    "k a number": ({"k": 1.0}, f"k must be an integer of 1 to {P}, got 1.0"),
    "tolerance": ({"tolerance": -1.0}, r"tolerance must lie in \[0, 1\), got -1.0"),
    "no tolerance": ({"tolerance": np.nan}, r"tolerance must lie in \[0, 1\), got nan"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_wishes_are_refused(name):
    change, says = REFUSED[name]
    with pytest.raises(ValueError, match=f"^{says}$"):
        top_eigenvalues(*tiny_case(), **{"k": 1, "rng": rng()} | change)


def test_what_cannot_be_measured_is_refused():
    network, params, x, y = tiny_case()
    detached = replace(network, neuron=replace(network.neuron, detach_reset=True))
    measures = (
        lambda *case: top_eigenvalues(*case, k=1, rng=rng()),
        lambda *case: sam_remainder(*case, rho=0.1),
    )
    for measure in measures:
        with pytest.raises(ValueError, match=r"^detach_reset must be False for a Hessian to exist"):
            measure(detached, params, x, y)
        with pytest.raises(ValueError, match=r"^params must be real, got dtype complex128$"):
            measure(network, rs.unflatten(network, rs.flatten(params) + 0j), x, y)
        with pytest.raises(ValueError, match=r"^x must have shape"):
            measure(network, params, x[:, :, 1:], y)
        with pytest.raises(ValueError, match=r"^y must have shape"):
            measure(network, params, x, y[1:])
    for rho in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match=rf"^rho must be positive and finite, got {rho}$"):
            sam_remainder(network, params, x, y, rho=rho)
    with pytest.raises(ValueError, match=r"^every must be a positive integer, got 0$"):
        along_training(network, params, (x, y), CONFIG, rng=rng(), **MEASURE | {"every": 0})
