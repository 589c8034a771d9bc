"""THEORY 3, layer by layer: what bounds the derivatives of potentials and logits along a direction.

The recursions at the top of `smoothness` for udot and uddot, evaluated along a run, beside the
forms ``p_l . d_vec`` and ``d_vec' Q_l d_vec`` that bound them at every step. Everything else of
THEORY 3 is these forms of the logits, times what the loss does; here each of their terms can be
attained alone, which the whole Hessian does not allow: a product of worst factors hides them there.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

import refsast as rs
from proofs_check import rounding
from proofs_check.claim import Claim
from proofs_check.claims.smoothness import displacement
from proofs_check.claims.smoothness_constants import layer_forms, layer_norms
from proofs_check.claims.stability import CERTIFIED_SPIKES, SOURCE
from proofs_check.instances import TwoParameterPoints, attach_reset
from proofs_check.norms import euclidean_norm
from refsast.arrays import Array
from refsast.model.params import replace_arrays
from refsast.model.readout import pool
from refsast.model.unroll import unroll


@dataclass(frozen=True, eq=False)
class Signal:
    """A signal and its first two derivatives along a direction, each (time, batch, n)."""

    value: Array
    first: Array
    second: Array


def derivatives_along(x: TwoParameterPoints) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Return first and second derivatives of potentials, then logits, in norm by step."""
    network = attach_reset(x.network)
    trace, moves = unroll(network, x.params, x.x), replace_arrays(x.params, displacement(x))
    a = Signal(x.x, np.zeros_like(x.x), np.zeros_like(x.x))
    firsts, seconds = [], []
    layers = zip(network.neurons, x.params, moves, trace.u, strict=False)
    for neuron, layer, move, u in layers:
        du, a = _layer_derivatives(neuron, layer, move, u, a)
        firsts.append(_norms(du.first))
        seconds.append(_norms(du.second))
    z1, z2 = (pool(network.readout, part) for part in (a.first, a.second))
    if network.readout.n_out is not None:
        out, move = x.params[-1], moves[-1]
        z2 = z2 @ out.w.T + 2.0 * z1 @ move.w.T
        z1 = z1 @ out.w.T + pool(network.readout, a.value) @ move.w.T
        if move.b is not None:
            z1 = z1 + np.sum(network.readout.time_weights(len(x.x))) * move.b
    return (*firsts, _norms(z1)), (*seconds, _norms(z2))


def _layer_derivatives(
    neuron: rs.LIF, layer: rs.Layer, move: rs.Layer, u: Array, a: Signal
) -> tuple[Signal, Signal]:
    """The potentials and the spikes of a layer along the direction, from those of its input."""
    v = u - neuron.threshold
    spike: Any = neuron.spike  # one of the five smooth ones
    s, slope, bend = spike(v), spike.derivative(v), spike.second(v)
    by_u, by_s = neuron.reset.partials(neuron.leak, neuron.threshold, u, s)
    by_u, by_s = np.broadcast_to(by_u, u.shape), np.broadcast_to(by_s, u.shape)
    # Resets are affine in u and in s; to zero has a mixed derivative, -leak.
    mixed = -neuron.leak if isinstance(neuron.reset, rs.ToZero) else 0.0
    first, second = np.zeros(u.shape), np.zeros(u.shape)
    s1, s2 = np.zeros(u.shape), np.zeros(u.shape)
    for t in range(len(u)):
        first[t] = a.first[t] @ layer.w.T + a.value[t] @ move.w.T
        second[t] = a.second[t] @ layer.w.T + 2.0 * a.first[t] @ move.w.T
        first[t] += 0.0 if move.b is None else move.b
        if t > 0:
            first[t] += by_u[t - 1] * first[t - 1] + by_s[t - 1] * s1[t - 1]
            second[t] += by_u[t - 1] * second[t - 1] + by_s[t - 1] * s2[t - 1]
            second[t] += 2.0 * mixed * first[t - 1] * s1[t - 1]
            if layer.v is not None and move.v is not None:
                first[t] += s1[t - 1] @ layer.v.T + s[t - 1] @ move.v.T
                second[t] += s2[t - 1] @ layer.v.T + 2.0 * s1[t - 1] @ move.v.T
        s1[t] = slope[t] * first[t]
        s2[t] = slope[t] * second[t] + bend[t] * first[t] ** 2
    return Signal(u, first, second), Signal(s, s1, s2)


def _norms(a: Array) -> Array:
    """Euclidean norms over the neurons."""
    return np.sqrt(np.sum(np.square(a), axis=-1))


def _block_norms(x: TwoParameterPoints) -> Array:
    """d_vec, the norms of the blocks of the direction."""
    return np.array([float(euclidean_norm(block)) for block in displacement(x)])


def first_bounds(x: TwoParameterPoints) -> tuple[Array, ...]:
    """Return ``p_l . d_vec`` of every layer, then ``q . d_vec``."""
    d = _block_norms(x)
    return tuple(form.q @ d for form in _forms(x))


def second_bounds(x: TwoParameterPoints) -> tuple[Array, ...]:
    """Return ``d_vec' Q_l d_vec`` of every layer, then ``d_vec' R d_vec``."""
    d = _block_norms(x)
    return tuple(d @ form.r @ d for form in _forms(x))


def _forms(x: TwoParameterPoints):
    """The forms at the norms of `params`, layer by layer, then those of the logits."""
    return layer_forms(x.network, layer_norms(x.network, x.params), x.x)


FIRST = Claim[TwoParameterPoints](
    label="3-first",
    title="first derivatives of potentials and logits",
    source=f"THEORY 3; {SOURCE}",
    statement="Along every direction d of the parameters |udot_t|_2 <= p_l . d_vec in every layer "
    "and |zdot|_2 <= q . d_vec, at the norms of the parameters.",
    hypotheses=(CERTIFIED_SPIKES,),
    measure=lambda x: derivatives_along(x)[0],
    bound=first_bounds,
    uses=("1c",),
    rounding=rounding.product_rounding(first_bounds),
)
SECOND = Claim[TwoParameterPoints](
    label="3-second",
    title="second derivatives of potentials and logits",
    source=f"THEORY 3; {SOURCE}",
    statement="Along every direction |uddot_t|_2 <= d_vec' Q_l d_vec in every layer and "
    "|zddot|_2 <= d_vec' R d_vec.",
    hypotheses=(CERTIFIED_SPIKES,),
    measure=lambda x: derivatives_along(x)[1],
    bound=second_bounds,
    uses=("3-first",),
    rounding=rounding.product_rounding(second_bounds),
)
