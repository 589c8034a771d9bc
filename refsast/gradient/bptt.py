"""Backpropagation through time on one page: the gradient to read first, and to compare with."""

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array
from refsast.gradient.glif import rerun_glif
from refsast.model import GLIF, LIF, Layer, Network, Params
from refsast.model.objective import objective_back
from refsast.model.spike import first_derivative
from refsast.model.unroll import connection_grads, unroll
from refsast.model.validation import validate_float64
from refsast.spikes import Spikes


def loss_and_grad(
    network: Network, params: Params, x: ArrayLike | Spikes, y: ArrayLike
) -> tuple[Array, Params]:
    """Return the loss and its gradient in every parameter, by the chain rule back through time.

    With delta_t = dL/du_t, and g_t for what s_t receives from the readout or the layer above::

        dL/ds_t = g_t + V' delta_{t+1} + dr/ds delta_{t+1}
        delta_t = sigma'(u_t - theta) dL/ds_t + dr/du delta_{t+1}
        dL/dW = sum_t delta_t a_t'      dL/dV = sum_t delta_t s_{t-1}'      dL/db = sum_t delta_t

    Parameters
    ----------
    network, params, x, y
        As for `reference.loss_and_grad`; the computation is in float64.

    Returns
    -------
    loss, grads
        As from `reference.loss_and_grad`.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> batch = rs.init(network, 0), np.ones((4, 1, 2)), np.array([2])
    >>> by_hand, by_tape = (m.loss_and_grad(network, *batch)[1] for m in (rs.bptt, rs.reference))
    >>> bool(np.allclose(by_hand[0].w, by_tape[0].w, rtol=1e-12))
    True
    """
    params, x, y = validate_float64(network, params, x, y)
    trace = unroll(network, params, x)
    loss, g, readout_grads = objective_back(network, params, trace.s[-1], y)
    grads, below = list(readout_grads), (x, *trace.s)
    g_s = [np.zeros(s.shape) for s in below[:-1]] + [g]  # what the spikes of each layer receive
    for i, neuron in reversed(list(enumerate(network.neurons))):
        layer, s, learned = params[i], trace.s[i], {}
        if isinstance(neuron, GLIF):  # has a page of its own
            delta, learned = rerun_glif(network, i, layer, below[: i + 1], g_s[i + 1])
        else:
            delta = backward_lif(neuron, layer, trace.u[i], s, g_s[i + 1])
        if network.connections is None:
            w, b = np.einsum("tbi,tbj->ij", delta, below[i]), delta.sum(axis=(0, 1))
            in_s = {i: delta @ layer.w}
        else:  # convolutions, pooling, skips
            w, b, in_s = connection_grads(network, i, layer, below, delta)
        v = None if layer.v is None else np.einsum("tbi,tbj->ij", delta[1:], s[:-1])
        grads.insert(0, Layer(w, None if layer.b is None else b, v, **learned))
        for j, received in in_s.items():
            g_s[j] += received
    return loss, tuple(grads)


def backward_lif(neuron: LIF, layer: Layer, u: Array, s: Array, g: Array) -> Array:
    """Return delta, (time, batch, n), of one layer, from what its spikes receive, `g`."""
    delta, later = np.empty_like(u), np.zeros_like(u[0])  # nothing follows the last step
    for t in reversed(range(len(u))):
        slope = first_derivative(neuron.spike)(u[t] - neuron.threshold)
        dr_du, dr_ds = neuron.reset.partials(neuron.leak, neuron.threshold, u[t], s[t])
        ds = g[t] if neuron.detach_reset else g[t] + dr_ds * later  # detached: as if dr/ds = 0
        ds = ds if layer.v is None else ds + later @ layer.v
        later = delta[t] = slope * ds + dr_du * later
    return delta
