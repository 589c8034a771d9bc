"""Is the tape's gradient that of the program? Numbers alone tell: the complex step, the adjoint.

Rule 1: the forward pass is run again, on complex numbers; no pullback is used.
Rule 2: where a program is not analytic, it is said where, and what that leaves unknown.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsast.arrays import Array
from refsast.autodiff.numeric import STEP
from refsast.autodiff.tape import Node, backward, primal
from refsast.crosscheck.program.record import PARAMS, Program, require_program
from refsast.crosscheck.program.solution import (
    SURROGATE,
    Trace,
    measure_errors,
    run_forward,
    run_on_tape,
)
from refsast.crosscheck.tolerance import norm

DIRECTIONS = 3
# Where these have a corner, and the complex step goes to one side of it.
CORNERS = ("maximum", "minimum", "where", "absolute", "max")
FEW = 400  # entries of all parameters, each of which is asked about
ROUNDING = 1e-12


@dataclass(frozen=True)
class Verification:
    """How far the tape's derivatives of a program are from numerical ones.

    Attributes
    ----------
    value : float
        Of the loss on the tape from that on arrays, relative.
    complex_step : float
        Largest error of a gradient beyond what rounding does, relative to the gradient; NaN where
        it does not apply.
    worst : str
        The parameter with that error.
    adjoint : float
        ``|<g, J v> - <J' g, v>|``, relative, J the derivative of all outputs; NaN where there are
        none, or the complex step does not apply.
    corners : tuple of str
        Operations that are not analytic, with how often two sides of one are equal.
    reason : str
        Why numerical derivatives say nothing, or what follows from their error.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> def forward(params, x, y):
    ...     return np.sum(np.tanh(params["w"]) * x)
    >>> program = rs.Program(forward, {"w": [1.0, 2.0]}, np.ones((1, 2)), 0)
    >>> found = rs.program.verify(program, rng=np.random.default_rng(0))
    >>> found.holds, found.complex_step < 1e-15
    (True, True)
    """

    value: float
    complex_step: float
    worst: str
    adjoint: float
    corners: tuple[str, ...]
    reason: str

    @property
    def holds(self) -> bool:
        """Whether the gradient was confirmed, to rounding."""
        rest = self.adjoint if np.isfinite(self.adjoint) else 0.0
        return bool(max(self.value, rest) <= ROUNDING and self.complex_step <= ROUNDING)

    def __str__(self) -> str:
        lines = [f"loss on the tape and on arrays: {self.value:.1e} apart"]
        if np.isfinite(self.complex_step):
            lines.append(f"complex step: {self.complex_step:.1e} beyond rounding ({self.worst})")
        if np.isfinite(self.adjoint):
            lines.append(f"adjoint of the outputs: {self.adjoint:.1e}")
        lines += [f"not analytic: {', '.join(self.corners)}"] if self.corners else []
        return "\n".join([*lines, self.reason] if self.reason else lines)


def verify(program: Program, *, rng: np.random.Generator) -> Verification:
    """Compare the tape's gradient of a program with the complex step, and its adjoint.

    Parameters
    ----------
    program : Program
        The program.
    rng : numpy.random.Generator
        Of directions; advanced. Of up to 400 numbers in all parameters each is asked about.

    Returns
    -------
    Verification
        With ``holds``: whether the gradient was confirmed.

    Raises
    ------
    ValueError
        As `loss_and_grad`.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast.autodiff import stop_gradient
    >>> def forward(params, x, y):
    ...     return np.sum(params["w"] * stop_gradient(params["w"]) * x)
    >>> program = rs.Program(forward, {"w": [1.0, 2.0]}, np.ones((1, 2)), 0)
    >>> found = rs.program.verify(program, rng=np.random.default_rng(0))
    >>> found.holds, found.reason.partition(":")[0]
    (False, 'the gradient is not that of the loss')
    """
    trace = run_on_tape(require_program(program))
    value = _value_gap(program, trace)
    corners = tuple(_find_corners(trace))
    if SURROGATE in trace.operations:
        why = (
            "straight-through: hard spikes with another derivative, so that the gradient is that "
            "of no function, and no numerical derivative can confirm it"
        )
        return Verification(value, np.nan, "", np.nan, corners, why)
    gaps = dict(_gradient_gaps(program, trace, rng))
    worst = max(gaps, key=lambda name: gaps[name])
    adjoint = _adjoint_gap(program, trace, rng)
    return Verification(
        value, gaps[worst], worst, adjoint, corners, _explain(value, gaps[worst], corners)
    )


def _explain(value: float, gap: float, corners: tuple[str, ...]) -> str:
    """What follows from the errors."""
    if not value <= ROUNDING:
        return "the program is another one on the tape: does it change arrays in place?"
    if gap <= ROUNDING:
        return ""
    if any("equal" in corner for corner in corners):
        return "the parameters lie on a corner, where there is no derivative: take others"
    return "the gradient is not that of the loss: stop_gradient, or numbers taken off the tape?"


def _value_gap(program: Program, trace: Trace) -> float:
    """How far the loss on arrays is from that on the tape."""
    loss = float(run_forward(program, program.params, program.x)[0])
    return abs(loss - float(primal(trace.loss))) / max(abs(loss), 1e-300)


def _find_corners(trace: Trace) -> Iterator[str]:
    """Operations with a corner, and whether the run is on one."""
    for name in CORNERS:
        nodes = trace.operations.get(name, [])
        ties = sum(_count_ties(node) for node in nodes)
        if nodes:
            yield f"{name} ({ties} of them equal)" if ties else name


def _count_ties(node: Node) -> int:
    """How many entries of a maximum, a minimum or a magnitude are on the corner."""
    args = [np.asarray(primal(arg)) for arg in node.args]
    if node.op is not None and node.op.name in ("maximum", "minimum"):
        return int(np.count_nonzero(args[0] == args[1]))
    return int(np.count_nonzero(args[0] == 0.0)) if node.op and node.op.name == "absolute" else 0


def _gradient_gaps(
    program: Program, trace: Trace, rng: np.random.Generator
) -> Iterator[tuple[str, float]]:
    """The error of each parameter's gradient: of every entry, or along some directions."""
    few = sum(node.value.size for node in trace.params.values()) <= FEW
    tolerance = measure_errors(trace, np.dtype(np.float64))
    for name, node in trace.params.items():
        grad = trace.numbers["grads" + name.removeprefix(PARAMS)]
        size, shape = node.value.size, node.value.shape
        along = np.eye(size) if few else rng.standard_normal((DIRECTIONS, size))
        gaps = []
        for direction in along.reshape(-1, *shape):
            slope = _complex_slope(program, {name: direction})[0]
            terms = abs(grad * direction)
            # What is left of a cancellation has the error of its terms.
            near = (tolerance["grads" + name.removeprefix(PARAMS)] * abs(direction)).sum()
            gap = max(0.0, abs(slope - (grad * direction).sum()) - near)
            gaps.append(gap / max(norm(terms), abs(slope), 1e-300))
        yield name, max(gaps)


def _complex_slope(
    program: Program, directions: dict[str, Array]
) -> tuple[float, dict[str, Array]]:
    """The derivative of loss and outputs along directions, by the complex step."""
    step: Any = {name: 1j * STEP * d for name, d in directions.items()}
    moved = run_on_tape(program, step)
    outputs = {name: np.imag(primal(each)) / STEP for name, each in moved.outputs.items()}
    return float(np.imag(primal(moved.loss)) / STEP), outputs


def _adjoint_gap(program: Program, trace: Trace, rng: np.random.Generator) -> float:
    """The adjoint identity of all outputs that depend on a parameter."""
    outputs = {name: node for name, node in trace.outputs.items() if isinstance(node, Node)}
    if not outputs:
        return np.nan
    v = {name: rng.standard_normal(node.shape) for name, node in trace.params.items()}
    g = {name: rng.standard_normal(node.shape) for name, node in outputs.items()}
    moved = _complex_slope(program, v)[1]
    whole: Any = sum(np.sum(node * g[name]) for name, node in outputs.items())
    back = backward(whole, tuple(trace.params.values()), np.ones(()))  # pyright: ignore[reportArgumentType]
    forward = np.concatenate([np.ravel(g[name] * moved[name]) for name in outputs])
    reverse = np.concatenate([np.ravel(b * v[k]) for b, k in zip(back, v, strict=True)])
    return float(abs(forward.sum() - reverse.sum()) / (abs(forward).sum() + abs(reverse).sum()))
