"""How far rounding can move each gradient entry, to first order: a yardstick for long runs.

`refsast.magnitude` adds the magnitudes of all terms, so along a run of T steps it grows like a
power of T whatever cancels; beyond some ten steps it would pass any gradient. Here the errors
themselves are carried along, in units of one rounding: forwards E of potentials and spikes,
backwards D of delta, each multiplied by the factor of the true recursion, r_u + r_s sigma'.
"""

from dataclasses import dataclass

import numpy as np

import refsast as rs
from refsast.arrays import Array
from refsast.model.loss import one_hot, softmax
from tests.strategies import Case


@dataclass(frozen=True, eq=False)
class Local:
    """One layer of a run: what came in, what it did, its slopes, and the errors of all that."""

    neuron: rs.LIF
    layer: rs.Layer
    a: Array
    e_a: Array
    u: Array
    s: Array
    slope: Array
    curvature: Array
    r_u: Array
    r_s: Array
    e_u: Array
    e_s: Array


def of_gradient(case: Case) -> tuple[rs.Params, Array]:
    """Return the yardsticks of the gradients in the parameters and in the input."""
    network, params, x, y = case
    trace, layers, a, e_a = rs.run(network, params, x), [], x, np.zeros(x.shape)
    for neuron, layer, u, s in zip(network.neurons, params, trace.u, trace.s, strict=False):
        layers.append(forwards(neuron, layer, a, e_a, u, s))
        a, e_a = s, layers[-1].e_s
    alpha = network.readout.time_weights(len(x)).reshape(-1, 1, 1)
    readout = params[-1] if network.readout.n_out else rs.Layer(np.eye(network.classes))
    e_pooled = (alpha * (a + e_a)).sum(axis=0)
    p = softmax(trace.logits)
    e_z = e_pooled @ abs(readout.w).T
    e_z = e_z if readout.b is None else e_z + abs(readout.b) * alpha.sum()
    g = (p - one_hot(y, network.classes)) / y.size
    e_p = p * (e_z + (p * e_z).sum(axis=1, keepdims=True)) + p + one_hot(y, network.classes)
    e_g = e_p / y.size
    found = []
    if network.readout.n_out:
        w = e_g.T @ (alpha * a).sum(axis=0) + abs(g).T @ e_pooled
        found.append(rs.Layer(w, None if readout.b is None else e_g.sum(axis=0) * alpha.sum()))
    g, e_g = alpha * (g @ readout.w), alpha * ((e_g + abs(g)) @ abs(readout.w))
    for local in reversed(layers):
        grads, g, e_g = backwards(local, g, e_g)
        found.append(grads)
    return tuple(reversed(found)), e_g


def forwards(neuron: rs.LIF, layer: rs.Layer, a: Array, e_a: Array, u: Array, s: Array) -> Local:
    """Return the layer with the errors of its potentials and spikes."""
    slope = neuron.spike.derivative(u - neuron.threshold)
    curvature = abs(neuron.spike.second(u - neuron.threshold))
    partials = neuron.reset.partials(neuron.leak, neuron.threshold, u, s)
    r_u, r_s = (np.broadcast_to(r, u.shape) for r in partials)
    e_u, e_s = np.zeros(u.shape), np.zeros(u.shape)
    for t in range(len(u)):
        e_u[t] = (abs(a[t]) + e_a[t]) @ abs(layer.w).T
        e_u[t] += 0.0 if layer.b is None else abs(layer.b)
        if t > 0:
            carried = neuron.leak * abs(u[t - 1]) * (1.0 + s[t - 1]) + neuron.threshold * s[t - 1]
            e_u[t] += carried + abs(r_s[t - 1])
            e_u[t] += abs(r_u[t - 1] + r_s[t - 1] * slope[t - 1]) * e_u[t - 1]
            if layer.v is not None:
                e_u[t] += (s[t - 1] + e_s[t - 1]) @ abs(layer.v).T
        e_s[t] = slope[t] * (e_u[t] + neuron.threshold) + 0.5 + abs(s[t] - 0.5)
    r_s = np.zeros(u.shape) if neuron.detach_reset else r_s
    return Local(neuron, layer, a, e_a, u, s, slope, curvature, r_u, r_s, e_u, e_s)


def backwards(f: Local, g: Array, e_g: Array) -> tuple[rs.Layer, Array, Array]:
    """Return the yardsticks of a layer's gradients; the cotangent of its input, and its error."""
    delta, d = np.zeros(g.shape), np.zeros(g.shape)
    later = d_later = np.zeros(g.shape[1:])
    v = np.zeros((g.shape[2],) * 2) if f.layer.v is None else f.layer.v
    multiplies = isinstance(f.neuron.reset, rs.ToZero)
    for t in reversed(range(len(g))):
        h = g[t] + f.r_s[t] * later + later @ v
        d[t] = f.slope[t] * (e_g[t] + (d_later + abs(later)) @ abs(v))
        d[t] += (f.curvature[t] * (f.e_u[t] + f.neuron.threshold) + f.slope[t]) * abs(h)
        d[t] += abs(f.slope[t] * f.r_s[t] + f.r_u[t]) * d_later
        d[t] += (f.slope[t] * abs(f.r_s[t]) + abs(f.r_u[t])) * abs(later)
        if multiplies:  # r_u and r_s have errors of their own
            d[t] += f.neuron.leak * (f.e_s[t] + f.slope[t] * f.e_u[t]) * abs(later)
        delta[t] = f.slope[t] * h + f.r_u[t] * later
        later, d_later = delta[t], d[t]
    w = flat(d).T @ flat(abs(f.a)) + flat(abs(delta)).T @ flat(f.e_a)
    b = None if f.layer.b is None else d.sum(axis=(0, 1))
    of_v = flat(d[1:]).T @ flat(f.s[:-1]) + flat(abs(delta[1:])).T @ flat(f.e_s[:-1])
    grads = rs.Layer(w, b, None if f.layer.v is None else of_v)
    return grads, delta @ f.layer.w, (d + abs(delta)) @ abs(f.layer.w)


def flat(signal: Array) -> Array:
    """Return time and batch as one axis."""
    return signal.reshape(-1, signal.shape[-1])
