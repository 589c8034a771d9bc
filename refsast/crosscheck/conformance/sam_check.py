"""The two passes of SAM: the ascent point of one minibatch, the gradient on another one there.

Rule 1: an implementation without a `sam` of its own is asked twice, by the same object, and each
        answer is judged where it was asked: states that were not reset show in the second.
Rule 2: one with a `sam` does both passes inside. Rounding then moves the ascent point, too, and
        what that does to the answer is computed, not guessed (`_ascent_tolerance`).
"""

from dataclasses import dataclass, replace

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case, Implementation, ask, cast_params, read_answer
from refsast.crosscheck.compare import cast_case, tolerances
from refsast.crosscheck.conformance.comparison import NoAnswer, differs
from refsast.crosscheck.conformance.strategies import Example
from refsast.crosscheck.variants import solve
from refsast.model.network import unflatten
from refsast.model.params import flatten
from refsast.optim import sam

GRADIENTS = ("parameter gradients",)
MAX_ROUNDING_SHARE = 1e-3  # of the first gradient may be rounding, else its direction means nothing
MAX_ROUNDING_GAIN = (
    1e6  # times what rounding is of the first gradient: no ascent point explains that
)


def sam_differs(implementation: Implementation, question: Example) -> bool:
    """Judge a SAM gradient.

    Parameters
    ----------
    implementation : Implementation
        Asked for `sam` if it has one, else for two gradients.
    question : Question
        Both minibatches and the radius.

    Returns
    -------
    bool
        Whether it is wrong.

    Raises
    ------
    ValueError
        If what comes back has other names or shapes, or is not finite.
    Silent
        If the first gradient is all rounding.
    """
    if implementation.sam is not None:
        return ask_sam(implementation, question).wrong
    second = second_pass_case(implementation, question)
    return differs(implementation, second, GRADIENTS) or differs(
        implementation, question.case, GRADIENTS
    )


def nonzero_sam_differs(implementation: Implementation, question: Example) -> bool:
    """The same, where there is an ascent to take: a gradient of zero is a test of its own."""
    if not flatten(solve(question.case).grads).any():
        raise NoAnswer("the first gradient is zero")
    return sam_differs(implementation, question)


def second_pass_case(implementation: Implementation, question: Example) -> Case:
    """Return what the second pass asks: the other minibatch at the ascent point it was led to."""
    got, _ = ask(implementation.gradient, question.case)
    return ascent_case(question, flatten(got.grads))


def ascent_case(question: Example, grad: Array) -> Case:
    """Return the second minibatch at the ascent point of a gradient."""
    case = question.case
    w = sam.ascent_point(flatten(case.params), grad, rho=question.rho)
    return replace(case, params=unflatten(case.network, w), x=question.x, y=question.y)


@dataclass(frozen=True, eq=False)
class SamAnswer:
    """A SAM gradient beside the right one.

    Attributes
    ----------
    got, want, allowed : (p,) array
        What was said, what is right, how far they may be apart.
    seen : Question
        As seen in the dtype of the answer.
    """

    got: Array
    want: Array
    allowed: Array
    seen: Example

    @property
    def wrong(self) -> bool:
        """Whether some entry is farther away than it may be."""
        return bool((abs(self.got - self.want) > self.allowed).any())


def ask_sam(implementation: Implementation, question: Example) -> SamAnswer:
    """Ask an implementation for both passes at once."""
    case = question.case
    first, second = (case.x.copy(), case.y.copy()), (question.x.copy(), question.y.copy())
    assert implementation.sam is not None
    params = cast_params(case.params, np.float64)
    reply, dtype = read_answer((0.0, implementation.sam(params, first, second, question.rho)), case)
    seen = cast_case(case, dtype)
    question = replace(question, case=seen, x=cast_case(replace(case, x=question.x), dtype).x)
    right = solve(seen)
    grad, error = flatten(right.grads), flatten(tolerances(seen, right, dtype).grads)
    share = np.linalg.norm(error) / max(np.linalg.norm(grad), 1e-300)
    if question.rho > 0.0 and grad.any() and share > MAX_ROUNDING_SHARE:
        raise NoAnswer("the first gradient is no more than rounding")
    there = ascent_case(question, grad)
    want = solve(there)
    allowed = flatten(tolerances(there, want, dtype).grads)
    outcome = SamAnswer(flatten(reply.grads), flatten(want.grads), allowed, question)
    unit = float(np.finfo(dtype).eps)
    gap = np.linalg.norm(outcome.got - outcome.want)
    if (
        not outcome.wrong
        or gap > MAX_ROUNDING_GAIN * (share + unit) * np.linalg.norm(allowed) / unit
    ):
        return outcome
    return replace(
        outcome, allowed=allowed + _ascent_tolerance(there, question.rho, grad, error, unit)
    )


def _ascent_tolerance(there: Case, rho: float, grad: Array, error: Array, unit: float) -> Array:
    """How far the gradient at the ascent point moves as rounding moves that point: |H| |shift|."""
    norm = max(float(np.linalg.norm(grad)), 1e-300)
    w, direction = flatten(there.params), abs(grad) / norm
    spread = (error + direction * np.linalg.norm(error)) / norm
    shift = rho * (spread + 4.0 * unit * direction) + unit * abs(w)
    base, total = flatten(solve(there).grads), np.zeros(len(w))
    for i, size in enumerate(shift):
        step = max(size, 1e-6)
        moved = w.copy()
        moved[i] += step
        near = replace(there, params=unflatten(there.network, moved))
        total += abs(flatten(solve(near).grads) - base) * (size / step)
    return 2.0 * total
