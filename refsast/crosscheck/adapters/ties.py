"""Which of a module's parameters is which of ours, where the two are not the same numbers.

A tie says how a parameter of the module follows from ours. Where it is put in so, autograd's
gradients in the module's parameters become gradients in ours by the transpose of the same function:
the chain rule through a folded normalisation, a sign, a scale that is learned.
"""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
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


@dataclass(frozen=True, eq=False)
class SharedParameter:
    """A parameter of a module that is one of ours together with another: a tie leaves it as it is.

    Its gradient follows from those in ours by the chain rule, so that it is looked at all the same.

    Attributes
    ----------
    name : str
        Of the module's parameter.
    layer : int
        The layer that it belongs to, from 0.
    terms : callable
        ``terms(params, grads)`` of the layer: what its gradient is a sum of, along the first axis.
    """

    name: str
    layer: int
    terms: Callable[[Layer, Layer], Array]


def require_shares(
    shared: Sequence[SharedParameter],
    params: Params,
    grads: Params,
    theirs: Mapping[str, Array],
) -> None:
    """Raise ValueError if a gradient in `theirs` does not follow from those in our parameters.

    It may be off by half of its digits, as a share of the terms that it is a sum of.
    """
    for each in shared:
        if each.name not in theirs:
            continue
        terms = each.terms(params[each.layer], grads[each.layer])
        error = abs(theirs[each.name].reshape(terms.shape[1:]) - terms.sum(axis=0))
        share = np.sqrt(np.finfo(terms.dtype).eps)
        if not (error <= share * abs(terms).sum(axis=0)).all():
            raise ValueError(
                f"gradient of {each.name} must follow from those of what it is folded with, got "
                f"one that is off by up to {error.max():.3g}: is it cut, clipped or scaled?"
            )


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
