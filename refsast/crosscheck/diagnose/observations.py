"""What was said of a case, made small enough to be held against hundreds of candidates."""

from dataclasses import dataclass, replace

import numpy as np

from refsast.arrays import Array, Integers
from refsast.crosscheck.case import Answer, Case, Gradient, ask
from refsast.crosscheck.compare import STAGES, cast_case, cosine_and_ratio, stage_arrays, tolerances
from refsast.crosscheck.variants import Variant, solve, unroll_variant
from refsast.gradient.rounding import ErrorBounds
from refsast.model.params import Params

MAX_INPUTS = 64  # of a wide network, the most active ones; the others are silenced

THRESHOLD_MARGIN = 0.25  # of the threshold: how far the top layer's potentials are from it


@dataclass(frozen=True, eq=False)
class Observation:
    """What was said of a case, and how far it may be from a candidate.

    Attributes
    ----------
    case : Case
        The question, as seen in `dtype`, without the inputs that were silenced.
    got : Answer
        What was said, without these.
    right : Answer
        What is right.
    allowed : Yardsticks
        Tolerances of the right answer.
    limit : float
        Relative distance at which two arrays count as one: a candidate's numbers are not computed
        along the same way as the given ones, but another fault is farther away than that.
    """

    case: Case
    got: Answer
    right: Answer
    allowed: ErrorBounds
    limit: float


def observe(
    gradient: Gradient, case: Case, dtype: np.dtype, inputs: int | None = MAX_INPUTS
) -> Observation:
    """Ask for what a search needs, with the most active inputs only, or with all."""
    activity = abs(case.x).sum(axis=(0, 1))
    kept = np.sort(np.argsort(-activity, kind="stable")[:inputs])
    x = np.zeros_like(case.x)
    x[..., kept] = case.x[..., kept]
    got = _select_answer_inputs(ask(gradient, replace(case, x=x))[0], kept)
    case = _select_inputs(case, kept)
    right = solve(case)
    limit = float(np.finfo(dtype).eps) ** 0.6
    return Observation(case, got, right, tolerances(case, right, dtype), limit)


def observe_one_step(gradient: Gradient, case: Case, dtype: np.dtype) -> Observation:
    """Ask about a single step, of a network that fires if the top layer's gradient is zero."""
    seen = observe(gradient, case, dtype)
    if seen.got.grads[len(case.network.neurons) - 1].w.any():
        return seen
    return observe(gradient, cast_case(_make_all_fire(case), dtype), dtype)


def _make_all_fire(case: Case) -> Case:
    """The case with inputs near one and weights of its own signs by which all layers fire at once.

    The top layer comes near its threshold, to either side; exact ties are left out.
    """
    scale = 1.0 if case.synapse is None else case.synapse.scale
    neurons, params = case.network.neurons, list(case.params)
    for i, neuron in enumerate(neurons):
        layer, top = params[i], i == len(neurons) - 1
        size = abs(layer.w).max(initial=0.0) or 1.0
        spread = (
            1.0 + THRESHOLD_MARGIN * (layer.w + 0.5 * size) / size
            if top
            else np.full(layer.w.shape, 2.0)
        )
        w = spread * neuron.threshold / (scale * layer.w.shape[1])
        b = None if layer.b is None else np.zeros(layer.b.shape)
        params[i] = replace(layer, w=w, b=b)
    x = np.ones(case.x.shape) * np.linspace(0.9, 1.1, case.x.shape[1])[:, None]
    return replace(case, params=tuple(params), x=x)


def _select_inputs(case: Case, kept: Integers) -> Case:
    """The case with some inputs only."""
    sizes = (len(kept), *case.network.sizes[1:])
    params = _select_param_columns(case.params, kept)
    network = replace(case.network, sizes=sizes)
    return replace(case, network=network, params=params, x=case.x[..., kept])


def _select_param_columns(params: Params, kept: Integers) -> Params:
    return (replace(params[0], w=params[0].w[:, kept]), *params[1:])


def _select_answer_inputs(answer: Answer, kept: Integers) -> Answer:
    x = None if answer.x is None else answer.x[..., kept]
    return replace(answer, grads=_select_param_columns(answer.grads, kept), x=x)


def fit_factor(got: Array, want: Array, limit: float) -> tuple[bool, float]:
    """Return whether `got` is a multiple of `want`, and which; neither may be zero."""
    cosine, ratio = cosine_and_ratio(got, want)
    alike = bool(got.any() and want.any()) and 1.0 - abs(cosine) <= limit
    return alike, float(np.copysign(ratio, cosine))


def compute_loss(case: Case, program: Variant) -> float:
    """The loss alone, without a tape."""
    _, ss = unroll_variant(case, program, case.params, case.x)
    return float(program.loss(program.read(case.network, case.params, np.stack(ss[-1])), case.y))


def loss_fits(seen: Observation, program: Variant) -> bool:
    """Whether a program has the loss that was given, to rounding."""
    return abs(compute_loss(seen.case, program) - seen.got.loss) <= 4.0 * seen.allowed.loss


def misfit(seen: Observation, candidate: Answer) -> float:
    """Return the largest distance of an array from a candidate's, in units of what is allowed."""
    worst = 0.0
    for stage in STAGES:
        if stage == "states":  # what a library reports as its state is a convention
            continue
        want, allowed = (dict(stage_arrays(side, stage)) for side in (candidate, seen.allowed))
        for name, got in stage_arrays(seen.got, stage):
            near = seen.limit * _norm(want[name]) + 8.0 * _norm(allowed[name])
            with np.errstate(over="ignore"):
                worst = max(worst, np.float64(_norm(got - want[name])) / near)
    return float(worst)


def _norm(array: Array) -> float:
    peak = float(abs(array).max(initial=0.0))  # whose square may underflow
    return peak * float(np.linalg.norm(array / peak)) if peak > 0.0 else 0.0
