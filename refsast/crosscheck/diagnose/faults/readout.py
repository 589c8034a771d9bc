"""Faults of the readout: what is read of the last layer, of which steps, with which numbers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refsast.arrays import Array
from refsast.autodiff import stop_gradient
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.faults.fault import Change, Fault, backward_as
from refsast.crosscheck.general.plan import Plan
from refsast.model.glif_step import State
from refsast.model.loss import MeanSquaredRate, StepCrossEntropy, cross_entropy
from refsast.model.network import Network
from refsast.model.objective import objective, step_logits
from refsast.model.output_potential import output_potentials
from refsast.model.params import Params
from refsast.model.readout import (
    Direct,
    LastPotential,
    LeakyReadout,
    LinearReadout,
    MaxPotential,
)
from refsast.model.unroll import readout_logits

POTENTIALS = {
    "the mean potential over time": LeakyReadout,
    "the last potential": LastPotential,
    "the largest potential over time": MaxPotential,
}


def change_network(swap: Callable[[Network, Case, float], Network | None]) -> Change:
    """Return the change to the loss by a network with another readout or loss."""

    def change(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        try:
            other = swap(case.network, case, value)
        except ValueError:  # a number out of range, a loss that this readout does not have
            return None
        if other is None or other == case.network:
            return None
        return replace(
            plan, objective=lambda network, params, states, s, y: objective(other, params, s, y)
        )

    return change


def readout_faults() -> Iterator[Fault]:
    """Yield other logits than the right ones."""

    def fault(name: str, says: str, change: Change, **more: Any) -> Fault:
        return Fault(name, says, change, layered=False, **more)

    yield from _readout_more()
    for words, kind in POTENTIALS.items():
        yield fault(f"logits: {words}", f"with {words} as logits", _other_potential(kind))
    yield fault("logits: the mean spike", "with an affine map of the mean spike as logits",
                change_network(_rates_read))  # fmt: skip
    for name, words in (("leak", "readout's leak"), ("gain", "readout's gain")):
        yield fault(
            words,
            f"with the {words} {{value}} in place of {{right}}",
            _set_readout(name),
            right=_readout_number(name),
            values=lambda case, i: (1.0, 0.0, 0.9, float(len(case.x))),
        )
    yield fault(
        "potentials read", "with the potentials of the last layer in place of its spikes",
        _read_potentials,
    )  # fmt: skip
    yield fault(
        "population summed", "with the sum of each class's neurons, not their mean",
        _sum_populations,
    )  # fmt: skip
    yield fault(
        "population interleaved", "with a class's neurons taken at a distance, not side by side",
        _interleave,
    )  # fmt: skip


def _readout_number(name: str) -> Callable[[Case, int], float | None]:
    return lambda case, i: getattr(case.network.readout, name, None)


def _set_readout(name: str) -> Change:
    def swap(network: Network, case: Case, value: float) -> Network | None:
        if not hasattr(network.readout, name):
            return None
        return replace(network, readout=replace(network.readout, **{name: value}))

    return change_network(swap)


def _other_potential(kind: Any) -> Change:
    def swap(network: Network, case: Case, value: float) -> Network | None:
        readout = network.readout
        if isinstance(readout, Direct):
            return None
        leak = getattr(readout, "leak", 0.0)
        return replace(network, readout=kind(readout.n_out, leak))

    return change_network(swap)


def _rates_read(network: Network, case: Case, value: float) -> Network | None:
    readout = network.readout
    if isinstance(readout, Direct | LinearReadout):
        return None
    return replace(network, readout=LinearReadout(readout.n_out))


def _readout_more() -> Iterator[Fault]:
    def fault(name: str, says: str, change: Change, **more: Any) -> Fault:
        return Fault(name, says, change, layered=False, **more)

    yield fault(
        "maximum with zero", "with no logit below zero, the potential at rest",
        _on_logits(lambda z: np.maximum(z, 0.0)),
    )  # fmt: skip
    yield fault(
        "softmax twice", "with the softmax of the logits in the cross entropy", _on_logits(_softmax)
    )
    yield fault("logits of the other sign", "with minus the logits", _on_logits(lambda z: -z))
    yield fault("last step unread", "with the last step not read", _cut_steps(0, 1))
    yield fault("first step unread", "with the first step not read", _cut_steps(1, 0))
    yield fault(
        "readout's bias once", "with the readout's bias counted once, not at every step", _bias_once
    )
    yield fault(
        "maximum's gradient to the last step",
        "with the gradient of the largest potential at the last step", _last_of_maximum,
        backward=True,
    )  # fmt: skip


def _on_logits(change: Callable[[Array], Array]) -> Change:
    """A cross entropy of changed logits; of a loss of every step at every step."""

    def apply(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        loss = case.network.loss
        if isinstance(loss, MeanSquaredRate):
            return None

        def changed_loss(network: Network, params: Params, states: Any, s: Array, y: Any) -> Array:
            if isinstance(loss, StepCrossEntropy):
                z = step_logits(network, params, s)
                return cross_entropy(change(z.reshape(-1, z.shape[-1])), np.tile(y, z.shape[0]))
            return cross_entropy(change(readout_logits(network, params, s)), y)

        return replace(plan, objective=changed_loss)

    return apply


def _softmax(z: Array) -> Array:
    e = np.exp(z - np.max(np.asarray(stop_gradient(z)), axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def _cut_steps(first: int, last: int) -> Change:
    """The readout does not see some steps."""

    def change(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        if len(case.x) <= first + last:
            return None
        inner = plan.objective

        def loss(network: Network, params: Params, states: Any, s: Array, y: Any) -> Array:
            steps = range(first, s.shape[0] - last)
            kept = np.stack([s[t] for t in steps])
            return inner(network, params, [states[t] for t in steps], kept, y)

        return replace(plan, objective=loss)

    return change


def _bias_once(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
    """The readout's bias is added to the logits, not at every step of its potential."""
    readout = case.network.readout
    if isinstance(readout, Direct | MaxPotential) or case.params[-1].b is None:
        return None
    if isinstance(case.network.loss, StepCrossEntropy):
        return None
    total = float(readout.time_weights(len(case.x)).sum())

    def loss(network: Network, params: Params, states: Any, s: Array, y: Any) -> Array:
        b: Any = params[-1].b
        return cross_entropy(readout_logits(network, params, s) + (1.0 - total) * b, y)

    return replace(plan, objective=loss)


def _last_of_maximum(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
    """The gradient of the largest potential goes to the last step."""
    readout = case.network.readout
    if not isinstance(readout, MaxPotential):
        return None

    def loss(network: Network, params: Params, states: Any, s: Array, y: Any) -> Array:
        right = readout_logits(network, params, s)
        last = output_potentials(readout.leak, params[-1], s)[-1]
        return cross_entropy(backward_as(right, last), y)

    return replace(plan, objective=loss)


def _read_potentials(case: Case, plan: Plan, i: int, value: float) -> Plan:
    inner = plan.objective

    def loss(network: Network, params: Params, states: Sequence[State], s: Array, y: Any) -> Array:
        return inner(network, params, states, np.stack([state.u for state in states]), y)

    return replace(plan, objective=loss)


def _sum_populations(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
    population = getattr(case.network.readout, "population", 1)
    return None if population == 1 else _read_otherwise(plan, lambda s: population * s)


def _interleave(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
    population, n = getattr(case.network.readout, "population", 1), case.network.sizes[-1]
    if population == 1:
        return None
    order = np.arange(n).reshape(population, -1).T.ravel()
    return _read_otherwise(
        plan, lambda s: np.take(s.reshape(-1, n), order, axis=-1).reshape(*s.shape)
    )


def _read_otherwise(plan: Plan, change: Callable[[Array], Array]) -> Plan:
    """A plan whose readout sees other spikes."""
    inner = plan.objective

    def loss(network: Network, params: Params, states: Sequence[State], s: Array, y: Any) -> Array:
        return inner(network, params, states, change(s), y)

    return replace(plan, objective=loss)
