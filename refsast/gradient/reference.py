"""The oracle: loss and gradients by the tape, from the very text that runs the network.

Rule 1: no derivative is written here; they all follow from `model.unroll` and the table of ops.
Rule 2: float64 only (complex where the caller takes a complex step); speed comes second.

Every function raises a ValueError that names the argument whose shape, dtype or number is wrong.
"""

from numpy.typing import ArrayLike

from refsast.arrays import Array, Integers
from refsast.autodiff import hvp as tape_hvp
from refsast.autodiff import straight_through as tape_straight_through
from refsast.autodiff import value_and_grad
from refsast.model.network import Network, replace_spikes
from refsast.model.objective import objective as loss_of_last_layer
from refsast.model.params import Params, cast_float64, map_params, param_arrays, replace_arrays
from refsast.model.readout import read_layer
from refsast.model.spike import Spike, first_derivative, heaviside
from refsast.model.unroll import unroll
from refsast.model.validation import validate_float64, validate_layout
from refsast.spikes import Spikes


def loss(network: Network, params: Params, x: ArrayLike | Spikes, y: ArrayLike) -> Array:
    """Return the mean cross entropy of the smooth network.

    Parameters
    ----------
    network, params, x, y
        As for `loss_and_grad`; `params` may be complex, for the complex step.

    Returns
    -------
    scalar array
        The loss, in nats.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> float(rs.reference.loss(network, params, x, y)) > 0
    True
    """
    params, x, y = validate_float64(network, params, x, y)
    return _loss(network, params, x, y)


def _loss(network: Network, params: Params, x: Array, y: Integers) -> Array:
    """The loss of what has been validated; on the tape, too."""
    trace = unroll(network, params, x)
    read = read_layer(network.readout, trace.u[-1], trace.s[-1])
    return loss_of_last_layer(network, params, read, y)


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

    References
    ----------
    DESIGN 3 and 5.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> loss, grads = rs.reference.loss_and_grad(network, params, x, y)
    >>> float(loss) > 0, grads[0].w.shape
    (True, (3, 2))
    """
    params, x, y = validate_float64(network, params, x, y)

    def objective(*arrays: Array) -> Array:
        return _loss(network, replace_arrays(params, arrays), x, y)

    value, grads = value_and_grad(objective, *param_arrays(params))
    return value, replace_arrays(params, grads)


def input_grad(network: Network, params: Params, x: ArrayLike | Spikes, y: ArrayLike) -> Array:
    """Return the gradient of the loss in the input, by the tape.

    Parameters
    ----------
    network, params, x, y
        As for `loss_and_grad`.

    Returns
    -------
    (time, batch, n_0) array
        Nats per unit of input; of the *mean* loss, so each recording's share is 1/batch.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> rs.reference.input_grad(network, params, x, y).shape
    (4, 1, 2)
    """
    params, x, y = validate_float64(network, params, x, y)
    return value_and_grad(lambda x: _loss(network, params, x, y), x)[1][0]


def hvp(
    network: Network, params: Params, x: ArrayLike | Spikes, y: ArrayLike, direction: Params
) -> Params:
    """Return the exact product of the Hessian of the loss with a direction.

    Parameters
    ----------
    network : Network
        The network; no neuron may detach its reset, since then there is no Hessian.
    params, x, y
        As for `loss_and_grad`.
    direction : tuple of Layer
        Of the shapes of `params`.

    Returns
    -------
    tuple of Layer
        Of the shapes of `params`, float64.

    References
    ----------
    Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6 (1994), 147-160.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> direction = tuple(rs.Layer(np.ones_like(p.w), np.zeros_like(p.b)) for p in params)
    >>> rs.reference.hvp(network, params, x, y, direction)[0].w.shape
    (3, 2)
    """
    require_hessian(network)
    params, x, y = validate_float64(network, params, x, y)
    direction = map_params(cast_float64, validate_layout(network, direction, "direction"))

    def objective(*arrays: Array) -> Array:
        return _loss(network, replace_arrays(params, arrays), x, y)

    return replace_arrays(
        params, tape_hvp(objective, param_arrays(params), param_arrays(direction))
    )


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
    params, x, y
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
    >>> loss, estimate = rs.reference.straight_through(network, params, x, y)
    >>> estimate[0].w.shape
    (3, 2)
    """

    def swap_spike(spike: Spike) -> Spike:
        return tape_straight_through(heaviside, first_derivative(spike))

    return loss_and_grad(replace_spikes(network, swap_spike), params, x, y)
