"""What a run costs a chip: additions by events, dense products without them, leaks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from refsast.deploy.formats import Ints
from refsast.deploy.network import IntegerLayer
from refsast.deploy.run import IntegerTrace
from refsast.model import Layer, Trace
from refsast.spikes import Spikes


@dataclass(frozen=True, eq=False)
class LayerOperations:
    """What one spiking layer costs per recording, over all steps; arrays of shape (batch,).

    Attributes
    ----------
    dense : array
        Multiplications and additions if every input is multiplied at every step,
        ``T n (n_in + n)``, the last n of recurrent weights only: what an artificial network of the
        same shape would do T times.
    synaptic : array
        Synaptic operations, SynOps: each event is one addition in each neuron that it reaches,
        also over a weight of zero. The sum over steps of ``events n``; a count of three is three
        events. So Sinabs (events times fan-out), and SpikingJelly (firing rate times the
        multiplications of the dense layer), count them.
    nonzero : array
        The same without weights of zero: a chip that stores only weights that are there.
    updates : array
        Leaks of a potential, one per neuron and step, whatever happens: a multiplication or shift.
    spikes : array
        What the layer sends on.

    References
    ----------
    Merolla et al., Science 345 (2014), 668-673, for synaptic operations.
    """

    dense: Ints
    synaptic: Ints
    nonzero: Ints
    updates: Ints
    spikes: Ints


def count_operations(
    layers: Sequence[Layer] | Sequence[IntegerLayer],
    x: ArrayLike | Spikes,
    trace: Trace | IntegerTrace,
) -> tuple[LayerOperations, ...]:
    """Return what each spiking layer cost in a hard run, recording by recording.

    Energy is not said: it is these numbers times constants of a chip.

    Parameters
    ----------
    layers : sequence of Layer or IntegerLayer
        The parameters; those of a readout are not counted.
    x : (time, batch, n_0) array of integers, or Spikes
        What was run: events, or counts of them. Magnitudes are counted.
    trace : Trace or IntegerTrace
        The hard run of `x`, by ``rs.run(..., rs.heaviside)`` or `rs.deploy.run`.

    Returns
    -------
    tuple of LayerOperations
        One per spiking layer.

    Raises
    ------
    ValueError
        If weights are not of dense layers, or shapes do not fit each other.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x = np.array([[[1, 0]], [[1, 1]]])  # two steps, one recording, three events
    >>> (cost,) = rs.deploy.count_operations(params, x, rs.run(network, params, x, rs.heaviside))
    >>> cost.synaptic, cost.dense, cost.updates
    (array([9]), array([12]), array([6]))
    """
    a = abs(np.asarray(x.dense() if isinstance(x, Spikes) else x)).astype(np.int64)
    counts = []
    for i, (layer, s) in enumerate(zip(layers, trace.s, strict=False), 1):
        w, v = layer.w, layer.v
        if w.ndim != 2 or a.ndim != 3 or w.shape[1] != a.shape[2] or s.shape[:2] != a.shape[:2]:
            wanted = f"fit spikes of shape {s.shape} and inputs of shape {a.shape}"
            raise ValueError(f"weights of layer {i} must {wanted}, got {w.shape}")
        s = np.asarray(s).astype(np.int64)
        time, batch, n = s.shape
        # What arrives by recurrent weights was sent at the step before.
        events = [(a.sum(axis=0), w)] + ([] if v is None else [(s[:-1].sum(axis=0), v)])
        inputs = sum(weights.shape[1] for _, weights in events)
        counts.append(
            LayerOperations(
                np.full(batch, time * n * inputs),
                n * _total([each.sum(axis=1) for each, _ in events]),
                _total([each @ np.count_nonzero(weights, axis=0) for each, weights in events]),
                np.full(batch, time * n),
                s.sum(axis=(0, 2)),
            )
        )
        a = s
    return tuple(counts)


def _total(parts: Sequence[Ints]) -> Ints:
    return np.sum(parts, axis=0)
