"""The gradient by hand of networks beyond dense LIF layers: `bptt`, with more on every line.

Neurons have their backward step in `gradient.glif`, connections their transposes in
`model.connections`, readouts and losses theirs in `model.objective`.
"""

import numpy as np

from refsast.arrays import Array, Integers
from refsast.gradient.glif import rerun_glif
from refsast.model import Layer, Network, Params
from refsast.model.objective import objective_back
from refsast.model.readout import read_layer
from refsast.model.unroll import connection_grads, unroll


def loss_and_grad(network: Network, params: Params, x: Array, y: Integers) -> tuple[Array, Params]:
    """Return the loss and its gradient in every parameter; arguments have been validated."""
    trace = unroll(network, params, x)
    read = read_layer(network.readout, trace.u[-1], trace.s[-1])
    loss, g, readout_grads = objective_back(network, params, read, y)
    grads, below = list(readout_grads), (x, *trace.s)
    received = [np.zeros(s.shape) for s in below]  # by the spikes of each layer
    g_u = g if read is trace.u[-1] else None
    received[-1] = received[-1] if read is trace.u[-1] else g
    for i in reversed(range(network.depth)):
        layer, s = params[i], trace.s[i]
        delta, learned = rerun_glif(network, i, layer, below[: i + 1], received[i + 1], g_u)
        g_u = None  # no potentials below the last layer are read
        w, b, in_s = connection_grads(network, i, layer, below, delta, input_too=False)
        v = None if layer.v is None else np.einsum("tbi,tbj->ij", delta[1:], s[:-1])
        grads.insert(0, Layer(w, None if layer.b is None else b, v, **learned))
        for j, part in in_s.items():
            received[j] += part
    return loss, tuple(grads)
