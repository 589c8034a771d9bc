"""One spiking layer, forwards and backwards through a stretch of time.

Write delta_t for dloss/du_t, g_t for what the spikes receive from above, and kept_t for
``dr/du + dr/ds sigma'`` at (u_t, s_t), the derivative of what a step leaves for the next. Then,
from the last step down::

    delta_t = sigma'(u_t - theta) (g_t + V' delta_{t+1}) + kept_t delta_{t+1}

which is all of backpropagation through time; `kept` and sigma' are noted on the way forwards.
A detached reset drops dr/ds sigma' from `kept` and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refsast.arrays import Array
from refsast.gradient.fast.kernels import make_reset_kernel, make_spike_kernel
from refsast.model.lif import LIF
from refsast.model.spike import Spike


@dataclass(frozen=True, eq=False)
class LayerState:
    """What a layer carries from one step to the next.

    Attributes
    ----------
    carry : (batch, n) array
        The reset r(u, s).
    s : (batch, n) array
        The spikes.
    """

    carry: Array
    s: Array


@dataclass(frozen=True, eq=False)
class SavedActivations:
    """What happened in a layer in some steps, as far as the way back needs it.

    Attributes
    ----------
    s : (time, batch, n) array
        Spikes.
    slope : (time, batch, n) array
        sigma'(u_t - theta); overwritten with delta on the way back.
    kept : (time, batch, n) array
        dr/du + dr/ds sigma'.
    before : Rest
        What the steps began with.
    """

    s: Array
    slope: Array
    kept: Array
    before: LayerState


def initial_state(batch: int, n: int, dtype: np.dtype) -> LayerState:
    """Return the state before the first step: u_0 = 0, s_0 = 0."""
    zero = np.zeros((batch, n), dtype)
    return LayerState(zero, zero)


def forward(
    neuron: LIF, spike: Spike, v: Array | None, currents: Array, before: LayerState, bound: float
) -> tuple[SavedActivations, LayerState]:
    """Run a layer through some steps.

    Parameters
    ----------
    neuron : LIF
        The neuron; its own spike gives the slope.
    spike : callable
        The spike that is fired.
    v : (n, n) array or None
        Recurrent weights.
    currents : (time, batch, n) array
        Feed-forward input and bias; overwritten with `kept`.
    before : Rest
        What the layer carries into the first step. Not changed.
    bound : float
        No potential is larger; see `make_spike_kernel`.

    Returns
    -------
    stretch : Stretch
        For `backward`.
    after : Rest
        For the steps that follow.
    """
    s, slope = (np.empty(currents.shape, currents.dtype) for _ in range(2))
    u, out = np.empty_like(before.carry), before.carry.copy()
    fire, carry = make_spike_kernel(neuron, spike, u, bound), make_reset_kernel(neuron, u)
    last = before.s
    for current, now, steep in zip(currents, s, slope, strict=True):
        np.add(out, current, u)
        if v is not None:
            np.add(u, last @ v.T, u)
        fire(u, now, steep)
        carry(u, now, steep, current, out)
        last = now
    # A copy, since a view would keep the spikes of all steps.
    return SavedActivations(s, slope, currents, before), LayerState(out, last.copy())


def backward(
    stretch: SavedActivations, v: Array | None, g: Sequence[Array] | Array, later: Array | None
) -> Array:
    """Return delta of all steps, shape (time, batch, n); written over the slope.

    Parameters
    ----------
    stretch : Stretch
        What happened.
    v : (n, n) array or None
        Recurrent weights.
    g : sequence of (batch, n) array
        What the spikes of each step receive from above.
    later : (batch, n) array or None
        delta of the step that follows; None where none does.

    Returns
    -------
    (time, batch, n) array
        dloss/du.
    """
    delta, part = stretch.slope, np.empty_like(stretch.slope[0])
    for t in reversed(range(len(delta))):
        now = delta[t]
        if later is None:
            np.multiply(now, g[t], now)
        else:
            np.multiply(now, g[t] if v is None else g[t] + later @ v, now)
            np.multiply(stretch.kept[t], later, part)
            np.add(now, part, now)
        later = now
    return delta
