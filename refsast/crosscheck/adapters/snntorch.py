"""snnTorch: its `Leaky` neurons, as implementations to be checked; modules of others, too.

`libraries.snntorch_leaky` is their equation: the reset is computed anew from the potential of the
step before, and always detached. At the first step that is the potential 0. A hard spike is 0
there, but a smooth one is not quite: with ``subtract`` a neuron at rest has been reset a little.

Rule 1: `smooth` is what users do who pass a function of their own as ``spike_grad``;
        `smooth_from_rest` corrects the first step, so that all else can be seen.
Rule 2: the library's surrogates return single precision, whatever they are given, so the numbers of
        `surrogate` are rounded to it on the way in and out.
"""

# pyright: reportMissingImports=false
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import snntorch
import torch
from snntorch import surrogate as theirs
from torch import Tensor, nn

from refsast.arrays import Array, Integers
from refsast.crosscheck.adapters import module_wrapper
from refsast.crosscheck.adapters import torch as plain
from refsast.crosscheck.adapters.autograd import (
    Cell,
    autograd_implementation,
    make_stepwise_population,
)
from refsast.crosscheck.adapters.module_reader import ModuleUse, read_case
from refsast.crosscheck.adapters.snntorch_neurons import SpikeFunction, read_neuron
from refsast.crosscheck.case import Case
from refsast.crosscheck.implementation import Implementation, refuse_case
from refsast.model.lif import LIF
from refsast.model.reset import NoReset, Subtract, ToZero
from refsast.model.surrogate import Arctan, FastSigmoid, Logistic, Surrogate

NAME = f"snnTorch {version('snntorch')}"


def factory(case: Case) -> Implementation:
    """Return `surrogate` for a hard case, else `smooth`."""
    return surrogate(case) if case.hard else smooth(case)


def smooth(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return `Leaky` with a smooth function as its ``spike_grad``, as it comes.

    It gives states and adjoints, and always detaches the reset, whatever the case says.
    Unsupported: a hard case, a synapse, a leaked subtraction, a spike of no known family.
    """
    return _smooth_leaky(case, dtype)


def smooth_from_rest(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return `smooth` without a reset at the first step; right if the case detaches the reset."""
    return _smooth_leaky(case, dtype, start=_skip_first_call)


def _skip_first_call(spike: SpikeFunction) -> SpikeFunction:
    """Like `spike`, but the first call returns 0, so that rest triggers no reset."""
    calls: list[bool] = []

    def function(v: Tensor) -> Tensor:
        if calls:
            return spike(v)
        calls.append(True)
        return torch.zeros_like(v)

    return function


def smooth_without_delay(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return `smooth` with ``reset_delay=False``: for leaked subtraction in place of unleaked.

    With a smooth spike this is no network of ours: the potential that the reset leaves still fires
    a little, and is reset once more. Potentials are shown after the reset only, and are left out.
    """
    return _smooth_leaky(case, dtype, delay=False)


def _smooth_leaky(
    case: Case,
    dtype: torch.dtype,
    *,
    delay: bool = True,
    start: Callable[[SpikeFunction], SpikeFunction] = lambda spike: spike,
) -> Implementation:
    """`Leaky` with smooth functions; ``start(spike)`` is what each new neuron gets."""
    if case.hard:
        raise refuse_case("hard must be False, got a case with hard spikes")
    spikes = [plain.smooth_spike(neuron.spike) for neuron in case.network.neurons]

    def make(i: int) -> Cell:
        return _make_cell(case.network.neurons[i], start(spikes[i]), dtype, delay=delay)

    return _implementation(case, make, dtype)


def surrogate(case: Case) -> Implementation:
    """Return `Leaky` with the library's surrogate of the case's family: a hard step forward.

    It gives states and adjoints, all in single precision. Unsupported: a smooth case, a spike other
    than Arctan, Logistic or FastSigmoid, and else as for `smooth`.
    """
    if not case.hard:
        raise refuse_case("hard must be True, got a case with smooth spikes")
    neurons, spikes = case.network.neurons, [_library_surrogate(n) for n in case.network.neurons]

    def make(i: int) -> Cell:
        return _make_cell(neurons[i], spikes[i], torch.float64, delay=True)

    return _implementation(case, make, precision=np.float32)


def _implementation(
    case: Case,
    make: Callable[[int], Cell],
    dtype: torch.dtype = torch.float64,
    precision: type[np.floating] | None = None,
) -> Implementation:
    if case.synapse is not None:
        raise refuse_case(f"synapse must be None, got {case.synapse}")
    for i in range(len(case.network.neurons)):
        make(i)  # raises Unsupported now, not when it is called
    population = make_stepwise_population(make)
    return autograd_implementation(case, population, name=NAME, dtype=dtype, precision=precision)


def _make_cell(neuron: LIF, spike: SpikeFunction, dtype: torch.dtype, *, delay: bool) -> Cell:
    """Return a `Leaky` at rest."""
    # Without delay the reset acts within the step, so that the leak acts on what it subtracts, too.
    mechanisms = {Subtract(leaked=not delay): "subtract", ToZero(): "zero", NoReset(): "none"}
    if neuron.reset not in mechanisms:
        raise refuse_case(f"reset must be one of {list(mechanisms)}, got {neuron.reset}")
    leaky = snntorch.Leaky(
        torch.tensor(neuron.leak, dtype=dtype),  # a float would be rounded to single precision
        torch.tensor(neuron.threshold, dtype=dtype),  # pyright: ignore[reportArgumentType]
        spike_grad=spike,
        reset_mechanism=mechanisms[neuron.reset],
        reset_delay=delay,
    )
    unregister(leaky)
    state: list[Tensor] = []

    def cell(current: Tensor) -> tuple[Tensor, Tensor | None]:
        s, u = leaky(current, state[0] if state else torch.zeros_like(current))
        state[:] = [u]
        return s, u if delay else None

    return cell


def unregister(leaky: snntorch.SpikingNeuron) -> None:
    """Take a neuron off the list of all neurons, which the library never empties."""
    instances = snntorch.SpikingNeuron.instances
    instances[:] = [one for one in instances if one is not leaky]


def _library_surrogate(neuron: LIF) -> SpikeFunction:
    """The library's function of that name and slope."""
    match neuron.spike:
        case Arctan(slope):
            return theirs.atan(alpha=slope)
        case Logistic(slope):
            return theirs.sigmoid(slope=slope)
        case FastSigmoid(slope):
            return theirs.fast_sigmoid(slope=slope)
    raise refuse_case(f"spike must be Arctan, Logistic or FastSigmoid, got {neuron.spike!r}")


def wrap(module: nn.Module, case: Case, **options) -> Implementation:
    """Return a user's module of snnTorch's neurons as an implementation.

    ``module(x)`` returns spikes (time, batch, n), alone or first; one that takes a single step
    (``init_hidden=True``, without a loop) is called once per step, and what it returns is stacked;
    one that takes a single image and shows it at every step is given the first. `case_of` gives the
    case. Options as for `module_wrapper.wrap`.
    """
    spike: Any = case.network.neurons[0].spike
    read = partial(read_neuron, spike=spike)
    precision = np.float32 if any(map(_rounds, module.modules())) else None
    defaults = {"reset": reset_states, "name": NAME, "read": read, "precision": precision}
    return module_wrapper.wrap(module, case, **{**defaults, **options})


def _rounds(module: nn.Module) -> bool:
    """Whether a module is a neuron whose spikes are single precision, whatever it is given."""
    if not isinstance(module, snntorch.SpikingNeuron):
        return False
    with torch.no_grad():
        return module.spike_grad(torch.zeros(1, dtype=torch.float64)).dtype != torch.float64


def reset_states(module: nn.Module) -> None:
    """Put all neurons that keep their states at rest."""
    for each in module.modules():
        reset = getattr(each, "reset_mem", None)
        if isinstance(each, snntorch.SpikingNeuron) and callable(reset):
            reset()


def case_of(
    module: nn.Module, x: Array, y: Integers, *, spike: Surrogate | None = None, **options
) -> Case:
    """Return the case that a module of snnTorch's neurons stands for.

    Of `Leaky`, `Synaptic`, `RLeaky`, `RSynaptic` or `Alpha`, with what they learn. Parameters and
    errors as `module_reader.read_case`, and `spike`: what a ``spike_grad`` of the user's own
    computes, or, if that is a step, what its gradient is the derivative of. Default: the library's
    surrogate is read from the neuron, hard forward.
    """
    read, enter = partial(read_neuron, spike=spike), options.pop("enter", None)
    options = {"name": "snnTorch module", "use": ModuleUse(enter, reset_states), **options}
    return read_case(module, x, y, read, **options)
