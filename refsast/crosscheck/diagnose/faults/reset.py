"""Faults of the reset."""

from collections.abc import Iterator, Sequence
from typing import Any

from refsast.arrays import Array
from refsast.autodiff import stop_gradient
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.faults.detached import earlier_state, see_spikes
from refsast.crosscheck.diagnose.faults.fault import (
    Change,
    Fault,
    Step,
    alter,
    change_neuron,
    change_step,
)
from refsast.crosscheck.general.plan import Numbers
from refsast.model.glif import GLIF, as_glif
from refsast.model.glif_step import State
from refsast.model.reset import RESETS, Subtract
from refsast.model.spike import heaviside

RESET_WORDS = {
    "zero": "to zero",
    "subtract": "by subtraction, after the leak",
    "subtract-leaked": "by subtraction, before the leak",
    "none": "left out",
}


def reset_faults() -> Iterator[Fault]:
    """Yield other resets, and resets by other spikes."""
    for name, words in RESET_WORDS.items():
        yield Fault(f"reset {words}", f"with the reset {words}", _swap_reset(name))
    yield Fault(
        "reset one step late", "with the reset one step later",
        see_spikes(lambda n, c, states: earlier_state(states).s),
    )  # fmt: skip
    yield Fault(
        "hard spike in the reset",
        "with the hard spike in the reset alone",
        see_spikes(_hard_spike),
    )
    yield Fault(
        "reset by the raised threshold", "with the raised threshold subtracted by the reset",
        change_step(_subtract_raised),
    )  # fmt: skip
    yield Fault(
        "reset once more", "with a second reset, by a detached spike of what the first has left",
        change_step(_reset_again),
    )  # fmt: skip


def _swap_reset(name: str) -> Change:
    def swap(neuron: GLIF, _: float) -> GLIF | None:
        return None if neuron.reset == RESETS[name] else alter(neuron, reset=RESETS[name])

    return change_neuron(swap)


def _hard_spike(neuron: GLIF, numbers: Numbers, states: Sequence[State]) -> Array:
    return heaviside(stop_gradient(states[-1].s) - 0.5)


def _reset_again(case: Case, i: int, value: float, inner: Step) -> Step | None:
    """A reset in the step of its spike, m = u - threshold s, and another in the next by m's own.

    As of snnTorch's ``reset_delay=False``.
    """
    if as_glif(case.network.neurons[i]).reset != Subtract(leaked=True):
        return None

    def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
        def reset(leak: Any, threshold: Any, u: Array, s: Array) -> Array:
            left = states[0].u
            again = stop_gradient(neuron.spike(left - threshold))
            for state in states[1:]:
                fired = stop_gradient(state.s) if neuron.detach_reset else state.s
                left = state.u - (fired - again) * threshold
                again = stop_gradient(neuron.spike(left - threshold))
            return leak * left - again * threshold

        return inner(alter(neuron, reset=reset), numbers, states, current)

    return step


def _subtract_raised(case: Case, i: int, value: float, inner: Step) -> Step | None:
    adaptation = as_glif(case.network.neurons[i]).adaptation
    if adaptation is None:
        return None

    def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
        raised = numbers["threshold"] + adaptation.strength * states[-1].a

        def reset(leak: float, threshold: float, u: Array, s: Array) -> Array:
            return neuron.reset(leak, raised, u, s)  # pyright: ignore[reportArgumentType]

        return inner(alter(neuron, reset=reset), numbers, states, current)

    return step
