"""The simple transfer certificate: recordings on which the swap provably changes no class.

All of it follows from the hard run and the tail of the smooth spike, ``tail(m) = sup of
abs(sigma(v) - H(v)) over abs(v) >= m``, which is sigma(-m). So it holds for every spike with no
larger tail: for all steeper slopes at once. (For one given spike no certificate is needed: run both
networks.)

**Simple** (THEORY 7), for every reset, with recurrence, for every readout. Per recording and layer
let m be the hard run's margin ``min abs(u - theta)``, U its ``max abs(u)``, and d_t and e_t the
largest differences of potentials and of spikes between smooth and hard. A step multiplies a
difference of potentials by at most tau (the zero reset by tau (1 - s) <= tau) and adds what a
difference of spikes does to the reset, to recurrent weights and to the input::

    d_t <= tau d_{t-1} + (R + |V|) e_{t-1} + |W| e^{l-1},    |.| the largest absolute row sum
    R = tau U (to zero), theta (subtract), tau theta (subtract, leaked), 0 (no reset)

where R is the largest abs(dr/ds) on the hard run; the zero reset splits into
``u (1 - s) - u_h (1 - h) = (1 - s)(u - u_h) + u_h (h - s)``. Let ::

    d* = c_T(tau) ((R + |V|) tail(m/2) + |W| e^{l-1}),    c_T(tau) = 1 + tau + ... + tau^(T-1)

If d* <= m/2 then d_t <= d* and e_t <= tail(m/2) at all t. For if both hold before t (at t = 1 there
is nothing before), the recursion gives d_t <= d* <= m/2; so the smooth potential is on the hard
one's side of theta, m/2 away or more, and e_t <= tail(m/2). (m = 0 leaves d* = 0, where u = u_h:
at threshold hard fires, smooth fires half, tail(0) = 1/2.) Where that holds in every layer, logits
``W_o sum_t alpha_t s_t + const`` differ by at most ``|W_o| e^L sum_t alpha_t``, and leads by twice
that. The sum of alpha is 1 for a mean, the gain for a spike rate, up to T for a leaky readout.

**Sharp**, the certificate by boxes, is in `refsast.certify.sharp`. **It is no worse where simple
applies**, but for rounding. By induction the box of u stays within d* of u_h. Being within m/2, it
lies on one side of theta, m/2 away or more; so the box of s is within tail(m/2) of h. In a corner,
what the reset carries differs from the hard run's by at most tau d + R tail(m/2), d the box's reach
at that step: by the split above, or since it is affine. W and V act on boxes as in the recursion,
so the reach obeys it. At last, each lead's bound ``sum_t alpha_t abs(D) e`` is at most
``2 |W_o| e^L sum_t alpha_t``.

Rounding. At each step d* also holds what `boxes` widens its boxes by; it is then raised by
``4 (n_in + n_out + T + 8) 2^-53`` of itself, and the bound on a lead as in `sharp`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from proofs_check.certified.constants import geometric_sum
from refsast import LIF, Layer, Network, Params, Spikes, heaviside, run
from refsast.arrays import Array
from refsast.certify.boxes import potential_rounding, spike_tail, validate_smooth
from refsast.certify.libm import UNIT_ROUNDOFF
from refsast.certify.sharp import (
    Certificate,
    hard_leads,
    readout_matrix,
    readout_rounding,
    zero_own_class,
)


@dataclass(frozen=True, eq=False)
class LayerErrors:
    """What the simple certificate says of one layer, per recording.

    Attributes
    ----------
    margin : (batch,) array
        Smallest distance of a hard potential from threshold, m.
    potential : (batch,) array
        How far smooth potentials are from hard ones at most, d*.
    spike : (batch,) array
        The same of spikes; tail(m/2) where the condition holds, else 1.
    applies : (batch,) array of bool
        Whether d* <= m/2.
    """

    margin: Array
    potential: Array
    spike: Array
    applies: NDArray[np.bool_]


def simple_certificate(network: Network, params: Params, x: ArrayLike | Spikes) -> Certificate:
    """Return the certificate of THEORY 7: one margin and one error per layer and recording.

    It is silent (`applies` False) where d* <= m/2 fails in a layer.

    Parameters
    ----------
    network : Network
        With smooth spikes.
    params : tuple of Layer
        Its parameters.
    x : (time, batch, n_0) array, or Spikes
        Recordings.

    Raises
    ------
    ValueError
        If anything is not as `refsast.certify.boxes.validate_smooth` asks.
    """
    network, params, x = validate_smooth(network, params, x)
    hard = hard_leads(network, params, x)
    layers = layer_errors(network, params, x)
    applies = np.all([layer.applies for layer in layers], axis=0)
    row = np.abs(readout_matrix(network, params)).sum(axis=1).max()
    total = network.readout.time_weights(len(x)).sum()
    bound = np.where(applies, 2.0 * row * total * layers[-1].spike, np.inf)[:, None]
    bound = bound + readout_rounding(network, params, len(x), hard.classes)
    return Certificate(hard.lead, zero_own_class(bound, hard.classes), applies)


def layer_errors(
    network: Network, params: Params, x: ArrayLike | Spikes
) -> tuple[LayerErrors, ...]:
    """Return how far the simple certificate says smooth spikes can lead each spiking layer.

    A layer's bounds hold where all layers up to it apply. Parameters and errors as
    `simple_certificate`.
    """
    network, params, x = validate_smooth(network, params, x)
    trace = run(network, params, x, spike=heaviside)
    # `below` is the largest spike error of the layer beneath; the input itself has none.
    layers, below = [], np.zeros(x.shape[1])
    inputs = (x, *trace.s)
    for neuron, layer, a, u in zip(network.neurons, params, inputs, trace.u, strict=False):
        layers.append(_layer_error(neuron, layer, np.abs(a).max(axis=(0, 2)), u, below))
        below = layers[-1].spike
    return tuple(layers)


def _layer_error(neuron: LIF, layer: Layer, largest: Array, u: Array, below: Array) -> LayerErrors:
    """d* and tail(m/2) of one layer, from the largest magnitude of its input and of its error."""
    # One margin for a whole layer and recording: the simple certificate's loss against the boxes.
    margin = np.abs(u - neuron.threshold).min(axis=(0, 2))
    top = np.abs(u).max(axis=(0, 2))
    e = spike_tail(neuron, 0.5 * margin)
    share, rest = potential_rounding(layer, np.maximum(largest, 1.0))  # smooth spikes may reach 1
    grow = 1.0 + share + 4.0 * len(u) * UNIT_ROUNDOFF  # of the sums in the bound itself
    inside = (_max_reset_slope(neuron, top) + _max_row_sum(layer.v)) * e + _max_row_sum(
        layer.w
    ) * below
    slack = share * (top + 0.5 * margin + neuron.threshold) + rest.max(axis=1)
    d = grow * geometric_sum(neuron.leak, len(u)) * (inside + slack)
    applies = d <= 0.5 * margin  # False for NaN, so that overflow is silent
    return LayerErrors(margin, d, np.where(applies, e, 1.0), applies)


def _max_reset_slope(neuron: LIF, top: Array) -> Array:
    """R: the largest ``abs(dr/ds)`` where abs(u) <= top; zero without a reset."""
    _, by_spike = neuron.reset.partials(neuron.leak, neuron.threshold, top, np.zeros_like(top))
    return np.abs(by_spike)


def _max_row_sum(w: Array | None) -> float:
    return 0.0 if w is None else float(np.abs(w).sum(axis=1).max())
