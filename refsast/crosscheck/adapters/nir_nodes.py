"""The nodes of a NIR graph that a layer becomes, and what NIR has no node for.

Whatever would be lost is refused by name, with what can be done instead.
"""

# Where NIR is not installed, a type checker takes `nir` beside this file for it.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false
import nir
import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.adapters.conversion import NoExactConversion
from refsast.crosscheck.adapters.nir_rules import RESETS, Rule, time_constant
from refsast.model.connections import AvgPool2d, Connection, Conv2d, Dense, Flatten
from refsast.model.connections.windows import Shape
from refsast.model.glif import GLIF, as_glif
from refsast.model.lif import LIF
from refsast.model.network import Network
from refsast.model.params import Layer
from refsast.model.readout import LeakyReadout
from refsast.model.synapse import Alpha, Synapse

Nodes = list[nir.NIRNode]
MAX_POOL = "lost: the largest of each window; NIR has AvgPool2d"
SKIP = "lost: what it adds; a graph that this reads is one chain"


def map_nodes(network: Network, i: int, layer: Layer) -> Nodes:
    """Return the nodes of the i-th layer's connection, from 0."""
    found: Nodes = []
    for part, shape in zip(network.chains[i], network.chain_shapes[i], strict=False):
        found += _part_nodes(part, shape, layer, f"layer {i + 1}")
    return found


def _part_nodes(part: Connection, shape: Shape, layer: Layer, where: str) -> Nodes:
    """The nodes of one map, into which this shape comes."""
    if isinstance(part, Dense):
        return dense_nodes(layer, shape)
    if isinstance(part, Conv2d):
        return [_conv_node(part, layer, shape, where)]
    if isinstance(part, AvgPool2d):
        sides = (np.array(side) for side in (part.kernel, part.stride, part.padding))
        return [nir.AvgPool2d(*sides)]
    if isinstance(part, Flatten):
        return [_flatten_node(shape)]
    lost = SKIP if type(part).__name__ == "Skip" else MAX_POOL
    raise NoExactConversion(f"connections must have a node in NIR, got {part} in {where}; {lost}")


def dense_nodes(layer: Layer, shape: Shape) -> Nodes:
    """Return weights, and bias where there is one; of an image, after it has been flattened."""
    flat: Nodes = [] if len(shape) == 1 else [_flatten_node(shape, {"implied": True})]
    if layer.b is None:
        return [*flat, nir.Linear(weight=layer.w)]
    return [*flat, nir.Affine(weight=layer.w, bias=layer.b)]


def _flatten_node(shape: Shape, metadata: dict | None = None) -> nir.NIRNode:
    return nir.Flatten({"input": np.array(shape)}, 0, -1, metadata=metadata or {})


def _conv_node(part: Conv2d, layer: Layer, shape: Shape, where: str) -> nir.NIRNode:
    """A convolution; NIR's files hold no groups but their weights, zero across groups."""
    channels, height, width = shape
    out, inside, *kernel = layer.w.shape
    groups = np.arange(part.groups)
    weight = np.zeros((part.groups, out // part.groups, part.groups, inside, *kernel))
    weight[groups, :, groups] = layer.w.reshape(part.groups, -1, inside, *kernel)
    node = nir.Conv2d(
        input_shape=(height, width),
        weight=weight.reshape(out, channels, *kernel),
        stride=part.stride,
        padding=part.padding,
        dilation=part.dilation,
        groups=1,
        bias=np.zeros(part.channels) if layer.b is None else layer.b,
        metadata={"groups": part.groups, "bias": layer.b is not None},
    )
    ours, theirs = part.output_shape(shape), tuple(node.output_type["output"].tolist())
    if ours != theirs:  # NIR 1.0.8 takes the kernel's height for its width, too
        raise NoExactConversion(
            f"kernel must be one that NIR 1.0.8 reads the width of, got {part.kernel} in {where}; "
            f"lost: the shape {ours}, for which its files say {theirs}; a square kernel padded "
            "with zeros keeps it where strides and padding allow"
        )
    return node


def neuron_node(
    neuron: LIF | GLIF, shape: Shape, synapse: Synapse | None, dt: float, rule: Rule, where: str
) -> nir.NIRNode:
    """Return a layer's neurons, with a current where the synapse has a memory."""
    synapse = _require_sayable(neuron, where) if isinstance(neuron, GLIF) else synapse
    scale = 1.0 if synapse is None else synapse.scale
    memory = 0.0 if synapse is None else synapse.leak

    def each(number: object) -> Array:
        """One number per neuron."""
        array = np.asarray(number, np.float64)
        return np.full(shape, array) if array.ndim == 0 else array.reshape(shape)

    fields = {
        "v_threshold": each(neuron.threshold),
        "v_reset": each(0.0),
        "metadata": _metadata(neuron, shape, synapse),
    }
    leaks = as_glif(neuron).leak
    assert isinstance(leaks, float | int | tuple)  # nothing is learned
    # dv/dt = r I has no time constant; its input counts r dt times.
    if leaks == 1.0 and memory == 0.0:
        return nir.IF(r=each(scale / dt), **fields)
    if isinstance(leaks, tuple):
        tau = [time_constant(leak, "leak", dt, rule) for leak in leaks]
    else:
        tau = time_constant(leaks, "leak", dt, rule)
    fields |= {"v_leak": each(0.0), "r": scale / (1.0 - each(leaks))}
    if memory == 0.0:
        return nir.LIF(tau=each(tau), **fields)
    # Its current counts an input (1 - memory) w_in times, and `Synapse` does once.
    return nir.CubaLIF(
        tau_syn=each(time_constant(memory, "synapse.leak", dt, rule)),
        tau_mem=each(tau),
        w_in=each(1.0 / (1.0 - memory)),
        **fields,
    )


def _metadata(neuron: LIF | GLIF, shape: Shape, synapse: Synapse | None) -> dict:
    """What NIR has no field for; and numbers that go through a time constant come back rounded."""
    kind = {reset: name for name, reset in RESETS.items()}[neuron.reset]
    numbers = {"leak": as_glif(neuron).leak, "threshold": as_glif(neuron).threshold}
    several = [name for name, number in numbers.items() if isinstance(number, tuple)]
    leak = np.asarray(numbers["leak"], np.float64)
    kept = {
        "reset": kind,
        "detach_reset": neuron.detach_reset,
        "leak": leak.reshape(shape) if several[:1] == ["leak"] else float(leak),
        "scale": 1.0 if synapse is None else float(synapse.scale),
    }
    if synapse is not None:
        kept["current_leak"] = float(synapse.leak)
    if isinstance(neuron, GLIF):
        kept |= {"neuron": "GLIF", "per_neuron": ", ".join(several)}
    return kept


def _require_sayable(neuron: GLIF, where: str) -> Synapse | None:
    """Return the synapse of a neuron that NIR has all parts of; refuse others by name."""
    synapse = neuron.synapse
    for missing, wanted, got, lost in (
        (
            neuron.learned,
            "learned must be nothing",
            ", ".join(neuron.learned),
            "that training moves it; rs.freeze_neurons(network, params) keeps the values",
        ),
        (
            neuron.adaptation,
            "adaptation must be None",
            neuron.adaptation,
            "how spikes raise the threshold; no node of NIR has that",
        ),
        (
            neuron.refractory,
            "refractory must be 0",
            neuron.refractory,
            "the steps without a spike; no node of NIR has them",
        ),
        (
            isinstance(synapse, Alpha),
            "synapse must be Synapse or None",
            synapse,
            "the second order of the current; NIR's CubaLIF has one of first order",
        ),
    ):
        if missing:
            raise NoExactConversion(f"{wanted}, got {got} in {where}; lost: {lost}")
    assert not isinstance(synapse, Alpha)
    require_not_delayed(synapse)
    return synapse


def require_not_delayed(synapse: Synapse | None) -> None:
    """Refuse a current that drives the potential one step late."""
    if synapse is not None and synapse.delayed:
        raise NoExactConversion(
            "synapse must not be delayed, got delayed True; lost: the step between current and "
            "potential"
        )


def integrator_node(readout: LeakyReadout, dt: float, rule: Rule) -> nir.NIRNode:
    """Return the neurons of a leaky readout, which never fire."""
    n, leak = readout.n_out, float(readout.leak)
    if leak == 1.0:
        return nir.I(r=np.full(n, 1.0 / dt))
    tau, r = time_constant(leak, "readout.leak", dt, rule), 1.0 / (1.0 - leak)
    return nir.LI(tau=np.full(n, tau), r=np.full(n, r), v_leak=np.zeros(n), metadata={"leak": leak})
