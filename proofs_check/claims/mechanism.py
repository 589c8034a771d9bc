"""THEORY 6: why a small parameter gradient makes for a small input gradient.

Let Delta_t = dloss/du^1_t, the derivative in the current of the first layer at step t, everything
after it included. The first layer's current is W x_t, so by the chain rule dloss/dW = sum_t
Delta_t x_t' = Delta' X and dloss/dx_t = W' Delta_t, that is Delta W (6-identity). If the rows of X
are independent, |X' d| >= sigma_min(X) |d| for each column d of Delta, so
|dloss/dx|_F <= |W|_2 |Delta|_F <= (|W|_2/mu) |Delta' X|_F for every mu up to sigma_min(X) (6-rows).

With r = dloss/dz and the Jacobians of the logits, dloss/dx = J_x' r and dloss/dw = J_w' r. So
|dloss/dx| <= |J_x|_2 |r| and |r| <= |dloss/dw| / sigma_min(J_w') (6-jacobians).

Where rows of X depend on one another, Delta' X = 0 with Delta != 0 is possible: dloss/dW^1 vanishes
and nothing follows for dloss/dx (`counterexamples`).
"""

from dataclasses import dataclass, replace

import numpy as np

import refsast as rs
from proofs_check import rounding
from proofs_check.claim import Claim, Hypothesis
from proofs_check.claims.stability import SOURCE
from proofs_check.draws import Source, draw_batch, draw_network
from proofs_check.instances import LabelledBatch, attach_reset
from proofs_check.norms import euclidean_norm, gradient, spectral_norm
from refsast.arrays import Array
from refsast.autodiff import vjp
from refsast.model.loss import cross_entropy
from refsast.model.params import param_arrays, replace_arrays
from refsast.model.unroll import unroll


@dataclass(frozen=True, eq=False)
class ConditionedRecording(LabelledBatch):
    """A batch of one recording, and a claimed lower bound of a smallest singular value.

    Attributes
    ----------
    mu : float
        The bound. Positive.
    """

    mu: float


def input_gradient(x: LabelledBatch) -> Array:
    """Return dloss/dx, shape (time, 1, n_0)."""
    return rs.reference.input_grad(attach_reset(x.network), x.params, x.x, x.y)


def current_gradient(x: LabelledBatch) -> Array:
    """Return Delta, shape (time, n_1): dloss/dx of extra inputs that go to one neuron each."""
    return input_gradient(with_silent_inputs(x))[:, 0, x.x.shape[2] :]


def with_silent_inputs(x: LabelledBatch) -> LabelledBatch:
    """Return the same function with one more input per neuron of the first layer, which is silent.

    Its weight is 1, so its gradient is that of the neuron's current.
    """
    n, network, first = x.network.sizes[1], x.network, x.params[0]
    wider = replace(network, sizes=(network.sizes[0] + n, *network.sizes[1:]))
    layer = replace(first, w=np.hstack([first.w, np.eye(n)]))
    silent = np.concatenate([x.x, np.zeros((*x.x.shape[:2], n))], axis=2)
    return LabelledBatch(wider, (layer, *x.params[1:]), silent, x.y)


def weight_gradient(x: LabelledBatch) -> Array:
    """Return dloss/dW^1, shape (n_1, n_0)."""
    return rs.reference.loss_and_grad(attach_reset(x.network), x.params, x.x, x.y)[1][0].w


def _identity_errors(x: LabelledBatch) -> tuple[Array, ...]:
    """How far both identities are from holding, relative to what is summed."""
    # All three gradients of one run: in another one what cancels in a current rounds differently.
    wider, n_in = with_silent_inputs(x), x.x.shape[2]
    delta, rows, w = current_gradient(x), x.x[:, 0], x.params[0].w
    pairs = (
        (weight_gradient(wider)[:, :n_in], delta.T, rows),
        (input_gradient(wider)[:, 0, :n_in], delta, w),
    )
    return tuple(
        euclidean_norm(found - a @ b) / max(float(euclidean_norm(np.abs(a) @ np.abs(b))), 1e-300)
        for found, a, b in pairs
    )


def smallest_singular_value(matrix: Array) -> float:
    """Return the smallest singular value of a wide matrix; 0 of one with more rows than columns."""
    rows, columns = matrix.shape
    return 0.0 if rows > columns else float(np.linalg.svd(matrix, compute_uv=False)[-1])


def logits(x: ConditionedRecording, *arrays: Array) -> Array:
    """Return the logits as a function of the blocks of the parameters, then the input."""
    return unroll(attach_reset(x.network), replace_arrays(x.params, arrays[:-1]), arrays[-1]).logits


def jacobians(x: ConditionedRecording) -> tuple[Array, Array]:
    """Return J_w, shape (classes, p), and J_x, shape (classes, time n_0)."""
    at = (*param_arrays(x.params), x.x)
    units = np.eye(x.network.classes)
    pulled = [vjp(lambda *a: logits(x, *a), at, unit[None]) for unit in units]
    rows = [np.concatenate([g.ravel() for g in row[:-1]]) for row in pulled]
    return np.stack(rows), np.stack([row[-1].ravel() for row in pulled])


def _draw_one(source: Source) -> ConditionedRecording:
    """Draw a recording, with a placeholder for mu."""
    drawn = draw_batch(source, batch=1, network=_draw_wide_network, longest=3)
    return ConditionedRecording(drawn.network, drawn.params, drawn.x, drawn.y, 1.0)


def _draw_wide_network(source: Source) -> rs.Network:
    """Draw a network with at least three inputs, so that three rows can be independent."""
    net = draw_network(source, deepest=2)
    return replace(net, sizes=(source.choice((3, 4, 6)), *net.sizes[1:]))


def _choose_mu(source: Source, x: ConditionedRecording) -> ConditionedRecording:
    """Claim the smallest singular value that `x` has, or half of it."""
    return replace(x, mu=x.mu * source.choice((1.0, 1.0, 0.5)))


def draw_independent_rows(source: Source) -> ConditionedRecording:
    """Draw a recording with rows that are independent, or nearly dependent, of generic numbers."""
    x = _draw_one(source)
    rows = source.array(*x.x.shape)
    if len(rows) > 1 and source.choice((True, False)):
        rows[-1] = rows[0] + source.choice((1e-2, 1e-6)) * rows[-1]
    return _choose_mu(source, fit_mu_to_rows(replace(x, x=rows)))


def fit_mu_to_rows(x: ConditionedRecording) -> ConditionedRecording:
    """Return the same with the smallest singular value of its input as `mu`."""
    return replace(x, mu=smallest_singular_value(x.x[:, 0]))


def draw_independent_logits(source: Source) -> ConditionedRecording:
    """Draw a recording and what the smallest singular value of J_w is."""
    return _choose_mu(source, fit_mu_to_logits(_draw_one(source)))


def fit_mu_to_logits(x: ConditionedRecording) -> ConditionedRecording:
    """Return the same with the smallest singular value of J_w as `mu`."""
    return replace(x, mu=smallest_singular_value(jacobians(x)[0]))


def _rows_bound(x: ConditionedRecording) -> Array:
    """The bound of 6-rows."""
    return spectral_norm(x.params[0].w) / x.mu * euclidean_norm(weight_gradient(x))


def _rows_rounding(x: ConditionedRecording) -> Array:
    """How far rounding of Delta' X, which may cancel, and of mu moves the bound of 6-rows."""
    share, size = rounding.roundings(x.network, len(x.x)), euclidean_norm(x.x)
    summed = euclidean_norm(current_gradient(x)) * spectral_norm(x.params[0].w) / x.mu
    return share * size * (summed + _rows_bound(x) / x.mu)


def logit_gradient(x: ConditionedRecording) -> Array:
    """Return r, the gradient of the loss in the logits, shape (classes,)."""
    return gradient(lambda z: cross_entropy(z, x.y), logits(x, *param_arrays(x.params), x.x))[0][0]


def _jacobians_bound(x: ConditionedRecording) -> Array:
    """The bound of 6-jacobians, its gradients by the Jacobians: what cancels rounds alike."""
    j_w, j_x = jacobians(x)
    return np.linalg.norm(j_x, 2) / x.mu * euclidean_norm(logit_gradient(x) @ j_w)


def _jacobians_rounding(x: ConditionedRecording) -> Array:
    """How far rounding of J_w' r, which may cancel, and of mu moves the bound of 6-jacobians."""
    j_w, j_x = jacobians(x)
    share = rounding.roundings(x.network, len(x.x)) * np.sqrt(j_w.shape[1] + j_x.shape[1])
    summed = np.linalg.norm(j_x, 2) * euclidean_norm(logit_gradient(x))
    return share * euclidean_norm(j_w) / x.mu * (summed + _jacobians_bound(x))


IDENTITY = Claim[LabelledBatch](
    label="6-identity",
    title="both gradients from one signal",
    source=f"THEORY 6; {SOURCE}",
    statement="For one recording dloss/dW^1 = Delta' X and dloss/dx = Delta W^1, to rounding.",
    hypotheses=(Hypothesis("one recording", lambda x: x.x.shape[1] == 1),),
    measure=_identity_errors,
    bound=lambda x: 8.0 * len(x.x) * rounding.roundings(x.network, len(x.x)),
)
ROWS = Claim[ConditionedRecording](
    label="6-rows",
    title="independent rows: the input gradient follows the weight gradient",
    source=f"THEORY 6; {SOURCE}",
    statement="For one recording with sigma_min(X) >= mu > 0, "
    "|dloss/dx|_F <= (|W^1|_2/mu) |dloss/dW^1|_F.",
    hypotheses=(
        Hypothesis(
            "sigma_min(X) >= mu > 0", lambda x: smallest_singular_value(x.x[:, 0]) >= x.mu > 0.0
        ),
    ),
    measure=lambda x: euclidean_norm(input_gradient(x)),
    bound=_rows_bound,
    uses=("6-identity",),
    rounding=_rows_rounding,
)
JACOBIANS = Claim[ConditionedRecording](
    label="6-jacobians",
    title="independent logits: the input gradient follows the parameter gradient",
    source=f"THEORY 6; {SOURCE}",
    statement="For one recording with sigma_min(J_w') >= mu > 0, "
    "|dloss/dx| <= (|J_x|_2/mu) |dloss/dw|.",
    hypotheses=(
        Hypothesis(
            "sigma_min(J_w') >= mu > 0",
            lambda x: smallest_singular_value(jacobians(x)[0]) >= x.mu > 0.0,
        ),
    ),
    measure=lambda x: euclidean_norm(logit_gradient(x) @ jacobians(x)[1]),
    bound=_jacobians_bound,
    rounding=_jacobians_rounding,
)
