"""One step of a `GLIF`, and its run through time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsast.arrays import Array
from refsast.autodiff import stop_gradient
from refsast.model.glif import GLIF, constants
from refsast.model.lif import LIF
from refsast.model.params import Layer
from refsast.model.synapse import Alpha, Synapse, synapse_step


@dataclass(frozen=True, eq=False)
class State:
    """What a layer keeps from one step to the next; arrays are (batch, n).

    Attributes
    ----------
    u, s : array
        Potential and spike.
    i, h : array
        Current of the synapse, and of the first stage of an `Alpha`.
    a : array
        Adaptation.
    past : tuple of array
        The last spikes, as many as the refractory time, the latest first.
    """

    u: Array
    s: Array
    i: Array
    h: Array
    a: Array
    past: tuple[Array, ...]


def start_state(neuron: GLIF, layer: Layer, zero: Array) -> State:
    """Return the state before the first step; `zero` is what is at rest, (batch, n)."""
    u = zero if layer.start is None else zero + layer.start
    return State(u, zero, zero, zero, zero, (zero,) * neuron.refractory)


def glif_step(
    neuron: GLIF, numbers: dict[str, Array | float], state: State, current: Array
) -> State:
    """Return the state one step later; any arrays, and nodes of the tape."""
    a, adaptation = state.a, neuron.adaptation
    i, h, drive = filter_current(neuron, numbers, state, current)
    leak: Any = numbers["leak"]
    threshold: Any = numbers["threshold"]
    s_reset = stop_gradient(state.s) if neuron.detach_reset else state.s
    u = neuron.reset(leak, threshold, state.u, s_reset) + drive
    if adaptation is not None:
        a = adaptation.leak * state.a + state.s
        threshold = threshold + adaptation.strength * a
    s = neuron.spike(u - threshold)
    for earlier in state.past:
        s = s * (1.0 - earlier)
    past = (s, *state.past)[: neuron.refractory]
    return State(u, s, i, h, a, past)


def filter_current(
    neuron: GLIF, numbers: Mapping[str, Any], state: State, current: Array
) -> tuple[Array, Array, Array]:
    """Return the currents of a synapse one step later, and what they add to the potential."""
    synapse, i, h = neuron.synapse, state.i, state.h
    if isinstance(synapse, Synapse):
        i, drive = synapse_step(synapse, i, current, numbers["synapse_leak"])
        return i, h, drive
    if isinstance(synapse, Alpha):
        h = synapse.rise * h + current
        i = synapse.decay * i + h
        return i, h, synapse.scale * (state.i if synapse.delayed else i)
    return i, h, current


def unroll_glif(
    neuron: GLIF, layer: Layer, currents: Array, before: State | None = None
) -> list[State]:
    """Return the states before the first step and after each, of the currents of all steps.

    From rest, or from the state `before`.
    """
    numbers = constants(neuron, layer)
    zero = np.zeros(currents.shape[1:], currents.dtype)
    states = [start_state(neuron, layer, zero) if before is None else before]
    for current in currents:
        if layer.v is not None:
            current = current + states[-1].s @ layer.v.T
        states.append(glif_step(neuron, numbers, states[-1], current))
    return states


def thresholds(neuron: LIF | GLIF, layer: Layer, s: Array) -> Array | float:
    """Return where each potential is compared, (time, batch, n) or less, of a run's spikes."""
    if isinstance(neuron, LIF):
        return neuron.threshold
    threshold, adaptation = constants(neuron, layer)["threshold"], neuron.adaptation
    if adaptation is None:
        return threshold
    a, raised = np.zeros(s.shape[1:], s.dtype), [np.zeros(s.shape[1:], s.dtype)]
    for before in s[:-1]:
        a = adaptation.leak * a + before
        raised.append(a)
    return threshold + adaptation.strength * np.stack(raised)


def hard_spikes(neuron: LIF | GLIF, above: Array) -> Array:
    """Return when a neuron fires hard, of when its potential is above threshold, (time, ...).

    The same, but for a refractory time: what is above while that lasts fires not.
    """
    refractory = neuron.refractory if isinstance(neuron, GLIF) else 0
    s = above.copy()
    for t in range(1, len(s)) if refractory else ():
        s[t] *= 1.0 - s[max(t - refractory, 0) : t].max(axis=0)
    return s
