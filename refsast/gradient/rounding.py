"""How far rounding can move each entry of a gradient: the yardstick by which two are compared.

A first-order error analysis, in units of one rounding. The errors themselves are carried along:
E of potentials and spikes forwards, D of delta backwards, each multiplied by the factor of the true
recursion, r_u + r_s sigma', so that what a run forgets is not counted again at every step::

    E(u_t) = terms of u_t + |r_u + r_s sigma'| E(u_{t-1}) + |W| E(a_t) + |V| E(s_{t-1})
    E(s_t) = sigma' (E(u_t) + theta) + terms of s_t
    D(delta_t) = |r_u + r_s sigma'| D(delta_{t+1}) + errors of all factors at t

where the terms of a sum are the magnitudes of what is added.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array
from refsast.gradient.fast.products import flat
from refsast.model.doors import checked
from refsast.model.lif import LIF
from refsast.model.loss import one_hot, softmax
from refsast.model.network import Network
from refsast.model.params import Layer, Params
from refsast.model.reset import ToZero
from refsast.model.spike import second_of, slope_of
from refsast.model.unroll import drive, unroll
from refsast.spikes import Spikes


@dataclass(frozen=True, eq=False)
class Errors:
    """One layer of a run with the errors of all that the backward recursion multiplies with.

    Attributes
    ----------
    neuron, layer : LIF, Layer
        The layer.
    a, e_a : (time, batch, n_in) array
        Its input, and the error of that.
    s, e_s : (time, batch, n) array
        Its spikes, and their error.
    slope, e_slope : (time, batch, n) array
        sigma'(u - theta), and its error.
    r_u, r_s : (time, batch, n) array
        Partial derivatives of the reset; r_s is zero where detached.
    e_r : (time, batch, n) array
        The errors of r_u and of r_s sigma' together.
    """

    neuron: LIF
    layer: Layer
    a: Array
    e_a: Array
    s: Array
    e_s: Array
    slope: Array
    e_slope: Array
    r_u: Array
    r_s: Array
    e_r: Array


def rounding(
    network: Network, params: Params, x: ArrayLike | Spikes, y: ArrayLike
) -> tuple[Params, Array]:
    """Return how far rounding can move the gradients, to first order, in units of one rounding.

    Two right gradients agree to a modest multiple of ``eps`` times this, entry by entry, where
    ``eps`` is 1.1e-16 in float64 and 6e-8 in float32. There is no absolute floor: an entry of
    1e-12 that is no cancellation has a yardstick of about 1e-12.

    Parameters
    ----------
    network : Network
        The network; its spikes need ``derivative`` and ``second``.
    params : tuple of Layer
        Its parameters.
    x : (time, batch, n_0) array, or Spikes
        Input.
    y : (batch,) array of int
        Labels in [0, classes).

    Returns
    -------
    params : tuple of Layer
        Yardsticks of the gradients in the parameters, not negative; zero where nothing is rounded.
    x : (time, batch, n_0) array
        Yardsticks of the gradient in the input.

    Raises
    ------
    ValueError
        If a shape, dtype or number is not as it must be.

    References
    ----------
    DESIGN 5; Higham, "Accuracy and Stability of Numerical Algorithms" (2002), Sec. 3.3 for running
    error analysis.
    """
    params, x, y = checked(network, params, x, y)
    trace, layers, a, e_a = unroll(network, params, x), [], x, np.zeros(x.shape)
    for neuron, layer, u, s in zip(network.neurons, params, trace.u, trace.s, strict=False):
        layers.append(_forwards(neuron, layer, a, e_a, u, s))
        a, e_a = s, layers[-1].e_s
    alpha = network.readout.time_weights(len(x)).reshape(-1, 1, 1)
    plain = network.readout.n_out is None
    readout = Layer(np.eye(network.classes)) if plain else params[-1]
    held = (alpha * (a + e_a)).sum(axis=0)
    e_z = drive(_signless(readout, alpha.sum()), held[None])[0]
    p, truth = softmax(trace.logits), one_hot(y, network.classes)
    g = (p - truth) / y.size
    e_g = (p * (e_z + (p * e_z).sum(axis=1, keepdims=True)) + p + truth) / y.size
    found = []
    if not plain:
        w = e_g.T @ (alpha * a).sum(axis=0) + abs(g).T @ held
        found.append(Layer(w, None if readout.b is None else e_g.sum(axis=0) * alpha.sum()))
    g, e_g = alpha * (g @ readout.w), alpha * ((e_g + abs(g)) @ abs(readout.w))
    for layer in reversed(layers):
        grads, g, e_g = _backwards(layer, g, e_g)
        found.append(grads)
    return tuple(reversed(found)), e_g


def _signless(layer: Layer, held: float = 1.0) -> Layer:
    """Magnitudes of feed-forward weights and of `held` times the bias."""
    return Layer(abs(layer.w), None if layer.b is None else held * abs(layer.b))


def _forwards(neuron: LIF, layer: Layer, a: Array, e_a: Array, u: Array, s: Array) -> Errors:
    """The layer with the errors of its potentials and spikes, and of what follows from them."""
    slope = slope_of(neuron.spike)(u - neuron.threshold)
    partials = neuron.reset.partials(neuron.leak, neuron.threshold, u, s)
    r_u, r_s = (np.broadcast_to(r, u.shape) for r in partials)
    kept = abs(r_u + r_s * slope)
    terms = neuron.leak * abs(u) * (1.0 + s) + neuron.threshold * s + abs(r_s)
    e_u, e_s = drive(_signless(layer), abs(a) + e_a), np.zeros(u.shape)
    for t in range(len(u)):
        if t > 0:
            e_u[t] += terms[t - 1] + kept[t - 1] * e_u[t - 1]
        if t > 0 and layer.v is not None:
            e_u[t] += (s[t - 1] + e_s[t - 1]) @ abs(layer.v).T
        e_s[t] = slope[t] * (e_u[t] + neuron.threshold) + 0.5 + abs(s[t] - 0.5)
    curvature = abs(second_of(neuron.spike)(u - neuron.threshold))
    e_slope = curvature * (e_u + neuron.threshold) + slope
    multiplies = isinstance(neuron.reset, ToZero)  # else r_u and r_s are constants
    e_r = neuron.leak * (e_s + slope * e_u) if multiplies else np.zeros(u.shape)
    r_s = np.zeros(u.shape) if neuron.detach_reset else r_s
    return Errors(neuron, layer, a, e_a, s, e_s, slope, e_slope, r_u, r_s, e_r)


def _backwards(f: Errors, g: Array, e_g: Array) -> tuple[Layer, Array, Array]:
    """Yardsticks of a layer's gradients; the cotangent of its input, and the error of that."""
    delta, d = np.zeros(g.shape), np.zeros(g.shape)
    later = d_later = np.zeros(g.shape[1:])
    v = np.zeros((g.shape[2],) * 2) if f.layer.v is None else f.layer.v
    for t in reversed(range(len(g))):
        h = g[t] + f.r_s[t] * later + later @ v
        e_h = e_g[t] + (d_later + abs(later)) @ abs(v)
        rounded = f.slope[t] * abs(f.r_s[t]) + abs(f.r_u[t]) + f.e_r[t]
        d[t] = f.slope[t] * e_h + f.e_slope[t] * abs(h) + rounded * abs(later)
        d[t] += abs(f.slope[t] * f.r_s[t] + f.r_u[t]) * d_later
        delta[t] = f.slope[t] * h + f.r_u[t] * later
        later, d_later = delta[t], d[t]
    w = flat(d).T @ flat(abs(f.a)) + flat(abs(delta)).T @ flat(f.e_a)
    b = None if f.layer.b is None else d.sum(axis=(0, 1))
    of_v = flat(d[1:]).T @ flat(f.s[:-1]) + flat(abs(delta[1:])).T @ flat(f.e_s[:-1])
    grads = Layer(w, b, None if f.layer.v is None else of_v)
    return grads, delta @ f.layer.w, (d + abs(delta)) @ abs(f.layer.w)
