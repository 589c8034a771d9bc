"""THEORY 4: what the first-order step of SAM misses.

Let the gradient of f be L-Lipschitz on the ball of radius rho about w. Along any e in it,
f(w + e) - f(w) - <grad f(w), e> = int_0^1 <grad f(w + s e) - grad f(w), e> ds, at most L |e|^2/2 in
magnitude. With e = rho g/|g| the inner product is rho |g|: 4a. For any e' the inner product is at
most rho |g|, so f(w + e') <= f(w) + rho |g| + L rho^2/2, while the maximum is at least f(w + e);
both sides of 4b follow. 4c is the hypothesis at the distance rho.

4d. e(w) = rho g/|g| has the derivative (rho/|g|) P H, P = I - ghat ghat', since the norm's own
derivative takes away the part along g. By the chain rule the gradient of f(w + e(w)) is
grad f(w + e) + (rho/|g|) H P grad f(w + e), H and P being symmetric. SAM drops the second term, and
|H P v| <= L |P v|.

Where grad f(w) = 0, e = 0 by definition, and both gradients are grad f(w).
"""

from dataclasses import dataclass, replace

import numpy as np

from proofs_check.claim import Claim, Hypothesis
from proofs_check.claims.stability import SOURCE
from proofs_check.descent.objectives import Objective, Quadratic, Risk
from proofs_check.draws import Source, draw_batch
from proofs_check.rounding import SUM_ROUNDING
from refsast import flatten, sam
from refsast.arrays import Array


@dataclass(frozen=True, eq=False)
class Ascent:
    """An objective, a point, SAM's radius, and a claimed bound of the smoothness there.

    Attributes
    ----------
    objective : Quadratic or Risk
        What SAM minimises.
    w : (p,) array
        The point.
    rho : float
        Radius. Not negative.
    smoothness : float
        L, a claimed bound of the Lipschitz constant of the gradient on the ball.
    """

    objective: Objective
    w: Array
    rho: float
    smoothness: float

    @property
    def ascent_point(self) -> Array:
        """The ascent point of the library, w + e."""
        return sam.ascent_point(self.w, self.objective.value_and_grad(self.w)[1], rho=self.rho)


def first_order_remainder(x: Ascent) -> float:
    """Return ``f(w + e) - f(w) - rho |grad f(w)|``."""
    return _excess(x, float(x.objective.value_and_grad(x.ascent_point)[0]))


def _excess(x: Ascent, value: float) -> float:
    """How far `value` is above the first-order model of the ascent."""
    f, grad = x.objective.value_and_grad(x.w)
    return value - float(f) - x.rho * float(np.linalg.norm(grad))


def ascent_maximum(x: Ascent, steps: int = 20) -> float:
    """Return the highest value that projected gradient ascent finds in the ball.

    It starts at SAM's ascent point and never goes down: a lower bound of the maximum, no less than
    f(w + e).
    """
    e, reach = x.ascent_point - x.w, x.rho
    best, grad = x.objective.value_and_grad(x.w + e)
    for _ in range(steps):  # a step uphill, then back onto the ball; a shorter one where it fails
        tried = e + grad * (reach / max(float(np.linalg.norm(grad)), 1e-300))
        tried = tried * min(1.0, x.rho / max(float(np.linalg.norm(tried)), 1e-300))
        value, slope = x.objective.value_and_grad(x.w + tried)
        if value > best:
            e, best, grad = tried, value, slope
        else:
            reach *= 0.5
    return float(best)


def _loss_rounding(x: Ascent) -> float:
    """How far rounding moves a difference of two losses and a slope."""
    value, grad = x.objective.rounded_terms(x.w, x.rho)
    return SUM_ROUNDING * (value + (x.rho + float(np.linalg.norm(x.w))) * grad)


def gradient_change(x: Ascent) -> float:
    """Return ``|grad f(w + e) - grad f(w)|``."""
    return float(np.linalg.norm(_gradient(x, x.ascent_point) - _gradient(x, x.w)))


def _gradient(x: Ascent, w: Array) -> Array:
    """The gradient of the objective."""
    return x.objective.value_and_grad(w)[1]


def _gradient_rounding(x: Ascent) -> float:
    """How far rounding moves a difference of two gradients."""
    return SUM_ROUNDING * x.objective.rounded_terms(x.w, x.rho)[1]


def hessian_term(x: Ascent) -> float:
    """Return the distance of the exact gradient of ``f(w + e(w))`` from SAM's."""
    objective = x.objective.value_and_grad
    kept = sam.exact_gradient(objective, x.objective.hvp, x.w, rho=x.rho)
    return float(np.linalg.norm(kept - sam.gradient(objective, x.w, rho=x.rho)))


def _hessian_term_rounding(x: Ascent) -> float:
    """How far rounding moves the dropped term: that of the gradients, carried through it."""
    norm = float(np.linalg.norm(_gradient(x, x.w)))
    # The term is (rho/|g|) H P: an error of a gradient is multiplied by at most rho L/|g|.
    return _gradient_rounding(x) * (1.0 if norm == 0.0 else 1.0 + x.rho * x.smoothness / norm)


def hessian_term_bound(x: Ascent) -> float:
    """Return ``(rho L/|grad f(w)|) |P grad f(w + e)|``; 0 where the gradient is zero."""
    grad = _gradient(x, x.w)
    norm = float(np.linalg.norm(grad))
    if norm == 0.0:
        return 0.0
    unit, above = grad / norm, _gradient(x, x.ascent_point)
    return x.rho * x.smoothness / norm * float(np.linalg.norm(above - unit * (unit @ above)))


def draw_ascent(source: Source) -> Ascent:
    """Draw a quadratic or the loss of a network, a point and a radius."""
    rho = source.choice((1e-3, 0.05, 0.3, 1.0, 3.0, 0.0))
    if source.choice((True, False)):
        p = source.choice((1, 2, 3))
        h = source.array(p, p)
        objective, w = Quadratic(h + h.T, source.array(p)), source.array(p)
    else:
        drawn = draw_batch(source, longest=3)
        objective, w = Risk(drawn.network, drawn.x, drawn.y), flatten(drawn.params)
    x = Ascent(objective, w, rho, 1.0)
    return certify_smoothness(x, 1.0 if source.choice((True, True, False)) else 2.0)


def certify_smoothness(x: Ascent, factor: float = 1.0) -> Ascent:
    """Return the same with `factor` times the smoothness constant that is certified for it."""
    return replace(x, smoothness=factor * x.objective.lipschitz(x.w, x.rho))


TWICE_DIFFERENTIABLE = Hypothesis[Ascent](
    "f is twice differentiable", lambda x: x.objective.twice_differentiable
)
SMOOTH_ON_BALL = Hypothesis[Ascent](
    "grad f is L-Lipschitz on the ball of radius rho",
    lambda x: x.objective.lipschitz(x.w, x.rho) <= x.smoothness < np.inf,
)


def _remainder_bound(x: Ascent) -> float:
    """The bound of 4a."""
    return 0.5 * x.smoothness * x.rho**2


REMAINDER = Claim[Ascent](
    label="4a",
    title="the first-order model of the ascent",
    source=f"THEORY 4a; {SOURCE}",
    statement="If grad f is L-Lipschitz on the ball of radius rho and e = rho grad f/|grad f|, "
    "then abs(f(w + e) - f(w) - rho |grad f(w)|) <= L rho^2/2.",
    hypotheses=(SMOOTH_ON_BALL,),
    measure=lambda x: abs(first_order_remainder(x)),
    bound=_remainder_bound,
    uses=("3b-quotient",),
    rounding=_loss_rounding,
)
MAXIMUM = Claim[Ascent](
    label="4b",
    title="the maximum over the ball, and what SAM misses of it",
    source=f"THEORY 4b; {SOURCE}",
    statement="Under the same hypothesis abs(max_{|e'| <= rho} f(w + e') - f(w) - rho |grad f(w)|) "
    "<= L rho^2/2 and 0 <= max f - f(w + e) <= L rho^2.",
    hypotheses=(SMOOTH_ON_BALL,),
    measure=lambda x: (
        np.asarray(abs(_excess(x, ascent_maximum(x)))),
        np.asarray(_excess(x, ascent_maximum(x)) - first_order_remainder(x)),
    ),
    bound=lambda x: (np.asarray(_remainder_bound(x)), np.asarray(2.0 * _remainder_bound(x))),
    uses=("4a",),
    rounding=_loss_rounding,
)
CHANGE = Claim[Ascent](
    label="4c",
    title="the gradient at the ascent point",
    source=f"THEORY 4c; {SOURCE}",
    statement="Under the same hypothesis |grad f(w + e) - grad f(w)| <= L rho.",
    hypotheses=(SMOOTH_ON_BALL,),
    measure=gradient_change,
    bound=lambda x: x.smoothness * x.rho,
    uses=("3b-quotient",),
    rounding=_gradient_rounding,
)
DROPPED = Claim[Ascent](
    label="4d",
    title="the Hessian term that SAM drops",
    source="THEORY 4d (own)",
    statement="The exact gradient of f(w + e(w)) is (I + rho P H/|grad f|)' grad f(w + e), and SAM "
    "is away from it by at most (rho L/|grad f(w)|) |P grad f(w + e)|; by 0 where grad f(w) = 0.",
    hypotheses=(SMOOTH_ON_BALL, TWICE_DIFFERENTIABLE),
    measure=hessian_term,
    bound=hessian_term_bound,
    uses=("3b-product",),
    rounding=_hessian_term_rounding,
)
