"""Parameters: drawn, flattened, restored."""

import numpy as np
import pytest
from hypothesis import given

import refsast as rs
from refsast.model.params import allocate_like, as_vector
from refsast.testing import min_examples, networks, seeds


@given(networks(), seeds())
@min_examples(100)
def test_flattening_and_restoring_gives_the_same_bits(network, seed):
    params = rs.init(network, np.random.default_rng(seed))
    w = rs.flatten(params)

    restored = rs.unflatten(network, w)

    assert w.shape == (network.n_params,)
    assert w.tobytes() == rs.flatten(restored).tobytes()
    for layer, again, shapes in zip(params, restored, network.shapes, strict=True):
        for part in ("w", "b", "v"):
            got = getattr(again, part)
            assert (got is None) == (part not in shapes)
            assert got is None or got.shape == shapes[part]
            assert np.array_equal(got, getattr(layer, part)) or got is None


def test_the_order_is_layer_by_layer_w_b_v_in_rows():
    neuron = rs.LIF(0.5, 1.0, rs.Arctan(1.0))
    network = rs.Network((2, 1, 2), neuron, rs.LinearReadout(1), recurrent=True)

    first, second, readout = rs.unflatten(network, np.arange(15.0))

    assert [first.w.tolist(), first.b.tolist(), first.v.tolist()] == [[[0, 1]], [2], [[3]]]
    assert [second.w.tolist(), second.b.tolist()] == [[[4], [5]], [6, 7]]
    assert second.v.tolist() == [[8, 9], [10, 11]]
    assert [readout.w.tolist(), readout.b.tolist(), readout.v] == [[[12, 13]], [14], None]


def test_restored_parameters_are_views():
    network = rs.Network((1, 1), rs.LIF(0.5, 1.0, rs.Arctan(1.0)), rs.SpikeRate(1.0))
    w = np.zeros(2)

    params = rs.unflatten(network, w)

    assert all(np.shares_memory(a, w) for a in (params[0].w, params[0].b))


def test_drawn_parameters_fill_the_range_of_their_fan_in():
    neuron = rs.LIF(0.5, 1.0, rs.Arctan(1.0))
    network = rs.Network((400, 25, 100), neuron, rs.LinearReadout(50), recurrent=True)

    params = rs.init(network, np.random.default_rng(0))

    for array, fan_in in [
        (params[0].w, 400), (params[0].b, 400), (params[0].v, 25),
        (params[1].w, 25), (params[1].b, 25), (params[1].v, 100),
        (params[2].w, 100), (params[2].b, 100),
    ]:  # fmt: skip
        assert array.dtype == np.float64
        assert abs(array).max() <= 1.0 / np.sqrt(fan_in)
        assert abs(array).max() >= 0.8 / np.sqrt(fan_in)
    assert params[0].w.std() == pytest.approx(1.0 / np.sqrt(3 * 400), rel=0.05)
    assert abs(params[0].w.mean()) < 1e-3


def test_the_same_seed_draws_the_same_bits_and_another_does_not():
    network = rs.Network((3, 2), rs.LIF(0.5, 1.0, rs.Arctan(1.0)), rs.SpikeRate(1.0))
    seeds = (np.random.default_rng(1), 1, np.uint8(1), 2)
    one, *same, other = (rs.flatten(rs.init(network, seed)) for seed in seeds)

    assert {one.tobytes()} == {w.tobytes() for w in same}
    assert (one != other).all()


@pytest.mark.parametrize("rng", [-1, True, 0.0, None, "0", np.random.RandomState(0)])
def test_what_is_neither_a_generator_nor_a_seed_is_refused(rng):
    network = rs.Network((3, 2), rs.LIF(0.5, 1.0, rs.Arctan(1.0)), rs.SpikeRate(1.0))

    with pytest.raises(ValueError, match=r"^rng must be a numpy Generator or a seed, got "):
        rs.init(network, rng)


OTHERS = {  # what shares a vector, but is not the whole of it in its order
    "reversed": lambda layers: layers[::-1],
    "a part": lambda layers: layers[:1],
    "transposed": lambda layers: (rs.Layer(layers[0].w.T), *layers[1:]),
    "copied": lambda layers: tuple(rs.Layer(layer.w.copy()) for layer in layers),
    "of two vectors": lambda layers: (layers[0], rs.Layer(layers[1].w.copy())),
    "of another dtype": lambda layers: tuple(rs.Layer(a.w.view(np.int64)) for a in layers),
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_only_a_whole_vector_in_its_order_is_taken_as_it_is(change):
    made = allocate_like((rs.Layer(np.zeros((2, 3))), rs.Layer(np.zeros((3, 2)))))
    for i, layer in enumerate(made):
        layer.w[...] = np.arange(6.0).reshape(layer.w.shape) + 6 * i
    changed = change(made)

    assert as_vector(made) is made[0].w.base
    assert as_vector(made).tolist() == list(range(12))
    assert as_vector(changed) is not made[0].w.base
    assert as_vector(changed).tobytes() == rs.flatten(changed).tobytes()
