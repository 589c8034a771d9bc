"""SpikingJelly: its `LIFNode` and `IFNode`, as implementations to be checked.

`libraries.spikingjelly_lif` is their equation. Without ``decay_input`` the input is added as it is;
with it, it is divided by tau: ``Synapse(0, 1/tau)``.

Rule 1: spikes are the library's own: its surrogates, with ``spiking=False`` for smooth ones.
Rule 2: nodes show no potentials before the reset; adjoints are read from the input currents.
"""

# pyright: reportMissingImports=false
import math
from collections.abc import Callable, Mapping
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
    scales_match,
)
from refsast.crosscheck.adapters.libraries import spikingjelly_lif
from refsast.crosscheck.adapters.module_connections import copy_float64
from refsast.crosscheck.adapters.module_reader import ModuleUse, read_case
from refsast.crosscheck.adapters.neuron_reading import (
    PROGRAM,
    NeuronNumber,
    NeuronReading,
    read_number,
    refuse_neuron,
)
from refsast.crosscheck.case import Case
from refsast.crosscheck.implementation import Implementation, refuse_case
from refsast.model.lif import LIF
from refsast.model.reset import Subtract, ToZero
from refsast.model.surrogate import Arctan, FastSigmoid, Logistic, PiecewiseQuadratic, Surrogate
from refsast.model.synapse import Synapse

NAME = f"SpikingJelly {version('spikingjelly')}"
FAMILIES = {
    theirs.ATan: Arctan,
    theirs.Sigmoid: Logistic,
    theirs.SoftSign: FastSigmoid,
    theirs.PiecewiseQuadratic: PiecewiseQuadratic,
}


def factory(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return single-step nodes that detach the reset where the case's neurons do.

    They give spikes and adjoints. Unsupported: a reset, leak, spike or synapse that is not theirs.
    """
    return _implementation(case, single_step_population(case, None), dtype)


def keep_reset(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return `factory` with ``detach_reset=False``, whatever the case says."""
    return _implementation(case, single_step_population(case, False), dtype)


def detach_reset(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return `factory` with ``detach_reset=True``, whatever the case says."""
    return _implementation(case, single_step_population(case, True), dtype)


def keep_reset_multistep(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return `keep_reset` in multi-step mode: one call of a node for all steps."""
    return _implementation(case, multi_step_population(case, False), dtype)


def detach_reset_multistep(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return `detach_reset` in multi-step mode: one call of a node for all steps."""
    return _implementation(case, multi_step_population(case, True), dtype)


def _implementation(case: Case, population: Population, dtype: torch.dtype) -> Implementation:
    return autograd_implementation(case, population, name=NAME, dtype=dtype)


def single_step_population(case: Case, detach: bool | None) -> Population:
    """Return nodes called step by step."""
    factories = [node_factory(case, neuron, detach, "s") for neuron in case.network.neurons]

    def make(i: int) -> Cell:
        node = factories[i]()
        return lambda current: (node(current), None)

    return make_stepwise_population(make)


def multi_step_population(case: Case, detach: bool | None) -> Population:
    """Return nodes called once for all steps."""
    if case.network.recurrent:
        raise refuse_case("recurrent must be False, got True: a node takes all steps at once")
    factories = [node_factory(case, neuron, detach, "m") for neuron in case.network.neurons]

    def population(i: int, currents: Tensor, _: Tensor | None) -> LayerOutput:
        return LayerOutput(factories[i]()(currents), None, currents)

    return population


def node_factory(
    case: Case, neuron: LIF, detach: bool | None, mode: str
) -> Callable[[], torch.nn.Module]:
    """Return what makes the node of a neuron, at rest."""
    decay_input = _decays_input(case.synapse, neuron.leak)
    settings = {
        "v_threshold": float(neuron.threshold),
        "v_reset": _v_reset(neuron),
        "surrogate_function": library_spike(neuron, hard=case.hard),
        "detach_reset": neuron.detach_reset if detach is None else detach,
        "step_mode": mode,
    }
    # The leak is 1 - 1/tau.
    if neuron.leak == 0.0:
        raise refuse_case("leak must be positive, got 0.0: tau must be larger than 1")
    if neuron.leak == 1.0:
        return lambda: nodes.IFNode(**settings)
    tau = 1.0 / (1.0 - neuron.leak)
    return lambda: nodes.LIFNode(tau=tau, decay_input=decay_input, **settings)


def _decays_input(synapse: Synapse | None, leak: float) -> bool:
    """Whether the input is divided by tau."""
    if synapse is None:
        return False
    if synapse.leak or not scales_match(synapse, 1.0 - leak):
        wanted = Synapse(0.0, 1.0 - leak) if leak < 1.0 else None
        raise refuse_case(f"synapse must be None or {wanted}, got {synapse}")
    return True


def _v_reset(neuron: LIF) -> float | None:
    match neuron.reset:
        case ToZero():
            return 0.0
        case Subtract(leaked=True):
            return None
    raise refuse_case(f"reset must be ToZero() or Subtract(leaked=True), got {neuron.reset}")


def library_spike(neuron: LIF, *, hard: bool) -> Callable[[Tensor], Tensor]:
    """Return the library's surrogate of that family, or a smooth function where it has none."""
    for surrogate, family in FAMILIES.items():
        if isinstance(neuron.spike, Surrogate) and isinstance(neuron.spike, family):
            return surrogate(alpha=neuron.spike.slope, spiking=hard)
    if hard:
        raise refuse_case(f"spike must be a surrogate of SpikingJelly's, got {neuron.spike!r}")
    return plain.smooth_spike(neuron.spike)


def wrap(module: nn.Module, case: Case, **options) -> Implementation:
    """Return a user's module of SpikingJelly's neurons as an implementation.

    ``module(x)`` returns spikes (time, batch, n), alone or first, or their mean over time. One that
    takes a single step (step mode "s") is called once per step; one that takes a single image and
    shows it at every step is given the first. `case_of` gives the case. Options as for
    `module_wrapper.wrap`.
    """
    defaults = {"reset": reset_net, "name": NAME, "read": _read_neuron, "precision": None}
    return module_wrapper.wrap(module, case, **{**defaults, **options})


def case_of(module: nn.Module, x: Array, y: Integers, **options) -> Case:
    """Return the case that a module of LIF, PLIF or IF nodes stands for.

    Potentials are counted from ``v_reset``, to which such nodes decay and at which they start.
    Parameters and errors as `module_reader.read_case`.
    """
    enter = options.pop("enter", None)
    options = {"name": "SpikingJelly module", "use": ModuleUse(enter, reset_net), **options}
    return read_case(module, x, y, _read_neuron, **options)


def _read_neuron(module: nn.Module) -> NeuronReading | None:
    """A node's equation and spike; None if it is no neuron."""
    if not isinstance(module, nodes.BaseNode):
        return None
    if type(module) not in (nodes.LIFNode, nodes.ParametricLIFNode, nodes.IFNode):
        raise refuse_neuron("LIFNode, ParametricLIFNode or IFNode", module)
    if not math.isfinite(module.v_threshold):
        raise ValueError(f"v_threshold must be finite, got {module.v_threshold}: {PROGRAM}")
    tau, decay_input, numbers = math.inf, False, {}  # an IFNode
    if isinstance(module, nodes.LIFNode):
        tau, decay_input = read_number(module.tau, "tau"), module.decay_input
    elif isinstance(module, nodes.ParametricLIFNode):
        decay_input = module.decay_input
        # 1 / tau is the sigmoid of w, so that the leak, 1 - 1 / tau, is that of -w.
        tau = 1.0 + math.exp(-read_number(module.w, "w"))
        numbers = {
            "leak": NeuronNumber(-copy_float64(module.w).reshape(()), "w", torch.neg, sigmoid=True)
        }
    constant = decay_input and not numbers
    equation = spikingjelly_lif(tau, constant, module.v_threshold, module.v_reset)
    spike, hard = _read_surrogate(module.surrogate_function)
    return NeuronReading(
        equation,
        spike,
        hard,
        numbers,
        input_scale=_input_share if numbers and decay_input else None,
        takes_sequence=module.step_mode == "m",
    )


def _input_share(ours: Mapping[str, Tensor]) -> Tensor:
    """What the input of a node with a learned leak is multiplied with, 1 / tau."""
    return torch.sigmoid(-ours["leak"])


def _read_surrogate(function: object) -> tuple[Surrogate, bool]:
    """The family and slope of one of the library's surrogates, and whether it fires hard."""
    family = FAMILIES.get(type(function))
    if family is None:
        names = ", ".join(each.__name__ for each in FAMILIES)
        got = f"got {type(function).__name__}: put one of them in its place for the check"
        raise ValueError(f"surrogates must be {names}, {got}")
    return family(float(function.alpha)), bool(function.spiking)  # pyright: ignore
