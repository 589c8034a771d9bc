"""The case that a user's ``nn.Module`` stands for, read off its layers and neurons."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from torch import Tensor, nn

from refsast.arrays import Array, Integers
from refsast.crosscheck.adapters.convention import Convention, nearest_lif
from refsast.crosscheck.case import Case
from refsast.model.network import Network
from refsast.model.params import Layer
from refsast.model.readout import LinearReadout, SpikeRate
from refsast.model.surrogate import Surrogate


@dataclass(frozen=True)
class NeuronReading:
    """What one of a library's neurons was found to be.

    Attributes
    ----------
    convention : Convention
        Its equation.
    spike : Surrogate
        Its smooth spike, or the one that its surrogate gradient is the derivative of.
    hard : bool
        Whether it fires hard forward.
    """

    convention: Convention
    spike: Surrogate
    hard: bool


# From a submodule to what it is as a neuron; None if it is no neuron.
Reader: TypeAlias = Callable[[nn.Module], NeuronReading | None]


def read_case(
    module: nn.Module,
    x: Array,
    y: Integers,
    read: Reader,
    *,
    gain: float,
    name: str,
    detach_reset: bool = False,
) -> Case:
    """Return the case of a module of ``nn.Linear`` and neurons in turn.

    Its neurons are the nearest that refsast has. Their reset is not detached, whatever the library
    does, unless `detach_reset` says so: that is for the check to find.

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
        What each submodule is as a neuron.
    gain : float
        Logit of a neuron that fires at every step.
    name : str
        For reports.
    detach_reset : bool
        Whether no gradient is to flow through the reset: so a library that always detaches it can
        be checked for everything else.

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
        raise ValueError(
            "module must have biases in all linear layers or in none, got both: give the others "
            "biases of zero"
        )
    if len({(each.hard, each.convention.synapse) for each in neurons}) > 1:
        raise ValueError(
            "module must have neurons that fire alike and filter their input alike, got others: "
            "check the layers of each kind as a module of their own"
        )
    hard, synapse = neurons[0].hard, neurons[0].convention.synapse
    sizes = (linears[0].in_features, *(linear.out_features for linear in linears[: len(neurons)]))
    # A last linear layer without neurons reads out; without one, spikes are counted.
    has_readout = len(linears) > len(neurons)
    readout = LinearReadout(linears[-1].out_features) if has_readout else SpikeRate(gain)
    lifs = tuple(
        replace(nearest_lif(each.convention, each.spike), detach_reset=detach_reset)
        for each in neurons
    )
    params = tuple(
        Layer(_float64_array(each.weight), None if each.bias is None else _float64_array(each.bias))
        for each in linears
    )
    network = Network(sizes, lifs, readout, bias=biased == {True})
    return Case(network, params, x, y, synapse=synapse, hard=hard, name=name)


def _float64_array(parameter: Tensor) -> Array:
    """A parameter as float64."""
    return parameter.detach().numpy().astype(np.float64)


def read_number(value: object, name: str) -> float:
    """Return a number, or what is in a tensor of one; more, one per neuron, are a ValueError."""
    if isinstance(value, Tensor):
        if value.numel() != 1:
            got = f"got {value.numel()}: check a copy in which all have the same"
            raise ValueError(f"{name} must be one number for all neurons, {got}")
        return float(value.detach())
    return float(value)  # pyright: ignore[reportArgumentType]


def _split_layers(module: nn.Module, read: Reader) -> tuple[list[nn.Linear], list[NeuronReading]]:
    """The linear layers and the neurons, which must follow each other."""
    linears, neurons, order = [], [], []
    neuron_parts: set[nn.Module] = set()
    for each in module.modules():
        if each in neuron_parts:
            continue
        neuron = read(each)
        if neuron is not None:
            neurons.append(neuron)
            # A recurrent neuron's own linear layer is no layer of the network.
            neuron_parts.update(each.modules())
        elif isinstance(each, nn.Linear):
            linears.append(each)
        elif next(each.parameters(recurse=False), None) is None:
            continue  # a container, or a layer without parameters
        order.append(type(each).__name__ if neuron is None else "neuron")
    pairs = ["Linear", "neuron"] * len(neurons)
    if not neurons or order not in (pairs, [*pairs, "Linear"]):
        got = f"got {', '.join(order) or 'neither'}: {_way_out(module, order)}"
        raise ValueError(f"module must have Linear and neurons in turn, {got}")
    return linears, neurons


def _way_out(module: nn.Module, order: list[str]) -> str:
    """What to do about a module whose parts are others, or stand in another order."""
    names = [name for name, _ in module.named_modules(remove_duplicate=False)]
    if len(names) > len(list(module.named_modules())):
        return "a part stands in it twice; give each layer one of its own"
    if any("Norm" in name for name in order):
        return "check a copy without normalization, or with it folded into the linear layer"
    if set(order) - {"Linear", "neuron"}:
        return "check a copy with nn.Linear in place of what is neither"
    if "neuron" not in order:
        return "give wrap an rs.Case of your own if the neurons are no modules"
    return "define parts in the order in which they run, and multiply linear layers in a row"


def refuse_neuron(wanted: str, module: nn.Module) -> ValueError:
    """Return the error for a neuron that no case has, with what can be asked all the same."""
    return ValueError(
        f"neurons must be {wanted}, got {type(module).__name__}: put one of these in its place, or "
        "ask rs.integrable, smooth, with an rs.Case of the same sizes"
    )
