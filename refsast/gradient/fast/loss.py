"""The public gradients of the fast path."""

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array, as_array, is_positive_int, require_floats, require_number
from refsast.gradient.fast.inputs import matmul_over_time
from refsast.gradient.fast.network import (
    ForwardPass,
    Problem,
    backward_chunks,
    param_grads,
    require_finite,
    run_forward,
)
from refsast.model.loss import loss_and_cotangent
from refsast.model.network import Network, replace_spikes
from refsast.model.params import Params, layer_arrays
from refsast.model.spike import heaviside
from refsast.model.validation import validate_input, validate_labels, validate_params
from refsast.spikes import Spikes


def loss_and_grad(
    network: Network,
    params: Params,
    x: ArrayLike | Spikes,
    y: ArrayLike,
    *,
    checkpoint: int | None = None,
    dense_above: float | None = None,
) -> tuple[Array, Params]:
    """Return the loss and its exact gradient in every parameter.

    Parameters
    ----------
    network : Network
        The network; its spikes need a ``derivative``.
    params : tuple of Layer
        Its parameters. Their dtype, float32 or float64, is that of the computation.
    x : (time, batch, n_0) array, or Spikes
        Input. As `Spikes` only the ones are multiplied, which pays where they are few.
    y : (batch,) array of int
        Labels in [0, classes).
    checkpoint : int, optional
        Keep the state of every so many steps only, and run what lies between again on the way back:
        about as much memory as for so many steps, for one more run forwards.
    dense_above : float, optional
        Share of ones above which `Spikes` are multiplied as an array after all; 0 for always,
        1 for never. Left out, it is where both take as long, as measured.

    Returns
    -------
    loss : scalar array
        Mean cross entropy, in nats.
    grads : tuple of Layer
        Of the shapes and dtype of `params`.

    Raises
    ------
    ValueError
        If a shape, dtype or number is not as it must be.

    References
    ----------
    DESIGN 1, 3 and 5.
    """
    return value_and_grad(*validate(network, network, params, x, y, checkpoint, dense_above))


def input_grad(
    network: Network,
    params: Params,
    x: ArrayLike | Spikes,
    y: ArrayLike,
    *,
    checkpoint: int | None = None,
) -> Array:
    """Return the gradient of the mean loss in the input.

    Parameters
    ----------
    network : Network
        The network; its spikes need a ``derivative``.
    params : tuple of Layer
        Its parameters.
    x : (time, batch, n_0) array, or Spikes
        Input.
    y : (batch,) array of int
        Labels in [0, classes).
    checkpoint : int, optional
        As for `loss_and_grad`.

    Returns
    -------
    (time, batch, n_0) array
        Nats per unit of input, in the dtype of `params`.

    Raises
    ------
    ValueError
        If a shape, dtype or number is not as it must be.
    """
    params, task = validate(network, network, params, x, y, checkpoint, None)
    passage = run_forward(task, params)
    _, g = loss_and_logit_grad(passage)
    out = np.empty(task.x.shape, g.dtype)
    for span, _, _, found in backward_chunks(passage, g):
        out[span] = matmul_over_time(found[0], params[0].w, np.matmul)
    return out


def straight_through(
    network: Network,
    params: Params,
    x: ArrayLike | Spikes,
    y: ArrayLike,
    *,
    checkpoint: int | None = None,
    dense_above: float | None = None,
) -> tuple[Array, Params]:
    """Return the hard network's loss and the conventional, biased estimate of a gradient.

    Heaviside spikes forward, the derivative of the smooth spike backward.

    Parameters
    ----------
    network : Network
        The network; its spikes give the backward derivative.
    params : tuple of Layer
        Its parameters.
    x : (time, batch, n_0) array, or Spikes
        Input.
    y : (batch,) array of int
        Labels in [0, classes).
    checkpoint : int, optional
        As for `loss_and_grad`.
    dense_above : float, optional
        As for `loss_and_grad`.

    Returns
    -------
    loss : scalar array
        Mean cross entropy of the hard network, in nats.
    estimate : tuple of Layer
        Of the shapes of `params`. No function has it as its gradient.

    Raises
    ------
    ValueError
        If a shape, dtype or number is not as it must be.
    """
    hard = replace_spikes(network, lambda _: heaviside)
    return value_and_grad(*validate(hard, network, params, x, y, checkpoint, dense_above))


def validate(
    forward: Network,
    backward: Network,
    params: Params,
    x: ArrayLike | Spikes,
    y: ArrayLike,
    checkpoint: int | None,
    dense_above: float | None,
) -> tuple[Params, Problem]:
    """Check everything that came through a door."""
    # Numbers that are not finite make the run so, and are looked for then: `require_finite`. Those
    # of a readout may not, since an infinite logit may have probability zero.
    params = validate_params(forward, params, read=require_floats)
    if forward.readout.n_out is not None:
        for name, array in layer_arrays(params[-1]).items():
            as_array(array, f"params[{len(params) - 1}].{name}")
    x = validate_input(forward, x)
    if not isinstance(x, Spikes) and x.dtype.kind == "c" != params[0].w.dtype.kind:
        raise ValueError(f"x must be real where params are, got dtype {x.dtype}")
    time, batch, _ = x.shape
    if checkpoint is not None and not is_positive_int(checkpoint):
        raise ValueError(f"checkpoint must be a positive integer, got {checkpoint!r}")
    if dense_above is not None and not 0.0 <= require_number(dense_above, "dense_above") <= 1.0:
        raise ValueError(f"dense_above must lie in [0, 1], got {dense_above}")
    y = validate_labels(y, batch, forward.classes)
    return params, Problem(forward, backward, x, y, min(checkpoint or time, time), dense_above)


def loss_and_logit_grad(passage: ForwardPass) -> tuple[Array, Array]:
    """The loss of a run, and its cotangent of the logits, in the dtype of the run."""
    loss, g = loss_and_cotangent(passage.logits, passage.task.y)
    if not np.isfinite(loss):
        require_finite(passage.task, passage.params)
    return loss, g.astype(passage.pooled.dtype)


def value_and_grad(params: Params, task: Problem) -> tuple[Array, Params]:
    """Return the loss and all gradients of what `validate` gave."""
    passage = run_forward(task, params)
    loss, g = loss_and_logit_grad(passage)
    return loss, param_grads(passage, g)
