"""How far rounding can move each entry of a gradient: the error bounds by which two are compared.

A first-order error analysis, in units of one rounding. Errors are propagated through the run: E of
potentials and spikes forward, D of delta backward, each multiplied by the factor of the true
recursion, r_u + r_s sigma', so that an error is forgotten as fast as the state that it is in::

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
from refsast.model.network import Network, require_plain
from refsast.model.params import Layer, Params
from refsast.model.reset import NoReset, Subtract, ToZero
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
    """One layer of a run with the errors of all factors of the backward recursion.

    Attributes
    ----------
    neuron, layer : LIF, Layer
        The layer.
    a, s, e_a, e_s : array
        Its input and spikes, and their errors.
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
    ``eps`` is 1.1e-16 in float64 and 6e-8 in float32. There is no absolute tolerance: an entry of
    1e-12 that is no cancellation has a bound of about 1e-12.

    Parameters
    ----------
    network : Network
        The network; its spikes need ``derivative`` and ``second``.
    params, x, y
        As for `reference.loss_and_grad`, which also says what is raised.

    Returns
    -------
    params : tuple of Layer
        Bounds of the gradients in the parameters, not negative; zero where nothing is rounded.
    x : (time, batch, n_0) array
        Bounds of the gradient in the input.

    References
    ----------
    DESIGN 5; Higham, "Accuracy and Stability of Numerical Algorithms" (2002), Sec. 3.3 for running
    error analysis.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> bounds, _ = rs.rounding(network, params, x, y)
    >>> bool(bounds[0].w.max() < 1e-10)
    False
    """
    require_plain(network, "rounding")
    params, x, y = validate(network, params, x, y)
    trace = unroll(network, params, x)
    bounds = error_bounds(network, params, x, y, trace.u, trace.s)
    return bounds.grads, bounds.x


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
    """Return the error bounds of everything in a run, given its states; nothing is validated.

    Parameters
    ----------
    network, params, x, y
        As for `rounding`, validated.
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
        One rounding, as a fraction. The second derivative is taken as the largest within the error
        of a potential, since those of two spikes jump.
    """
    layers, a, e_a = [], x, np.zeros(x.shape)
    for neuron, layer, u, s in zip(network.neurons, params, us, ss, strict=False):
        e_tail = float(coarse * first_derivative(neuron.spike)(np.zeros(())))
        layers.append(_forward_errors(neuron, layer, a, e_a, u, s, synapse, hard, e_tail, unit))
        a, e_a = s, layers[-1].e_s
    alpha = network.readout.time_weights(len(x)).reshape(-1, 1, 1)
    # A readout without parameters is one with the identity for weights.
    has_params = network.readout.n_out is not None
    readout = params[-1] if has_params else Layer(np.eye(network.classes))
    pooled = (alpha * (a + e_a)).sum(axis=0)
    e_z = input_currents(_magnitudes(readout, alpha.sum()), pooled[None])[0]
    logits = readout_logits(network, params, a)
    # A softmax moves by p (e_z - sum p e_z), whose signs are unknown; p - truth is rounded, too.
    p, truth = softmax(logits), one_hot(y, network.classes)
    g = (p - truth) / y.size
    e_g = (p * (e_z + (p * e_z).sum(axis=1, keepdims=True)) + p + truth) / y.size
    e_loss = float(((abs(p - truth) * e_z).sum(axis=1) + abs(logits).max(axis=1) + 1.0).mean())
    grads, adjoints = [], []
    if has_params:
        w = e_g.T @ (alpha * a).sum(axis=0) + abs(g).T @ pooled
        grads.append(Layer(w, None if readout.b is None else e_g.sum(axis=0) * alpha.sum()))
    g, e_g = alpha * (g @ readout.w), alpha * ((e_g + abs(g)) @ abs(readout.w))
    for layer in reversed(layers):
        layer_grads, e_delta, g, e_g = _backward_errors(layer, g, e_g, synapse)
        grads.append(layer_grads)
        adjoints.append(e_delta)
    e_u, e_s = tuple(e.e_u for e in layers), tuple(e.e_s for e in layers)
    return ErrorBounds(e_loss, e_u, e_s, tuple(reversed(adjoints)), tuple(reversed(grads)), e_g)


def _magnitudes(layer: Layer, bias_weight: float = 1.0) -> Layer:
    """Magnitudes of feed-forward weights and of a multiple of the bias."""
    return Layer(abs(layer.w), None if layer.b is None else bias_weight * abs(layer.b))


def _forward_errors(
    neuron: LIF,
    layer: Layer,
    a: Array,
    e_a: Array,
    u: Array,
    s: Array,
    synapse: Synapse | None,
    hard: bool,
    e_tail: float,
    unit: float,
) -> LayerErrors:
    """The layer with the errors of its potentials and spikes, and of what follows from them."""
    slope = first_derivative(neuron.spike)(u - neuron.threshold)
    partials = neuron.reset.partials(neuron.leak, neuron.threshold, u, s)
    r_u, r_s = (np.broadcast_to(r, u.shape) for r in partials)
    run_slope = np.zeros(u.shape) if hard else slope  # of the spikes that the run had
    reset_slope = abs(r_u + r_s * run_slope)
    terms = neuron.leak * abs(u) * (1.0 + s) + neuron.threshold * s + abs(r_s)
    current, i_terms = input_currents(_magnitudes(layer), abs(a) + e_a), np.zeros(u.shape[1:])
    e_u, e_s = np.zeros(u.shape), np.zeros(u.shape)
    for t in range(len(u)):
        if t > 0 and layer.v is not None:
            current[t] += (s[t - 1] + e_s[t - 1]) @ abs(layer.v).T
        # `i_terms` is E(i) + |i| in one: both are terms of the next current.
        i_terms, e_u[t] = synapse_step(synapse, i_terms, current[t])
        if t > 0:
            e_u[t] += terms[t - 1] + reset_slope[t - 1] * e_u[t - 1]
        if not hard:  # s or 1 - s may be computed first: the larger of them is the term
            e_s[t] = slope[t] * (e_u[t] + neuron.threshold) + 0.5 + abs(s[t] - 0.5)
    # A second derivative may jump: the largest of three within the error of the potential.
    v, near = u - neuron.threshold, unit * (e_u + neuron.threshold)
    curvature = np.max(
        [abs(second_derivative(neuron.spike)(v + h)) for h in (-near, 0.0, near)], axis=0
    )
    e_slope = curvature * (e_u + neuron.threshold) + slope + e_tail
    # r_u and r_s depend on the state, and so have its errors, only where the reset multiplies.
    e_r = np.zeros(u.shape)
    if isinstance(neuron.reset, ToZero):
        e_r = neuron.leak * (e_s + slope * e_u)
    elif not isinstance(neuron.reset, Subtract | NoReset):
        raise ValueError(f"reset must be one whose rounding is known, got {neuron.reset!r}")
    r_s = np.zeros(u.shape) if neuron.detach_reset else r_s
    return LayerErrors(neuron, layer, a, e_a, s, e_s, slope, e_slope, r_u, r_s, e_r, e_u)


def _backward_errors(
    e: LayerErrors, g: Array, e_g: Array, synapse: Synapse | None
) -> tuple[Layer, Array, Array, Array]:
    """Bounds of a layer's gradients and adjoints; the cotangent of its input, and its error."""
    delta, d, current, d_current = (np.zeros(g.shape) for _ in range(4))
    later = d_later = i_later = d_i_later = np.zeros(g.shape[1:])
    v = np.zeros((g.shape[2],) * 2) if e.layer.v is None else e.layer.v
    for t in reversed(range(len(g))):
        # h is dL/ds_t, so delta_t = slope h + r_u delta_{t+1}; each factor brings its error.
        h = g[t] + e.r_s[t] * later + i_later @ v
        e_h = e_g[t] + (d_i_later + abs(i_later)) @ abs(v)
        rounded = e.slope[t] * abs(e.r_s[t]) + abs(e.r_u[t]) + e.e_r[t]
        d[t] = e.slope[t] * e_h + e.e_slope[t] * abs(h) + rounded * abs(later)
        d[t] += abs(e.slope[t] * e.r_s[t] + e.r_u[t]) * d_later
        delta[t] = e.slope[t] * h + e.r_u[t] * later
        d_i_later = _current_adjoint(synapse, d_i_later + abs(i_later), d[t], d_later)
        i_later = _current_adjoint(synapse, i_later, delta[t], later)
        current[t], d_current[t] = i_later, d_i_later
        later, d_later = delta[t], d[t]
    w = _product_error(current, d_current, e.a, e.e_a)
    b = None if e.layer.b is None else d_current.sum(axis=(0, 1))
    v_grad = None
    if e.layer.v is not None:
        v_grad = _product_error(current[1:], d_current[1:], e.s[:-1], e.e_s[:-1])
    grads = Layer(w, b, v_grad)
    return grads, d, current @ e.layer.w, (d_current + abs(current)) @ abs(e.layer.w)


def _product_error(delta: Array, e_delta: Array, a: Array, e_a: Array) -> Array:
    """The error of ``sum_t delta_t a_t'``, shape (n_out, n_in), from those of its factors."""
    left = flatten_steps(e_delta).T @ flatten_steps(abs(a))
    return left + flatten_steps(abs(delta)).T @ flatten_steps(e_a)


def _current_adjoint(synapse: Synapse | None, i_later: Array, delta: Array, later: Array) -> Array:
    """The adjoint of a current, from the next one and the potentials of this step and the next."""
    if synapse is None:
        return delta
    return synapse.leak * i_later + synapse.scale * (later if synapse.delayed else delta)
