"""The smallest question that is still answered wrongly: fewer steps, then one recording."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from refsast.crosscheck.implementation import Gradient, Implementation, require_callable
from refsast.crosscheck.program.comparison import compare_program
from refsast.crosscheck.program.record import Program, cut_program, require_program

RECORDINGS = 32  # tried alone, at most


@dataclass(frozen=True, eq=False)
class Beginning:
    """Where an implementation begins to be wrong.

    Attributes
    ----------
    program : Program
        The smallest question.
    steps : int or None
        How many steps it has; None: it could not be asked about fewer.
    recording : int or None
        The one that it has, from 0; None: it has all.
    last_right : bool
        Whether with one step fewer it agrees.
    """

    program: Program
    steps: int | None = None
    recording: int | None = None
    last_right: bool = False

    def __str__(self) -> str:
        if self.steps is None:
            return ""
        where = "" if self.recording is None else f", recording {self.recording + 1} alone"
        before = f" (with {self.steps - 1} it agrees)" if self.last_right else ""
        return f"first wrong: step {self.steps}{before}{where}"


def shrink(gradient: Gradient | Implementation, program: Program) -> Program:
    """Return the program with as few steps and recordings as are still answered wrongly.

    Parameters
    ----------
    gradient : callable or Implementation
        As for ``rs.check``; asked some twenty times. It may refuse sizes that it does not have.
    program : Program
        A question that it answers wrongly; one that it answers rightly is returned as it is.

    Returns
    -------
    Program
        Its first steps: with one fewer the implementation agrees, as a rule; and of its recordings
        the first that is wrong alone, if one is.

    Raises
    ------
    ValueError
        If what it answers to the whole program cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> def forward(params, x, y):
    ...     u = 0.0
    ...     for step in x:
    ...         u = params["leak"] * u + step
    ...     return np.mean((u - y) ** 2)
    >>> program = rs.Program(forward, {"leak": 0.9}, np.ones((5, 3)), np.zeros(3))
    >>> def detached(params, x, y):
    ...     u, carried = 0.0, 0.0
    ...     for step in x:
    ...         carried, u = u, params["leak"] * u + step
    ...     return np.mean((u - y) ** 2), {"leak": np.mean(2.0 * (u - y) * carried)}
    >>> rs.program.shrink(detached, program).x.shape
    (3, 1)
    """
    require_program(program)
    return find_beginning(require_callable(gradient), program).program


def find_beginning(gradient: Gradient, program: Program) -> Beginning:
    """Return the smallest question and what it has of the whole one."""

    def is_wrong(question: Program) -> bool | None:
        try:
            return bool(compare_program(gradient, question).wrong)
        except ValueError:  # it has no such size, or the program has none
            return None

    time, batch = program.x.shape[:2]
    if not is_wrong(program):
        return Beginning(program)
    steps = _fewest(lambda n: is_wrong(cut_program(program, slice(0, n), slice(None))), time)
    whole = slice(0, steps)
    found = Beginning(cut_program(program, whole, slice(None)), steps)
    one_step = cut_program(program, slice(0, 1), slice(None))
    if steps == time > 1 and is_wrong(one_step) is None:  # it has one number of steps
        found = Beginning(program)
    elif steps > 1:
        before = is_wrong(cut_program(program, slice(0, steps - 1), slice(None)))
        found = replace(found, last_right=before is False)
    for i in range(min(batch, RECORDINGS) if batch > 1 else 0):
        alone = cut_program(found.program, slice(None), slice(i, i + 1))
        if is_wrong(alone):
            return replace(found, program=alone, recording=i)
    return found


def _fewest(is_wrong: Callable[[int], bool | None], most: int) -> int:
    """The smallest number for which it is wrong, if what is wrong stays so; `most` is."""
    high = 1
    while high < most and not is_wrong(high):
        high *= 2
    low, high = high // 2, min(high, most)  # right, and wrong
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_wrong(middle) else (middle, high)
    return high
