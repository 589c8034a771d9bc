"""snnTorch: its `Leaky` neurons, as implementations to be checked.

What `Leaky` computes, with R the spike of the potential of the step before, always detached::

    subtract    u_t = beta u_{t-1} + input - R threshold        Subtract(leaked=False)
    zero        u_t = beta (1 - R) u_{t-1} + input              ToZero
    none        u_t = beta u_{t-1} + input                      NoReset

At the first step R is the spike of the potential 0. That is none if spikes are hard, but a smooth
spike is not quite zero there: with ``subtract`` a neuron at rest has been reset a little.

Rule 1: `smooth` is what users do who pass a function of their own as ``spike_grad``;
        `smooth_from_rest` makes good for the first step, so that all else can be seen.
Rule 2: the library's surrogates give spikes in single precision, whatever they are given, so the
        numbers of `surrogate` are rounded to it on the way in and out.
"""

# pyright: reportMissingImports=false
import inspect
from collections.abc import Callable
from functools import partial
from importlib.metadata import version

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
from refsast.crosscheck.adapters.module_reader import Read, read_case, read_number
from refsast.crosscheck.case import Case, Implementation, Unsupported
from refsast.model.lif import LIF
from refsast.model.reset import NoReset, Reset, Subtract, ToZero
from refsast.model.surrogate import Arctan, FastSigmoid, Logistic, Surrogate

SpikeFunction = Callable[[Tensor], Tensor]
DELAYED_RESETS: dict[Reset, str] = {Subtract(): "subtract", ToZero(): "zero", NoReset(): "none"}
# Where the reset follows the spike within a step, the leak acts on what was subtracted, too.
IMMEDIATE_RESETS: dict[Reset, str] = {
    Subtract(True): "subtract",
    ToZero(): "zero",
    NoReset(): "none",
}


def factory(case: Case) -> Implementation:
    """Return `surrogate` for a hard case, else `smooth`."""
    return surrogate(case) if case.hard else smooth(case)


def smooth(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return `Leaky` with a smooth function as its ``spike_grad``, as it comes.

    Parameters
    ----------
    case : Case
        Not hard. Whether it detaches the reset is not looked at: the library always does.
    dtype : torch.dtype
        What to compute in.

    Returns
    -------
    Implementation
        With states and adjoints.

    Raises
    ------
    Unsupported
        If the case is hard or has a synapse, a leaked subtraction, or a spike of no known family.
    """
    return _smooth_leaky(case, dtype, DELAYED_RESETS, delay=True)


def smooth_from_rest(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return `smooth` with a spike that is none when a neuron at rest is asked for it; see there.

    It is right for the case with ``detach_reset=True``.
    """
    return _smooth_leaky(case, dtype, DELAYED_RESETS, delay=True, start=_skip_first_call)


def _skip_first_call(spike: SpikeFunction) -> SpikeFunction:
    """Return a spike whose first call, for the reset of a neuron at rest, gives none."""
    asked: list[bool] = []

    def function(v: Tensor) -> Tensor:
        if asked:
            return spike(v)
        asked.append(True)
        return torch.zeros_like(v)

    return function


def smooth_at_once(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return `smooth` with ``reset_delay=False``, for leaked subtraction, not unleaked; see there.

    With a smooth spike this is another network than any of ours: what is left after the reset
    still fires a little, and is reset once more. Potentials are shown after the reset only, and are
    left out.
    """
    return _smooth_leaky(case, dtype, IMMEDIATE_RESETS, delay=False)


def _smooth_leaky(
    case: Case,
    dtype: torch.dtype,
    resets: dict[Reset, str],
    *,
    delay: bool,
    start: Callable[[SpikeFunction], SpikeFunction] = lambda spike: spike,
) -> Implementation:
    """`Leaky` with smooth functions; ``start(spike)`` is what a neuron at rest is given."""
    if case.hard:
        raise Unsupported("hard must be False, got a case with hard spikes")
    _require_no_synapse(case)
    spikes = [plain.smooth_spike(neuron.spike) for neuron in case.network.neurons]

    def make(i: int) -> Cell:
        return _make_cell(case.network.neurons[i], start(spikes[i]), resets, dtype, delay=delay)

    for i in range(len(spikes)):
        make(i)  # so that what is unsupported is said now
    return autograd_implementation(case, make_stepwise_population(make), name=_name(), dtype=dtype)


def surrogate(case: Case) -> Implementation:
    """Return `Leaky` with the library's surrogate of the case's family: a hard step forward.

    Parameters
    ----------
    case : Case
        Hard, its spikes Arctan, Logistic or FastSigmoid.

    Returns
    -------
    Implementation
        With states and adjoints, all numbers in single precision.

    Raises
    ------
    Unsupported
        If there is no surrogate of that name, or anything else that the library does not have.
    """
    if not case.hard:
        raise Unsupported("hard must be True, got a case with smooth spikes")
    _require_no_synapse(case)
    neurons, spikes = case.network.neurons, [_library_surrogate(n) for n in case.network.neurons]

    def make(i: int) -> Cell:
        return _make_cell(neurons[i], spikes[i], DELAYED_RESETS, torch.float64, delay=True)

    for i in range(len(spikes)):
        make(i)
    return autograd_implementation(
        case, make_stepwise_population(make), name=_name(), says=np.float32
    )


def _make_cell(
    neuron: LIF, spike: SpikeFunction, resets: dict[Reset, str], dtype: torch.dtype, *, delay: bool
) -> Cell:
    """Return a `Leaky` at rest."""
    if neuron.reset not in resets:
        raise Unsupported(f"reset must be one of {list(resets)}, got {neuron.reset}")
    leaky = snntorch.Leaky(
        torch.tensor(neuron.leak, dtype=dtype),  # a float would be rounded to single precision
        torch.tensor(neuron.threshold, dtype=dtype),  # pyright: ignore[reportArgumentType]
        spike_grad=spike,
        reset_mechanism=resets[neuron.reset],
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
    """Take a neuron off the list of all neurons that the library keeps for ever."""
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
    raise Unsupported(f"spike must be Arctan, Logistic or FastSigmoid, got {neuron.spike!r}")


def _require_no_synapse(case: Case) -> None:
    if case.synapse is not None:
        raise Unsupported(f"synapse must be None, got {case.synapse}")


def wrap(module: nn.Module, case: Case, **options) -> Implementation:
    """Return a user's module of snnTorch's neurons as an implementation: `modules.wrap`.

    Parameters
    ----------
    module : torch.nn.Module
        ``module(x)`` with x (time, batch, n_0) returns spikes (time, batch, n), alone or first.
    case : Case
        What it should compute; `case_of` gives it.
    **options
        As for `modules.wrap`. For a module that takes one image and shows it at every step:
        ``enter=lambda x: x[0]``.

    Returns
    -------
    Implementation
        To be checked.
    """
    return module_wrapper.wrap(module, case, **{"reset": reset_states, "name": _name(), **options})


def reset_states(module: nn.Module) -> None:
    """Put all neurons that keep their states at rest."""
    for each in module.modules():
        if isinstance(each, snntorch.Leaky):
            each.reset_mem()


def case_of(
    module: nn.Module,
    x: Array,
    y: Integers,
    *,
    spike: Surrogate | None = None,
    gain: float = 1.0,
    name: str = "snnTorch module",
) -> Case:
    """Return the case that a module of ``nn.Linear`` and ``snn.Leaky`` in turn stands for.

    Parameters
    ----------
    module, x, y, gain, name
        As for `reading.case_from`.
    spike : Surrogate, optional
        What a ``spike_grad`` of the user's own computes; it is taken to be smooth forward, too.
        Default: the library's surrogate is read from the neuron, hard forward.

    Returns
    -------
    Case
        With the module's weights; a ValueError says what no `LIF` does.
    """
    read = partial(_read, spike=spike)
    return read_case(module, x, y, read, gain=gain, name=name)


def _read(module: nn.Module, spike: Surrogate | None) -> Read | None:
    """What a `Leaky` is; None for what is no neuron."""
    if not isinstance(module, snntorch.SpikingNeuron):
        return None
    if type(module) is not snntorch.Leaky:
        raise ValueError(f"neurons must be snntorch.Leaky, got {type(module).__name__}")
    graded = read_number(module.graded_spikes_factor, "graded_spikes_factor")
    if module.inhibition or module.state_quant or graded != 1.0:
        raise ValueError("neurons must have no inhibition, state_quant or graded spikes, got one")
    resets = DELAYED_RESETS if module.reset_delay else IMMEDIATE_RESETS
    reset = next(r for r, said in resets.items() if said == module.reset_mechanism)
    leak = min(max(read_number(module.beta, "beta"), 0.0), 1.0)
    of_its = _read_surrogate(module.spike_grad) if spike is None else spike
    neuron = LIF(leak, read_number(module.threshold, "threshold"), of_its, reset)
    return Read(neuron, hard=spike is None)


def _read_surrogate(function: SpikeFunction) -> Surrogate:
    """The family and slope that one of the library's surrogates encloses."""
    maker = getattr(function, "__qualname__", "").partition(".")[0]
    family = {"atan": Arctan, "sigmoid": Logistic, "fast_sigmoid": FastSigmoid}.get(maker)
    if family is None or getattr(function, "__module__", "") != theirs.__name__:
        wanted = "spike_grad must be atan, sigmoid or fast_sigmoid of snnTorch, or known by spike="
        raise ValueError(f"{wanted}, got {maker or repr(function)}")
    enclosed = inspect.getclosurevars(function).nonlocals
    return family(float(enclosed.get("alpha", enclosed.get("slope"))))


def _name() -> str:
    return f"snnTorch {version('snntorch')}"
