"""From a NIR graph to a network.

Nothing here imports NIR: nodes are known by the names of their types, as in its files.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from refsast.arrays import require_number
from refsast.crosscheck.adapters.conversion import NoExactConversion
from refsast.crosscheck.adapters.nir_chain import Graph, chain, read_map, read_scalar
from refsast.crosscheck.adapters.nir_rules import RESETS, Rule, leak_from_tau, prefer_metadata
from refsast.crosscheck.foreign_arrays import convert_array
from refsast.crosscheck.implementation import PROGRAM
from refsast.model.lif import LIF
from refsast.model.network import Network
from refsast.model.params import Layer, Params
from refsast.model.readout import LeakyReadout, LinearReadout, Readout, SpikeRate
from refsast.model.reset import Reset, Subtract
from refsast.model.spike import Spike
from refsast.model.synapse import Synapse

MAP_NODES, SPIKING_NODES, LEAKY_NODES = ("Affine", "Linear"), ("LIF", "CubaLIF", "IF"), ("LI", "I")


@dataclass(frozen=True, eq=False)
class NirNetwork:
    """The network of a NIR graph.

    Attributes
    ----------
    network : Network
        The network.
    params : tuple of Layer
        Its parameters, float64.
    synapse : Synapse or None
        What each layer's input goes through.
    """

    network: Network
    params: Params
    synapse: Synapse | None


def read_graph(graph: Graph, dt: float, rule: Rule, spike: Spike, gain: float | None) -> NirNetwork:
    """Return the network that a graph is; see `refsast.crosscheck.adapters.nir.from_nir`."""
    nodes, n_in = chain(graph)
    layers, neurons, synapses, tail, sizes = [], [], [], None, [n_in]
    for name, node in nodes:
        reader = NodeReader(name, node, sizes[-1], dt, rule)
        needs_map = len(layers) == len(neurons)  # else neurons, for the map before
        if reader.kind in MAP_NODES and needs_map and tail is None:
            layers.append(read_map(name, node, sizes[-1]))
            sizes.append(len(layers[-1].w))
        elif reader.kind in SPIKING_NODES and not needs_map:
            neuron, synapse = _read_neuron(reader, spike)
            neurons.append(neuron)
            synapses.append(synapse)
        elif reader.kind in LEAKY_NODES and not needs_map and tail is None and neurons:
            tail = LeakyReadout(sizes[-1], _read_integrator(reader))
        else:
            raise ValueError(
                f"graph must alternate Affine or Linear with LIF, CubaLIF or IF, got "
                f"{reader.kind} at {name!r}: {PROGRAM}"
            )
    if not neurons or (tail is not None and len(layers) != len(neurons) + 1):
        raise ValueError(
            f"graph must have a layer that fires, got nodes {[n for n, _ in nodes]}: {PROGRAM}"
        )
    if any(synapse != synapses[0] for synapse in synapses):
        raise NoExactConversion(
            f"graph must have one synapse for all layers, got {synapses}; lost: all but one"
        )
    has_map = len(layers) > len(neurons)
    readout = tail or (LinearReadout(sizes[-1]) if has_map else _spike_rate(graph, gain))
    params = _fill_biases(layers)
    network = Network(
        tuple(sizes[: len(neurons) + 1]), tuple(neurons), readout, params[0].b is not None
    )
    return NirNetwork(network, params, synapses[0])


def _fill_biases(layers: list[Layer]) -> Params:
    """The layers; if any has a bias, all others get a zero one."""
    if all(layer.b is None for layer in layers):
        return tuple(layers)
    return tuple(
        Layer(layer.w, np.zeros(len(layer.w)) if layer.b is None else layer.b) for layer in layers
    )


def _spike_rate(graph: Graph, gain: float | None) -> Readout:
    """The readout of a graph whose last nodes fire."""
    found = _metadata(graph).get("gain") if gain is None else gain
    if found is None:
        raise ValueError("gain must be given where the graph does not say it, got None")
    return SpikeRate(require_number(found, "gain"))


@dataclass(frozen=True)
class NodeReader:
    """Reads the fields of a node of `n` neurons, each one number for all of them."""

    name: str
    node: object
    n: int
    dt: float
    rule: Rule

    @property
    def kind(self) -> str:
        """The name of the node's type."""
        return type(self.node).__name__

    @property
    def metadata(self) -> Mapping[str, object]:
        """The node's metadata."""
        return _metadata(self.node)

    def number(self, field: str) -> float:
        """Return the number in a field."""
        return read_scalar(f"{self.name}.{field}", getattr(self.node, field), self.n)

    def leak(self, field: str) -> float:
        """Return the leak of the time constant in a field."""
        return leak_from_tau(self.number(field), field, self.dt, self.rule)

    def membrane(self) -> tuple[float, float]:
        """Return the leak, and how often an input counts."""
        if self.kind in ("IF", "I"):
            return 1.0, self.number("r") * self.dt
        leak = self.leak("tau_mem" if self.kind == "CubaLIF" else "tau")
        leak = prefer_metadata(self.metadata, "leak", leak)
        return leak, self.number("r") * (1.0 - leak)  # tau dv/dt = v_leak - v + r I, integrated

    def counts_once(self, scale: float, leak: float) -> bool:
        """Whether an input counts once, to the rounding of ``1 - leak`` in the dtype of `r`."""
        dtype = convert_array(getattr(self.node, "r", None), "r").dtype
        eps = np.finfo(dtype if dtype.kind == "f" else np.float64).eps
        return abs(scale - 1.0) <= 8.0 * float(eps) / ((1.0 - leak) or 1.0)


def _metadata(node: object) -> Mapping[str, object]:
    """The metadata of a node or graph."""
    found = getattr(node, "metadata", None)
    return found if isinstance(found, dict) else {}


def _read_neuron(reader: NodeReader, spike: Spike) -> tuple[LIF, Synapse | None]:
    """One layer's neuron and synapse."""
    leak, scale = reader.membrane()
    rest = 0.0 if reader.kind == "IF" else reader.number("v_leak")
    reset = _read_reset(reader, rest)
    # NIR has no gradients: only refsast's own metadata say that a reset is detached.
    detach = bool(reader.metadata.get("detach_reset", False))
    neuron = LIF(leak, reader.number("v_threshold") - rest, spike, reset, detach)
    memory = 0.0
    if reader.kind == "CubaLIF":
        memory = prefer_metadata(reader.metadata, "current_leak", reader.leak("tau_syn"))
        scale *= reader.number("w_in") * (1.0 - memory)
    scale = prefer_metadata(reader.metadata, "scale", scale)
    has_synapse = "current_leak" in reader.metadata or memory != 0.0
    # An input that counts once needs no synapse, unless one was written down.
    plain = not has_synapse and reader.counts_once(scale, leak)
    return neuron, None if plain else Synapse(memory, scale)


def _read_reset(reader: NodeReader, rest: float) -> Reset:
    """The reset that metadata name, or that to `v_reset`."""
    name, landing = reader.name, reader.number("v_reset")
    kind = str(reader.metadata.get("reset", "zero"))
    if kind not in RESETS:
        raise ValueError(f"{name}.metadata reset must be one of {sorted(RESETS)}, got {kind!r}")
    if landing != rest:
        raise NoExactConversion(
            f"{name}.v_reset must equal v_leak, {rest}, got {landing}; lost: where a reset lands"
        )
    if isinstance(RESETS[kind], Subtract) and rest != 0.0:
        raise NoExactConversion(
            f"{name}.v_leak must be 0 where a threshold is subtracted, got {rest}; lost: how much "
            "a reset takes"
        )
    return RESETS[kind]


def _read_integrator(reader: NodeReader) -> float:
    """The leak of a readout's neurons, whose input must count once."""
    leak, scale = reader.membrane()
    if not reader.counts_once(scale, leak):
        raise NoExactConversion(
            f"{reader.name}.r must make an input count once, got {scale} times; lost: the "
            "readout's scale"
        )
    if reader.kind != "I" and reader.number("v_leak") != 0.0:
        raise NoExactConversion(
            f"{reader.name}.v_leak must be 0, got {reader.number('v_leak')}; lost: the readout's "
            "rest"
        )
    return leak
