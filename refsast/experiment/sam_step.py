"""The gradient of one step of training: from both passes of SAM at once, one by one, in pieces."""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import Array, Integers
from refsast.experiment.record import Config, Data
from refsast.gradient import fast
from refsast.model import Network, Params, flatten
from refsast.model.params import as_vector
from refsast.model.vector import keep_in_range, split_vector
from refsast.optim import sam
from refsast.spikes import Spikes

Gradient: TypeAlias = Callable[
    [Network, Params, NDArray[np.generic] | Spikes, Integers], tuple[Array, Params]
]
# (network, w, first, second, rho, rng) -> (loss, gradient to descend with, gradients taken)
StepGradient: TypeAlias = Callable[
    [Network, Array, Data, Data | None, float, np.random.Generator], tuple[float, Array, int]
]


def step_gradient(loss_and_grad: Gradient, config: Config) -> StepGradient:
    """Return what takes the gradient of a step.

    The loss is that of the gradient taken first: at `w`, but for an ascent that asks for none.
    """
    whole = partial(_sequential_gradient, loss_and_grad, config.ascent)
    if loss_and_grad is fast.loss_and_grad and config.ascent is sam.steepest_ascent:
        whole = _joint_gradient
    if config.ascent_batch is None:
        return whole
    return partial(_mean_gradient, whole, config.ascent_batch)


def select_rows(data: Data, rows: Integers | slice) -> Data:
    """Return some of the recordings."""
    return data[0][:, rows], data[1][rows]


def _joint_gradient(
    network: Network,
    w: Array,
    first: Data,
    second: Data | None,
    rho: float,
    rng: np.random.Generator,
) -> tuple[float, Array, int]:
    """SAM's, from both passes at once."""
    loss, grads = fast.sam_gradient(network, split_vector(network, w), first, second, rho=rho)
    return float(loss), as_vector(grads), 1 if rho == 0.0 else 2


def _sequential_gradient(
    loss_and_grad: Gradient,
    ascent: sam.Ascent,
    network: Network,
    w: Array,
    first: Data,
    second: Data | None,
    rho: float,
    rng: np.random.Generator,
) -> tuple[float, Array, int]:
    """The same by calls of any gradient, with any ascent."""
    losses: list[float] = []

    def objective(w: Array, batch: Data = first) -> tuple[Array, Array]:
        loss, grads = loss_and_grad(network, split_vector(network, w), *batch)
        losses.append(float(loss))
        return loss, flatten(grads)

    def ascend(
        objective: sam.Objective, w: Array, rho: float, rng: np.random.Generator | None
    ) -> Array:
        return keep_in_range(network, ascent(objective, w, rho, rng))

    other = None if second is None else partial(objective, batch=second)
    grad = sam.gradient(objective, w, rho=rho, second=other, ascent=ascend, rng=rng)
    return losses[0], grad, len(losses)


def _mean_gradient(
    whole: StepGradient,
    size: int,
    network: Network,
    w: Array,
    first: Data,
    second: Data | None,
    rho: float,
    rng: np.random.Generator,
) -> tuple[float, Array, int]:
    """The mean over pieces of the minibatch, each with an ascent of its own (m-sharpness)."""
    n, loss, grad, spent = len(first[1]), 0.0, np.zeros_like(w), 0
    for start in range(0, n, size):
        piece = slice(start, min(start + size, n))
        other = None if second is None else select_rows(second, piece)
        ours = select_rows(first, piece)
        part, part_grad, spent = whole(network, w, ours, other, rho, rng)
        share = (piece.stop - start) / n
        loss, grad = loss + share * part, grad + share * part_grad
    return loss, grad, spent  # all pieces together are one minibatch
