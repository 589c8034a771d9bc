"""snnTorch's neurons, read: their equation, what they learn, and the family of their surrogate."""

# pyright: reportMissingImports=false
import inspect
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import snntorch
import torch
from snntorch import surrogate as theirs
from torch import Tensor, nn

from refsast.crosscheck.adapters.convention import Convention
from refsast.crosscheck.adapters.libraries import (
    snntorch_leaky,
    snntorch_rleaky,
    snntorch_synaptic,
)
from refsast.crosscheck.adapters.neuron_reading import (
    PROGRAM,
    NeuronNumber,
    NeuronReading,
    first_number,
    read_number,
    read_numbers,
    refuse_neuron,
)
from refsast.model.surrogate import Arctan, FastSigmoid, Logistic, Surrogate
from refsast.model.synapse import Alpha

SpikeFunction = Callable[[Tensor], Tensor]
KINDS = (
    snntorch.Leaky,
    snntorch.Synaptic,
    snntorch.RLeaky,
    snntorch.RSynaptic,
    snntorch.Alpha,
)


def read_neuron(module: nn.Module, spike: Surrogate | None) -> NeuronReading | None:
    """The equation, spike and learned numbers of a neuron; None if it is none."""
    if not isinstance(module, snntorch.SpikingNeuron):
        return None
    if type(module) not in KINDS:  # none derived from them
        raise refuse_neuron("snntorch.Leaky, Synaptic, RLeaky, RSynaptic or Alpha", module)
    neuron: Any = module
    graded = read_number(neuron.graded_spikes_factor, "graded_spikes_factor")
    if neuron.inhibition or neuron.state_quant or graded != 1.0:
        raise ValueError(
            "neurons must have no inhibition, state_quant or graded spikes, got one: "
            "check a copy without"
        )
    hard = spike is None or _is_step(neuron.spike_grad)
    found = _read_surrogate(neuron.spike_grad) if spike is None else spike
    if type(module) is snntorch.Alpha:
        return _read_alpha(neuron, found, hard)
    current = isinstance(module, snntorch.Synaptic | snntorch.RSynaptic)
    equation = _read_equation(neuron, current)
    numbers = {
        "leak": _read_learned(neuron, "beta"),
        "threshold": _read_learned(neuron, "threshold"),
    }
    if current:
        numbers["synapse_leak"] = _read_learned(neuron, "alpha")
    return NeuronReading(
        equation,
        found,
        hard,
        {name: number for name, number in numbers.items() if number is not None},
        recurrent=_read_feedback(neuron),
    )


def _read_equation(neuron: Any, current: bool) -> Convention:
    settings = (
        _read_leak(neuron.beta),
        first_number(neuron.threshold),
        neuron.reset_mechanism,
        neuron.reset_delay,
    )
    recurrent = isinstance(neuron, snntorch.RLeaky | snntorch.RSynaptic)
    if recurrent and not neuron.reset_delay:
        raise ValueError(f"reset_delay must be True in a recurrent neuron, got False: {PROGRAM}")
    if current:
        equation = snntorch_synaptic(_read_leak(neuron.alpha), *settings)
    else:
        equation = (snntorch_rleaky if recurrent else snntorch_leaky)(*settings)
    if equation.silences:
        raise ValueError(
            f"reset_mechanism must be 'subtract' or 'none' in {type(neuron).__name__}, whose reset "
            f"to zero takes the input of its step away, too, got 'zero': {PROGRAM}"
        )
    return equation


def _read_leak(value: object) -> float:
    """The first leak as it acts: the library clips it to [0, 1] in every step."""
    return min(max(first_number(value), 0.0), 1.0)


def _read_learned(neuron: Any, name: str) -> NeuronNumber | None:
    """A number that is learned or one per neuron; leaks clipped to [0, 1], as in every step."""
    number = read_numbers(getattr(neuron, name), name)
    if number is None or name == "threshold":
        return number
    clipped = np.clip(number.initial, 0.0, 1.0)
    if number.parameter is not None and (clipped != number.initial).any():
        worst = number.initial[clipped != number.initial].flat[0]
        raise ValueError(
            f"{name} must lie in [0, 1] where it is learned, got {worst}: the library clips it, "
            "and its gradient stops; start inside"
        )
    return replace(number, initial=clipped)


def _read_feedback(neuron: Any) -> str | None:
    """The name of the linear layer that feeds a neuron's spikes back, if it has one."""
    if not isinstance(neuron, snntorch.RLeaky | snntorch.RSynaptic):
        return None
    if not isinstance(neuron.recurrent, nn.Linear):
        got = "one weight per neuron" if not neuron.all_to_all else "a convolution"
        raise ValueError(
            f"recurrent neurons must feed back by linear_features, all to all, got {got}: {PROGRAM}"
        )
    return "recurrent"


def snntorch_alpha(alpha: float, beta: float, threshold: float = 1.0) -> tuple[Convention, float]:
    """Return the convention of snnTorch's ``Alpha`` without a reset, and the scale of its current.

    Its potential is the difference of two exponentials times ``tau_alpha``; with a current i_t of
    second order, of the same leaks, that is ``tau_alpha (alpha - beta) i_{t-1}``.

    Parameters
    ----------
    alpha, beta : float
        Leaks of the two, ``1 > alpha > beta > 0``.
    threshold : float
        Potential at which the neuron fires. Not at it.

    References
    ----------
    snnTorch 1.0.0, ``snntorch/_neurons/alpha.py``.
    """
    if not 0.0 < beta < alpha < 1.0:
        raise ValueError(f"alpha and beta must have 1 > alpha > beta > 0, got {alpha} and {beta}")
    tau_alpha = math.log(alpha) / (math.log(beta) - math.log(alpha)) + 1.0
    leaky = snntorch_leaky(0.0, threshold, "none")
    return replace(leaky, name="snntorch.Alpha"), tau_alpha * (alpha - beta)


def _read_alpha(neuron: Any, spike: Surrogate, hard: bool) -> NeuronReading:
    """A neuron whose potential is a current of second order, one step late."""
    alpha, beta = (read_number(getattr(neuron, name), name) for name in ("alpha", "beta"))
    if isinstance(neuron.beta, nn.Parameter):
        raise ValueError(f"beta must not be learned in Alpha, got learn_beta=True: {PROGRAM}")
    if neuron.reset_mechanism != "none":
        raise ValueError(
            "reset_mechanism must be 'none' in Alpha, whose reset acts on its currents, got "
            f"{neuron.reset_mechanism!r}: {PROGRAM}"
        )
    equation, scale = snntorch_alpha(alpha, beta, first_number(neuron.threshold))
    threshold = read_numbers(neuron.threshold, "threshold")
    numbers = {} if threshold is None else {"threshold": threshold}
    return NeuronReading(equation, spike, hard, numbers, Alpha(alpha, beta, scale, delayed=True))


def _is_step(function: SpikeFunction) -> bool:
    """Whether a function gives zeros and ones only."""
    with torch.no_grad():
        values = function(torch.linspace(-3.0, 3.0, 61))
    return bool(((values == 0.0) | (values == 1.0)).all())


def _read_surrogate(function: SpikeFunction) -> Surrogate:
    """The family and slope of one of the library's surrogates, which are closures."""
    maker = getattr(function, "__qualname__", "").partition(".")[0]
    family = {"atan": Arctan, "sigmoid": Logistic, "fast_sigmoid": FastSigmoid}.get(maker)
    if family is None or getattr(function, "__module__", "") != theirs.__name__:
        wanted = "spike_grad must be atan, sigmoid or fast_sigmoid of snnTorch, or known by spike="
        raise ValueError(f"{wanted}, got {maker or repr(function)}: {PROGRAM}")
    enclosed = inspect.getclosurevars(function).nonlocals
    return family(float(enclosed.get("alpha", enclosed.get("slope"))))
