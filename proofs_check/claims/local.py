"""THEORY 2, 3b and 4, locally: near one recording, or near one point of the parameters.

2, 3 and 4 take the worst factor of every neuron, step and layer. Near a given run the factors are
known: the potentials hardly move, and with them sigma' and g'. `proofs_check.local` encloses them
over a ball, in causal order, and what follows: the proofs are in `local.layers` (the runs and their
derivatives), `local.lipschitz` (2-local), `local.smoothness` (3b-local). With radius 0 they hold at
the point itself, where 2-local is an equality but for rounding.

4-local. The proof of 4a, 4b and 4c uses no more than that the gradient is L-Lipschitz on the ball
of radius rho, which is what 3b-local says.

Every number here is rounded outward: the bounds hold in exact arithmetic. How far rounding moves
logits that are measured is part of the enclosure (`LocalBounds.drift`). Hessian-vector products are
no differences, so they are given the rounding of constants only.
"""

from functools import lru_cache

import numpy as np

from proofs_check.claim import Claim, Hypothesis
from proofs_check.claims.lipschitz import MAX_LOSS_GRADIENT
from proofs_check.claims.sam import (
    Ascent,
    ascent_maximum,
    first_order_remainder,
    gradient_change,
)
from proofs_check.claims.smoothness import displacement, spectral_radius
from proofs_check.claims.stability import CERTIFIED_SPIKES, has_certified_spikes
from proofs_check.descent.objectives import Risk
from proofs_check.draws import Source, draw_batch, draw_network
from proofs_check.instances import (
    LabelledBatch,
    TwoInputs,
    TwoParameterPoints,
    attach_reset,
    move_point,
)
from proofs_check.local.lipschitz import LocalBounds, local_lipschitz
from proofs_check.local.smoothness import Curvature, local_curvature
from proofs_check.norms import euclidean_norm, gradient, total
from refsast import Network, flatten, unflatten
from refsast.arrays import Array
from refsast.model.loss import softmax
from refsast.model.params import param_arrays
from refsast.model.unroll import unroll

SOURCE = "THEORY {} (own)"
ROUNDING_FACTOR = 2.0**-44  # of a loss or a gradient, relative to what it is summed from
OUTWARD = 1.0 + 1e-12  # so that a distance that is rounded is within the ball


def input_distances(x: TwoInputs) -> Array:
    """Return the distance of the two inputs, by recording."""
    return np.asarray(np.linalg.norm(x.x - x.other, axis=(0, 2)))


@lru_cache(maxsize=4)
def input_bounds(x: TwoInputs) -> tuple[LocalBounds, ...]:
    """Return what holds on the ball about each recording that reaches to the other input."""
    # An instance is hashed by identity: the cache serves the two sides of one check.
    return tuple(
        local_lipschitz(x.network, x.params, x.x[:, r : r + 1], far * OUTWARD)
        for r, far in enumerate(input_distances(x))
    )


def jacobian(x: TwoInputs) -> Array:
    """Return the derivative of the logits at the other input, (batch, classes, time * n_0)."""
    network = attach_reset(x.network)

    def logit(k: int, a: Array) -> Array:
        return total([np.sum(unroll(network, x.params, a).logits[:, k])])

    rows = [gradient(lambda a, k=k: logit(k, a), x.other)[0] for k in range(network.classes)]
    return np.stack(rows).transpose(2, 0, 1, 3).reshape(x.other.shape[1], network.classes, -1)


def _lipschitz_measures(x: TwoInputs) -> tuple[Array, Array]:
    """How far the logits are apart, and the norm of their derivative, by recording."""
    near, far = (unroll(x.network, x.params, a).logits for a in (x.x, x.other))
    return np.sqrt(np.sum(np.square(near - far), axis=-1)), np.linalg.norm(jacobian(x), 2, (1, 2))


def _lipschitz_bounds(x: TwoInputs) -> tuple[Array, Array]:
    constants = np.array([bounds.logits for bounds in input_bounds(x)])
    moved = input_distances(x)
    return np.where(moved > 0.0, constants, 1.0) * moved, constants


def loss_gradient_norms(x: TwoInputs) -> Array:
    """Return the norm of the loss's gradient at the other input, by recording and label."""
    p = softmax(unroll(x.network, x.params, x.other).logits)
    slopes = p[:, None] - np.eye(p.shape[1])  # recording, label, class
    return np.linalg.norm(slopes @ jacobian(x), axis=-1)


@lru_cache(maxsize=4)
def curvature_between(x: TwoParameterPoints) -> Curvature:
    """Return the curvature on the ball about one point that reaches to the other."""
    radius = float(euclidean_norm(*displacement(x))) * OUTWARD
    return local_curvature(attach_reset(x.network), x.params, x.x, x.y, radius)


@lru_cache(maxsize=4)
def curvature_of_ascent(x: Ascent) -> Curvature:
    """Return the curvature of the risk on the ball of SAM's radius."""
    risk = x.objective
    if not isinstance(risk, Risk):
        raise ValueError(f"objective must be a Risk, got {risk!r}")
    params = unflatten(risk.network, x.w)
    return local_curvature(risk.network, params, risk.x, risk.y, x.rho * OUTWARD)


def _ascent_measures(x: Ascent) -> tuple[Array, ...]:
    """The left sides of 4a, of 4b's two parts and of 4c."""
    f, grad = x.objective.value_and_grad(x.w)
    missed = first_order_remainder(x)
    highest = ascent_maximum(x) - float(f) - x.rho * float(np.linalg.norm(grad))
    each = (abs(missed), abs(highest), highest - missed, gradient_change(x))
    return tuple(np.asarray(side) for side in each)


def _ascent_bounds(x: Ascent) -> tuple[Array, ...]:
    """The right sides."""
    change = curvature_of_ascent(x).constant * x.rho if x.rho > 0.0 else 0.0
    sides = (0.5 * change * x.rho, 0.5 * change * x.rho, change * x.rho, change)
    return tuple(np.asarray(side) for side in sides)


def _ascent_rounding(x: Ascent) -> tuple[Array, ...]:
    """Two losses are each off by what moves their logits; gradients as in 4."""
    steep = ROUNDING_FACTOR * x.objective.sizes(x.w, x.rho)[1]
    value = float(x.objective.value_and_grad(x.w)[0])
    logits = 2.0 * MAX_LOSS_GRADIENT * curvature_of_ascent(x).drift
    # w itself is rounded, too, when a step is added to it.
    reach = x.rho + float(np.linalg.norm(x.w))
    loss = logits + ROUNDING_FACTOR * (1.0 + value) + reach * steep
    return tuple(np.asarray(part) for part in (loss, loss, 2.0 * loss, steep))


def draw_near_inputs(source: Source) -> TwoInputs:
    """Draw a small network and two inputs, mostly close to each other."""
    drawn = draw_batch(source, batch=1, network=_draw_small, longest=3)
    apart = source.choice((0.0, 1e-6, 1e-3, 1e-2, 0.1, 1.0)) * source.array(*drawn.x.shape)
    return TwoInputs(drawn.network, drawn.params, drawn.x, drawn.x + apart)


def draw_near_points(source: Source) -> TwoParameterPoints:
    """Draw a small network and two points of its parameters, mostly close to each other."""
    drawn = draw_batch(source, batch=source.choice((1, 1, 2)), network=_draw_small, longest=3)
    d = [source.array(*a.shape) for a in param_arrays(drawn.params)]
    return move_point(drawn, d, source.choice((0.0, 1e-6, 1e-3, 1e-2, 0.1)))


def draw_network_ascent(source: Source) -> Ascent:
    """Draw the risk of a small network, a point and a radius."""
    drawn = draw_batch(source, batch=1, network=_draw_small, longest=3)
    risk = Risk(attach_reset(drawn.network), drawn.x, drawn.y)
    rho = source.choice((0.0, 1e-3, 1e-2, 0.1, 2.0))
    return Ascent(risk, flatten(drawn.params), rho, 1.0)


def _draw_small(source: Source) -> Network:
    return draw_network(source, deepest=2, widest=3)


OF_A_NETWORK = Hypothesis[Ascent](
    "f is the risk of a network, each spike of which is one of the five smooth ones",
    lambda x: isinstance(x.objective, Risk) and has_certified_spikes(x.objective.network.neurons),
)
LOCAL_LIPSCHITZ = Claim[TwoInputs](
    label="2-local",
    title="near a recording: logits apart, and their derivative",
    source=SOURCE.format("2-local"),
    statement="Where |x' - x| <= eps, |z(x) - z(x')|_2 <= Lip(x, eps) |x - x'| and the derivative "
    "of z at x' has at most the norm Lip(x, eps), the largest that interval derivatives allow on "
    "the ball.",
    hypotheses=(CERTIFIED_SPIKES,),
    measure=_lipschitz_measures,
    bound=_lipschitz_bounds,
    rounding=lambda x: (
        np.array([2.0 * bounds.drift for bounds in input_bounds(x)]),
        np.zeros(()),
    ),
)
LOCAL_GRADIENT = Claim[TwoInputs](
    label="2-local-gradient",
    title="near a recording: the exact input gradient",
    source=SOURCE.format("2-local"),
    statement="Where |x' - x| <= eps, for every label |dloss/dx'| <= the largest |J'(p - e_y)| "
    "that the enclosures of J and p on the ball allow.",
    hypotheses=(CERTIFIED_SPIKES,),
    measure=loss_gradient_norms,
    bound=lambda x: np.stack([bounds.loss for bounds in input_bounds(x)]),
    uses=("2-local",),
)
LOCAL_SMOOTHNESS = Claim[TwoParameterPoints](
    label="3b-local",
    title="near a point: the top of the Hessian's spectrum",
    source=SOURCE.format("3b-local"),
    statement="Where |w' - w| <= rho no eigenvalue of the Hessian at w' exceeds L(w, rho) in "
    "magnitude: the larger of GN + R+ and R-, the term of Gauss and Newton and what adjoints times "
    "curvatures allow on the ball, from above and below.",
    hypotheses=(CERTIFIED_SPIKES,),
    measure=lambda x: spectral_radius(LabelledBatch(x.network, x.moved, x.x, x.y)),
    bound=lambda x: curvature_between(x).constant,
)
LOCAL_ASCENT = Claim[Ascent](
    label="4-local",
    title="what SAM's first-order step misses, near a point",
    source=SOURCE.format("4-local"),
    statement="4a, 4b and 4c hold with L = L(w, rho) of 3b-local.",
    hypotheses=(OF_A_NETWORK,),
    measure=_ascent_measures,
    bound=_ascent_bounds,
    uses=("3b-local", "4a", "4b", "4c"),
    rounding=_ascent_rounding,
)
