"""Faults of the spike: another one, or another derivative."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from refsast.arrays import Array
from refsast.autodiff import stop_gradient, straight_through
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.faults.fault import (
    Change,
    Fault,
    alter,
)
from refsast.crosscheck.general.plan import Plan, change_layer
from refsast.model.spike import first_derivative
from refsast.model.surrogate import Algebraic, Arctan, FastSigmoid, Logistic, PiecewiseQuadratic

SPIKES = (Arctan, Logistic, Algebraic, FastSigmoid, PiecewiseQuadratic)


def spike_faults() -> Iterator[Fault]:
    """Yield other spikes and other derivatives."""

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
        return change_layer(plan, i, neuron=alter(neuron, spike=spike))

    return change


def _scale_derivative(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
    neuron = plan.layers[i].neuron
    right = first_derivative(case.network.neurons[i].spike)
    forward = neuron.spike
    spike = straight_through(
        lambda v: np.asarray(stop_gradient(forward(v))), lambda v: value * right(v)
    )
    return change_layer(plan, i, neuron=alter(neuron, spike=spike))


FORMS: dict[str, Callable[[Any, float], Any]] = {
    "of a box of half-width 1/k, height k/2": lambda v, k: 0.5 * k * (abs(v) * k < 1.0),
    "of a box of half-width 1/k, height 1": lambda v, k: 1.0 * (abs(v) * k < 1.0),
    "of a triangle max(0, 1 - k|v|)": lambda v, k: np.maximum(0.0, 1.0 - k * abs(v)),
    "of a Gaussian exp(-(k v)^2/2)": lambda v, k: np.exp(-0.5 * (k * v) ** 2),
    "1/(1 + k|v|)^2": lambda v, k: 1.0 / (1.0 + k * abs(v)) ** 2,
    "1/(1 + (k v)^2)": lambda v, k: 1.0 / (1.0 + (k * v) ** 2),
}


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
        return change_layer(plan, i, neuron=alter(neuron, spike=spike))

    return change
