"""The constants from below: the best of many values, by the model's own spikes."""

import math

import numpy as np

import refsast as rs
from refsast.testing import SURROGATES

MAPS = (
    lambda neuron, u, v: neuron.leak * u * kept(neuron.spike, v),
    lambda neuron, u, v: neuron.leak * (kept(neuron.spike, v) - u * neuron.spike.derivative(v)),
    lambda neuron, u, v: (
        -neuron.leak * (2.0 * neuron.spike.derivative(v) + u * neuron.spike.second(v))
    ),
)


def width(spike):
    """Return c, of z = c v."""
    return spike.slope * (0.5 * math.pi if isinstance(spike, rs.Arctan) else 1.0)


def kept(spike, v):
    """Return 1 - sigma, of which Arctan itself loses the digits far above threshold."""
    return np.arctan2(1.0, width(spike) * v) / np.pi if type(spike) is rs.Arctan else spike(-v)


def sample(neuron, order):
    """Return the best of many values of abs(g), u >= 0, of abs(g') or of abs(g'')."""
    near = np.concatenate([np.geomspace(1e-12, 1e12, 12_001), np.linspace(0.0, 3.0, 6_001)[1:]])
    v = np.concatenate([-near, near]) / width(neuron.spike)
    u = neuron.threshold + v
    drop = neuron.threshold * (neuron.leak if getattr(neuron.reset, "leaked", False) else 1.0)
    if isinstance(neuron.reset, rs.NoReset):
        drop = 0.0
    if isinstance(neuron.reset, rs.ToZero):
        values = MAPS[order](neuron, u, v)
    elif order == 1:
        values = neuron.leak - drop * neuron.spike.derivative(v)
    else:
        values = drop * neuron.spike.second(v)
    return abs(values[u >= 0.0] if order == 0 else values).max()


def agrees(found, best):
    """Whether no sample is above, and the best is as good as the enclosure, to sampling."""
    return found.lower * (1.0 - 1e-5) <= best <= found.upper * (1.0 + 1e-12)


def wide(seed):
    """Return a neuron of a slope, a threshold and a leak from the whole range."""
    rng = np.random.default_rng(seed)
    family, leak = SURROGATES[rng.integers(5)], rng.choice([rng.random(), 1.0])
    spike = family(float(10.0 ** rng.uniform(-3.0, 6.0)))
    return rs.LIF(float(leak), float(10.0 ** rng.uniform(-3.0, 3.0)), spike)
