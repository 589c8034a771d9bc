"""Convolutions and pools in integers, against Python's own integers and the real network."""

import numpy as np
import pytest

import refsast as rs

deploy = rs.deploy
NEURON = rs.LIF(0.9, 1.0, rs.Arctan(2.0))
IMAGE = (2, 6, 5)
NETWORKS = {
    "convolution": rs.Network((IMAGE, rs.Conv2d(3, 3), 4), NEURON, rs.SpikeRate(5.0)),
    "pool, then weights": rs.Network(
        (IMAGE, (rs.AvgPool2d(2), rs.Conv2d(3, 2)), (rs.Flatten(), 4)),
        NEURON, rs.LinearReadout(3),
    ),
    "weights, then pool": rs.Network(
        (IMAGE, (rs.Conv2d(4, 3, 1, 1, groups=2), rs.AvgPool2d((3, 2), 2, 1)), 4),
        NEURON, rs.SpikeRate(5.0),
    ),
    "no bias, subtract": rs.Network(
        (IMAGE, (rs.AvgPool2d(3, 1), rs.Conv2d(2, 2, dilation=2)), 3),
        rs.LIF(0.5, 0.7, rs.Arctan(2.0), rs.Subtract()), rs.SpikeRate(5.0), False,
    ),
}  # fmt: skip


def make(name, seed, bits=6, scale=1.0):
    network, rng = NETWORKS[name], np.random.default_rng(seed)
    params = rs.unflatten(network, rng.normal(scale=scale, size=network.n_params))
    formats = deploy.Formats(
        deploy.WeightFormat(bits, str(rng.choice(["tensor", "channel"]))),
        deploy.PotentialFormat(int(rng.choice([10, 14])), 3),
    )
    made = deploy.to_integers(network, params, formats)
    return made, rng.integers(0, 2, (6, 2, network.sizes[0])), params


def simulate(made, x):
    """Potentials and spikes [layer][time] of one recording each, by Python's integers."""
    part, (low, high) = 2**made.formats.potentials.fraction_bits, _range(made)
    us, below = [], x.tolist()
    for i, layer in enumerate(made.layers):
        theta = layer.threshold.tolist()
        u, s, all_u, all_s = [0] * len(layer.unit), [0] * len(layer.unit), [], []
        for a in below:
            currents = _connect(made, i, a, part)
            kept = [_keep(layer, *each) for each in zip(u, s, theta, strict=True)]
            u = [max(low, min(high, k + c)) for k, c in zip(kept, currents, strict=True)]
            s = [int(a >= b) for a, b in zip(u, theta, strict=True)]
            all_u.append(u)
            all_s.append(s)
        us.append(all_u)
        below = all_s
    return us, below


def _range(made):
    bits = made.formats.potentials.width
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def _keep(layer, u, s, theta):
    leaked = (layer.leak.factor * u + layer.leak.offset) >> layer.leak.shift
    return leaked - theta * s if isinstance(layer.reset, rs.Subtract) else leaked * (1 - s)


def _connect(made, i, a, part):
    layer = made.layers[i]
    for piece, shape in zip(made.network.chains[i], made.network.chain_shapes[i], strict=False):
        if isinstance(piece, rs.Dense):
            a = [
                part * sum(q * c for q, c in zip(row, a, strict=True)) + b
                for row, b in zip(layer.w.tolist(), layer.b.tolist(), strict=True)
            ]
        elif isinstance(piece, rs.Conv2d):
            a = _convolve(piece, shape, a, layer.w.tolist(), layer.b.tolist(), part)
        elif isinstance(piece, rs.AvgPool2d):
            a = _sum_windows(piece, shape, a)
    return a


def _pair(value):
    return value if isinstance(value, tuple) else (value, value)


def _pixel(a, shape, channel, y, x):
    _, height, width = shape
    inside = 0 <= y < height and 0 <= x < width
    return a[(channel * height + y) * width + x] if inside else 0


def _convolve(conv, shape, a, w, b, part):
    (kh, kw), (sy, sx), (py, px), (dy, dx) = map(
        _pair, (conv.kernel, conv.stride, conv.padding, conv.dilation)
    )
    channels, height, width = conv.output_shape(shape)
    each_in, each_out = shape[0] // conv.groups, channels // conv.groups
    return [
        b[o] + part * sum(
            w[o][c][j][k] * _pixel(
                a, shape, o // each_out * each_in + c, y * sy + j * dy - py, x * sx + k * dx - px
            )
            for c in range(each_in) for j in range(kh) for k in range(kw)
        )
        for o in range(channels) for y in range(height) for x in range(width)
    ]  # fmt: skip


def _sum_windows(pool, shape, a):
    (kh, kw), (py, px) = _pair(pool.kernel), _pair(pool.padding)
    sy, sx = _pair(pool.kernel if pool.stride is None else pool.stride)
    channels, height, width = pool.output_shape(shape)
    return [
        sum(_pixel(a, shape, c, y * sy + j - py, x * sx + k - px)
            for j in range(kh) for k in range(kw))
        for c in range(channels) for y in range(height) for x in range(width)
    ]  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_runs_are_those_of_pythons_integers(name):
    fired = 0
    for seed in range(4):
        made, x, _ = make(name, seed)
        trace = deploy.run(made, x)
        for r in range(x.shape[1]):
            u, s = simulate(made, x[:, r])
            assert [a[:, r].tolist() for a in trace.u] == u
            assert trace.s[-1][:, r].tolist() == s
        fired += trace.s[0].any() and not trace.s[0].all()
    assert fired >= 3  # else nothing was said of resets


@pytest.mark.parametrize("name", NETWORKS)
def test_integers_stand_for_the_real_network(name):
    """The bound holds, and `dequantise` has the weights and thresholds that were rounded."""
    for seed in range(4):
        made, x, params = make(name, seed)
        found = deploy.compare_runs(made, x)
        for error, bound in zip(found.largest_error, found.bound, strict=True):
            assert error <= bound + 1e-6  # means of nine are not exact in double precision
        real, near = deploy.dequantise(made)
        rounded = deploy.round_weights(params, made.formats.weights)
        for ours, theirs, b, _ in zip(near, rounded, params, made.layers, strict=False):
            assert np.allclose(ours.w, theirs.w, rtol=1e-12, atol=0.0)
            assert b.b is None or np.allclose(ours.b, b.b, atol=0.05)
        for deployed, neuron in zip(real.neurons, made.network.neurons, strict=True):
            assert np.allclose(deployed.threshold, neuron.threshold, rtol=0.05)


def test_saved_convolutions_are_read_again(tmp_path):
    made, x, _ = make("weights, then pool", 0)
    deploy.save(made, tmp_path)
    again = deploy.load(tmp_path)

    assert again.network == made.network
    assert [layer.places for layer in again.layers] == [(1, 6), (1, 1)]
    pairs = zip(deploy.run(made, x).u, deploy.run(again, x).u, strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


REFUSED = {
    "a maximum": (
        rs.Network((IMAGE, (rs.Conv2d(2, 3), rs.MaxPool2d(2))), NEURON, rs.SpikeRate(1.0)),
        lambda network, params: deploy.to_integers(network, params),
        "connections of layer 1 must be of Dense, Conv2d, AvgPool2d, Flatten, got MaxPool2d",
    ),
    "C": (
        NETWORKS["convolution"],
        lambda network, params: deploy.write_c(
            deploy.to_integers(network, params), "nowhere", steps=2
        ),
        "network must have dense layers for a C program, got",
    ),
    "a survey": (
        NETWORKS["convolution"],
        lambda network, params: deploy.survey(
            [deploy.to_integers(network, params)], params, np.ones((1, 1, 60), int), [0]
        ),
        "network must have dense layers for a survey, got",
    ),
    "a certificate": (
        NETWORKS["convolution"],
        lambda network, params: deploy.certify_rounding(network, params, np.ones((1, 1, 60), int)),
        "network must have dense layers for the certificate, got",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused(name):
    network, call, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        call(network, rs.init(network, 0))
