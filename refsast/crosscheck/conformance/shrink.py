"""The last steps to the smallest case: fewer recordings and fewer steps.

Hypothesis shrinks a case as the text of choices that it was drawn by, and stops where a shorter
array would shift all choices that follow. What is left to cut is cut here, from the case itself.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from refsast.crosscheck.conformance.strategies import Example


def shrink_example(question: Example, wrong: Callable[[Example], bool]) -> Example:
    """Return the question with as few recordings and steps as still get a wrong answer.

    Parameters
    ----------
    question : Question
        Answered wrongly.
    wrong : callable
        Whether another one is, too.
    """
    while True:
        shorter = next((q for q in shorter_examples(question) if wrong(q)), None)
        if shorter is None:
            return question
        question = shorter


def shorter_examples(question: Example) -> Iterator[Example]:
    """Yield the question with one recording only, and without its first or its last step."""
    time, batch, _ = question.case.x.shape
    everything = slice(None)
    if batch > 1:
        yield from (_slice_example(question, everything, slice(i, i + 1)) for i in range(batch))
    if time > 1:
        yield _slice_example(question, slice(0, time - 1), everything)
        yield _slice_example(question, slice(1, time), everything)


def _slice_example(question: Example, steps: slice, recordings: slice) -> Example:
    case = replace(
        question.case, x=question.case.x[steps, recordings], y=question.case.y[recordings]
    )
    if question.x is question.case.x:  # of one minibatch only
        return Example(case, case.x, case.y, question.rho)
    return Example(case, question.x[steps, recordings], question.y[recordings], question.rho)
