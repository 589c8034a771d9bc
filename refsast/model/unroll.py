"""The run of a network through time.

Rule 1: written once. `unroll` runs on float32, float64 and complex arrays and on nodes of the tape.
Rule 2: a layer's whole sequence is computed before the next layer's, since no layer looks back
        down; so the input currents of all steps are one matrix product.
Rule 3: `run`, which is public, validates its arguments; nothing inside does so again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array
from refsast.model.connections.chain import ChainGrads, connect, row_blocks, transpose_chain
from refsast.model.glif import GLIF
from refsast.model.glif_step import unroll_glif
from refsast.model.lif import LIF, step
from refsast.model.network import Network, replace_spikes
from refsast.model.output_potential import first_largest, output_potentials
from refsast.model.params import Layer, Params
from refsast.model.readout import MaxPotential, pool, pooled_logits, read_layer
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


def unroll(network: Network, params: Params, x: Array, first: Array | None = None) -> Trace:
    """Run the network; no checks. Any array type, and nodes of the tape.

    `first` are the currents of the first layer, where they are known; they stay as they are.
    """
    us, ss = [], [x]
    for i, (neuron, layer) in enumerate(zip(network.neurons, params, strict=False)):
        known = first if i == 0 else None
        currents = layer_currents(network, i, layer, ss) if known is None else known
        u, s = unroll_layer(neuron, layer, currents)
        us.append(u)
        ss.append(s)
    read = read_layer(network.readout, us[-1], ss[-1])
    return Trace(tuple(us), tuple(ss[1:]), readout_logits(network, params, read))


def readout_logits(network: Network, params: Params, s: Array) -> Array:
    """Return the logits, shape (batch, classes), of what `read_layer` gives of the last layer."""
    readout = network.readout
    if isinstance(readout, MaxPotential):
        return first_largest(output_potentials(readout.leak, params[-1], s))
    return pooled_logits(readout, params, pool(readout, s), s.shape[0])


def unroll_layer(neuron: LIF | GLIF, layer: Layer, currents: Array) -> tuple[Array, Array]:
    """Return potentials and spikes (time, batch, n_out) of one layer, from its input currents."""
    if isinstance(neuron, GLIF):
        _, *states = unroll_glif(neuron, layer, currents)
        return np.stack([state.u for state in states]), np.stack([state.s for state in states])
    us, ss = [], []
    u = s = np.zeros(currents.shape[1:], currents.dtype)
    for current in currents:
        if layer.v is not None:
            current = current + s @ layer.v.T  # not +=, which nodes of the tape refuse
        u, s = step(neuron, u, s, current)
        us.append(u)
        ss.append(s)
    return np.stack(us), np.stack(ss)


def layer_currents(network: Network, i: int, layer: Layer, earlier: Sequence[Array]) -> Array:
    """Return the currents of all steps, (time, batch, n), of the i-th spiking layer, from 0.

    `earlier` are the input and the spikes of all layers below.
    """
    if network.connections is None:
        return input_currents(layer, earlier[-1])
    time, batch = earlier[0].shape[:2]
    rows = [a.reshape(time * batch, -1) for a in earlier]
    chain, shapes = network.connections[i], network.chain_shapes[i]
    blocks = row_blocks(chain, shapes, time * batch)
    current = [connect(chain, shapes, layer, [a[block] for a in rows]) for block in blocks]
    return _join_blocks(current).reshape(time, batch, -1)


def _join_blocks(blocks: Sequence[Array]) -> Array:
    """Return blocks of rows as one array; one alone is not copied."""
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def connection_grads(
    network: Network,
    i: int,
    layer: Layer,
    earlier: Sequence[Array],
    delta: Array,
    input_too: bool,
) -> ChainGrads:
    """Return the transpose of `layer_currents` of a network with connections, by hand.

    `delta`, (time, batch, n), is the cotangent of the currents; what comes back has the shapes of
    weights, bias and `earlier`. The cotangent of the input is left out where it is not wanted.
    """
    time, batch = delta.shape[:2]
    rows = [a.reshape(time * batch, -1) for a in earlier[: i + 1]]
    g, chain, shapes = delta.reshape(time * batch, -1), network.chains[i], network.chain_shapes[i]
    parts = (
        transpose_chain(chain, shapes, layer, [a[block] for a in rows], g[block], input_too)
        for block in row_blocks(chain, shapes, time * batch)
    )
    w, b, below = next(parts)
    blocks = {j: [received] for j, received in below.items()}
    for part in parts:
        w, b = w + part.w, b + part.b
        for j, received in part.below.items():
            blocks[j].append(received)
    whole = {j: _join_blocks(each).reshape(time, batch, -1) for j, each in blocks.items()}
    return ChainGrads(w, b, whole)


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
