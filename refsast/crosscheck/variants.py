"""The network as a record of functions, each of which can be exchanged for another.

Rule 1: with nothing exchanged, `solve` is the reference: the tape over the model's own functions.
Rule 2: a fault exchanges some of them (as the tests plant them); faults compose.
Rule 3: a layer gets all of its own past, so that a fault may look further back than one step.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array, Integers
from refsast.autodiff import stop_gradient, straight_through
from refsast.autodiff.tape import Node, backward, leaf, primal
from refsast.crosscheck.case import Answer, Case
from refsast.model.lif import LIF
from refsast.model.loss import cross_entropy
from refsast.model.network import Network
from refsast.model.params import Layer, Params, map_params, param_arrays
from refsast.model.spike import first_derivative, heaviside
from refsast.model.synapse import Synapse, synapse_step
from refsast.model.unroll import input_currents, readout_logits

# Potentials, spikes and currents of the synapses of one layer, each (batch, n).
State: TypeAlias = tuple[Array, Array, Array]


@dataclass(frozen=True)
class Rules:
    """The functions of one layer, of arrays and of nodes of the tape."""

    # ``(layer, a) -> (time, batch, n)``: all feed-forward input, bias included.
    currents: Callable[[Layer, Array], Array]
    # ``(layer, s) -> (batch, n)``: input from the layer's own spikes of the step before.
    recurrent: Callable[[Layer, Array], Array]
    # ``(synapse, i, current) -> (i, drive)``.
    conduct: Callable[[Synapse | None, Array, Array], tuple[Array, Array]]
    # ``(neuron, us, ss) -> (batch, n)``: what the reset leaves. `us` and `ss` are all earlier
    # potentials and spikes, oldest first; the first of them is the state at rest.
    carry: Callable[[LIF, Sequence[Array], Sequence[Array]], Array]
    # ``(neuron, v) -> s`` of the distance above threshold.
    fire: Callable[[LIF, Array], Array]


@dataclass(frozen=True)
class Variant:
    """All functions of an implementation, right or wrong."""

    layers: tuple[Rules, ...]
    enter: Callable[[Array], Array]  # from x to the input of the first layer
    read: Callable[[Network, Params, Array], Array]  # from the last layer's spikes to logits
    loss: Callable[[Array, Integers], Array]
    finish: Callable[[Answer], Answer]  # applied last, to what is returned


def reference_variant(case: Case) -> Variant:
    """Return the variant in which everything is right."""
    spike = hard_spike if case.hard else smooth_spike
    rules = Rules(input_currents, recurrent_input, synapse_step, apply_reset, spike)
    layers = (rules,) * len(case.network.neurons)
    return Variant(layers, lambda x: x, readout_logits, cross_entropy, lambda answer: answer)


def recurrent_input(layer: Layer, s: Array) -> Array:
    """The recurrent input, of a layer that has one."""
    return s @ layer.v.T if layer.v is not None else np.zeros(())


def apply_reset(neuron: LIF, us: Sequence[Array], ss: Sequence[Array]) -> Array:
    """What the reset leaves of the step before."""
    fired = stop_gradient(ss[-1]) if neuron.detach_reset else ss[-1]
    return neuron.reset(neuron.leak, neuron.threshold, us[-1], fired)


def smooth_spike(neuron: LIF, v: Array) -> Array:
    """The smooth spike."""
    return neuron.spike(v)


def hard_spike(neuron: LIF, v: Array) -> Array:
    """The Heaviside step forward, the smooth spike's derivative backward."""
    return straight_through(heaviside, first_derivative(neuron.spike))(v)


def solve(
    case: Case,
    variant: Variant | None = None,
    *,
    params: Params | None = None,
    x: Array | None = None,
    before: Sequence[State] = (),
) -> Answer:
    """Return loss, states, adjoints and gradients of a case, in float64 by the tape.

    Parameters
    ----------
    case : Case
        The question.
    variant : Variant, optional
        Default: the reference.
    params, x : tuple of Layer, array, optional
        In place of those of the case, unchecked. They may be arrays of another kind of number, such
        as decimals of fifty digits; so are then the arrays of the answer.
    before : sequence of tuple of array, optional
        The states of all layers before the first step, through which no gradient flows; default: at
        rest.
    """
    variant = reference_variant(case) if variant is None else variant
    params = map_params(leaf, case.params if params is None else params)
    x = leaf(case.x if x is None else x)
    us, ss, _ = unroll_variant(case, variant, params, x, before)
    loss = variant.loss(variant.read(case.network, params, np.stack(ss[-1])), case.y)
    potentials = [u for layer in us for u in layer]
    # One backward pass gives all cotangents, in the order in which they are asked for.
    cotangents = iter(backward(loss, [*param_arrays(params), x, *potentials], np.ones(())))
    grads = map_params(lambda _: next(cotangents), params)
    in_x = next(cotangents)
    adjoints = tuple(np.stack([next(cotangents) for _ in layer]) for layer in us)
    u, s = (tuple(np.stack([primal(a) for a in layer]) for layer in layers) for layers in (us, ss))
    return variant.finish(Answer(float(primal(loss)), grads, u, s, adjoints, in_x))


def unroll_variant(
    case: Case, variant: Variant, params: Params, x: Array, before: Sequence[State] = ()
) -> tuple[list[list[Array]], list[list[Array]], list[State]]:
    """Return potentials and spikes, a list over time in a list over layers, and the last states."""
    us: list[list[Array]] = []
    ss: list[list[Array]] = []
    last: list[State] = []
    a = variant.enter(x)
    layers = zip(case.network.neurons, params, variant.layers, strict=False)
    for index, (neuron, layer, rules) in enumerate(layers):
        currents = rules.currents(layer, a)
        first = before[index] if before else (np.zeros(currents.shape[1:]),) * 3
        if isinstance(currents, Node):  # else a first potential without input would have no adjoint
            first = tuple(map(leaf, first))
        i, u, s = first[2], [first[0]], [first[1]]
        for current in currents:
            if layer.v is not None:
                current = current + rules.recurrent(layer, s[-1])
            i, drive = rules.conduct(case.synapse, i, current)
            u.append(rules.carry(neuron, u, s) + drive)
            s.append(rules.fire(neuron, u[-1] - neuron.threshold))
        us.append(u[1:])
        ss.append(s[1:])
        last.append((u[-1], s[-1], i))
        a = np.stack(s[1:])
    return us, ss, last
