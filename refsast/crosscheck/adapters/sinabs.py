"""Sinabs: its `LIF` layers, as implementations to be checked.

What a layer computes, alpha the leak, the reset following the spike within a step::

    MembraneSubtract   u_t = alpha (u_{t-1} - threshold s_{t-1}) + input      Subtract(leaked=True)
    MembraneReset      u_t = alpha u_{t-1} [s_{t-1} = 0] + input              ToZero if s is 0 or 1

``norm_input`` scales the input by 1 - alpha: ``Synapse(0, 1 - alpha)``. With ``tau_syn`` the input
goes through a current, which decays before it arrives: ``Synapse(a, a)``, or ``Synapse(a,
a (1 - alpha))`` with both.

Rule 1: a smooth spike is an object of our own passed as ``spike_fn``, as the library documents.
Rule 2: its hard spikes come in single precision, so the numbers of hard cases are rounded to it on
        the way in and out.
Rule 3: layers decay by ``alpha``, set as it is; from a time constant it would be rounded.
"""

# pyright: reportMissingImports=false
from collections.abc import Callable
from functools import partial
from importlib.metadata import version

import numpy as np
import torch
from sinabs import activation, layers
from torch import Tensor, nn

from refsast.arrays import Array, Integers
from refsast.crosscheck.adapters import module_wrapper
from refsast.crosscheck.adapters import torch as plain
from refsast.crosscheck.adapters.autograd import LayerOutput, autograd_implementation
from refsast.crosscheck.adapters.module_reader import Read, read_case, read_number
from refsast.crosscheck.case import Case, Implementation, Unsupported
from refsast.model.lif import LIF
from refsast.model.readout import SpikeRate
from refsast.model.reset import Subtract, ToZero
from refsast.model.spike import Spike
from refsast.model.surrogate import Surrogate
from refsast.model.synapse import Synapse

NEAR = 1e-12  # relative; to tell one minus the leak


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
    """Return layers with ``MembraneSubtract``: right, smooth and hard.

    Parameters
    ----------
    case : Case
        With Subtract(leaked=True) in all layers.
    dtype : torch.dtype
        What to compute in.

    Returns
    -------
    Implementation
        With spikes, and adjoints where nothing remembers the input; without potentials.

    Raises
    ------
    Unsupported
        If a reset, spike or synapse is not the library's.
    """
    return _implementation(case, Subtract(leaked=True), activation.MembraneSubtract(), dtype)


def zero(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return layers with ``MembraneReset``, which looks whether there is no spike at all.

    A smooth spike is hardly ever none, so that with it all potentials are forgotten at every step.
    A hard one resets as it should, and no gradient goes through it.

    Parameters
    ----------
    case : Case
        With ToZero in all layers.
    dtype : torch.dtype
        What to compute in.

    Returns
    -------
    Implementation
        With spikes, and adjoints where nothing remembers the input; without potentials.

    Raises
    ------
    Unsupported
        If a reset, spike or synapse is not the library's.
    """
    return _implementation(case, ToZero(), activation.MembraneReset(), dtype)


def _implementation(
    case: Case,
    reset: ToZero | Subtract,
    reset_fn: activation.MembraneReset | activation.MembraneSubtract,
    dtype: torch.dtype,
) -> Implementation:
    """Layers with one kind of reset."""
    for neuron in case.network.neurons:
        if neuron.reset != reset:
            raise Unsupported(f"reset must be {reset}, got {neuron.reset}")
    made = [_layer_factory(case, neuron, reset_fn, dtype) for neuron in case.network.neurons]

    def population(i: int, currents: Tensor, v: Tensor | None) -> LayerOutput:
        with torch.no_grad():
            layer = made[i](v)
        return LayerOutput(
            layer(currents.transpose(0, 1)).transpose(0, 1).to(dtype), None, currents
        )

    says = np.float32 if case.hard else None
    return autograd_implementation(
        case, population, name=f"Sinabs {version('sinabs')}", dtype=dtype, says=says
    )


def _layer_factory(
    case: Case,
    neuron: LIF,
    reset_fn: activation.MembraneReset | activation.MembraneSubtract,
    dtype: torch.dtype,
) -> Callable[[Tensor | None], torch.nn.Module]:
    """Return what makes a layer at rest, given its recurrent weights or None."""
    alpha_syn, scaled = _synapse_settings(case.synapse, neuron.leak)
    settings = {
        "tau_mem": 1.0,
        "tau_syn": None if alpha_syn is None else 1.0,
        "spike_threshold": torch.tensor(neuron.threshold, dtype=dtype),
        "reset_fn": reset_fn,
        "train_alphas": True,
        "norm_input": scaled,
    }
    if case.hard:
        derivative = plain.smooth_spike_derivative(neuron.spike)
        settings["spike_fn"] = activation.SingleSpike
        settings["surrogate_grad_fn"] = lambda v_mem, threshold: derivative(v_mem - threshold)
    else:
        settings["spike_fn"] = SmoothSpike(neuron.spike)

    def make(v: Tensor | None) -> torch.nn.Module:
        build = (
            layers.LIF
            if v is None
            else partial(layers.LIFRecurrent, rec_connect=_RecurrentWeights(v))
        )
        layer = build(**settings)
        layer.alpha_mem = torch.nn.Parameter(torch.tensor(neuron.leak, dtype=dtype))
        if alpha_syn is not None:
            layer.alpha_syn = torch.nn.Parameter(torch.tensor(alpha_syn, dtype=dtype))
        return layer

    return make


class _RecurrentWeights(torch.nn.Module):
    """Recurrent weights that stay on the caller's tape."""

    def __init__(self, v: Tensor) -> None:
        super().__init__()
        self.give = lambda: v

    def forward(self, s: Tensor) -> Tensor:
        v = self.give()
        return torch.nn.functional.linear(s.to(v.dtype), v)


def _synapse_settings(synapse: Synapse | None, leak: float) -> tuple[float | None, bool]:
    """The leak of the current or None, and whether the input is scaled by one minus the leak."""
    if synapse is None:
        return None, False
    factor = synapse.leak if synapse.leak > 0.0 else 1.0
    for scaled, scale in ((False, factor), (True, factor * (1.0 - leak))):
        if not synapse.delayed and abs(synapse.scale - scale) <= NEAR * scale:
            return synapse.leak if synapse.leak > 0.0 else None, scaled
    wanted = f"{factor} or {factor * (1.0 - leak)}, not delayed"
    raise Unsupported(f"synapse must have the scale {wanted}, got {synapse}")


def wrap(module: nn.Module, case: Case, **options) -> Implementation:
    """Return a user's module of Sinabs's layers as an implementation: `modules.wrap`.

    Parameters
    ----------
    module : torch.nn.Module
        ``module(x)`` with x (batch, time, n_0), as is usual there, returns spikes of such axes.
    case : Case
        What it should compute; `case_of` gives it.
    **options
        As for `modules.wrap`.

    Returns
    -------
    Implementation
        To be checked.
    """
    gain = case.network.readout.gain if isinstance(case.network.readout, SpikeRate) else 1.0
    usual = {
        "enter": lambda x: x.transpose(0, 1),
        "logits": lambda s: gain * s.mean(dim=1),
        "reset": reset_states,
        "name": f"Sinabs {version('sinabs')}",
    }
    return module_wrapper.wrap(module, case, **{**usual, **options})


def reset_states(module: nn.Module) -> None:
    """Take the states away from all layers; each then starts anew, at rest."""
    for each in module.modules():
        if isinstance(each, layers.StatefulLayer):
            for key in dict(each.named_buffers(recurse=False)):
                each.register_buffer(key, torch.zeros(0))


def case_of(
    module: nn.Module,
    x: Array,
    y: Integers,
    *,
    spike: Surrogate,
    gain: float = 1.0,
    name: str = "Sinabs module",
) -> Case:
    """Return the case that a module of linear layers and Sinabs's LIF in turn stands for.

    Parameters
    ----------
    module, x, y, gain, name
        As for `reading.case_from`.
    spike : Surrogate
        What ``spike_fn`` computes or, if that is ``SingleSpike``, what ``surrogate_grad_fn`` is the
        derivative of: none of the library's own is of our families.

    Returns
    -------
    Case
        With the module's weights; a ValueError says what no `LIF` does.
    """
    return read_case(module, x, y, partial(_read, spike=spike), gain=gain, name=name)


def _read(module: nn.Module, spike: Surrogate) -> Read | None:
    """What a layer is; None for what is no layer of neurons."""
    if not isinstance(module, layers.StatefulLayer):
        return None
    if type(module) is not layers.LIF:
        raise ValueError(f"neurons must be sinabs.layers.LIF, got {type(module).__name__}")
    if module.min_v_mem is not None:
        raise ValueError(f"min_v_mem must be None, got {module.min_v_mem}")
    if module.spike_fn in (activation.MultiSpike, activation.MaxSpike):
        raise ValueError(
            "spike_fn must give at most one spike per step, got MultiSpike or MaxSpike"
        )
    reset = _read_reset(module.reset_fn)
    leak = read_number(module.alpha_mem_calculated, "alpha_mem")
    scale, leak_syn = 1.0 - leak if module.norm_input else 1.0, 0.0
    if module.alpha_syn_calculated is not None:
        leak_syn = read_number(module.alpha_syn_calculated, "alpha_syn")
        scale *= leak_syn
    plain_input = scale == 1.0 and leak_syn == 0.0
    neuron = LIF(leak, read_number(module.spike_threshold, "spike_threshold"), spike, reset)
    hard = module.spike_fn is activation.SingleSpike
    return Read(neuron, hard, None if plain_input else Synapse(leak_syn, scale))


def _read_reset(reset_fn: object) -> ToZero | Subtract:
    """The reset that one of the library's does to hard spikes."""
    if reset_fn == activation.MembraneReset():
        return ToZero()
    if reset_fn == activation.MembraneSubtract():
        return Subtract(leaked=True)
    raise ValueError(f"reset_fn must be MembraneReset() or MembraneSubtract(), got {reset_fn}")
