"""How far the input can move the logits and the loss near one recording (THEORY 2, locally).

Over the ball ``|x' - x| <= radius`` the derivative of the logits lies in the enclosure of
`enclosure`, so its norm is at most ``|Z_c| + |Z_r|``, in the metric of the inputs; and that is the
Lipschitz constant there, by the mean value theorem, the ball being convex. The loss has the
gradient ``J' (p - e_y)``, and p, which is the softmax of logits within their ball, is at most
``exp(hi_k) / (exp(hi_k) + sum_{j != k} exp(lo_j))``, likewise from below.
"""

from dataclasses import dataclass

import numpy as np

from proofs_check.certified.balls import Ball, ball_of_interval, share
from proofs_check.certified.intervals import Interval, exact, exp, ignore_overflow
from proofs_check.local.enclosure import enclose
from proofs_check.local.metrics import frame_norm, row_norms
from refsast import Network, Params
from refsast.arrays import Array


@dataclass(frozen=True)
class LocalBounds:
    """What holds on a ball about one recording.

    Attributes
    ----------
    logits : float
        Lipschitz constant of the logits, per unit of input.
    loss : float
        Bound of the norm of the loss's gradient in the input.
    """

    logits: float
    loss: float


@ignore_overflow
def local_lipschitz(
    network: Network, params: Params, x: Array, label: int, radius: float
) -> LocalBounds:
    """Return the constants of 2-local on the ball of inputs about one recording.

    Infinite where an enclosure overflows. Parameters as for `enclosure.enclose`; `label` is the
    recording's class.
    """
    found = enclose(network, params, x, radius, weights_move=False)
    frame = frame_norm(found.rows, found.metrics)
    h = loss_slopes(found.logits, label)
    # J'h: of the slopes at the centre the rows are added with their signs.
    one = found.rows.mix(h.centre[None])
    rest = frame * float(np.sqrt(np.sum(np.square(h.radius))) * (1.0 + share(8 + len(h.radius))))
    steep = float(row_norms(one, found.metrics)[0]) + rest
    size = float(np.sqrt(np.sum(np.square(abs(h)))) * (1.0 + share(8 + len(h.radius))))
    both = [steep * (1.0 + share(4)), frame * size * (1.0 + share(4))]
    return LocalBounds(_finite(frame), _finite(float(np.fmin(*both))))


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


def _finite(bound: float) -> float:
    """A bound, infinite where it is NaN."""
    return bound if not np.isnan(bound) else np.inf
