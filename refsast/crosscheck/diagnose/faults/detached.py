"""Faults of the way back through a neuron's state, and of which spikes a step looks at."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from refsast.arrays import Array
from refsast.autodiff import stop_gradient
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.faults.fault import (
    Change,
    Fault,
    Step,
    alter,
    change_neuron,
    change_step,
    last_state,
)
from refsast.crosscheck.general.plan import Numbers
from refsast.model.glif import GLIF, as_glif
from refsast.model.glif_step import State


def detached_faults() -> Iterator[Fault]:
    """Yield paths through the state that are cut."""

    def fault(name: str, says: str, change: Change) -> Fault:
        return Fault(name, says, change, backward=True)

    yield fault(
        "reset detached", "with the reset detached",
        change_neuron(lambda n, _: None if n.detach_reset else alter(n, detach_reset=True)),
    )  # fmt: skip
    yield fault(
        "reset not detached", "with the gradient through the reset kept",
        change_neuron(lambda n, _: alter(n, detach_reset=False) if n.detach_reset else None),
    )  # fmt: skip
    yield fault(
        "state detached", "with the state detached (truncated BPTT)",
        detach("u", "s", "i", "h", "a", "past"),
    )  # fmt: skip
    yield fault("potential detached", "with the potential of the step before detached", detach("u"))
    yield fault(
        "synapse detached", "with the synaptic current of the step before detached",
        detach("i", "h"),
    )  # fmt: skip
    yield fault(
        "first stage of the synapse detached",
        "with the first stage of the synapse at the step before detached", detach("h"),
    )  # fmt: skip
    yield fault(
        "second stage of the synapse detached",
        "with the second stage of the synapse at the step before detached", detach("i"),
    )  # fmt: skip
    yield fault("refractory time detached", "with the refractory factor detached", detach("past"))


def detach(*names: str) -> Change:
    """Return the change by which a step sees these fields of the state before as constants."""

    def wrap(case: Case, i: int, value: float, inner: Step) -> Step:
        def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
            cut: dict[str, Any] = {}
            for name in names:
                field = getattr(states[-1], name)
                cut[name] = (
                    tuple(map(stop_gradient, field)) if name == "past" else stop_gradient(field)
                )
            return inner(neuron, numbers, last_state(states, **cut), current)

        return step

    return change_step(wrap)


class _Seen:
    """A reset that looks at another spike than the one it is handed."""

    def __init__(self, reset: Callable[..., Array], s: Array) -> None:
        self.reset, self.s = reset, s

    def __call__(self, leak: float, threshold: float, u: Array, s: Array) -> Array:
        return self.reset(leak, threshold, u, self.s)


def see_spikes(
    by_reset: Callable[[GLIF, Numbers, Sequence[State]], Array] | None = None,
    by_adaptation: Callable[[Sequence[State]], Array] | None = None,
) -> Change:
    """Return the change by which reset and adaptation look at other spikes than the last."""

    def wrap(case: Case, i: int, value: float, inner: Step) -> Step | None:
        if by_reset is None and as_glif(case.network.neurons[i]).adaptation is None:
            return None

        def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
            s = states[-1].s if by_reset is None else by_reset(neuron, numbers, states)
            s = stop_gradient(s) if neuron.detach_reset else s
            other = alter(neuron, reset=_Seen(neuron.reset, s))
            if by_adaptation is not None:
                states = last_state(states, s=by_adaptation(states))
            return inner(other, numbers, states, current)

        return step

    return change_step(wrap)


def earlier_state(states: Sequence[State]) -> State:
    """Return the state before the last; at the first step the last."""
    return states[-2] if len(states) > 1 else states[-1]
