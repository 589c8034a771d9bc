"""From what joins a module's layers and what its neurons are: a network, its parameters, and ties.

Rule 1: dense layers of LIF neurons are built as such, with what filters their input beside them;
        only others are made of `GLIF` neurons.
Rule 2: a bias that the module lacks where other layers have one is zero, and is compared as such.
"""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from refsast.arrays import Array
from refsast.crosscheck.adapters.module_connections import (
    ReadConnection,
    copy_float64,
    read_connection,
)
from refsast.crosscheck.adapters.module_wiring import LayerWiring
from refsast.crosscheck.adapters.neuron_reading import (
    PROGRAM,
    NeuronReading,
    Reader,
    build_neuron,
)
from refsast.crosscheck.adapters.ties import LayerTensors, Tie
from refsast.model.connections import Dense
from refsast.model.lif import LIF
from refsast.model.loss import Loss
from refsast.model.network import Network
from refsast.model.params import Layer, Params
from refsast.model.readout import (
    LastPotential,
    LeakyReadout,
    LinearReadout,
    MaxPotential,
    MeanPotential,
    Readout,
    SpikeRate,
)
from refsast.model.reset import NoReset
from refsast.model.surrogate import Arctan
from refsast.model.synapse import Synapse

# A record, or a class of one that integrates: the leak is then that of the module's last neurons.
ReadoutChoice: TypeAlias = Readout | Callable[[int, float], Readout]


@dataclass(frozen=True, eq=False)
class ModuleReading:
    """What a module stands for.

    Attributes
    ----------
    network : Network
        The network.
    params : tuple of Layer
        The module's own parameters, as ours.
    synapse : Synapse or None
        What filters the input of LIF neurons, beside the network.
    hard : bool
        Whether spikes are hard forward.
    ties : tuple of Tie
        How the module's parameters follow from ours.
    folded : dict of str to str
        Parameters that are part of one of ours together with another: what is said of them.
    """

    network: Network
    params: Params
    synapse: Synapse | None
    hard: bool
    ties: tuple[Tie, ...]
    folded: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class _ReadLayer:
    """One layer: what leads to it, and its neurons; a readout has none."""

    connection: ReadConnection
    name: str = ""
    neuron: NeuronReading | None = None
    feedback: nn.Linear | None = None  # the neurons' own layer for their spikes
    norm: nn.Module | None = None  # the normalisation after the weights


def build_network(
    module: nn.Module,
    wiring: Sequence[LayerWiring],
    read: Reader,
    n_in: int,
    *,
    readout: ReadoutChoice,
    loss: Loss,
    detach_reset: bool,
) -> ModuleReading:
    """Return the network that a module stands for; `readout` as for `module_reader.read_case`.

    Raises ValueError where no network is the same.
    """
    layers = [_read_layer(module, each, read) for each in wiring]
    layers, chosen = _choose_readout(layers, readout)
    spiking = [each for each in layers if each.neuron is not None]
    neurons = [each.neuron for each in spiking if each.neuron is not None]
    if len({each.hard for each in neurons}) > 1:
        raise ValueError(
            "module must have neurons that fire alike, got hard and smooth ones: check the layers "
            "of each kind as a module of their own"
        )
    recurrent = {each.feedback is not None for each in spiking}
    if len(recurrent) > 1:
        raise ValueError(
            "module must feed back the spikes of all layers or of none, got both: make the others "
            "recurrent, too, with weights of zero"
        )
    image = layers[0].connection.image
    if image is not None and int(np.prod(image)) != n_in:
        raise ValueError(f"x must have {int(np.prod(image))} = {image} inputs, got {n_in}")
    chains = [each.connection.chain for each in spiking]
    dense = all(len(chain) == 1 and isinstance(chain[0], Dense) for chain in chains)
    synapses = {each.convention.synapse for each in neurons}
    general = not (dense and len(synapses) == 1 and all(each.is_plain for each in neurons))
    bias = any(_has_bias(each) for each in layers)
    shapes = _layer_shapes(image or n_in, chains)
    first: Any = image or n_in
    network = Network(
        (first, *chains),
        tuple(
            build_neuron(each, shape, detach_reset, general)
            for each, shape in zip(neurons, shapes, strict=True)
        ),
        chosen,
        bias=bias,
        recurrent=recurrent == {True},
        loss=loss,
    )
    return ModuleReading(
        network,
        tuple(_read_params(each, bias) for each in layers),
        None if general else synapses.pop(),
        neurons[0].hard,
        tuple(tie for i, each in enumerate(layers) for tie in _tie_layer(i, each, bias)),
        {name: what for each in layers for name, what in _list_shared(each)},
    )


def _choose_readout(
    layers: list[_ReadLayer], readout: ReadoutChoice
) -> tuple[list[_ReadLayer], Readout]:
    """The layers, of which the last may be one that integrates without spikes, and the readout."""
    last, n = layers[-1], layers[-1].connection.channels
    integrates = not isinstance(readout, SpikeRate | MeanPotential | LinearReadout)
    if last.neuron is not None and integrates:
        layers = [*layers[:-1], _ReadLayer(last.connection, norm=last.norm)]
        made = readout(n, _integrator_leak(last)) if callable(readout) else readout
        if getattr(made, "leak", None) != _integrator_leak(last):
            raise ValueError(
                f"readout must have the leak of {last.name}, {_integrator_leak(last)}, got {made}"
            )
        return layers, made
    if last.neuron is not None:
        if isinstance(readout, LinearReadout):
            raise ValueError(
                f"module must end with a Linear for {readout}, got {last.name} after it"
            )
        return layers, readout
    if isinstance(readout, SpikeRate):  # the default
        return layers, LinearReadout(n)
    if isinstance(readout, LeakyReadout | LastPotential | MaxPotential | LinearReadout):
        return layers, readout
    raise ValueError(
        "readout must be a record such as rs.MaxPotential(n, leak) where the module has no neurons "
        f"after its last Linear, got {readout}"
    )


def _integrator_leak(layer: _ReadLayer) -> float:
    """The leak of neurons that only integrate; a ValueError where they do more."""
    neuron = layer.neuron
    assert neuron is not None
    c = neuron.convention
    if not (neuron.is_plain and c.synapse is None and layer.feedback is None):
        got = "a synapse, feedback, or numbers that are learned or one per neuron"
        raise ValueError(
            f"{layer.name} must be a plain integrator to be read out, got {got}: {PROGRAM}"
        )
    if not isinstance(c.reset, NoReset):
        raise ValueError(
            f"{layer.name} must not reset to be read out as an integrator, got {c.reset}: "
            "rs.MeanPotential reads the potentials of a layer that does"
        )
    return c.leak


def _layer_shapes(first: object, chains: Sequence) -> list[tuple[int, ...]]:
    """The shapes of the layers."""
    neuron = LIF(0.0, 1.0, Arctan(1.0))  # any
    network = Network((first, *chains), neuron, SpikeRate(1.0))  # pyright: ignore
    return [shapes[-1] for shapes in network.chain_shapes]


def _read_layer(module: nn.Module, wiring: LayerWiring, read: Reader) -> _ReadLayer:
    if wiring.neuron is None:
        return _ReadLayer(read_connection(wiring.steps, "the output"))
    name = wiring.neuron.name
    connection = read_connection(wiring.steps, name)
    norm = None if connection.norm is None else module.get_submodule(connection.norm)
    part = module.get_submodule(name)
    neuron = read(part)
    assert neuron is not None  # the trace has found it
    feedback: Any = None if neuron.recurrent is None else part.get_submodule(neuron.recurrent)
    return _ReadLayer(connection, name, neuron, feedback, norm)


def _has_bias(layer: _ReadLayer) -> bool:
    read, feedback = layer.connection, layer.feedback
    added = feedback is not None and feedback.bias is not None
    return read.layer.bias is not None or read.norm is not None or added


def _read_params(layer: _ReadLayer, bias: bool) -> Layer:
    """A layer's parameters as ours, float64."""
    read, neuron = layer.connection, layer.neuron
    numbers = {} if neuron is None else neuron.numbers
    learned = {k: each.initial for k, each in numbers.items() if each.parameter is not None}
    scale = _input_scale(layer, {k: torch.as_tensor(a) for k, a in learned.items()})
    factor = 1.0 if scale is None else scale.numpy()
    gamma = np.broadcast_to(factor * read.scale * read.gamma, (read.channels,))
    w = _by_channel(gamma, read.layer.weight) * copy_float64(read.layer.weight)
    b = factor * (read.gamma * _own_bias(read) + read.shift) + _feedback_bias(layer)
    v = None if layer.feedback is None else copy_float64(layer.feedback.weight)
    return Layer(w, b if bias else None, v, **learned)


def _own_bias(read: ReadConnection) -> Array:
    bias = read.layer.bias
    return np.zeros(read.channels) if bias is None else copy_float64(bias)


def _feedback_bias(layer: _ReadLayer) -> Array | float:
    feedback = layer.feedback
    return 0.0 if feedback is None or feedback.bias is None else copy_float64(feedback.bias)


def _by_channel(numbers: Array, weight: Tensor) -> Array:
    """One number per channel, to multiply its weights with."""
    return numbers.reshape(-1, *(1,) * (weight.ndim - 1))


def _tie_layer(i: int, layer: _ReadLayer, bias: bool) -> Iterator[Tie]:
    """Yield how the module's parameters follow from ours."""
    read, neuron = layer.connection, layer.neuron
    yield Tie(_join(read.weights, "weight"), i, _tie_weight(layer))
    if bias:
        yield _tie_bias(i, layer)
    if layer.feedback is not None and neuron is not None:
        name = _join(layer.name, f"{neuron.recurrent}.weight")
        yield Tie(name, i, lambda ours: ours["v"])
    for part, number in ({} if neuron is None else neuron.numbers).items():
        if number.parameter is not None:
            name, make = _join(layer.name, number.parameter), number.make
            yield Tie(name, i, lambda ours, part=part, make=make: make(ours[part]))


def _tie_weight(layer: _ReadLayer) -> Callable[[LayerTensors], Tensor]:
    """The weights, without what is folded into them, and what the neurons scale them with."""
    read = layer.connection
    factor = read.scale * _by_channel(read.gamma, read.layer.weight)
    same = bool((factor == 1.0).all())

    def make(ours: LayerTensors) -> Tensor:
        w, scale = ours["w"], _input_scale(layer, ours)
        if scale is not None:
            w = w / scale.reshape(-1, *(1,) * (w.ndim - 1))
        return w if same else w / torch.as_tensor(factor, dtype=w.dtype)

    return make


def _tie_bias(i: int, layer: _ReadLayer) -> Tie:
    """The bias of the normalisation, if it has one, else that of the weights."""
    read = layer.connection
    norm: Any = layer.norm
    # ours = scale (gamma own + shift) + feedback, where the shift holds the normalisation's bias
    feedback, gamma, rest = np.asarray(_feedback_bias(layer)), read.gamma, read.shift
    beta = None if norm is None else norm.bias
    if beta is not None:
        gamma, rest = np.ones(()), read.gamma * _own_bias(read) + read.shift - copy_float64(beta)

    def make(ours: LayerTensors) -> Tensor:
        b, scale = ours["b"], _input_scale(layer, ours)
        if feedback.any():
            b = b - torch.as_tensor(feedback, dtype=b.dtype)
        if scale is not None:
            b = b / scale
        if rest.any():
            b = b - torch.as_tensor(rest, dtype=b.dtype)
        return b if (gamma == 1.0).all() else b / torch.as_tensor(gamma, dtype=b.dtype)

    return Tie(_join(read.weights if beta is None else read.norm, "bias"), i, make)


def _input_scale(layer: _ReadLayer, ours: LayerTensors) -> Tensor | None:
    """What the neurons multiply their input with, if they learn it."""
    neuron = layer.neuron
    return None if neuron is None or neuron.input_scale is None else neuron.input_scale(ours)


def _list_shared(layer: _ReadLayer) -> Iterator[tuple[str, str]]:
    """Yield the parameters that are one of ours together with another, and what to say of them."""
    read, feedback = layer.connection, layer.feedback
    bias = f"{read.weights}.bias"
    if feedback is not None and feedback.bias is not None and layer.neuron is not None:
        yield f"{layer.name}.{layer.neuron.recurrent}.bias", f"its sum with {bias} is compared"
    norm: Any = layer.norm
    if norm is None:
        return
    if norm.weight is not None:
        yield f"{read.norm}.weight", f"folded into {read.weights}.weight"
    if norm.bias is not None and read.layer.bias is not None:
        yield bias, f"folded into {read.norm}.bias"


def _join(owner: str | None, name: str) -> str:
    """The name of a parameter within the module; the module itself has no name."""
    return f"{owner}.{name}" if owner else name
