"""How far rounding can move each entry of a gradient: the yardstick by which two are compared.

A first-order error analysis, in units of one rounding. The errors themselves are carried along:
E of potentials and spikes forwards, D of delta backwards, each multiplied by the factor of the true
recursion, r_u + r_s sigma', so that what a run forgets is not counted again at every step::

    E(u_t) = terms of u_t + |r_u + r_s sigma'| E(u_{t-1}) + |W| E(a_t) + |V| E(s_{t-1})
    E(s_t) = sigma' (E(u_t) + theta) + terms of s_t
    D(delta_t) = |r_u + r_s sigma'| D(delta_{t+1}) + errors of all factors at t

where the terms of a sum are the magnitudes of what is added. A hard spike has no error, unless a
potential is within its own of the threshold. A synapse is a recursion of its own in between::

    E(i_t) = leak (E(i_{t-1}) + |i_{t-1}|) + terms and errors of what arrives
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array, Integers
from refsast.gradient.fast.inputs import flatten_steps
from refsast.model.lif import LIF
from refsast.model.loss import one_hot, softmax
from refsast.model.network import Network
from refsast.model.params import Layer, Params
from refsast.model.reset import ToZero
from refsast.model.spike import first_derivative, second_derivative
from refsast.model.synapse import Synapse, synapse_step
from refsast.model.unroll import input_currents, readout_logits, unroll
from refsast.model.validation import validate
from refsast.spikes import Spikes


@dataclass(frozen=True, eq=False)
class ErrorBounds:
    """How far rounding can move each number of a run, in units of one rounding; not negative.

    Attributes
    ----------
    loss : float
        Of the loss.
    u, s, adjoints : tuple of (time, batch, n) array
        Of potentials, spikes and dL/du, one array per spiking layer.
    grads : tuple of Layer
        Of the gradients in the parameters.
    x : (time, batch, n_0) array
        Of the gradient in the input.
    """

    loss: float
    u: tuple[Array, ...]
    s: tuple[Array, ...]
    adjoints: tuple[Array, ...]
    grads: Params
    x: Array


@dataclass(frozen=True, eq=False)
class LayerErrors:
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
    e_u : (time, batch, n) array
        The error of its potentials.
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
    e_u: Array


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
    params, x, y = validate(network, params, x, y)
    trace = unroll(network, params, x)
    found = error_bounds(network, params, x, y, trace.u, trace.s)
    return found.grads, found.x


def error_bounds(
    network: Network,
    params: Params,
    x: Array,
    y: Integers,
    us: tuple[Array, ...],
    ss: tuple[Array, ...],
    *,
    synapse: Synapse | None = None,
    hard: bool = False,
    coarse: float = 0.0,
    unit: float = 0.0,
) -> ErrorBounds:
    """Return the yardsticks of everything in a run, given its states; nothing is checked.

    Parameters
    ----------
    network, params, x, y
        As for `rounding`, checked.
    us, ss : tuple of (time, batch, n) array
        Potentials and spikes of the run.
    synapse : Synapse, optional
        What every layer's input went through.
    hard : bool
        Whether the spikes of the run were Heaviside steps; backward they are smooth.
    coarse : float
        Error of a spike's derivative far from threshold, in roundings of its largest value: 0 for
        formulas that keep their relative precision, 4 for ``k s (1 - s)`` of a logistic spike.
    unit : float
        One rounding, as a fraction: a second derivative is the largest that a potential may meet
        within its own error, since those of two spikes jump.
    """
    layers, a, e_a = [], x, np.zeros(x.shape)
    for neuron, layer, u, s in zip(network.neurons, params, us, ss, strict=False):
        floor = coarse * first_derivative(neuron.spike)(np.zeros(()))
        layers.append(
            _forward_errors(neuron, layer, a, e_a, u, s, synapse, hard, float(floor), unit)
        )
        a, e_a = s, layers[-1].e_s
    alpha = network.readout.time_weights(len(x)).reshape(-1, 1, 1)
    plain = network.readout.n_out is None
    readout = Layer(np.eye(network.classes)) if plain else params[-1]
    held = (alpha * (a + e_a)).sum(axis=0)
    e_z = input_currents(_magnitudes(readout, alpha.sum()), held[None])[0]
    logits = readout_logits(network, params, a)
    p, truth = softmax(logits), one_hot(y, network.classes)
    g = (p - truth) / y.size
    e_g = (p * (e_z + (p * e_z).sum(axis=1, keepdims=True)) + p + truth) / y.size
    e_loss = float(((abs(p - truth) * e_z).sum(axis=1) + abs(logits).max(axis=1) + 1.0).mean())
    found, adjoints = [], []
    if not plain:
        w = e_g.T @ (alpha * a).sum(axis=0) + abs(g).T @ held
        found.append(Layer(w, None if readout.b is None else e_g.sum(axis=0) * alpha.sum()))
    g, e_g = alpha * (g @ readout.w), alpha * ((e_g + abs(g)) @ abs(readout.w))
    for layer in reversed(layers):
        grads, of_u, g, e_g = _backward_errors(layer, g, e_g, synapse)
        found.append(grads)
        adjoints.append(of_u)
    e_u, e_s = tuple(f.e_u for f in layers), tuple(f.e_s for f in layers)
    return ErrorBounds(e_loss, e_u, e_s, tuple(reversed(adjoints)), tuple(reversed(found)), e_g)


def _magnitudes(layer: Layer, held: float = 1.0) -> Layer:
    """Magnitudes of feed-forward weights and of `held` times the bias."""
    return Layer(abs(layer.w), None if layer.b is None else held * abs(layer.b))


def _forward_errors(
    neuron: LIF,
    layer: Layer,
    a: Array,
    e_a: Array,
    u: Array,
    s: Array,
    synapse: Synapse | None,
    hard: bool,
    floor: float,
    unit: float,
) -> LayerErrors:
    """The layer with the errors of its potentials and spikes, and of what follows from them."""
    slope = first_derivative(neuron.spike)(u - neuron.threshold)
    partials = neuron.reset.partials(neuron.leak, neuron.threshold, u, s)
    r_u, r_s = (np.broadcast_to(r, u.shape) for r in partials)
    seen = np.zeros(u.shape) if hard else slope  # the derivative of what the run fired with
    kept = abs(r_u + r_s * seen)
    terms = neuron.leak * abs(u) * (1.0 + s) + neuron.threshold * s + abs(r_s)
    arrives, i_terms = input_currents(_magnitudes(layer), abs(a) + e_a), np.zeros(u.shape[1:])
    e_u, e_s = np.zeros(u.shape), np.zeros(u.shape)
    for t in range(len(u)):
        if t > 0 and layer.v is not None:
            arrives[t] += (s[t - 1] + e_s[t - 1]) @ abs(layer.v).T
        # All terms are counted as if they were errors, so the sum of both is carried along.
        i_terms, e_u[t] = synapse_step(synapse, i_terms, arrives[t])
        if t > 0:
            e_u[t] += terms[t - 1] + kept[t - 1] * e_u[t - 1]
        if not hard:
            e_s[t] = slope[t] * (e_u[t] + neuron.threshold) + 0.5 + abs(s[t] - 0.5)
    v, near = u - neuron.threshold, unit * (e_u + neuron.threshold)
    curvature = np.max(
        [abs(second_derivative(neuron.spike)(v + h)) for h in (-near, 0.0, near)], axis=0
    )
    e_slope = curvature * (e_u + neuron.threshold) + slope + floor
    multiplies = isinstance(neuron.reset, ToZero)  # else r_u and r_s are constants
    e_r = neuron.leak * (e_s + slope * e_u) if multiplies else np.zeros(u.shape)
    r_s = np.zeros(u.shape) if neuron.detach_reset else r_s
    return LayerErrors(neuron, layer, a, e_a, s, e_s, slope, e_slope, r_u, r_s, e_r, e_u)


def _backward_errors(
    f: LayerErrors, g: Array, e_g: Array, synapse: Synapse | None
) -> tuple[Layer, Array, Array, Array]:
    """Yardsticks of a layer's gradients and adjoints; the cotangent of its input, and its error."""
    delta, d, arriving, d_arriving = (np.zeros(g.shape) for _ in range(4))
    later = d_later = i_later = d_i_later = np.zeros(g.shape[1:])
    v = np.zeros((g.shape[2],) * 2) if f.layer.v is None else f.layer.v
    for t in reversed(range(len(g))):
        h = g[t] + f.r_s[t] * later + i_later @ v
        e_h = e_g[t] + (d_i_later + abs(i_later)) @ abs(v)
        rounded = f.slope[t] * abs(f.r_s[t]) + abs(f.r_u[t]) + f.e_r[t]
        d[t] = f.slope[t] * e_h + f.e_slope[t] * abs(h) + rounded * abs(later)
        d[t] += abs(f.slope[t] * f.r_s[t] + f.r_u[t]) * d_later
        delta[t] = f.slope[t] * h + f.r_u[t] * later
        d_i_later = _current_adjoint(synapse, d_i_later + abs(i_later), d[t], d_later)
        i_later = _current_adjoint(synapse, i_later, delta[t], later)
        arriving[t], d_arriving[t] = i_later, d_i_later
        later, d_later = delta[t], d[t]
    w = flatten_steps(d_arriving).T @ flatten_steps(abs(f.a)) + flatten_steps(
        abs(arriving)
    ).T @ flatten_steps(f.e_a)
    b = None if f.layer.b is None else d_arriving.sum(axis=(0, 1))
    of_v = flatten_steps(d_arriving[1:]).T @ flatten_steps(f.s[:-1]) + flatten_steps(
        abs(arriving[1:])
    ).T @ flatten_steps(f.e_s[:-1])
    grads = Layer(w, b, None if f.layer.v is None else of_v)
    return grads, d, arriving @ f.layer.w, (d_arriving + abs(arriving)) @ abs(f.layer.w)


def _current_adjoint(synapse: Synapse | None, i_later: Array, delta: Array, later: Array) -> Array:
    """The adjoint of a current, from the next one and the potentials of this step and the next."""
    if synapse is None:
        return delta
    return synapse.leak * i_later + synapse.scale * (later if synapse.delayed else delta)
