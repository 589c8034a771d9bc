"""Compare an answer with the exact one, entry by entry, in units of what rounding may do.

Rule 1: one number decides, the largest error over tolerance: above 1 the two disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Answer, Case, ask, cast_params
from refsast.crosscheck.general.noise import draw_errors
from refsast.crosscheck.general.plan import right_plan, solve_plan
from refsast.crosscheck.implementation import Gradient
from refsast.crosscheck.tolerance import (
    FACTOR,
    STAGES,
    Draw,
    draw_noise,
    loosen,
    measure_noise,
    sharpen,
    stage_arrays,
    tolerance_shares,
)
from refsast.crosscheck.variants import solve
from refsast.gradient.noise import REPEATS
from refsast.gradient.noise_run import Run, run_clean
from refsast.gradient.rounding import ErrorBounds
from refsast.model.network import describe_extension

# An answer outside the tolerance by less than `NEAR` is looked at again, with more repeats and
# twice the deviations: where terms cancel, a few errors are larger than those of a normal law.
MORE_REPEATS = 64
MORE_DEVIATIONS = 2.0
NEAR = 4.0


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
    # The tolerance of each array as a share of it, of their norms: a smaller error is not seen.
    shares: tuple[tuple[str, float], ...] = ()
    note: str = ""  # what else is to be said of it

    @property
    def resolution(self) -> tuple[str, float]:
        """The array that is seen least sharply, and its share."""
        return max(self.shares, key=lambda each: each[1], default=(self.name, 0.0))

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
    noise: ErrorBounds  # how far rounding moves each number
    tolerance: ErrorBounds  # how far each number may be from the right one
    stages: tuple[Stage, ...]  # what was answered, compared, in the order of the computation
    run: Run | None  # the right computation, step by step, of dense LIF layers

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
    right = solve_case(case)
    run, draw = _trace_errors(case, right)
    asked = {name for name in STAGES if stage_arrays(got, name)}
    for repeats, factor in ((REPEATS, 1.0), (MORE_REPEATS, MORE_DEVIATIONS)):
        noise = measure_noise(dtype, draw, stages=asked, repeats=repeats, factor=factor)
        tolerance, stages = _compare_within(sharpen(noise, right, dtype), got, right, case)
        error = max(stage.error for stage in stages)
        if error <= 1.0:
            return Examination(case, dtype, got, right, noise, tolerance, stages, run)
        if not error <= NEAR:
            break
    limits = loosen(case, right, dtype, noise, stages=asked)
    tolerance, stages = _compare_within(limits, got, right, case)
    return Examination(case, dtype, got, right, noise, tolerance, stages, run)


def solve_case(case: Case) -> Answer:
    """Return the right answer to a case."""
    if describe_extension(case.network):
        return solve_plan(case, right_plan(case))
    return solve(case)


def _trace_errors(case: Case, right: Answer) -> tuple[Run | None, Draw]:
    """The right answer's computation step by step, of dense layers, and how errors move it."""
    if describe_extension(case.network):
        draw = draw_errors(case)
        return None, lambda unit, _, repeats: draw(unit, repeats)
    run = run_clean(
        case.network, case.params, case.x, case.y, right.u or (), right.s or (),
        synapse=case.synapse, hard=case.hard,
    )  # fmt: skip
    return run, partial(draw_noise, run)


def _compare_within(
    tolerance: ErrorBounds, got: Answer, right: Answer, case: Case
) -> tuple[ErrorBounds, tuple[Stage, ...]]:
    """The stages, compared; and the tolerance, which is wider for a loss of single precision."""
    stages = compare_answers(got, right, tolerance)
    if stages[0].agrees or not _is_single_loss(got.loss, case, right.loss):
        return tolerance, stages
    tolerance = replace(tolerance, loss=_single_tolerance(case, right.loss))
    stages = compare_answers(got, right, tolerance)
    return tolerance, (replace(stages[0], note="it has single precision only"), *stages[1:])


def _is_single_loss(loss: float, case: Case, right: float) -> bool:
    """Whether a loss was rounded to single precision, and is right to that."""
    with np.errstate(over="ignore"):
        rounded = float(np.float32(loss)) == loss
    return rounded and abs(loss - right) <= _single_tolerance(case, right)


def _single_tolerance(case: Case, loss: float) -> float:
    """The tolerance of a loss that was summed in single precision over steps and recordings."""
    roundings = 1.0 + np.sqrt(len(case.x) * len(case.y))
    return FACTOR * roundings * 0.5 * float(np.finfo(np.float32).eps) * abs(loss)


KEPT_OR_DRAWN = "are states reset, gradients cleared, random numbers drawn again?"


@dataclass(frozen=True, eq=False)
class Repeat:
    """Another answer to the same question.

    Attributes
    ----------
    answer : Answer
        What came back.
    certain : bool
        Whether rounding cannot explain that it is another.
    """

    answer: Answer
    certain: bool


def ask_again(gradient: Gradient, exam: Examination) -> Repeat | None:
    """Return the answer of another call to the question of an examination, if it is another one.

    None where it is that of the first call, to the tolerance of an answer that agrees.
    """
    again = ask(gradient, exam.case)[0]
    pairs = [(stage_arrays(again, name), stage_arrays(exam.got, name)) for name in STAGES]
    if all(
        first.keys() == second.keys() and all(np.array_equal(first[k], second[k]) for k in first)
        for first, second in pairs
    ):
        return None  # bit by bit, as a rule
    asked = {stage.name for stage in exam.stages}

    def is_same(limits: ErrorBounds) -> bool:
        limits = replace(limits, loss=max(limits.loss, exam.tolerance.loss))
        return all(stage.agrees for stage in compare_answers(again, exam.got, limits))

    if is_same(sharpen(exam.noise, exam.right, exam.dtype)):
        return None
    loose = loosen(exam.case, exam.right, exam.dtype, exam.noise, stages=asked)
    return Repeat(again, certain=not is_same(loose))


def cast_case(case: Case, dtype: np.dtype) -> Case:
    """Return the case as an implementation sees it that rounds its input to `dtype` first."""
    with np.errstate(over="ignore"):
        params, x = cast_params(case.params, dtype), case.x.astype(dtype)
    return replace(case, params=cast_params(params, np.float64), x=x.astype(np.float64))


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
    shares = tolerance_shares(tolerance, {k: want[k] for k in got})
    error = float(errors[worst][index])
    return Stage(name, error, entry, cosine, ratio, tuple(errors.items()), shares)


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
