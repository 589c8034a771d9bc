"""How large the terms are of which each gradient entry is the sum."""

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array
from refsast.gradient.fast import Factors, walk
from refsast.model.doors import checked
from refsast.model.lif import LIF
from refsast.model.loss import one_hot, softmax
from refsast.model.network import Network
from refsast.model.params import Layer, Params, parts
from refsast.model.surrogate import second_of, slope_of
from refsast.model.unroll import drive, unroll


def magnitude(network: Network, params: Params, x: ArrayLike, y: ArrayLike) -> Params:
    """Return, for every gradient entry, the sum of the magnitudes of the terms it is a sum of.

    The same recursion with every factor replaced by the sum of its terms' magnitudes: a spike is
    1/2 plus something, a slope sigma'(u - theta) inherits abs(sigma'') times the terms of u.
    Rounding errors of a gradient are in proportion to this, not to the entry itself, which may be
    what is left of a cancellation.

    Parameters
    ----------
    network : Network
        The network; its spikes need ``derivative`` and ``second``.
    params : tuple of Layer
        Its parameters.
    x : (time, batch, n_0) array
        Input.
    y : (batch,) array of int
        Labels in [0, classes).

    Returns
    -------
    tuple of Layer
        Of the shapes of `params`; nowhere smaller than the magnitude of the gradient.

    Raises
    ------
    ValueError
        If a shape, dtype or number is not as it must be.

    References
    ----------
    DESIGN 5.
    """
    params, x, y = checked(network, params, x, y)
    trace = unroll(network, params, x)
    signless = tuple(Layer(**{k: abs(a) for k, a in parts(layer).items()}) for layer in params)
    terms = [0.5 + abs(s - 0.5) for s in trace.s]
    inputs = (abs(x), *terms[:-1])
    layers = zip(network.neurons, signless, inputs, trace.u, terms, strict=False)
    factors = [_signless_factors(*layer) for layer in layers]
    g = (softmax(trace.logits) + one_hot(y, network.classes)) / y.size
    return walk(network, signless, factors, g)[0]


def _signless_factors(neuron: LIF, layer: Layer, a: Array, u: Array, s: Array) -> Factors:
    """The factors of the backward recursion, each as the sum of its terms' magnitudes."""
    held = _potential_terms(neuron, layer, a, s)
    distance = u - neuron.threshold
    curvature = abs(second_of(neuron.spike)(distance)) * (held + neuron.threshold)
    slope = abs(slope_of(neuron.spike)(distance)) + curvature
    r_u, r_s = neuron.reset.partials(neuron.leak, neuron.threshold, held, -s)  # 1 - s: 1 + s
    r_u, r_s = (np.broadcast_to(abs(r), u.shape) for r in (r_u, r_s))
    if neuron.detach_reset:
        r_s = np.zeros(u.shape)
    return Factors(a, s, slope, r_u, r_s, layer.w, layer.v)


def _potential_terms(neuron: LIF, layer: Layer, a: Array, s: Array) -> Array:
    """The magnitudes of the terms of u, summed: currents of all steps, leaked but never reset."""
    terms = drive(layer, a)
    for t in range(1, len(terms)):
        terms[t] += neuron.leak * terms[t - 1]
        if layer.v is not None:
            terms[t] += s[t - 1] @ layer.v.T
    return terms
