"""Faults of a neuron: its numbers, its state, its reset, its synapse, its adaptation."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refsast.arrays import Array
from refsast.autodiff import stop_gradient, straight_through
from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.general.fault import (
    Change,
    Fault,
    Step,
    backward_as,
    change_neuron,
    change_step,
    last_state,
    shift_to,
    with_adaptation,
    with_reset,
    with_synapse,
)
from refsast.crosscheck.general.plan import Numbers, Plan, change_layer
from refsast.model.glif import GLIF, as_glif, numbers_of
from refsast.model.glif_step import State
from refsast.model.learned import SIGMOID, Learned, resolve_back
from refsast.model.params import Layer
from refsast.model.reset import RESETS
from refsast.model.spike import first_derivative, heaviside
from refsast.model.surrogate import Algebraic, Arctan, FastSigmoid, Logistic, PiecewiseQuadratic
from refsast.model.synapse import Alpha, Synapse

SPIKES = (Arctan, Logistic, Algebraic, FastSigmoid, PiecewiseQuadratic)
RESET_WORDS = {
    "zero": "to zero",
    "subtract": "by subtraction, after the leak",
    "subtract-leaked": "by subtraction, before the leak",
    "none": "left out",
}
NUMBER_WORDS = {
    "leak": "leak",
    "threshold": "threshold",
    "synapse_leak": "synapse's leak",
    "start": "potential at the start",
}


def neuron_faults() -> Iterator[Fault]:
    """Yield the faults of a neuron."""
    yield from _detached_faults()
    yield from _reset_faults()
    yield from _number_faults()
    yield from _spike_faults()
    yield from _synapse_faults()
    yield from _adaptation_faults()
    yield from _recurrent_faults()
    for name in NUMBER_WORDS:
        yield from _learned_faults(name)


def _detach(*names: str) -> Change:
    """What a step sees of these fields of the state before is a constant."""

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


def _detached_faults() -> Iterator[Fault]:
    def fault(name: str, says: str, change: Change) -> Fault:
        return Fault(name, says, change, backward=True)

    yield fault(
        "reset detached", "with the reset detached",
        change_neuron(lambda n, _: None if n.detach_reset else replace(n, detach_reset=True)),
    )  # fmt: skip
    yield fault(
        "reset not detached", "with the gradient through the reset kept",
        change_neuron(lambda n, _: replace(n, detach_reset=False) if n.detach_reset else None),
    )  # fmt: skip
    yield fault(
        "state detached", "with the state detached (truncated BPTT)",
        _detach("u", "s", "i", "h", "a", "past"),
    )  # fmt: skip
    yield fault(
        "potential detached", "with the potential of the step before detached", _detach("u")
    )
    yield fault(
        "synapse detached", "with the synaptic current of the step before detached",
        _detach("i", "h"),
    )  # fmt: skip
    yield fault("refractory time detached", "with the refractory factor detached", _detach("past"))


class _Seen:
    """A reset that looks at another spike than the one it is handed."""

    def __init__(self, reset: Callable[..., Array], s: Array) -> None:
        self.reset, self.s = reset, s

    def __call__(self, leak: float, threshold: float, u: Array, s: Array) -> Array:
        return self.reset(leak, threshold, u, self.s)


def _see_spikes(
    by_reset: Callable[[GLIF, Numbers, Sequence[State]], Array] | None = None,
    by_adaptation: Callable[[Sequence[State]], Array] | None = None,
) -> Change:
    """Reset and adaptation look at other spikes than those of the step before."""

    def wrap(case: Case, i: int, value: float, inner: Step) -> Step | None:
        if by_reset is None and as_glif(case.network.neurons[i]).adaptation is None:
            return None

        def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
            s = states[-1].s if by_reset is None else by_reset(neuron, numbers, states)
            s = stop_gradient(s) if neuron.detach_reset else s
            other = with_reset(neuron, _Seen(neuron.reset, s))
            if by_adaptation is not None:
                states = last_state(states, s=by_adaptation(states))
            return inner(other, numbers, states, current)

        return step

    return change_step(wrap)


def _earlier(states: Sequence[State]) -> State:
    return states[-2] if len(states) > 1 else states[-1]


def _hard_spike(neuron: GLIF, numbers: Numbers, states: Sequence[State]) -> Array:
    return heaviside(stop_gradient(states[-1].s) - 0.5)


def _swap_reset(name: str) -> Change:
    def swap(neuron: GLIF, _: float) -> GLIF | None:
        return None if neuron.reset == RESETS[name] else replace(neuron, reset=RESETS[name])

    return change_neuron(swap)


def _reset_faults() -> Iterator[Fault]:
    for name, words in RESET_WORDS.items():
        yield Fault(f"reset {words}", f"with the reset {words}", _swap_reset(name))
    yield Fault(
        "reset one step late", "with the reset one step later",
        _see_spikes(lambda n, c, states: _earlier(states).s),
    )  # fmt: skip
    yield Fault(
        "hard spike in the reset",
        "with the hard spike in the reset alone",
        _see_spikes(_hard_spike),
    )
    yield Fault(
        "reset by the raised threshold", "with the raised threshold subtracted by the reset",
        change_step(_subtract_raised),
    )  # fmt: skip
    for name, of in (("leak", "leak"), ("threshold", "threshold")):
        yield Fault(
            f"{name} detached in the reset",
            f"with the gradient of the learned {of} without its path through the reset",
            change_step(_detach_number_in_reset(name)),
            backward=True,
        )
    yield Fault(
        "threshold detached in the spike",
        "with the gradient of the learned threshold through the reset alone",
        change_step(_detach_threshold_in_spike),
        backward=True,
    )
    yield Fault(
        "reset's factor detached for the leak",
        "with the gradient of the learned leak without the reset's factor 1 - s",
        change_step(_leak_without_factor),
        backward=True,
    )


def _subtract_raised(case: Case, i: int, value: float, inner: Step) -> Step | None:
    adaptation = as_glif(case.network.neurons[i]).adaptation
    if adaptation is None:
        return None

    def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
        raised = numbers["threshold"] + adaptation.strength * states[-1].a

        def reset(leak: float, threshold: float, u: Array, s: Array) -> Array:
            return neuron.reset(leak, raised, u, s)  # pyright: ignore[reportArgumentType]

        return inner(with_reset(neuron, reset), numbers, states, current)

    return step


def _learns(case: Case, i: int, name: str) -> bool:
    return getattr(case.params[i], name) is not None


def _detach_number_in_reset(name: str) -> Callable[[Case, int, float, Step], Step | None]:
    def wrap(case: Case, i: int, value: float, inner: Step) -> Step | None:
        if not _learns(case, i, name):
            return None

        def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
            def reset(leak: Any, threshold: Any, u: Array, s: Array) -> Array:
                cut = {"leak": leak, "threshold": threshold}
                cut[name] = stop_gradient(cut[name])
                return neuron.reset(cut["leak"], cut["threshold"], u, s)

            return inner(with_reset(neuron, reset), numbers, states, current)

        return step

    return wrap


def _detach_threshold_in_spike(case: Case, i: int, value: float, inner: Step) -> Step | None:
    if not _learns(case, i, "threshold"):
        return None

    def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
        def reset(leak: Any, threshold: Any, u: Array, s: Array) -> Array:
            return neuron.reset(leak, numbers["threshold"], u, s)

        cut = {**numbers, "threshold": stop_gradient(numbers["threshold"])}
        return inner(with_reset(neuron, reset), cut, states, current)

    return step


def _leak_without_factor(case: Case, i: int, value: float, inner: Step) -> Step | None:
    if not _learns(case, i, "leak"):
        return None

    def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
        def reset(leak: Any, threshold: Any, u: Array, s: Array) -> Array:
            path = leak * stop_gradient(u)
            return neuron.reset(stop_gradient(leak), threshold, u, s) + (path - stop_gradient(path))

        return inner(with_reset(neuron, reset), numbers, states, current)

    return step


def _set_number(name: str, *, backward: bool = False) -> Change:
    def wrap(case: Case, i: int, value: float, inner: Step) -> Step | None:
        if name not in numbers_of(as_glif(case.network.neurons[i])):
            return None

        def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
            return inner(neuron, {**numbers, name: shift_to(numbers[name], value)}, states, current)

        return step

    return change_step(wrap)


def number_at(case: Case, i: int, name: str) -> Array | None:
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
        number = number_at(case, i, name)
        return None if number is None or number.ndim else float(number)

    return right


def _mix_numbers(name: str, mix: Callable[[Array], Array]) -> Change:
    """Other numbers per neuron, of those that there are; they keep their gradients."""

    def wrap(case: Case, i: int, value: float, inner: Step) -> Step | None:
        number = number_at(case, i, name)
        if number is None or number.ndim == 0:
            return None
        other = mix(number)

        def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
            mixed = numbers[name] + (other - number)
            return inner(neuron, {**numbers, name: mixed}, states, current)

        return step

    return change_step(wrap)


MIXES: dict[str, Callable[[Array], Array]] = {
    "the mean of all neurons'": lambda a: np.full(a.shape, a.mean()),
    "that of the first neuron": lambda a: np.full(a.shape, a[0]),
    "those of the neurons in reversed order": lambda a: a[::-1],
    "that of the neuron before": lambda a: np.roll(a, 1),
}


def _other_layers(name: str) -> Callable[[Case, int], Sequence[float]]:
    """Usual values of a number, and those of other layers."""

    def values(case: Case, i: int) -> list[float]:
        number = number_at(case, i, name)
        if number is None or number.ndim:
            return []
        own = float(number)
        others = [_single(name)(case, j) for j in range(case.network.depth)]
        usual = [1.0 - own, 1.0, 0.0, 0.5] if name != "threshold" else [1.0, 0.5, 0.0]
        return [v for v in (*others, *usual) if v is not None and v != own]

    return values


def _number_faults() -> Iterator[Fault]:
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
        "sigmoid left out", "with the learned leak's parameter taken for the leak itself",
        change_step(_skip_sigmoid),
    )  # fmt: skip
    yield Fault(
        "start ignored", "from a potential of zero, not from the one that is learned",
        change_step(_ignore_start),
    )  # fmt: skip


def _skip_sigmoid(case: Case, i: int, value: float, inner: Step) -> Step | None:
    learned = as_glif(case.network.neurons[i]).learned
    names = [n for n, each in learned.items() if each.sigmoid]
    if not names:
        return None

    def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
        logits = {n: -np.log(1.0 / numbers[n] - 1.0) for n in names}
        return inner(neuron, {**numbers, **logits}, states, current)

    return step


def _ignore_start(case: Case, i: int, value: float, inner: Step) -> Step | None:
    if case.params[i].start is None:
        return None

    def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
        if len(states) == 1:
            states = last_state(states, u=np.zeros(states[-1].u.shape))
        return inner(neuron, numbers, states, current)

    return step


def _slope_of(case: Case, i: int) -> float | None:
    return getattr(case.network.neurons[i].spike, "slope", None)


def _swap_spike(kind: Callable[[float], Any], *, backward: bool) -> Change:
    """Another smooth spike, with a slope; forward, too, or for the derivative alone."""

    def change(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        if not 1e-6 < value < 1e6:
            return None
        if case.hard and not backward:
            return None  # forward it is hard in any case
        neuron, other = plan.layers[i].neuron, kind(value)
        if backward:
            forward = neuron.spike
            spike = straight_through(
                lambda v: np.asarray(stop_gradient(forward(v))), other.derivative
            )
        else:
            spike = other
        return change_layer(plan, i, neuron=replace(neuron, spike=spike))

    return change


def _scale_derivative(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
    neuron = plan.layers[i].neuron
    right = first_derivative(case.network.neurons[i].spike)
    forward = neuron.spike
    spike = straight_through(
        lambda v: np.asarray(stop_gradient(forward(v))), lambda v: value * right(v)
    )
    return change_layer(plan, i, neuron=replace(neuron, spike=spike))


def _spike_forms(rule: Callable[[Array, float], Array]) -> Change:
    """A derivative by a formula of the distance from threshold and a slope."""

    def change(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        if not 1e-6 < value < 1e6:
            return None
        neuron = plan.layers[i].neuron
        forward = neuron.spike
        spike = straight_through(
            lambda v: np.asarray(stop_gradient(forward(v))), lambda v: rule(v, value)
        )
        return change_layer(plan, i, neuron=replace(neuron, spike=spike))

    return change


FORMS: dict[str, Callable[[Array, float], Array]] = {
    "of a box of half-width 1/k, height k/2": lambda v, k: 0.5 * k * (abs(v) * k < 1.0),
    "of a box of half-width 1/k, height 1": lambda v, k: 1.0 * (abs(v) * k < 1.0),
    "of a triangle max(0, 1 - k|v|)": lambda v, k: np.maximum(0.0, 1.0 - k * abs(v)),
    "of a Gaussian exp(-(k v)^2/2)": lambda v, k: np.exp(-0.5 * (k * v) ** 2),
    "1/(1 + k|v|)^2": lambda v, k: 1.0 / (1.0 + k * abs(v)) ** 2,
    "1/(1 + (k v)^2)": lambda v, k: 1.0 / (1.0 + (k * v) ** 2),
}


def _spike_faults() -> Iterator[Fault]:
    def usual(case: Case, i: int) -> list[float]:
        k = _slope_of(case, i) or 2.0
        return [k, 1.0, 2.0, 10.0, 25.0, 0.5 * k, 2.0 * k]

    for kind in SPIKES:
        name = kind.__name__
        for backward in (False, True):
            where = "backwards only" if backward else "forward and backward"
            yield Fault(
                f"{name} spike, {where}",
                f"with the spike {name}({{value}}) {where}",
                _swap_spike(kind, backward=backward),
                backward=backward,
                values=usual,
                right=lambda case, i: _slope_of(case, i) or 2.0,
            )
    for words, rule in FORMS.items():
        yield Fault(
            f"derivative {words}",
            f"with the spike's derivative {words}, k = {{value}}",
            _spike_forms(rule),
            backward=True,
            values=usual,
            right=lambda case, i: _slope_of(case, i) or 2.0,
        )
    yield Fault(
        "derivative scaled", "with the spike's derivative multiplied by {value}",
        _scale_derivative,
        backward=True,
        values=lambda case, i: (0.0, 2.0, 0.5, 1.0 / (_slope_of(case, i) or 2.0)),
        right=lambda case, i: 1.0,
    )  # fmt: skip


def _on_synapse(kind: type, **changes: Callable[[Any, float], Any]) -> Change:
    def swap(neuron: GLIF, value: float) -> GLIF | None:
        if not isinstance(neuron.synapse, kind):
            return None
        synapse = neuron.synapse
        return with_synapse(neuron, **{n: make(synapse, value) for n, make in changes.items()})

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
        plain = replace(neuron, synapse=None)
        state = inner(plain, numbers, states, alpha.scale * states[-1].i)
        h = alpha.rise * states[-1].h + current
        return replace(state, h=h, i=alpha.decay * states[-1].i + h)

    return step


def _synapse_faults() -> Iterator[Fault]:
    yield Fault(
        "no synapse", "without the synapse",
        change_neuron(
            lambda n, _: None if n.synapse is None else replace(n, synapse=None, synapse_leak=None)
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
    for kind, names in ((Synapse, ("scale",)), (Alpha, ("scale", "rise", "decay"))):
        for name in names:
            yield Fault(
                f"synapse's {name}",
                f"with the synapse's {name} {{value}} in place of {{right}}",
                _on_synapse(kind, **{name: lambda synapse, value: value}),
                right=_synapse_number(kind, name),
                values=lambda case, i: (1.0,),
            )


def _adaptation_number(name: str) -> Callable[[Case, int], float | None]:
    def right(case: Case, i: int) -> float | None:
        return getattr(as_glif(case.network.neurons[i]).adaptation, name, None)

    return right


def _on_adaptation(name: str) -> Change:
    return change_neuron(
        lambda n, value: None if n.adaptation is None else with_adaptation(n, **{name: value})
    )


def _detach_adaptation(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
    if plan.layers[i].neuron.adaptation is None:
        return None
    plan = _detach("a")(case, plan, i, value) or plan
    change = _see_spikes(by_adaptation=lambda states: stop_gradient(states[-1].s))
    return change(case, plan, i, value)


def _adaptation_faults() -> Iterator[Fault]:
    yield Fault(
        "no adaptation", "without the adaptation",
        change_neuron(lambda n, _: None if n.adaptation is None else replace(n, adaptation=None)),
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
        _detach("a"), backward=True,
    )  # fmt: skip
    yield Fault(
        "adaptation's spikes detached", "with the spikes that raise the threshold detached",
        _see_spikes(by_adaptation=lambda states: stop_gradient(states[-1].s)), backward=True,
    )  # fmt: skip
    yield Fault(
        "adaptation one step late", "with the adaptation one step later",
        _see_spikes(by_adaptation=lambda states: _earlier(states).s),
    )  # fmt: skip
    yield Fault(
        "refractory time", "with a refractory time of {value} in place of {right}",
        change_neuron(lambda n, value: replace(n, refractory=int(value))),
        values=lambda case, i: [
            float(k)
            for k in range(4)
            if k != as_glif(case.network.neurons[i]).refractory
        ],
    )  # fmt: skip


def _recurrent_with(change: Callable[[Array, Array], Array]) -> Change:
    def swap(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        if case.params[i].v is None:
            return None
        return change_layer(plan, i, recurrent=lambda layer, s: change(layer.v, s))

    return swap


def _recurrent_faults() -> Iterator[Fault]:
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


REDUCTIONS: dict[str, Callable[[Array], Array]] = {
    "of the last step alone": lambda p: p[-1:],
    "of the first step alone": lambda p: p[:1],
    "of the first recording alone": lambda p: p[:, :1],
    "of the last recording alone": lambda p: p[:, -1:],
    "averaged over steps": lambda p: p / p.shape[0],
    "averaged over recordings": lambda p: p / p.shape[1],
    "averaged over neurons": lambda p: p / p.shape[2],
    "averaged over steps and recordings": lambda p: p / (p.shape[0] * p.shape[1]),
    "averaged over recordings and neurons": lambda p: p / (p.shape[1] * p.shape[2]),
    "averaged over all axes": lambda p: p / p.size,
}
OF_NEURONS: dict[str, Callable[[Array], Array]] = {
    "of the first neuron alone": lambda p: p * (np.arange(p.shape[2]) == 0),
    "of the last neuron alone": lambda p: p * (np.arange(p.shape[2]) == p.shape[2] - 1),
    "summed over neurons": lambda p: np.broadcast_to(p.sum(axis=2, keepdims=True), p.shape),
}


def _reduce(name: str, reduction: Callable[[Array], Array]) -> Change:
    """The gradient of a learned number, from other terms than all."""

    def change(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        parameter = getattr(case.params[i], name)
        if parameter is None or name == "start":
            return None
        learned, inner = as_glif(case.network.neurons[i]).learned[name], plan.finish

        def finish(case: Case, answer: Answer, parts: Any) -> Answer:
            answer = inner(case, answer, parts)
            terms = reduction(parts[i, name]).sum(axis=(0, 1))
            return replace_grad(answer, i, name, resolve_back(learned, parameter, terms))

        return replace(plan, finish=finish, parts=True)

    return change


def replace_grad(answer: Answer, i: int, name: str, grad: Array | None) -> Answer:
    """Return an answer with another gradient of one array."""
    grads: list[Layer] = list(answer.grads)
    grads[i] = replace(grads[i], **{name: grad})
    return replace(answer, grads=tuple(grads))


def _without_sigmoid(name: str) -> Change:
    """The gradient of a learned number itself, not of the parameter before the sigmoid."""

    def change(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        learned = as_glif(case.network.neurons[i]).learned.get(name)
        if learned is None or not learned.sigmoid:
            return None
        inner = plan.finish

        def finish(case: Case, answer: Answer, parts: Any) -> Answer:
            answer = inner(case, answer, parts)
            slope = SIGMOID.derivative(getattr(case.params[i], name))
            return replace_grad(answer, i, name, getattr(answer.grads[i], name) / slope)

        return replace(plan, finish=finish)

    return change


def _learned_faults(name: str) -> Iterator[Fault]:
    words = f"the gradient of the learned {NUMBER_WORDS[name]}"
    for how, reduction in {**REDUCTIONS, **OF_NEURONS}.items():
        yield Fault(
            f"{words} {how}", f"with {words} {how}", _reduce(name, reduction), backward=True
        )
    yield Fault(
        f"{words} without the sigmoid's derivative",
        f"with {words} without the sigmoid's derivative",
        _without_sigmoid(name),
        backward=True,
    )
