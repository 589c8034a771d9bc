"""What a descent method is, and what makes one of another."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from refsast.arrays import Array

State: TypeAlias = tuple[Array, ...]

BLOCK_SIZE = 1 << 17  # parameters at a time; of fewer, handing the interpreter on takes too long


@dataclass(frozen=True)
class Descent:
    """A descent method.

    Attributes
    ----------
    description : str
        The method and its numbers, for a record.
    init : callable
        ``init(w) -> state``, for parameters `w` of shape (p,).
    update : callable
        ``update(state, w, grad, factor) -> (state, w)``: the state and the parameters after one
        step with `factor` times the learning rate. What it is given stays as it is.
    update_in_place : callable, optional
        ``update_in_place(state, w, grad, factor)``: the same, to the same bits, written into the
        arrays of `state` and into `w`; for a loop that owns them, since new arrays take longer
        than the arithmetic.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> method = rs.descent.sgd(learning_rate=0.1, momentum=0.0, weight_decay=0.0)
    >>> w = np.array([1.0, 2.0])
    >>> state, w = method.update(method.init(w), w, np.array([1.0, 0.0]), 1.0)
    >>> w
    array([0.9, 2. ])
    """

    description: str

    init: Callable[[Array], State]
    update: Callable[[State, Array, Array, float], tuple[State, Array]]
    update_in_place: Callable[[State, Array, Array, float], None] | None = None


def descend_in_place(
    description: str,
    init: Callable[[Array], State],
    update_in_place: Callable[[State, Array, Array, float], None],
) -> Descent:
    """Return a method that is written in place; its `update` does the same to copies."""

    def update(state: State, w: Array, grad: Array, factor: float) -> tuple[State, Array]:
        state, w = tuple(a.copy() for a in state), w.copy()
        update_in_place(state, w, grad, factor)
        return state, w

    return Descent(description, init, update, update_in_place)


def blocks(share: slice) -> Iterator[slice]:
    """Yield what a share of the parameters is made of, a block at a time, all of about one size."""
    n = share.stop - share.start
    count = max(1, -(-n // BLOCK_SIZE))
    ends = [share.start + n * i // count for i in range(count + 1)]
    yield from map(slice, ends[:-1], ends[1:])


def projected(method: Descent, project: Callable[[Array], Array], *, says: str) -> Descent:
    """Return a method with a projection after every step::

        w' = project(w' of method)

    Parameters
    ----------
    method : Descent
        What makes the step; its state is not projected.
    project : callable
        ``project(w) -> w``, for parameters of shape (p,): the nearest ones that are allowed.
    says : str
        What is allowed, in words, for the record of a run.

    Returns
    -------
    Descent
        With the state of `method`. Where to start is not projected.

    References
    ----------
    Goldstein, Bull. Amer. Math. Soc. 70 (1964), 709-710; Levitin and Polyak, USSR Comp. Math. Phys.
    6 (1966), 1-50.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> plain = rs.descent.sgd(learning_rate=1.0, momentum=0.0, weight_decay=0.0)
    >>> method = rs.descent.projected(plain, lambda w: np.clip(w, 0, 1), says="clipped to [0, 1]")
    >>> w = np.array([0.5])
    >>> method.update(method.init(w), w, np.array([2.0]), 1.0)[1]
    array([0.])
    """

    def update(state: State, w: Array, grad: Array, factor: float) -> tuple[State, Array]:
        state, w = method.update(state, w, grad, factor)
        return state, project(w)

    step = method.update_in_place

    def update_in_place(state: State, w: Array, grad: Array, factor: float) -> None:
        assert step is not None
        step(state, w, grad, factor)
        w[:] = project(w)

    description = f"{method.description}, then {says}"
    return Descent(description, method.init, update, step and update_in_place)
