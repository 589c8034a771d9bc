"""A computation of loss and gradient as a record of functions, each of which a fault may exchange.

Rule 1: with nothing exchanged it is the model's own text, on the tape: `right_plan`.
Rule 2: a fault is a function from plan to plan, so that faults compose.
Rule 3: a step gets all states of its layer so far, so that a fault may look further back than one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from refsast.arrays import Array, Integers
from refsast.autodiff import straight_through
from refsast.autodiff.tape import Node, backward, leaf, primal
from refsast.crosscheck.case import Answer, Case
from refsast.model.glif import GLIF, as_glif, constants
from refsast.model.glif_step import State, glif_step, start_state
from refsast.model.network import Network
from refsast.model.objective import objective
from refsast.model.params import Layer, Params, map_params, param_arrays, replace_arrays
from refsast.model.readout import read_layer
from refsast.model.spike import Spike, first_derivative, heaviside
from refsast.model.unroll import layer_currents

Numbers: TypeAlias = Mapping[str, Any]  # leak, threshold, synapse_leak: arrays or floats


@dataclass(frozen=True)
class LayerPlan:
    """The functions of one spiking layer, of nodes of the tape."""

    neuron: GLIF
    # ``(network, i, layer, earlier) -> (time, batch, n)``: feed-forward input, bias included.
    currents: Callable[[Network, int, Layer, Sequence[Array]], Array]
    # ``(layer, s) -> (batch, n)``: input from the layer's own spikes of the step before.
    recurrent: Callable[[Layer, Array], Array]
    # ``(neuron, numbers, states, current) -> state``; `states` are all so far, oldest first.
    step: Callable[[GLIF, Numbers, Sequence[State], Array], State]
    # ``states -> (time, batch, n)``: what the layers above see, of the states after each step.
    emit: Callable[[Sequence[State]], Array]


@dataclass(frozen=True)
class Plan:
    """All functions of an implementation, right or wrong."""

    layers: tuple[LayerPlan, ...]
    # ``(case, case) -> case``: the question as the implementation takes it.
    enter: Callable[[Array], Array]
    # ``(network, params, states of the last layer, what is read of it, y) -> loss``.
    objective: Callable[[Network, Params, Sequence[State], Array, Integers], Array]
    # ``(case, answer, parts) -> answer``, applied last; `parts` as in `Run`.
    finish: Callable[[Case, Answer, Mapping[tuple[int, str], Array]], Answer]
    parts: bool = False  # whether `finish` needs them


@dataclass(frozen=True, eq=False)
class Run:
    """A computation on the tape, before any backward pass.

    Attributes
    ----------
    loss : node
        The loss.
    params, x : nodes
        What it is a function of.
    us, ss : list of list of node
        Potentials and spikes, over time in a list over layers.
    parts : dict
        By layer and name of a learned number, a node of zeros (time, batch, n) that was added to
        it at every step: its cotangent is what each step, recording and neuron contributes. Also
        of the "current", the input of a layer.
    """

    loss: Array
    params: Params
    x: Array
    us: list[list[Array]]
    ss: list[list[Array]]
    parts: dict[tuple[int, str], Array]


def right_plan(case: Case) -> Plan:
    """Return the plan in which everything is right."""
    return Plan(
        tuple(
            LayerPlan(
                _as_fired(as_glif(neuron), case.hard), layer_currents, _recurrent, _step, _emit
            )
            for neuron in case.network.neurons
        ),
        lambda x: x,
        lambda network, params, states, s, y: objective(network, params, s, y),
        lambda case, answer, parts: answer,
    )


def hard_spike(spike: Spike) -> Spike:
    """The Heaviside step forward, the smooth spike's derivative backward."""
    return straight_through(heaviside, first_derivative(spike))


def _as_fired(neuron: GLIF, hard: bool) -> GLIF:
    return replace(neuron, spike=hard_spike(neuron.spike)) if hard else neuron


def _recurrent(layer: Layer, s: Array) -> Array:
    assert layer.v is not None
    return s @ layer.v.T


def _step(neuron: GLIF, numbers: Numbers, states: Sequence[State], current: Array) -> State:
    return glif_step(neuron, dict(numbers), states[-1], current)


def _emit(states: Sequence[State]) -> Array:
    return np.stack([state.s for state in states])


def change_layer(plan: Plan, i: int, **changes: object) -> Plan:
    """Return a plan with other functions in layer `i`."""
    layers = list(plan.layers)
    layers[i] = replace(layers[i], **changes)  # pyright: ignore[reportArgumentType]
    return replace(plan, layers=tuple(layers))


def run_plan(case: Case, plan: Plan, *, traced: bool = True) -> Run:
    """Run a plan forward on the tape; if not `traced`, with arrays, for the values alone."""
    network, params, x = case.network, case.params, case.x
    if traced:
        params, x = map_params(leaf, params), leaf(x)
    earlier, us, ss, parts = [plan.enter(x)], [], [], {}
    states: list[State] = []
    for i, (rules, layer) in enumerate(zip(plan.layers, params, strict=False)):
        currents = rules.currents(network, i, layer, earlier)
        learned = parts_of(case, i, currents.shape) if plan.parts else {}
        parts |= learned
        states = _run_layer(rules, i, layer, currents, learned)
        earlier.append(rules.emit(states[1:]))
        us.append([state.u for state in states[1:]])
        ss.append([state.s for state in states[1:]])
    u = np.stack([state.u for state in states[1:]])
    read = read_layer(network.readout, u, earlier[-1])
    loss = plan.objective(network, params, states[1:], read, case.y)
    return Run(loss, params, x, us, ss, parts)


def parts_of(case: Case, i: int, shape: tuple[int, ...]) -> dict[tuple[int, str], Array]:
    """Return nodes of zeros to be added to the learned numbers of a layer at every step."""
    names = [
        n for n in ("leak", "threshold", "synapse_leak") if getattr(case.params[i], n) is not None
    ]
    return {(i, name): leaf(np.zeros(shape)) for name in (*names, "current")}


def _run_layer(
    rules: LayerPlan,
    i: int,
    layer: Layer,
    currents: Array,
    parts: Mapping[tuple[int, str], Array],
) -> list[State]:
    numbers = constants(rules.neuron, layer)
    zero = np.zeros(currents.shape[1:])
    if isinstance(currents, Node):  # else what follows from rest alone has no adjoint, no rounding
        zero = leaf(zero)
    states = [start_state(rules.neuron, layer, zero)]
    for t, current in enumerate(currents):
        if layer.v is not None:
            current = current + rules.recurrent(layer, states[-1].s)
        if (i, "current") in parts:
            current = current + parts[i, "current"][t]
        here = {n: v + parts[i, n][t] if (i, n) in parts else v for n, v in numbers.items()}
        states.append(rules.step(rules.neuron, here, states, current))
    return states


def solve_plan(case: Case, plan: Plan) -> Answer:
    """Return loss, states, adjoints and gradients of a case under a plan, in float64."""
    run = run_plan(case, plan)
    potentials = [u for layer in run.us for u in layer]
    wanted = [*param_arrays(run.params), run.x, *potentials, *run.parts.values()]
    cotangents = iter(backward(run.loss, wanted, np.ones(())))
    grads = replace_arrays(case.params, [next(cotangents) for _ in param_arrays(case.params)])
    in_x = next(cotangents)
    adjoints = tuple(np.stack([next(cotangents) for _ in layer]) for layer in run.us)
    parts = {key: next(cotangents) for key in run.parts}
    u, s = (
        tuple(np.stack([primal(a) for a in layer]) for layer in side) for side in (run.us, run.ss)
    )
    answer = Answer(float(primal(run.loss)), grads, u, s, adjoints, in_x)
    return plan.finish(case, answer, parts)
