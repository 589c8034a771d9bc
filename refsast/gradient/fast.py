"""Loss and gradients by hand-derived backpropagation through time.

Rule 1: nothing here comes from the tape; agreement with `gradient.reference` is evidence.
Rule 2: no loop over batch or neurons; the only Python loops are over time and layers.
Rule 3: same signatures, same units, same answers as `gradient.reference`, also in float32.

Write delta_t for dloss/du_t of a layer, g_t for what its spikes receive from above, and let
r_u, r_s be the reset's partial derivatives at (u_t, s_t). Then, from t = T down to 1::

    h_t     = g_t + r_s delta_{t+1} + V' delta_{t+1}        (all that s_t receives)
    delta_t = sigma'(u_t - theta) h_t + r_u delta_{t+1}
    dW = sum_t delta_t a_t'        dV = sum_t delta_{t+1} s_t'
    db = sum_t delta_t             da_t = W' delta_t

A detached reset drops the term r_s delta_{t+1} and nothing else.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array, Integers
from refsast.model.doors import checked
from refsast.model.lif import LIF
from refsast.model.loss import cross_entropy, one_hot, softmax
from refsast.model.network import Network, with_spikes
from refsast.model.params import Layer, Params
from refsast.model.readout import pool
from refsast.model.spike import heaviside, slope_of
from refsast.model.unroll import unroll


@dataclass(frozen=True, eq=False)
class Factors:
    """The numbers by which one layer's backward recursion multiplies.

    Attributes
    ----------
    a : (time, batch, n_in) array
        Input of the layer.
    s : (time, batch, n) array
        Its spikes.
    slope : (time, batch, n) array
        sigma'(u_t - theta).
    r_u, r_s : (time, batch, n) array
        Partial derivatives of the reset at (u_t, s_t); r_s is zero where detached.
    w : (n, n_in) array
        Feed-forward weights.
    v : (n, n) array or None
        Recurrent weights.
    """

    a: Array
    s: Array
    slope: Array
    r_u: Array
    r_s: Array
    w: Array
    v: Array | None


def loss_and_grad(
    network: Network, params: Params, x: ArrayLike, y: ArrayLike
) -> tuple[Array, Params]:
    """Return the loss and its exact gradient in every parameter.

    Parameters
    ----------
    network : Network
        The network; its spikes need a ``derivative``.
    params : tuple of Layer
        Its parameters. Their dtype, float32 or float64, is that of the computation.
    x : (time, batch, n_0) array
        Input.
    y : (batch,) array of int
        Labels in [0, classes).

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
    return _backward(network, network, *checked(network, params, x, y))[:2]


def input_grad(network: Network, params: Params, x: ArrayLike, y: ArrayLike) -> Array:
    """Return the gradient of the mean loss in the input.

    Parameters
    ----------
    network : Network
        The network; its spikes need a ``derivative``.
    params : tuple of Layer
        Its parameters.
    x : (time, batch, n_0) array
        Input.
    y : (batch,) array of int
        Labels in [0, classes).

    Returns
    -------
    (time, batch, n_0) array
        Nats per unit of input, in the dtype of `params`.

    Raises
    ------
    ValueError
        If a shape, dtype or number is not as it must be.
    """
    params, x, y = checked(network, params, x, y)
    _, _, delta = _backward(network, network, params, x, y)
    return through(delta, params[0].w)


def straight_through(
    network: Network, params: Params, x: ArrayLike, y: ArrayLike
) -> tuple[Array, Params]:
    """Return the hard network's loss and the conventional, biased estimate of a gradient.

    Heaviside spikes forward, the derivative of the smooth spike backward.

    Parameters
    ----------
    network : Network
        The network; its spikes give the backward derivative.
    params : tuple of Layer
        Its parameters.
    x : (time, batch, n_0) array
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
    hard = with_spikes(network, lambda _: heaviside)
    return _backward(hard, network, *checked(network, params, x, y))[:2]


def _backward(
    forward: Network, backward: Network, params: Params, x: Array, y: Integers
) -> tuple[Array, Params, Array]:
    """Loss, gradients and the first layer's delta: run `forward`, differentiate as `backward`."""
    trace = unroll(forward, params, x)
    g = (softmax(trace.logits) - one_hot(y, forward.classes)) / y.size
    inputs = (x, *trace.s[:-1])
    layers = zip(backward.neurons, params, inputs, trace.u, trace.s, strict=False)
    grads, delta = walk(backward, params, [_factors(*layer) for layer in layers], g.astype(x.dtype))
    return cross_entropy(trace.logits, y), grads, delta


def walk(
    network: Network, params: Params, factors: list[Factors], g: Array
) -> tuple[Params, Array]:
    """Return all gradients, and the first layer's delta, from the cotangent `g` of the logits."""
    s = factors[-1].s
    grads: list[Layer] = []
    if network.readout.n_out is not None:
        grads.append(_readout_grads(network, params[-1], g, s))
        g = g @ params[-1].w
    g = delta = network.readout.time_weights(len(s)).astype(s.dtype).reshape(-1, 1, 1) * g
    for i in reversed(range(len(factors))):
        delta = _sweep(factors[i], g)
        grads.append(_layer_grads(factors[i], delta, params[i]))
        if i > 0:
            g = through(delta, factors[i].w)
    return tuple(reversed(grads)), delta


def through(delta: Array, w: Array) -> Array:
    """Return ``W' delta_t`` for all steps in one product, shape (time, batch, n_in)."""
    return (flat(delta) @ w).reshape(*delta.shape[:2], -1)


def flat(signal: Array) -> Array:
    """Return time and batch as one axis."""
    return signal.reshape(-1, signal.shape[-1])


def _factors(neuron: LIF, layer: Layer, a: Array, u: Array, s: Array) -> Factors:
    """All that the recursion of one layer needs, from what happened forwards."""
    r_u, r_s = neuron.reset.partials(neuron.leak, neuron.threshold, u, s)
    if neuron.detach_reset:
        r_s = 0.0
    r_u, r_s = (np.broadcast_to(r, u.shape) for r in (r_u, r_s))
    slope = slope_of(neuron.spike)(u - neuron.threshold)
    return Factors(a, s, slope, r_u, r_s, layer.w, layer.v)


def _sweep(f: Factors, g: Array) -> Array:
    """Return delta for all steps, from the last to the first."""
    delta = np.empty_like(g)
    later = np.zeros_like(g[0])
    for t in reversed(range(len(g))):
        h = g[t] + f.r_s[t] * later
        if f.v is not None:
            h += later @ f.v
        later = f.slope[t] * h + f.r_u[t] * later
        delta[t] = later
    return delta


def _layer_grads(f: Factors, delta: Array, layer: Layer) -> Layer:
    """Gradients of the parameters of a spiking layer."""
    w = flat(delta).T @ flat(f.a)
    b = None if layer.b is None else delta.sum(axis=(0, 1))
    v = None if f.v is None else flat(delta[1:]).T @ flat(f.s[:-1])
    return Layer(w, b, v)


def _readout_grads(network: Network, layer: Layer, g: Array, s: Array) -> Layer:
    """Gradients of the parameters of a readout, from the cotangent of the logits."""
    held = network.readout.time_weights(len(s)).astype(s.dtype)
    b = None if layer.b is None else g.sum(axis=0) * held.sum()
    return Layer(g.T @ pool(network.readout, s), b)
