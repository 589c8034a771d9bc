"""Markers of steps and recordings, and the error bounds of the straight-through estimate."""

from dataclasses import replace

import numpy as np

import refsast as rs
from refsast.arrays import Array
from refsast.model.loss import one_hot, softmax
from refsast.testing import Problem


def add_markers(case: Problem) -> Problem:
    """Return the case with one more input per step and recording, which fires there alone.

    Their weights are zero, so nothing changes; but the gradient in them is the first layer's delta,
    one column per step and recording.
    """
    time, batch, n_in = case.x.shape
    markers = np.eye(time * batch).reshape(time, batch, -1)
    first = case.params[0]
    wider = replace(first, w=np.hstack([first.w, np.zeros((len(first.w), time * batch))]))
    network = replace(case.network, sizes=(n_in + time * batch, *case.network.sizes[1:]))
    return Problem(network, (wider, *case.params[1:]), np.concatenate([case.x, markers], 2), case.y)


def grad_from_markers(case: Problem, of_first_weights: Array, weights: Array) -> Array:
    """Return what the columns of the markers say about the input, through the given weights."""
    time, batch, n_in = case.x.shape
    deltas = of_first_weights[:, n_in:]
    return (deltas.T @ weights).reshape(time, batch, n_in)


def straight_through_bounds(case: Problem) -> rs.Params:
    """Return the magnitudes of the terms of the straight-through estimate.

    The recursion of the estimate with every factor's magnitude in its place.
    """
    network, params, x, y = case
    trace = rs.run(network, params, x, spike=rs.heaviside)
    g = (softmax(trace.logits) + one_hot(y, network.classes)) / y.size
    alpha = network.readout.time_weights(len(x)).reshape(-1, 1, 1)
    found = []
    if network.readout.n_out is not None:
        b = None if params[-1].b is None else g.sum(axis=0) * alpha.sum()
        found.append(rs.Layer(g.T @ (alpha * trace.s[-1]).sum(axis=0), b))
        g = g @ abs(params[-1].w)
    g = alpha * g
    for i in reversed(range(len(trace.u))):
        grads, g = _layer_magnitudes(case, trace, i, g)
        found.append(grads)
    return tuple(reversed(found))


def _layer_magnitudes(case: Problem, trace: rs.Trace, i: int, g: Array) -> tuple[rs.Layer, Array]:
    """Of one layer's estimate, and of what its input receives."""
    neuron, layer = case.network.neurons[i], case.params[i]
    a, u, s = (abs(case.x), *trace.s)[i], trace.u[i], trace.s[i]
    slope = abs(neuron.spike.derivative(u - neuron.threshold))
    r_u, r_s = neuron.reset.partials(neuron.leak, neuron.threshold, u, s)
    kept = abs(r_u) + (0.0 if neuron.detach_reset else abs(r_s) * slope) + np.zeros(u.shape)
    v = np.zeros((u.shape[2],) * 2) if layer.v is None else abs(layer.v)
    delta, later = np.zeros(u.shape), np.zeros(u.shape[1:])
    for t in reversed(range(len(u))):
        later = delta[t] = slope[t] * (g[t] + later @ v) + kept[t] * later
    w = np.einsum("tbi,tbj->ij", delta, a)
    b = None if layer.b is None else delta.sum(axis=(0, 1))
    of_v = None if layer.v is None else np.einsum("tbi,tbj->ij", delta[1:], s[:-1])
    return rs.Layer(w, b, of_v), delta @ abs(layer.w)
