"""All runs of a network on one recording, over a ball of inputs or of parameters.

What `layers` encloses, up to the logits ``z = W_o sum_t alpha_t s_t + b_o sum_t alpha_t``. Over a
ball of parameters the readout's own weights are one more block of currents, of a single step, whose
weights multiply the pooled spikes and ``sum_t alpha_t``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from proofs_check.certified.balls import Ball, exact_ball, matmul, raise_radius, share
from proofs_check.certified.intervals import ignore_overflow
from proofs_check.instances import attach_reset
from proofs_check.local.layers import InputBalls, NeuronBalls, Space, enclose_layer
from proofs_check.local.metrics import Metric, frame_norm, gram_metric, row_norms
from proofs_check.local.rows import Rows, stack_rows, total_rows, unit_rows
from proofs_check.transfer.boxes import validate_smooth
from refsast import Network, Params
from refsast.arrays import Array
from refsast.model.unroll import unroll


@dataclass(frozen=True, eq=False)
class Enclosure:
    """All runs of a ball.

    Attributes
    ----------
    network, params : Network, tuple of Layer
        The network, and its parameters at the centre.
    layers : tuple of tuple of NeuronBalls
        By spiking layer, then by step.
    inputs : tuple of tuple of InputBalls
        What each of them reads.
    metrics : tuple of Metric
        Of the blocks of derivatives.
    logits : Ball of (classes,) arrays
        The logits.
    rows : Rows
        Their derivatives.
    drift : (classes,) array
        How far the logits of a run in the ball, as computed, may be from the exact ones.
    radius : float
        Of the ball.
    weights_move : bool
        Whether it is a ball of parameters.
    """

    network: Network
    params: Params
    layers: tuple[tuple[NeuronBalls, ...], ...]
    inputs: tuple[tuple[InputBalls, ...], ...]
    metrics: tuple[Metric, ...]
    logits: Ball
    rows: Rows
    drift: Array
    radius: float
    weights_move: bool


@ignore_overflow
def enclose(
    network: Network, params: Params, x: Array, radius: float, *, weights_move: bool
) -> Enclosure:
    """Return what all runs of a ball have in common.

    Parameters
    ----------
    network : Network
        With spikes of the five families; where a neuron detaches its reset, the derivatives are
        those of the network that does not.
    params : tuple of Layer
        Its parameters.
    x : (time, 1, n_0) array
        One recording.
    radius : float
        Of the ball, in units of `x` or of the parameters. Not negative.
    weights_move : bool
        Whether the ball is one of parameters, instead of inputs.

    Raises
    ------
    ValueError
        If a spike or reset is of another family, a shape or number is not valid, or `x` has not
        one recording.
    """
    network, params, x = validate_smooth(attach_reset(network), params, x)
    if x.shape[1] != 1:
        raise ValueError(f"x must have one recording, got {x.shape[1]}")
    if not 0.0 <= radius < np.inf:
        raise ValueError(f"radius must be finite and not negative, got {radius}")
    trace, exact = unroll(network, params, x), np.zeros(x.shape[2])
    spread = np.full(x.shape[2], 0.0 if weights_move else radius)
    inputs = tuple(InputBalls(Ball(a[0], spread), exact, None) for a in x)
    read, layers, metrics = [inputs], [], ()
    for i, (neuron, layer) in enumerate(zip(network.neurons, params, strict=False)):
        space = Space(radius, metrics, weights_move or i == 0, weights_move)
        steps, metrics = enclose_layer(neuron, layer, trace.u[i][:, 0], read[-1], space)
        layers.append(steps)
        read.append(tuple(InputBalls(step.s, step.drift, step.spike_rows) for step in steps))
    logits, rows, drift, metrics = _read_out(
        network, params, read[-1], metrics, radius, weights_move
    )
    return Enclosure(
        *(network, params, tuple(layers), tuple(read[:-1]), metrics, logits, rows, drift),
        *(radius, weights_move),
    )


def readout_weights(network: Network, params: Params) -> Array:
    """Return W_o, the identity where the readout has none."""
    return np.eye(network.sizes[-1]) if network.readout.n_out is None else params[-1].w


def time_balls(network: Network, steps: int) -> Ball:
    """Return alpha_t, (time,)."""
    alpha = network.readout.time_weights(steps)
    return Ball(alpha, share(steps) * np.abs(alpha))


def _read_out(
    network: Network,
    params: Params,
    spikes: Sequence[InputBalls],
    metrics: Sequence[Metric],
    radius: float,
    weights_move: bool,
) -> tuple[Ball, Rows, Array, tuple[Metric, ...]]:
    """Logits, their derivatives, their drift, and the metrics of all blocks."""
    w, steps = readout_weights(network, params), len(spikes)
    alpha, n = time_balls(network, steps), len(spikes[0].drift)
    each = [alpha[t : t + 1] for t in range(steps)]
    scaled = [a.spike_rows.scale(each[t]) for t, a in enumerate(spikes) if a.spike_rows]
    pooled_rows = total_rows(scaled)
    rows = pooled_rows.mix(w)
    pooled = _total([a.s * each[t] for t, a in enumerate(spikes)])
    # A drift at the centre is part of a.s.radius, so of that of the pooled spikes.
    logits = matmul(w, pooled)
    readout = params[-1] if network.readout.n_out is not None else None
    total = _total(each)
    if readout is not None and readout.b is not None:
        logits = logits + total * exact_ball(readout.b)
    if weights_move and readout is not None:
        moving = [pooled] + ([total] if readout.b is not None else [])
        centre = np.concatenate([a.centre for a in moving])[None]
        spread = np.concatenate([a.radius for a in moving])[None]
        rows = rows.loosen(radius * frame_norm(pooled_rows, metrics))
        metrics = (*metrics, gram_metric(centre, spread, 1, len(w)))
        rows = rows + unit_rows(len(w), 1, 0, [m.width for m in metrics[:-1]] + [len(w)])
    far = radius if weights_move and readout is not None else 0.0
    weight, fixed = np.abs(w) + far, np.zeros(len(w))
    if readout is not None and readout.b is not None:
        fixed = (np.abs(readout.b) + far) * abs(total)
    rounding = share(n + steps) * (weight @ abs(pooled) + fixed)
    drift = raise_radius(weight @ _total_drift(alpha, spikes) + rounding, 0.0, n)
    reach = raise_radius(radius * row_norms(rows, metrics) + 2.0 * drift, 0.0, 4)
    return Ball(logits.centre, reach), rows, drift, tuple(metrics)


def _total(balls: Sequence[Ball]) -> Ball:
    """The sum of one or more."""
    total, *others = balls
    for ball in others:
        total = total + ball
    return total


def _total_drift(alpha: Ball, spikes: Sequence[InputBalls]) -> Array:
    """How far the pooled spikes at the centre may be from the exact ones."""
    total = sum(abs(alpha)[t] * a.drift for t, a in enumerate(spikes))
    return raise_radius(np.asarray(total), 0.0, len(spikes))


def scale_rows(found: Enclosure, factors: Sequence[Array], i: int) -> list[Rows]:
    """Return the rows of a layer's potentials, by step, each times an exact number."""
    return [
        step.rows.scale(exact_ball(factor))
        for step, factor in zip(found.layers[i], factors, strict=True)
    ]


def layer_norm(found: Enclosure, rows: Sequence[Rows], i: int) -> float:
    """The spectral norm of rows of a layer, one list for each step or mixture of steps."""
    together = not found.weights_move or i > 0 or found.params[0].v is not None
    if together:
        whole = stack_rows(rows)
        return frame_norm(whole, found.metrics[: len(whole.blocks)])
    # A neuron of a first layer without recurrence is moved by its own weights only, so the rows of
    # different neurons are orthogonal.
    n = len(rows[0].loose)
    alone = ([_own_part(r, j) for r in rows] for j in range(n))
    return max(frame_norm(stack_rows(each), found.metrics[:1]) for each in alone)


def _own_part(rows: Rows, j: int) -> Rows:
    """The row of neuron j, in its own currents."""
    return Rows((rows.blocks[0][j : j + 1, :, j : j + 1],), rows.loose[j : j + 1])
