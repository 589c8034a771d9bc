"""The right answer to a program, by the tape, and how far rounding moves each number of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from refsast.arrays import Array
from refsast.autodiff.replay import replay
from refsast.autodiff.tape import Node, backward, leaf, primal
from refsast.crosscheck.implementation import describe_error
from refsast.crosscheck.program.record import PARAMS, Program, require_program
from refsast.crosscheck.program.trees import Tree, fill, leaves, map_leaves
from refsast.crosscheck.tolerance import FACTOR, UNDERFLOW, VAST
from refsast.gradient.noise import REPEATS, combine_errors

SURROGATE = "straight-through"
WHY = "an exponent that overflows (rs.Logistic has none), a root or a logarithm at zero?"


@dataclass(frozen=True, eq=False)
class Trace:
    """A program that has been run on the tape.

    Attributes
    ----------
    loss : scalar node or array
        The loss.
    outputs : dict of str to node or array
        What the program returned beside, by name.
    params : dict of str to node
        The parameters, by name.
    x : node or array
        The input.
    """

    loss: Any
    outputs: dict[str, Any]
    params: dict[str, Node]
    x: Any

    @cached_property
    def grads(self) -> dict[str, Any]:
        """The gradients as nodes, in parameters (``grads["w"]``) and input (``x``), by name."""
        wanted = {_grad_name(name): node for name, node in self.params.items()}
        if isinstance(self.x, Node):
            wanted["x"] = self.x
        if not isinstance(self.loss, Node):
            return {name: np.zeros(node.shape) for name, node in wanted.items()}
        inputs: Any = tuple(wanted.values())
        return dict(zip(wanted, backward(self.loss, inputs, np.ones(()), traced=True), strict=True))

    @cached_property
    def operations(self) -> dict[str, list[Node]]:
        """All nodes of the forward pass, by the name of their operation."""
        found: dict[str, list[Node]] = {}
        seen: set[int] = set()
        stack = [self.loss, *self.outputs.values()]
        while stack:
            node = stack.pop()
            if isinstance(node, Node) and id(node) not in seen:
                seen.add(id(node))
                stack.extend(node.args)
                if node.op is not None:
                    found.setdefault(node.op.name, []).append(node)
        return found

    @cached_property
    def numbers(self) -> dict[str, Array]:
        """Everything that can be compared, as finite arrays, by name."""
        with np.errstate(all="ignore"):
            named = {"loss": self.loss, **self.outputs, **self.grads}
        found = {name: np.asarray(primal(each)) for name, each in named.items()}
        for name, array in found.items():
            if not np.isfinite(array).all():
                raise ValueError(
                    f"forward must have a finite gradient, got others in {name}: {WHY}"
                )
        return found


def _grad_name(name: str) -> str:
    """The name of the gradient in a parameter."""
    return "grads" + name.removeprefix(PARAMS)


def run_on_tape(program: Program, step: Mapping[str, Array] | None = None) -> Trace:
    """Return the program's forward pass on the tape; `step` is added to arrays, by name.

    Raises a ValueError, on one line, where the forward pass raises or does not return a loss.
    """
    step = {} if step is None else step
    params = {
        name: leaf(a + step[name] if name in step else a)
        for name, a in leaves(program.params, PARAMS).items()
    }
    x: Any = program.x + step["x"] if "x" in step else program.x
    x = leaf(x) if x.dtype.kind in "fc" else x
    given = fill(program.params, params, PARAMS)
    loss, outputs = run_forward(program, given, x)
    return Trace(loss, outputs, params, x)  # pyright: ignore[reportArgumentType]


def run_forward(program: Program, params: Tree, x: Any) -> tuple[Any, dict[str, Any]]:
    """Return the loss and the named outputs of a forward pass, on arrays or nodes."""
    try:
        with np.errstate(all="ignore"):  # what is not finite is refused below
            reply = program.forward(params, x, program.y)
    except Exception as error:
        # NumPy hides the reason why a traced array does not become numbers.
        reason = error.__cause__ if isinstance(error.__cause__, TypeError) else error
        raise ValueError(f"forward must run, got {describe_error(reason)}") from error
    given: Any = reply if isinstance(reply, tuple) and len(reply) == 2 else (reply, {})
    loss, outputs = given
    if np.shape(loss) != ():
        raise ValueError(f"forward must return a scalar loss, got shape {np.shape(loss)}")
    if not isinstance(outputs, Mapping):
        raise ValueError(
            f"forward must return (loss, mapping of arrays), got {type(outputs).__name__}"
        )
    named = {f'outputs["{name}"]': _stack(value) for name, value in outputs.items()}
    if not all(np.isfinite(primal(each)).all() for each in (loss, *named.values())):
        raise ValueError("forward must return finite numbers, got others")
    return loss, named


def _stack(value: Any) -> Any:
    """An array; of a list of them, such as one per step, one whole."""
    return np.stack(value) if isinstance(value, list | tuple) else value


def loss_and_grad(
    program: Program, params: Tree = None, x: Any = None, y: Tree = None
) -> tuple[Array, Tree]:
    """Return the loss of a program and its exact gradient in every parameter, by the tape.

    Parameters
    ----------
    program : Program
        The program. Where it has hard spikes behind `autodiff.straight_through` the result is the
        conventional, biased estimate, and the gradient of no function.
    params, x, y : optional
        In place of the program's own, so that ``partial(loss_and_grad, program)`` is an
        implementation itself.

    Returns
    -------
    loss : scalar array
        The loss.
    grads : tree of arrays
        Of the shape of ``program.params``; zeros in what the loss does not depend on.

    Raises
    ------
    ValueError
        If the forward pass raises, uses what the tape has no rule for, or does not return a scalar.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> def forward(params, x, y):
    ...     return np.sum(params[0] ** 2 * x)
    >>> program = rs.Program(forward, [np.array([1.0, 2.0])], np.ones((1, 2)), 0)
    >>> rs.program.loss_and_grad(program)[1][0]
    array([2., 4.])
    """
    given = {"params": params, "x": x, "y": y}
    program = replace(
        require_program(program), **{name: a for name, a in given.items() if a is not None}
    )
    numbers = run_on_tape(program).numbers
    return numbers["loss"], map_leaves(
        lambda name, _: numbers[_grad_name(name)], program.params, PARAMS
    )


def error_bounds(program: Program, *, dtype: np.typing.DTypeLike = np.float64) -> dict[str, Array]:
    """Return how far right implementations may be from the exact answer, by name of the array.

    The traced computation is run again, with a random error in every operation (`autodiff.replay`);
    eight standard deviations are allowed.

    Parameters
    ----------
    program : Program
        The program.
    dtype : dtype
        What the implementation computes in: float32 or float64.

    Returns
    -------
    dict of str to array
        Of the loss, the named outputs, the gradients in the parameters and in the input.

    Raises
    ------
    ValueError
        As `loss_and_grad`.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> program = rs.Program(
    ...     lambda params, x, y: np.sum(params["w"] ** 2 * x), {"w": [1.0, 2.0]}, np.ones((1, 2)), 0
    ... )
    >>> bounds = rs.program.error_bounds(program)
    >>> sorted(bounds), bool(0.0 < bounds['grads["w"]'].max() < 1e-13)
    (['grads["w"]', 'loss', 'x'], True)
    """
    return measure_errors(run_on_tape(require_program(program)), np.dtype(dtype))


def measure_errors(
    trace: Trace, dtype: np.dtype, *, repeats: int = REPEATS, factor: float = 1.0
) -> dict[str, Array]:
    """Return the tolerance of every number of a trace: `FACTOR` deviations of rounding errors."""
    unit = 0.5 * FACTOR * float(np.finfo(dtype).eps)
    floor = UNDERFLOW * float(np.finfo(dtype).tiny)
    named = {"loss": trace.loss, **trace.outputs, **trace.grads}
    with np.errstate(all="ignore"):  # what overflows is not resolved
        drawn = replay(
            list(named.values()), unit=unit, repeats=repeats, rng=np.random.default_rng(0)
        )
    found = {}
    for (name, want), moved in zip(trace.numbers.items(), drawn, strict=True):
        size = _combine(moved, want, unit, repeats)
        found[name] = np.where(size < VAST, factor * size, VAST) + floor
    return found


def _combine(moved: Array, want: Array, unit: float, repeats: int) -> Array:
    """The error of each entry of an array, from its repeats and from those of its neighbours."""
    peak = float(abs(want).max(initial=0.0))
    scale = peak if peak > 0.0 else 1.0  # so that squares do not underflow
    squares = np.sum(((moved - want) / scale) ** 2, axis=0)
    rows = (-1, want.shape[-1]) if want.ndim else (1, 1)
    drawn, local = (a.reshape(rows) for a in (np.sqrt(squares), unit * abs(want) / scale))
    return scale * combine_errors(drawn, local, repeats).reshape(want.shape)
