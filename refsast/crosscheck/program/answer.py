"""What an implementation says to a program, read once, in whatever containers it comes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.foreign_arrays import convert_array, require_real_array
from refsast.crosscheck.implementation import Gradient, call_foreign
from refsast.crosscheck.program.record import PARAMS, Program, copy_arrays
from refsast.crosscheck.program.trees import Tree, branches, is_branch, is_container, leaves


@dataclass(frozen=True, eq=False)
class Answer:
    """What an implementation may return for a program; what it leaves out is not compared.

    Attributes
    ----------
    loss : float
        The loss.
    grads : tree of arrays
        The gradients, in the containers of the parameters, or their arrays one after the other;
        None where nothing flows back, which counts as zero.
    outputs : mapping of str to array
        Of what `forward` returns beside the loss, what it has, too.
    x : array, optional
        The gradient in the input.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> program = rs.Program(
    ...     lambda params, x, y: np.sum(params["w"] ** 2 * x), {"w": [1.0, 2.0]}, np.ones((1, 2)), 0
    ... )
    >>> def mine(params, x, y):
    ...     w = params["w"]
    ...     return rs.program.Answer(np.sum(w**2 * x), {"w": 2.0 * w * x[0]}, x=w[None] ** 2)
    >>> rs.check(mine, program).verdict
    'agrees'
    """

    loss: Any
    grads: Tree
    outputs: Mapping[str, Any] = field(default_factory=dict)
    x: Any = None


@dataclass(frozen=True, eq=False)
class Reading:
    """An answer as arrays, by name.

    Attributes
    ----------
    numbers : dict of str to array
        Loss, outputs, gradients and gradient in the input: what was given, float64.
    dtype : numpy.dtype
        The least precise type of all gradients and outputs.
    beside : tuple of str
        What was given, and the program does not have.
    """

    numbers: dict[str, Array]
    dtype: np.dtype
    beside: tuple[str, ...] = ()


def ask(gradient: Gradient, program: Program, wanted: Mapping[str, Array]) -> Reading:
    """Call an implementation; `wanted` are the right numbers, by whose names and shapes it is read.

    Raises a ValueError if it raises, or if what comes back has other names, shapes or kinds, or is
    not finite.
    """
    must = f"gradient must answer {program.name!r}"
    reply = call_foreign(gradient, *copy_arrays(program), wanted=must)
    given = reply if isinstance(reply, Answer) else _unpack(reply)
    if not isinstance(given.outputs, Mapping):
        raise ValueError(f"outputs must be a mapping, got {type(given.outputs).__name__}")
    outputs = {f'outputs["{name}"]': value for name, value in given.outputs.items()}
    found = {"loss": given.loss, **_name_grads(given.grads, program, wanted)}
    found |= {name: value for name, value in outputs.items() if name in wanted}
    if given.x is not None and "x" in wanted:
        found["x"] = given.x
    dtypes, numbers = [np.dtype(np.float64)], {}
    for name, value in found.items():
        value = np.zeros(wanted[name].shape) if value is None else value
        if isinstance(value, list | tuple):  # one per step, say
            value = np.stack([convert_array(each, name) for each in value])
        array = require_real_array(value, name, wanted[name].shape)
        if array.dtype.kind == "f" and name != "loss":  # a loss is a Python float as a rule
            dtypes.append(array.dtype)
        numbers[name] = array.astype(np.float64)
    beside = tuple(name for name in outputs if name not in wanted)
    return Reading(numbers, min(dtypes, key=lambda dtype: dtype.itemsize), beside)


def _unpack(reply: object) -> Answer:
    """``(loss, grads)``, or with outputs."""
    if not (isinstance(reply, tuple | list) and len(reply) in (2, 3)):
        raise ValueError(
            "gradient must return (loss, grads), (loss, grads, outputs) or an Answer, got "
            f"{type(reply).__name__}"
        )
    return Answer(*reply)


def _name_grads(grads: Tree, program: Program, wanted: Mapping[str, Array]) -> dict[str, Any]:
    """The gradients by the names of the parameters; those that were left out are missing."""
    names = ["grads" + name.removeprefix(PARAMS) for name in leaves(program.params, PARAMS)]
    pairs = _walk_like(program.params, grads, "grads")
    found = {name: g for name, g in pairs if g is not None or name in names}
    if set(found) <= set(names) and found:
        return found
    flat = list(grads) if isinstance(grads, list | tuple) else [grads]
    if len(flat) == len(names) and not any(map(is_branch, flat)):
        return dict(zip(names, flat, strict=True))
    others = [name for name in found if name not in names] or ["nothing"]
    raise ValueError(f"grads must have {', '.join(names)}, got {', '.join(others)}")


def _walk_like(params: Tree, grads: Tree, name: str) -> list[tuple[str, Any]]:
    """The leaves of gradients, down to where parameters have arrays: a list may stand for one."""
    if not is_branch(params) or not is_container(grads):
        return [(name, grads)]
    inner, given = dict(branches(params, name)), dict(branches(grads, name))
    return [
        pair
        for path, branch in given.items()
        for pair in _walk_like(inner.get(path, 0.0), branch, path)
    ]
