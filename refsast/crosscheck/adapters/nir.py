"""Feed-forward networks to and from the Neuromorphic Intermediate Representation (NIR 1.0.8).

Rule 1: a NIR neuron is a differential equation, ``tau dv/dt = v_leak - v + r I``, its reset to
        `v_reset` the only one there is. How a time constant becomes a leak is the caller's to say
        (`Rule`); by either rule an input counts ``(1 - leak) r`` times.
Rule 2: what NIR has no field for (the kind of reset, the last bits of a leak, how outputs become
        logits) is written into nodes' metadata, which its files keep and other readers ignore.
        Where metadata and a field differ, because another program wrote the field, the field
        holds.
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
import nir
import numpy as np

from refsast.arrays import require_positive
from refsast.crosscheck.adapters.conversion import NoExactConversion
from refsast.crosscheck.adapters.nir_reader import NirNetwork, read_graph
from refsast.crosscheck.adapters.nir_rules import EULER, EXPONENTIAL, RESETS, Rule, time_constant
from refsast.model.lif import LIF
from refsast.model.network import Network
from refsast.model.params import Layer, Params
from refsast.model.readout import LeakyReadout, SpikeRate
from refsast.model.spike import Spike
from refsast.model.synapse import Synapse
from refsast.model.validation import validate_real_params

__all__ = ["EULER", "EXPONENTIAL", "NirNetwork", "Rule", "from_nir", "to_nir"]


def to_nir(
    network: Network, params: Params, *, dt: float, rule: Rule, synapse: Synapse | None = None
) -> nir.NIRGraph:
    """Return a network as a NIR graph, whose outputs are averaged over time for the logits.

    Parameters
    ----------
    network : Network
        Feed-forward.
    params : tuple of Layer
        Its parameters.
    dt : float
        Duration of a step, in the unit of time constants (seconds, as a rule).
    rule : Rule
        `EULER`, or `EXPONENTIAL` for leaks above 0.
    synapse : Synapse or None
        What each layer's input goes through.

    Returns
    -------
    nir.NIRGraph
        Input, then a map and a neuron per layer, then the readout's map (`LinearReadout`) or map
        and leaky integrator (`LeakyReadout`), then output. Reset kinds stand in metadata.

    Raises
    ------
    NoExactConversion
        If the network is recurrent, or its synapse delayed, or a leak has no time constant.
    ValueError
        If `dt` or a parameter is not as it must be.
    """
    _require_dt(dt)
    if network.recurrent:
        raise NoExactConversion(
            "network must be feed-forward, got recurrent True; lost: recurrent weights"
        )
    if synapse is not None and synapse.delayed:
        raise NoExactConversion(
            "synapse must not be delayed, got delayed True; lost: the step between current and "
            "potential"
        )
    params, readout = validate_real_params(network, params), network.readout
    nodes: list[nir.NIRNode] = [nir.Input({"input": np.array([network.sizes[0]])})]
    for neuron, layer in zip(network.neurons, params, strict=False):
        nodes += [_map_node(layer), _neuron_node(neuron, len(layer.w), synapse, dt, rule)]
    if readout.n_out is not None:
        nodes.append(_map_node(params[-1]))
    if isinstance(readout, LeakyReadout):
        nodes.append(_integrator_node(readout, dt, rule))
    graph = nir.NIRGraph.from_list(*nodes, nir.Output({"output": np.array([network.classes])}))
    if isinstance(readout, SpikeRate):
        graph.metadata["gain"] = float(readout.gain)
    return graph


def _map_node(layer: Layer) -> nir.NIRNode:
    """A layer's weights, and its bias where it has one."""
    if layer.b is None:
        return nir.Linear(weight=layer.w)
    return nir.Affine(weight=layer.w, bias=layer.b)


def _neuron_node(
    neuron: LIF, n: int, synapse: Synapse | None, dt: float, rule: Rule
) -> nir.NIRNode:
    """A layer's neurons, with a current where the synapse has a memory."""
    scale = 1.0 if synapse is None else synapse.scale
    memory = 0.0 if synapse is None else synapse.leak
    kind = {reset: name for name, reset in RESETS.items()}[neuron.reset]
    # The numbers, too: a leak that goes through a time constant comes back rounded.
    kept = {"reset": kind, "detach_reset": neuron.detach_reset}
    fields = {
        "v_threshold": np.full(n, float(neuron.threshold)),
        "v_reset": np.zeros(n),
        "metadata": kept | {"leak": float(neuron.leak), "scale": float(scale)},
    }
    if synapse is not None:
        fields["metadata"]["current_leak"] = float(memory)
    # dv/dt = r I has no time constant; its input counts r dt times.
    if neuron.leak == 1.0 and memory == 0.0:
        return nir.IF(r=np.full(n, scale / dt), **fields)
    tau = np.full(n, time_constant(neuron.leak, "leak", dt, rule))
    fields |= {"v_leak": np.zeros(n), "r": np.full(n, scale / (1.0 - neuron.leak))}
    if memory == 0.0:
        return nir.LIF(tau=tau, **fields)
    # Its current counts an input (1 - memory) w_in times, and `Synapse` does once.
    return nir.CubaLIF(
        tau_syn=np.full(n, time_constant(memory, "synapse.leak", dt, rule)),
        tau_mem=tau,
        w_in=np.full(n, 1.0 / (1.0 - memory)),
        **fields,
    )


def _integrator_node(readout: LeakyReadout, dt: float, rule: Rule) -> nir.NIRNode:
    """The neurons of a leaky readout, which never fire."""
    n, leak = readout.n_out, float(readout.leak)
    if leak == 1.0:
        return nir.I(r=np.full(n, 1.0 / dt))
    tau, r = time_constant(leak, "readout.leak", dt, rule), 1.0 / (1.0 - leak)
    return nir.LI(tau=np.full(n, tau), r=np.full(n, r), v_leak=np.zeros(n), metadata={"leak": leak})


def from_nir(
    graph: nir.NIRGraph, *, dt: float, rule: Rule, spike: Spike, gain: float | None = None
) -> NirNetwork:
    """Return the network that a NIR graph is.

    Parameters
    ----------
    graph : nir.NIRGraph
        A chain of maps and neurons, the neurons of a layer alike.
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
    Imported
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
