"""The report on a wrong SAM gradient: which entry is off, by how much, and why.

Rule 1: it is never the report on a plain gradient that is right: that would read "agrees".
"""

from dataclasses import dataclass, replace

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Factory
from refsast.crosscheck.check import check
from refsast.crosscheck.compare import Stage, compare_arrays, examine
from refsast.crosscheck.conformance.comparison import NoAnswer, differs
from refsast.crosscheck.conformance.dtypes import build_for
from refsast.crosscheck.conformance.sam_causes import (
    NEAR,
    UNRESET,
    exact_passes,
    find_sam_cause,
    fit_number,
    format_number,
)
from refsast.crosscheck.conformance.sam_check import (
    GRADIENTS,
    SamAnswer,
    ask_sam,
    exchange_batches,
    second_pass_case,
)
from refsast.crosscheck.conformance.strategies import Example
from refsast.crosscheck.implementation import Implementation
from refsast.crosscheck.tolerance import param_arrays
from refsast.model.vector import unflatten

KEPT = "something is kept from the call before: alone, the same question is answered rightly"


@dataclass(frozen=True, eq=False)
class SamReport:
    """A wrong SAM gradient.

    Attributes
    ----------
    dtype : numpy.dtype
        What it was computed in.
    stage : Stage
        Its entries beside the right ones.
    cause : str or None
        Why, in words, if that is known.
    """

    dtype: np.dtype
    stage: Stage
    cause: str | None

    def __str__(self) -> str:
        worst, stage = self.stage.worst, self.stage
        apart = f"{abs(worst.got - worst.want):.3g} apart, tolerance {worst.tolerance:.2g}"
        figures = f"cosine {stage.cosine:.6f}, ratio {stage.ratio:.4f}"
        lines = (
            f"drawn: DISAGREES ({self.dtype})",
            "  plain gradient       agrees   (of the first minibatch)",
            f"  SAM gradient         WRONG    {worst}, {apart}; {figures}",
            f"  cause: {self.cause or 'no known way of taking the two passes fits'}",
        )
        return "\n".join(lines)


def explain_sam(factory: Factory, example: Example, largest: Example) -> SamReport | str | None:
    """Return the report on a wrong SAM gradient.

    None where the plain gradient of the first minibatch is wrong: then that is to be explained. A
    text where that of the second one is. `largest` is a wrong example of which the cause is read.
    """
    if differs(build_for(factory, example), example.case, GRADIENTS):
        return None
    implementation = build_for(factory, example)
    if implementation.sam is None:
        return _explain_plain(factory, implementation, example)
    answer = ask_sam(implementation, example)
    if answer.wrong:
        cause = _read_cause(factory, largest) or find_sam_cause(answer)
        return SamReport(answer.dtype, _sam_stage(answer), cause)
    exchanged = exchange_batches(example)
    answer = ask_sam(implementation, exchanged)
    alone = ask_sam(build_for(factory, exchanged), exchanged)
    cause = find_sam_cause(alone) if alone.wrong else find_kept_cause(example, answer)
    return SamReport(answer.dtype, _sam_stage(answer), cause)


def _explain_plain(
    factory: Factory, implementation: Implementation, example: Example
) -> SamReport | str | None:
    """The report on two calls of a gradient, by one object."""
    second = second_pass_case(implementation, example)
    exam = examine(implementation.gradient, second)
    wrong = next((s for s in exam.stages if s.name in GRADIENTS and not s.agrees), None)
    if wrong is None:
        return None
    fresh = build_for(factory, replace(example, case=second))
    if differs(fresh, second, GRADIENTS):
        return f"asked for the second minibatch, at the ascent point:\n{check(fresh, second)}"
    return SamReport(exam.dtype, wrong, UNRESET)


def _read_cause(factory: Factory, example: Example) -> str | None:
    """The cause by another example, if the answer to that is wrong, too."""
    implementation = build_for(factory, example)
    if implementation.sam is None:
        return None
    try:
        answer = ask_sam(implementation, example)
    except (NoAnswer, ValueError):
        return None
    return find_sam_cause(answer) if answer.wrong else None


def find_kept_cause(before: Example, answer: SamAnswer) -> str:
    """Return what is kept from the call before, in words; `before` is what that one asked."""
    now, then = exact_passes(answer.seen), exact_passes(before)
    near = NEAR * float(np.linalg.norm(answer.allowed))

    def with_momentum(k: float) -> Array:
        g = now.g + k * then.g
        return now.second(now.w + now.rho * g / (float(np.linalg.norm(g)) or 1.0))

    def distance(candidate: Array) -> float:
        return float(np.linalg.norm(answer.got - candidate))

    if distance(now.raised + then.raised) <= near:
        return "the gradient of the call before is not cleared, and added"
    k = fit_number(with_momentum, answer.got, (0.9, 0.5, 0.1))
    if distance(with_momentum(k)) <= near:
        return (
            f"the ascent has momentum: {format_number(k)} times the first gradient of the call "
            "before is in its direction"
        )
    return KEPT


def _sam_stage(answer: SamAnswer) -> Stage:
    """The entries of a SAM gradient beside the right ones."""
    network = answer.seen.case.network
    got, want, allowed = (
        param_arrays(unflatten(network, vector))
        for vector in (answer.got, answer.want, answer.allowed)
    )
    return compare_arrays("SAM gradient", got, want, allowed)
