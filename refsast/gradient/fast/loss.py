"""The public gradients of the fast path.

Every function raises a ValueError that names the argument whose shape, dtype or number is wrong.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array, as_array, is_positive_int, require_floats, require_fraction
from refsast.gradient.fast.inputs import matmul_over_time
from refsast.gradient.fast.network import backward_chunks, param_grads, require_finite, run_forward
from refsast.gradient.fast.records import ForwardPass, LossGrad, Problem
from refsast.model.glif import as_glif
from refsast.model.loss import loss_and_cotangent as cross_entropy_back
from refsast.model.network import Network, replace_spikes
from refsast.model.objective import objective_back
from refsast.model.params import Params, layer_arrays, map_params
from refsast.model.readout import MeanPotential, pooled_back
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

    The equations are those of `bptt`. They are computed faster: the products with the input of all
    steps are one, sparse where the input is; spikes and resets are written into arrays that are
    there already; derivatives are saved in the forward pass; and states may be kept for a few steps
    only.

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
        Keep the states of every so many steps only, and run the steps between them again in the
        backward pass: the memory of about so many steps, for the time of one more forward pass.
    dense_above : float, optional
        Share of ones above which `Spikes` are multiplied as an array after all; 0 for always,
        1 for never. By default it is where both take as long, as measured. With connections the
        input is always an array.

    Returns
    -------
    loss : scalar array
        Mean cross entropy, in nats.
    grads : tuple of Layer
        Of the shapes and dtype of `params`.

    References
    ----------
    DESIGN 1, 3 and 5.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> fast = rs.fast.loss_and_grad(network, params, x, y)[1]
    >>> exact = rs.reference.loss_and_grad(network, params, x, y)[1]
    >>> bool(np.allclose(fast[0].w, exact[0].w, rtol=1e-12))
    True
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
    network, params, x, y, checkpoint
        As for `loss_and_grad`.

    Returns
    -------
    (time, batch, n_0) array
        Nats per unit of input, in the dtype of `params`.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> rs.fast.input_grad(network, params, x, y).shape
    (4, 1, 2)
    """
    params, problem = validate(network, network, params, x, y, checkpoint, None)
    forward_pass = run_forward(problem, params)
    _, g = loss_and_cotangent(forward_pass)
    out = np.empty(problem.x.shape, forward_pass.pooled.dtype)
    for chunk in backward_chunks(forward_pass, g, input_too=True):
        if chunk.in_x is None:
            out[chunk.steps] = matmul_over_time(chunk.deltas[0], params[0].w, np.matmul)
        else:
            out[chunk.steps] = chunk.in_x
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
    params, x, y, checkpoint, dense_above
        As for `loss_and_grad`.

    Returns
    -------
    loss : scalar array
        Mean cross entropy of the hard network, in nats.
    estimate : tuple of Layer
        Of the shapes of `params`. No function has it as its gradient.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> exact = rs.reference.loss_and_grad(network, params, x, y)[1]
    >>> biased = rs.straight_through(network, params, x, y)[1]
    >>> bool(np.allclose(exact[0].w, biased[0].w))
    False
    """
    hard = replace_spikes(network, lambda _: heaviside)
    return value_and_grad(*validate(hard, network, params, x, y, checkpoint, dense_above))


def validate(
    network: Network,
    surrogate: Network,
    params: Params,
    x: ArrayLike | Spikes,
    y: ArrayLike,
    checkpoint: int | None,
    dense_above: float | None,
) -> tuple[Params, Problem]:
    """Validate all arguments of a public function; return the parameters and all the rest."""
    # Whether numbers are finite is not looked at here, to save a pass over all of them. Non-finite
    # inputs make the loss non-finite; only then does `require_finite` name the array. The readout
    # is the exception: an infinite logit may have probability zero.
    params = validate_params(network, params, read=require_floats)
    if network.readout.n_out is not None:
        for name, array in layer_arrays(params[-1]).items():
            as_array(array, f"params[{len(params) - 1}].{name}")
    x = validate_input(network, x)
    if not isinstance(x, Spikes) and x.dtype.kind == "c" != params[0].w.dtype.kind:
        raise ValueError(f"x must be real where params are, got dtype {x.dtype}")
    if network.connections is not None and not isinstance(x, Spikes) and x.dtype.kind not in "biu":
        as_array(x, "x")  # windows may leave a pixel out, and a larger one hides what is -inf
    time, batch, _ = x.shape
    if checkpoint is not None and not is_positive_int(checkpoint):
        raise ValueError(f"checkpoint must be a positive integer, got {checkpoint!r}")
    if dense_above is not None:
        require_fraction(dense_above, "dense_above")
    y = validate_labels(y, batch, network.classes)
    if isinstance(network.readout, MeanPotential):  # of a `GLIF` all states are kept
        network, surrogate = _make_last_general(network), _make_last_general(surrogate)
    return params, Problem(network, surrogate, x, y, min(checkpoint or time, time), dense_above)


def _make_last_general(network: Network) -> Network:
    """The network with the neurons of its last layer as a `GLIF`."""
    *others, last = network.neurons
    return replace(network, neuron=(*others, as_glif(last)))


def loss_and_cotangent(forward_pass: ForwardPass) -> tuple[Array, LossGrad]:
    """Return the loss of a run, and what it depends on, in the dtype of the run."""
    problem, params, dtype = forward_pass.problem, forward_pass.params, forward_pass.pooled.dtype
    if forward_pass.read is None:
        loss, g = cross_entropy_back(forward_pass.logits, problem.y)
        time, readout = problem.x.shape[0], problem.network.readout
        pooled, grads = pooled_back(readout, params, forward_pass.pooled, g.astype(dtype), time)
        found = LossGrad(grads, pooled=pooled)
    else:
        wide = np.result_type(dtype, np.float64)
        loss, g, readout = objective_back(
            problem.network,
            map_params(lambda a: a.astype(wide), params),
            forward_pass.read.astype(wide),
            problem.y,
        )
        layer = map_params(lambda a: a.astype(dtype), readout)
        found = LossGrad(layer, read=g.astype(dtype))
    if not np.isfinite(loss):
        require_finite(problem, params)
    return loss, found


def value_and_grad(params: Params, problem: Problem) -> tuple[Array, Params]:
    """Return the loss and all gradients of what `validate` gave."""
    forward_pass = run_forward(problem, params)
    loss, g = loss_and_cotangent(forward_pass)
    return loss, param_grads(forward_pass, g)
