"""Norse: its LIF cells, as implementations to be checked.

`libraries.norse_lif` is the equation of ``LIFCell`` (for `refsast` it has ``Synapse(1 - dt/tau_syn,
1 - leak)``, not delayed, with ``leak = 1 - dt/tau_mem``), `libraries.norse_lif_box` that of
``LIFBoxCell``, which has no current. ``LIFRecurrentCell`` adds the cell's own spikes to the current
and detaches the reset.

Rule 1: `surrogate` takes the method that is documented as a step towards the case's smooth spike.
Rule 2: cells fire hard only; `smooth` replaces ``threshold`` in a copy of their step function.
Rule 3: time is counted in steps, ``dt = 1``, so that no time constant is rounded.
"""

# pyright: reportMissingImports=false
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from typing import Any, TypeAlias, cast

import torch
from norse.torch import LSNN, LIFBoxCell, LIFCell, LIFRecurrentCell, LILinearCell, LSNNCell
from norse.torch.functional import lif, lif_box, reset
from norse.torch.module.lif import LIF as LIFModule
from norse.torch.module.snn import SNN, SNNCell, SNNRecurrent, SNNRecurrentCell
from torch import Tensor, nn

from refsast.arrays import Array, Integers
from refsast.crosscheck.adapters import module_wrapper
from refsast.crosscheck.adapters import torch as plain
from refsast.crosscheck.adapters.autograd import LayerOutput, autograd_implementation, scales_match
from refsast.crosscheck.adapters.libraries import norse_lif, norse_lif_box
from refsast.crosscheck.adapters.module_reader import ModuleUse, read_case
from refsast.crosscheck.adapters.neuron_reading import NeuronReading, read_number, refuse_neuron
from refsast.crosscheck.case import Case
from refsast.crosscheck.implementation import Implementation, refuse_case
from refsast.model.glif import Adaptation
from refsast.model.lif import LIF
from refsast.model.reset import Subtract, ToZero
from refsast.model.surrogate import Algebraic, FastSigmoid, Logistic, PiecewiseQuadratic, Surrogate
from refsast.model.synapse import Synapse

NAME = f"Norse {version('norse')}"
Step: TypeAlias = Callable[[Tensor], Tensor]  # from a current (batch, n) to spikes


@dataclass(frozen=True)
class SpikeMethod:
    """How a cell fires: by a method of the library, or by another function in its place."""

    method: str = "super"
    alpha: float = 100.0
    spike: Step | None = None


def factory(case: Case) -> Implementation:
    """Return `surrogate` for a hard case, else `smooth`."""
    return surrogate(case) if case.hard else smooth(case)


def surrogate(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return cells with the library's surrogate: a hard step forward.

    ``tanh`` is documented as a step towards Logistic(2 alpha), ``circ`` towards Algebraic(1/alpha),
    ``super`` towards FastSigmoid(alpha); ``triangle`` is as wide as PiecewiseQuadratic(1).

    They give spikes, and adjoints where nothing remembers the input. Unsupported: a smooth case, a
    reset, spike or synapse that is not theirs.
    """
    if not case.hard:
        raise refuse_case("hard must be True, got a case with smooth spikes")
    return _implementation(case, [_spike_method(neuron) for neuron in case.network.neurons], dtype)


def smooth(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return cells whose ``threshold`` is replaced by the case's smooth spike; as `surrogate`."""
    if case.hard:
        raise refuse_case("hard must be False, got a case with hard spikes")
    spikes = [plain.smooth_spike(neuron.spike) for neuron in case.network.neurons]
    return _implementation(case, [SpikeMethod(spike=spike) for spike in spikes], dtype)


def _spike_method(neuron: LIF) -> SpikeMethod:
    """The library's method and alpha for a smooth spike."""
    match neuron.spike:
        case Logistic(slope):
            return SpikeMethod("tanh", 0.5 * slope)
        case Algebraic(slope):
            return SpikeMethod("circ", 1.0 / slope)
        case FastSigmoid(slope):
            return SpikeMethod("super", slope)
        case PiecewiseQuadratic(1.0):
            return SpikeMethod("triangle", 1.0)
    families = "Logistic, Algebraic, FastSigmoid or PiecewiseQuadratic(1.0)"
    raise refuse_case(f"spike must be {families}, got {neuron.spike!r}")


def _implementation(
    case: Case, methods: Sequence[SpikeMethod], dtype: torch.dtype
) -> Implementation:
    """An implementation whose layers fire by these methods."""
    synapse = _require_synapse(case)
    box = synapse.leak == 0.0 and not case.network.recurrent
    steppers = [
        _make_stepper(neuron, method, synapse, dtype, box=box)
        for neuron, method in zip(case.network.neurons, methods, strict=True)
    ]

    def population(i: int, currents: Tensor, v: Tensor | None) -> LayerOutput:
        step = steppers[i](v)
        return LayerOutput(torch.stack([step(current) for current in currents]), None, currents)

    return autograd_implementation(case, population, name=NAME, dtype=dtype)


def _make_stepper(
    neuron: LIF, method: SpikeMethod, synapse: Synapse, dtype: torch.dtype, *, box: bool
) -> Callable[[Tensor | None], Step]:
    """Return what makes a cell at rest, with its recurrent weights or None."""
    if not (neuron.reset == ToZero() or (box and neuron.reset == Subtract(leaked=True))):
        wanted = "ToZero(), or Subtract(leaked=True) without a current"
        raise refuse_case(f"reset must be {wanted}, got {neuron.reset}")
    tensor = partial(torch.tensor, dtype=dtype)
    shared = {
        "tau_mem_inv": tensor(1.0 - neuron.leak),
        "v_th": tensor(neuron.threshold),
        "v_leak": tensor(0.0),
        "v_reset": tensor(0.0),
        "method": method.method,
        "alpha": tensor(method.alpha),
    }
    # LIFBoxCell has no synaptic current and no recurrent weights.
    if box:
        kind = reset.reset_value if neuron.reset == ToZero() else reset.reset_subtract
        p = lif_box.LIFBoxParameters(reset_method=kind, **shared)
        return lambda _: _cell_step(
            LIFBoxCell(p, dt=1.0), lif_box.LIFBoxFeedForwardState, 1, method
        )
    currents = lif.LIFParameters(tau_syn_inv=tensor(1.0 - synapse.leak), **shared)

    def make(v: Tensor | None) -> Step:
        if v is None:
            return _cell_step(LIFCell(currents, dt=1.0), lif.LIFFeedForwardState, 2, method)
        # The cell multiplies its input, too: by one, since currents arrive multiplied.
        weights = {"input_weights": torch.eye(len(v), dtype=dtype), "recurrent_weights": v}
        cell = LIFRecurrentCell(len(v), len(v), currents, autapses=True, dt=1.0, **weights)
        return _cell_step(cell, lif.LIFState, 3, method)

    return make


def _cell_step(
    cell: SNNCell | SNNRecurrentCell, kind: type, parts: int, method: SpikeMethod
) -> Step:
    """Return a cell as a step, from a state of zeros: the library's own is in single precision."""
    # A cell looks its step function up in itself, so that it can be replaced there.
    if method.spike is not None:
        cell.activation = _replace_threshold(cell.activation, method.spike)
    state = []

    def step(current: Tensor) -> Tensor:
        before = state[0] if state else kind(*[torch.zeros_like(current)] * parts)
        s, after = cell(current, before)
        state[:] = [after]
        return s

    return step


def _replace_threshold(step: types.FunctionType, spike: Step) -> types.FunctionType:
    """Return a copy of a step that fires by another function."""

    # The copy runs the library's own code, but finds this `threshold` among its globals.
    def threshold(v: Tensor, method: str, alpha: Tensor) -> Tensor:
        return spike(v)

    return types.FunctionType(step.__code__, {**step.__globals__, "threshold": threshold})


def _require_synapse(case: Case) -> Synapse:
    """The synapse, whose scale must be one minus the leak of all neurons."""
    synapse = case.synapse
    if synapse is None:
        raise refuse_case("synapse must be a Synapse, got None: inputs are scaled by 1 - leak")
    for neuron in case.network.neurons:
        if not scales_match(synapse, 1.0 - neuron.leak):
            wanted = f"the scale {1.0 - neuron.leak}, not delayed"
            raise refuse_case(f"synapse must have {wanted}, got {synapse}")
    return synapse


def wrap(module: nn.Module, case: Case, **options) -> Implementation:
    """Return a user's module of Norse's cells as an implementation.

    ``module(x)`` with x (time, batch, n_0) returns spikes (time, batch, n), alone or first;
    `case_of` gives the case. Options as for `module_wrapper.wrap`.
    """
    return module_wrapper.wrap(module, case, **{"name": NAME, "read": _read_neuron, **options})


def case_of(module: nn.Module, x: Array, y: Integers, **options) -> Case:
    """Return the case that a module of LIF, LIFBox or LSNN cells stands for.

    Its smooth spike is the one that the method is documented as a step towards. Parameters and
    errors as `module_reader.read_case`.
    """
    options = {"name": "Norse module", "use": ModuleUse(options.pop("enter", None)), **options}
    return read_case(module, x, y, _read_neuron, **options)


LSNN_CELLS = LSNNCell, LSNN
KINDS = LIFCell, LIFModule, LIFBoxCell, *LSNN_CELLS


def _read_neuron(module: nn.Module) -> NeuronReading | None:
    """A cell's equation and spike, in single precision as they are; None if it is no neuron."""
    if not isinstance(module, SNN | SNNCell | SNNRecurrent | SNNRecurrentCell | LILinearCell):
        return None
    if type(module) not in KINDS:
        raise refuse_neuron("LIFCell, LIF, LIFBoxCell, LSNNCell or LSNN", module)
    p = cast(lif.LIFParameters, module.p)
    dt = read_number(module.dt, "dt")
    if read_number(p.v_leak, "v_leak") != 0.0 or read_number(p.v_reset, "v_reset") != 0.0:
        raise ValueError("v_leak and v_reset must be 0, got another: check a copy with zeros")
    # In steps, dt = 1: the product with dt is rounded here as the cell rounds it.
    tau_mem_inv = read_number(dt * p.tau_mem_inv, "tau_mem_inv")
    v_th = read_number(p.v_th, "v_th")
    if isinstance(module, LIFBoxCell):
        subtracts = getattr(p, "reset_method", None) is reset.reset_subtract
        method = "reset_subtract" if subtracts else "reset_value"
        equation = norse_lif_box(tau_mem_inv, v_th=v_th, reset_method=method, dt=1.0)
    else:
        tau_syn_inv = read_number(dt * p.tau_syn_inv, "tau_syn_inv")
        equation = norse_lif(tau_syn_inv, tau_mem_inv, v_th=v_th, dt=1.0)
        if isinstance(module, LSNN_CELLS) and equation.synapse is not None:
            # Its potential sees the current of the step before.
            equation = replace(equation, synapse=replace(equation.synapse, delayed=True))
    return NeuronReading(
        equation,
        _smooth_counterpart(p.method, read_number(p.alpha, "alpha")),
        hard=True,
        adaptation=_read_adaptation(p, dt) if isinstance(module, LSNN_CELLS) else None,
        takes_sequence=isinstance(module, SNN),
        keeps_state=False,
    )


def _read_adaptation(p: Any, dt: float) -> Adaptation:
    """What raises the threshold: it decays in the step of a spike, too, and so does its rise."""
    leak = 1.0 - read_number(dt * p.tau_adapt_inv, "tau_adapt_inv")
    return Adaptation(leak, leak * read_number(p.beta, "beta"))


def _smooth_counterpart(method: str, alpha: float) -> Surrogate:
    """The smooth spike that a method is documented as a step towards."""
    match method:
        case "tanh":
            return Logistic(2.0 * alpha)
        case "circ":
            return Algebraic(1.0 / alpha)
        case "super":
            return FastSigmoid(alpha)
        case "triangle":
            return PiecewiseQuadratic(1.0)
    raise ValueError(f"method must be tanh, circ, super or triangle, got {method!r}")
