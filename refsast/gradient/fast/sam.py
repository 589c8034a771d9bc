"""Both passes of SAM at once, sharing what they can.

The ascent moves the first layer's weights along ``G = Delta' X``, and the second pass needs their
product with its own input Y. Where there are fewer rows (steps times recordings) than neurons, both
are cheaper by inner products of inputs::

    Y (W + h G)' = Y W' + h (Y X') Delta        |G|^2 = sum of ((X X') Delta) * Delta

so that G is never formed; and where Y is X, the product X W' is known already. Where the terms of
that sum cancel, so do its digits, and G is formed after all.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array, NotFinite, require_nonnegative
from refsast.gradient.fast.inputs import DenseInputs, Inputs
from refsast.gradient.fast.loss import loss_and_cotangent, validate, value_and_grad
from refsast.gradient.fast.network import (
    backward_chunks,
    layer_grads,
    param_grads,
    run_forward,
    upper_weight_grads,
)
from refsast.gradient.fast.records import ForwardPass, Problem
from refsast.model.network import Network
from refsast.model.params import Layer, Params, layer_arrays, param_arrays
from refsast.model.vector import clip_params
from refsast.spikes import Spikes

GRAM_COST = 0.6  # of a matrix with itself, per cost of a general product, as measured
CANCELLATION = 0.1  # share of the sum without cross terms, below which digits have cancelled
SMALLEST_NORM = 1e-12  # between this and its inverse, norms have squares that float32 holds
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
    network, params
        As for `loss_and_grad`.
    first : (x, y)
        The minibatch of the ascent, as `loss_and_grad` takes it. Not used where ``rho == 0`` and
        `second` is given.
    second : (x, y), optional
        A second, independent minibatch; without it the first serves both passes.
    rho : float
        Radius of the ball, in units of the parameters. Not negative; zero is plain descent, to the
        bit.
    checkpoint, dense_above : optional
        As for `loss_and_grad`; with checkpoints the passes share nothing.

    Returns
    -------
    loss : scalar array
        At `params`, on the first minibatch (the second, where that alone was used), in nats.
    grads : tuple of Layer
        The gradient on the second minibatch at the ascent point, in which leaks and thresholds that
        are learned as they are do not leave their range: they are clipped, as by `keep_in_range`.

    Raises
    ------
    ValueError
        As `loss_and_grad`, and if `rho` is negative or not finite.

    References
    ----------
    Foret et al., "Sharpness-Aware Minimization", arXiv:2010.01412, Sec. 2; THEORY 5 for the second
    minibatch.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> loss, grads = rs.fast.sam_gradient(network, params, (x, y), (0 * x, y), rho=0.1)
    >>> grads[0].w.shape
    (3, 2)
    """
    require_nonnegative(rho, "rho")
    first = _require_pair(first, "first")
    second = None if second is None else _require_pair(second, "second")
    options = (checkpoint, dense_above)
    if rho == 0.0:
        only = first if second is None else second
        return value_and_grad(*validate(network, network, params, *only, *options))
    params, ascent = validate(network, network, params, *first, *options)
    if params[0].w.dtype.kind == "c":
        raise ValueError("params must be real for a norm of the gradient, got complex numbers")
    descent = ascent
    if second is not None:
        _, descent = validate(network, network, params, *second, *options)
    x = y = None
    if network.connections is None and len(ascent.chunks) == len(descent.chunks) == 1:
        w = params[0].w
        x = ascent.inputs(ascent.chunks[0], w.dtype)
        y = x if descent is ascent else descent.inputs(descent.chunks[0], w.dtype)
        if sharing_is_cheaper(x, y, len(w)):
            return _joint_passes(params, ascent, descent, x, y, rho)
    forward_pass = run_forward(ascent, params, x)
    loss, g = loss_and_cotangent(forward_pass)
    moved = _move(network, params, *_ascent_step(param_grads(forward_pass, g), rho))
    return loss, _descent_grads(run_forward(descent, moved, y))


def _require_pair(batch: Batch, name: str) -> Batch:
    """Return a minibatch; raise where it is no pair."""
    if not isinstance(batch, Sequence) or len(batch) != 2:
        raise ValueError(f"{name} must be a pair (x, y), got {type(batch).__name__}")
    return batch


def sharing_is_cheaper(x: Inputs, y: Inputs, n: int) -> bool:
    """Return whether inner products of inputs cost less than the products that they replace.

    Both in multiplications per row and input, for a first layer of `n` neurons.
    """
    (rows, n_in), (others, _) = x.matrix_shape, y.matrix_shape
    gram = GRAM_COST * rows if isinstance(x, DenseInputs) else rows
    if y is x:
        return gram + rows * n / n_in < 2 * n
    return gram + others + 2 * rows * n / n_in < n


def _joint_passes(
    params: Params, ascent: Problem, descent: Problem, x: Inputs, y: Inputs, rho: float
) -> tuple[Array, Params]:
    """Both passes by inner products of inputs; in one chunk each."""
    currents = x.multiply(params[0].w)
    # A forward pass overwrites its currents; the second needs those of the first if y is x.
    forward_pass = run_forward(ascent, params, x, currents.copy() if y is x else currents)
    loss, g = loss_and_cotangent(forward_pass)
    (chunk,) = backward_chunks(forward_pass, g)
    delta, upper = chunk.deltas[0], upper_weight_grads(chunk)
    change = x.multiply_weight_grad(x, delta)  # of the currents, per unit of step: (X X') Delta
    with np.errstate(over="ignore", invalid="ignore"):  # the norm is tested for that below
        square = float((change * delta).sum(dtype=np.float64))
        diagonal = float((x.square_sums() * (delta * delta).sum(axis=2)).sum(dtype=np.float64))
    # All gradients but that of the first layer's weights, whose squared norm is `square`.
    grads = layer_grads(params, [None, *upper], chunk) + g.readout
    length = float(np.hypot(np.sqrt(max(square, 0.0)), global_norm(grads)))
    representable = SMALLEST_NORM < length < 1.0 / SMALLEST_NORM
    if not (representable and square >= CANCELLATION * diagonal):
        whole = layer_grads(params, [x.weight_grad(delta), *upper], chunk)
        whole += g.readout
        moved = _move(ascent.network, params, *_ascent_step(whole, rho))
        return loss, _descent_grads(run_forward(descent, moved, y))
    if y is not x:
        change, currents = y.multiply_weight_grad(x, delta), y.multiply(params[0].w)
    currents += (rho / length) * change
    moved = _move(ascent.network, params, grads, rho / length)
    return loss, _descent_grads(run_forward(descent, moved, y, currents))


def _descent_grads(forward_pass: ForwardPass) -> Params:
    """The gradients of the second pass."""
    return param_grads(forward_pass, loss_and_cotangent(forward_pass)[1])


def global_norm(grads: Params) -> float:
    """Return the Euclidean norm of all entries, which neither underflows nor overflows."""
    arrays = param_arrays(grads)
    with np.errstate(over="ignore", under="ignore"):
        squares = [float(np.vdot(a, a)) for a in arrays]
    total = float(np.sqrt(sum(squares)))
    if SMALLEST_NORM < total < 1.0 / SMALLEST_NORM:
        return total
    # The squares may have under- or overflowed: once more, in units of the largest entry.
    peak = max((float(np.abs(a).max(initial=0.0)) for a in arrays), default=0.0)
    if peak == 0.0 or not np.isfinite(peak):
        return peak
    norms = (np.linalg.norm((a / peak).ravel()) for a in arrays)
    return peak * float(np.linalg.norm([float(n) for n in norms]))


def _ascent_step(grads: Params, rho: float) -> tuple[Params, float]:
    """The gradient and the multiple of it that has length `rho`; a tiny one is normalised first."""
    length = global_norm(grads)
    if not np.isfinite(length):
        raise NotFinite(f"grad must be finite, got one of length {length}")
    if length == 0.0:
        return grads, 0.0
    if length > SMALLEST_NORM:
        return grads, rho / length
    for array in param_arrays(grads):  # overwritten: rho / length might overflow
        array[...] = array.astype(np.float64) / length
    return grads, rho


def _move(network: Network, params: Params, grads: Params, step: float) -> Params:
    """Return parameters plus `step` times a gradient, which is overwritten and may lack weights.

    What neurons learn stays in its range.
    """
    moved = []
    for layer, grad in zip(params, grads, strict=True):
        arrays = layer_arrays(grad)
        for name, array in arrays.items():
            array *= step
            array += getattr(layer, name)
        moved.append(Layer(**{**layer_arrays(layer), **arrays}))
    return clip_params(network, tuple(moved))
