"""The run of a network through time.

Rule 1: written once. `unroll` runs on float32, float64 and complex arrays and on nodes of the tape.
Rule 2: a layer's whole sequence is computed before the next layer's, since no layer looks back
        down; so the input currents of all steps are one matrix product.
Rule 3: `run`, which is public, validates its arguments; nothing inside does so again.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array
from refsast.model.lif import LIF, step
from refsast.model.network import Network, replace_spikes
from refsast.model.params import Layer, Params
from refsast.model.readout import SpikeRate, affine, pool
from refsast.model.spike import Spike
from refsast.model.validation import validate_run
from refsast.spikes import Spikes


@dataclass(frozen=True, eq=False)
class Trace:
    """Everything that happened in a run.

    Attributes
    ----------
    u, s : tuple of (time, batch, n) array
        Potentials and spikes, one array per spiking layer.
    logits : (batch, classes) array
        The readout.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> trace = rs.run(network, params, np.ones((4, 1, 2)))
    >>> trace.u[0].shape, trace.logits.shape
    ((4, 1, 3), (1, 3))
    """

    u: tuple[Array, ...]
    s: tuple[Array, ...]
    logits: Array


def unroll(network: Network, params: Params, x: Array) -> Trace:
    """Run the network; no checks. Any array type, and nodes of the tape."""
    us, ss, a = [], [], x
    for neuron, layer in zip(network.neurons, params, strict=False):  # the readout is left over
        u, a = unroll_layer(neuron, layer, a)
        us.append(u)
        ss.append(a)
    return Trace(tuple(us), tuple(ss), readout_logits(network, params, a))


def readout_logits(network: Network, params: Params, s: Array) -> Array:
    """Return the logits, shape (batch, classes), of the spikes of the last layer."""
    pooled = pool(network.readout, s)
    if isinstance(network.readout, SpikeRate):
        return pooled
    return affine(network.readout, params[-1], pooled, s.shape[0])


def unroll_layer(neuron: LIF, layer: Layer, a: Array) -> tuple[Array, Array]:
    """Return potentials and spikes (time, batch, n_out) of one layer, from its input `a`."""
    currents, us, ss = input_currents(layer, a), [], []
    u = s = np.zeros(currents.shape[1:], currents.dtype)
    for current in currents:
        if layer.v is not None:
            current = current + s @ layer.v.T  # not +=, which nodes of the tape refuse
        u, s = step(neuron, u, s, current)
        us.append(u)
        ss.append(s)
    return np.stack(us), np.stack(ss)


def input_currents(layer: Layer, a: Array) -> Array:
    """Return ``W a_t + b`` for all steps in one product, shape (time, batch, n_out)."""
    time, batch, n_in = a.shape
    current = (a.reshape(time * batch, n_in) @ layer.w.T).reshape(time, batch, -1)
    return current if layer.b is None else current + layer.b


def run(
    network: Network, params: Params, x: ArrayLike | Spikes, spike: Spike | None = None
) -> Trace:
    """Run the network on a batch, from rest.

    Parameters
    ----------
    network : Network
        The network.
    params : tuple of Layer
        Its parameters.
    x : (time, batch, n_0) array, or Spikes
        Input per step: spikes, counts or any finite values.
    spike : callable, optional
        In place of every neuron's own; ``spike=heaviside`` is the hard network, with nothing else
        changed.

    Returns
    -------
    Trace
        Potentials and spikes of every layer, and the logits, in the dtype of the parameters.

    Raises
    ------
    ValueError
        If a shape, dtype or number is not as it must be.

    References
    ----------
    DESIGN 1; THEORY 0.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x = np.ones((4, 1, 2))  # four steps, one recording, two inputs
    >>> smooth, hard = rs.run(network, params, x), rs.run(network, params, x, rs.heaviside)
    >>> smooth.logits.shape, np.unique(hard.s[0])
    ((1, 3), array([0., 1.]))
    """
    params, x = validate_run(network, params, x)
    hard = network if spike is None else replace_spikes(network, lambda _: spike)
    return unroll(hard, params, x)
