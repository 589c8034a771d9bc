"""Faults of a synapse."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from refsast.arrays import Array
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.faults.detached import earlier_state
from refsast.crosscheck.diagnose.faults.fault import (
    Change,
    Fault,
    Step,
    alter,
    alter_part,
    change_neuron,
    change_step,
    last_state,
    step_with_currents,
)
from refsast.crosscheck.general.plan import Numbers
from refsast.model.glif import GLIF, as_glif
from refsast.model.glif_step import State, filter_current
from refsast.model.synapse import Alpha, Synapse


def synapse_faults() -> Iterator[Fault]:
    """Yield faults of the synapse."""
    yield Fault(
        "no synapse", "without the synapse",
        change_neuron(
            lambda n, _: None if n.synapse is None else alter(n, synapse=None, synapse_leak=None)
        ),
    )  # fmt: skip
    yield Fault(
        "synaptic current one step later or earlier",
        "with the synaptic current of the other step: delayed where it is not, or not where it is",
        _on_synapse(Synapse, delayed=lambda synapse, _: not synapse.delayed),
    )
    yield Fault(
        "synaptic current one step later", "with the synaptic current delayed by a step",
        _on_alpha(lambda synapse, states, h: states[-1].i),
    )  # fmt: skip
    yield Fault(
        "first stage of the synapse read",
        "with the first stage of the synapse read, not the second",
        _on_alpha(lambda synapse, states, h: states[-1].h if synapse.delayed else h),
    )  # fmt: skip
    yield Fault(
        "difference of currents",
        "with the difference of two exponential currents in place of the synapse's",
        _on_alpha(_difference),
    )
    yield Fault(
        "synaptic current reset", "with the synaptic current silenced by a spike",
        _change_step(_has_synapse, _forget_current),
    )  # fmt: skip
    yield Fault(
        "synaptic current times 1 - leak",
        "with the synapse's input multiplied by one minus its leak",
        _change_step(_is_exponential, _scale_current),
    )  # fmt: skip
    yield Fault(
        "leaks exchanged", "with the leaks of potential and synapse exchanged",
        _change_step(_is_exponential, _exchange_leaks),
    )  # fmt: skip
    for kind, names in ((Synapse, ("scale",)), (Alpha, ("scale", "rise", "decay"))):
        for name in names:
            yield Fault(
                f"synapse's {name}",
                f"with the synapse's {name} {{value}} in place of {{right}}",
                _on_synapse(kind, **{name: lambda synapse, value: value}),
                right=_synapse_number(kind, name),
                values=lambda case, i: (1.0, 0.0),
            )


def _on_synapse(kind: type, **changes: Callable[[Any, float], Any]) -> Change:
    def swap(neuron: GLIF, value: float) -> GLIF | None:
        if not isinstance(neuron.synapse, kind):
            return None
        synapse = neuron.synapse
        return alter_part(
            neuron, "synapse", **{n: make(synapse, value) for n, make in changes.items()}
        )

    return change_neuron(swap)


def _synapse_number(kind: type, name: str) -> Callable[[Case, int], float | None]:
    def right(case: Case, i: int) -> float | None:
        synapse = as_glif(case.network.neurons[i]).synapse
        return getattr(synapse, name) if isinstance(synapse, kind) else None

    return right


def _difference(synapse: Alpha, states: Sequence[State], h: Array) -> Array:
    """The difference of the exponential currents of both leaks: ``(rise - decay) i_{t-1}``."""
    before = earlier_state(states) if synapse.delayed else states[-1]
    return (synapse.rise - synapse.decay) * before.i


def _on_alpha(read: Callable[[Alpha, Sequence[State], Array], Array]) -> Change:
    """An `Alpha` of which something else is read: ``read(synapse, states, h)``."""

    def wrap(case: Case, i: int, value: float, inner: Step) -> Step | None:
        if not isinstance(as_glif(case.network.neurons[i]).synapse, Alpha):
            return None

        def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
            synapse = neuron.synapse
            if not isinstance(synapse, Alpha):  # another fault has left it out
                return inner(neuron, numbers, states, current)
            now, h, _ = filter_current(neuron, numbers, states[-1], current)
            drive = synapse.scale * read(synapse, states, h)
            return step_with_currents(inner, neuron, numbers, states, (now, h, drive))

        return step

    return change_step(wrap)


def _change_step(
    allowed: Callable[[GLIF], bool],
    change: Callable[[GLIF, Numbers, Sequence[State], Array], tuple[Any, ...]],
) -> Change:
    """What goes into a step is changed: ``(neuron, numbers, states, current)``."""

    def wrap(case: Case, i: int, value: float, inner: Step) -> Step | None:
        if not allowed(as_glif(case.network.neurons[i])):
            return None
        return lambda *args: inner(*change(*args))

    return change_step(wrap)


def _forget_current(
    neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array
) -> tuple[Any, ...]:
    """A spike silences the current of the synapse, too."""
    last, kept = states[-1], 1.0 - states[-1].s
    return neuron, numbers, last_state(states, i=kept * last.i, h=kept * last.h), current


def _scale_current(
    neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array
) -> tuple[Any, ...]:
    return neuron, numbers, states, (1.0 - numbers["synapse_leak"]) * current


def _exchange_leaks(
    neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array
) -> tuple[Any, ...]:
    leak, other = numbers["leak"], numbers["synapse_leak"]
    return neuron, {**numbers, "leak": other, "synapse_leak": leak}, states, current


def _has_synapse(neuron: GLIF) -> bool:
    return neuron.synapse is not None


def _is_exponential(neuron: GLIF) -> bool:
    return isinstance(neuron.synapse, Synapse)
