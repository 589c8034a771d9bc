"""From a NIR graph to a network.

Nothing here imports NIR: nodes are known by the names of their types, as in its files.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from refsast.arrays import require_number
from refsast.crosscheck.adapters.conversion import NoExactConversion
from refsast.crosscheck.adapters.nir_chain import Graph, chain, read_map, read_scalar
from refsast.crosscheck.adapters.nir_rules import RESETS, Rule, leak_from_tau, prefer_metadata
from refsast.crosscheck.case import convert_array
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
    """What a graph says.

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
        kind = type(node).__name__
        weights_are_due = len(layers) == len(neurons)
        if kind in MAP_NODES and weights_are_due and tail is None:
            layers.append(read_map(name, node, sizes[-1]))
            sizes.append(len(layers[-1].w))
        elif kind in SPIKING_NODES and not weights_are_due:
            neuron, synapse = _read_neuron(name, node, sizes[-1], dt, rule, spike)
            neurons.append(neuron)
            synapses.append(synapse)
        elif kind in LEAKY_NODES and not weights_are_due and tail is None and neurons:
            tail = LeakyReadout(sizes[-1], _read_integrator(name, node, sizes[-1], dt, rule))
        else:
            raise ValueError(
                f"graph must alternate Affine or Linear with LIF, CubaLIF or IF, got "
                f"{kind} at {name!r}"
            )
    if not neurons or (tail is not None and len(layers) != len(neurons) + 1):
        raise ValueError(f"graph must have a layer that fires, got nodes {[n for n, _ in nodes]}")
    if any(synapse != synapses[0] for synapse in synapses):
        raise NoExactConversion(
            f"graph must have one synapse for all layers, got {synapses}; lost: all but one"
        )
    reads = len(layers) > len(neurons)
    readout = tail or (LinearReadout(sizes[-1]) if reads else _spike_rate(graph, gain))
    params = _fill_biases(layers)
    network = Network(
        tuple(sizes[: len(neurons) + 1]), tuple(neurons), readout, params[0].b is not None
    )
    return NirNetwork(network, params, synapses[0])


def _fill_biases(layers: list[Layer]) -> Params:
    """The layers, all with a bias, be it zero, if any has one."""
    if all(layer.b is None for layer in layers):
        return tuple(layers)
    return tuple(
        Layer(layer.w, np.zeros(len(layer.w)) if layer.b is None else layer.b) for layer in layers
    )


def _spike_rate(graph: Graph, gain: float | None) -> Readout:
    """The readout of a graph whose last nodes fire."""
    said = _metadata(graph).get("gain") if gain is None else gain
    if said is None:
        raise ValueError("gain must be given where the graph does not say it, got None")
    return SpikeRate(float(require_number(said, "gain")))


def _read_neuron(
    name: str, node: object, n: int, dt: float, rule: Rule, spike: Spike
) -> tuple[LIF, Synapse | None]:
    """One layer's neuron and synapse."""
    read, kept = _field_reader(name, node, n), _metadata(node)
    leak, scale = _read_membrane(node, read, dt, rule)
    rest = 0.0 if _has_type(node, "IF") else read("v_leak")
    reset = _read_reset(name, read("v_reset"), rest, kept)
    detach = bool(kept.get("detach_reset", False))
    neuron = LIF(leak, read("v_threshold") - rest, spike, reset, detach)
    memory = 0.0
    if _has_type(node, "CubaLIF"):
        memory = prefer_metadata(
            kept, "current_leak", leak_from_tau(read("tau_syn"), "tau_syn", dt, rule)
        )
        scale *= read("w_in") * (1.0 - memory)
    scale = prefer_metadata(kept, "scale", scale)
    plain = memory == 0.0 and _is_unit_scale(scale, node, leak) and "current_leak" not in kept
    return neuron, None if plain else Synapse(memory, scale)


def _read_membrane(
    node: object, read: Callable[[str], float], dt: float, rule: Rule
) -> tuple[float, float]:
    """The leak, and how often a current counts."""
    if _has_type(node, "IF") or _has_type(node, "I"):
        return 1.0, read("r") * dt
    tau = "tau_mem" if _has_type(node, "CubaLIF") else "tau"
    leak = prefer_metadata(_metadata(node), "leak", leak_from_tau(read(tau), tau, dt, rule))
    return leak, read("r") * (1.0 - leak)


def _read_reset(name: str, landing: float, rest: float, kept: Mapping[str, object]) -> Reset:
    """The reset that metadata name, or that to `v_reset`."""
    kind = str(kept.get("reset", "zero"))
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


def _is_unit_scale(scale: float, node: object, leak: float) -> bool:
    """Whether an input counts once, to the rounding of ``1 - leak`` in the dtype of `r`."""
    dtype = convert_array(getattr(node, "r", None), "r").dtype
    eps = np.finfo(dtype if dtype.kind == "f" else np.float64).eps
    return abs(scale - 1.0) <= 8.0 * float(eps) / ((1.0 - leak) or 1.0)


def _read_integrator(name: str, node: object, n: int, dt: float, rule: Rule) -> float:
    """The leak of a readout's neurons, whose input must count once."""
    read = _field_reader(name, node, n)
    leak, scale = _read_membrane(node, read, dt, rule)
    if not _is_unit_scale(scale, node, leak):
        raise NoExactConversion(
            f"{name}.r must make an input count once, got {scale} times; lost: the readout's scale"
        )
    if not _has_type(node, "I") and read("v_leak") != 0.0:
        raise NoExactConversion(
            f"{name}.v_leak must be 0, got {read('v_leak')}; lost: the readout's rest"
        )
    return leak


def _field_reader(name: str, node: object, n: int) -> Callable[[str], float]:
    """Reads a node's fields, each one number for all neurons."""
    return lambda field: read_scalar(f"{name}.{field}", getattr(node, field), n)


def _metadata(node: object) -> Mapping[str, object]:
    """A node's metadata."""
    found = getattr(node, "metadata", None)
    return found if isinstance(found, dict) else {}


def _has_type(node: object, kind: str) -> bool:
    return type(node).__name__ == kind
