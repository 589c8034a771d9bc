"""What a programmer can get wrong, as a record: a function from a right plan to a wrong one."""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeVar

import numpy as np

from refsast.arrays import Array
from refsast.autodiff import stop_gradient
from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.general.plan import Numbers, Plan, change_layer
from refsast.model.glif import GLIF
from refsast.model.glif_step import State
from refsast.model.params import Layer

T = TypeVar("T")
Change: TypeAlias = Callable[[Case, Plan, int, float], Plan | None]
Step: TypeAlias = Callable[[GLIF, Numbers, Sequence[State], Array], State]


@dataclass(frozen=True)
class Fault:
    """A way to go wrong.

    Attributes
    ----------
    name : str
        In a few words, such as "reset detached".
    says : str
        What completes "your gradient is the reference ..."; ``{value}`` and ``{right}`` stand for
        the number that it has and for the right one.
    change : callable
        ``change(case, plan, i, value) -> plan`` with the fault in layer `i`; None: it has none.
    layered : bool
        Whether it is a fault of a spiking layer; else `i` is zero.
    backward : bool
        Whether loss and states stay as they are.
    values : callable
        ``values(case, i) -> numbers`` that are tried; one of any value where it needs none.
    right : callable, optional
        ``right(case, i) -> number``: from it a value is fitted, which may then be any.
    local : tuple of str
        Names of the only arrays of the layer's gradients that it changes; empty: more than these.
    below : bool
        Whether it changes nothing of its layer's own gradients, only those of layers below.
    placed : bool
        Whether it tells a place: a factor may come in at the loss, at adjoints, or at the end.
    """

    name: str
    says: str
    change: Change
    layered: bool = True
    backward: bool = False
    values: Callable[[Case, int], Sequence[float]] = lambda case, i: (1.0,)
    right: Callable[[Case, int], float | None] | None = None
    local: tuple[str, ...] = ()
    below: bool = False
    placed: bool = True


def change_step(wrap: Callable[[Case, int, float, Step], Step | None]) -> Change:
    """Return the change of a layer that wraps its step: ``wrap(case, i, value, inner) -> step``."""

    def change(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        step = wrap(case, i, value, plan.layers[i].step)
        return None if step is None else change_layer(plan, i, step=step)

    return change


def change_neuron(swap: Callable[[GLIF, float], GLIF | None]) -> Change:
    """Return the change of a layer that swaps its neuron: ``swap(neuron, value) -> neuron``."""

    def change(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        neuron = swap(plan.layers[i].neuron, value)
        return None if neuron is None else change_layer(plan, i, neuron=neuron)

    return change


def alter(record: T, **fields: object) -> T:
    """Return a record with other fields, unchecked: a fault may hold what the model refuses."""
    found = copy(record)
    for name, value in fields.items():
        object.__setattr__(found, name, value)
    return found


def alter_part(neuron: GLIF, part: str, **fields: object) -> GLIF:
    """Return a neuron with other fields of its synapse or adaptation, unchecked."""
    return alter(neuron, **{part: alter(getattr(neuron, part), **fields)})


def last_state(states: Sequence[State], **changes: Array | tuple[Array, ...]) -> list[State]:
    """Return the last states, the very last with other fields."""
    return [*states[-2:-1], replace(states[-1], **changes)]  # pyright: ignore[reportArgumentType]


def step_with_currents(
    inner: Step,
    neuron: GLIF,
    numbers: Numbers,
    states: Sequence[State],
    driven: tuple[Array, Array, Array],
) -> State:
    """Take a step whose currents, and what they add to the potential, are given."""
    i, h, drive = driven
    state = inner(alter(neuron, synapse=None, synapse_leak=None), numbers, states, drive)
    return replace(state, i=i, h=h)


def backward_as(value: Array, path: Array) -> Array:
    """Return the numbers of `value` with the gradient of `path`; the numbers stay exact."""
    return stop_gradient(value) + (path - stop_gradient(path))


def shift_to(number: Any, value: float) -> Array:
    """Return a number that is `value`, with the gradient that it had."""
    return number + (value - np.asarray(stop_gradient(number)))


def replace_grad(answer: Answer, i: int, name: str, grad: Array | None) -> Answer:
    """Return an answer with another gradient of one array."""
    grads: list[Layer] = list(answer.grads)
    grads[i] = replace(grads[i], **{name: grad})
    return replace(answer, grads=tuple(grads))
