"""What a black box is asked about: numbers at points, of a `Case` or of a `Program`."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case, ask, truncate_case
from refsast.crosscheck.implementation import Gradient
from refsast.crosscheck.program import answer
from refsast.crosscheck.program.record import PARAMS, Program, cut_program
from refsast.crosscheck.program.solution import SURROGATE, run_on_tape
from refsast.crosscheck.program.trees import fill, leaves
from refsast.model.params import flatten, param_arrays
from refsast.model.vector import split_vector


@dataclass(frozen=True, eq=False)
class Question:
    """A black box at a batch, as a function of its parameters.

    Attributes
    ----------
    arrays : tuple of array
        The parameters.
    shape : tuple of int
        Of the input, time and batch first.
    call : callable
        ``call(w)`` returns loss, gradient and rounding unit at the flat parameters `w`.
    first : callable
        ``first(steps, batch)`` returns the question about a part of the batch.
    hard : bool
        Whether spikes are hard.
    """

    arrays: tuple[Array, ...]
    shape: tuple[int, ...]
    call: Callable[[Array], tuple[float, Array, float]]
    first: Callable[[int, int], "Question"]
    hard: bool = False


def ask_about(gradient: Gradient, case: Case | Program) -> Question:
    """Return the question of a case or a program."""
    return _of_program(gradient, case) if isinstance(case, Program) else _of_case(gradient, case)


def _of_case(gradient: Gradient, case: Case) -> Question:
    def call(point: Array) -> tuple[float, Array, float]:
        found, dtype = ask(gradient, replace(case, params=split_vector(case.network, point)))
        return found.loss, flatten(found.grads), float(np.finfo(dtype).eps)

    def first(steps: int, batch: int) -> Question:
        return _of_case(gradient, truncate_case(case, steps, batch))

    return Question(tuple(param_arrays(case.params)), case.x.shape, call, first, case.hard)


def _of_program(gradient: Gradient, program: Program) -> Question:
    params = leaves(program.params, PARAMS)
    wanted = {"loss": np.zeros(())} | {
        "grads" + name.removeprefix(PARAMS): array for name, array in params.items()
    }
    ends = np.cumsum([array.size for array in params.values()])[:-1]

    def call(point: Array) -> tuple[float, Array, float]:
        parts = zip(params.items(), np.split(point, ends), strict=True)
        moved = {name: part.reshape(array.shape) for (name, array), part in parts}
        question = replace(program, params=fill(program.params, moved, PARAMS))
        found = answer.ask(gradient, question, wanted)
        if missing := [name for name in wanted if name not in found.numbers]:
            raise ValueError(f"gradient must give every parameter's, got none of {missing[0]}")
        grads = np.concatenate([found.numbers[name].ravel() for name in wanted if name != "loss"])
        return float(found.numbers["loss"]), grads, float(np.finfo(found.dtype).eps)

    def first(steps: int, batch: int) -> Question:
        return _of_program(gradient, cut_program(program, slice(0, steps), slice(0, batch)))

    hard = SURROGATE in run_on_tape(program).operations
    return Question(tuple(params.values()), program.x.shape, call, first, hard)
