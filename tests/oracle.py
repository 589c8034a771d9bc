"""The network once more, from the equations of DESIGN 1 and 4, in plain Python numbers.

Rule 1: no array arithmetic; three nested loops, slow and obvious. Nothing of `refsast` is called:
        records are only read.
Rule 2: `frozen` spikes, where given, stand for those of the reset: the check of detached resets,
        for which the loss with the reset's spikes held fixed has the very gradient that is wanted.
"""

import cmath
import math

import refsast as rs


def sigma(spike, v):
    """Return the smooth spike of one number, which may be complex."""
    k = spike.slope
    away = -v if v.real < 0.0 else v
    if isinstance(spike, rs.Arctan):
        return 0.5 + cmath.atan(math.pi * k * v / 2.0) / math.pi
    if isinstance(spike, rs.Logistic):
        small = cmath.exp(-k * away)
        return (small if v.real < 0.0 else 1.0) / (1.0 + small)
    if isinstance(spike, rs.Algebraic):
        return (1.0 + k * v / cmath.sqrt(1.0 + k * v * k * v)) / 2.0
    if isinstance(spike, rs.FastSigmoid):
        return (1.0 + k * v / (1.0 + k * away)) / 2.0
    if k * away.real >= 1.0:
        return 0.0 if v.real < 0.0 else 1.0
    return 0.5 + k * v - k * v * k * away / 2.0


def step_function(spike, v):
    """Return the hard spike of one number."""
    return 1.0 if v.real >= 0.0 else 0.0


def apply_reset(neuron, u, s):
    """Return what the reset leaves of a potential."""
    if isinstance(neuron.reset, rs.ToZero):
        return neuron.leak * u * (1.0 - s)
    if isinstance(neuron.reset, rs.NoReset):
        return neuron.leak * u
    if neuron.reset.leaked:
        return neuron.leak * (u - neuron.threshold * s)
    return neuron.leak * u - neuron.threshold * s


def run(case, fire=sigma, frozen=None):
    """Return potentials and spikes as nested lists [layer][time][batch][neuron], and logits."""
    network, params, x, _ = case
    below, us, ss = x.tolist(), [], []
    for i, neuron in enumerate(network.neurons):
        layer, n = params[i], network.sizes[i + 1]
        u = [[[0.0] * n for _ in row] for row in below]
        s = [[[0.0] * n for _ in row] for row in below]
        for t in range(len(below)):
            for k in range(len(below[t])):
                for j in range(n):
                    current = sum(layer.w[j, m].item() * a for m, a in enumerate(below[t][k]))
                    current += 0.0 if layer.b is None else layer.b[j].item()
                    if t > 0:
                        before = s[t - 1][k]
                        if layer.v is not None:
                            current += sum(layer.v[j, m].item() * a for m, a in enumerate(before))
                        resets = before if frozen is None else frozen[i][t - 1][k]
                        current += apply_reset(neuron, u[t - 1][k][j], resets[j])
                    u[t][k][j] = current
                    s[t][k][j] = fire(neuron.spike, current - neuron.threshold)
        us.append(u)
        ss.append(s)
        below = s
    return us, ss, logits(network, params, below)


def logits(network, params, s):
    """Return the readout, [batch][class]."""
    steps, n = len(s), network.sizes[-1]
    out = []
    for k in range(len(s[0])):
        rates = [sum(s[t][k][j] for t in range(steps)) / steps for j in range(n)]
        if isinstance(network.readout, rs.SpikeRate):
            out.append([network.readout.gain * rate for rate in rates])
            continue
        layer, row = params[-1], []
        for c in range(network.readout.n_out):
            weights = [layer.w[c, j].item() for j in range(n)]
            bias = 0.0 if layer.b is None else layer.b[c].item()
            if isinstance(network.readout, rs.LinearReadout):
                row.append(sum(w * rate for w, rate in zip(weights, rates, strict=True)) + bias)
                continue
            v = mean = 0.0
            for t in range(steps):
                v = network.readout.leak * v + bias
                v += sum(w * a for w, a in zip(weights, s[t][k], strict=True))
                mean += v / steps
            row.append(mean)
        out.append(row)
    return out


def loss(case, frozen=None):
    """Return the mean cross entropy; complex where a parameter is."""
    rows = run(case, frozen=frozen)[2]
    each = []
    for row, label in zip(rows, case.y.tolist(), strict=True):
        top = max(z.real for z in row)
        each.append(cmath.log(sum(cmath.exp(z - top) for z in row)) - (row[label] - top))
    return sum(each) / len(each)
