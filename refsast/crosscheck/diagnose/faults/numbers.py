"""Faults of leak and threshold, per neuron or learned, forward and in their gradients."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from refsast.arrays import Array, Integers
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.faults.fault import (
    Change,
    Fault,
    Step,
    change_step,
    last_state,
    shift_to,
)
from refsast.crosscheck.general.plan import Numbers
from refsast.model.glif import GLIF, as_glif, numbers_of
from refsast.model.glif_step import State
from refsast.model.learned import SIGMOID, Learned

NUMBER_WORDS = {
    "leak": "leak",
    "threshold": "threshold",
    "synapse_leak": "synapse's leak",
    "start": "potential at the start",
}


def number_faults() -> Iterator[Fault]:
    """Yield other numbers than the right ones."""
    for name in ("leak", "threshold", "synapse_leak"):
        words = NUMBER_WORDS[name]
        yield Fault(
            words,
            f"with the {words} {{value}} in place of {{right}}",
            _set_number(name),
            values=_other_layers(name),
            right=_single(name),
        )
        for which, mix in MIXES.items():
            yield Fault(
                f"{words}: {which}",
                f"with, for each neuron's {words}, {which}",
                _mix_numbers(name, mix),
            )
    yield Fault(
        "one minus the leak", "with one minus the learned leak, as by a sigmoid of the other sign",
        change_step(_turn_leak),
    )  # fmt: skip
    yield Fault(
        "sigmoid left out", "with the learned leak's parameter taken for the leak itself",
        change_step(_skip_sigmoid),
    )  # fmt: skip
    yield Fault(
        "start ignored", "from a potential of zero, not from the one that is learned",
        change_step(_ignore_start),
    )  # fmt: skip


def _set_number(name: str, *, backward: bool = False) -> Change:
    def wrap(case: Case, i: int, value: float, inner: Step) -> Step | None:
        if name not in numbers_of(as_glif(case.network.neurons[i])):
            return None

        def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
            return inner(neuron, {**numbers, name: shift_to(numbers[name], value)}, states, current)

        return step

    return change_step(wrap)


def read_number(case: Case, i: int, name: str) -> Array | None:
    """Return a number of a layer's neurons, as numbers: of all, or one per neuron."""
    value = numbers_of(as_glif(case.network.neurons[i])).get(name)
    if value is None:
        return None
    if isinstance(value, Learned):
        parameter = getattr(case.params[i], name)
        return SIGMOID(parameter) if value.sigmoid else parameter
    return np.asarray(value, np.float64)


def _single(name: str) -> Callable[[Case, int], float | None]:
    """The number, where it is one for the layer."""

    def right(case: Case, i: int) -> float | None:
        number = read_number(case, i, name)
        return None if number is None or number.ndim else float(number)

    return right


def _take(a: Array, order: Integers) -> Array:
    return np.take(a.reshape(1, -1), order, axis=-1).reshape(-1)


def _places(a: Array) -> Integers:
    return np.arange(a.shape[0])


MIXES: dict[str, Callable[[Array], Array]] = {  # on the tape, too
    "the mean of all neurons'": lambda a: np.mean(a) + np.zeros(a.shape),
    "that of the first neuron": lambda a: _take(a, 0 * _places(a)),
    "those of the neurons in reversed order": lambda a: _take(a, _places(a)[::-1]),
    "that of the neuron before": lambda a: _take(a, np.roll(_places(a), 1)),
    "that of the neuron after": lambda a: _take(a, np.roll(_places(a), -1)),
}


def _mix_numbers(name: str, mix: Callable[[Array], Array]) -> Change:
    """Other numbers per neuron, of those that there are; gradients go where they come from."""

    def wrap(case: Case, i: int, value: float, inner: Step) -> Step | None:
        number = read_number(case, i, name)
        if number is None or number.ndim == 0:
            return None

        def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
            mixed = {**numbers, name: mix(numbers[name])}
            return inner(neuron, mixed, states, current)

        return step

    return change_step(wrap)


def _other_layers(name: str) -> Callable[[Case, int], Sequence[float]]:
    """Usual values of a number, and those of other layers."""

    def values(case: Case, i: int) -> list[float]:
        number = read_number(case, i, name)
        if number is None or number.ndim:
            return []
        own = float(number)
        others = [_single(name)(case, j) for j in range(case.network.depth)]
        usual = [1.0 - own, 1.0, 0.0, 0.5] if name != "threshold" else [1.0, 0.5, 0.0]
        return [v for v in (*others, *usual) if v is not None and v != own]

    return values


def _skip_sigmoid(case: Case, i: int, value: float, inner: Step) -> Step | None:
    learned = as_glif(case.network.neurons[i]).learned
    names = [n for n, each in learned.items() if each.sigmoid]
    if not names:
        return None

    def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
        logits = {n: -np.log(1.0 / numbers[n] - 1.0) for n in names}
        return inner(neuron, {**numbers, **logits}, states, current)

    return step


def _turn_leak(case: Case, i: int, value: float, inner: Step) -> Step | None:
    if not learns(case, i, "leak"):
        return None

    def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
        return inner(neuron, {**numbers, "leak": 1.0 - numbers["leak"]}, states, current)

    return step


def _ignore_start(case: Case, i: int, value: float, inner: Step) -> Step | None:
    if case.params[i].start is None:
        return None

    def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
        if len(states) == 1:
            states = last_state(states, u=np.zeros(states[-1].u.shape))
        return inner(neuron, numbers, states, current)

    return step


def learns(case: Case, i: int, name: str) -> bool:
    """Return whether a layer learns this number."""
    return getattr(case.params[i], name) is not None
