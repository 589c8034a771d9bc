"""The oracle: loss and gradients by the tape, from the very text that runs the network.

Rule 1: no derivative is written here; they all follow from `model.unroll` and the table of ops.
Rule 2: float64 only (complex where the caller takes a complex step); speed comes second.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array, Integers
from refsast.autodiff import hvp as tape_hvp
from refsast.autodiff import straight_through as tape_straight_through
from refsast.autodiff import value_and_grad
from refsast.model.loss import cross_entropy
from refsast.model.network import Network, replace_spikes
from refsast.model.params import Layer, Params, layer_arrays
from refsast.model.spike import Spike, first_derivative, heaviside
from refsast.model.unroll import unroll
from refsast.model.validation import validate, validate_params
from refsast.spikes import Spikes


def loss(network: Network, params: Params, x: ArrayLike | Spikes, y: ArrayLike) -> Array:
    """Return the mean cross entropy of the smooth network.

    Parameters
    ----------
    network : Network
        The network.
    params : tuple of Layer
        Its parameters; may be complex, for the complex step.
    x : (time, batch, n_0) array, or Spikes
        Input.
    y : (batch,) array of int
        Labels in [0, classes).

    Returns
    -------
    scalar array
        The loss, in nats.

    Raises
    ------
    ValueError
        If a shape, dtype or number is not as it must be.
    """
    params, x, y = _validate_double(network, params, x, y)
    return cross_entropy(unroll(network, params, x).logits, y)


def loss_and_grad(
    network: Network, params: Params, x: ArrayLike | Spikes, y: ArrayLike
) -> tuple[Array, Params]:
    """Return the loss and its gradient in every parameter, by the tape.

    With ``detach_reset`` in a neuron, what comes back as the gradient is the biased vector that
    libraries with that option compute.

    Parameters
    ----------
    network : Network
        The network.
    params : tuple of Layer
        Its parameters.
    x : (time, batch, n_0) array, or Spikes
        Input.
    y : (batch,) array of int
        Labels in [0, classes).

    Returns
    -------
    loss : scalar array
        Mean cross entropy, in nats.
    grads : tuple of Layer
        Of the shapes of `params`, float64.

    Raises
    ------
    ValueError
        If a shape, dtype or number is not as it must be.

    References
    ----------
    DESIGN 3 and 5.
    """
    params, x, y = _validate_double(network, params, x, y)
    arrays, rebuild = _flatten_arrays(params)

    def objective(*arrays: Array) -> Array:
        return cross_entropy(unroll(network, rebuild(*arrays), x).logits, y)

    value, grads = value_and_grad(objective, *arrays)
    return value, rebuild(*grads)


def input_grad(network: Network, params: Params, x: ArrayLike | Spikes, y: ArrayLike) -> Array:
    """Return the gradient of the loss in the input, by the tape.

    Parameters
    ----------
    network : Network
        The network.
    params : tuple of Layer
        Its parameters.
    x : (time, batch, n_0) array, or Spikes
        Input.
    y : (batch,) array of int
        Labels in [0, classes).

    Returns
    -------
    (time, batch, n_0) array
        Nats per unit of input; of the *mean* loss, so each recording's share is 1/batch.

    Raises
    ------
    ValueError
        If a shape, dtype or number is not as it must be.
    """
    params, x, y = _validate_double(network, params, x, y)
    return value_and_grad(lambda x: cross_entropy(unroll(network, params, x).logits, y), x)[1][0]


def hvp(
    network: Network, params: Params, x: ArrayLike | Spikes, y: ArrayLike, direction: Params
) -> Params:
    """Return the exact product of the Hessian of the loss with a direction.

    Parameters
    ----------
    network : Network
        The network; no neuron may detach its reset, since then there is no Hessian.
    params : tuple of Layer
        Its parameters.
    x : (time, batch, n_0) array, or Spikes
        Input.
    y : (batch,) array of int
        Labels in [0, classes).
    direction : tuple of Layer
        Of the shapes of `params`.

    Returns
    -------
    tuple of Layer
        Of the shapes of `params`, float64.

    Raises
    ------
    ValueError
        If a shape, dtype or number is not as it must be, or a neuron detaches its reset.

    References
    ----------
    Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6 (1994), 147-160.
    """
    require_hessian(network)
    params, x, y = _validate_double(network, params, x, y)
    arrays, rebuild = _flatten_arrays(params)
    along = _flatten_arrays(_to_float64(validate_params(network, direction, "direction")))[0]

    def objective(*arrays: Array) -> Array:
        return cross_entropy(unroll(network, rebuild(*arrays), x).logits, y)

    return rebuild(*tape_hvp(objective, arrays, along))


def require_hessian(network: Network) -> None:
    """Refuse a network whose gradient is that of no loss."""
    if any(neuron.detach_reset for neuron in network.neurons):
        raise ValueError("detach_reset must be False for a Hessian to exist, got True")


def straight_through(
    network: Network, params: Params, x: ArrayLike | Spikes, y: ArrayLike
) -> tuple[Array, Params]:
    """Return the hard network's loss and the conventional, biased estimate of a gradient.

    Heaviside spikes forward, the derivative of the smooth spike backward, by the tape.

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

    def hardened(spike: Spike) -> Spike:
        return tape_straight_through(heaviside, first_derivative(spike))

    return loss_and_grad(replace_spikes(network, hardened), params, x, y)


def _validate_double(
    network: Network, params: Params, x: ArrayLike | Spikes, y: ArrayLike
) -> tuple[Params, Array, Integers]:
    """Everything checked, and in double precision."""
    return validate(network, _to_float64(validate_params(network, params)), x, y)


def _to_float64(params: Params) -> Params:
    """The same numbers in double precision."""
    return tuple(
        Layer(
            **{k: a.astype(np.result_type(a, np.float64)) for k, a in layer_arrays(layer).items()}
        )
        for layer in params
    )


def _flatten_arrays(params: Params) -> tuple[tuple[Array, ...], Callable[..., Params]]:
    """The arrays of `params` in order, and the function that puts such arrays together again."""
    names = [tuple(layer_arrays(layer)) for layer in params]

    def rebuild(*arrays: Array) -> Params:
        left = iter(arrays)
        return tuple(Layer(**{name: next(left) for name in layer}) for layer in names)

    return tuple(a for layer in params for a in layer_arrays(layer).values()), rebuild
