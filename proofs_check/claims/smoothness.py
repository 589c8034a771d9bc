"""THEORY 3: the gradient is bounded, and Lipschitz where the norms of the parameters are.

Move the parameters along w + eps d and let a dot be d/deps. d_vec holds the norms of the blocks of
d (Frobenius for matrices), so |d_vec|_2 = |d|. Differentiating the dynamics,

    udot_t  = (g'(u) + V sigma') udot_{t-1} + Wdot a_t + W adot_t + Vdot s_{t-1} + bdot
    uddot_t = (g'(u) + V sigma') uddot_{t-1} + (g''(u) + V sigma'') udot_{t-1}^2
              + 2 Wdot adot_t + 2 Vdot sdot_{t-1} + W addot_t,

with sdot = sigma' udot and sddot = sigma' uddot + sigma'' udot^2, squares entry by entry. Take
norms: the first bracket is at most kappa_e, abs(v * v)_2 <= |v|_2^2, |a_t|_2 <= A, |s|_2 <=
sqrt(n). If everything but the first term is at most m at each step, then unrolling gives at most
c_T(kappa_e) m. That is the linear form p_l . d_vec for udot and the quadratic form d_vec' Q_l d_vec
for uddot. The readout adds its own. With |dloss/dz|_2 <= sqrt(2) and a Hessian of the loss in z
between 0 and 1/2:

    abs(f')  <= sqrt(2) q . d_vec                          so |grad f| <= sqrt(2) |q|      (3a)
    abs(f'') <= d_vec' (sqrt(2) R + q q'/2) d_vec          so |d' H d| <= L_s |d|^2        (3b)

The forms are not negative, so the top eigenvalue bounds them on all d_vec. On a convex set on which
the norms are at most the caps, the gradient is Lipschitz with that constant by integration along
the segment; where sigma'' jumps, f' is still Lipschitz along it.

3b-joint sharpens this: where the loss is steep in z its curvature is small. With S the sum of the
squares of the probabilities and y the label, |dloss/dz|^2 = S - 2 p_y + 1 <= 1 + S, and
the Hessian diag(p) - p p' is at most its trace, 1 - S, and at most 1/2. So with b = max(S, 1/2)
both are at most sqrt(1 + b) and 1 - b, and the bound is the supremum over b in [1/2, 1] of the top
eigenvalue of sqrt(1 + b) R + (1 - b) q q'; on a grid of cells, with each factor at its largest
within the cell, which is an upper bound since the forms are not negative.
"""

import numpy as np

import refsast as rs
from proofs_check import rounding
from proofs_check.claim import Claim, Hypothesis
from proofs_check.claims.lipschitz import MAX_LOSS_GRADIENT
from proofs_check.claims.smoothness_constants import (
    DerivativeForms,
    derivative_forms,
    joint_smoothness_constant,
    layer_norms,
    smoothness_constant,
)
from proofs_check.claims.stability import CERTIFIED_SPIKES, SOURCE
from proofs_check.instances import AnyBatch, LabelledBatch, TwoParameterPoints, attach_reset
from proofs_check.norms import euclidean_norm, gradient, inner_product
from refsast.arrays import Array
from refsast.autodiff import hvp
from refsast.autodiff.tape import primal
from refsast.model.loss import cross_entropy
from refsast.model.params import param_arrays, replace_arrays
from refsast.model.unroll import unroll

MAX_DENSE_HESSIAN = 200  # parameters, up to which a Hessian is computed as a whole


def risk(x: AnyBatch, *arrays: Array) -> Array:
    """Return the loss of the smooth network, as a function of the blocks of its parameters."""
    trace = unroll(attach_reset(x.network), replace_arrays(x.params, arrays), x.x)
    return cross_entropy(trace.logits, x.y)


def risk_gradient(x: AnyBatch, params: rs.Params) -> tuple[Array, ...]:
    """Return the exact gradient of the loss, in blocks."""
    return gradient(lambda *arrays: risk(x, *arrays), *param_arrays(params))


def displacement(x: TwoParameterPoints) -> tuple[Array, ...]:
    """Return the direction from one point to the other, in blocks."""
    return tuple(b - a for a, b in zip(param_arrays(x.params), param_arrays(x.moved), strict=True))


def hessian_displacement(x: TwoParameterPoints) -> tuple[Array, ...]:
    """Return the Hessian at `params` times the direction, in blocks."""
    d = displacement(x)

    def slope(*arrays: Array) -> Array:
        return inner_product(gradient(lambda *a: risk(x, *a), *arrays), d)

    return gradient(slope, *param_arrays(x.params))


def hessian(x: AnyBatch) -> Array:
    """Return the Hessian of the loss at `params`, shape (p, p), column by column."""
    arrays, network = param_arrays(x.params), x.network
    units = [param_arrays(rs.unflatten(network, e)) for e in np.eye(network.n_params)]
    columns = [hvp(lambda *a: risk(x, *a), arrays, unit) for unit in units]
    return np.stack([np.concatenate([c.ravel() for c in column]) for column in columns])


def spectral_radius(x: LabelledBatch) -> float:
    """Return the largest magnitude of an eigenvalue; where p is large, one that Lanczos reaches."""
    if x.network.n_params <= MAX_DENSE_HESSIAN:
        return float(np.linalg.norm(hessian(x), 2))
    found = rs.sharpness.top_eigenvalues(
        attach_reset(x.network),
        x.params,
        x.x,
        x.y,
        k=1,
        rng=np.random.default_rng(0),
        by_magnitude=True,
        tolerance=1e-3,
    )
    return float(np.abs(found.values[0]))


def forms_at_params(x: AnyBatch) -> DerivativeForms:
    """Return the forms at the norms of `params` themselves."""
    return derivative_forms(x.network, layer_norms(x.network, x.params), x.x)


def forms_at_caps(x: TwoParameterPoints) -> DerivativeForms:
    """Return the forms at the caps."""
    norms = tuple((np.asarray(w), np.asarray(v)) for w, v in x.caps)
    return derivative_forms(x.network, norms, x.x)


def satisfies_caps(x: TwoParameterPoints) -> bool:
    """Whether both points keep to the caps."""
    norms = [layer_norms(x.network, params) for params in (x.params, x.moved)]
    return all(
        bool(primal(w) <= cap_w and primal(v) <= cap_v)
        for found in norms
        for (w, v), (cap_w, cap_v) in zip(found, x.caps, strict=True)
    )


def _gradient_distance(x: TwoParameterPoints) -> Array:
    """The distance of the two gradients."""
    ends = (risk_gradient(x, params) for params in (x.params, x.moved))
    return euclidean_norm(*(b - a for a, b in zip(*ends, strict=True)))


def _gradient_bound(x: LabelledBatch) -> Array:
    """The bound of 3a."""
    return MAX_LOSS_GRADIENT * euclidean_norm(forms_at_params(x).q)


def _quotient_bound(x: TwoParameterPoints) -> Array:
    """The bound of 3b-quotient."""
    return smoothness_constant(forms_at_caps(x)) * euclidean_norm(*displacement(x))


def _quotient_rounding(x: TwoParameterPoints) -> Array:
    """How far rounding moves the distance of two gradients, each along its own run."""
    errors = sum(rounding.gradient_error(x, params) for params in (x.params, x.moved))
    return errors + rounding.product_rounding(_quotient_bound)(x)


def _product_bound(x: TwoParameterPoints) -> Array:
    """The bound of 3b-product."""
    return smoothness_constant(forms_at_params(x)) * euclidean_norm(*displacement(x))


def _eigenvalue_bound(x: LabelledBatch) -> Array:
    """The bound of 3b-eigenvalue."""
    return smoothness_constant(forms_at_params(x))


def _joint_bound(x: TwoParameterPoints) -> Array:
    """The bound of 3b-joint."""
    return joint_smoothness_constant(forms_at_params(x)) * euclidean_norm(*displacement(x))


WITHIN_CAPS = Hypothesis("the norms at both points keep to the caps", satisfies_caps)
GRADIENT_BOUND = Claim[LabelledBatch](
    label="3a",
    title="the gradient is bounded",
    source=f"THEORY 3a; {SOURCE}",
    statement="|grad f| <= sqrt(2) |q|_2, q the form of THEORY 3 at the norms of the parameters.",
    hypotheses=(CERTIFIED_SPIKES,),
    measure=lambda x: euclidean_norm(*risk_gradient(x, x.params)),
    bound=_gradient_bound,
    uses=("1c",),
    rounding=rounding.product_rounding(_gradient_bound),
)
DIFFERENCE_QUOTIENT = Claim[TwoParameterPoints](
    label="3b-quotient",
    title="the gradient is Lipschitz: two points",
    source=f"THEORY 3b; {SOURCE}",
    statement="Of two points whose norms keep to the caps, "
    "|grad f(w) - grad f(w')| <= L_s |w - w'|, L_s = lambda_max(sqrt(2) R + q q'/2) at the caps.",
    hypotheses=(CERTIFIED_SPIKES, WITHIN_CAPS),
    measure=_gradient_distance,
    bound=_quotient_bound,
    uses=("3a",),
    rounding=_quotient_rounding,
)
HESSIAN_PRODUCT = Claim[TwoParameterPoints](
    label="3b-product",
    title="the gradient is Lipschitz: exact Hessian-vector products",
    source=f"THEORY 3b; {SOURCE}",
    statement="|H d| <= L_s |d| for every direction d, L_s at the norms of the parameters.",
    hypotheses=(CERTIFIED_SPIKES,),
    measure=lambda x: euclidean_norm(*hessian_displacement(x)),
    bound=_product_bound,
    uses=("3a",),
    rounding=rounding.product_rounding(_product_bound),
)
HESSIAN_EIGENVALUE = Claim[LabelledBatch](
    label="3b-eigenvalue",
    title="the gradient is Lipschitz: the top of the Hessian's spectrum",
    source=f"THEORY 3b; {SOURCE}",
    statement="No eigenvalue of the Hessian exceeds L_s in magnitude.",
    hypotheses=(CERTIFIED_SPIKES,),
    measure=spectral_radius,
    bound=_eigenvalue_bound,
    uses=("3a",),
    rounding=rounding.product_rounding(_eigenvalue_bound),
)
JOINT_SMOOTHNESS = Claim[TwoParameterPoints](
    label="3b-joint",
    title="the same with slope and curvature of the loss taken together",
    source="THEORY 3b, sharpened here",
    statement="|H d| <= L |d| with L the supremum over b in [1/2, 1] of "
    "lambda_max(sqrt(1 + b) R + (1 - b) q q').",
    hypotheses=(CERTIFIED_SPIKES,),
    measure=lambda x: euclidean_norm(*hessian_displacement(x)),
    bound=_joint_bound,
    uses=("3b-product",),
    rounding=rounding.product_rounding(_joint_bound),
)
