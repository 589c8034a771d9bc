"""Rows and recordings taken in blocks give one network's numbers, whatever the size of a block."""

import numpy as np
import pytest

import refsast as rs
from refsast.gradient.fast import layer
from refsast.model.connections import chain
from refsast.model.connections.chain import row_blocks
from refsast.model.params import param_arrays

CONV, POOLED = rs.Conv2d(4, (3, 2), padding=1, groups=2), (rs.AvgPool2d(2), rs.Conv2d(2, 2))
NETWORKS = {
    "pools": ((2, 8, 9), CONV, POOLED, (rs.MaxPool2d(2, 1), 3)),
    "skips": (
        (2, 4, 4),
        (rs.Conv2d(2, 3, padding=1), rs.Skip(0)),
        (rs.Skip(0), rs.Conv2d(2, 2)),
        3,
    ),
    "dense": (5, 4, 3),
}


@pytest.mark.parametrize("most", [1, 200, 300, 3000])
@pytest.mark.parametrize("kind", NETWORKS)
def test_blocks_of_any_size_are_one_network(monkeypatch, kind, most):
    network = rs.Network(NETWORKS[kind], rs.LIF(0.9, 0.3, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    params = rs.init(network, 0)
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(4, 7, network.sizes[0])), rng.integers(3, size=7)
    loss, whole = rs.fast.loss_and_grad(network, params, x, y)
    in_x, s = rs.fast.input_grad(network, params, x, y), rs.run(network, params, x).s

    monkeypatch.setattr(layer, "BLOCK_SIZE", most)
    monkeypatch.setattr(chain, "BLOCK_SIZE", most)

    for gradient in (rs.fast, rs.bptt, rs.reference):
        again, grads = gradient.loss_and_grad(network, params, x, y)
        assert again == pytest.approx(loss, rel=1e-13)
        for got, wanted in zip(param_arrays(grads), param_arrays(whole), strict=True):
            assert got == pytest.approx(wanted, rel=1e-11, abs=1e-12 * abs(wanted).max())
    assert rs.fast.input_grad(network, params, x, y) == pytest.approx(in_x, rel=1e-11, abs=1e-14)
    for got, wanted in zip(rs.run(network, params, x).s, s, strict=True):
        assert got == pytest.approx(wanted, rel=1e-13)


@pytest.mark.parametrize(
    ("most", "ends"),
    [(1, [1, 2, 3, 4, 5]), (2 * 864, [2, 4, 6]), (3 * 864 - 1, [2, 4, 6]), (3 * 864, [3, 6])],
)
def test_a_block_has_no_more_windows_than_it_may(monkeypatch, most, ends):
    conv, shape = rs.Conv2d(4, 3, groups=2), (4, 6, 8)  # 24 windows of 36 numbers
    monkeypatch.setattr(chain, "BLOCK_SIZE", most)

    blocks = row_blocks((conv,), [shape, conv.output_shape(shape)], 5)

    assert [block.stop for block in blocks] == ends
    assert [block.start for block in blocks] == [0, *ends[:-1]]
    assert row_blocks((rs.Dense(3),), [shape, (3,)], 5) == [slice(0, 5)]
