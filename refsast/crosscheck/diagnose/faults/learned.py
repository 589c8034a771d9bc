"""Faults of the gradients of learned numbers: paths left out, terms summed over too few axes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refsast.arrays import Array
from refsast.autodiff import stop_gradient
from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.diagnose.faults.detached import detach
from refsast.crosscheck.diagnose.faults.fault import (
    Change,
    Fault,
    Step,
    alter,
    change_neuron,
    change_step,
    replace_grad,
    step_with_currents,
)
from refsast.crosscheck.diagnose.faults.numbers import NUMBER_WORDS, learns
from refsast.crosscheck.general.plan import Numbers, Plan, solve_plan
from refsast.model.glif import GLIF, as_glif
from refsast.model.glif_step import State, filter_current
from refsast.model.learned import SIGMOID, resolve_back
from refsast.model.synapse import Synapse


def learned_faults(name: str) -> Iterator[Fault]:
    """Yield faults of the gradient of one learned number."""
    words = f"the gradient of the learned {NUMBER_WORDS[name]}"
    reductions = {**REDUCTIONS, **OF_NEURONS}
    changes = {how: _reduce((name,), reduction) for how, reduction in reductions.items()}
    changes["without the sigmoid's derivative"] = _without_sigmoid(name)
    after = "summed over neurons, after the sigmoid's derivative"
    changes[after] = _change_sigmoid(name, _sum_parameters)
    for how, change in changes.items():
        yield Fault(
            f"{words} {how}", f"with {words} {how}", change, backward=True, local=(name,)
        )  # fmt: skip
    yield Fault(
        f"{words} {after}, in all layers", f"with {words} {after}, in all layers",
        _sum_with_and_without_sigmoid(name), backward=True, layered=False,
    )  # fmt: skip


def all_learned_faults() -> Iterator[Fault]:
    """Yield faults of the gradients of all learned numbers of a layer alike."""
    words = "the gradients of all learned numbers"
    for how, reduction in {**REDUCTIONS, **OF_NEURONS}.items():
        yield Fault(
            f"{words} {how}", f"with {words} (leak, threshold, synapse's leak) {how}",
            _reduce(REDUCED, reduction), backward=True, local=REDUCED,
        )  # fmt: skip


def alone_faults() -> Iterator[Fault]:
    """Yield gradients of learned numbers for which alone something is detached."""
    for name in ("leak", "threshold", "synapse_leak"):
        for what, change in (
            ("reset", change_neuron(_detach_reset)),
            ("state", detach("u", "s", "i", "h", "a", "past")),
            ("potential", detach("u")),
        ):
            for everywhere in (False, True):
                where = "in all layers" if everywhere else "there"
                yield Fault(
                    f"{what} detached for the {name} alone, {where}",
                    f"with the {what} detached {where} for the gradient of the learned "
                    f"{NUMBER_WORDS[name]} alone",
                    _alone(name, change, everywhere=everywhere),
                    backward=True,
                    local=(name,),
                )


def _detach_reset(neuron: GLIF, _: float) -> GLIF | None:
    return None if neuron.detach_reset else alter(neuron, detach_reset=True)


def _alone(name: str, change: Change, *, everywhere: bool) -> Change:
    """The gradient of a learned number from another computation, all else from the right one."""

    def apply(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        if not learns(case, i, name) or (everywhere and case.network.depth == 1):
            return None
        other: Plan | None = plan
        for layer in range(case.network.depth) if everywhere else (i,):
            other = None if other is None else change(case, other, layer, 1.0)
        if other is None:
            return None
        inner, wrong = plan.finish, other

        def finish(asked: Case, answer: Answer, parts: Any) -> Answer:
            grad = getattr(solve_plan(asked, wrong).grads[i], name)
            return replace_grad(inner(asked, answer, parts), i, name, grad)

        return replace(plan, finish=finish)

    return apply


def path_faults() -> Iterator[Fault]:
    """Yield gradients of learned numbers that miss a path."""
    for name, of in (("leak", "leak"), ("threshold", "threshold")):
        yield Fault(
            f"{name} detached in the reset",
            f"with the gradient of the learned {of} without its path through the reset",
            change_step(_detach_number_in_reset(name)),
            backward=True,
            local=(name,),
        )
    yield Fault(
        "threshold detached in the spike",
        "with the gradient of the learned threshold through the reset alone",
        change_step(_detach_threshold_in_spike),
        backward=True,
        local=("threshold",),
    )
    yield Fault(
        "reset's factor detached for the leak",
        "with the gradient of the learned leak without the reset's factor 1 - s",
        change_step(_leak_without_factor),
        backward=True,
        local=("leak",),
    )
    yield Fault(
        "synapse's leak without recurrence",
        "with the gradient of the synapse's leak without its way through earlier currents",
        change_step(_synapse_leak_alone),
        backward=True,
        local=("synapse_leak",),
    )


def _detach_number_in_reset(name: str) -> Callable[[Case, int, float, Step], Step | None]:
    def wrap(case: Case, i: int, value: float, inner: Step) -> Step | None:
        if not learns(case, i, name):
            return None

        def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
            def reset(leak: Any, threshold: Any, u: Array, s: Array) -> Array:
                cut = {"leak": leak, "threshold": threshold}
                cut[name] = stop_gradient(cut[name])
                return neuron.reset(cut["leak"], cut["threshold"], u, s)

            return inner(alter(neuron, reset=reset), numbers, states, current)

        return step

    return wrap


def _detach_threshold_in_spike(case: Case, i: int, value: float, inner: Step) -> Step | None:
    if not learns(case, i, "threshold"):
        return None

    def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
        def reset(leak: Any, threshold: Any, u: Array, s: Array) -> Array:
            return neuron.reset(leak, numbers["threshold"], u, s)

        cut = {**numbers, "threshold": stop_gradient(numbers["threshold"])}
        return inner(alter(neuron, reset=reset), cut, states, current)

    return step


def _leak_without_factor(case: Case, i: int, value: float, inner: Step) -> Step | None:
    if not learns(case, i, "leak"):
        return None

    def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
        def reset(leak: Any, threshold: Any, u: Array, s: Array) -> Array:
            path = leak * stop_gradient(u)
            cut: Any = stop_gradient(leak)
            return neuron.reset(cut, threshold, u, s) + (path - stop_gradient(path))

        return inner(alter(neuron, reset=reset), numbers, states, current)

    return step


def _synapse_leak_alone(case: Case, i: int, value: float, inner: Step) -> Step | None:
    """Each step's current as if that of the step before did not depend on the leak."""
    if not learns(case, i, "synapse_leak"):
        return None

    def step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
        leak, synapse = numbers["synapse_leak"], neuron.synapse
        if not isinstance(synapse, Synapse):  # another fault has left it out
            return inner(neuron, numbers, states, current)
        fixed = {**numbers, "synapse_leak": stop_gradient(leak)}
        now, h, drive = filter_current(neuron, fixed, states[-1], current)
        seen = states[-2:-1] if synapse.delayed else states[-1:]
        for state in seen:
            drive = drive + synapse.scale * (leak - stop_gradient(leak)) * stop_gradient(state.i)
        return step_with_currents(inner, neuron, numbers, states, (now, h, drive))

    return step


REDUCED = ("leak", "threshold", "synapse_leak")
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


def _reduce(names: Sequence[str], reduction: Callable[[Array], Array]) -> Change:
    """The gradients of learned numbers, one or several, from other terms than all."""

    def change(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        found = [name for name in names if name != "start" and learns(case, i, name)]
        if len(found) < min(2, len(names)):
            return None
        learned, inner = as_glif(case.network.neurons[i]).learned, plan.finish

        def finish(case: Case, answer: Answer, parts: Any) -> Answer:
            answer = inner(case, answer, parts)
            for name in found:
                terms = reduction(parts[i, name]).sum(axis=(0, 1))
                grad = resolve_back(learned[name], getattr(case.params[i], name), terms)
                answer = replace_grad(answer, i, name, grad)
            return answer

        return replace(plan, finish=finish, parts=True)

    return change


def _without_sigmoid(name: str) -> Change:
    """The gradient of a learned number itself, not of the parameter before the sigmoid."""
    return _change_sigmoid(name, lambda grad, parameter: grad / SIGMOID.derivative(parameter))


def _sum_parameters(grad: Array, parameter: Array) -> Array:
    """The sum of all neurons' gradients for each."""
    return np.full(grad.shape, grad.sum())


def _sum_with_and_without_sigmoid(name: str) -> Change:
    """The sum in all layers, of which some have a sigmoid, which makes it another sum."""

    def change(case: Case, plan: Plan, _: int, value: float) -> Plan | None:
        layers = [as_glif(neuron).learned.get(name) for neuron in case.network.neurons]
        learned = {i: each.sigmoid for i, each in enumerate(layers) if each is not None}
        if set(learned.values()) != {False, True}:
            return None
        for i in learned:
            plan = _replace_gradient(plan, i, name, _sum_parameters)
        return plan

    return change


def _change_sigmoid(name: str, new: Callable[[Array, Array], Array]) -> Change:
    """The gradient of the parameter before a sigmoid: ``new(gradient, parameter)``."""

    def change(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        learned = as_glif(case.network.neurons[i]).learned.get(name)
        if learned is None or not learned.sigmoid:
            return None
        return _replace_gradient(plan, i, name, new)

    return change


def _replace_gradient(plan: Plan, i: int, name: str, new: Callable[[Array, Array], Array]) -> Plan:
    """A plan at whose end one gradient is ``new(gradient, parameter)``."""
    inner = plan.finish

    def finish(case: Case, answer: Answer, parts: Any) -> Answer:
        answer = inner(case, answer, parts)
        grad = new(getattr(answer.grads[i], name), getattr(case.params[i], name))
        return replace_grad(answer, i, name, grad)

    return replace(plan, finish=finish)
