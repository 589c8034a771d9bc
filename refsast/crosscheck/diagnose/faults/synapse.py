"""Faults of a synapse, of the adaptation, of the refractory time and of recurrence."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refsast.arrays import Array
from refsast.autodiff import stop_gradient, straight_through
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.faults.detached import detach, earlier_state, see_spikes
from refsast.crosscheck.diagnose.faults.fault import (
    Change,
    Fault,
    Step,
    alter,
    alter_part,
    backward_as,
    change_neuron,
    change_step,
    last_state,
)
from refsast.crosscheck.general.plan import Numbers, Plan, change_layer
from refsast.model.glif import GLIF, as_glif
from refsast.model.glif_step import State
from refsast.model.spike import first_derivative
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
        change_step(_delay_alpha),
    )  # fmt: skip
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


def _delay_alpha(case: Case, i: int, value: float, inner: Step) -> Step | None:
    if not isinstance(as_glif(case.network.neurons[i]).synapse, Alpha):
        return None

    def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
        alpha: Any = neuron.synapse
        plain = alter(neuron, synapse=None)
        state = inner(plain, numbers, states, alpha.scale * states[-1].i)
        h = alpha.rise * states[-1].h + current
        return replace(state, h=h, i=alpha.decay * states[-1].i + h)

    return step


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


def _slope_at_rest(case: Case, i: int, value: float, inner: Step) -> Step | None:
    """The spike's derivative at the threshold that is not raised."""
    if as_glif(case.network.neurons[i]).adaptation is None:
        return None
    slope = first_derivative(case.network.neurons[i].spike)

    def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
        adaptation, forward = neuron.adaptation, neuron.spike
        if adaptation is None:  # another fault has left it out
            return inner(neuron, numbers, states, current)
        a = adaptation.leak * states[-1].a + states[-1].s
        raised = stop_gradient(adaptation.strength * a)
        spike = straight_through(
            lambda v: np.asarray(stop_gradient(forward(v))), lambda v: slope(v + raised)
        )
        return inner(alter(neuron, spike=spike), numbers, states, current)

    return step


def adaptation_faults() -> Iterator[Fault]:
    """Yield faults of the adaptation and of the refractory time."""
    yield Fault(
        "no adaptation", "without the adaptation",
        change_neuron(lambda n, _: None if n.adaptation is None else alter(n, adaptation=None)),
    )  # fmt: skip
    for name in ("leak", "strength"):
        yield Fault(
            f"adaptation's {name}",
            f"with the adaptation's {name} {{value}} in place of {{right}}",
            _on_adaptation(name),
            right=_adaptation_number(name),
            values=lambda case, i: (1.0, 0.0),
        )
    yield Fault(
        "adaptation detached", "with the adaptation detached", _detach_adaptation, backward=True
    )
    yield Fault(
        "adaptation's past detached", "with the adaptation of the step before detached",
        detach("a"), backward=True,
    )  # fmt: skip
    yield Fault(
        "adaptation's spikes detached", "with the spikes that raise the threshold detached",
        see_spikes(by_adaptation=lambda states: stop_gradient(states[-1].s)), backward=True,
    )  # fmt: skip
    yield Fault(
        "adaptation one step late", "with the adaptation one step later",
        see_spikes(by_adaptation=lambda states: earlier_state(states).s),
    )  # fmt: skip
    yield Fault(
        "adaptation times 1 - leak", "with the adaptation's strength times one minus its leak",
        change_neuron(
            lambda n, _: None
            if n.adaptation is None
            else alter_part(
                n, "adaptation", strength=n.adaptation.strength * (1.0 - n.adaptation.leak)
            )
        ),
    )  # fmt: skip
    yield Fault(
        "derivative at rest", "with the spike's derivative at the threshold that is not raised",
        change_step(_slope_at_rest), backward=True,
    )  # fmt: skip
    yield Fault(
        "refractory time", "with a refractory time of {value}",
        change_neuron(lambda n, value: alter(n, refractory=int(value))),
        values=lambda case, i: [
            float(k)
            for k in range(4)
            if k != as_glif(case.network.neurons[i]).refractory
        ],
    )  # fmt: skip


def _adaptation_number(name: str) -> Callable[[Case, int], float | None]:
    def right(case: Case, i: int) -> float | None:
        return getattr(as_glif(case.network.neurons[i]).adaptation, name, None)

    return right


def _on_adaptation(name: str) -> Change:
    return change_neuron(
        lambda n, value: (
            None if n.adaptation is None else alter_part(n, "adaptation", **{name: value})
        )
    )


def _detach_adaptation(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
    if plan.layers[i].neuron.adaptation is None:
        return None
    plan = detach("a")(case, plan, i, value) or plan
    change = see_spikes(by_adaptation=lambda states: stop_gradient(states[-1].s))
    return change(case, plan, i, value)


def recurrent_faults() -> Iterator[Fault]:
    """Yield faults of the recurrent input."""
    yield Fault(
        "recurrence detached", "with the spikes that are fed back detached",
        _recurrent_with(lambda v, s: stop_gradient(s) @ v.T), backward=True,
    )  # fmt: skip
    yield Fault(
        "recurrent weights transposed", "with the recurrent weights transposed",
        _recurrent_with(lambda v, s: s @ v),
    )  # fmt: skip
    yield Fault(
        "no recurrence", "without recurrence", _recurrent_with(lambda v, s: 0.0 * (s @ v.T))
    )
    yield Fault(
        "recurrence without its diagonal", "without the recurrent weight of a neuron to itself",
        _recurrent_with(lambda v, s: s @ (v * (1.0 - np.eye(v.shape[0]))).T),
    )  # fmt: skip
    yield Fault(
        "recurrent weights transposed backwards", "with the recurrent weights transposed backwards",
        _recurrent_with(
            lambda v, s: backward_as(
                s @ v.T, stop_gradient(s) @ v.T + s @ stop_gradient(v)
            )
        ),
        backward=True,
    )  # fmt: skip


def _recurrent_with(change: Callable[[Array, Array], Array]) -> Change:
    def swap(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        if case.params[i].v is None:
            return None
        return change_layer(plan, i, recurrent=lambda layer, s: change(layer.v, s))

    return swap
