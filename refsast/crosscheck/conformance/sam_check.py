"""The two passes of SAM: the ascent point of one minibatch, the gradient on another one there.

Rule 1: an implementation without a `sam` of its own is asked twice, by the same object, and each
        answer is judged where it was asked: states that were not reset show in the second.
Rule 2: one with a `sam` does both passes inside. Rounding then moves the ascent point, too, and
        what that does to the answer is computed, not guessed (`_ascent_tolerance`).
Rule 3: it is asked a second time, the minibatches exchanged: what is kept from call to call, such
        as a momentum of the ascent, shows there.
"""

from dataclasses import dataclass, replace

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case, ask, cast_params, read_answer
from refsast.crosscheck.compare import cast_case, examine_answer
from refsast.crosscheck.conformance.comparison import NoAnswer, differs
from refsast.crosscheck.conformance.parameters import flat_gradient
from refsast.crosscheck.conformance.strategies import Example
from refsast.crosscheck.implementation import Implementation, call_foreign
from refsast.model.params import flatten
from refsast.model.vector import unflatten
from refsast.optim import sam

GRADIENTS = ("parameter gradients",)
# Of the first gradient; with more rounding than this its direction means nothing.
MAX_ROUNDING_SHARE = 1e-3
# Times the rounding of the first gradient; a larger error is not due to a moved ascent point.
MAX_ROUNDING_GAIN = 1e6


def sam_differs(implementation: Implementation, example: Example) -> bool:
    """Whether a SAM gradient is wrong: that of `sam` if there is one, else that of two gradients.

    Raises ValueError where what comes back is no answer, `NoAnswer` where the first gradient is
    nothing but rounding.
    """
    if implementation.sam is not None:
        return ask_sam(implementation, example).wrong or _has_memory(implementation, example)
    second = second_pass_case(implementation, example)
    return differs(implementation, second, GRADIENTS) or differs(
        implementation, example.case, GRADIENTS
    )


def _has_memory(implementation: Implementation, example: Example) -> bool:
    """Whether another question, the minibatches exchanged, is answered wrongly after the first."""
    try:
        return ask_sam(implementation, exchange_batches(example)).wrong
    except NoAnswer:
        return False


def exchange_batches(example: Example) -> Example:
    """Return the example with its two minibatches in the other order."""
    case = example.case
    return replace(example, case=replace(case, x=example.x, y=example.y), x=case.x, y=case.y)


def nonzero_sam_differs(implementation: Implementation, example: Example) -> bool:
    """The same, where there is an ascent to take: a gradient of zero is a test of its own."""
    if not flat_gradient(example.case, flatten(example.case.params)).any():
        raise NoAnswer("the first gradient is zero")
    return sam_differs(implementation, example)


def second_pass_case(implementation: Implementation, example: Example) -> Case:
    """Return what the second pass asks: the other minibatch at the ascent point it was led to."""
    got, _ = ask(implementation.gradient, example.case)
    return ascent_case(example, flatten(got.grads))


def ascent_case(example: Example, grad: Array) -> Case:
    """Return the second minibatch at the ascent point of a gradient."""
    case = example.case
    w = sam.ascent_point(flatten(case.params), grad, rho=example.rho)
    return replace(case, params=unflatten(case.network, w), x=example.x, y=example.y)


@dataclass(frozen=True, eq=False)
class SamAnswer:
    """A SAM gradient beside the right one."""

    got: Array
    want: Array
    allowed: Array  # how far the two may be apart
    seen: Example  # as seen in the dtype of the answer
    dtype: np.dtype

    @property
    def wrong(self) -> bool:
        """Whether some entry is farther away than it may be."""
        return bool((abs(self.got - self.want) > self.allowed).any())


def ask_sam(implementation: Implementation, example: Example) -> SamAnswer:
    """Ask an implementation for both passes at once."""
    assert implementation.sam is not None
    case, rho = example.case, example.rho
    first, second = (case.x.copy(), case.y.copy()), (example.x.copy(), example.y.copy())
    arguments = cast_params(case.params, np.float64), first, second, rho
    grads = call_foreign(implementation.sam, *arguments, wanted="sam must answer")
    reply, dtype = read_answer((0.0, grads), case)
    seen = cast_case(case, dtype)
    example = replace(example, case=seen, x=cast_case(replace(case, x=example.x), dtype).x)
    plain = examine_answer(reply, seen, dtype)
    grad, error = flatten(plain.right.grads), flatten(plain.tolerance.grads)
    share = np.linalg.norm(error) / max(np.linalg.norm(grad), 1e-300)
    if rho > 0.0 and grad.any() and share > MAX_ROUNDING_SHARE:
        raise NoAnswer("the first gradient is no more than rounding")
    exam = examine_answer(reply, ascent_case(example, grad), dtype)
    got, want, allowed = (flatten(side.grads) for side in (reply, exam.right, exam.tolerance))
    answer = SamAnswer(got, want, allowed, example, dtype)
    unit = float(np.finfo(dtype).eps)
    gap = np.linalg.norm(got - want) * unit
    if not answer.wrong or gap > MAX_ROUNDING_GAIN * (share + unit) * np.linalg.norm(allowed):
        return answer
    moved = _ascent_tolerance(exam.case, rho, grad, error, unit)
    return replace(answer, allowed=allowed + moved)


def _ascent_tolerance(there: Case, rho: float, grad: Array, error: Array, unit: float) -> Array:
    """How far the gradient at the ascent point moves as rounding moves that point: |H| |shift|."""
    norm = max(float(np.linalg.norm(grad)), 1e-300)
    w, direction = flatten(there.params), abs(grad) / norm
    spread = (error + direction * np.linalg.norm(error)) / norm
    shift = rho * (spread + 4.0 * unit * direction) + unit * abs(w)
    base, total = flat_gradient(there, w), np.zeros(len(w))
    for i, size in enumerate(shift):
        step = max(size, 1e-6)  # a smaller difference quotient would be rounding itself
        moved = w.copy()
        moved[i] += step
        total += abs(flat_gradient(there, moved) - base) * (size / step)
    return 2.0 * total
