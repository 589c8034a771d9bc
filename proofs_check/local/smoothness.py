"""How curved the risk is near one point of the parameters (THEORY 3b, locally).

Along a direction d of length 1, at any point of the ball, the loss of one recording has

    f'' = zdot' (diag(p) - p p') zdot + h . zddot,     h = p - e_y

The first term, of Gauss and Newton, is ``sum_k p_k (zdot_k - p . zdot)^2``, and since a variance
is smallest about the mean, at most ``sum_k p_k (zdot_k - q . zdot)^2`` for any numbers q, here
those at the centre. Averaged over recordings it is ``|G d|^2`` of rows G, ``sqrt(p_k / batch)``
times the enclosed derivatives of the logits; so at most the square of ``|G_c| + |G_r|``. G_c has
one Gram matrix over all recordings, whose entries couple their features.

For the second differentiate the dynamics twice, with h fixed (`adjoints` defines lambda, mu):

    h . zddot = sum mu_t udot_t^2 + 2 sum_l sum_t lambda_t . (Wdot adot_t + Vdot sdot_{t-1})
                + 2 h . Wdot_o sum_t alpha_t sdot_t

With mu between its ends the first sum is between minus ``|sqrt(mu-) udot|^2`` and
``|sqrt(mu+) udot|^2``. The terms of layer l are at most ``2 |D| |N d|`` in magnitude, D the block
of the layer's weights in d and N d the matrix ``sum_t lambda_{t,i} adot_{t,j}``. Where N d does not
depend on D (no recurrence) ``2 |D| |N d| <= |N|``, for ``|D|^2 + |rest|^2 <= 1``; else it is at
most ``2 |N|``.

So every eigenvalue lies between minus the mean of the lower ends and the sum of both upper ends.
Where sigma'' jumps, f' is still Lipschitz with the same constant, as in 3b: almost everywhere the
terms above hold with a number between the limits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from proofs_check.certified.balls import Ball, frobenius_bound, share, top_eigenvalue_bound
from proofs_check.certified.intervals import ignore_overflow
from proofs_check.local.adjoints import Adjoints, enclose_adjoints
from proofs_check.local.enclosure import (
    Enclosure,
    enclose,
    layer_norm,
    scale_rows,
    time_balls,
)
from proofs_check.local.lipschitz import loss_slopes, probabilities
from proofs_check.local.metrics import Metric, frame_norm, gram_parts, perron_bound
from proofs_check.local.rows import Rows, total_rows
from refsast import Network, Params
from refsast.arrays import Array, Integers


@dataclass(frozen=True)
class Curvature:
    """Bounds of the eigenvalues of the Hessian of the risk on a ball of parameters.

    Attributes
    ----------
    gauss_newton : float
        Of the term of Gauss and Newton, from above; from below it is 0.
    above, below : float
        Of the rest, from above and, its negative, from below.
    drift : float
        How far the logits of a run in the ball, as computed, may be from the exact ones: the mean
        over the recordings.
    """

    gauss_newton: float
    above: float
    below: float
    drift: float

    @property
    def constant(self) -> float:
        """The Lipschitz constant of the gradient on the ball; infinite where nothing is known."""
        bound = float(np.maximum((self.gauss_newton + self.above) * (1.0 + share(2)), self.below))
        return bound if not np.isnan(bound) else np.inf


@ignore_overflow
def local_curvature(
    network: Network, params: Params, x: Array, y: Integers, radius: float
) -> Curvature:
    """Return bounds of the Hessian of the mean loss on the ball ``|w' - w| <= radius``.

    Parameters
    ----------
    network : Network
        With spikes of the five families; where a neuron detaches its reset, the loss is that of the
        network that does not.
    params : tuple of Layer
        w.
    x : (time, batch, n_0) array
        Recordings.
    y : (batch,) array of int
        Their labels.
    radius : float
        Of the ball, all blocks together. Not negative.
    """
    each = []
    for i, label in enumerate(y):
        found = enclose(network, params, x[:, i : i + 1], radius, weights_move=True)
        rest = (*_residual(found, int(label)), frobenius_bound(found.drift))
        each.append((_gauss_newton_rows(found), found.metrics, rest))
    rows, metrics, rests = zip(*each, strict=True)
    means = np.mean(rests, axis=0) * (1.0 + share(len(y)))
    return Curvature(_mean_frame(rows, metrics), *map(float, means))


def _gauss_newton_rows(found: Enclosure) -> Rows:
    """The rows ``sqrt(p_k) (zdot_k - q . zdot)``, with p_k from above."""
    p = probabilities(found.logits)
    # Multiples of 2^-40, so that 1 - q is exact and all rows have the same q.
    q, n = np.rint(0.5 * (p.lower + p.upper) * 2.0**40) * 2.0**-40, len(p.lower)
    roots = np.sqrt(p.upper) * (1.0 + share(4))
    return found.rows.mix(np.eye(n) - q).scale(Ball(roots, np.zeros(n)))


def _mean_frame(rows: Sequence[Rows], metrics: Sequence[Sequence[Metric]]) -> float:
    """The square of the spectral norm of all rows of all recordings, over their number."""
    n, parts = len(rows), [gram_parts(r, m) for r, m in zip(rows, metrics, strict=True)]
    k = len(rows[0].loose)
    centre, error = np.zeros((n * k, n * k)), np.zeros((n * k, n * k))
    for i in range(n):
        for j in range(i + 1):
            at = slice(i * k, i * k + k), slice(j * k, j * k + k)
            found = parts[i][0] if i == j else _cross_gram(rows, metrics, i, j)
            for whole, part in ((centre, found.centre), (error, found.radius)):
                whole[at], whole[at[::-1]] = part, part.T
    away = [
        np.sqrt(perron_bound(radius)) + np.sqrt(perron_bound(spread)) + frobenius_bound(r.loose)
        for r, (_, radius, spread) in zip(rows, parts, strict=True)
    ]
    norm = np.sqrt(top_eigenvalue_bound(Ball(centre, error))) + frobenius_bound(np.array(away))
    return float(norm * norm / n * (1.0 + share(16)))


def _cross_gram(rows: Sequence[Rows], metrics: Sequence[Sequence[Metric]], i: int, j: int) -> Ball:
    """Inner products of the centres of the rows of two recordings."""
    k = len(rows[i].loose)
    centre, error = np.zeros((k, k)), np.zeros((k, k))
    for a, b, left, right in zip(
        rows[i].blocks, rows[j].blocks, metrics[i], metrics[j], strict=True
    ):
        coupled = np.matmul(left.features @ right.features.T, b.centre)
        centre = centre + a.centre.reshape(k, -1) @ coupled.reshape(k, -1).T
        terms = left.terms + a.centre[0].size + len(left.form)
        error = error + share(terms) * (left.weigh(a.centre) @ right.weigh(b.centre).T)
    return Ball(centre, error * (1.0 + share(8)) + share(8) * np.abs(centre))


def _residual(found: Enclosure, label: int) -> tuple[float, float]:
    """Bounds of ``h . zddot`` from above and, its negative, from below."""
    h = loss_slopes(found.logits, label)
    adjoints = enclose_adjoints(found, h[:, None])
    cross = sum(_cross_term(found, adjoints[i], i) for i in range(len(adjoints)))
    cross = (cross + _readout_term(found, h)) * (1.0 + share(len(adjoints) + 2))
    ends = []
    for sign in (1.0, -1.0):
        bends = [_curvature_term(found, adjoints[i], i, sign) for i in range(len(adjoints))]
        ends.append((sum(bends) + cross) * (1.0 + share(len(bends) + 2)))
    return ends[0], ends[1]


def _curvature_term(found: Enclosure, adjoints: Adjoints, i: int, sign: float) -> float:
    """The largest ``sum_t mu_t udot_t^2`` of a layer, mu of one sign only."""
    roots = [
        np.sqrt(np.maximum(sign * mu.centre + mu.radius, 0.0)[:, 0] * (1.0 + share(4)))
        for mu in adjoints.curvatures
    ]
    norm = layer_norm(found, scale_rows(found, roots, i), i)
    return norm * norm * (1.0 + share(4))


def _cross_term(found: Enclosure, adjoints: Adjoints, i: int) -> float:
    """The terms in which a layer's weights and what they multiply both move."""
    recurrent = found.params[i].v is not None
    lam = np.stack([a.centre[:, 0] for a in adjoints.potentials])
    wide = np.stack([a.radius[:, 0] for a in adjoints.potentials])
    factor, rest = _compress(lam)
    rest = rest + frobenius_bound(wide)
    total = 0.0
    if i > 0:
        total += _mixture_norm(
            found, [s.spike_rows for s in found.layers[i - 1]], factor, rest, i - 1
        )
    if recurrent and len(lam) > 1:
        own = [s.spike_rows for s in found.layers[i][:-1]]
        total += _mixture_norm(found, own, factor[1:], rest, i)
    return total * (2.0 if recurrent else 1.0)


def _compress(lam: Array) -> tuple[Array, float]:
    """A matrix C, (time, few), and a number r such that ``|lam' x| <= |C' x| + r |x|``."""
    steps, n = lam.shape
    if n <= steps:
        return lam, 0.0
    q, r = np.linalg.qr(lam.T)
    skew = np.abs(q.T @ q - np.eye(steps)) + share(n) * (np.abs(q).T @ np.abs(q) + np.eye(steps))
    left = np.abs(lam.T - q @ r) + share(steps) * (np.abs(q) @ np.abs(r) + np.abs(lam.T))
    return r.T * (1.0 + frobenius_bound(skew)), frobenius_bound(left)


def _mixture_norm(
    found: Enclosure, rows: Sequence[Rows], factor: Array, rest: float, i: int
) -> float:
    """The norm of ``C' sdot``, and the rest times that of sdot."""
    mixed = [
        total_rows([r.scale(_constant(c, r)) for r, c in zip(rows, column, strict=True)])
        for column in factor.T
    ]
    return layer_norm(found, mixed, i) + rest * layer_norm(found, rows, i)


def _constant(value: float, rows: Rows) -> Ball:
    return Ball(np.full(len(rows.loose), value), np.zeros(len(rows.loose)))


def _readout_term(found: Enclosure, h: Ball) -> float:
    """The term in which the readout's weights and what they multiply both move."""
    if found.network.readout.n_out is None:
        return 0.0
    alpha = time_balls(found.network, len(found.layers[-1]))
    steps = [s.spike_rows.scale(alpha[t : t + 1]) for t, s in enumerate(found.layers[-1])]
    pooled = total_rows(steps)
    return frobenius_bound(abs(h)) * frame_norm(pooled, found.metrics[: len(pooled.blocks)])
