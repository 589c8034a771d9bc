"""The potentials of a readout that never spikes, step by step, and their largest."""

import numpy as np

from refsast.arrays import Array
from refsast.autodiff import stop_gradient
from refsast.model.params import Layer


def output_potentials(leak: float, layer: Layer, s: Array) -> Array:
    """Return ``v_t = leak v_{t-1} + W_o s_t + b_o``, (time, batch, classes); on the tape, too."""
    time, batch, n = s.shape
    currents = (s.reshape(time * batch, n) @ layer.w.T).reshape(time, batch, -1)
    if layer.b is not None:
        currents = currents + layer.b
    v, vs = np.zeros(currents.shape[1:], currents.dtype), []
    for current in currents:
        v = leak * v + current
        vs.append(v)
    return np.stack(vs)


def output_potentials_back(leak: float, layer: Layer, s: Array, g: Array) -> tuple[Array, Layer]:
    """Return the transpose by hand: what spikes and parameters receive of `g`, that of all v_t."""
    delta, later = np.empty(g.shape, g.dtype), np.zeros(g.shape[1:], g.dtype)
    for t in reversed(range(len(g))):
        later = delta[t] = g[t] + leak * later
    w = np.einsum("tbi,tbj->ij", delta, s)
    return delta @ layer.w, Layer(w, None if layer.b is None else delta.sum(axis=(0, 1)))


def first_largest(v: Array) -> Array:
    """Return the largest over time, the first axis; on the tape the derivative is the first's."""
    return np.sum(np.where(mark_largest(stop_gradient(v)), v, 0.0), axis=0)


def mark_largest(v: Array) -> Array:
    """Return 1 at the first of the largest entries along the first axis, else 0."""
    return np.arange(len(v)).reshape(-1, *(1,) * (v.ndim - 1)) == np.real(v).argmax(axis=0)
