"""A kind of fault, and an implementation that has it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

import refsast as rs
from refsast.crosscheck.case import Answer
from refsast.model.params import map_params
from tests.gradient.test_torch import Hard, sigma
from tests.gradient.torch_extended import Layer, Objective, Run, differentiate, run_network

torch.set_num_threads(1)
Has = Callable[[rs.Case, int], bool]
DTYPES = {"float64": torch.float64, "float32": torch.float32}


def always(case: rs.Case, i: int) -> bool:
    """Whether a layer has what a fault needs: any has."""
    return True


@dataclass(frozen=True)
class Kind:
    """A way to go wrong.

    Attributes
    ----------
    name : str
        In a few words.
    cause : str
        What is wrong, in words.
    words : sequence of sequence of str
        A cause is the true one if it has all words of one of these.
    needs : dict
        What networks are drawn with, as of `draw`.
    has : callable
        ``has(case, i)``: whether layer `i` has what the fault needs.
    layer : type of Layer
        A wrong layer.
    objective : type of Objective
        A wrong way to the loss; then the fault is of no layer.
    finish : callable, optional
        ``finish(case, i, grads) -> Layer``: wrong gradients of layer `i`.
    borrow : str
        Of the gradients those of this name alone are of the wrong layer, all others right.
    """

    name: str
    cause: str
    words: Sequence[Sequence[str]]
    needs: Mapping = field(default_factory=dict)
    has: Has = always
    layer: type[Layer] = Layer
    objective: type[Objective] = Objective
    finish: Callable[[rs.Case, int, rs.Layer], rs.Layer] | None = None
    borrow: str = ""

    @property
    def layered(self) -> bool:
        """Whether it is a fault of a layer."""
        return self.objective is Objective


def run_planted(
    case: rs.Case, kind: Kind | None, layers: Sequence[int], dtype: torch.dtype
) -> tuple[Run, rs.Params]:
    """Return the run and the gradients of a network with a fault in some layers; None: right."""
    fire = (lambda spike, v: Hard.apply(v, spike)) if case.hard else sigma

    def solve(planted: Kind | None) -> tuple[Run, rs.Params]:
        classes = [
            planted.layer if planted is not None and i in layers else Layer
            for i in range(case.network.depth)
        ]
        objective = Objective if planted is None else planted.objective
        run = run_network(case, fire, kinds=classes, objective=objective, dtype=dtype)  # pyright: ignore[reportArgumentType]
        for layer in run.layers:
            for u in layer.us:
                if u.requires_grad:
                    u.retain_grad()
        return run, differentiate(run)[0]

    run, grads = solve(kind)
    if kind is not None and kind.borrow:
        wrong = grads
        run, grads = solve(None)
        grads = tuple(
            replace(right, **{kind.borrow: getattr(other, kind.borrow)}) if i in layers else right
            for i, (right, other) in enumerate(zip(grads, wrong, strict=True))
        )
    if kind is not None and kind.finish is not None:
        grads = tuple(kind.finish(case, i, g) if i in layers else g for i, g in enumerate(grads))
    return run, grads


def planted_answer(
    case: rs.Case, kind: Kind | None, layers: Sequence[int], dtype: torch.dtype = torch.float64
) -> Answer:
    """Return loss, gradients, states and adjoints of a network with a fault."""
    run, grads = run_planted(case, kind, layers, dtype)
    u, s, adjoints = (
        tuple(
            np.stack([_value(a, of_grad=of_grad) for a in getattr(layer, name)])
            for layer in run.layers
        )
        for name, of_grad in (("us", False), ("ss", False), ("us", True))
    )
    return Answer(run.loss.item(), grads, u, s, adjoints)


def _value(a: torch.Tensor, *, of_grad: bool) -> np.ndarray:
    if not of_grad:
        return a.detach().numpy()
    return np.zeros(tuple(a.shape)) if a.grad is None else a.grad.numpy()


def black_box(case: rs.Case, kind: Kind, layers: Sequence[int], dtype: torch.dtype) -> Callable:
    """Return an implementation with a fault in some layers, that gives loss and gradients."""
    numpy_dtype = np.float32 if dtype == torch.float32 else np.float64

    def gradient(params, x, y):
        asked = replace(case, params=params, x=x, y=y)
        run, grads = run_planted(asked, kind, layers, dtype)
        return run.loss.item(), map_params(lambda a: np.asarray(a, numpy_dtype), grads)

    return gradient
