"""Drawn integer networks, and their run in Python's own integers, one number at a time."""

from typing import Any

import numpy as np

import refsast as rs

RESETS = (rs.ToZero(), rs.Subtract(), rs.Subtract(leaked=True), rs.NoReset())


def draw_case(seed: int) -> tuple[rs.deploy.IntegerNetwork, np.ndarray]:
    """A small network in integers, and counts; of every third the potentials do not fit."""
    rng = np.random.default_rng(seed)
    depth = int(rng.integers(1, 4))
    sizes = tuple(int(n) for n in rng.integers(1, 7, depth + 1))
    neurons = tuple(
        rs.LIF(float(rng.uniform()), float(rng.uniform(0.5, 2.0)), rs.Arctan(2.0), RESETS[k])
        for k in rng.integers(4, size=depth)
    )
    readout = rs.LinearReadout(3) if rng.random() < 0.5 else rs.SpikeRate(5.0)
    network = rs.Network(sizes, neurons, readout, bool(rng.integers(2)), bool(rng.integers(2)))
    params = rs.unflatten(network, rng.normal(size=network.n_params))
    formats = rs.deploy.Formats(
        rs.deploy.WeightFormat(
            int(rng.integers(2, 9)), str(rng.choice(["tensor", "channel"])),
            str(rng.choice(["nearest", "stochastic"])),
        ),
        rs.deploy.PotentialFormat(
            int(rng.choice([9, 10, 14])), int(rng.integers(0, 5)),
            str(rng.choice(["saturate", "wrap"])),
        ),
        rs.deploy.LeakFormat(int(rng.integers(0, 9)), str(rng.choice(["product", "shift"]))),
    )  # fmt: skip
    peak = 2 if seed % 3 else 200
    x = rng.integers(0, peak, (int(rng.integers(1, 9)), 2, sizes[0]))
    return rs.deploy.to_integers(network, params, formats, rng), x


def simulate(made: rs.deploy.IntegerNetwork, x: np.ndarray) -> tuple[Any, Any, Any]:
    """Potentials and spikes [layer][time][recording][neuron], and logits, by Python's integers."""
    bits = made.formats.potentials.width
    part = 2**made.formats.potentials.fraction_bits
    saturates = made.formats.potentials.overflow == "saturate"
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    batch, below = x.shape[1], x.tolist()
    all_u, all_s = [], []
    for layer in made.layers:
        n, leak = len(layer.w), layer.leak
        w, b, threshold = layer.w.tolist(), layer.b.tolist(), layer.threshold.tolist()
        v = None if layer.v is None else layer.v.tolist()
        u, s = [[0] * n for _ in range(batch)], [[0] * n for _ in range(batch)]
        us, ss = [], []
        for step in below:
            new_u, new_s = [], []
            for r in range(batch):
                row = []
                for i in range(n):
                    total = b[i] + part * sum(w[i][j] * step[r][j] for j in range(len(step[r])))
                    if v is not None:
                        total += part * sum(v[i][j] * s[r][j] for j in range(n))
                    total += _keep(layer.reset, leak, u[r][i], s[r][i], threshold[i])
                    if saturates:
                        total = max(low, min(high, total))
                    else:
                        total &= (1 << bits) - 1  # two's complement
                        total -= (total >> (bits - 1)) << bits
                    row.append(total)
                new_u.append(row)
                new_s.append([int(a >= c) for a, c in zip(row, threshold, strict=True)])
            u, s = new_u, new_s
            us.append(u)
            ss.append(s)
        all_u.append(us)
        all_s.append(ss)
        below = ss
    return all_u, all_s, _read(made, below, part)


def _keep(reset: Any, leak: Any, u: int, s: int, threshold: int) -> int:
    def leaked(value: int) -> int:
        return (leak.factor * value + leak.offset) // 2**leak.shift

    if isinstance(reset, rs.ToZero):
        return 0 if s else leaked(u)
    if isinstance(reset, rs.NoReset):
        return leaked(u)
    return leaked(u - threshold * s) if reset.leaked else leaked(u) - threshold * s


def _read(made: rs.deploy.IntegerNetwork, spikes: Any, part: int) -> list[list[int]]:
    counts = [
        [sum(step[r][i] for step in spikes) for i in range(len(spikes[0][r]))]
        for r in range(len(spikes[0]))
    ]
    if made.readout is None:
        return counts
    w, b = made.readout.w.tolist(), made.readout.b.tolist()
    return [
        [part * sum(wi * c for wi, c in zip(row, count, strict=True)) + len(spikes) * bias
         for row, bias in zip(w, b, strict=True)]
        for count in counts
    ]  # fmt: skip
