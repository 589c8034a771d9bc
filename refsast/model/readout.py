"""From the spikes of the last layer to logits.

All readouts but `MaxPotential` are linear in the spikes (of `MeanPotential`, in the potentials), so
each is a weight per time step, ``alpha_t``, and at most one affine map::

    pooled = sum_t alpha_t s_t        logits = W_o pooled + b_o sum_t alpha_t

where a readout without parameters has W_o = identity and b_o = 0.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from refsast.arrays import (
    Array,
    is_positive_int,
    plain_numbers,
    require_fraction,
    require_positive,
)
from refsast.model.params import Layer, Params


def _require_count(n_out: int) -> None:
    if not is_positive_int(n_out):
        raise ValueError(f"n_out must be a positive integer, got {n_out!r}")


def _require_leaky(readout: "LeakyReadout | LastPotential | MaxPotential") -> None:
    plain_numbers(readout)
    _require_count(readout.n_out)
    require_fraction(readout.leak, "leak")


@dataclass(frozen=True)
class SpikeRate:
    """Logits are firing rates, ``gain * mean_t s_t``: one class per neuron of the last layer.

    Attributes
    ----------
    gain : float
        Logit of a neuron that fires at every step. Positive and finite.
    population : int
        Neurons per class, whose mean counts; those of a class lie side by side. Positive.

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
    population: int = field(default=1, metadata={"before": 1})
    n_out = None  # as many classes as populations

    def __post_init__(self) -> None:
        plain_numbers(self)
        require_positive(self.gain, "gain")
        if not is_positive_int(self.population):
            raise ValueError(f"population must be a positive integer, got {self.population!r}")

    def time_weights(self, time: int) -> Array:
        """Return ``alpha_t``, shape (time,)."""
        return np.full(time, self.gain / time)


@dataclass(frozen=True)
class MeanPotential:
    """Logits are the mean potentials of the last spiking layer, ``gain * mean_t u_t``.

    They are those before the reset of their step: its spikes count by their resets only. With
    `StepCrossEntropy` the potential of each step is what is compared.

    Attributes
    ----------
    gain : float
        What the mean is multiplied with. Positive and finite.

    References
    ----------
    snnTorch's tutorial 5, whose loss is the sum over steps of the cross entropy of ``mem``.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.MeanPotential())
    >>> run = rs.run(network, rs.init(network, 0), np.ones((4, 1, 2)))
    >>> bool(np.allclose(run.logits, run.u[-1].mean(axis=0)))
    True
    """

    gain: float = 1.0
    population = 1
    n_out = None  # as many classes as neurons

    def __post_init__(self) -> None:
        plain_numbers(self)
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

    __post_init__ = _require_leaky

    def time_weights(self, time: int) -> Array:
        """Return ``alpha_t``, shape (time,)."""
        return np.cumsum(self.leak ** np.arange(time))[::-1] / time


@dataclass(frozen=True)
class LastPotential:
    """Logits are the potential of a leaky integrator after the last step::

        v_t = leak v_{t-1} + W_o s_t + b_o,    v_0 = 0,    logits = v_T

    Attributes
    ----------
    n_out : int
        Number of classes. Positive.
    leak : float
        Fraction of the potential kept per step, in [0, 1].

    Examples
    --------
    >>> import refsast as rs
    >>> rs.LastPotential(2, 0.5).time_weights(3)
    array([0.25, 0.5 , 1.  ])
    """

    n_out: int
    leak: float

    __post_init__ = _require_leaky

    def time_weights(self, time: int) -> Array:
        """Return ``alpha_t``, shape (time,)."""
        return self.leak ** np.arange(time - 1.0, -1.0, -1.0)


@dataclass(frozen=True)
class MaxPotential:
    """Logits are the largest potential of a leaky integrator over time::

        v_t = leak v_{t-1} + W_o s_t + b_o,    v_0 = 0,    logits = max_t v_t

    Where two steps are equally high the first counts, at a kink.

    Attributes
    ----------
    n_out : int
        Number of classes. Positive.
    leak : float
        Fraction of the potential kept per step, in [0, 1].

    References
    ----------
    Zenke's spytorch tutorials; Cramer et al., "The Heidelberg Spiking Data Sets", arXiv:1910.07407.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> neuron = rs.LIF(0.9, 1.0, rs.Arctan(2.0))
    >>> network = rs.Network((2, 3), neuron, rs.MaxPotential(2, 0.9))
    >>> rs.run(network, rs.init(network, 0), np.ones((4, 1, 2))).logits.shape
    (1, 2)
    """

    n_out: int
    leak: float

    __post_init__ = _require_leaky

    def time_weights(self, time: int) -> Array:
        """Refuse: the largest is not linear in the spikes."""
        raise ValueError("readout must be linear in time, got MaxPotential")


Direct: TypeAlias = SpikeRate | MeanPotential  # without parameters
Readout: TypeAlias = Direct | LinearReadout | LeakyReadout | LastPotential | MaxPotential


def pool(readout: Readout, s: Array) -> Array:
    """Return ``sum_t alpha_t s_t``, shape (batch, n), of spikes of shape (time, batch, n)."""
    alpha = readout.time_weights(s.shape[0]).astype(s.dtype)
    return (alpha.reshape(-1, 1, 1) * s).sum(axis=0)


def read_layer(readout: Readout, u: Array, s: Array) -> Array:
    """Return what is read of the last layer, `u` or `s`, each (time, batch, n)."""
    return u if isinstance(readout, MeanPotential) else s


def mean_populations(readout: Direct, a: Array) -> Array:
    """Return the mean of each class's neurons, the last axis of `a`; on the tape, too."""
    if readout.population == 1:
        return a
    *axes, n = a.shape
    return np.mean(a.reshape(*axes, n // readout.population, readout.population), axis=-1)


def spread_populations(readout: Direct, g: Array) -> Array:
    """Return the transpose of `mean_populations`: what each neuron receives of its class."""
    if readout.population == 1:
        return g
    return np.repeat(g, readout.population, axis=-1) / readout.population


def pooled_logits(readout: Readout, params: Params, pooled: Array, time: int) -> Array:
    """Return the logits, (batch, classes), of what `pool` gives; on the tape, too."""
    if isinstance(readout, Direct):
        return mean_populations(readout, pooled)
    return affine(readout, params[-1], pooled, time)


def pooled_back(
    readout: Readout, params: Params, pooled: Array, g: Array, time: int
) -> tuple[Array, Params]:
    """Return what `pooled` and the readout's parameters receive of `g`, that of the logits."""
    if isinstance(readout, Direct):
        return spread_populations(readout, g), ()
    layer = params[-1]
    total = readout.time_weights(time).astype(g.dtype).sum()
    b = None if layer.b is None else g.sum(axis=0) * total
    return g @ layer.w, (Layer(g.T @ pooled, b),)


def affine(readout: Readout, layer: Layer, pooled: Array, time: int) -> Array:
    """Return ``W_o pooled + b_o sum_t alpha_t``, shape (batch, n_out)."""
    logits = pooled @ layer.w.T
    if layer.b is None:
        return logits
    return logits + layer.b * float(readout.time_weights(time).sum())
