"""From what joins a module's layers and what its neurons are: a network, its parameters, and ties.

Rule 1: dense layers of LIF neurons are built as such, with what filters their input beside them;
        only others are made of `GLIF` neurons.
Rule 2: a bias that the module lacks where other layers have one is zero, and is compared as such.
"""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from torch import nn

from refsast.crosscheck.adapters.module_connections import (
    read_connection,
)
from refsast.crosscheck.adapters.module_parameters import (
    ReadLayer,
    list_shared,
    read_params,
    tie_layer,
)
from refsast.crosscheck.adapters.module_wiring import LayerWiring
from refsast.crosscheck.adapters.neuron_reading import (
    PROGRAM,
    Reader,
    build_neuron,
)
from refsast.crosscheck.adapters.ties import SharedParameter, Tie
from refsast.model.connections import Dense
from refsast.model.lif import LIF
from refsast.model.loss import Loss
from refsast.model.network import Network, describe_output
from refsast.model.params import Params
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
    shared : tuple of SharedParameter
        Its parameters that are one of ours together with another.
    """

    network: Network
    params: Params
    synapse: Synapse | None
    hard: bool
    ties: tuple[Tie, ...]
    shared: tuple[SharedParameter, ...]


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
    _require_alike(spiking)
    first: Any = _require_inputs(layers[0], n_in)
    chains: Any = [each.connection.chain for each in spiking]
    dense = all(len(chain) == 1 and isinstance(chain[0], Dense) for chain in chains)
    synapses = {each.convention.synapse for each in neurons}
    plain = dense and len(synapses) == 1 and all(each.is_plain for each in neurons)
    # A synapse stands beside LIF neurons only where readout and loss are those of the first kind.
    general = not plain or (synapses != {None} and bool(describe_output(chosen, loss)))
    bias = any(_has_bias(each) for each in layers)
    built = tuple(
        build_neuron(each, shape, detach_reset, general)
        for each, shape in zip(neurons, _layer_shapes(first, chains), strict=True)
    )
    recurrent = spiking[0].feedback is not None
    try:
        network = Network(
            (first, *chains), built, chosen, bias=bias, recurrent=recurrent, loss=loss
        )
    except ValueError as error:  # a readout and a loss that do not go together, say
        raise ValueError(f"{error}: {PROGRAM}") from None
    params = tuple(read_params(each, bias) for each in layers)
    for layer, own, shapes in zip(layers, params, network.shapes, strict=True):
        if own.w.shape != shapes["w"]:
            raise ValueError(
                f"{layer.connection.weights} must see all numbers of a recording at once, weights "
                f"{shapes['w']}, got {own.w.shape}: {PROGRAM}"
            )
    return ModuleReading(
        network,
        params,
        None if general else synapses.pop(),
        neurons[0].hard,
        tuple(tie for i, each in enumerate(layers) for tie in tie_layer(i, each, bias)),
        tuple(each for i, layer in enumerate(layers) for each in list_shared(i, layer)),
    )


def _require_alike(spiking: Sequence[ReadLayer]) -> None:
    """Refuse layers that no network has together."""
    if not spiking:
        raise ValueError(f"module must have neurons that spike, got integrators alone: {PROGRAM}")
    if len({each.neuron.hard for each in spiking if each.neuron is not None}) > 1:
        raise ValueError(
            "module must have neurons that fire alike, got hard and smooth ones: check the layers "
            "of each kind as a module of their own"
        )
    if len({each.feedback is not None for each in spiking}) > 1:
        raise ValueError(
            "module must feed back the spikes of all layers or of none, got both: make the others "
            "recurrent, too, with weights of zero"
        )


def _require_inputs(layer: ReadLayer, n_in: int) -> int | tuple[int, ...]:
    """The shape of the input, which must have as many numbers as x at a step."""
    image = layer.connection.image
    if image is not None and int(np.prod(image)) != n_in:
        raise ValueError(f"x must have {int(np.prod(image))} = {image} inputs, got {n_in}")
    return image or n_in


def _choose_readout(
    layers: list[ReadLayer], readout: ReadoutChoice
) -> tuple[list[ReadLayer], Readout]:
    """The layers, of which the last may be one that integrates without spikes, and the readout."""
    last, n = layers[-1], layers[-1].connection.channels
    integrates = not isinstance(readout, SpikeRate | MeanPotential | LinearReadout)
    if last.neuron is not None and integrates:
        layers = [*layers[:-1], ReadLayer(last.connection, norm=last.norm)]
        made = readout(n, _integrator_leak(last)) if callable(readout) else readout
        if getattr(made, "leak", None) != _integrator_leak(last):
            raise ValueError(
                f"readout must have the leak of {last.name}, {_integrator_leak(last)}, got {made}"
            )
        return layers, made
    if last.neuron is not None and isinstance(readout, SpikeRate | MeanPotential | LinearReadout):
        if isinstance(readout, LinearReadout):
            way_out = "take rs.SpikeRate"
            raise ValueError(
                f"module must end with a Linear for {readout}, got {last.name} after it: {way_out}"
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


def _integrator_leak(layer: ReadLayer) -> float:
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


def _read_layer(module: nn.Module, wiring: LayerWiring, read: Reader) -> ReadLayer:
    if wiring.neuron is None:
        return ReadLayer(read_connection(wiring.steps, "the output"))
    name = wiring.neuron.name
    connection = read_connection(wiring.steps, name)
    norm = None if connection.norm is None else module.get_submodule(connection.norm)
    part = module.get_submodule(name)
    neuron = read(part)
    assert neuron is not None  # the trace has found it
    feedback: Any = None if neuron.recurrent is None else part.get_submodule(neuron.recurrent)
    return ReadLayer(connection, name, neuron, feedback, norm)


def _has_bias(layer: ReadLayer) -> bool:
    read, feedback = layer.connection, layer.feedback
    added = feedback is not None and feedback.bias is not None
    return read.layer.bias is not None or read.norm is not None or added
