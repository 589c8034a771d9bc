"""SpikingJelly: its `LIFNode` and `IFNode`, as implementations to be checked.

What a node computes, the reset following the spike within a step::

    v_reset = 0       u_t = (1 - 1/tau) u_{t-1} (1 - s_{t-1}) + input              ToZero
    v_reset = None    u_t = (1 - 1/tau) (u_{t-1} - threshold s_{t-1}) + input      Subtract(True)

and with ``decay_input`` the input is divided by tau, too: ``Synapse(0, 1/tau)``.

Rule 1: spikes are the library's own: its surrogates, ``spiking=False`` where they are to be smooth.
Rule 2: it shows no potentials before the reset; adjoints are read from what arrives.
"""

# pyright: reportMissingImports=false
from collections.abc import Callable
from importlib.metadata import version

import torch
from spikingjelly.activation_based import neuron as nodes
from spikingjelly.activation_based import surrogate as theirs
from spikingjelly.activation_based.functional import reset_net
from torch import Tensor, nn

from refsast.arrays import Array, Integers
from refsast.crosscheck.adapters import module_wrapper
from refsast.crosscheck.adapters import torch as plain
from refsast.crosscheck.adapters.autograd import (
    Cell,
    LayerOutput,
    Population,
    autograd_implementation,
    make_stepwise_population,
)
from refsast.crosscheck.adapters.module_reader import Read, read_case, read_number
from refsast.crosscheck.case import Case, Implementation, Unsupported
from refsast.model.lif import LIF
from refsast.model.reset import Subtract, ToZero
from refsast.model.surrogate import (
    Arctan,
    FastSigmoid,
    Logistic,
    PiecewiseQuadratic,
    Surrogate,
)
from refsast.model.synapse import Synapse

NEAR = 1e-12  # relative; 1/tau is not exactly one minus the leak


FAMILIES = {
    theirs.ATan: Arctan,
    theirs.Sigmoid: Logistic,
    theirs.SoftSign: FastSigmoid,
    theirs.PiecewiseQuadratic: PiecewiseQuadratic,
}


def factory(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return single-step nodes that detach the reset where the case's neurons do.

    Parameters
    ----------
    case : Case
        The question.
    dtype : torch.dtype
        What to compute in.

    Returns
    -------
    Implementation
        With spikes and adjoints, without potentials.

    Raises
    ------
    Unsupported
        If a reset, leak, spike or synapse is not the library's.
    """
    return autograd_implementation(
        case, single_step_population(case, None), name=_name(), dtype=dtype
    )


def keeping_reset(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return `factory` with ``detach_reset=False``, whatever the case says; see there."""
    return autograd_implementation(
        case, single_step_population(case, False), name=_name(), dtype=dtype
    )


def detaching_reset(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return `factory` with ``detach_reset=True``, whatever the case says; see there."""
    return autograd_implementation(
        case, single_step_population(case, True), name=_name(), dtype=dtype
    )


def keeping_reset_at_once(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return `keeping_reset` in multi-step mode: one call of a node for all steps; see there."""
    return autograd_implementation(
        case, multi_step_population(case, False), name=_name(), dtype=dtype
    )


def detaching_reset_at_once(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return `detaching_reset` in multi-step mode: one call of a node for all steps; see there."""
    return autograd_implementation(
        case, multi_step_population(case, True), name=_name(), dtype=dtype
    )


def single_step_population(case: Case, detach: bool | None) -> Population:
    """Return nodes called step by step."""
    made = [node_factory(case, neuron, detach, "s") for neuron in case.network.neurons]

    def make(i: int) -> Cell:
        node = made[i]()
        return lambda current: (node(current), None)

    return make_stepwise_population(make)


def multi_step_population(case: Case, detach: bool | None) -> Population:
    """Return nodes called once for all steps."""
    if case.network.recurrent:
        raise Unsupported("recurrent must be False, got True: a node takes all steps at once")
    made = [node_factory(case, neuron, detach, "m") for neuron in case.network.neurons]

    def population(i: int, currents: Tensor, _: Tensor | None) -> LayerOutput:
        return LayerOutput(made[i]()(currents), None, currents)

    return population


def node_factory(
    case: Case, neuron: LIF, detach: bool | None, mode: str
) -> Callable[[], torch.nn.Module]:
    """Return what makes the node of a neuron, at rest."""
    scaled = _decays_input(case.synapse, neuron.leak)
    settings = {
        "v_threshold": float(neuron.threshold),
        "v_reset": _v_reset(neuron),
        "surrogate_function": library_spike(neuron, hard=case.hard),
        "detach_reset": neuron.detach_reset if detach is None else detach,
        "step_mode": mode,
    }
    if neuron.leak == 0.0:
        raise Unsupported("leak must be positive, got 0.0: tau must be larger than 1")
    if neuron.leak == 1.0:
        return lambda: nodes.IFNode(**settings)
    tau = 1.0 / (1.0 - neuron.leak)
    return lambda: nodes.LIFNode(tau=tau, decay_input=scaled, **settings)


def _decays_input(synapse: Synapse | None, leak: float) -> bool:
    """Whether the input is divided by tau."""
    if synapse is None:
        return False
    wanted = Synapse(0.0, 1.0 - leak) if leak < 1.0 else None
    if synapse.leak or synapse.delayed or abs(synapse.scale - (1.0 - leak)) > NEAR * synapse.scale:
        raise Unsupported(f"synapse must be None or {wanted}, got {synapse}")
    return True


def _v_reset(neuron: LIF) -> float | None:
    match neuron.reset:
        case ToZero():
            return 0.0
        case Subtract(leaked=True):
            return None
    raise Unsupported(f"reset must be ToZero() or Subtract(leaked=True), got {neuron.reset}")


def library_spike(neuron: LIF, *, hard: bool) -> Callable[[Tensor], Tensor]:
    """Return the library's surrogate of that family, or a smooth function where it has none."""
    for surrogate, family in FAMILIES.items():
        if isinstance(neuron.spike, Surrogate) and isinstance(neuron.spike, family):
            return surrogate(alpha=neuron.spike.slope, spiking=hard)
    if hard:
        raise Unsupported(f"spike must be a surrogate of SpikingJelly's, got {neuron.spike!r}")
    return plain.smooth_spike(neuron.spike)


def wrap(module: nn.Module, case: Case, **options) -> Implementation:
    """Return a user's module of SpikingJelly's neurons as an implementation: `modules.wrap`.

    Parameters
    ----------
    module : torch.nn.Module
        ``module(x)`` with x (time, batch, n_0) returns spikes (time, batch, n), alone or first.
    case : Case
        What it should compute; `case_of` gives it.
    **options
        As for `modules.wrap`.

    Returns
    -------
    Implementation
        To be checked.
    """
    return module_wrapper.wrap(module, case, **{"reset": reset_net, "name": _name(), **options})


def case_of(
    module: nn.Module,
    x: Array,
    y: Integers,
    *,
    gain: float = 1.0,
    name: str = "SpikingJelly module",
) -> Case:
    """Return the case that a module of linear layers and LIF or IF nodes in turn stands for.

    Parameters
    ----------
    module, x, y, gain, name
        As for `reading.case_from`.

    Returns
    -------
    Case
        With the module's weights; a ValueError says what no `LIF` does.
    """
    return read_case(module, x, y, _read, gain=gain, name=name)


def _read(module: nn.Module) -> Read | None:
    """What a node is; None for what is none."""
    if not isinstance(module, nodes.BaseNode):
        return None
    if type(module) not in (nodes.LIFNode, nodes.IFNode):
        raise ValueError(f"neurons must be LIFNode or IFNode, got {type(module).__name__}")
    if module.v_reset not in (0.0, None):
        raise ValueError(f"v_reset must be 0.0 or None, got {module.v_reset}")
    rate = 1.0 / read_number(module.tau, "tau") if isinstance(module, nodes.LIFNode) else 0.0
    reset = ToZero() if module.v_reset is not None else Subtract(leaked=True)
    spike, hard = _read_surrogate(module.surrogate_function)
    synapse = Synapse(0.0, rate) if rate > 0.0 and module.decay_input else None
    return Read(LIF(1.0 - rate, module.v_threshold, spike, reset), hard, synapse)


def _read_surrogate(function: object) -> tuple[Surrogate, bool]:
    """The family and slope of one of the library's surrogates, and whether it fires hard."""
    family = FAMILIES.get(type(function))
    if family is None:
        names = ", ".join(each.__name__ for each in FAMILIES)
        raise ValueError(f"surrogates must be {names}, got {type(function).__name__}")
    return family(float(function.alpha)), bool(function.spiking)  # pyright: ignore


def _name() -> str:
    return f"SpikingJelly {version('spikingjelly')}"
