"""Faults of the recurrent input."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from refsast.arrays import Array
from refsast.autodiff import stop_gradient
from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.diagnose.faults.fault import (
    Change,
    Fault,
    backward_as,
    replace_grad,
)
from refsast.crosscheck.general.plan import Plan, change_layer


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
    for words, moved in {"the same step": 0, "two steps before": 2}.items():
        yield Fault(
            f"recurrent weights' gradient by the spikes of {words}",
            f"with the gradient of the recurrent weights by the spikes of {words}, "
            "not of the step before",
            _recurrent_by(moved), backward=True, local=("v",),
        )  # fmt: skip


def _recurrent_by(moved: int) -> Change:
    """The gradient of the recurrent weights by the spikes of another step than that before."""

    def change(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        if case.params[i].v is None:
            return None
        inner = plan.finish

        def finish(case: Case, answer: Answer, parts: Any) -> Answer:
            assert answer.s is not None
            s, g = answer.s[i], parts[i, "current"]
            seen = s[: len(s) - moved], g[moved:]
            grad = np.einsum("tbj,tbi->ij", *seen)
            return replace_grad(inner(case, answer, parts), i, "v", grad)

        return replace(plan, finish=finish, parts=True)

    return change


def _recurrent_with(change: Callable[[Array, Array], Array]) -> Change:
    def swap(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        if case.params[i].v is None:
            return None
        return change_layer(plan, i, recurrent=lambda layer, s: change(layer.v, s))

    return swap
