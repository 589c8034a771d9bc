"""Compare an answer with the exact one, entry by entry, in units of what rounding may do.

Rule 1: every tolerance is computed (`gradient.rounding`), never a constant of our choosing. Only
        what the number format cannot hold is forgiven: `UNDERFLOW`.
Rule 2: one number decides, the largest error over tolerance: above 1 the two disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Answer, Case, Gradient, ask, cast_params
from refsast.crosscheck.variants import Variant, reference_variant, solve, unroll_variant
from refsast.gradient.rounding import ErrorBounds, error_bounds
from refsast.model.params import Params, layer_arrays, map_params

# Roundings by which two right answers may differ. Measured over 400 drawn networks of up to 30
# steps, float64 and float32, another order of summation: at most 2.7.
ROUNDING_FACTOR = 32.0
# In multiples of the smallest normal number; what is smaller loses its precision, then itself.
UNDERFLOW = 4096.0
COARSE = 4.0  # as of ``k s (1 - s)``, the usual derivative of a logistic spike
STAGES = ("loss", "states", "adjoints", "parameter gradients", "input gradient")


@dataclass(frozen=True)
class Entry:
    """One number of an answer."""

    name: str  # of the array, as Python spells it: ``grads[0].w``
    index: tuple[int, ...]
    got: float
    want: float
    tolerance: float  # by how much the two may differ

    def __str__(self) -> str:
        where = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        return f"{self.name}{where} is {self.got:.12g}, should be {self.want:.12g}"


@dataclass(frozen=True, eq=False)
class Stage:
    """One kind of numbers, compared."""

    name: str  # one of `STAGES`
    error: float  # largest error over tolerance; at most 1: agrees
    worst: Entry  # where that is
    cosine: float  # of the angle between all numbers got and all wanted; of two zeros 1
    ratio: float  # of their Euclidean norms, got over wanted
    errors: tuple[tuple[str, Array], ...]  # over tolerance, entry by entry, by name of the array

    @property
    def agrees(self) -> bool:
        """Whether all entries are within their tolerance."""
        return self.error <= 1.0


@dataclass(frozen=True, eq=False)
class Examination:
    """An answer beside the right one."""

    case: Case  # the question, as seen in `dtype`
    dtype: np.dtype  # what the answer was computed in
    got: Answer
    right: Answer
    tolerance: ErrorBounds  # how far each number may be from the right one
    stages: tuple[Stage, ...]  # what was answered, compared, in the order of the computation

    @property
    def wrong(self) -> frozenset[str]:
        """The names of the stages that disagree."""
        return frozenset(stage.name for stage in self.stages if not stage.agrees)


def examine(gradient: Gradient, case: Case) -> Examination:
    """Ask an implementation about a case and solve the case as its dtype shows it; errors as `ask`.

    An implementation that computes in float32 rounds parameters and input first. The right answer
    is the one to the rounded question, so that this rounding does not count as its error.
    """
    got, dtype = ask(gradient, case)
    return examine_answer(got, cast_case(case, dtype), dtype)


def examine_answer(got: Answer, case: Case, dtype: np.dtype) -> Examination:
    """Put an answer beside the right one to a case, which is as seen in `dtype` already."""
    right = solve(case)
    tolerance = tolerances(case, right, dtype)
    stages = compare_answers(got, right, tolerance)
    return Examination(case, dtype, got, right, tolerance, stages)


def examine_variant(variant: Variant, case: Case, dtype: np.dtype) -> Examination:
    """Put the answer of a variant of the network beside the right one."""
    return examine_answer(solve(case, variant), case, dtype)


def repeats(gradient: Gradient, case: Case, exam: Examination) -> bool:
    """Whether a second call gives the answer of the first, within the tolerance."""
    again = compare_answers(ask(gradient, case)[0], exam.got, exam.tolerance)
    return all(stage.agrees for stage in again)


def cast_case(case: Case, dtype: np.dtype) -> Case:
    """Return the case as an implementation sees it that rounds its input to `dtype` first."""
    with np.errstate(over="ignore"):
        params, x = cast_params(case.params, dtype), case.x.astype(dtype)
    return replace(case, params=cast_params(params, np.float64), x=x.astype(np.float64))


def tolerances(case: Case, right: Answer, dtype: np.dtype) -> ErrorBounds:
    """Return how far each number of an answer computed in `dtype` may be from the right one."""
    bounds = error_bounds(
        case.network, case.params, case.x, case.y, right.u or (), right.s or (),
        synapse=case.synapse, hard=case.hard, coarse=COARSE,
        unit=0.5 * ROUNDING_FACTOR * float(np.finfo(dtype).eps),
    )  # fmt: skip

    def scale(bound: Array) -> Array:
        return absolute_tolerance(bound, dtype, ROUNDING_FACTOR)

    loss = float(scale(np.asarray(bounds.loss)))
    u, s, adjoints = (tuple(map(scale, part)) for part in (bounds.u, bounds.s, bounds.adjoints))
    return ErrorBounds(loss, u, s, adjoints, map_params(scale, bounds.grads), scale(bounds.x))


def absolute_tolerance(bound: Array, dtype: np.dtype, roundings: float) -> Array:
    """Return the tolerance for an error bound in units of one rounding of `dtype`."""
    info = np.finfo(dtype)
    return 0.5 * roundings * float(info.eps) * bound + UNDERFLOW * float(info.tiny)


def threshold_distance(exam: Examination) -> tuple[int, float] | None:
    """Return layer and distance of a hard potential so near its threshold that rounding decides.

    None where there is none. An exact tie is clear, because every implementation computes it
    exactly; one that rounding made is not. Extended precision tells the two apart.
    """
    case, variant = exam.case, reference_variant(exam.case)
    layers = list(zip(case.network.neurons, exam.right.u or (), exam.tolerance.u, strict=True))
    if not any((abs(u - neuron.threshold) <= near).any() for neuron, u, near in layers):
        return None
    params, x = cast_params(case.params, np.longdouble), case.x.astype(np.longdouble)
    exact = unroll_variant(case, variant, params, x)[0]  # pyright: ignore[reportArgumentType]
    for i, ((neuron, u, near), precise) in enumerate(zip(layers, exact, strict=True)):
        tie = np.stack(precise) == neuron.threshold
        distance = np.where(tie, np.inf, abs(u - neuron.threshold))
        if (distance <= near).any():
            return i, float(distance.min())
    return None


def stage_arrays(answer: Answer | ErrorBounds, stage: str) -> dict[str, Array]:
    """Return the arrays of a stage that an answer has, by name."""
    if stage == "loss":
        return {"loss": np.asarray(answer.loss)}
    if stage == "parameter gradients":
        return param_arrays(answer.grads)
    if stage == "input gradient":
        return {} if answer.x is None else {"x": answer.x}
    names = ("u", "s") if stage == "states" else ("adjoints",)
    return {
        f"{name}[{i}]": array
        for name in names
        for i, array in enumerate(getattr(answer, name) or ())
    }


def param_arrays(params: Params, name: str = "grads") -> dict[str, Array]:
    """Return the arrays of parameters by name, such as ``grads[0].w``."""
    return {
        f"{name}[{i}].{part}": array
        for i, layer in enumerate(params)
        for part, array in layer_arrays(layer).items()
    }


def compare_answers(got: Answer, want: Answer, tolerance: ErrorBounds) -> tuple[Stage, ...]:
    """Return the stages that `got` has, compared, in the order of the computation."""
    return tuple(
        compare_arrays(name, arrays, stage_arrays(want, name), stage_arrays(tolerance, name))
        for name in STAGES
        if (arrays := stage_arrays(got, name))
    )


def compare_arrays(
    name: str, got: Mapping[str, Array], want: Mapping[str, Array], tolerance: Mapping[str, Array]
) -> Stage:
    """Compare arrays of the same names and shapes; `name` is that of the stage."""
    with np.errstate(over="ignore"):  # infinitely wrong
        errors = {k: np.asarray(abs(got[k] - want[k]) / tolerance[k]) for k in got}
    worst = max(errors, key=lambda k: errors[k].max(initial=0.0))
    index = tuple(map(int, np.unravel_index(int(errors[worst].argmax()), errors[worst].shape)))
    entry = Entry(worst, index, *(float(side[worst][index]) for side in (got, want, tolerance)))
    g, w = (np.concatenate([side[k].ravel() for k in got]) for side in (got, want))
    cosine, ratio = cosine_and_ratio(g, w)
    return Stage(name, float(errors[worst][index]), entry, cosine, ratio, tuple(errors.items()))


def cosine_and_ratio(got: Array, want: Array) -> tuple[float, float]:
    """Return the cosine between two arrays and the ratio of their norms; two zeros are equal."""
    sizes = [abs(v).max(initial=0.0) for v in (got, want)]
    if 0.0 in sizes:
        return (1.0, 1.0) if sizes[0] == sizes[1] else (0.0, np.inf if sizes[1] == 0.0 else 0.0)
    g, w = got.ravel() / sizes[0], want.ravel() / sizes[1]  # so that squares do not underflow
    norms = float(np.linalg.norm(g)), float(np.linalg.norm(w))
    with np.errstate(over="ignore"):
        ratio = norms[0] / norms[1] * (sizes[0] / sizes[1])
    return float(g @ w) / (norms[0] * norms[1]), float(ratio)
