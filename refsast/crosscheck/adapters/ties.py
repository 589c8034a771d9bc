"""Which of a module's parameters is which of ours, where the two are not the same numbers.

A tie says how a parameter of the module follows from ours. Where it is put in so, autograd's
gradients in the module's parameters become gradients in ours by the transpose of the same function:
the chain rule through a folded normalisation, a sign, a scale that is learned.
"""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from refsast.arrays import Array
from refsast.crosscheck.adapters.parameter_map import Slots
from refsast.model.params import Layer, Params, layer_arrays

LayerTensors: TypeAlias = Mapping[str, Tensor]  # a layer's parameters, by their names in `Layer`


@dataclass(frozen=True, eq=False)
class Tie:
    """One parameter of a module, as a function of ours.

    Attributes
    ----------
    name : str
        Of the module's parameter; a bias that it does not have is put there for the time of a call.
    layer : int
        The layer that it belongs to, from 0.
    make : callable
        ``make(tensors)``: from the layer's parameters to the module's.
    """

    name: str
    layer: int
    make: Callable[[LayerTensors], Tensor]


def tie_slots(slots: Slots) -> tuple[Tie, ...]:
    """Return ties that copy, or transpose."""

    def copy(part: str) -> Callable[[LayerTensors], Tensor]:
        if part.endswith(".T"):
            return lambda tensors: tensors[part.removesuffix(".T")].T
        return lambda tensors: tensors[part]

    return tuple(Tie(name, layer, copy(part)) for name, (layer, part) in slots.items())


def make_leaves(params: Params, dtype: torch.dtype) -> list[dict[str, Tensor]]:
    """Return our parameters as leaves of a new tape."""
    return [
        {k: torch.tensor(a, dtype=dtype, requires_grad=True) for k, a in layer_arrays(p).items()}
        for p in params
    ]


def make_theirs(leaves: Sequence[LayerTensors], ties: Sequence[Tie]) -> dict[str, Tensor]:
    """Return the module's parameters by name, on the tape of ours."""
    return {tie.name: tie.make(leaves[tie.layer]) for tie in ties}


def pull_back(
    leaves: Sequence[Mapping[str, Tensor]], theirs: Mapping[str, Tensor], grads: Mapping[str, Array]
) -> Params:
    """Return gradients in our parameters of those in the module's."""
    ours = [tensor for leaf in leaves for tensor in leaf.values()]
    cotangents = [
        torch.as_tensor(grads[k], dtype=a.dtype).reshape(a.shape) for k, a in theirs.items()
    ]
    found = torch.autograd.grad(list(theirs.values()), ours, cotangents, materialize_grads=True)
    rest = iter(found)
    return tuple(Layer(**{k: next(rest).numpy() for k in leaf}) for leaf in leaves)
