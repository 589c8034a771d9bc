"""Backpropagation through time on one page: the gradient to read first, and to compare with."""

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array
from refsast.gradient import extended
from refsast.model import Layer, Network, Params
from refsast.model.loss import loss_and_cotangent
from refsast.model.network import describe_extension
from refsast.model.spike import first_derivative
from refsast.model.unroll import unroll
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
    if describe_extension(network):  # convolutions and the like: on a page of their own
        return extended.loss_and_grad(network, params, x, y)
    trace = unroll(network, params, x)
    loss, g = loss_and_cotangent(trace.logits, y)
    alpha, grads = network.readout.time_weights(len(x)), []
    if network.readout.n_out is not None:  # logits = sum_t alpha_t (W_o s_t + b_o)
        w = np.einsum("t,bi,tbj->ij", alpha, g, trace.s[-1])
        grads = [Layer(w, g.sum(axis=0) * alpha.sum() if network.bias else None)]
        g = g @ params[-1].w
    g = np.einsum("t,bi->tbi", alpha, g)
    for i, neuron in reversed(list(enumerate(network.neurons))):
        layer, a, u, s = params[i], (x, *trace.s)[i], trace.u[i], trace.s[i]
        delta, later = np.empty_like(u), np.zeros_like(u[0])  # nothing follows the last step
        for t in reversed(range(len(u))):
            slope = first_derivative(neuron.spike)(u[t] - neuron.threshold)
            dr_du, dr_ds = neuron.reset.partials(neuron.leak, neuron.threshold, u[t], s[t])
            ds = g[t] if neuron.detach_reset else g[t] + dr_ds * later  # detached: as if dr/ds = 0
            ds = ds if layer.v is None else ds + later @ layer.v
            later = delta[t] = slope * ds + dr_du * later
        w = np.einsum("tbi,tbj->ij", delta, a)
        b = None if layer.b is None else delta.sum(axis=(0, 1))
        v = None if layer.v is None else np.einsum("tbi,tbj->ij", delta[1:], s[:-1])
        grads.insert(0, Layer(w, b, v))
        g = delta @ layer.w
    return loss, tuple(grads)
