"""How far the input can move the logits and the loss near one recording (THEORY 2, locally).

Over the ball ``|x' - x| <= radius`` the derivative of the logits lies in the enclosure of
`enclosure`, so its norm is at most ``|Z_c| + |Z_r|``, in the metric of the inputs; and that is the
Lipschitz constant there, by the mean value theorem, the ball being convex. The loss has the
gradient ``J' (p - e_y)``, and p, which is the softmax of logits within their ball, is at most
``exp(hi_k) / (exp(hi_k) + sum_{j != k} exp(lo_j))``, likewise from below.
"""

from dataclasses import dataclass

import numpy as np

from proofs_check.certified.balls import Ball, ball_of_interval, frobenius_bound, share
from proofs_check.certified.intervals import Interval, exact, exp, ignore_overflow
from proofs_check.local.enclosure import enclose
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
    found = enclose(network, params, x, radius, weights_move=False)
    frame = frame_norm(found.rows, found.metrics)
    slopes = [loss_slopes(found.logits, label) for label in range(network.classes)]
    # J'h: the rows at the centre are added with their signs.
    signed = found.rows.mix(np.stack([h.centre for h in slopes]))
    rest = np.array([frame * frobenius_bound(h.radius) for h in slopes])
    plain = np.array([frame * frobenius_bound(abs(h)) for h in slopes])
    loss = np.fmin(row_norms(signed, found.metrics) + rest, plain) * (1.0 + share(4))
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
    p = 1.0 / (1.0 + total)
    return Interval(np.clip(p.lower, 0.0, 1.0), np.clip(p.upper, 0.0, 1.0))


def loss_slopes(logits: Ball, label: int) -> Ball:
    """Return ``p - e_y``, the derivative of the loss in the logits, over a ball of logits."""
    p = probabilities(logits)
    return ball_of_interval(p - np.eye(len(p.lower))[label])
