"""What an implementation answers to parts of a case, small enough for a search through candidates.

Rule 1: an implementation is asked here, once; what it answered is handed on as `Observations`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from refsast.arrays import Array, Integers
from refsast.crosscheck.case import Answer, Case, Gradient, ask, truncate_case
from refsast.crosscheck.compare import (
    STAGES,
    Examination,
    cast_case,
    cosine_and_ratio,
    examine_answer,
    stage_arrays,
)
from refsast.crosscheck.variants import Variant, unroll_variant
from refsast.model.params import Params

# What a search looks at: enough for every fault to show, little enough to try hundreds.
MAX_STEPS, MAX_RECORDINGS = 6, 4
MAX_INPUTS = 64  # of a wide network, the most active ones; the others are silenced
THRESHOLD_MARGIN = 0.25  # of the threshold: how far the top layer's potentials are from it


@dataclass(frozen=True)
class Observations:
    """All that a search for the cause needs to know of an implementation."""

    parts: tuple[Examination, ...]  # of the case, the smallest first; a cause must explain all
    single: Examination | None  # one step; None: it cannot be asked about fewer steps


def observe(gradient: Gradient, case: Case) -> Observations:
    """Ask an implementation about a part of a case, the whole of it, and one step.

    `case` is as seen in the dtype of the implementation. Errors as `ask`.
    """
    try:
        parts = [observe_inputs(gradient, truncate_case(case, MAX_STEPS, MAX_RECORDINGS))]
        single = observe_one_step(gradient, truncate_case(case, 1, MAX_RECORDINGS))
    except ValueError:  # a module of a fixed number of steps
        return Observations((observe_inputs(gradient, case),), None)
    if parts[0].case.x.size < case.x.size:
        parts.append(observe_inputs(gradient, case, None))
    if misfit(parts[0], parts[0].right) <= 1.0:  # the fault does not show in the part
        parts = parts[1:] or parts
    return Observations(tuple(parts), single)


def observe_inputs(gradient: Gradient, case: Case, inputs: int | None = MAX_INPUTS) -> Examination:
    """Ask with the most active inputs only, or with all; what is silenced is cut off the answer."""
    activity = abs(case.x).sum(axis=(0, 1))
    kept = np.sort(np.argsort(-activity, kind="stable")[:inputs])
    x = np.zeros_like(case.x)
    x[..., kept] = case.x[..., kept]
    got, dtype = ask(gradient, replace(case, x=x))
    in_x = None if got.x is None else got.x[..., kept]
    got = replace(got, grads=_select_columns(got.grads, kept), x=in_x)
    network = replace(case.network, sizes=(len(kept), *case.network.sizes[1:]))
    params = _select_columns(case.params, kept)
    narrow = replace(case, network=network, params=params, x=case.x[..., kept])
    return examine_answer(got, cast_case(narrow, dtype), dtype)


def observe_one_step(gradient: Gradient, case: Case) -> Examination:
    """Ask about a single step, of a network that fires if the top layer's gradient is zero."""
    seen = observe_inputs(gradient, case)
    if seen.got.grads[len(case.network.neurons) - 1].w.any():
        return seen
    return observe_inputs(gradient, cast_case(_make_all_fire(case), seen.dtype))


def _select_columns(params: Params, kept: Integers) -> Params:
    """Parameters or gradients of some inputs only."""
    return (replace(params[0], w=params[0].w[:, kept]), *params[1:])


def _make_all_fire(case: Case) -> Case:
    """The case with inputs near one and weights of its own signs by which all layers fire at once.

    The top layer comes near its threshold, to either side; exact ties are left out.
    """
    scale = 1.0 if case.synapse is None else case.synapse.scale
    neurons, params = case.network.neurons, list(case.params)
    for i, neuron in enumerate(neurons):
        layer, top = params[i], i == len(neurons) - 1
        size = abs(layer.w).max(initial=0.0) or 1.0
        spread = np.full(layer.w.shape, 2.0)
        if top:
            spread = 1.0 + THRESHOLD_MARGIN * (layer.w + 0.5 * size) / size
        w = spread * neuron.threshold / (scale * layer.w.shape[1])
        b = None if layer.b is None else np.zeros(layer.b.shape)
        params[i] = replace(layer, w=w, b=b)
    x = np.ones(case.x.shape) * np.linspace(0.9, 1.1, case.x.shape[1])[:, None]
    return replace(case, params=tuple(params), x=x)


def relative_limit(dtype: np.dtype) -> float:
    """Return the relative distance at which two arrays count as one.

    A candidate's numbers are not computed along the same way as the given ones, but another fault
    is farther away than this.
    """
    return float(np.finfo(dtype).eps) ** 0.6


def fit_factor(got: Array, want: Array, limit: float) -> float | None:
    """Return the factor by which `got` is a multiple of `want`; None: it is not, or one is zero."""
    cosine, ratio = cosine_and_ratio(got, want)
    alike = bool(got.any() and want.any()) and 1.0 - abs(cosine) <= limit
    return float(np.copysign(ratio, cosine)) if alike else None


def compute_loss(case: Case, variant: Variant) -> float:
    """The loss alone, without a tape."""
    _, ss = unroll_variant(case, variant, case.params, case.x)
    return float(variant.loss(variant.read(case.network, case.params, np.stack(ss[-1])), case.y))


def loss_fits(seen: Examination, variant: Variant) -> bool:
    """Whether a variant has the loss that was given, to rounding."""
    return abs(compute_loss(seen.case, variant) - seen.got.loss) <= 4.0 * seen.tolerance.loss


def misfit(seen: Examination, candidate: Answer) -> float:
    """Return the largest distance of an array from a candidate's, in units of what is allowed."""
    # What a library reports as its state, before or after the reset, is a convention.
    stages = [stage for stage in STAGES if stage != "states"]
    return max(max(_distances(seen, candidate, stage), default=0.0) for stage in stages)


def _distances(seen: Examination, candidate: Answer, stage: str) -> Iterator[float]:
    want, allowed = (stage_arrays(side, stage) for side in (candidate, seen.tolerance))
    for name, got in stage_arrays(seen.got, stage).items():
        near = relative_limit(seen.dtype) * _norm(want[name]) + 8.0 * _norm(allowed[name])
        with np.errstate(over="ignore"):
            yield float(np.float64(_norm(got - want[name])) / near)


def _norm(array: Array) -> float:
    peak = float(abs(array).max(initial=0.0))  # whose square may underflow
    return peak * float(np.linalg.norm(array / peak)) if peak > 0.0 else 0.0
