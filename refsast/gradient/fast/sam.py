"""Both passes of SAM at once, sharing what they can.

The ascent moves the first layer's weights along ``G = Delta' X``, and the second pass wants their
product with its own input Y. Where there are fewer rows (steps times recordings) than neurons, both
come cheaper by way of inner products of inputs::

    Y (W + h G)' = Y W' + h (Y X') Delta        |G|^2 = sum of ((X X') Delta) * Delta

so that G is never formed; and where Y is X, the product X W' is known already. Where the terms of
that sum cancel, so do its digits, and G is formed after all.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array, require_number
from refsast.gradient.fast.inputs import DenseInputs, Inputs
from refsast.gradient.fast.loss import loss_and_logit_grad, validate, value_and_grad
from refsast.gradient.fast.network import (
    ForwardPass,
    Problem,
    backward_chunks,
    layer_grads,
    param_grads,
    readout_grads,
    run_forward,
    upper_weight_grads,
)
from refsast.model.network import Network
from refsast.model.params import Layer, Params, layer_arrays
from refsast.spikes import Spikes

GRAM_COST = 0.6  # of the time of a product, for that of a matrix with itself, as measured
CANCELLATION = 0.1  # of the sum of squares without cross terms, below which digits have cancelled
SMALLEST_NORM = 1e-12  # norms between this and its inverse have squares that single precision holds
Batch: TypeAlias = tuple[ArrayLike | Spikes, ArrayLike]


def sam_gradient(
    network: Network,
    params: Params,
    first: Batch,
    second: Batch | None = None,
    *,
    rho: float,
    checkpoint: int | None = None,
    dense_above: float | None = None,
) -> tuple[Array, Params]:
    """Return the loss and the SAM gradient, both passes sharing what they can.

    To rounding what `optim.sam.gradient` makes of two calls of `loss_and_grad`.

    Parameters
    ----------
    network : Network
        The network; its spikes need a ``derivative``.
    params : tuple of Layer
        Its parameters. Their dtype, float32 or float64, is that of the computation.
    first : (x, y)
        The minibatch that chooses where to look, as `loss_and_grad` takes it. Not looked at where
        ``rho == 0`` and `second` is given.
    second : (x, y), optional
        A second, independent minibatch; without it the first serves both passes.
    rho : float
        Radius of the ball, in units of the parameters. Not negative; zero is plain descent, to the
        bit.
    checkpoint : int, optional
        As for `loss_and_grad`; the passes then share nothing.
    dense_above : float, optional
        As for `loss_and_grad`.

    Returns
    -------
    loss : scalar array
        At `params`, on the first minibatch (the second, where that alone was looked at), in nats.
    grads : tuple of Layer
        The gradient on the second minibatch at the ascent point.

    Raises
    ------
    ValueError
        If a shape, dtype or number is not as it must be.

    References
    ----------
    Foret et al., "Sharpness-Aware Minimization", arXiv:2010.01412, Sec. 2; THEORY 5 for the second
    minibatch.
    """
    if not 0.0 <= require_number(rho, "rho") < np.inf:
        raise ValueError(f"rho must be finite and not negative, got {rho}")
    first = _require_pair(first, "first")
    second = None if second is None else _require_pair(second, "second")
    options = (checkpoint, dense_above)
    if rho == 0.0:
        only = first if second is None else second
        return value_and_grad(*validate(network, network, params, *only, *options))
    params, task = validate(network, network, params, *first, *options)
    if params[0].w.dtype.kind == "c":
        raise ValueError("params must be real for a norm of the gradient, got complex numbers")
    other = task if second is None else validate(network, network, params, *second, *options)[1]
    here = there = None
    if len(task.spans) == len(other.spans) == 1:
        w = params[0].w
        here = task.inputs(task.spans[0], w.dtype)
        there = here if other is task else other.inputs(other.spans[0], w.dtype)
        if sharing_is_cheaper(here, there, len(w)):
            return _shared_passes(params, task, other, here, there, rho)
    passage = run_forward(task, params, here)
    loss, g = loss_and_logit_grad(passage)
    ascent = _add_multiple(params, *_ascent_step(param_grads(passage, g), rho))
    return loss, _descent_grads(run_forward(other, ascent, there))


def _require_pair(batch: Batch, name: str) -> Batch:
    """A minibatch that is a pair."""
    if not isinstance(batch, Sequence) or len(batch) != 2:
        raise ValueError(f"{name} must be a pair (x, y), got {type(batch).__name__}")
    return batch


def sharing_is_cheaper(x: Inputs, y: Inputs, n: int) -> bool:
    """Return whether inner products of inputs cost less than the products that they replace.

    Both in multiplications per row and input.
    """
    (rows, n_in), (others, _) = x.matrix, y.matrix
    itself = GRAM_COST * rows if isinstance(x, DenseInputs) else rows
    if y is x:
        return itself + rows * n / n_in < 2 * n
    return itself + others + 2 * rows * n / n_in < n


def _shared_passes(
    params: Params, task: Problem, other: Problem, here: Inputs, there: Inputs, rho: float
) -> tuple[Array, Params]:
    """Both passes by way of inner products of inputs."""
    driven = here.times(params[0].w)
    passage = run_forward(task, params, here, driven.copy() if there is here else driven)
    loss, g = loss_and_logit_grad(passage)
    ((_, _, stretches, found),) = backward_chunks(passage, g)
    delta, above = found[0], upper_weight_grads(here, stretches, found)
    along = here.times_gradient(here, delta)
    with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is looked at
        square = float((along * delta).sum(dtype=np.float64))
        alone = float((here.squares() * (delta * delta).sum(axis=2)).sum(dtype=np.float64))
    grads = layer_grads(params, [None, *above], stretches, found) + readout_grads(passage, g)
    length = float(np.hypot(np.sqrt(max(square, 0.0)), global_norm(grads)))
    if not (SMALLEST_NORM < length < 1.0 / SMALLEST_NORM and square >= CANCELLATION * alone):
        formed = layer_grads(params, [here.gradient(delta), *above], stretches, found)
        ascent = _add_multiple(params, *_ascent_step(formed + readout_grads(passage, g), rho))
        return loss, _descent_grads(run_forward(other, ascent, there))
    along = along if there is here else there.times_gradient(here, delta)
    currents = driven if there is here else there.times(params[0].w)
    currents += (rho / length) * along
    return loss, _descent_grads(
        run_forward(other, _add_multiple(params, grads, rho / length), there, currents)
    )


def _descent_grads(passage: ForwardPass) -> Params:
    """The gradients of the second pass."""
    return param_grads(passage, loss_and_logit_grad(passage)[1])


def global_norm(grads: Params) -> float:
    """Return the Euclidean norm of all entries, which neither underflows nor overflows."""
    arrays = [a for layer in grads for a in layer_arrays(layer).values()]
    with np.errstate(over="ignore", under="ignore"):
        squares = [float(np.vdot(a, a)) for a in arrays]
    total = float(np.sqrt(sum(squares)))
    if SMALLEST_NORM < total < 1.0 / SMALLEST_NORM:
        return total
    peak = max((float(np.abs(a).max(initial=0.0)) for a in arrays), default=0.0)
    if peak == 0.0 or not np.isfinite(peak):
        return peak
    scaled = (np.linalg.norm((a / peak).ravel()) for a in arrays)
    return peak * float(np.linalg.norm([float(n) for n in scaled]))


def _ascent_step(grads: Params, rho: float) -> tuple[Params, float]:
    """A gradient, overwritten where it is tiny, and by how many of it to move to go `rho`."""
    length = global_norm(grads)
    if not np.isfinite(length):
        raise ValueError(f"grad must be finite, got one of length {length}")
    if length == 0.0:
        return grads, 0.0
    if length > SMALLEST_NORM:
        return grads, rho / length
    for array in (a for layer in grads for a in layer_arrays(layer).values()):
        array[...] = array.astype(np.float64) / length
    return grads, rho


def _add_multiple(params: Params, grads: Params, step: float) -> Params:
    """Parameters plus so many times a gradient, which is overwritten; what it lacks stays."""

    def moved(layer: Layer, grad: Layer) -> Layer:
        along = layer_arrays(grad)
        for name, array in along.items():
            array *= step
            array += getattr(layer, name)
        return Layer(**{**layer_arrays(layer), **along})

    return tuple(map(moved, params, grads))
