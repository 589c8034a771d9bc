"""Random rounding errors on the tape: as large as those of rounding, none where it makes none."""

from functools import partial

import numpy as np
import pytest

import refsast as rs
from refsast.autodiff import moves, straight_through
from refsast.autodiff.replay import replay
from refsast.autodiff.tape import Node, apply, backward, leaf
from refsast.crosscheck.tolerance import DEVIATIONS, draw_noise, measure_noise
from refsast.gradient.noise_run import run_clean
from refsast.gradient.reference import _loss
from refsast.model.params import map_params, param_arrays, replace_arrays

EPS = float(np.finfo(np.float32).eps)
X = np.random.default_rng(0).standard_normal((40, 30))


def spread(output, repeats=200, unit=EPS / 2):
    """Return the root mean square error of a result over repeats."""
    (found,) = replay([output], unit=unit, repeats=repeats, rng=np.random.default_rng(1))
    return np.sqrt(np.mean((found - output.value) ** 2, axis=0))


MOVES = {
    "take": lambda x: x[3],
    "reshape": lambda x: np.reshape(x, (30, 40)),
    "transpose": lambda x: x.T,
    "stack": lambda x: np.stack([x[0], x[1]]),
    "where": lambda x: np.where(x > 0.0, x, 0.5),
    "maximum": lambda x: np.maximum(x, 0.5),
    "negative": lambda x: -x,
    "hard spikes": straight_through(lambda x: (x > 0.0) * 1.0, np.ones_like),
}


@pytest.mark.parametrize("name", MOVES)
def test_what_moves_numbers_rounds_nothing(name):
    assert not spread(MOVES[name](leaf(X))).any()


def test_one_operation_rounds_once_or_twice():
    x = leaf(X)

    for y in (x * x, x + 1.0, np.exp(x), x / 3.0):
        assert np.quantile(spread(y) / (EPS / 2 * abs(y.value)), [0.0, 1.0]) == pytest.approx(
            [1.4, 1.4], rel=0.25
        )


def test_what_is_taken_twice_is_added_up_and_rounded_and_the_rest_is_not():
    a, b = leaf(abs(X[:3])), leaf(abs(X[3:6]))

    whole = apply(moves.scatter([slice(0, 3), slice(1, 4)], (4, 30)), a, b)
    sizes = spread(whole)

    assert (whole.value == np.concatenate([a.value, 0.0 * X[:1]]) + np.roll(
        np.concatenate([b.value, 0.0 * X[:1]]), 1, axis=0
    )).all()  # fmt: skip
    assert not sizes[[0, 3]].any()
    terms = a.value[1:] + b.value[:-1]
    assert np.quantile(sizes[1:3] / (EPS / 2 * terms), [0.0, 1.0]) == pytest.approx(
        [1.9, 1.9], rel=0.3
    )


def test_of_nothing_there_is_no_error():
    x = leaf(X[:0])

    for y in (np.sum(x, axis=0), np.sum(x), x.T @ x, np.einsum("ij,ik->jk", x, x), x @ x.T):
        assert not spread(y, 3).any()


def test_a_constant_that_single_precision_cannot_hold_is_rounded_once():
    x = leaf(np.ones(3))

    errors = replay(
        [np.maximum(x * 0.0 + 2.0, 0.0) - 2.0 + np.maximum(0.1 - 0.0 * x, 0.1) * 0.0], unit=0.0,
        repeats=3, rng=np.random.default_rng(0),
    )[0]  # fmt: skip
    once = replay([np.where(x > 2.0, x, 0.1)], unit=EPS, repeats=3, rng=np.random.default_rng(0))[0]
    exact = spread(np.where(x > 2.0, x, 0.25))

    assert not errors.any()
    assert (once[:, :1] == once).all()
    assert len(set(once[:, 0])) == 3
    assert not exact.any()


@pytest.mark.slow
def test_equal_numbers_are_rounded_alike_in_half_of_their_error():
    x = leaf(np.full(2000, 1.1) + X.ravel()[:1].repeat(2000))

    first, again, other = replay(
        [x * 1.5, x * 1.5, x * 1.25], unit=EPS / 2, repeats=2000, rng=np.random.default_rng(1)
    )

    def correlation(a, b):
        return float(np.mean([np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(20)]))

    assert correlation(first, again) == pytest.approx(0.5, abs=0.05)
    assert correlation(first, other) == pytest.approx(0.0, abs=0.05)
    assert correlation(first[:, :20], first[:, 20:40]) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("n", [10, 300])
@pytest.mark.parametrize("equal", [False, True])
def test_sums_and_products_in_single_precision_are_within_the_spread(n, equal):
    rng = np.random.default_rng(n)
    a = np.full((20, n), 0.1) if equal else rng.standard_normal((20, n))
    a, b = (np.float64(np.float32(each)) for each in (a, rng.standard_normal((n, 5))))

    def one_after_the_other(terms):
        total = np.zeros(terms.shape[1:], np.float32)
        for term in terms:
            total = total + term
        return total

    single = a.astype(np.float32)
    product = one_after_the_other(single.T[:, :, None] * b.astype(np.float32)[:, None])
    unit = DEVIATIONS * EPS / 2
    pairs = (
        (leaf(a) @ leaf(b), product),
        (np.einsum("ij,jk->ik", leaf(a), leaf(b)), product),
        (np.cumsum(leaf(a), axis=1)[:, 1:], np.cumsum(single, axis=1)[:, 1:]),
        (np.sum(leaf(a), axis=1), one_after_the_other(single.T)),
        (np.sum(leaf(a), axis=1), one_after_the_other(np.sort(single, axis=1).T)),
    )

    for exact, rounded in pairs:
        error = abs(rounded - exact.value) / spread(exact, unit=unit)
        assert error.max() < 1.0
        assert error.max() > 1e-3  # it is no wide tolerance either


def gradients(network, params, x, y):
    """Return loss and gradients as nodes."""
    nodes = tuple(map(leaf, param_arrays(params)))
    loss = _loss(network, replace_arrays(params, nodes), x, y)
    return loss, *backward(loss, nodes, np.ones(()), traced=True)


def draw_run(seed, spikes):
    """Draw a dense network and what it is asked, in single precision."""
    rng = np.random.default_rng(seed)
    sizes = tuple(int(n) for n in rng.integers(2, 8, rng.integers(2, 5)))
    reset = [rs.ToZero(), rs.Subtract(), rs.NoReset()][rng.integers(3)]
    neuron = rs.LIF(float(rng.uniform(0.3, 0.95)), 1.0, spikes[rng.integers(len(spikes))], reset)
    readout = [rs.SpikeRate(5.0), rs.LinearReadout(3), rs.LeakyReadout(3, 0.8)][rng.integers(3)]
    network = rs.Network(sizes, neuron, readout, recurrent=bool(rng.integers(2)))
    params = map_params(lambda a: np.float64(np.float32(2.0 * a)), rs.init(network, rng))
    x = rng.standard_normal((int(rng.integers(2, 25)), int(rng.integers(1, 5)), sizes[0]))
    return network, params, np.float64(np.float32(x)), rng.integers(0, network.classes, x.shape[1])


@pytest.mark.slow
def test_dense_networks_have_the_tolerance_that_is_measured_on_them():
    """Spikes whose slopes keep their digits: of others `gradient.noise` knows more formulas."""
    ratios, errors = [], []
    unit = DEVIATIONS * EPS / 2
    for seed in range(40):
        spikes = (rs.Arctan(2.0), rs.Algebraic(2.0), rs.FastSigmoid(3.0))
        network, params, x, y = draw_run(seed, spikes)
        trace = rs.run(network, params, x)
        run = run_clean(network, params, x, y, trace.u, trace.s)
        measured = measure_noise(np.dtype(np.float32), partial(draw_noise, run))
        single = map_params(lambda a: a.astype(np.float32), params)
        rounded = rs.fast.loss_and_grad(network, single, x.astype(np.float32), y)[1]
        _, *grads = gradients(network, params, x, y)
        runs = replay(grads, unit=unit, repeats=8, rng=np.random.default_rng(1))
        for g, run, near, got in zip(
            grads, runs, param_arrays(measured.grads), param_arrays(rounded), strict=True
        ):
            if not isinstance(g, Node):  # recurrent weights of a single step
                continue
            size = np.sqrt(np.mean((run - g.value) ** 2, axis=0))
            live = abs(g.value) > 1e-30
            ratios += (size[live] / near[live]).tolist()
            errors += (abs(got - g.value)[live] / size[live]).tolist()

    assert len(ratios) > 2000
    assert 0.2 < np.median(ratios) < 2.0
    assert np.quantile(ratios, 0.02) > 0.02
    assert np.quantile(ratios, 0.98) < 4.0
    assert np.median(errors) > 1e-3
    assert max(errors) < 1.0


def test_a_long_recurrent_run_is_replayed_in_memory_that_does_not_grow_with_it():
    """What nobody needs any more is given back: eight repeats cost less than eight tapes."""
    import tracemalloc

    def run(steps):
        w = x = leaf(0.3 * X[:20, :20])
        for _ in range(steps):
            x = np.tanh(x @ w)
        return x

    peaks = []
    for steps in (20, 200):
        output = run(steps)
        tracemalloc.start()
        spread(output, 8)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < 2.0 * peaks[0]
