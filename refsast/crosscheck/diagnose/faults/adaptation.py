"""Faults of the adaptation and of the refractory time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

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
    step_with_currents,
)
from refsast.crosscheck.general.plan import Numbers, Plan
from refsast.model.glif import GLIF, as_glif
from refsast.model.glif_step import State, filter_current
from refsast.model.spike import first_derivative


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
            values=_adaptation_values(name),
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
    yield from _refractory_faults()


def _refractory_faults() -> Iterator[Fault]:
    yield Fault(
        "refractory time", "with a refractory time of {value}",
        change_neuron(lambda n, value: alter(n, refractory=int(value))),
        values=lambda case, i: [
            float(k)
            for k in range(4)
            if k != as_glif(case.network.neurons[i]).refractory
        ],
    )  # fmt: skip
    yield Fault(
        "refractory time ignored backwards", "with the refractory factor ignored backwards",
        change_step(_ignore_refractory), backward=True,
    )  # fmt: skip
    yield Fault(
        "refractory time holds the potential",
        "with the potential of the step before forgotten in the refractory time",
        change_step(_forget_potential),
    )  # fmt: skip
    yield Fault(
        "refractory time clamps the potential", "with the potential zero in the refractory time",
        change_step(_clamp_potential),
    )  # fmt: skip


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


def _ignore_refractory(case: Case, i: int, value: float, inner: Step) -> Step | None:
    if not as_glif(case.network.neurons[i]).refractory:
        return None

    def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
        past = states[-1].past
        free = inner(neuron, numbers, last_state(states, past=()), current)
        s = backward_as(_refrain(free.s, past), free.s)
        return replace(free, s=s, past=(s, *past)[: neuron.refractory])

    return step


def _refrain(a: Array, past: Sequence[Array]) -> Array:
    """What is left of anything in the refractory time."""
    for earlier in past:
        a = a * (1.0 - earlier)
    return a


def _forget_potential(case: Case, i: int, value: float, inner: Step) -> Step | None:
    if not as_glif(case.network.neurons[i]).refractory:
        return None

    def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
        def reset(leak: float, threshold: float, u: Array, s: Array) -> Array:
            return _refrain(neuron.reset(leak, threshold, u, s), states[-1].past)

        return inner(alter(neuron, reset=reset), numbers, states, current)

    return step


def _clamp_potential(case: Case, i: int, value: float, inner: Step) -> Step | None:
    if not as_glif(case.network.neurons[i]).refractory:
        return None

    def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
        def reset(leak: float, threshold: float, u: Array, s: Array) -> Array:
            return _refrain(neuron.reset(leak, threshold, u, s), states[-1].past)

        now, h, drive = filter_current(neuron, numbers, states[-1], current)
        drive = _refrain(drive, states[-1].past)
        changed = alter(neuron, reset=reset)
        return step_with_currents(inner, changed, numbers, states, (now, h, drive))

    return step


def _adaptation_number(name: str) -> Callable[[Case, int], float | None]:
    def right(case: Case, i: int) -> float | None:
        return getattr(as_glif(case.network.neurons[i]).adaptation, name, None)

    return right


def _adaptation_values(name: str) -> Callable[[Case, int], tuple[float, ...]]:
    def values(case: Case, i: int) -> tuple[float, ...]:
        right = _adaptation_number(name)(case, i)
        return (1.0, 0.0) if right is None else (1.0, 0.0, -right)

    return values


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
