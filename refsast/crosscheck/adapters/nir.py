"""Feed-forward networks to and from the Neuromorphic Intermediate Representation (NIR 1.0.8).

Rule 1: a NIR neuron is a differential equation, ``tau dv/dt = v_leak - v + r I``, its reset to
        `v_reset` the only one there is. How a time constant becomes a leak is the caller's to say
        (`Rule`); by either rule an input counts ``(1 - leak) r`` times.
Rule 2: what NIR has no field for (the kind of reset, the last bits of a leak, groups that it keeps
        out of files, the loss, how outputs become logits) is written into nodes' metadata, which
        its files keep and other readers ignore. Where metadata and a field differ, because another
        program wrote the field, the field holds.
Rule 3: what would be lost is refused.

What other libraries do with a ``nir.LIF`` (read in their sources; dt is theirs to choose):

==================  ====================  ====================  ==================  ============
library             leak of tau           an input counts       reset on import     reset, export
==================  ====================  ====================  ==================  ============
snnTorch 1.0.0      1 - dt/tau,           r dt/tau; what is     to zero, at once    not written
                    dt = 1e-4             not 1 divides the
                                          threshold
SpikingJelly 2.0.0  1 - dt/tau, dt given  1 or dt/tau by r,     to v_reset, which   refused if by
                                          else refused          must be v_leak      subtraction
Norse 1.1.0         1 - dt/tau, dt given  dt/tau; r is passed   to 0; v_reset is    not written
                                          over                  passed over
Sinabs 3.1.3        exp(-1/tau), tau in   once; r is passed     by subtraction      not written
                    steps                 over
==================  ====================  ====================  ==================  ============

In NIR a neuron fires above its threshold; refsast's hard spike fires at it, too.
"""

# Where NIR is not installed, a type checker takes this very file for it.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false
import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import nir
import numpy as np

from refsast.arrays import require_positive
from refsast.codec import encode
from refsast.crosscheck.adapters.conversion import NoExactConversion
from refsast.crosscheck.adapters.nir_nodes import (
    dense_nodes,
    integrator_node,
    map_nodes,
    neuron_node,
    require_not_delayed,
)
from refsast.crosscheck.adapters.nir_reader import NirNetwork, read_graph
from refsast.crosscheck.adapters.nir_rules import EULER, EXPONENTIAL, Rule
from refsast.files import write_atomic
from refsast.model.glif import GLIF
from refsast.model.loss import CrossEntropy
from refsast.model.network import Network
from refsast.model.params import Params
from refsast.model.readout import (
    LastPotential,
    LeakyReadout,
    MaxPotential,
    MeanPotential,
    SpikeRate,
)
from refsast.model.spike import Spike
from refsast.model.synapse import Synapse
from refsast.model.validation import validate_real_params

__all__ = ["EULER", "EXPONENTIAL", "NirNetwork", "Rule", "from_nir", "to_nir", "write_nir"]

OURS = ("gain", "population", "loss")  # what the graph's metadata say of readout and loss


def to_nir(
    network: Network,
    params: Params,
    *,
    dt: float,
    rule: Rule,
    synapse: Synapse | None = None,
    notes: Mapping[str, str] | None = None,
) -> nir.NIRGraph:
    """Return a network as a NIR graph, whose outputs are averaged over time for the logits.

    Parameters
    ----------
    network : Network
        Feed-forward, its connections `Dense`, `Conv2d`, `AvgPool2d` and `Flatten`, its neurons
        `LIF`, or `GLIF` with fixed numbers, no adaptation, no refractory time and no synapse but
        `Synapse`.
    params : tuple of Layer
        Its parameters.
    dt : float
        Duration of a step, in the unit of time constants (seconds, as a rule).
    rule : Rule
        `EULER`, or `EXPONENTIAL` for leaks above 0.
    synapse : Synapse or None
        What each layer's input goes through, where neurons have none of their own.
    notes : mapping of str, optional
        More metadata of the graph, in words: what a chip does that NIR has no field for, such as
        ``rs.deploy.describe_integers(made)``, the graph being of ``rs.deploy.dequantise(made)``.

    Returns
    -------
    nir.NIRGraph
        Input, then maps and a neuron per layer, then the readout's map (`LinearReadout`) or map
        and leaky integrator (`LeakyReadout`), then output. Reset kinds stand in metadata.

    Raises
    ------
    NoExactConversion
        If NIR has no node for a part of the network, or a leak no time constant; the message names
        it, says what would be lost, and what to do instead where there is something.
    ValueError
        If `dt` or a parameter is not as it must be.
    """
    _require_dt(dt)
    if network.recurrent:
        raise NoExactConversion(
            "network must be feed-forward, got recurrent True; lost: recurrent weights"
        )
    if synapse is not None and any(isinstance(neuron, GLIF) for neuron in network.neurons):
        raise ValueError(
            f"synapse must be None where neurons have their own, got {synapse}: give None"
        )
    require_not_delayed(synapse)
    params, readout = validate_real_params(network, params), network.readout
    if isinstance(readout, LastPotential | MaxPotential):
        raise NoExactConversion(
            f"readout must average over time, got {readout}; lost: which potential counts; as "
            f"LeakyReadout({readout.n_out}, {readout.leak}), with the same parameters, it can be "
            "written, and the one that counts be taken where it is read"
        )
    if isinstance(readout, MeanPotential):
        raise NoExactConversion(
            f"readout must be of spikes, got {readout}; lost: that the last layer's potentials "
            "are read"
        )
    shape = network.image or (network.sizes[0],)
    nodes: list[nir.NIRNode] = [nir.Input({"input": np.array(shape)})]
    for i, (neuron, layer) in enumerate(zip(network.neurons, params, strict=False)):
        shape = network.chain_shapes[i][-1]
        nodes += map_nodes(network, i, layer)
        nodes.append(neuron_node(neuron, shape, synapse, dt, rule, f"layer {i + 1}"))
    if readout.n_out is not None:
        nodes += dense_nodes(params[-1], shape)
        shape = (readout.n_out,)
    if isinstance(readout, LeakyReadout):
        nodes.append(integrator_node(readout, dt, rule))
    graph = nir.NIRGraph.from_list(*nodes, nir.Output({"output": np.array(shape)}))
    if isinstance(readout, SpikeRate):
        graph.metadata |= {"gain": float(readout.gain), "population": readout.population}
    if network.loss != CrossEntropy():
        graph.metadata["loss"] = json.dumps(encode(network.loss))
    graph.metadata |= {name: words for name, words in (notes or {}).items() if name not in OURS}
    return graph


def write_nir(graph: nir.NIRGraph, path: str | Path) -> None:
    """Write a graph to a file, whole or not at all."""
    with TemporaryDirectory() as folder:
        part = Path(folder) / "graph.nir"
        nir.write(part, graph)
        write_atomic(path, part.read_bytes())


def from_nir(
    graph: nir.NIRGraph, *, dt: float, rule: Rule, spike: Spike, gain: float | None = None
) -> NirNetwork:
    """Return the network that a NIR graph is.

    Parameters
    ----------
    graph : nir.NIRGraph
        A chain of maps and neurons. A `SumPool2d` becomes an `AvgPool2d`, and the layer's weights
        are multiplied by the places of a window: exact where those are a power of two.
    dt : float
        Duration of a step, in the unit of the graph's time constants.
    rule : Rule
        `EULER` or `EXPONENTIAL`.
    spike : callable
        The smooth spike; NIR knows none.
    gain : float, optional
        Of the `SpikeRate` that reads a graph whose last nodes fire; default: what the graph's
        metadata say.

    Returns
    -------
    NirNetwork
        Where no metadata say otherwise a reset is to zero. Potentials are counted from `v_leak`, at
        which neurons start.

    Raises
    ------
    NoExactConversion
        If refsast has no such network; the message says what would be lost.
    ValueError
        If the graph is not a chain from one input to one output, or a number is not as it must be.
    """
    _require_dt(dt)
    if not isinstance(graph, nir.NIRGraph):
        raise ValueError(f"graph must be a NIRGraph, got {type(graph).__name__}")
    return read_graph(graph, dt, rule, spike, gain)


def _require_dt(dt: float) -> None:
    require_positive(dt, "dt")
