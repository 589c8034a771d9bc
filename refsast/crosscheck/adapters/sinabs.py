"""Sinabs: its `LIF` layers, as implementations to be checked.

`libraries.sinabs_lif` is their equation. ``MembraneReset`` resets to zero by any spike that is not
exactly zero, which is `ToZero` for hard spikes only. ``norm_input`` scales the input by 1 - alpha:
``Synapse(0, 1 - alpha)``. With ``tau_syn`` the input goes through a current, which decays before it
arrives: ``Synapse(a, a)``, or ``Synapse(a, a (1 - alpha))`` with both.

Rule 1: a smooth spike is an object of our own passed as ``spike_fn``, as the library documents.
Rule 2: its hard spikes come in single precision, so the numbers of hard cases are rounded to it on
        the way in and out.
Rule 3: layers get their ``alpha`` directly; computed from a time constant it would be rounded.
"""

# pyright: reportMissingImports=false
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import Any, TypeAlias

import numpy as np
import torch
from sinabs import activation, layers
from torch import Tensor, nn

from refsast.arrays import Array, Integers
from refsast.crosscheck.adapters import module_wrapper
from refsast.crosscheck.adapters import torch as plain
from refsast.crosscheck.adapters.autograd import LayerOutput, autograd_implementation, scales_match
from refsast.crosscheck.adapters.libraries import sinabs_lif_from_alpha
from refsast.crosscheck.adapters.module_connections import copy_float64
from refsast.crosscheck.adapters.module_reader import ModuleUse, read_case
from refsast.crosscheck.adapters.neuron_reading import (
    PROGRAM,
    NeuronNumber,
    NeuronReading,
    first_number,
    read_number,
    refuse_neuron,
)
from refsast.crosscheck.case import Case
from refsast.crosscheck.implementation import Implementation, refuse_case
from refsast.model.glif import Adaptation
from refsast.model.lif import LIF
from refsast.model.reset import Subtract, ToZero
from refsast.model.spike import Spike
from refsast.model.surrogate import Surrogate
from refsast.model.synapse import Synapse

NAME = f"Sinabs {version('sinabs')}"
ResetFunction: TypeAlias = activation.MembraneReset | activation.MembraneSubtract


class SmoothSpike:
    """A smooth spike in the form that the library asks for."""

    required_states = ("v_mem",)

    def __init__(self, spike: Spike) -> None:
        self.spike = plain.smooth_spike(spike)

    def apply(self, v_mem: Tensor, threshold: Tensor, _: object) -> Tensor:
        """Return spikes of potentials."""
        return self.spike(v_mem - threshold)


def factory(case: Case) -> Implementation:
    """Return `subtract` or `zero`, as the case's neurons reset."""
    return zero(case) if isinstance(case.network.neurons[0].reset, ToZero) else subtract(case)


def subtract(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return layers with ``MembraneSubtract``: right, smooth and hard, for Subtract(leaked=True).

    They give spikes, and adjoints where nothing remembers the input. Unsupported: a reset or
    synapse that is not theirs, a spike of no known family.
    """
    return _implementation(case, Subtract(leaked=True), activation.MembraneSubtract(), dtype)


def zero(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return layers with ``MembraneReset``, for ToZero; else as `subtract`.

    A smooth spike is hardly ever exactly 0, so it resets all potentials to zero in every step. A
    hard one resets as it should, but no gradient goes through it.
    """
    return _implementation(case, ToZero(), activation.MembraneReset(), dtype)


def _implementation(
    case: Case, reset: ToZero | Subtract, reset_fn: ResetFunction, dtype: torch.dtype
) -> Implementation:
    """Layers with one kind of reset."""
    for neuron in case.network.neurons:
        if neuron.reset != reset:
            raise refuse_case(f"reset must be {reset}, got {neuron.reset}")
    factories = [_layer_factory(case, neuron, reset_fn, dtype) for neuron in case.network.neurons]

    def population(i: int, currents: Tensor, v: Tensor | None) -> LayerOutput:
        with torch.no_grad():
            layer = factories[i](v)
        s = layer(currents.transpose(0, 1)).transpose(0, 1)  # the library has the batch first
        return LayerOutput(s.to(dtype), None, currents)

    precision = np.float32 if case.hard else None
    return autograd_implementation(case, population, name=NAME, dtype=dtype, precision=precision)


def _layer_factory(
    case: Case, neuron: LIF, reset_fn: ResetFunction, dtype: torch.dtype
) -> Callable[[Tensor | None], torch.nn.Module]:
    """Return what makes a layer at rest, given its recurrent weights or None."""
    alpha_syn, norm_input = _synapse_settings(case.synapse, neuron.leak)
    settings = {
        "tau_mem": 1.0,  # replaced by alpha below, as is tau_syn
        "tau_syn": None if alpha_syn is None else 1.0,
        "spike_threshold": torch.tensor(neuron.threshold, dtype=dtype),
        "reset_fn": reset_fn,
        "train_alphas": True,
        "norm_input": norm_input,
    }
    if case.hard:
        derivative = plain.smooth_spike_derivative(neuron.spike)
        settings["spike_fn"] = activation.SingleSpike
        settings["surrogate_grad_fn"] = lambda v_mem, threshold: derivative(v_mem - threshold)
    else:
        settings["spike_fn"] = SmoothSpike(neuron.spike)

    def make(v: Tensor | None) -> torch.nn.Module:
        if v is None:
            layer = layers.LIF(**settings)
        else:
            layer = layers.LIFRecurrent(rec_connect=_RecurrentWeights(v), **settings)
        layer.alpha_mem = torch.nn.Parameter(torch.tensor(neuron.leak, dtype=dtype))
        if alpha_syn is not None:
            layer.alpha_syn = torch.nn.Parameter(torch.tensor(alpha_syn, dtype=dtype))
        return layer

    return make


class _RecurrentWeights(torch.nn.Module):
    """Recurrent weights that stay on the caller's tape."""

    def __init__(self, v: Tensor) -> None:
        super().__init__()
        self.v = v  # a plain tensor, so that the module does not take it for its own parameter

    def forward(self, s: Tensor) -> Tensor:
        return torch.nn.functional.linear(s.to(self.v.dtype), self.v)


def _synapse_settings(synapse: Synapse | None, leak: float) -> tuple[float | None, bool]:
    """The leak of the current or None, and whether the input is scaled by one minus the leak."""
    if synapse is None:
        return None, False
    factor = synapse.leak if synapse.leak > 0.0 else 1.0
    for norm_input, scale in ((False, factor), (True, factor * (1.0 - leak))):
        if scales_match(synapse, scale):
            return synapse.leak if synapse.leak > 0.0 else None, norm_input
    wanted = f"{factor} or {factor * (1.0 - leak)}, not delayed"
    raise refuse_case(f"synapse must have the scale {wanted}, got {synapse}")


def wrap(module: nn.Module, case: Case, **options) -> Implementation:
    """Return a user's module of Sinabs's layers as an implementation.

    ``module(x)`` with x (batch, time, n_0), as is usual there, returns spikes of such axes;
    `case_of` gives the case. Options as for `module_wrapper.wrap`.
    """
    spike: Any = case.network.neurons[0].spike
    defaults = {
        "enter": _swap_axes,
        "leave": lambda s: s.transpose(0, 1) if s.ndim > 2 else s,
        "reset": reset_states,
        "name": NAME,
        "read": partial(_read_neuron, spike=spike),
    }
    return module_wrapper.wrap(module, case, **{**defaults, **options})


def _swap_axes(x: Tensor) -> Tensor:
    return x.transpose(0, 1)


def reset_states(module: nn.Module) -> None:
    """Remove the states of all layers; each then starts anew, at rest."""
    for each in module.modules():
        if isinstance(each, layers.StatefulLayer):
            for key in dict(each.named_buffers(recurse=False)):
                each.register_buffer(key, torch.zeros(0))


def case_of(module: nn.Module, x: Array, y: Integers, *, spike: Surrogate, **options) -> Case:
    """Return the case that a module of Sinabs's LIF, ALIF or IAF layers stands for.

    Parameters and errors as `module_reader.read_case`, and `spike`: what ``spike_fn`` computes or,
    if that is ``SingleSpike``, what ``surrogate_grad_fn`` is the derivative of. None of the
    library's own is of our families. Time constants are parameters of the library's: what is
    compared is the leak that follows from them, and what it scales.
    """
    use = ModuleUse(options.pop("enter", _swap_axes), reset_states)
    read = partial(_read_neuron, spike=spike)
    return read_case(module, x, y, read, **{"name": "Sinabs module", "use": use, **options})


KINDS = (layers.LIF, layers.LIFSqueeze, layers.IAF, layers.IAFSqueeze, layers.ALIF)


def _read_neuron(module: nn.Module, spike: Surrogate) -> NeuronReading | None:
    """The equation and spike of a layer; None if it has no neurons."""
    if not isinstance(module, layers.StatefulLayer):
        return None
    if type(module) not in KINDS:
        raise refuse_neuron("LIF, LIFSqueeze, IAF, IAFSqueeze or ALIF of sinabs.layers", module)
    layer: Any = module
    threshold = _require_plain(layer)
    adapts, current = isinstance(layer, layers.ALIF), layer.alpha_syn_calculated is not None
    equation = sinabs_lif_from_alpha(
        first_number(layer.alpha_mem_calculated),
        first_number(layer.alpha_syn_calculated) if current else None,
        threshold,
        type(layer.reset_fn).__name__,
        norm_input=False,
    )
    # What is learned scales the input, too: by `input_scale`, not by the synapse.
    synapse = None if equation.synapse is None else Synapse(equation.synapse.leak)
    numbers = {"leak": _read_leak(layer, "mem"), "synapse_leak": _read_leak(layer, "syn")}
    return NeuronReading(
        replace(equation, synapse=synapse),
        spike,
        layer.spike_fn is activation.SingleSpike,
        {name: number for name, number in numbers.items() if number is not None},
        adaptation=_read_adaptation(layer) if adapts else None,
        input_scale=partial(_input_scale, norm=layer.norm_input, current=current),
        takes_sequence=True,
    )


def _require_plain(layer: Any) -> float:
    """The threshold at rest; a ValueError where a layer does what no network does."""
    adapts = isinstance(layer, layers.ALIF)
    threshold = read_number(layer.b0 if adapts else layer.spike_threshold, "spike_threshold")
    if layer.min_v_mem is not None:
        got = read_number(layer.min_v_mem, "min_v_mem")
        raise ValueError(f"min_v_mem must be None, got {got}: check a copy without")
    if layer.spike_fn in (activation.MultiSpike, activation.MaxSpike):
        raise ValueError(
            "spike_fn must give at most one spike per step, got MultiSpike or MaxSpike: "
            "check a copy with SingleSpike"
        )
    subtract = activation.MembraneSubtract(threshold if adapts else None)
    if layer.reset_fn not in (activation.MembraneReset(), subtract):
        rest = ", of the threshold at rest" if adapts else ""
        wanted = f"MembraneReset() or {subtract}{rest}"
        raise ValueError(f"reset_fn must be {wanted}, got {layer.reset_fn}: {PROGRAM}")
    if adapts and layer.alpha_syn_calculated is not None and layer.norm_input:
        raise ValueError(
            "norm_input must be False in ALIF with tau_syn, whose current it scales again at every "
            f"step, got True: {PROGRAM}"
        )
    return threshold


def _read_leak(layer: Any, kind: str) -> NeuronNumber | None:
    """A leak, which a layer learns by itself or by its time constant; None if it has none."""
    learned = getattr(layer, f"{'alpha' if layer.train_alphas else 'tau'}_{kind}", None)
    constant = isinstance(layer, layers.IAF) and kind == "mem"
    if constant or not isinstance(learned, nn.Parameter):
        return None
    if layer.train_alphas:
        return NeuronNumber(copy_float64(learned), f"alpha_{kind}")
    return NeuronNumber(_decay(learned), f"tau_{kind}", lambda leak: -1.0 / torch.log(leak))


def _decay(tau: Tensor) -> Array:
    """The leak of a time constant, in double precision."""
    return np.exp(-1.0 / copy_float64(tau))


def _input_scale(ours: Mapping[str, Tensor], *, norm: bool, current: bool) -> Tensor:
    """What multiplies the input: the leak of the current, and one minus that of the potential."""
    scale = 1.0 - ours["leak"] if norm else torch.ones((), dtype=torch.float64)
    return scale * ours["synapse_leak"] if current else scale


def _read_adaptation(layer: Any) -> Adaptation:
    """What raises the threshold."""
    learned = layer.alpha_adapt if layer.train_alphas else layer.tau_adapt
    if learned.numel() != 1:
        raise ValueError(f"tau_adapt must be one number, got {learned.numel()}: {PROGRAM}")
    leak = float(copy_float64(learned) if layer.train_alphas else _decay(learned))
    return Adaptation(leak, (1.0 - leak) * read_number(layer.adapt_scale, "adapt_scale"))
