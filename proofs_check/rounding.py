"""How far rounding can move the two sides of a claim.

Rule 1: it is taken from the magnitudes that enter the sums, never from what is left of them: a bias
        may cancel the weights, a threshold may be large beside every potential.
Rule 2: the share of these magnitudes is that of `boxes.potential_rounding`, where it is
        derived: four roundings for each number that is summed, about twice what is needed.
Rule 3: constants over all potentials (D1, D2, kappa, G2) need none: the run in double precision is
        an exact run of currents that are moved a little, and they bound that one as well.

So of a bound that is a product of such constants only the products themselves are rounded, each
relatively (`relative_rounding`). What depends on where the potentials are has the error of each
potential, carried on: to first order along the run that was made (`refsast.rounding`), or by the
constants (`trajectory_rounding`, `Risk.rounded_terms`).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import refsast as rs
from proofs_check.certified.constants import geometric_sum, geometric_sums
from proofs_check.instances import AnyBatch, LabelledBatch, TwoInputs, attach_reset
from proofs_check.norms import euclidean_norm
from refsast.arrays import Array
from refsast.certify.boxes import UNIT_ROUNDOFF, potential_rounding
from refsast.gradient.rounding import ErrorBounds, error_bounds
from refsast.model.params import param_arrays
from refsast.model.unroll import unroll

# Of the magnitudes that are summed to a loss, a gradient or a step, in sums of up to 500 numbers.
SUM_ROUNDING = 2048.0 * UNIT_ROUNDOFF


def roundings(network: rs.Network, steps: int) -> float:
    """Return what one rounding is multiplied by in the longest sum of a run, as a fraction."""
    pairs = zip(network.sizes, network.sizes[1:], strict=False)
    return 4.0 * (max(map(sum, pairs)) + network.classes + steps + 8) * UNIT_ROUNDOFF


def relative_rounding(network: rs.Network, steps: int) -> float:
    """Return how far rounding moves a product of norms over all layers and steps, as a share of it.

    A sum of n products is off by its roundings times the sum of their magnitudes, which is at most
    sqrt(n) times the product of norms that stands for it in the bound; a path through the network
    has as many sums as layers and steps.
    """
    longest = len(network.neurons) + steps + 1
    return longest * float(np.sqrt(max(network.sizes))) * roundings(network, steps)


def product_rounding(bound: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return how far rounding moves each bound, one or a tuple, that is a product of norms."""

    def rounding(x: Any) -> Any:
        share, found = relative_rounding(x.network, len(x.x)), bound(x)
        return tuple(share * each for each in found) if isinstance(found, tuple) else share * found

    return rounding


def layer_rounding(neuron: rs.LIF, layer: rs.Layer, a: Array, highest: Array) -> Array:
    """Return how far rounding moves a layer's potentials in one step, shape (..., n).

    Parameters
    ----------
    neuron, layer : LIF, Layer
        The layer.
    a : (time, batch, n_in) array
        What goes into it.
    highest : (..., n) array
        Largest magnitude of each potential, before the step and after it.
    """
    # Of a spike all is absolute: one that is nearly silent is off by as much as any other.
    peak = np.abs(a).max(initial=1.0)
    share, rest = potential_rounding(layer, np.array([peak]))
    return share * (highest + neuron.threshold) + rest[0]


def compact_rounding(x: LabelledBatch) -> float:
    """Return how far rounding moves the potentials, and the bounds, of 1a, as a share of them."""
    return 2.0 * len(x.x) * roundings(x.network, len(x.x))


def potential_errors(x: LabelledBatch) -> tuple[Array, ...]:
    """Return how far one step's rounding moves potentials and currents, (n,) per layer."""
    trace = unroll(x.network, x.params, x.x)
    layers = zip(x.network.neurons, x.params, (x.x, *trace.s), trace.u, strict=False)
    return tuple(
        2.0 * layer_rounding(neuron, layer, a, np.abs(u).max(axis=(0, 1)))
        for neuron, layer, a, u in layers
    )


def trajectory_rounding(step: float, factor: float, steps: int) -> Array:
    """Return how far rounding moves a state at each of T steps, shape (T, 1).

    Each step adds `step`, and each later one multiplies that by at most `factor`.
    """
    with np.errstate(over="ignore"):
        return step * np.array(geometric_sums(factor, steps)[1:])[:, None]


def logit_errors(x: TwoInputs, inputs: Array) -> Array:
    """Return how far rounding moves the logits of `inputs`, in norm by recording."""
    network, steps = x.network, len(inputs)
    labels = np.zeros(inputs.shape[1], np.int64)
    errors = run_errors(LabelledBatch(network, x.params, inputs, labels))
    s = unroll(network, x.params, inputs).s[-1]
    alpha = network.readout.time_weights(steps)
    pooled = np.tensordot(alpha, np.abs(s) + errors.s[-1], axes=(0, 0))
    if network.readout.n_out is not None:
        out = x.params[-1]
        pooled = pooled @ np.abs(out.w).T
        pooled = pooled if out.b is None else pooled + alpha.sum() * np.abs(out.b)
    return roundings(network, steps) * np.sqrt(np.square(pooled).sum(axis=1))


def terms_in_ball(
    network: rs.Network, params: rs.Params, x: Array, radius: float
) -> tuple[float, ...]:
    """Return what each layer's potentials, and then the logits, are summed from, in norm at a step.

    At any point of the ball of that radius about `params`; longer sums than those of `SUM_ROUNDING`
    count for more. With I the largest current and theta as much as a reset takes away at most, a
    potential is at most ``c_T(leak) (I + theta)`` (THEORY 1a).
    """
    found, peak = [], float(np.sqrt(np.square(x).sum(axis=-1)).max(initial=0.0))
    for neuron, layer in zip(network.neurons, params, strict=False):
        width = float(np.sqrt(len(layer.w)))
        current = _largest_current(layer, peak, radius)
        current += width * neuron.threshold
        current *= 1.0 + 2.0 * geometric_sum(neuron.leak, len(x))
        found.append(current * _long_sum(sum(layer.w.shape)))
        peak = width
    out = peak
    if network.readout.n_out is not None:
        out = _largest_current(params[-1], peak, radius)
    total = float(np.sum(network.readout.time_weights(len(x))))
    return (*found, total * out * _long_sum(int(peak**2) + network.classes + len(x)))


def _largest_current(layer: rs.Layer, peak: float, radius: float) -> float:
    """The largest norm of all terms of a current, for inputs of at most that norm, in the ball."""
    sizes = (peak, 1.0, float(np.sqrt(len(layer.w))))
    blocks = zip((layer.w, layer.b, layer.v), sizes, strict=True)
    return sum(size * (float(np.linalg.norm(a)) + radius) for a, size in blocks if a is not None)


def _long_sum(terms: int) -> float:
    """What a sum of that many numbers counts for."""
    return max(1.0, (terms + 8) / 512.0)


def gradient_error(x: AnyBatch, params: rs.Params) -> Array:
    """Return how far rounding moves the gradient of the loss at `params`, in norm."""
    errors = run_errors(LabelledBatch(x.network, params, x.x, x.y))
    return roundings(x.network, len(x.x)) * euclidean_norm(*param_arrays(errors.grads))


def run_errors(x: LabelledBatch) -> ErrorBounds:
    """Return the error bounds of a run and its gradients, in units of `roundings`."""
    trace = unroll(x.network, x.params, x.x)
    network, unit = attach_reset(x.network), roundings(x.network, len(x.x))
    return error_bounds(network, x.params, x.x, x.y, trace.u, trace.s, unit=unit)
