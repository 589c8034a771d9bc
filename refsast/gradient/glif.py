"""The backward pass of a `GLIF` layer, by hand: `model.glif_step`, line by line in reverse.

A cotangent of a state is a `State` itself: of each of its arrays what the loss changes by.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refsast.arrays import Array
from refsast.model.glif import GLIF, as_glif, constants, numbers_of
from refsast.model.glif_step import State, unroll_glif
from refsast.model.learned import resolve_back
from refsast.model.network import Network
from refsast.model.params import Layer
from refsast.model.spike import Spike, first_derivative
from refsast.model.synapse import Alpha, Synapse
from refsast.model.unroll import layer_currents


@dataclass(frozen=True, eq=False)
class StepGrads:
    """Cotangents of what goes into a step.

    Attributes
    ----------
    before : State
        Of the state before.
    current : (batch, n) array
        Of the current that arrives.
    numbers : dict of str to (n,) array
        Of leak, threshold and the leak of the synapse.
    """

    before: State
    current: Array
    numbers: dict[str, Array]


@dataclass(frozen=True, eq=False)
class LayerGrads:
    """Cotangents of what goes into a layer.

    Attributes
    ----------
    delta : (time, batch, n) array
        Of the currents.
    learned : dict of str to array
        Of the learned parameters, by their names in `Layer`.
    before : State
        Of the state before the first step.
    """

    delta: Array
    learned: dict[str, Array]
    before: State


def backward_glif(
    neuron: GLIF,
    layer: Layer,
    states: Sequence[State],
    g: Sequence[Array] | Array,
    later: State | None = None,
    spike: Spike | None = None,
    g_u: Sequence[Array] | Array | None = None,
) -> LayerGrads:
    """Return all cotangents of a layer's run, from that of its spikes, `g` (time, batch, n).

    `g_u` is that of its potentials, where these are read.

    `states` are those of `unroll_glif`; `later` is the cotangent of the last of them, without what
    `g` says of it, if something follows. `spike` gave the values of the spikes, where it was not
    the neuron's own, which gives the derivatives.
    """
    numbers = constants(neuron, layer)
    after = _zero(states[0]) if later is None else later
    delta = np.empty((len(g), *states[0].u.shape), states[0].u.dtype)
    totals = {name: np.zeros(delta.shape[-1:], delta.dtype) for name in numbers}
    for t in reversed(range(len(g))):
        received = replace(after, s=after.s + g[t])
        if g_u is not None:
            received = replace(received, u=received.u + g_u[t])
        step = backward_step(
            neuron, numbers, states[t], states[t + 1], received, spike or neuron.spike
        )
        delta[t], after = step.current, step.before
        if layer.v is not None:
            after = replace(after, s=after.s + delta[t] @ layer.v)
        for name, part in step.numbers.items():
            totals[name] += part
    learned = {
        name: grad
        for name, value in numbers_of(neuron).items()
        if (grad := resolve_back(value, getattr(layer, name), totals[name])) is not None
    }
    if layer.start is not None:
        learned["start"] = after.u.sum(axis=0)
    return LayerGrads(delta, learned, after)


def rerun_glif(
    network: Network,
    i: int,
    layer: Layer,
    earlier: Sequence[Array],
    g: Array,
    g_u: Array | None = None,
) -> tuple[Array, dict[str, Array]]:
    """Run the i-th layer again and return delta and the gradients of what it learns.

    `earlier` are the input and the spikes of all layers below, `g` and `g_u` what its spikes and
    potentials receive.
    """
    neuron = as_glif(network.neurons[i])
    states = unroll_glif(neuron, layer, layer_currents(network, i, layer, earlier))
    grads = backward_glif(neuron, layer, states, g, g_u=g_u)
    return grads.delta, grads.learned


def backward_step(
    neuron: GLIF,
    numbers: dict[str, Array | float],
    before: State,
    after: State,
    g: State,
    spike: Spike,
) -> StepGrads:
    """Return the transpose of the derivative of `glif_step`, of `g`, that of the state after."""
    adaptation, gates = neuron.adaptation, [1.0 - s for s in before.past]
    threshold: Any = numbers["threshold"]
    raised = threshold if adaptation is None else threshold + adaptation.strength * after.a
    v = after.u - raised
    # s = sigma(v) (1 - s_{t-1}) ... (1 - s_{t-k}), and the state after keeps it among its past.
    in_s = g.s + g.past[0] if gates else g.s
    in_past = [*g.past[1:], np.zeros_like(in_s)][: len(gates)]
    through = in_s * spike(v) if gates else in_s
    for j in range(len(gates)):
        in_past[j] = in_past[j] - through * math.prod(gates[:j] + gates[j + 1 :])
    in_v = first_derivative(neuron.spike)(v) * in_s * math.prod(gates)
    in_u, in_a = g.u + in_v, g.a
    # u = r(u, s) + drive
    at: Any = numbers["leak"], threshold, before.u, before.s
    dr_du, dr_ds = neuron.reset.partials(*at)
    dr_dleak, dr_dthreshold = neuron.reset.number_partials(*at)
    in_s_before = np.zeros_like(in_u) if neuron.detach_reset else dr_ds * in_u
    if adaptation is not None:  # threshold + strength a,  a = leak a + s
        in_a = g.a - adaptation.strength * in_v
        in_s_before, in_a = in_s_before + in_a, adaptation.leak * in_a
    current, in_i, in_h = _synapse_back(neuron, numbers, in_u, g)
    in_numbers = {
        "leak": (dr_dleak * in_u).sum(axis=0),
        "threshold": (dr_dthreshold * in_u - in_v).sum(axis=0),
    }
    if isinstance(neuron.synapse, Synapse):
        in_numbers["synapse_leak"] = (before.i * current).sum(axis=0)
    state = State(dr_du * in_u, in_s_before, in_i, in_h, in_a, tuple(in_past))
    return StepGrads(state, current, in_numbers)


def _synapse_back(
    neuron: GLIF, numbers: dict[str, Array | float], in_u: Array, g: State
) -> tuple[Array, Array, Array]:
    """What current, i and h before a step receive of the drive's cotangent `in_u` and of `g`."""
    synapse = neuron.synapse
    if synapse is None:
        return in_u, g.i, g.h
    if isinstance(synapse, Alpha):
        drive = synapse.scale * in_u
        in_i = g.i if synapse.delayed else g.i + drive
        current, in_before = g.h + in_i, synapse.decay * in_i
        if synapse.delayed:  # the drive is the current before
            in_before = in_before + drive
        return current, in_before, synapse.rise * current
    drive = synapse.scale * in_u
    if synapse.delayed:  # the drive is the current before
        return g.i, numbers["synapse_leak"] * g.i + drive, g.h
    current = g.i + drive
    return current, numbers["synapse_leak"] * current, g.h


def _zero(state: State) -> State:
    zero = np.zeros_like(state.u)
    return State(zero, zero, zero, zero, zero, (zero,) * len(state.past))
