"""The network once more, as a record of functions, so that any one of them can be another.

Rule 1: with nothing exchanged, `solve` is the reference: the tape over the model's own pieces.
Rule 2: a fault is a function in place of one of these (`faults`); faults compose.
Rule 3: a layer sees all of its own past, so that a fault may look further back than one step.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from refsast.arrays import Array, Integers
from refsast.autodiff import stop_gradient, straight_through
from refsast.autodiff.tape import Node, backward, leaf, primal
from refsast.crosscheck.case import Answer, Case
from refsast.model.lif import LIF
from refsast.model.loss import cross_entropy
from refsast.model.network import Network
from refsast.model.params import Layer, Params, layer_arrays, map_params
from refsast.model.spike import first_derivative, heaviside
from refsast.model.synapse import Synapse, synapse_step
from refsast.model.unroll import input_currents, readout_logits


@dataclass(frozen=True)
class Rules:
    """What one layer does, on arrays and on nodes of the tape.

    Attributes
    ----------
    currents : callable
        ``(layer, a) -> (time, batch, n)``: all feed-forward input, bias included.
    recurrent : callable
        ``(layer, s) -> (batch, n)``: input from the layer's own spikes of the step before.
    conduct : callable
        ``(synapse, i, current) -> (i, drive)``.
    carry : callable
        ``(neuron, us, ss) -> (batch, n)``: what is left of the past; of all earlier potentials and
        spikes, oldest first, rest before them.
    fire : callable
        ``(neuron, v) -> s`` of the distance above threshold.
    """

    currents: Callable[[Layer, Array], Array]
    recurrent: Callable[[Layer, Array], Array]
    conduct: Callable[[Synapse | None, Array, Array], tuple[Array, Array]]
    carry: Callable[[LIF, Sequence[Array], Sequence[Array]], Array]
    fire: Callable[[LIF, Array], Array]


@dataclass(frozen=True)
class Variant:
    """What a whole implementation does.

    Attributes
    ----------
    layers : tuple of Rules
        One per spiking layer.
    enter : callable
        ``x -> (time, batch, n_0)``, what the first layer sees.
    read : callable
        ``(network, params, s) -> logits`` of the last layer's spikes.
    loss : callable
        ``(logits, y) -> scalar``.
    finish : callable
        ``Answer -> Answer``: what is done to it before it is handed out.
    """

    layers: tuple[Rules, ...]
    enter: Callable[[Array], Array]
    read: Callable[[Network, Params, Array], Array]
    loss: Callable[[Array, Integers], Array]
    finish: Callable[[Answer], Answer]


def reference_variant(case: Case) -> Variant:
    """Return what is right for a case."""
    rules = Rules(
        input_currents,
        recurrent_input,
        synapse_step,
        apply_reset,
        hard_spike if case.hard else smooth_spike,
    )
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
    program: Variant | None = None,
    *,
    params: Params | None = None,
    x: Array | None = None,
) -> Answer:
    """Return loss, states, adjoints and gradients of a case, in float64 by the tape.

    Parameters
    ----------
    case : Case
        The question.
    program : Program, optional
        By which rules; default: the right ones.
    params, x : tuple of Layer, array, optional
        In place of those of the case, unchecked: arrays of another kind of number (`digits`), which
        the arrays of the answer then are of, too.

    Returns
    -------
    Answer
        With nothing left out.
    """
    program = reference_variant(case) if program is None else program
    given = case.params if params is None else params
    params = map_params(leaf, given)
    x = leaf(case.x if x is None else x)
    us, ss = unroll_variant(case, program, params, x)
    loss = program.loss(program.read(case.network, params, np.stack(ss[-1])), case.y)
    leaves = [a for layer in params for a in layer_arrays(layer).values()]
    potentials = [u for layer in us for u in layer]
    found = iter(backward(loss, [*leaves, x, *potentials], np.ones(())))
    grads = tuple(Layer(**{k: next(found) for k in layer_arrays(layer)}) for layer in params)
    in_x = next(found)
    return program.finish(
        Answer(
            float(primal(loss)),
            grads,
            tuple(np.stack([primal(u) for u in layer]) for layer in us),
            tuple(np.stack([primal(s) for s in layer]) for layer in ss),
            tuple(np.stack([next(found) for _ in layer]) for layer in us),
            in_x,
        )
    )


def unroll_variant(
    case: Case, program: Variant, params: Params, x: Array
) -> tuple[list[list[Array]], list[list[Array]]]:
    """Return potentials and spikes, a list over time in a list over layers."""
    us: list[list[Array]] = []
    ss: list[list[Array]] = []
    a = program.enter(x)
    for neuron, layer, rules in zip(case.network.neurons, params, program.layers, strict=False):
        currents = rules.currents(layer, a)
        rest = np.zeros(currents.shape[1:])
        if isinstance(currents, Node):  # a first potential that nothing drives is on the tape, too
            rest = leaf(rest)
        u, s, i = [rest], [rest], rest
        for current in currents:
            if layer.v is not None:
                current = current + rules.recurrent(layer, s[-1])
            i, drive = rules.conduct(case.synapse, i, current)
            u.append(rules.carry(neuron, u, s) + drive)
            s.append(rules.fire(neuron, u[-1] - neuron.threshold))
        us.append(u[1:])
        ss.append(s[1:])
        a = np.stack(s[1:])
    return us, ss
