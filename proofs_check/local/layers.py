"""A layer, enclosed over a ball of inputs or of parameters, in causal order.

The current of neuron j of layer m at step k is what ``W a + V s + b`` adds to its potential. Over
all runs of a ball, that is, of the inputs x' with ``|x' - x| <= radius``, or of the parameters w'
with ``|w' - w| <= radius``, `Rows` hold

    Z_t = du^l_t / dc^m_k    = g'(u_{t-1}) Z_{t-1} + W sigma' Z^{l-1}_t + V sigma' Z_{t-1} + 1

Proof. Let everything before step t of layer l, and the layers below, be enclosed. Then so are the
factors g' and sigma', by `ranges`, and Z at t by the recursion. A direction of length 1 in the
ball's space moves u by a covector whose norm follows from Z (`metrics`). The ball is convex and u
is continuously differentiable, so by the mean value theorem no potential is further from its centre
than the radius times the largest such norm: u at t is enclosed. Induction over t, then over l.

Where weights move, W is ``W + D`` with ``|D| <= radius``, and ``D sdot`` adds to each row a
covector of norm at most the radius times ``|sdot_t|_2``: `Rows.loose`.

Rounding. A run of the ball, as it is computed, is off the exact run by a drift of at most
``e_t = sup abs(g') e_{t-1} + abs(W) (sup sigma' e' + 16 2^-53) + (V likewise)`` and what a step
rounds, as in `refsast.certify.boxes`. The centre is a computed run; so twice the drift is added to
the radius over which factors are taken, and every computed run of the ball is within, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from proofs_check.certified.balls import Ball, ball_of_interval, raise_radius
from proofs_check.certified.intervals import ignore_overflow
from proofs_check.local.metrics import Metric, frame_norm, gram_metric, row_norms
from proofs_check.local.ranges import derivative_range, map_derivative_range
from proofs_check.local.rows import Rows, no_rows, total_rows, unit_rows
from refsast import LIF, Layer
from refsast.arrays import Array
from refsast.certify.boxes import SPIKE_ROUNDING, potential_rounding
from refsast.model.params import map_params


@dataclass(frozen=True, eq=False)
class NeuronBalls:
    """The neurons of a layer at one step, in all runs of a ball.

    Attributes
    ----------
    u, s, slope, carry : Ball of (n,) arrays
        Potentials, spikes, sigma' and g'.
    rows, spike_rows : Rows
        Derivatives of potentials and spikes.
    u_drift, drift : (n,) array
        How far computed potentials and spikes of a run may be from the exact ones.
    """

    u: Ball
    s: Ball
    slope: Ball
    carry: Ball
    rows: Rows
    spike_rows: Rows
    u_drift: Array
    drift: Array


@dataclass(frozen=True, eq=False)
class InputBalls:
    """What a layer reads at one step.

    Attributes
    ----------
    s : Ball of (n,) arrays
        Spikes of the layer below, or the input.
    drift : (n,) array
        How far computed ones may be from the exact ones.
    spike_rows : Rows or None
        Their derivatives; None of the input.
    """

    s: Ball
    drift: Array
    spike_rows: Rows | None


@dataclass(frozen=True, eq=False)
class Space:
    """The ball, as a layer sees it.

    Attributes
    ----------
    radius : float
        Of the ball.
    metrics : tuple of Metric
        Of the blocks that the layers below have.
    direct : bool
        Whether directions move this layer's own currents.
    weights_move : bool
        Whether it is a ball of parameters.
    """

    radius: float
    metrics: tuple[Metric, ...]
    direct: bool
    weights_move: bool


@ignore_overflow
def enclose_layer(
    neuron: LIF, layer: Layer, u: Array, inputs: Sequence[InputBalls], space: Space
) -> tuple[tuple[NeuronBalls, ...], tuple[Metric, ...]]:
    """Return a layer's neurons, step by step, and the metrics of its blocks.

    Parameters
    ----------
    neuron, layer : LIF, Layer
        The layer.
    u : (time, n) array
        Its potentials at the centre of the ball, as computed.
    inputs : sequence of InputBalls
        What it reads, by step.
    space : Space
        The ball.
    """
    done: list[NeuronBalls] = []
    metrics, n = space.metrics, u.shape[1]
    peak = np.array([max(float(np.abs(a.s.centre).max()) for a in inputs)])
    # Weights that move by `far` have at most these magnitudes.
    far = space.radius if space.weights_move else 0.0
    size = map_params(lambda a: np.abs(a) + far, (layer,))[0]
    share, (rest,) = potential_rounding(size, peak + max(a.s.radius.max() for a in inputs))
    for t, below in enumerate(inputs):
        parts = _recursion_terms(layer, below, done)
        if space.direct:
            metrics = (*space.metrics, _own_metric(layer, inputs, done, space))
            parts.append(unit_rows(n, len(u), t, [m.width for m in metrics]))
        rows = total_rows(parts)
        if space.weights_move:
            rows = rows.loosen(space.radius * _displacement_norm(layer, below, done, metrics))
        kept = abs(done[-1].u) if done else 0.0
        drift = _earlier_drift(size, below, done) + rest + share * (kept + neuron.threshold)
        done.append(_neurons(neuron, u[t], rows, metrics, space.radius, drift))
    return tuple(done), metrics


def _recursion_terms(layer: Layer, below: InputBalls, done: Sequence[NeuronBalls]) -> list[Rows]:
    """The terms of the recursion for Z, but the last."""
    parts = [no_rows(len(layer.w))]
    if below.spike_rows is not None:
        parts.append(below.spike_rows.mix(layer.w))
    if done:
        parts.append(done[-1].rows.scale(done[-1].carry))
        if layer.v is not None:
            parts.append(done[-1].spike_rows.mix(layer.v))
    return parts


def _earlier_drift(size: Layer, below: InputBalls, done: Sequence[NeuronBalls]) -> Array:
    """What of earlier drifts reaches a potential."""
    drift = size.w @ below.drift
    if done:
        drift = drift + abs(done[-1].carry) * done[-1].u_drift
        if size.v is not None:
            drift = drift + size.v @ done[-1].drift
    return raise_radius(drift, 0.0, sum(size.w.shape))


def _own_metric(
    layer: Layer, inputs: Sequence[InputBalls], done: Sequence[NeuronBalls], space: Space
) -> Metric:
    """The metric of the layer's own currents, as far as its own spikes are known."""
    n = len(layer.w)
    if not space.weights_move:
        return gram_metric(layer.w, np.zeros_like(layer.w), 2, n)
    centre = [np.stack([a.s.centre for a in inputs])]
    spread = [np.stack([a.s.radius for a in inputs])]
    if layer.b is not None:
        centre.append(np.ones((len(inputs), 1)))
        spread.append(np.zeros((len(inputs), 1)))
    if layer.v is not None:
        own = np.zeros((2, len(inputs), n))
        for t, neurons in enumerate(done[: len(inputs) - 1], 1):
            own[:, t] = neurons.s.centre, neurons.s.radius
        centre.append(own[0])
        spread.append(own[1])
    return gram_metric(np.hstack(centre), np.hstack(spread), 1, n)


def _displacement_norm(
    layer: Layer,
    below: InputBalls,
    done: Sequence[NeuronBalls],
    metrics: Sequence[Metric],
) -> float:
    """The norm of the derivatives of the spikes that a layer's weights multiply at one step."""
    read = [below.spike_rows] if below.spike_rows is not None else []
    read += [done[-1].spike_rows] if done and layer.v is not None else []
    return sum(frame_norm(rows, metrics[: len(rows.blocks)]) for rows in read)


def _neurons(
    neuron: LIF, u: Array, rows: Rows, metrics: Sequence[Metric], radius: float, drift: Array
) -> NeuronBalls:
    """The neurons of one step, from the derivatives of their potentials."""
    reach = raise_radius(radius * row_norms(rows, metrics) + 2.0 * drift, 0.0, 4)
    ball = Ball(u, reach)
    slope = ball_of_interval(derivative_range(neuron, ball.interval))
    carry = ball_of_interval(map_derivative_range(neuron, ball.interval))
    moved, drifted = (
        raise_radius(abs(slope) * far + SPIKE_ROUNDING, 0.0, 4) for far in (reach, drift)
    )
    s = Ball(neuron.spike(u - neuron.threshold), np.fmin(moved, 1.0))
    return NeuronBalls(ball, s, slope, carry, rows, rows.scale(slope), drift, drifted)
