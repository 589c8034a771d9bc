"""The forms of THEORY 3, and the constants that follow; the proof is at the top of `smoothness`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

import refsast as rs
from proofs_check.certified.constants import curvature, kappa, sup_derivative, sup_second
from proofs_check.claims.lipschitz import SLOPE_OF_LOSS, readout_norm
from proofs_check.norms import length, outer, series, spectral, symmetric, top
from refsast.arrays import Array
from refsast.autodiff.tape import value_of

CURVATURE_OF_LOSS = 0.5
Norms = Sequence[tuple[Array, Array]]  # |W|_2 and |V|_2 per layer, then |W_o|_2 and 0


@dataclass(frozen=True, eq=False)
class Forms:
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


def norms_of(network: rs.Network, params: rs.Params) -> Norms:
    """Return the spectral norms of the parameters, layer by layer and the readout's last."""
    zero = np.zeros(())
    spiking = params[: len(network.neurons)]
    each = [(spectral(p.w), zero if p.v is None else spectral(p.v)) for p in spiking]
    return (*each, (readout_norm(network, params), zero))


def loudest(x: Array) -> Array:
    """Return the largest Euclidean norm of an input at one step."""
    sizes = np.sqrt(np.sum(np.square(value_of(x)), axis=-1))
    t, i = np.unravel_index(int(np.argmax(sizes)), sizes.shape)
    return length(x[int(t)][int(i)])


def forms(network: rs.Network, norms: Norms, peak: Array, steps: int) -> Forms:
    """Return the forms of THEORY 3.

    Parameters
    ----------
    network : Network
        The network.
    norms : sequence of pairs
        Largest |W|_2 and |V|_2 of each layer, the readout's last (with 1 if it has no weights).
    peak : scalar array
        Largest Euclidean norm of the input at one step.
    steps : int
        Length of the recording, T.

    Returns
    -------
    Forms
        In the order of the blocks in the flat vector; infinite where a sum of powers of kappa_e is
        too large for a double.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        q, r = _linear_and_quadratic(network, norms, peak, steps)
    known = np.isfinite(value_of(q)).all() and np.isfinite(value_of(r)).all()
    return Forms(q, r) if known else Forms(np.full(q.shape, np.inf), np.full(r.shape, np.inf))


def _linear_and_quadratic(
    network: rs.Network, norms: Norms, peak: Array, steps: int
) -> tuple[Array, Array]:
    """`forms`, as the numbers come."""
    names = [(i, name) for i, shapes in enumerate(network.shapes) for name in shapes]
    unit = dict(zip(names, np.eye(len(names)), strict=True))
    nothing = np.zeros(len(names))
    square, steps_weight = np.zeros((len(names), len(names))), network.readout.time_weights(steps)
    below, bent, a = nothing, square, peak  # first and second derivative of the layer's input
    for i, neuron in enumerate(network.neurons):
        e_w, e_b, e_v = (unit.get((i, name), nothing) for name in ("w", "b", "v"))
        (w, v), n = norms[i], network.sizes[i + 1]
        d1, d2 = sup_derivative(neuron.spike).upper, sup_second(neuron.spike).upper
        c = series(kappa(neuron).upper + v * d1, steps)
        p = c * (e_w * a + w * below + np.sqrt(n) * e_v + e_b)
        q = c * (
            (curvature(neuron).upper + v * d2) * outer(p, p)
            + 2.0 * symmetric(e_w, below)
            + 2.0 * d1 * symmetric(e_v, p)
            + w * bent
        )
        below, bent, a = d1 * p, d1 * q + d2 * outer(p, p), np.sqrt(n)
    w, total = norms[-1][0], float(np.sum(steps_weight))
    e_w, e_b = (unit.get((len(network.neurons), name), nothing) for name in ("w", "b"))
    q = total * (e_w * a + w * below + e_b)
    return q, total * (2.0 * symmetric(e_w, below) + w * bent)


def smoothness(form: Forms) -> Array:
    """Return L_s of THEORY 3b."""
    return top(SLOPE_OF_LOSS * form.r + CURVATURE_OF_LOSS * outer(form.q, form.q))


def joint_smoothness(form: Forms) -> Array:
    """Return the sharper constant of 3b-joint; see the top of `smoothness`."""
    square = outer(form.q, form.q)
    each = [top(slope * form.r + bend * square) for slope, bend in loss_cells()]
    return each[int(np.argmax([value_of(constant) for constant in each]))]


@cache
def loss_cells(cells: int = 20) -> tuple[tuple[float, float], ...]:
    """Return upper bounds of |dloss/dz| and of its Hessian that hold together, for cells of b."""
    spans = pairwise(np.linspace(0.5, 1.0, cells + 1))
    return tuple((float(np.sqrt(1.0 + high)), float(1.0 - low)) for low, high in spans)
