"""The case that a user's ``nn.Module`` stands for, read off what it does with a batch."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from refsast.arrays import Array, Integers
from refsast.crosscheck.adapters.axes import require_no_dropout, require_running_statistics
from refsast.crosscheck.adapters.module_call import (
    FoundCall,
    call_steps,
    find_call,
    require_states_kept,
)
from refsast.crosscheck.adapters.module_network import ModuleReading, ReadoutChoice, build_network
from refsast.crosscheck.adapters.module_wiring import trace_layers
from refsast.crosscheck.adapters.neuron_reading import PROGRAM, Reader
from refsast.crosscheck.case import Case
from refsast.model.loss import CrossEntropy, Loss
from refsast.model.readout import SpikeRate


@dataclass(frozen=True, eq=False)
class ModuleUse:
    """How a user's module takes its input.

    Attributes
    ----------
    enter : callable, optional
        From x (time, batch, ...) to what the module takes.
    reset : callable, optional
        Called with the module, to put its states at rest.
    """

    enter: Callable[[Tensor], Tensor] | None = None
    reset: Callable[[nn.Module], object] | None = None


def read_case(
    module: nn.Module,
    x: Array,
    y: Integers,
    read: Reader,
    *,
    gain: float = 1.0,
    name: str,
    detach_reset: bool = False,
    readout: ReadoutChoice | None = None,
    loss: Loss | None = None,
    use: ModuleUse = ModuleUse(),
) -> Case:
    """Return the case that a module stands for: layers of weights and neurons, and a readout.

    Its neurons are the nearest that refsast has. Their reset is not detached, whatever the library
    does, unless `detach_reset` says so: that is for the check to find.

    Parameters
    ----------
    module : torch.nn.Module
        Before each layer of neurons one ``Linear`` or ``Conv2d``, with pooling, ``BatchNorm`` in
        evaluation mode, and sums with spikes of earlier layers; as modules or, what has no
        weights, as functions. A last ``Linear`` without neurons reads out.
    x : (time, batch, n_0) or (time, batch, channels, height, width) array
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
    readout : readout of ours, or a class of one, optional
        What the loss reads. Default: ``SpikeRate(gain)``, or `LinearReadout` after a last linear
        map without neurons. ``MeanPotential()`` is the potentials of the last neurons; the classes
        ``MaxPotential``, ``LastPotential`` and ``LeakyReadout`` read them as integrators.
    loss : CrossEntropy, StepCrossEntropy or MeanSquaredRate, optional
        What is made of it. Default: `CrossEntropy`.
    use : ModuleUse
        How the module takes its input, where it is not x as it is.

    Returns
    -------
    Case
        With the module's weights.

    Raises
    ------
    ValueError
        If the module has other parts, or joins them otherwise.
    """
    x = np.asarray(x)
    if x.ndim not in (3, 5):
        wanted = "(time, batch, n) or (time, batch, channels, height, width)"
        raise ValueError(f"x must have shape {wanted}, got {x.shape}")
    flat = x.reshape(*x.shape[:2], -1)
    reading, found = read_module(
        module,
        flat,
        [x.shape[2:]],
        read,
        readout=SpikeRate(gain) if readout is None else readout,
        loss=CrossEntropy() if loss is None else loss,
        detach_reset=detach_reset,
        use=use,
    )
    if found.steps not in (None, len(x)):
        raise ValueError(
            f"x must repeat its input for the {found.steps} steps that the module runs, "
            f"got {len(x)}"
        )
    return Case(
        reading.network,
        reading.params,
        flat,
        y,
        synapse=reading.synapse,
        hard=reading.hard,
        name=name,
    )


def read_module(
    module: nn.Module,
    x: Array,
    shapes: list[tuple[int, ...]],
    read: Reader,
    *,
    readout: ReadoutChoice,
    loss: Loss,
    detach_reset: bool,
    use: ModuleUse,
) -> tuple[ModuleReading, FoundCall]:
    """Return what a module stands for, and how to call it.

    `x` is (time, batch, n_0), and `shapes` those that it may want in the place of n_0.
    """
    if not isinstance(module, nn.Module):
        raise ValueError(f"module must be a torch.nn.Module, got {type(module).__name__}")
    require_no_dropout(module)
    require_running_statistics(module)
    neurons = {
        name: reading
        for name, part in module.named_modules(remove_duplicate=False)
        if (reading := read(part)) is not None
    }
    if not neurons:
        raise ValueError(
            "module must have neurons of this library, got none: give wrap an rs.Case of your own "
            f"if the neurons are no modules, or {PROGRAM}"
        )
    found, trace = find_call(
        module,
        _make_tensor(module, x),
        shapes,
        neurons,
        takes_sequence=next(iter(neurons.values())).takes_sequence,
        enter=use.enter,
        reset=use.reset,
    )
    if found.call is call_steps:
        steps = _make_tensor(module, x[:2]).reshape(-1, x.shape[1], *found.shape)
        require_states_kept(module, steps, neurons, use.reset)
    wiring = trace_layers(trace, neurons)
    if not wiring:
        raise ValueError(f"module must call its neurons, got a run without: {PROGRAM}")
    reading = build_network(
        module,
        wiring,
        read,
        x.shape[2],
        readout=readout,
        loss=loss,
        detach_reset=detach_reset,
    )
    return reading, found


def _make_tensor(module: nn.Module, x: Array) -> Tensor:
    """The input, in the precision of the module."""
    first: Any = next(module.parameters(), None)
    return torch.tensor(x, dtype=torch.float32 if first is None else first.dtype)
