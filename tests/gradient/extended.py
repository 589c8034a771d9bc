"""How far gradients of extended networks are apart.

`rs.rounding` has no bounds for them. In their place stands, array by array, the largest entry of
the gradient itself, of that with any label given to all recordings, and of sums of what is read
with weights as large as the loss gives them and signs that are drawn: what is left of a
cancellation between softmax and label, or between classes, is judged by what has been cancelled.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

import refsast as rs
from refsast.arrays import Array
from refsast.autodiff import straight_through as tape_straight_through
from refsast.autodiff import value_and_grad
from refsast.autodiff.numeric import complex_step, complex_step_gradient
from refsast.model.network import replace_spikes
from refsast.model.objective import objective_back
from refsast.model.output_potential import output_potentials
from refsast.model.params import param_arrays, replace_arrays
from refsast.model.readout import read_layer
from refsast.model.spike import first_derivative
from refsast.model.unroll import unroll
from refsast.testing import Problem, to_float32, to_float64

ENTRIES = 8  # of a gradient that are compared with the complex step, beside a direction


@lru_cache(maxsize=4)  # several comparisons of one problem follow each other
def tape(case: Problem) -> tuple[Array, rs.Params]:
    """Return what all others are compared with."""
    return rs.reference.loss_and_grad(*case)


@lru_cache(maxsize=4)
def gradient_scales(case: Problem, straight_through: bool = False) -> rs.Params:
    """Return the largest entry of each array of the gradient, for any labels or signs, in each."""
    gradient = rs.reference.straight_through if straight_through else rs.reference.loss_and_grad
    found = [param_arrays(gradient(*labelled)[1]) for labelled in _relabel(case)]
    arrays = param_arrays(case.params)

    def spikes(*arrays: Array) -> Array:
        return _last_read(case, replace_arrays(case.params, arrays), case.x, straight_through)

    found += [value_and_grad(project(spikes), *arrays)[1] for project in _projections(case)]
    peaks = [max(float(abs(a).max()) for a in each) for each in zip(*found, strict=True)]
    return replace_arrays(
        case.params, [np.full(a.shape, n) for a, n in zip(arrays, peaks, strict=True)]
    )


@lru_cache(maxsize=4)
def input_scale(case: Problem) -> float:
    """Return the same for the gradient in the input."""
    found = [rs.reference.input_grad(*each) for each in _relabel(case)]

    def spikes(x: Array) -> Array:
        return _last_read(case, case.params, x, False)

    found += [value_and_grad(project(spikes), case.x)[1][0] for project in _projections(case)]
    return max(float(abs(a).max()) for a in found)


def _relabel(case: Problem) -> Iterator[Problem]:
    yield case
    for label in range(case.network.classes):
        yield replace(case, y=np.full_like(case.y, label))


def _last_read(case: Problem, params: rs.Params, x: Array, straight_through: bool) -> Array:
    """What the readout reads of the last layer: spikes, or potentials."""
    network = case.network
    if straight_through:
        network = replace_spikes(
            network, lambda spike: tape_straight_through(rs.heaviside, first_derivative(spike))
        )
    trace = unroll(network, params, x)
    return read_layer(network.readout, trace.u[-1], trace.s[-1])


def _projections(case: Problem) -> Iterator[Callable[..., Any]]:
    """What makes a scalar of what is read: weights as large as the loss gives, signs drawn.

    The signs of a readout's own weights are drawn, too: rows that are equal cancel in the loss.
    """
    s = _last_read(case, case.params, case.x, False)
    for seed in range(2):
        rng = np.random.default_rng(seed)
        signs = rng.choice([-1.0, 1.0], size=s.shape)
        *lower, last = case.params
        if len(case.params) > len(case.network.neurons):
            last = replace(last, w=last.w * rng.choice([-1.0, 1.0], size=last.w.shape))
        both = (case.params, (*lower, last))
        g = [
            objective_back(each.network, params, s, each.y)[1]
            for each in _relabel(case)
            for params in both
        ]
        weights = float(np.abs(g).max()) * signs
        yield lambda spikes, weights=weights: lambda *args: np.sum(weights * spikes(*args))


def gap(got: Array, want: Array, scale: Array | float) -> float:
    """Return the largest difference per scale; infinite where it is no number."""
    difference = np.abs(np.asarray(got) - want)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(difference == 0.0, 0.0, difference / scale)
    return float(np.where(np.isfinite(ratio), ratio, np.inf).max(initial=0.0))


def params_gap(got: rs.Params, want: rs.Params, scales: rs.Params) -> float:
    """Return the same of two gradients; infinite unless they have the same parts."""
    layout = [[(k, np.shape(v)) for k, v in vars(layer).items()] for layer in want]
    if [[(k, np.shape(v)) for k, v in vars(layer).items()] for layer in got] != layout:
        return np.inf
    return gap(rs.flatten(got), rs.flatten(want), rs.flatten(scales))


def loss_gap(got: Array, want: Array) -> float:
    """Return how far two losses are apart, relative to them where they are large."""
    return float(abs(got - want) / (1.0 + abs(want)))


def generic_gap(got: rs.Params, want: rs.Params) -> float:
    """Return the same with the largest entry of each array of `want`, where nothing cancels."""
    peaks = [np.full(a.shape, abs(a).max()) for a in param_arrays(want)]
    return params_gap(got, want, replace_arrays(want, peaks))


def generic_gaps(case: Problem) -> dict[str, float]:
    """Return how far all gradients are from the tape's, of generic numbers: quick."""
    loss, truth = tape(case)
    others = {
        "bptt": rs.bptt.loss_and_grad(*case),
        "fast": rs.fast.loss_and_grad(*case),
        "fast, checkpoints": rs.fast.loss_and_grad(*case, checkpoint=4),
    }
    gaps = {n: max(loss_gap(a, loss), generic_gap(g, truth)) for n, (a, g) in others.items()}
    want = rs.reference.input_grad(*case)
    by_hand = rs.fast.input_grad(*case, checkpoint=2)
    return gaps | {"input": gap(by_hand, want, float(abs(want).max()))}


def complex_step_gap(case: Problem) -> float:
    """Return how far the tape is from the complex step: some of all entries, and one direction."""
    network, _, x, y = case
    w, grads = rs.flatten(case.params), rs.flatten(tape(case)[1])
    scales, rng = rs.flatten(gradient_scales(case)), np.random.default_rng(w.size)
    some = rng.permutation(w.size)[:ENTRIES]

    def loss(part: Array) -> Array:
        whole = w.astype(part.dtype)
        whole[some] = part
        return rs.reference.loss(network, rs.unflatten(network, whole), x, y)

    numeric = complex_step_gradient(loss, w[some])
    direction = rng.standard_normal(w.size)
    along = complex_step(
        lambda w: rs.reference.loss(network, rs.unflatten(network, w), x, y), w, direction
    )
    whole = gap(along, grads @ direction, float(abs(scales * direction).sum()))
    if largest_is_tied(case):
        whole = 0.0  # products of two steps, 1e-80, would break a tie of potentials at zero
    return max(gap(grads[some], numeric, scales[some]), whole)


def largest_is_tied(case: Problem) -> bool:
    """Return whether two steps share a largest output potential: a kink, without a Hessian."""
    network, params, x, _ = case
    if not isinstance(network.readout, rs.MaxPotential):
        return False
    s = rs.run(network, params, x).s[-1]
    v = output_potentials(network.readout.leak, params[-1], s)
    return bool(((v == v.max(axis=0)).sum(axis=0) > 1).any())


def hessian_gap(case: Problem) -> float:
    """Return how far `hvp` along a direction is from the complex step of the fast gradient.

    Zero at a kink of `MaxPotential`, where there is no such product.
    """
    network, params, x, y = case
    if largest_is_tied(case):
        return 0.0
    w = rs.flatten(params)
    direction = np.random.default_rng(w.size).standard_normal(w.size)

    def grad(w: Array) -> Array:
        return rs.flatten(rs.fast.loss_and_grad(network, rs.unflatten(network, w), x, y)[1])

    product = rs.reference.hvp(network, params, x, y, rs.unflatten(network, direction))
    numeric = complex_step(grad, w, direction)
    # Where all cancels, as between classes that share a window, what has been cancelled counts.
    scale = max(np.linalg.norm(numeric), np.linalg.norm(rs.flatten(gradient_scales(case))))
    return float(np.linalg.norm(rs.flatten(product) - numeric) / (scale or 1.0))


def fast_gap(case: Problem, **options: int) -> float:
    """Return how far the fast gradient is from the tape."""
    (loss, grads), (want, truth) = rs.fast.loss_and_grad(*case, **options), tape(case)
    return max(loss_gap(loss, want), params_gap(grads, truth, gradient_scales(case)))


def bptt_gap(case: Problem) -> float:
    """Return how far the gradient by hand is from the tape."""
    (loss, grads), (want, truth) = rs.bptt.loss_and_grad(*case), tape(case)
    return max(loss_gap(loss, want), params_gap(grads, truth, gradient_scales(case)))


def input_gap(case: Problem, **options: int) -> float:
    """Return how far the fast gradient in the input is from the tape's."""
    got, want = rs.fast.input_grad(*case, **options), rs.reference.input_grad(*case)
    return gap(got, want, input_scale(case))


def straight_through_gap(case: Problem, **options: int) -> float:
    """Return how far the fast straight-through estimate is from the tape's."""
    (loss, grads), (want, truth) = (
        rs.straight_through(*case, **options),
        rs.reference.straight_through(*case),
    )
    scales = gradient_scales(case, straight_through=True)
    return max(loss_gap(loss, want), params_gap(grads, truth, scales))


def single_gap(case: Problem, each_array: bool = False) -> float:
    """Return how far the fast gradient in single precision is from the tape in double.

    In units of the whole gradient, unless those of each array are asked for: a spike of 1 - 1e-8 is
    1 in single precision, and what passes through 1 - s is lost, though all else may be there.
    """
    narrow = to_float32(case)
    exact = to_float64(narrow)
    loss, grads = rs.fast.loss_and_grad(*narrow)
    if {a.dtype.name for a in param_arrays(grads)} != {"float32"}:
        return np.inf
    want, truth = rs.reference.loss_and_grad(*exact)
    scales = gradient_scales(exact)
    if not each_array:
        peak = max(float(a.max()) for a in param_arrays(scales))
        scales = replace_arrays(scales, [np.full(a.shape, peak) for a in param_arrays(scales)])
    return max(loss_gap(loss, want), params_gap(grads, truth, scales))


def sam_gap(case: Problem, rho: float = 0.1) -> float:
    """Return how far `fast.sam_gradient` is from SAM of two gradients by the tape."""
    network, params, x, y = case
    other = x[:, ::-1], y

    def objective(x: Array, y: Array) -> Callable[[Array], tuple[float, Array]]:
        def value_and_grad(w: Array) -> tuple[float, Array]:
            loss, grads = rs.reference.loss_and_grad(network, rs.unflatten(network, w), x, y)
            return float(loss), rs.flatten(grads)

        return value_and_grad

    def ascend(*arguments: Any) -> Array:
        return rs.keep_in_range(network, rs.sam.steepest_ascent(*arguments))

    w = rs.flatten(params)
    want = rs.sam.gradient(objective(x, y), w, rho=rho, second=objective(*other), ascent=ascend)
    _, grads = rs.fast.sam_gradient(network, params, (x, y), other, rho=rho)
    # The ascent divides by the length of a gradient: its errors count relative to that.
    length = float(np.linalg.norm(objective(x, y)(w)[1]))
    scale = max(
        float(np.linalg.norm(want)), float(np.linalg.norm(rs.flatten(gradient_scales(case))))
    )
    lost = scale / length if length else 1.0
    return gap(rs.flatten(grads), want, scale) / max(1.0, lost)
