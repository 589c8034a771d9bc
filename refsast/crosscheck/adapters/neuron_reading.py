"""What a library's neuron was found to be, and as which of ours it is read."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor, nn

from refsast.arrays import Array
from refsast.crosscheck.adapters.convention import Convention, nearest_lif
from refsast.crosscheck.implementation import PROGRAM
from refsast.model.glif import GLIF, Adaptation, as_glif
from refsast.model.learned import SIGMOID, Learned, Number
from refsast.model.lif import LIF
from refsast.model.surrogate import Surrogate
from refsast.model.synapse import Alpha


@dataclass(frozen=True, eq=False)
class NeuronNumber:
    """A number of a library's neurons that is learned, or is one per neuron.

    Attributes
    ----------
    initial : array
        What it is, or, if it is learned, our parameter.
    parameter : str or None
        The name of the neuron's parameter, if it is learned.
    make : callable
        From our parameter to the neuron's.
    sigmoid : bool
        Whether the number is the sigmoid of our parameter.
    """

    initial: Array
    parameter: str | None = None
    make: Callable[[Tensor], Tensor] = lambda ours: ours
    sigmoid: bool = False


@dataclass(frozen=True, eq=False)
class NeuronReading:
    """What one of a library's neurons was found to be.

    Attributes
    ----------
    convention : Convention
        Its equation; of what stands in `numbers`, that of the first neuron.
    spike : Surrogate
        Its smooth spike, or the one that its surrogate gradient is the derivative of.
    hard : bool
        Whether it fires hard forward.
    numbers : mapping of str to NeuronNumber
        ``"leak"``, ``"threshold"`` and ``"synapse_leak"``, where they are more than a constant.
    alpha : Alpha or None
        Its current of second order.
    adaptation : Adaptation or None
        What raises its threshold.
    recurrent : str or None
        The name of its own linear layer that feeds its spikes back.
    input_scale : callable, optional
        What its input is multiplied with, where that follows from what it learns: a function of
        our parameters, of the names in `numbers`.
    takes_sequence : bool
        Whether one call of it runs through all steps.
    keeps_state : bool
        Whether a call without a state goes on from that of the call before.
    """

    convention: Convention
    spike: Surrogate
    hard: bool
    numbers: Mapping[str, NeuronNumber] = field(default_factory=dict)
    alpha: Alpha | None = None
    adaptation: Adaptation | None = None
    recurrent: str | None = None
    input_scale: Callable[[Mapping[str, Tensor]], Tensor] | None = None
    takes_sequence: bool = False
    keeps_state: bool = True

    @property
    def is_plain(self) -> bool:
        """Whether a `LIF` is all of it, with a synapse beside it perhaps."""
        return not self.numbers and self.alpha is None and self.adaptation is None


# From a submodule to what it is as a neuron; None if it is no neuron.
Reader: TypeAlias = Callable[[nn.Module], NeuronReading | None]


def read_number(value: object, name: str) -> float:
    """Return a number, or what is in a tensor of one; more, one per neuron, are a ValueError."""
    if isinstance(value, Tensor):
        if value.numel() != 1:
            got = f"got {value.numel()}: check a copy in which all have the same"
            raise ValueError(f"{name} must be one number for all neurons, {got}")
        return float(value.detach())
    return float(value)  # pyright: ignore[reportArgumentType]


def read_numbers(value: object, parameter: str) -> NeuronNumber | None:
    """Return what is learned or one per neuron; None if it is one constant."""
    learned = isinstance(value, nn.Parameter)
    if not isinstance(value, Tensor) or (value.numel() == 1 and not learned):
        return None
    initial = value.detach().cpu().numpy().astype(np.float64)
    if initial.size == 1:
        initial = initial.reshape(())
    return NeuronNumber(initial, parameter if learned else None)


def first_number(value: object) -> float:
    """Return a number, or the first in a tensor."""
    return float(value.detach().flatten()[0]) if isinstance(value, Tensor) else float(value)  # pyright: ignore


def build_neuron(
    reading: NeuronReading, shape: tuple[int, ...], detach_reset: bool, general: bool
) -> LIF | GLIF:
    """Return the neuron that comes nearest, of a layer: a `GLIF` if it has to be `general`.

    Raises ValueError where numbers fit no layer of this shape.
    """
    lif = replace(nearest_lif(reading.convention, reading.spike), detach_reset=detach_reset)
    if not general:
        return lif
    values: dict[str, Any] = {
        name: _neuron_number(name, number, shape) for name, number in reading.numbers.items()
    }
    if "synapse_leak" in values and not isinstance(values["synapse_leak"], Learned):
        raise ValueError(
            "neurons must have one leak of the current for all, or learn it, got one per neuron: "
            f"{PROGRAM}"
        )
    synapse = reading.alpha or reading.convention.synapse
    return replace(as_glif(lif), synapse=synapse, adaptation=reading.adaptation, **values)


def _neuron_number(name: str, number: NeuronNumber, shape: tuple[int, ...]) -> Number:
    """The numbers of a layer's neurons, of the shape that the module has them in."""
    array = number.initial
    if number.parameter is None:
        try:
            each = np.broadcast_to(array, shape).ravel()
        except ValueError:
            wanted = f"{name} must have a number for each neuron of {shape}"
            raise ValueError(f"{wanted}, got shape {array.shape}") from None
        return tuple(map(float, each))
    if array.shape not in ((), shape) or len(shape) > 1 < array.size:
        wanted = "must be learned as one number, or as one per neuron of a dense layer"
        raise ValueError(f"{name} {wanted}, got shape {array.shape} for {shape}: {PROGRAM}")
    start: Any = (SIGMOID(array) if number.sigmoid else array).tolist()
    start = tuple(start) if array.ndim else start
    return Learned(start, per_neuron=bool(array.ndim), sigmoid=number.sigmoid)


def refuse_neuron(wanted: str, module: nn.Module) -> ValueError:
    """Return the error for a neuron that no case has, with what can be asked all the same."""
    return ValueError(
        f"neurons must be {wanted}, got {type(module).__name__}: put one of these in its place, or "
        f"{PROGRAM}"
    )
