"""Faults of the loss: sums and means, steps, wanted rates, labels, the order of the input."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refsast.arrays import Array, Integers
from refsast.autodiff import stop_gradient
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.faults.fault import Change, Fault
from refsast.crosscheck.diagnose.faults.readout import change_network, readout_faults
from refsast.crosscheck.general.plan import Plan
from refsast.model.glif_step import State
from refsast.model.loss import CrossEntropy, MeanSquaredRate, StepCrossEntropy, cross_entropy
from refsast.model.network import Network
from refsast.model.objective import objective, step_logits
from refsast.model.params import Params
from refsast.model.readout import LastPotential, MaxPotential, SpikeRate


def loss_faults() -> Iterator[Fault]:
    """Yield the faults of readout and loss."""
    yield from readout_faults()
    yield from _step_faults()
    yield from _square_faults()
    yield from _label_faults()


def _fault(name: str, says: str, change: Change, **more: Any) -> Fault:
    """A fault that belongs to no layer."""
    return Fault(name, says, change, layered=False, **more)


def _step_faults() -> Iterator[Fault]:
    yield _fault(
        "loss summed over steps", "with the loss summed over steps, not averaged",
        scale_loss(lambda case: float(len(case.x)) if _is_step_loss(case) else None),
    )  # fmt: skip
    yield _fault(
        "loss summed over recordings", "with the loss summed over recordings, not averaged",
        scale_loss(lambda case: float(len(case.y))),
    )  # fmt: skip
    yield _fault(
        "loss summed over steps and recordings",
        "with the loss summed over steps and recordings, not averaged",
        scale_loss(lambda case: float(len(case.x) * len(case.y)) if _is_step_loss(case) else None),
    )
    yield _fault(
        "loss averaged over steps once more", "with the loss divided by the number of steps",
        scale_loss(lambda case: 1.0 / len(case.x)),
    )  # fmt: skip
    yield _fault(
        "loss averaged over recordings once more",
        "with the loss divided by the number of recordings",
        scale_loss(lambda case: 1.0 / len(case.y)),
    )
    yield _fault(
        "loss multiplied", "with the loss multiplied by {value}", _multiply_loss,
        right=lambda case, i: 1.0, values=lambda case, i: (),
    )  # fmt: skip
    yield _fault(
        "loss of every step", "with the cross entropy of every step, averaged",
        _on_steps(_step_entropy),
    )  # fmt: skip
    yield _fault(
        "loss of every step, summed", "with the cross entropy of every step, summed over steps",
        _on_steps(lambda z, y: z.shape[0] * _step_entropy(z, y)),
    )  # fmt: skip
    yield _fault(
        "loss of the mean over steps", "with the cross entropy of the mean over steps",
        _on_steps(lambda z, y: cross_entropy(np.mean(z, axis=0), y)),
    )  # fmt: skip
    yield _fault(
        "loss of the sum over steps", "with the cross entropy of the sum over steps",
        _on_steps(lambda z, y: cross_entropy(np.sum(z, axis=0), y)),
    )  # fmt: skip
    yield _fault(
        "loss of the last step", "with the cross entropy of the last step alone",
        _on_steps(lambda z, y: cross_entropy(z[-1], y)),
    )  # fmt: skip


def _square_faults() -> Iterator[Fault]:
    yield _fault(
        "squared rates summed over classes", "with the squared distances summed over classes",
        _scale_squares(lambda case: float(case.network.classes)),
    )  # fmt: skip
    yield _fault(
        "squared counts", "with spike counts in place of rates in the squared distance",
        _scale_squares(lambda case: float(len(case.x)) ** 2),
    )  # fmt: skip
    yield _fault(
        "squared counts over steps", "with the squared distance of rates multiplied by the steps",
        _scale_squares(lambda case: float(len(case.x))),
    )  # fmt: skip
    for words, factor in WHOLE_COUNTS.items():
        yield _fault(
            f"whole counts wanted, {words}",
            f"with wanted spike counts that are rounded down to whole spikes, and {words}",
            _want_whole_counts(factor),
        )  # fmt: skip
    yield _fault(
        "half of the squares", "with half of the squared distance",
        _scale_squares(lambda case: 0.5),
    )  # fmt: skip
    for name in ("right", "wrong"):
        yield _fault(
            f"rate wanted of the {name} class",
            f"with a wanted rate of the {name} class of {{value}} in place of {{right}}",
            _set_wanted(name),
            right=lambda case, i, name=name: getattr(case.network.loss, name, None),
            values=lambda case, i: (0.0, 1.0),
        )
    yield _fault(
        "cross entropy in place of squares", "with the cross entropy of the logits as the loss",
        _other_loss(CrossEntropy()),
    )  # fmt: skip
    yield _fault(
        "rates wanted exchanged", "with the wanted rates of right and wrong classes exchanged",
        change_network(_swap_wanted),
    )  # fmt: skip
    yield _fault(
        "rates wanted 1 and 0", "with wanted rates of 1 for the right class, 0 for the others",
        change_network(_usual_wanted),
    )  # fmt: skip


def _other_loss(loss: Any) -> Change:
    return change_network(lambda n, case, value: replace(n, loss=loss))


def _on_steps(make: Callable[[Array, Integers], Array]) -> Change:
    """A loss of what the readout says at every step: ``make(z, y)``, z (time, batch, classes)."""

    def change(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        if isinstance(case.network.readout, LastPotential | MaxPotential):
            return None
        if isinstance(case.network.loss, MeanSquaredRate):
            return None

        def loss(
            network: Network, params: Params, states: Sequence[State], s: Array, y: Integers
        ) -> Array:
            return make(step_logits(network, params, s), y)

        return replace(plan, objective=loss)

    return change


def _step_entropy(z: Array, y: Integers) -> Array:
    time, batch, classes = z.shape
    return cross_entropy(z.reshape(time * batch, classes), np.tile(y, time))


def scale_loss(factor: Callable[[Case], float | None]) -> Change:
    """Return the change that multiplies the loss, and with it the gradient."""

    def change(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        by = factor(case)
        return None if by is None or by == 1.0 else _multiply_loss(case, plan, i, by)

    return change


def _multiply_loss(case: Case, plan: Plan, i: int, value: float) -> Plan:
    """The same with a number of any value."""
    inner = plan.objective

    def loss(network: Network, params: Params, states: Any, s: Array, y: Any) -> Array:
        return value * inner(network, params, states, s, y)

    return replace(plan, objective=loss)


def _scale_squares(factor: Callable[[Case], float]) -> Change:
    return scale_loss(
        lambda case: factor(case) if isinstance(case.network.loss, MeanSquaredRate) else None
    )


# By what mean squared distances of rates are multiplied, of the steps and neurons of a class.
WHOLE_COUNTS: dict[str, Callable[[int, int], float]] = {
    "squared distances of rates": lambda steps, n: 1.0,
    "squared distances of counts over the number of steps": lambda steps, n: steps * n**2,
    "squared distances of counts": lambda steps, n: (steps * n) ** 2,
}


def _want_whole_counts(factor: Callable[[int, int], float]) -> Change:
    """Wanted rates that are whole numbers of spikes; snnTorch's `mse_count_loss` has ``int()``."""

    def change(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        network, steps = case.network, len(case.x)
        loss, readout = network.loss, network.readout
        if not isinstance(loss, MeanSquaredRate) or not isinstance(readout, SpikeRate):
            return None
        most = steps * readout.population
        whole = MeanSquaredRate(*(int(most * rate) / most for rate in (loss.right, loss.wrong)))
        other, by = replace(network, loss=whole), factor(steps, readout.population)
        return replace(
            plan,
            objective=lambda network, params, states, s, y: by * objective(other, params, s, y),
        )

    return change


def _is_step_loss(case: Case) -> bool:
    return isinstance(case.network.loss, StepCrossEntropy)


def _set_wanted(name: str) -> Change:
    def swap(network: Network, case: Case, value: float) -> Network | None:
        if not isinstance(network.loss, MeanSquaredRate):
            return None
        return replace(network, loss=replace(network.loss, **{name: value}))

    return change_network(swap)


def _swap_wanted(network: Network, case: Case, value: float) -> Network | None:
    loss = network.loss
    if not isinstance(loss, MeanSquaredRate):
        return None
    return replace(network, loss=MeanSquaredRate(loss.wrong, loss.right))


def _usual_wanted(network: Network, case: Case, value: float) -> Network | None:
    if not isinstance(network.loss, MeanSquaredRate):
        return None
    return replace(network, loss=MeanSquaredRate(1.0, 0.0))


def _relabel(change_labels: Callable[[Integers, int], Integers]) -> Change:
    def change(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        if case.network.classes < 2:
            return None
        inner = plan.objective

        def loss(network: Network, params: Params, states: Any, s: Array, y: Integers) -> Array:
            return inner(network, params, states, s, change_labels(y, network.classes))

        return replace(plan, objective=loss)

    return change


def _change_input(enter: Callable[[Array], Array]) -> Change:
    return lambda case, plan, i, value: replace(plan, enter=enter)


def _label_faults() -> Iterator[Fault]:
    labels: dict[str, Callable[[Integers, int], Integers]] = {
        "labels shifted by one": lambda y, n: (y + 1) % n,
        "labels shifted back by one": lambda y, n: (y - 1) % n,
        "labels in reversed order of recordings": lambda y, n: y[::-1],
        "labels counted from the last class": lambda y, n: n - 1 - y,
    }
    for name, change in labels.items():
        yield Fault(name, f"with the {name}", _relabel(change), layered=False)
    yield Fault(
        "input in reversed time", "with the steps of the input in reversed order",
        _change_input(lambda x: np.stack([x[t] for t in reversed(range(x.shape[0]))])),
        layered=False,
    )  # fmt: skip
    yield Fault(
        "logits detached", "with a loss whose gradient stops at the logits",
        lambda case, plan, i, value: replace(
            plan,
            objective=lambda network, params, states, s, y: 0.0 * s.sum()
            + stop_gradient(objective(network, params, s, y)),
        ),
        layered=False, backward=True,
    )  # fmt: skip
