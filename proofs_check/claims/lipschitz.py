"""THEORY 2: how far a change of the input can move the logits and the loss.

In one layer the same argument as in 1c gives, for the two runs of different inputs,
|Du_t| <= kappa_e |Du_{t-1}| + |W|_2 |Ds'_t|, s' the spikes of the layer below and Du_0 = 0. So
|Du_t| is at most the convolution of |W|_2 |Ds'| with the kernel kappa_e^k, k < T, and Young's
inequality bounds its Euclidean norm over time by the sum of the kernel: |Du| <= c_T |W|_2 |Ds'|.
And |Ds| <= D1 |Du|. The logits are W_o sum_t alpha_t s_t + const, so by Cauchy and Schwarz
|Dz| <= |W_o|_2 |alpha|_2 |Ds|. Multiplied over the layers,

    Lip = |W_o|_2 |alpha|_2 prod_l D1 |W^l|_2 c_T(kappa_e^l).

Where every alpha is 1/T, |alpha|_2 = 1/sqrt(T). The derivative of the logits is a limit of such
quotients, so its norm is at most Lip; and |dloss/dz|_2 = |softmax - one_hot|_2 <= sqrt(2), since
its entries are at most 1 in magnitude and their positive and negative parts sum to at most 1 each.
In the mean loss of a batch each recording's share is 1/batch, so the whole norm is no larger.
"""

from math import prod

import numpy as np

import refsast as rs
from proofs_check import rounding
from proofs_check.certified.constants import sup_derivative
from proofs_check.claim import Claim
from proofs_check.claims.stability import CERTIFIED_SPIKES, SOURCE, effective_kappa
from proofs_check.instances import LabelledBatch, TwoInputs
from proofs_check.norms import (
    euclidean_norm,
    geometric_series,
    gradient,
    nan_to_infinity,
    spectral_norm,
)
from refsast.arrays import Array
from refsast.model.loss import cross_entropy
from refsast.model.unroll import unroll

MAX_LOSS_GRADIENT = np.sqrt(2.0)  # |dloss/dz|_2


def readout_norm(network: rs.Network, params: rs.Params) -> Array:
    """Return |W_o|_2, 1 where the readout has no weights."""
    return np.ones(()) if network.readout.n_out is None else spectral_norm(params[-1].w)


def layer_gains(network: rs.Network, params: rs.Params, steps: int) -> tuple[Array, ...]:
    """Return D1 |W|_2 c_T(kappa_e), by layer."""
    layers = zip(network.neurons, params, strict=False)
    return tuple(
        sup_derivative(n.spike).upper
        * spectral_norm(layer.w)
        * geometric_series(effective_kappa(n, layer), steps)
        for n, layer in layers
    )


def lipschitz_constant(network: rs.Network, params: rs.Params, steps: int) -> Array:
    """Return Lip of THEORY 2 for recordings of T `steps`, in logits per unit of input."""
    out = readout_norm(network, params) * np.linalg.norm(network.readout.time_weights(steps))
    with np.errstate(over="ignore", invalid="ignore"):
        return nan_to_infinity(prod(layer_gains(network, params, steps), start=out))


def _logit_distances(x: TwoInputs) -> Array:
    """The distance of the logits, by recording."""
    near, far = (unroll(x.network, x.params, a).logits for a in (x.x, x.other))
    return np.sqrt(np.sum(np.square(near - far), axis=-1))


def _distance_bounds(x: TwoInputs) -> Array:
    """The bound on that distance, by recording."""
    moved = np.sqrt(np.sum(np.square(x.x - x.other), axis=(0, 2)))
    with np.errstate(invalid="ignore"):
        return nan_to_infinity(lipschitz_constant(x.network, x.params, len(x.x)) * moved)


def _rounding(x: TwoInputs) -> Array:
    """How far rounding moves the distance of the logits, by recording."""
    own = rounding.product_rounding(_distance_bounds)(x)
    return nan_to_infinity(own + rounding.logit_errors(x, x.x) + rounding.logit_errors(x, x.other))


def input_gradient_norm(x: LabelledBatch) -> Array:
    """Return |dloss/dx| over the whole batch."""

    def loss(a: Array) -> Array:
        return cross_entropy(unroll(x.network, x.params, a).logits, x.y)

    return euclidean_norm(*gradient(loss, x.x))


def _gradient_bound(x: LabelledBatch) -> Array:
    """The bound of 2-gradient."""
    return MAX_LOSS_GRADIENT * lipschitz_constant(x.network, x.params, len(x.x))


INPUT_PAIRS = Claim[TwoInputs](
    label="2-pairs",
    title="two inputs: logits apart",
    source=f"THEORY 2; {SOURCE}",
    statement="For any two inputs of a network |z(x) - z(x')|_2 <= Lip |x - x'|, "
    "Lip = |W_o|_2 |alpha|_2 prod_l D1 |W^l|_2 c_T(kappa_e^l).",
    hypotheses=(CERTIFIED_SPIKES,),
    measure=_logit_distances,
    bound=_distance_bounds,
    uses=("1c",),
    rounding=_rounding,
)
INPUT_GRADIENT = Claim[LabelledBatch](
    label="2-gradient",
    title="the exact input gradient",
    source=f"THEORY 2; {SOURCE}",
    statement="|dloss/dx| <= sqrt(2) Lip, of a batch, too, whose loss is the mean.",
    hypotheses=(CERTIFIED_SPIKES,),
    measure=input_gradient_norm,
    bound=_gradient_bound,
    uses=("2-pairs",),
    rounding=rounding.product_rounding(_gradient_bound),
)
