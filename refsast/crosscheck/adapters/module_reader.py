"""The case that a user's ``nn.Module`` stands for, read off its layers and neurons."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from refsast.arrays import Array, Integers
from refsast.crosscheck.case import Case
from refsast.model.lif import LIF
from refsast.model.network import Network
from refsast.model.params import Layer
from refsast.model.readout import LinearReadout, SpikeRate
from refsast.model.synapse import Synapse


@dataclass(frozen=True)
class Read:
    """What one of a library's neurons is.

    Attributes
    ----------
    neuron : LIF
        Its equation; the reset is not detached, whatever the library does: that is to be found out.
    hard : bool
        Whether it fires hard.
    synapse : Synapse or None
        What its input goes through.
    """

    neuron: LIF
    hard: bool
    synapse: Synapse | None = None


def read_case(
    module: nn.Module,
    x: Array,
    y: Integers,
    read: Callable[[nn.Module], Read | None],
    *,
    gain: float,
    name: str,
) -> Case:
    """Return the case of a module of ``nn.Linear`` and neurons in turn.

    Parameters
    ----------
    module : torch.nn.Module
        Its submodules in the order of their definition: linear, neuron, linear, neuron, ...; a last
        linear without a neuron is a `LinearReadout`, else spikes are counted, as by `SpikeRate`.
    x : (time, batch, n_0) array
        Input.
    y : (batch,) array of int
        Labels.
    read : callable
        From a submodule to what it is as a neuron; None if it is none.
    gain : float
        Logit of a neuron that fires at every step.
    name : str
        For reports.

    Returns
    -------
    Case
        With the module's weights.

    Raises
    ------
    ValueError
        If the module has other parts, or they stand in another order.
    """
    if not isinstance(module, nn.Module):
        raise ValueError(f"module must be a torch.nn.Module, got {type(module).__name__}")
    linears, neurons = _split_layers(module, read)
    biased = {linear.bias is not None for linear in linears}
    if len(biased) > 1:
        raise ValueError("module must have biases in all linear layers or in none, got both")
    if len({(one.hard, one.synapse) for one in neurons}) > 1:
        raise ValueError("module must have neurons that fire alike, got hard and smooth, or scales")
    spiking = linears[: len(neurons)]
    sizes = (spiking[0].in_features, *(linear.out_features for linear in spiking))
    last = linears[-1].out_features
    readout = SpikeRate(gain) if len(linears) == len(neurons) else LinearReadout(last)
    each = tuple(one.neuron for one in neurons)
    network = Network(sizes, each, readout, bias=biased == {True})
    params = tuple(
        Layer(_float64_array(each.weight), None if each.bias is None else _float64_array(each.bias))
        for each in linears
    )
    return Case(network, params, x, y, synapse=neurons[0].synapse, hard=neurons[0].hard, name=name)


def _float64_array(parameter: Tensor) -> Array:
    """A parameter as float64."""
    return parameter.detach().numpy().astype(np.float64)


def read_number(value: object, name: str) -> float:
    """Return what a neuron has as a number, or as a tensor with one in it.

    Raises
    ------
    ValueError
        If there are several: one per neuron.
    """
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise ValueError(f"{name} must be one number for all neurons, got {value.numel()}")
        return float(value.detach())
    return float(value)  # pyright: ignore[reportArgumentType]


def _split_layers(
    module: nn.Module, read: Callable[[nn.Module], Read | None]
) -> tuple[list[nn.Linear], list[Read]]:
    """The linear layers and the neurons, which must follow each other."""
    linears, neurons, order = [], [], []
    inside: set[nn.Module] = set()
    for each in module.modules():
        if each in inside:
            continue
        found = read(each)
        if found is not None:
            neurons.append(found)
            inside.update(each.modules())
        elif isinstance(each, nn.Linear):
            linears.append(each)
        elif next(each.parameters(recurse=False), None) is None:
            continue  # a container, or what has nothing to learn
        order.append(type(each).__name__ if found is None else "neuron")
    pairs = ["Linear", "neuron"] * len(neurons)
    if not neurons or order not in (pairs, [*pairs, "Linear"]):
        raise ValueError(f"module must have Linear and neurons in turn, got {', '.join(order)}")
    return linears, neurons
