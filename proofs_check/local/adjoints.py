"""Adjoints of a loss and the curvatures they meet, enclosed over a ball.

With h the derivative of the loss in the logits, held fixed, let lambda_t be the derivative of
``h . z`` in the potential u^l_t and eta_t that in the spike, its own reset aside. Backwards in time
and down the layers::

    eta_t = W^{l+1}' lambda^{l+1}_t + V' lambda_{t+1}     (W_o' h alpha_t in the last layer)
    lambda_t = sigma'(u_t) eta_t + g'(u_t) lambda_{t+1}
    mu_t = sigma''(u_t) eta_t + g''(u_t) lambda_{t+1}

mu is what multiplies the square of udot_t in the second derivative of ``h . z`` (`smoothness`).
Several h are the columns of a matrix. A weight that moves by D, ``|D| <= radius``, moves a product
with it by at most the radius times the norm of its other factor, in each entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from proofs_check.certified.balls import (
    Ball,
    ball_of_interval,
    exact_ball,
    frobenius_bound,
    matmul,
    raise_radius,
)
from proofs_check.certified.intervals import ignore_overflow
from proofs_check.local.enclosure import Enclosure, readout_weights, time_balls
from proofs_check.local.layers import NeuronBalls
from proofs_check.local.ranges import map_second_range, second_range
from refsast import LIF
from refsast.arrays import Array


@dataclass(frozen=True, eq=False)
class Adjoints:
    """Of one layer.

    Attributes
    ----------
    potentials : tuple of Ball of (n, columns) arrays
        lambda, by step.
    curvatures : tuple of Ball of (n, columns) arrays
        mu, by step.
    """

    potentials: tuple[Ball, ...]
    curvatures: tuple[Ball, ...]


@ignore_overflow
def enclose_adjoints(found: Enclosure, h: Ball) -> tuple[Adjoints, ...]:
    """Return the adjoints of every spiking layer, lowest first, for h of (classes, columns)."""
    network, params = found.network, found.params
    steps, layers = len(found.layers[0]), []
    radius = found.radius if found.weights_move else 0.0
    # The identity of a readout without weights does not move.
    far = radius if network.readout.n_out is not None else 0.0
    pooled = _pull_back(readout_weights(network, params), h, far)
    alpha = time_balls(network, steps)
    etas = [pooled * alpha[t] for t in range(steps)]
    for i in reversed(range(len(found.layers))):
        v = params[i].v
        layers.append(_layer(network.neurons[i], found.layers[i], v, etas, radius))
        w, above = params[i].w, layers[-1].potentials
        etas = [_pull_back(w, each, radius) for each in above] if i > 0 else []
    return tuple(reversed(layers))


def _pull_back(w: Array, x: Ball, radius: float) -> Ball:
    """``(W + D)' x`` for all D of a ball."""
    product = matmul(w.T, x)
    more = np.array([radius * frobenius_bound(column) for column in abs(x).T])
    return Ball(product.centre, raise_radius(product.radius + more, 0.0, 2))


def _layer(
    neuron: LIF,
    steps: Sequence[NeuronBalls],
    v: Array | None,
    etas: Sequence[Ball],
    radius: float,
) -> Adjoints:
    """The recursion backwards in time."""
    later = exact_ball(np.zeros((len(steps[0].u.centre), etas[0].centre.shape[1])))
    potentials, curvatures = [], []
    for now, eta in zip(reversed(steps), reversed(etas), strict=True):
        if v is not None:
            eta = eta + _pull_back(v, later, radius)
        u, index = now.u.interval, np.s_[:, None]  # one factor for all columns
        second = ball_of_interval(second_range(neuron, u))[index]
        bend = ball_of_interval(map_second_range(neuron, u))[index]
        curvatures.append(second * eta + bend * later)
        later = now.slope[index] * eta + now.carry[index] * later
        potentials.append(later)
    return Adjoints(tuple(reversed(potentials)), tuple(reversed(curvatures)))
