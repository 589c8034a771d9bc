"""THEORY 5d: an epoch of SAST whose minibatches come by permutation, each of them once.

Minibatches of one epoch are not independent of one another: the last one is what is left. 5a, given
the past, fails (`descent.counterexamples.last_of_two`). What holds is about the epoch as a whole.

Let f be the mean of n minibatch objectives f_i of one size, and let step i of the epoch, from w_i,
take the gradient of f_i at w~_i = w_i + e_i, |e_i| <= rho. Where e_i comes from does not matter: a
second stream of minibatches, in whatever order, or the same minibatch. Let h = eta n.

    (1) The epoch is one step of length h: w_n = w - h b, b = (1/n) sum_i grad f_i(w~_i).
    (2) With a = grad f(w), by smoothness and <a, b> = (|a|^2 + |b|^2 - |a - b|^2)/2,
        f(w_n) <= f(w) - (h/2) |a|^2 - (h/2) (1 - L h) |b|^2 + (h/2) |a - b|^2,
        and the term in |b|^2 may be left out where h <= 1/L.
    (3) Each minibatch comes once, so a = (1/n) sum_i grad f_i(w), over the same i as b; so
        |a - b| <= (1/n) sum_i L_i |w~_i - w|, L_i the Lipschitz constant of grad f_i.
    (4) |w~_i - w| <= D_i = rho + eta sum_{j<i} (|grad f_j(w)| + L_j D_j), since step j moves by
        eta |grad f_j(w~_j)|, and that is at most |grad f_j(w)| + L_j |w~_j - w|. Together
        f(w_n) <= f(w) - (h/2) |a|^2 + (h/2) ((1/n) sum_i L_i D_i)^2.                       (5d)

It holds for every order, so for the mean over orders; an equality for equal parabolas at h = 1/L.
(2) and (3) are the argument for random reshuffling of Mishchenko, Khaled and Richtarik, NeurIPS 33
(2020), with an ascent in it.

Of Adam nothing of the kind holds: its first step has the length eta whatever the gradient is, so
next to a minimum it goes up (`descent.counterexamples.adam_at_the_bottom`).
"""

from dataclasses import dataclass, replace

import numpy as np

import refsast as rs
from proofs_check.claim import Claim, Hypothesis
from proofs_check.claims.convergence import SMOOTH
from proofs_check.descent import draws
from proofs_check.descent.enumeration import SastStep, step_rounding
from proofs_check.descent.finite_sum import FiniteSum
from proofs_check.draws import Source
from proofs_check.norms import euclidean_norm
from refsast.arrays import Array

ONCE = "each minibatch comes once"
SMALL_EPOCH = "eta n <= 1/L"


@dataclass(frozen=True, eq=False)
class SastEpoch:
    """An epoch of steps, each with a minibatch of its own.

    Attributes
    ----------
    first : SastStep
        Its first step: the samples of its family are the minibatches; v2 plays no part.
    order, ascents : tuple of int
        Which of them each step descends on, and which it climbs on before.
    """

    first: SastStep
    order: tuple[int, ...]
    ascents: tuple[int, ...]

    def __post_init__(self) -> None:
        n = len(self.first.family.samples)
        for name in ("order", "ascents"):
            which = getattr(self, name)
            if len(which) != n or not all(0 <= i < n for i in which):
                raise ValueError(f"{name} must be {n} indices below {n}, got {which}")


def epoch_points(x: SastEpoch) -> tuple[Array, Array]:
    """Return the points between the steps, (n + 1, p), and those of the gradients, (n, p)."""
    s, points, raised = x.first, [x.first.w], []
    for i, j in zip(x.order, x.ascents, strict=True):
        climb, descend = s.family.samples[j], s.family.samples[i]
        grad = climb.value_and_grad(points[-1])[1]
        raised.append(rs.sam.ascent_point(points[-1], grad, rho=s.rho))
        points.append(points[-1] - s.eta * descend.value_and_grad(raised[-1])[1])
    return np.stack(points), np.stack(raised)


def epoch_radius(x: SastEpoch) -> float:
    """Return the radius of a ball about the start that holds all that the epoch visits."""
    every = np.concatenate(epoch_points(x)) - x.first.w
    return float(np.sqrt(np.square(every).sum(axis=1)).max())


def epoch_gain(x: SastEpoch) -> float:
    """Return ``f(w_n) - f(w) + (eta n/2) |grad f(w)|^2``."""
    s, f = x.first, x.first.family.mean
    value, grad = f.value_and_grad(s.w)
    end = epoch_points(x)[0][-1]
    return float(f.value_and_grad(end)[0] - value + 0.5 * _length(x) * (grad @ grad))


def epoch_bound(x: SastEpoch) -> float:
    """Return ``(eta n/2) ((1/n) sum_i L_i D_i)^2``."""
    s, radius = x.first, epoch_radius(x)
    moved, changes = 0.0, []
    for i in x.order:
        batch = s.family.samples[i]
        lipschitz = batch.lipschitz(s.w, radius)
        changes.append(lipschitz * (s.rho + moved))
        slope = float(euclidean_norm(batch.value_and_grad(s.w)[1]))
        moved += s.eta * (slope + changes[-1])
    return 0.5 * _length(x) * float(np.mean(changes)) ** 2


def _length(x: SastEpoch) -> float:
    """The length of the epoch as one step: eta n."""
    return x.first.eta * len(x.order)


def draw_epoch(source: Source) -> SastEpoch:
    """Draw an epoch that keeps to the hypotheses of 5d: few minibatches, in two random orders."""
    kinds = (draws.draw_quadratics, draws.draw_quadratics, draws.draw_ridges, draws.draw_risks)
    family, w = source.choice(kinds)(source)
    n = len(family.samples)
    order, ascents = (_draw_order(source, n) for _ in range(2))
    rho, part = source.choice((0.1, 1.0, 3.0, 0.0, 1e-3)), source.choice((1.0, 1.0, 0.3, 0.01))
    first = SastStep(FiniteSum(family.samples, 1), w, rho, 1.0, 1.0, 0.0)
    return certify_epoch(SastEpoch(first, order, ascents), part, source.choice((1.0, 1.0, 1.5)))


def _draw_order(source: Source, n: int) -> tuple[int, ...]:
    """Draw a permutation."""
    left, order = list(range(n)), []
    while left:
        order.append(left.pop(source.choice(range(len(left)))))
    return tuple(order)


def certify_epoch(x: SastEpoch, part: float = 1.0, factor: float = 1.0) -> SastEpoch:
    """Return the epoch with L certified on all that it visits, and ``eta n`` a part of 1/L."""
    share = part / len(x.order) * (1.0 - 1e-12)  # never more, by rounding
    reach = draws.certify_step(
        x.first, lambda first: epoch_radius(replace(x, first=first)), share, factor
    )
    return replace(x, first=reach)


def tighten_epoch(x: SastEpoch) -> SastEpoch:
    """Return the same with L no larger than the hypotheses of 5d need it."""
    return certify_epoch(x, min(_length(x) * x.first.lipschitz, 1.0))


def _is_smooth(x: SastEpoch) -> bool:
    """Whether L is certified on all that the epoch visits."""
    s = x.first
    return s.family.lipschitz(s.w, epoch_radius(x)) <= s.lipschitz < np.inf


EPOCH = Claim[SastEpoch](
    label="5d",
    title="an epoch by permutation, in any order",
    source="THEORY 5d (own)",
    statement="Of n minibatches that each come once, f(w_n) <= f(w) - (eta n/2) |grad f(w)|^2 "
    "+ (eta n/2) ((1/n) sum_i L_i D_i)^2, D_i = rho + eta sum_{j<i} (|grad f_j(w)| + L_j D_j), "
    "L_i the Lipschitz constant of grad f_i; the ascents are of length rho, on any minibatches.",
    hypotheses=(
        Hypothesis(SMOOTH, _is_smooth),
        Hypothesis(SMALL_EPOCH, lambda x: x.first.eta <= 1.0 / (len(x.order) * x.first.lipschitz)),
        Hypothesis(ONCE, lambda x: sorted(x.order) == list(range(len(x.order)))),
    ),
    measure=epoch_gain,
    bound=epoch_bound,
    rounding=lambda x: len(x.order) * step_rounding(x.first, epoch_radius(x)),
)
