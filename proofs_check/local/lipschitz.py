"""How far the input can move the logits and the loss near one recording (THEORY 2, locally).

Over the ball ``|x' - x| <= radius`` the derivative J of the logits lies in the enclosure of
`enclosure`, so its norm is at most ``|Z_c| + |Z_r|``, in the metric of the inputs; and that is the
Lipschitz constant there, by the mean value theorem, the ball being convex.

That lets every neuron do its worst at once. For ``|h| = 1`` and a direction of length 1 the second
derivative of ``h . z`` is ``sum mu_t udot_t^2`` (`adjoints`; the weights do not move), and abs(mu)
is at most m, the norm of mu over the columns of the identity. So J changes by at most
``B = sum_l |sqrt(m) udot^l|_2^2`` per unit of input, and its norm is at most ``|J(x)| + radius B``:
what one direction can do. The smaller of the two holds. Where sigma'' jumps, J is Lipschitz with B.

The loss has the gradient ``J' (p - e_y)``, and p, which is the softmax of logits within their ball,
is at most ``1 / (1 + sum_{j != k} exp(lo_j - hi_k))``, likewise from below.
"""

from dataclasses import dataclass

import numpy as np

from proofs_check.certified.balls import (
    Ball,
    ball_of_interval,
    exact_ball,
    frobenius_bound,
    raise_radius,
    share,
)
from proofs_check.certified.intervals import Interval, exact, exp, ignore_overflow
from proofs_check.local.adjoints import enclose_adjoints
from proofs_check.local.enclosure import Enclosure, enclose, layer_norm, scale_rows
from proofs_check.local.metrics import frame_norm, row_norms
from proofs_check.norms import nan_to_infinity
from refsast import Network, Params
from refsast.arrays import Array


@dataclass(frozen=True, eq=False)
class LocalBounds:
    """What holds on a ball about one recording.

    Attributes
    ----------
    logits : float
        Lipschitz constant of the logits, per unit of input.
    loss : (classes,) array
        Bound of the norm of the loss's gradient in the input, by the label.
    drift : float
        How far the logits of a run in the ball, as computed, may be from the exact ones.
    """

    logits: float
    loss: Array
    drift: float


@ignore_overflow
def local_lipschitz(network: Network, params: Params, x: Array, radius: float) -> LocalBounds:
    """Return the constants of 2-local on the ball of inputs about one recording.

    Infinite where an enclosure overflows. Parameters as for `enclosure.enclose`.
    """
    at = enclose(network, params, x, 0.0, weights_move=False)
    plain = _bounds(at, at.logits, 0.0)
    if radius == 0.0:
        return plain
    found = enclose(network, params, x, radius, weights_move=False)
    turn = radius * logit_curvature(found) * (1.0 + share(4))
    lipschitz = float(np.fmin((plain.logits + turn) * (1.0 + share(2)), _frame(found)))
    reach = raise_radius(lipschitz * radius + at.logits.radius + found.drift, 0.0, 4)
    logits = Ball(at.logits.centre, np.fmin(found.logits.radius, reach))
    loss = np.fmin(_bounds(at, logits, turn).loss, _bounds(found, logits, 0.0).loss)
    return LocalBounds(lipschitz, nan_to_infinity(loss), frobenius_bound(found.drift))


@ignore_overflow
def logit_curvature(found: Enclosure) -> float:
    """Return B, a Lipschitz constant of the derivative of the logits on a ball of inputs."""
    adjoints, total = enclose_adjoints(found, exact_ball(np.eye(found.network.classes))), 0.0
    for i, layer in enumerate(adjoints):
        sizes = [np.linalg.norm(abs(mu), axis=1) for mu in layer.curvatures]
        roots = [np.sqrt(size * (1.0 + share(size.size + 8))) for size in sizes]
        total += layer_norm(found, scale_rows(found, roots, i), i) ** 2
    return total * (1.0 + share(len(adjoints) + 4))


def _frame(found: Enclosure) -> float:
    """The largest norm of the derivative of the logits that an enclosure allows."""
    return frame_norm(found.rows, found.metrics)


def _bounds(found: Enclosure, logits: Ball, turn: float) -> LocalBounds:
    """What follows from derivatives that are within `turn` of an enclosure, in norm."""
    frame = (_frame(found) + turn) * (1.0 + share(2))
    slopes = [loss_slopes(logits, label) for label in range(found.network.classes)]
    # J'h: the rows at the centre are added with their signs.
    signed = row_norms(found.rows.mix(np.stack([h.centre for h in slopes])), found.metrics)
    rest = [frame * frobenius_bound(h.radius) for h in slopes]
    turned = [turn * frobenius_bound(np.abs(h.centre)) for h in slopes]
    whole = [frame * frobenius_bound(abs(h)) for h in slopes]
    loss = np.fmin(signed + np.array(rest) + np.array(turned), whole) * (1.0 + share(8))
    return LocalBounds(frame, nan_to_infinity(loss), frobenius_bound(found.drift))


def probabilities(logits: Ball) -> Interval:
    """Return the range of each class's probability over a ball of logits."""
    n = len(logits.centre)
    z = exact(logits.centre) + Interval(-logits.radius, logits.radius)
    # exp(z_j - z_k) for j in rows, summed over j != k: nothing overflows but what is large.
    apart = Interval(z.lower[:, None], z.upper[:, None]) - z
    e = exp(apart)
    low, high = ((end * (1.0 - np.eye(n))).sum(axis=0) for end in (e.lower, e.upper))
    total = Interval(low * (1.0 - share(n)), high * (1.0 + share(n)))
    if np.isnan(total.lower).any() or np.isnan(total.upper).any():
        return Interval(np.zeros(n), np.ones(n))
    p = 1.0 / (1.0 + total)
    return Interval(np.clip(p.lower, 0.0, 1.0), np.clip(p.upper, 0.0, 1.0))


def loss_slopes(logits: Ball, label: int) -> Ball:
    """Return ``p - e_y``, the derivative of the loss in the logits, over a ball of logits."""
    p = probabilities(logits)
    return ball_of_interval(p - np.eye(len(p.lower))[label])
