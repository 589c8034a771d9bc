"""From a NIR graph to a network.

Nothing here imports NIR: nodes are known by the names of their types, as in its files.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from refsast import codec
from refsast.arrays import Array, require_number
from refsast.crosscheck.adapters.conversion import NoExactConversion
from refsast.crosscheck.adapters.nir_chain import Graph, chain, metadata, read_numbers, require_one
from refsast.crosscheck.adapters.nir_connections import OTHER_MAPS, WEIGHT_NODES, OpenChain
from refsast.crosscheck.adapters.nir_rules import (
    RESETS,
    ROUNDING,
    Rule,
    leak_from_tau,
    prefer_metadata,
)
from refsast.crosscheck.foreign_arrays import convert_array
from refsast.crosscheck.implementation import PROGRAM
from refsast.experiment.record import MODEL_RECORDS
from refsast.model.connections import Dense, Flatten
from refsast.model.connections.chain import size
from refsast.model.glif import GLIF, as_glif
from refsast.model.lif import LIF
from refsast.model.loss import CrossEntropy, Loss
from refsast.model.network import Network, Neuron
from refsast.model.params import Layer, Params
from refsast.model.readout import LeakyReadout, LinearReadout, Readout, SpikeRate
from refsast.model.reset import Reset, Subtract
from refsast.model.spike import Spike
from refsast.model.synapse import Synapse

SPIKING_NODES, LEAKY_NODES = ("LIF", "CubaLIF", "IF"), ("LI", "I")


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
        What each layer's input goes through, where it is the same for all and neurons are `LIF`;
        else each `GLIF` has its own.
    """

    network: Network
    params: Params
    synapse: Synapse | None


def read_graph(graph: Graph, dt: float, rule: Rule, spike: Spike, gain: float | None) -> NirNetwork:
    """Return the network that a graph is; see `refsast.crosscheck.adapters.nir.from_nir`."""
    nodes, shape = chain(graph)
    chains, layers, neurons, tail, maps = [], [], [], None, OpenChain(shape)
    for name, node in nodes:
        kind = type(node).__name__
        if tail is None and maps.accepts(kind):
            maps.read(name, node)
        elif kind in SPIKING_NODES and maps.layer is not None and tail is None:
            reader = NodeReader(name, node, size(maps.shape), dt, rule)
            neurons.append(_read_neuron(reader, spike))
            chains.append(tuple(maps.parts))
            layers.append(maps.close())
            maps = OpenChain(maps.shape)
        elif kind in LEAKY_NODES and maps.layer is not None and tail is None and neurons:
            tail = NodeReader(name, node, size(maps.shape), dt, rule)
        else:
            raise ValueError(
                f"graph must alternate maps ({', '.join((*WEIGHT_NODES, *OTHER_MAPS))}; one with "
                f"weights) with {', '.join(SPIKING_NODES)}, got {kind} at {name!r}: {PROGRAM}"
            )
    if not neurons or (tail is not None and maps.layer is None):
        raise ValueError(
            f"graph must have a layer that fires, got nodes {[n for n, _ in nodes]}: {PROGRAM}"
        )
    if maps.parts:
        layers.append(_close_readout(maps, nodes[-1][0]))
    readout = _read_readout(graph, maps, tail, gain)
    params = _fill_biases(layers)
    found, synapse = _place_synapses(neurons)
    sizes = (shape if len(shape) == 3 else size(shape), *chains)
    network = Network(
        sizes,  # pyright: ignore[reportArgumentType]
        found,
        readout,
        params[0].b is not None,
        loss=_read_loss(graph),
    )
    return NirNetwork(network, params, synapse)


def _close_readout(maps: OpenChain, name: str) -> Layer:
    """The weights of the readout: after the last spikes one Dense alone."""
    if [part for part in maps.parts if not isinstance(part, Flatten)] != [Dense(maps.shape[0])]:
        raise NoExactConversion(
            f"graph must end in spikes or one Affine or Linear of them, got {maps.parts} before "
            f"the output, at {name!r}; lost: those; a layer that fires may have them"
        )
    return maps.close()


def _place_synapses(
    layers: list[tuple[Neuron, Synapse | None]],
) -> tuple[tuple[Neuron, ...], Synapse | None]:
    """Neurons and what stands beside them: one synapse of all, or none, and each has its own."""
    neurons, synapses = zip(*layers, strict=True)
    plain = not any(isinstance(neuron, GLIF) for neuron in neurons)
    if plain and all(synapse == synapses[0] for synapse in synapses):
        return neurons, synapses[0]
    found = [
        replace(as_glif(neuron), synapse=synapse)
        if isinstance(neuron, GLIF) or synapse is not None
        else neuron
        for neuron, synapse in layers
    ]
    return tuple(found), None


def _fill_biases(layers: list[Layer]) -> Params:
    """The layers; if any has a bias, all others get a zero one."""
    if all(layer.b is None for layer in layers):
        return tuple(layers)
    return tuple(
        Layer(layer.w, np.zeros(len(layer.w)) if layer.b is None else layer.b) for layer in layers
    )


def _read_readout(
    graph: Graph, maps: OpenChain, tail: "NodeReader | None", gain: float | None
) -> Readout:
    """The readout: an integrator, a map, or the spikes of a graph whose last nodes fire."""
    if tail is not None:
        return LeakyReadout(maps.shape[0], _read_integrator(tail))
    if maps.parts:
        return LinearReadout(maps.shape[0])
    said = metadata(graph)
    found = said.get("gain") if gain is None else gain
    if found is None:
        raise ValueError("gain must be given where the graph does not say it, got None")
    population = require_number(said.get("population", 1), "population")
    return SpikeRate(require_number(found, "gain"), int(population))


def _read_loss(graph: Graph) -> Loss:
    """The loss that metadata tell, or the cross entropy."""
    wanted = "metadata loss must be one that refsast has written"
    said = metadata(graph).get("loss")
    if said is None:
        return CrossEntropy()
    try:
        loss = codec.decode(json.loads(str(said)), MODEL_RECORDS, wanted)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{wanted}, got {said!r}; take the metadata away for a cross entropy"
        ) from error
    if not isinstance(loss, Loss):
        raise ValueError(f"{wanted}, got {said!r}; take the metadata away for a cross entropy")
    return loss


@dataclass(frozen=True)
class NodeReader:
    """Reads the fields of a node of `n` neurons, one number for each of them."""

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
        return metadata(self.node)

    def numbers(self, field: str) -> Array:
        """Return the numbers in a field, (n,)."""
        return read_numbers(f"{self.name}.{field}", getattr(self.node, field), self.n)

    def leaks(self, field: str) -> Array:
        """Return the leaks of the time constants in a field, (n,)."""
        taus, places = np.unique(self.numbers(field), return_inverse=True)
        return np.array([leak_from_tau(tau, field, self.dt, self.rule) for tau in taus])[places]

    def membrane(self) -> tuple[Array, Array]:
        """Return the leaks, and how often an input counts."""
        if self.kind in ("IF", "I"):
            return np.ones(self.n), self.numbers("r") * self.dt
        leaks = self.leaks("tau_mem" if self.kind == "CubaLIF" else "tau")
        leaks = prefer_metadata(self.metadata, "leak", leaks)
        return leaks, self.numbers("r") * (1.0 - leaks)  # tau dv/dt = v_leak - v + r I, integrated

    def counts_once(self, scale: Array, leaks: Array) -> bool:
        """Whether an input counts once, to the rounding of ``1 - leak`` in the dtype of `r`."""
        dtype = convert_array(getattr(self.node, "r", None), "r").dtype
        eps = np.finfo(dtype if dtype.kind == "f" else np.float64).eps
        rest = np.where(leaks == 1.0, 1.0, 1.0 - leaks)
        return bool((abs(scale - 1.0) <= 8.0 * float(eps) / rest).all())

    def one_or_each(self, name: str, numbers: Array) -> float | tuple[float, ...]:
        """Return one number where all are alike, unless metadata say that each has its own."""
        several = name in str(self.metadata.get("per_neuron", "")).split(", ")
        alike = not several and (numbers == numbers[0]).all()
        return float(numbers[0]) if alike else tuple(numbers.tolist())


def _read_neuron(reader: NodeReader, spike: Spike) -> tuple[Neuron, Synapse | None]:
    """One layer's neuron and synapse."""
    leaks, scale = reader.membrane()
    rest = np.zeros(reader.n) if reader.kind == "IF" else reader.numbers("v_leak")
    leak = reader.one_or_each("leak", leaks)
    threshold = reader.one_or_each("threshold", reader.numbers("v_threshold") - rest)
    reset = _read_reset(reader, rest)
    # NIR has no gradients: only refsast's own metadata say that a reset is detached.
    detach = bool(reader.metadata.get("detach_reset", False))
    plain = isinstance(leak, float) and isinstance(threshold, float)
    general = not plain or reader.metadata.get("neuron") == "GLIF"
    neuron = (GLIF if general else LIF)(leak, threshold, spike, reset, detach)  # pyright: ignore[reportArgumentType]
    return neuron, _read_synapse(reader, leaks, scale)


def _read_synapse(reader: NodeReader, leaks: Array, scale: Array) -> Synapse | None:
    """What filters the input, or None where an input counts once and no synapse was written."""
    memory = np.zeros(reader.n)
    if reader.kind == "CubaLIF":
        memory = prefer_metadata(reader.metadata, "current_leak", reader.leaks("tau_syn"))
        scale = scale * reader.numbers("w_in") * (1.0 - memory)
    scale = prefer_metadata(reader.metadata, "scale", scale)
    has_synapse = "current_leak" in reader.metadata or (memory != 0.0).any()
    if not has_synapse and reader.counts_once(scale, leaks):
        return None
    if np.ptp(scale) <= ROUNDING * abs(scale).max():  # each has been rounded on its own
        scale = np.full(reader.n, scale[0])
    one = "a synapse has one for all"
    rows = "multiply the rows of the weights, so that each counts alike"
    return Synapse(
        require_one(f"{reader.name}.tau_syn", memory, one),
        require_one(f"how often an input of {reader.name} counts, by r,", scale, rows),
    )


def _read_reset(reader: NodeReader, rest: Array) -> Reset:
    """The reset that metadata name, or that to `v_reset`."""
    name, landing = reader.name, reader.numbers("v_reset")
    kind = str(reader.metadata.get("reset", "zero"))
    if kind not in RESETS:
        raise ValueError(f"{name}.metadata reset must be one of {sorted(RESETS)}, got {kind!r}")
    for at, to in zip(rest[landing != rest], landing[landing != rest], strict=True):
        raise NoExactConversion(
            f"{name}.v_reset must equal v_leak, {at}, got {to}; lost: where a reset lands"
        )
    if isinstance(RESETS[kind], Subtract) and rest.any():
        raise NoExactConversion(
            f"{name}.v_leak must be 0 where a threshold is subtracted, got {rest[rest != 0.0][0]}; "
            "lost: how much a reset takes"
        )
    return RESETS[kind]


def _read_integrator(reader: NodeReader) -> float:
    """The leak of a readout's neurons, whose input must count once."""
    leaks, scale = reader.membrane()
    if not reader.counts_once(scale, leaks):
        raise NoExactConversion(
            f"{reader.name}.r must make an input count once, got {scale.min()} to {scale.max()} "
            "times; lost: the readout's scale; its weights can be multiplied by that"
        )
    if reader.kind != "I" and (rest := reader.numbers("v_leak")).any():
        raise NoExactConversion(
            f"{reader.name}.v_leak must be 0, got {rest[rest != 0.0][0]}; lost: the readout's rest"
        )
    return require_one(f"{reader.name}.tau", leaks, "a readout has one leak")
