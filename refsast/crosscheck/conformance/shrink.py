"""The last steps to the smallest example: fewer recordings and fewer steps.

Hypothesis shrinks the choices that an example was drawn by. It stops where a shorter array would
shift all choices that follow; from there on the example itself is cut.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from refsast.crosscheck.conformance.strategies import Example


def shrink_example(example: Example, wrong: Callable[[Example], bool]) -> Example:
    """Return a wrong example with as few recordings and steps as are still answered wrongly."""
    while shorter := next((each for each in shorter_examples(example) if wrong(each)), None):
        example = shorter
    return example


def shorter_examples(example: Example) -> Iterator[Example]:
    """Yield the example with one recording only, and without its last or its first step."""
    time, batch, _ = example.case.x.shape
    if batch > 1:
        yield from (_slice_example(example, slice(None), slice(i, i + 1)) for i in range(batch))
    if time > 1:
        yield _slice_example(example, slice(0, time - 1), slice(None))
        yield _slice_example(example, slice(1, time), slice(None))


def _slice_example(example: Example, steps: slice, recordings: slice) -> Example:
    old = example.case
    case = replace(old, x=old.x[steps, recordings], y=old.y[recordings])
    if example.x is old.x:  # of one minibatch only
        return Example(case, case.x, case.y, example.rho)
    return Example(case, example.x[steps, recordings], example.y[recordings], example.rho)
