"""The forms of THEORY 3 and the constants from them; `claims.smoothness` has the proof."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

import refsast as rs
from proofs_check.certified.constants import kappa, map_curvature, sup_derivative, sup_second
from proofs_check.claims.lipschitz import MAX_LOSS_GRADIENT, readout_norm
from proofs_check.norms import (
    euclidean_norm,
    geometric_series,
    outer,
    spectral_norm,
    symmetric_outer,
    top_eigenvalue,
)
from refsast.arrays import Array
from refsast.autodiff.tape import primal

MAX_LOSS_CURVATURE = 0.5
Norms = Sequence[tuple[Array, Array]]  # |W|_2 and |V|_2 per layer, then |W_o|_2 and 0


@dataclass(frozen=True, eq=False)
class DerivativeForms:
    """What bounds the first two derivatives of the logits along a direction.

    Attributes
    ----------
    q : (blocks,) array
        ``|zdot| <= q . d_vec``.
    r : (blocks, blocks) array
        ``|zddot| <= d_vec' r d_vec``.
    """

    q: Array
    r: Array


def layer_norms(network: rs.Network, params: rs.Params) -> Norms:
    """Return the spectral norms of the parameters, layer by layer and the readout's last."""
    zero = np.zeros(())
    spiking = params[: len(network.neurons)]
    each = [(spectral_norm(p.w), zero if p.v is None else spectral_norm(p.v)) for p in spiking]
    return (*each, (readout_norm(network, params), zero))


def peak_input_norm(x: Array) -> Array:
    """Return the largest Euclidean norm of an input at one step."""
    sizes = np.sqrt(np.sum(np.square(primal(x)), axis=-1))
    t, i = np.unravel_index(int(np.argmax(sizes)), sizes.shape)
    return euclidean_norm(x[int(t)][int(i)])


def derivative_forms(network: rs.Network, norms: Norms, x: Array) -> DerivativeForms:
    """Return the forms q and R of THEORY 3, of the logits; parameters as `layer_forms`."""
    return layer_forms(network, norms, x)[-1]


def layer_forms(network: rs.Network, norms: Norms, x: Array) -> tuple[DerivativeForms, ...]:
    """Return the forms p_l and Q_l of THEORY 3 of every layer, then q and R of the logits.

    In the order of the blocks in the flat vector.

    Infinite where a sum of powers of kappa_e is too large for a double.

    Parameters
    ----------
    network : Network
        The network.
    norms : sequence of pairs
        Largest |W|_2 and |V|_2 of each layer, the readout's last (with 1 if it has no weights).
    x : (time, batch, n_0) array
        Input.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        forms = _linear_and_quadratic(network, norms, peak_input_norm(x), len(x))
    return tuple(_infinite_unless_finite(form) for form in forms)


def _infinite_unless_finite(form: DerivativeForms) -> DerivativeForms:
    """The forms, infinite where any entry is or is no number."""
    if all(np.isfinite(primal(part)).all() for part in (form.q, form.r)):
        return form
    return DerivativeForms(np.full(form.q.shape, np.inf), np.full(form.r.shape, np.inf))


def _linear_and_quadratic(
    network: rs.Network, norms: Norms, peak: Array, steps: int
) -> tuple[DerivativeForms, ...]:
    """The recursion of THEORY 3 for p_l and Q_l, layer by layer, then the readout's q and R."""
    names = [(i, name) for i, shapes in enumerate(network.shapes) for name in shapes]
    unit = dict(zip(names, np.eye(len(names)), strict=True))
    nothing = np.zeros(len(names))
    total = float(np.sum(network.readout.time_weights(steps)))
    # `below`, `bent`: bounds of the first and second derivative of the layer's input.
    below, bent, a, forms = nothing, np.zeros((len(names), len(names))), peak, []
    for i, neuron in enumerate(network.neurons):
        # A block that the layer does not have contributes nothing.
        e_w, e_b, e_v = (unit.get((i, name), nothing) for name in ("w", "b", "v"))
        (w, v), n = norms[i], network.sizes[i + 1]
        d1, d2 = sup_derivative(neuron.spike).upper, sup_second(neuron.spike).upper
        c = geometric_series(kappa(neuron).upper + v * d1, steps)
        p = c * (e_w * a + w * below + np.sqrt(n) * e_v + e_b)
        q = c * (
            (map_curvature(neuron).upper + v * d2) * outer(p, p)
            + 2.0 * symmetric_outer(e_w, below)
            + 2.0 * d1 * symmetric_outer(e_v, p)
            + w * bent
        )
        forms.append(DerivativeForms(p, q))
        # sdot = sigma' udot, sddot = sigma' uddot + sigma'' udot^2
        below, bent, a = d1 * p, d1 * q + d2 * outer(p, p), np.sqrt(n)
    w = norms[-1][0]
    e_w, e_b = (unit.get((len(network.neurons), name), nothing) for name in ("w", "b"))
    q = total * (e_w * a + w * below + e_b)
    forms.append(DerivativeForms(q, total * (2.0 * symmetric_outer(e_w, below) + w * bent)))
    return tuple(forms)


def smoothness_constant(form: DerivativeForms) -> Array:
    """Return L_s of THEORY 3b."""
    return top_eigenvalue(hessian_form(form))


def hessian_form(form: DerivativeForms) -> Array:
    """Return ``sqrt(2) R + q q'/2``, which bounds the Hessian block by block."""
    return MAX_LOSS_GRADIENT * form.r + MAX_LOSS_CURVATURE * outer(form.q, form.q)


def joint_smoothness_constant(form: DerivativeForms) -> Array:
    """Return the sharper constant of 3b-joint; see the top of `smoothness_constant`."""
    square = outer(form.q, form.q)
    each = [
        top_eigenvalue(slope * form.r + bend * square) for slope, bend in loss_derivative_cells()
    ]
    return each[int(np.argmax([primal(constant) for constant in each]))]


@cache
def loss_derivative_cells(cells: int = 20) -> tuple[tuple[float, float], ...]:
    """Return upper bounds of |dloss/dz| and of its Hessian that hold together, for cells of b."""
    # sqrt(1 + b) rises and 1 - b falls: each is taken at the end of the cell where it is largest.
    spans = pairwise(np.linspace(0.5, 1.0, cells + 1))
    return tuple((float(np.sqrt(1.0 + high)), float(1.0 - low)) for low, high in spans)
