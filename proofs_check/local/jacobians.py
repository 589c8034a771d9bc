"""Derivatives of potentials in the currents, enclosed over a ball, in causal order.

The current of neuron j of layer m at step k is what ``W a + V s + b`` adds to its potential. Over
all runs of a ball, that is, of the inputs x' with ``|x' - x| <= radius``, or of the parameters w'
with ``|w' - w| <= radius``, `Ball`s hold

    Z = du^l_{t,i} / dc^m_{k,j}    = g'(u_{t-1}) Z_{t-1} + W sigma' Z^{l-1}_t + V sigma' Z_{t-1} + 1

Proof. Let everything before step t of layer l, and the layers below, be enclosed. Then so are the
factors g' and sigma', by `ranges`, and Z at t by the recursion. A direction d of length 1, in the
ball's space, moves the current of neuron j at step k by ``d_j . a_k`` (parameters: a is the spikes
below, 1 for the bias, and the layer's own last spikes) or ``(W^1 d_k)_j`` (inputs), so it moves
u by a covector whose norm follows from Z and a Gram matrix: of a over time, or of W^1 (`metrics`).
The ball is convex and u is continuously differentiable, so by the mean value theorem no potential
is further from its centre than the radius times the largest such norm, and u at t is enclosed.
Induction over t, then l.

Where weights move, W is ``W + D`` with ``|D| <= radius``; ``D sdot`` adds to row i a covector of
norm at most the radius times ``|sdot_t|_2``. It is kept apart, as a norm per row, `loose`.

Rounding. The centre of a ball is the run as it was computed, off the exact run of x and w by
`drift`: e_t <= sup abs(g') e_{t-1} + abs(W) (sup sigma' e' + 16 2^-53) + (V likewise) + what a step
rounds, as in `transfer.boxes`. It is within the interval over which every factor is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from proofs_check.certified.balls import (
    Ball,
    ball_of_interval,
    exact_ball,
    matmul,
    raise_radius,
)
from proofs_check.certified.intervals import ignore_overflow
from proofs_check.local.metrics import Metric, frame_norm, row_norms
from proofs_check.local.ranges import derivative_range, map_derivative_range
from proofs_check.transfer.boxes import SPIKE_ROUNDING, potential_rounding
from refsast import LIF, Layer
from refsast.arrays import Array


@dataclass(frozen=True, eq=False)
class Rows:
    """Covectors on the directions of a ball, one per neuron, enclosed.

    Attributes
    ----------
    blocks : tuple of Ball of (n, time, n_m) arrays
        Derivatives in the currents of each layer m whose currents the directions move.
    loose : (n,) array
        Norm of what each row may be away from them.
    """

    blocks: tuple[Ball, ...]
    loose: Array

    def scale(self, factor: Ball) -> "Rows":
        """Return the rows, each times a number."""
        each = factor[:, None, None]
        return Rows(tuple(block * each for block in self.blocks), _up(self.loose * abs(factor)))

    def __add__(self, other: "Rows") -> "Rows":
        blocks = tuple(a + b for a, b in zip(self.blocks, other.blocks, strict=True))
        return Rows(blocks, _up(self.loose + other.loose))

    def mix(self, w: Array) -> "Rows":
        """Return sums of the rows, weighted by an exact matrix (n_out, n)."""
        blocks = tuple(
            _reshape(matmul(w, _reshape(b, (len(b.centre), -1))), (len(w), *b.centre.shape[1:]))
            for b in self.blocks
        )
        return Rows(blocks, _up(np.abs(w) @ self.loose, w.shape[1]))


@dataclass(frozen=True, eq=False)
class LayerBalls:
    """A layer of all runs of a ball.

    Attributes
    ----------
    u, s, slope, carry : Ball of (time, n) arrays
        Potentials, spikes, sigma' and g'.
    rows : tuple of Rows
        Derivatives of the potentials, by time step.
    spike_rows : tuple of Rows
        Those of the spikes.
    """

    u: Ball
    s: Ball
    slope: Ball
    carry: Ball
    rows: tuple[Rows, ...]
    spike_rows: tuple[Rows, ...]


@dataclass(frozen=True, eq=False)
class Below:
    """What a layer reads: its input's magnitude, drift and derivatives (none of the input)."""

    peak: float
    drift: Array
    spike_rows: tuple[Rows, ...]


@ignore_overflow
def enclose_layer(
    neuron: LIF,
    layer: Layer,
    u: Array,
    below: Below,
    metrics: Sequence[Metric],
    radius: float,
    moved: int | None,
    weights_move: bool,
) -> tuple[LayerBalls, Array]:
    """Return the enclosure of a layer, and the drift of its spikes, (time, n).

    Parameters
    ----------
    neuron, layer : LIF, Layer
        The layer.
    u : (time, n) array
        Its potentials at the centre of the ball, as computed.
    below : Below
        The layer below.
    metrics : sequence of Metric
        Of each block of rows.
    radius : float
        Of the ball.
    moved : int or None
        The block of this layer's own currents, if directions move them directly.
    weights_move : bool
        Whether the ball is one of parameters.
    """
    steps, n = u.shape
    shift, rest = potential_rounding(layer, np.array([below.peak]))
    shapes = [(n, steps, m.width) for m in metrics]
    us, ss, slopes, carries, rows, spike_rows, drifts = ([] for _ in range(7))
    before = Rows(tuple(exact_ball(np.zeros(shape)) for shape in shapes), np.zeros(n))
    drift = spike_drift = np.zeros(n)
    for t in range(steps):
        now, magnitude = before, np.zeros(n)
        if t > 0:
            now = before.scale(carries[-1])
            drift, magnitude = abs(carries[-1]) * drift, np.abs(u[t - 1])
            if layer.v is not None:
                now = now + spike_rows[-1].mix(layer.v)
                drift = drift + np.abs(layer.v) @ spike_drift
        if below.spike_rows:
            now = now + below.spike_rows[t].mix(layer.w)
        drift = drift + np.abs(layer.w) @ below.drift[t] + rest[0]
        drift = _up(drift + shift * (magnitude + neuron.threshold), layer.w.shape[1] + n)
        if weights_move:
            now = _add_loose(
                now, radius * _moved_norm(below.spike_rows, spike_rows, t, layer, metrics)
            )
        if moved is not None:
            now.blocks[moved].centre[np.arange(n), t, np.arange(n)] += 1.0
        reach = _up(radius * row_norms(now, metrics) + drift)
        ball = Ball(u[t], reach)
        slope = ball_of_interval(derivative_range(neuron, ball.interval))
        carry = ball_of_interval(map_derivative_range(neuron, ball.interval))
        spike = neuron.spike(u[t] - neuron.threshold)
        spike_drift = _up(abs(slope) * drift + SPIKE_ROUNDING)
        spread = np.minimum(_up(abs(slope) * reach + SPIKE_ROUNDING), 1.0)
        us.append(ball)
        ss.append(Ball(spike, spread))
        slopes.append(slope)
        carries.append(carry)
        rows.append(now)
        spike_rows.append(now.scale(slope))
        drifts.append(spike_drift)
        before = now
    stacked = (stack(each) for each in (us, ss, slopes, carries))
    return LayerBalls(*stacked, tuple(rows), tuple(spike_rows)), np.stack(drifts)


def stack(balls: Sequence[Ball]) -> Ball:
    """Return balls of one shape as one, along a new first axis."""
    return Ball(np.stack([b.centre for b in balls]), np.stack([b.radius for b in balls]))


def _moved_norm(
    below: Sequence[Rows], own: Sequence[Rows], t: int, layer: Layer, metrics: Sequence[Metric]
) -> float:
    """The norm of the spikes' derivatives that a layer's weights multiply at one step."""
    total = frame_norm(below[t], metrics) if below else 0.0
    return total + (frame_norm(own[t - 1], metrics) if layer.v is not None and t > 0 else 0.0)


def _add_loose(rows: Rows, more: float) -> Rows:
    return Rows(rows.blocks, _up(rows.loose + more))


def _reshape(x: Ball, shape: tuple[int, ...]) -> Ball:
    return Ball(x.centre.reshape(shape), x.radius.reshape(shape))


def _up(magnitude: Array, terms: int = 4) -> Array:
    """Magnitudes, raised by the rounding of the sum that they are."""
    return raise_radius(magnitude, 0.0, terms)
