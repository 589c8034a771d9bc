"""The question: a forward pass in NumPy's words, with its parameters and a batch."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from refsast.arrays import Array, as_array, require_numeric
from refsast.crosscheck.program.trees import Tree, leaves, map_leaves

PARAMS = "params"


@dataclass(frozen=True, eq=False)
class Program:
    """A network as a program, for what `Network` cannot express, with all that its loss depends on.

    `forward` is written in NumPy's operators and functions (docs/program.md lists those that can be
    differentiated), with whatever loops, classes and conditions on constants it needs::

        forward(params, x, y) -> loss    or    (loss, {"spikes": s, "potentials": u, ...})

    Attributes
    ----------
    forward : callable
        The forward pass, up to the loss, a scalar. What it returns beside is compared, too: arrays,
        or lists of them, such as one per step.
    params : mapping, sequence or record of arrays
        The parameters, in any nesting: numbers are arrays of no axes. float64.
    x : (time, batch, ...) array
        The input: its first axis is time, its second the recordings.
    y : array or tree of arrays
        Labels or targets, handed on as they are.
    cut : callable, optional
        ``cut(x, y, steps, recordings)`` returns input and targets with some steps (a slice) and
        recordings (a slice) only, for `shrink`. By default both axes of `x` are cut, and in `y`
        each array whose first axes are time and batch, or batch.
    name : str
        For reports.

    Raises
    ------
    ValueError
        If `forward` is not callable, there is no parameter, or an array is not finite and real.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> def forward(params, x, y):
    ...     u = 0.0
    ...     for step in x:
    ...         u = params["leak"] * u + np.tanh(step @ params["w"])
    ...     return np.mean((u - y) ** 2)
    >>> params = {"w": np.array([[0.5], [-0.25]]), "leak": 0.9}
    >>> program = rs.Program(forward, params, np.ones((3, 4, 2)), np.zeros((4, 1)))
    >>> loss, grads = rs.program.loss_and_grad(program)
    >>> round(float(loss), 4), sorted(grads), grads["w"].shape
    (0.4405, ['leak', 'w'], (2, 1))
    """

    forward: Callable[..., Any]
    params: Tree
    x: Array
    y: Tree
    cut: Callable[..., tuple[Array, Tree]] | None = field(default=None, kw_only=True)
    name: str = field(default="program", kw_only=True)

    def __post_init__(self) -> None:
        if not callable(self.forward):
            raise ValueError(f"forward must be callable, got {type(self.forward).__name__}")
        if not (self.cut is None or callable(self.cut)):
            raise ValueError(f"cut must be callable or None, got {type(self.cut).__name__}")
        params = map_leaves(_read_real, self.params, PARAMS)
        if not leaves(params, PARAMS):
            raise ValueError(f"params must hold at least one array, got {self.params!r}")
        x = require_numeric(self.x, "x")
        if x.ndim < 2:
            raise ValueError(f"x must have the axes (time, batch, ...), got shape {x.shape}")
        # The record is frozen; this is how it stores what validation returned.
        object.__setattr__(self, "params", params)
        object.__setattr__(self, "x", _read_real("x", x) if x.dtype.kind == "f" else x.copy())
        object.__setattr__(self, "y", map_leaves(_read_target, self.y, "y"))


def _read_real(name: str, value: object) -> Array:
    """A copy of a finite array of real numbers, float64."""
    array = as_array(value, name)  # pyright: ignore[reportArgumentType]
    if array.dtype.kind == "c":
        raise ValueError(f"{name} must be real, got complex numbers")
    return array.astype(np.float64)


def _read_target(name: str, value: object) -> np.ndarray:
    """A copy of an array of any type."""
    return np.array(value)


def cast_program(program: Program, dtype: np.dtype) -> Program:
    """Return the program as an implementation sees it that rounds its input to `dtype` first."""
    with np.errstate(over="ignore"):
        return replace(
            program,
            params=map_leaves(lambda _, a: a.astype(dtype), program.params, PARAMS),
            x=_cast("x", program.x, dtype),
            y=map_leaves(lambda name, a: _cast(name, a, dtype), program.y, "y"),
        )


def _cast(name: str, array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Floating-point numbers rounded; labels as they are."""
    return array.astype(dtype).astype(np.float64) if array.dtype.kind == "f" else array


def cut_program(program: Program, steps: slice, recordings: slice) -> Program:
    """Return the program with some steps and recordings of its batch only."""
    if program.cut is not None:
        x, y = program.cut(program.x, program.y, steps, recordings)
    else:
        x = program.x[steps, recordings]
        y = map_leaves(lambda _, a: _cut_target(a, program.x, steps, recordings), program.y, "y")
    return replace(program, x=x, y=y)


def _cut_target(y: np.ndarray, x: np.ndarray, steps: slice, recordings: slice) -> np.ndarray:
    """Targets of some steps and recordings, where their first axes are those of the input."""
    if y.shape[:2] == x.shape[:2]:
        return y[steps, recordings]
    return y[recordings] if y.shape[:1] == x.shape[1:2] else y


def copy_arrays(program: Program) -> tuple[Tree, np.ndarray, Tree]:
    """Return parameters, input and targets as copies, to be handed to somebody else."""
    params = map_leaves(lambda _, a: a.copy(), program.params, PARAMS)
    return params, program.x.copy(), map_leaves(lambda _, a: a.copy(), program.y, "y")


def require_program(program: object) -> Program:
    """Return the program, or raise where it is none."""
    if not isinstance(program, Program):
        raise ValueError(f"program must be a Program, got {type(program).__name__}")
    return program
