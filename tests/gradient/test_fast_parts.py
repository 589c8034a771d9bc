"""The parts of the fast gradient: arctangents, products in pieces, chunks, and which is taken."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast import cores
from refsast.gradient.fast import inputs, kernels, layer, network, records
from refsast.testing import TOLERANCE, error_ratio, to_float64
from tests.gradient.test_paths import binarize, call_with_spikes, wide_case


@pytest.mark.parametrize("vector", [False, True])
def test_both_ways_to_an_arctangent_are_single_precise(vector, monkeypatch):
    """A step of more than `SMALL` entries, so that the poles are used where NumPy has no better."""
    monkeypatch.setattr(kernels, "has_vector_arctan", lambda: vector)
    case = wide_case(np.float32)
    assert case.x.shape[1] * case.network.sizes[1] > kernels.SMALL_STEP

    loss, grads = rs.fast.loss_and_grad(*case)
    truth, by_tape = rs.reference.loss_and_grad(*to_float64(case))

    gap = np.linalg.norm(rs.flatten(grads) - rs.flatten(by_tape))
    assert abs(loss - truth) <= 1e-6
    assert gap <= 2e-6 * np.linalg.norm(rs.flatten(by_tape))


def test_the_poles_give_the_arctangent():
    z = np.concatenate([np.linspace(-20.0, 20.0, 100_001), np.geomspace(1e-6, 1e17, 5000)])
    share = np.empty_like(z)
    kernels._rational_arctan(z)(z, 1.0 + z * z, share)
    rounded, single_z = np.empty(z.shape, np.float32), z.astype(np.float32)
    kernels._rational_arctan(rounded)(single_z, 1.0 + single_z * single_z, rounded)

    assert abs(share - np.arctan(z) / np.pi).max() < 5.3e-9
    assert abs(rounded - np.arctan(single_z.astype(float)) / np.pi).max() < 1.2e-7


def test_logits_whose_exponentials_are_infinite_are_no_harm(tiny):
    case = tiny()
    case = replace(case, network=replace(case.network, sizes=(3, 4, 3), readout=rs.SpikeRate(1e5)))
    case = replace(case, params=case.params[:2])

    loss, grads = rs.fast.loss_and_grad(*case)
    same, by_tape = rs.reference.loss_and_grad(*case)

    assert abs(loss - same) <= TOLERANCE * same
    np.testing.assert_allclose(rs.flatten(grads), rs.flatten(by_tape), rtol=1e-9, atol=1e-300)


def test_whether_there_is_a_vector_arctangent_is_known():
    assert kernels.has_vector_arctan() in (False, True)


@pytest.mark.parametrize("scale", [1e17, 1e20, 1e30])
def test_potentials_too_large_to_be_squared_are_no_harm(scale):
    """They saturate: what a spike is there, and that its slope is zero, does not depend on them."""
    case = wide_case(np.float32)
    first = replace(case.params[0], w=case.params[0].w * np.float32(scale))
    huge = replace(case, params=(first, *case.params[1:]))

    loss, grads = rs.fast.loss_and_grad(*huge)
    truth, by_tape = rs.reference.loss_and_grad(*to_float64(huge))

    assert abs(loss - truth) <= 1e-5 * (1.0 + abs(truth))
    assert np.isfinite(rs.flatten(grads)).all()
    np.testing.assert_allclose(grads[1].w, by_tape[1].w, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("m", "k", "n"), [(50, 4, 3), (4, 50, 3), (7, 7, 7), (1, 1, 1), (9, 2, 30), (0, 3, 2)]
)
@pytest.mark.parametrize("threads", [1, 3])
def test_a_shared_product_is_the_product(m, k, n, threads, monkeypatch):
    monkeypatch.setattr(inputs, "PIECE_SIZE", 60)
    monkeypatch.setattr(cores, "thread_count", lambda: threads)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(m, k)), rng.normal(size=(k, n))

    np.testing.assert_allclose(inputs.matmul_shared(a, b), a @ b, rtol=1e-13)


@pytest.mark.parametrize(
    ("shape", "rows"),
    [
        ((50, 4, 3), 10 * [5]),
        ((4, 4, 4), [4]),  # small enough as it is
        ((3, 50, 30), [1, 1, 1]),  # a row is the least
    ],
)
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_pieces_of_a_product_depend_on_its_shape_alone(shape, rows, threads, monkeypatch):
    monkeypatch.setattr(inputs, "PIECE_SIZE", 60)
    monkeypatch.setattr(cores, "thread_count", lambda: threads)
    inputs.touch_blas_buffers(np.dtype(float))
    (m, k, n), cut, real = shape, [], np.matmul
    monkeypatch.setattr(
        np, "matmul", lambda a, b, out: (cut.append(len(a)), real(a, b, out=out))[1]
    )

    inputs.matmul_shared(np.ones((m, k)), np.ones((k, n)))

    assert cut == rows


def test_density_decides_how_spikes_are_multiplied():
    """Few rows do not pay for the reordering of the weights."""
    assert inputs.break_even_density(1000) == pytest.approx(0.238)
    assert inputs.break_even_density(48) == pytest.approx(0.0)


@pytest.mark.parametrize("dense_above", [0.0, 0.03, None, 1.0])
@pytest.mark.parametrize("hidden", [(50,), (50, 50)])
def test_spikes_below_the_threshold_stay_spikes(dense_above, hidden, monkeypatch):
    made, real = [], inputs.make_inputs
    monkeypatch.setattr(records, "make_inputs", lambda *a: (made.append(a), real(*a))[1])
    net = rs.Network((100, *hidden, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    rng = np.random.default_rng(0)
    x = rs.as_spikes(rng.random((20, 32, 100)) < 0.05)

    rs.fast.loss_and_grad(net, rs.init(net, rng), x, np.zeros(32, int), dense_above=dense_above)

    above = inputs.break_even_density(640) if dense_above is None else dense_above
    assert made[0][2] == pytest.approx(above)
    kind = inputs.SparseInputs if x.density <= above else inputs.DenseInputs
    assert type(real(x, np.dtype("f8"), made[0][2])) is kind


@pytest.mark.parametrize("steps", [1, 3, 1000])
def test_large_inputs_of_another_dtype_are_converted_in_parts(tiny, steps, monkeypatch):
    case = tiny()
    monkeypatch.setattr(inputs, "CONVERSION_SIZE", steps * 2 * 3)  # steps of 2 recordings, 3 inputs
    want = rs.flatten(rs.fast.loss_and_grad(*case)[1])

    for dtype in (np.uint8, bool, np.int64):
        x = case.x.astype(dtype)
        grads = rs.fast.loss_and_grad(case.network, case.params, x, case.y)[1]
        bounds = rs.flatten(rs.rounding(*case)[0])
        assert error_ratio(rs.flatten(grads), want, bounds) <= TOLERANCE
        _, shared = rs.fast.sam_gradient(case.network, case.params, (x, case.y), rho=0.1)
        _, same = rs.fast.sam_gradient(case.network, case.params, (case.x, case.y), rho=0.1)
        assert (
            error_ratio(rs.flatten(shared), rs.flatten(same), abs(rs.flatten(same)) + 1e-3)
            <= TOLERANCE
        )


def test_few_ones_are_left_to_one_thread(tiny, monkeypatch):
    monkeypatch.setattr(inputs, "MIN_ONES_FOR_THREADS", 10_000)
    monkeypatch.setattr(cores, "thread_count", lambda: 3)
    monkeypatch.setattr(cores, "_thread_pool", lambda: pytest.fail("no other thread is wanted"))

    call_with_spikes(rs.fast.loss_and_grad, binarize(tiny()), dense_above=1.0)


def test_the_last_chunk_is_not_run_again(tiny, monkeypatch):
    ran, real = [], network._run_chunk
    monkeypatch.setattr(network, "_run_chunk", lambda *a: (ran.append(len(a[2].x)), real(*a))[1])

    rs.fast.loss_and_grad(*tiny(), checkpoint=4)

    assert ran == [4, 2, 4]  # forwards, forwards; and the first one again


def test_the_bound_is_everything_that_comes_in():
    currents = np.array([[[1.0, -5.0]], [[2.0, 3.0]], [[0.0, 0.0]]])
    before = layer.LayerState(np.array([[-7.0, 2.0]]), np.zeros((1, 2)))
    v = np.array([[1.0, -2.0], [0.5, 0.25]])

    assert network._potential_bound(0.5, None, currents, before) == 7.0 + 3 * (5.0 + 0.5)
    assert network._potential_bound(0.5, v, currents, before) == 7.0 + 3 * (5.0 + 0.5 + 3.0)
    assert not np.isfinite(network._potential_bound(0.5, None, currents * np.nan, before))


def test_a_steep_spike_at_a_large_potential_is_one():
    """Its argument, slope times potential, has a square that single precision does not hold."""
    neuron = rs.LIF(0.9, 1.0, rs.Arctan(1e10))
    u = np.array([[1e10, -1e10]], np.float32)
    s, slope = np.empty_like(u), np.empty_like(u)

    kernels.make_spike_kernel(neuron, neuron.spike, u, 1e10)(u, s, slope)

    assert s.tolist() == [[1.0, 0.0]]
    assert (slope <= 1e-9).all()


@pytest.mark.parametrize(("n", "poles"), [(10, 0), (5000, 1)])
def test_a_small_step_takes_the_arctangent_of_numpy(n, poles, monkeypatch):
    calls, real = [], kernels._rational_arctan
    monkeypatch.setattr(kernels, "has_vector_arctan", lambda: False)
    monkeypatch.setattr(kernels, "_rational_arctan", lambda like: (calls.append(n), real(like))[1])

    kernels._arctan_kernel(2.0, 1.0, np.empty((1, n), np.float32))

    assert len(calls) == poles


def test_double_precision_is_double_in_large_steps_too():
    case = wide_case(np.float64)
    loss, grads = rs.fast.loss_and_grad(*case)
    same, by_tape = rs.reference.loss_and_grad(*case)

    assert abs(loss - same) <= 1e-14
    gap = np.linalg.norm(rs.flatten(grads) - rs.flatten(by_tape))
    assert gap <= 1e-14 * np.linalg.norm(rs.flatten(by_tape))


def test_keeping_few_states_takes_little_memory():
    rng = np.random.default_rng(0)
    net = rs.Network((5, 40, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    x, y = (rng.random((400, 8, 5)) < 0.3).astype(np.uint8), rng.integers(3, size=8)
    peaks = []
    for checkpoint in (None, 20):
        tracemalloc.start()
        rs.fast.loss_and_grad(net, rs.init(net, rng), x, y, checkpoint=checkpoint)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < 0.25 * peaks[0]
