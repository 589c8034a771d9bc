"""Both passes of SAM together, against two gradients by the tape and the definition."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refsast as rs
from refsast.gradient.fast import inputs, sam
from refsast.testing import Problem, min_examples, networks, seeds
from tests.gradient.test_paths import binarize, wide_case

SHARED, SPARSE, SHARING = (st.booleans() for _ in range(3))
BOTH = list(product([False, True], repeat=2))


def draw_pair(network, seed) -> tuple[Problem, Problem]:
    """Two generic minibatches on one network: no gradient is a cancellation, no row is silent."""
    rng = np.random.default_rng(seed)
    params = rs.unflatten(network, rng.normal(size=network.n_params))

    def batch(size):
        x = (rng.random((4, size, network.sizes[0])) < 0.6).astype(float)
        return Problem(network, params, x, rng.integers(network.classes, size=size))

    return batch(3), batch(2)


def reference_sam(first: Problem, second: Problem, rho: float):
    """Return loss and SAM gradient by `sam.gradient` and the tape."""

    def objective(case):
        def f(w):
            params = rs.unflatten(case.network, w)
            loss, grads = rs.reference.loss_and_grad(case.network, params, case.x, case.y)
            return loss, rs.flatten(grads)

        return f

    w = rs.flatten(first.params).astype(float)
    grad = rs.sam.gradient(objective(first), w, rho=rho, second=objective(second))
    return objective(first)(w)[0], grad


def fast_sam(first: Problem, second: Problem | None, rho: float, sparse: bool, **options):
    """Return the same by `fast.sam_gradient`."""
    batches = [
        None if c is None else (rs.as_spikes(c.x) if sparse else c.x, c.y) for c in (first, second)
    ]
    options = {"dense_above": 1.0, **options}
    loss, grads = rs.fast.sam_gradient(
        first.network, first.params, batches[0], batches[1], rho=rho, **options
    )
    return loss, rs.flatten(grads)


@given(networks(detach=False), seeds(), st.sampled_from([0.0, 0.05, 0.7]), SHARED, SPARSE, SHARING)
@min_examples(500)
def test_both_passes_together_are_two_gradients(network, seed, rho, shared, sparse, sharing):
    first, second = draw_pair(network, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sam, "sharing_is_cheaper", lambda *_: sharing)
        loss, grad = fast_sam(first, None if shared else second, rho, sparse)
    same, want = reference_sam(first, first if shared else second, rho)
    if rho == 0.0 and not shared:
        same = rs.reference.loss(second.network, second.params, second.x, second.y)

    assert abs(loss - same) <= 1e-12 * (1.0 + abs(same))
    assert np.linalg.norm(grad - want) <= 1e-9 * np.linalg.norm(want)


@pytest.mark.parametrize(("sharing", "sparse"), BOTH)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_so_they_are_on_a_wide_network(sharing, sparse, dtype, monkeypatch):
    monkeypatch.setattr(sam, "sharing_is_cheaper", lambda *_: sharing)
    first = wide_case(dtype)
    second = replace(wide_case(dtype, rows=9, seed=1), params=first.params)

    for other in (None, second):
        loss, grad = fast_sam(first, other, 0.2, sparse)
        same, want = reference_sam(first, other or first, 0.2)

        exact = 2e-6 if dtype == np.float32 else 1e-13
        assert grad.dtype == dtype
        assert abs(loss - same) <= exact * (1.0 + abs(same))
        assert np.linalg.norm(grad - want) <= exact * np.linalg.norm(want)


@pytest.mark.parametrize("checkpoint", [1, 2, 3, 50])
@pytest.mark.parametrize("sparse", [False, True])
def test_chunks_of_time_give_the_same(checkpoint, sparse, monkeypatch):
    monkeypatch.setattr(sam, "sharing_is_cheaper", lambda *_: True)  # if it could
    first = wide_case(np.float64)
    second = replace(wide_case(np.float64, rows=9, seed=1), params=first.params)

    loss, grad = fast_sam(first, second, 0.2, sparse, checkpoint=checkpoint)
    same, want = reference_sam(first, second, 0.2)

    assert abs(loss - same) <= 1e-13 * (1.0 + abs(same))
    assert np.linalg.norm(grad - want) <= 1e-13 * np.linalg.norm(want)


@pytest.mark.parametrize(("sharing", "shared"), BOTH)
def test_a_radius_of_zero_is_plain_descent_to_the_bit(tiny, sharing, shared, monkeypatch):
    monkeypatch.setattr(sam, "sharing_is_cheaper", lambda *_: sharing)
    case = binarize(tiny())

    loss, grad = fast_sam(case, None if shared else case, 0.0, sparse=False)
    same, plain = rs.fast.loss_and_grad(*case)

    assert loss == same
    assert grad.tobytes() == rs.flatten(plain).tobytes()


@pytest.mark.parametrize(("sharing", "sparse"), BOTH)
def test_at_a_zero_gradient_nothing_moves(tiny, sharing, sparse, monkeypatch):
    """With one class the loss is zero whatever the parameters are."""
    monkeypatch.setattr(sam, "sharing_is_cheaper", lambda *_: sharing)
    case = binarize(tiny())
    network = replace(case.network, readout=rs.LinearReadout(1))
    params = rs.unflatten(network, np.linspace(-1.0, 1.0, network.n_params))
    flat = Problem(network, params, case.x, 0 * case.y)

    loss, grad = fast_sam(flat, None, 0.5, sparse)

    assert loss == 0.0
    assert (grad == 0.0).all()


@pytest.mark.parametrize("sharing", [False, True])
@pytest.mark.parametrize("gain", [1e-30, 1e-12, 1e12])
def test_the_direction_survives_gradients_of_any_size(sharing, gain, monkeypatch):
    """In single precision, where the squares of the entries would not."""
    monkeypatch.setattr(sam, "sharing_is_cheaper", lambda *_: sharing)
    case = wide_case(np.float32)
    case = replace(case, network=replace(case.network, readout=rs.SpikeRate(gain)))
    if gain > 1.0:  # a loss of that size needs an error somewhere
        case = replace(case, y=np.argmin(rs.run(case.network, case.params, case.x).logits, axis=1))

    _, grad = fast_sam(case, None, 0.5, sparse=False)
    _, want = reference_sam(case, case, 0.5)

    assert np.linalg.norm(want) > 0.0
    assert np.linalg.norm(grad / gain - want / gain) <= 1e-4 * np.linalg.norm(want / gain)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_gradient_that_overflows_is_no_direction(number):
    with pytest.raises(ValueError, match="grad must be finite, got one of length"):
        sam._ascent_step((rs.Layer(np.array([[number]])),), 0.5)


@pytest.mark.parametrize("sharing", [False, True])
@pytest.mark.parametrize(("gain", "dtype"), [(1e-40, np.float32), (1e-310, np.float64)])
def test_the_smallest_gradients_are_a_direction_still(sharing, gain, dtype, monkeypatch):
    monkeypatch.setattr(sam, "sharing_is_cheaper", lambda *_: sharing)
    case = wide_case(dtype)
    case = replace(case, network=replace(case.network, readout=rs.SpikeRate(gain)))

    _, grad = fast_sam(case, None, 0.5, sparse=False)

    assert np.isfinite(grad).all()
    assert np.linalg.norm(grad / gain) > 0.0


@pytest.mark.parametrize(("spread", "formed"), [(1.0, 1), (0.1, 2), (1e-2, 2), (1e-4, 2)])
def test_where_inner_products_would_cancel_the_gradient_is_formed(spread, formed, monkeypatch):
    """All inputs nearly one, every label once: the deltas cancel in the gradient."""
    rng = np.random.default_rng(0)
    net = rs.Network((300, 10), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(3.0), bias=False)
    x = rng.random((1, 1, 300)) + spread * rng.normal(size=(1, 10, 300))
    params = (rs.Layer(np.full((10, 300), 1.0 / 150.0, np.float32)),)
    case = Problem(net, params, x.astype(np.float32), np.arange(10))
    calls, real = [], inputs.DenseInputs.weight_grad
    monkeypatch.setattr(
        inputs.DenseInputs, "weight_grad", lambda *a: (calls.append(1), real(*a))[1]
    )
    grads = []
    for sharing in (False, True):
        calls.clear()
        monkeypatch.setattr(sam, "sharing_is_cheaper", lambda *_, sharing=sharing: sharing)
        grads.append(fast_sam(case, None, 0.3, sparse=False)[1])

    assert len(calls) == formed  # that of the second pass, and that of the first
    assert np.linalg.norm(grads[1] - grads[0]) <= 1e-5 * np.linalg.norm(grads[0])


@pytest.mark.parametrize("scale", [1e18, 1e-30])
def test_inputs_whose_inner_products_overflow_are_no_harm(scale, monkeypatch):
    """Nor do the digits of those that underflow matter."""
    case = wide_case(np.float32)
    first = replace(case.params[0], w=case.params[0].w / np.float32(scale))
    case = replace(case, x=case.x * np.float32(scale), params=(first, *case.params[1:]))
    grads = []
    for sharing in (False, True):
        monkeypatch.setattr(sam, "sharing_is_cheaper", lambda *_, sharing=sharing: sharing)
        grads.append(fast_sam(case, None, 1e-3 / scale, sparse=False)[1])

    assert np.linalg.norm(grads[1] / scale - grads[0] / scale) <= 1e-4 * np.linalg.norm(
        grads[0] / scale
    )


@pytest.mark.parametrize("batch", [None, 3.0, (1,), (1, 2, 3)])
def test_a_minibatch_that_is_no_pair_is_refused(tiny, batch):
    case = tiny()
    pair = case.x, case.y
    for name, pairs in (("first", (batch, pair)), ("second", (pair, batch))):
        if not (name == "second" and batch is None):
            with pytest.raises(ValueError, match=rf"{name} must be a pair \(x, y\)"):
                rs.fast.sam_gradient(case.network, case.params, *pairs, rho=0.0)


def test_an_empty_second_minibatch_is_not_none(tiny):
    case = tiny()

    with pytest.raises(ValueError, match="second must be a pair"):
        rs.fast.sam_gradient(case.network, case.params, (case.x, case.y), (), rho=0.0)


def test_complex_parameters_are_refused(tiny):
    case = tiny()
    params = rs.unflatten(case.network, rs.flatten(case.params) + 0j)

    with pytest.raises(ValueError, match="params must be real"):
        rs.fast.sam_gradient(case.network, params, (case.x, case.y), rho=0.1)


def test_no_argument_is_changed(tiny):
    case = tiny()  # its arrays are read-only

    fast_sam(case, case, 0.5, sparse=False)


def silent(rows, n_in, sparse):
    given = np.zeros((rows, 1, n_in))
    return inputs.make_inputs(rs.as_spikes(given) if sparse else given, np.dtype("f4"), 1.0)


# Multiplications per row and input that are saved (2 n or n) against those that are spent: rows of
# the one with themselves (0.6 of them in BLAS), with the other's, and n / n_in for each product
# with delta. All at n = 100 and 1000 inputs.
PAYS = [
    (False, 285, None, True),  # 0.7 * 285 < 200
    (False, 286, None, False),
    (True, 181, None, True),  # 1.1 * 181 < 200
    (True, 182, None, False),
    (False, 10, 91, True),  # 0.8 * 10 + 91 < 100
    (False, 10, 93, False),
    (False, 100, 19, True),  # 0.8 * 100 + 19 < 100
    (False, 100, 21, False),
    (True, 50, 39, True),  # 1.2 * 50 + 39 < 100
    (True, 50, 41, False),
]


@pytest.mark.parametrize(("sparse", "rows", "others", "expected"), PAYS)
def test_inner_products_are_taken_where_they_are_few(sparse, rows, others, expected):
    x = silent(rows, 1000, sparse)
    y = x if others is None else silent(others, 1000, sparse)

    assert sam.sharing_is_cheaper(x, y, 100) == expected


@pytest.mark.parametrize("sparse", [False, True])
def test_a_silent_input_moves_no_weight_of_its_own(sparse, monkeypatch):
    monkeypatch.setattr(sam, "sharing_is_cheaper", lambda *_: True)
    case = wide_case(np.float64)
    case = replace(case, x=0.0 * case.x)

    _, grad = fast_sam(case, None, 0.5, sparse)
    _, want = reference_sam(case, case, 0.5)

    assert np.linalg.norm(want) > 0.0
    assert np.linalg.norm(grad - want) <= 1e-13 * np.linalg.norm(want)


@pytest.mark.parametrize("rho", [-1.0, np.nan, np.inf, "1"])
def test_a_radius_that_is_none_is_refused(tiny, rho):
    with pytest.raises(ValueError, match="rho must be"):
        fast_sam(tiny(), None, rho, sparse=False)


def test_the_norm_is_that_of_all_entries():
    for scale in (1e-300, 1e-20, 1.0, 1e20, 1e300):
        grads = (rs.Layer(np.array([[3.0 * scale]]), np.array([4.0 * scale])),)
        assert sam.global_norm(grads) == pytest.approx(5.0 * scale, rel=1e-14)

    assert sam.global_norm((rs.Layer(np.zeros((2, 2))),)) == 0.0


def test_an_ordinary_norm_is_one_product(monkeypatch):
    monkeypatch.setattr(np, "abs", lambda _: pytest.fail("no second look is wanted"))

    assert sam.global_norm((rs.Layer(np.array([[3e3]]), np.array([4e3])),)) == 5e3
