"""From the spikes of the last layer to logits.

All three readouts are linear in the spikes, so each is a weight per time step, ``alpha_t``, and at
most one affine map::

    pooled = sum_t alpha_t s_t        logits = W_o pooled + b_o sum_t alpha_t

where a readout without parameters has W_o = identity and b_o = 0.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array, is_positive_int, require_fraction, require_positive
from refsast.model.params import Layer


@dataclass(frozen=True)
class SpikeRate:
    """Logits are firing rates, ``gain * mean_t s_t``: one class per neuron of the last layer.

    Attributes
    ----------
    gain : float
        Logit of a neuron that fires at every step. Positive and finite.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> run = rs.run(network, params, np.ones((4, 1, 2)))
    >>> bool(np.allclose(run.logits, 5.0 * run.s[-1].mean(axis=0)))
    True
    """

    gain: float
    n_out = None  # as many classes as neurons

    def __post_init__(self) -> None:
        require_positive(self.gain, "gain")

    def time_weights(self, time: int) -> Array:
        """Return ``alpha_t``, shape (time,)."""
        return np.full(time, self.gain / time)


@dataclass(frozen=True)
class LinearReadout:
    """Logits are an affine map of firing rates, ``W_o mean_t s_t + b_o``.

    Attributes
    ----------
    n_out : int
        Number of classes. Positive.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.LinearReadout(2))
    >>> params = rs.init(network, 0)
    >>> rs.run(network, params, np.ones((4, 1, 2))).logits.shape
    (1, 2)
    """

    n_out: int

    def __post_init__(self) -> None:
        _require_count(self.n_out)

    def time_weights(self, time: int) -> Array:
        """Return ``alpha_t``, shape (time,)."""
        return np.full(time, 1.0 / time)


@dataclass(frozen=True)
class LeakyReadout:
    """Logits are the mean potential of a leaky integrator that never spikes::

        v_t = leak v_{t-1} + W_o s_t + b_o,    v_0 = 0,    logits = mean_t v_t

    A spike at step t is kept for the T - t steps that follow, so
    ``alpha_t = (1 + leak + ... + leak^(T-t)) / T`` and no loop over time is needed.

    Attributes
    ----------
    n_out : int
        Number of classes. Positive.
    leak : float
        Fraction of the potential kept per step, in [0, 1].

    Examples
    --------
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.LeakyReadout(2, 0.5))
    >>> params = rs.init(network, 0)
    >>> [layer.w.shape for layer in params]
    [(3, 2), (2, 3)]
    """

    n_out: int
    leak: float

    def __post_init__(self) -> None:
        _require_count(self.n_out)
        require_fraction(self.leak, "leak")

    def time_weights(self, time: int) -> Array:
        """Return ``alpha_t``, shape (time,)."""
        return np.cumsum(self.leak ** np.arange(time))[::-1] / time


Readout: TypeAlias = SpikeRate | LinearReadout | LeakyReadout


def _require_count(n_out: int) -> None:
    if not is_positive_int(n_out):
        raise ValueError(f"n_out must be a positive integer, got {n_out!r}")


def pool(readout: Readout, s: Array) -> Array:
    """Return ``sum_t alpha_t s_t``, shape (batch, n), of spikes of shape (time, batch, n)."""
    alpha = readout.time_weights(s.shape[0]).astype(s.dtype)
    return (alpha.reshape(-1, 1, 1) * s).sum(axis=0)


def affine(readout: Readout, layer: Layer, pooled: Array, time: int) -> Array:
    """Return ``W_o pooled + b_o sum_t alpha_t``, shape (batch, n_out)."""
    logits = pooled @ layer.w.T
    if layer.b is None:
        return logits
    return logits + layer.b * float(readout.time_weights(time).sum())
