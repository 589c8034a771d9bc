"""One spiking layer, forward and backward through a chunk of time.

With delta_t = dL/du_t and g_t for what the spikes receive from above, the backward pass is that of
`gradient.bptt`, its terms collected::

    delta_t = sigma'(u_t - theta) (g_t + V' delta_{t+1}) + reset_slope_t delta_{t+1}
    reset_slope_t = dr/du + dr/ds sigma'(u_t - theta)

The forward pass saves sigma' and `reset_slope`, so that the backward pass evaluates no function. A
detached reset leaves dr/ds sigma' out of `reset_slope` and changes nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array
from refsast.gradient.fast.kernels import make_reset_kernel, make_spike_kernel
from refsast.model.glif import GLIF
from refsast.model.glif_step import State, start_state, unroll_glif
from refsast.model.lif import LIF
from refsast.model.network import Neuron
from refsast.model.params import Layer
from refsast.model.spike import Spike

BLOCK_SIZE = 1 << 15  # neurons times recordings whose scratch memory of one step caches hold


@dataclass(frozen=True, eq=False)
class LayerState:
    """What a layer passes from one step to the next: the reset r(u, s) and the spikes."""

    carry: Array
    s: Array


@dataclass(frozen=True, eq=False)
class SavedActivations:
    """What the backward pass of a layer needs of a chunk; arrays are (time, batch, n).

    Attributes
    ----------
    s : array
        Spikes.
    slope : array
        sigma'(u_t - theta); overwritten with delta by the backward pass.
    reset_slope : array
        dr/du + dr/ds sigma'.
    before : LayerState
        The state before the first step of the chunk.
    """

    s: Array
    slope: Array
    reset_slope: Array
    before: LayerState


@dataclass(frozen=True, eq=False)
class SavedStates:
    """The same of a `GLIF`: all its states, that before the chunk first."""

    s: Array
    states: list[State]

    @property
    def before(self) -> State:
        """The state before the first step of the chunk."""
        return self.states[0]


Saved: TypeAlias = SavedActivations | SavedStates


def initial_state(neuron: Neuron, layer: Layer, zero: Array) -> LayerState | State:
    """Return the state before the first step: u_0 = 0, s_0 = 0, or what was learned."""
    return start_state(neuron, layer, zero) if isinstance(neuron, GLIF) else LayerState(zero, zero)


def forward_glif(
    neuron: GLIF, spike: Spike, layer: Layer, currents: Array, before: State
) -> tuple[SavedStates, State]:
    """Run a layer through a chunk, as `forward` does."""
    states = unroll_glif(replace(neuron, spike=spike), layer, currents, before)
    return SavedStates(np.stack([state.s for state in states[1:]]), states), states[-1]


def forward(
    neuron: LIF, spike: Spike, v: Array | None, currents: Array, before: LayerState, bound: float
) -> tuple[SavedActivations, LayerState]:
    """Run a layer through a chunk; return what was saved, and the state after it.

    `spike` gives the values, the neuron's own spike the derivatives. `currents`, feed-forward input
    and bias of all steps, is overwritten. No potential exceeds `bound`.
    """
    s, slope = (np.empty(currents.shape, currents.dtype) for _ in range(2))
    carry = before.carry.copy()
    for rows in _row_blocks(v, carry):
        own = carry[rows]
        u, last = np.empty_like(own), before.s[rows]
        spike_kernel = make_spike_kernel(neuron, spike, u, bound)
        reset_kernel = make_reset_kernel(neuron, u)
        steps = zip(currents[:, rows], s[:, rows], slope[:, rows], strict=True)
        for current, s_t, slope_t in steps:
            np.add(own, current, u)
            if v is not None:
                np.add(u, last @ v.T, u)
            spike_kernel(u, s_t, slope_t)
            # The current is not needed any more: its memory takes `reset_slope`.
            reset_kernel(u, s_t, slope_t, current, own)
            last = s_t
    # A copy, since a view would keep the spikes of all steps in memory.
    return SavedActivations(s, slope, currents, before), LayerState(carry, s[-1].copy())


def _row_blocks(v: Array | None, like: Array) -> list[slice]:
    """Recordings to take through all steps at a time; all, where a product with `v` needs them."""
    batch, n = like.shape
    step = batch if v is not None else max(1, BLOCK_SIZE // n)
    return [slice(i, i + step) for i in range(0, batch, step)]


def backward(
    saved: SavedActivations, v: Array | None, g: Sequence[Array] | Array, later: Array | None
) -> Array:
    """Return delta of all steps of a chunk, shape (time, batch, n), written over the slopes.

    `g` is what the spikes of each step receive from above; `later` is delta of the step after the
    chunk, None where there is none.
    """
    delta, product = saved.slope, np.empty_like(saved.slope[0])
    for t in reversed(range(len(delta))):  # after step t, its slopes are not needed any more
        delta_t = delta[t]
        if later is None:
            np.multiply(delta_t, g[t], delta_t)
        else:
            np.multiply(delta_t, g[t] if v is None else g[t] + later @ v, delta_t)
            np.multiply(saved.reset_slope[t], later, product)
            np.add(delta_t, product, delta_t)
        later = delta_t
    return delta
