"""The equation of one library's layer of spiking neurons, as data, and a run of it.

Rule 1: a convention holds all that decides the forward pass of one library's layer, and nothing
        else; parameters and the spike come as arguments.
Rule 2: resets are those of `refsast.model`, with potentials counted from rest, and one that only a
        library has (`ZeroOnAnySpike`).
Rule 3: states are reported as the library reports them, so that the two can be compared.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array, as_array, require_fraction, require_number
from refsast.model.lif import LIF
from refsast.model.params import Layer, Params
from refsast.model.reset import Reset, Subtract, ToZero
from refsast.model.spike import Spike, heaviside
from refsast.model.synapse import Synapse, synapse_step
from refsast.model.unroll import input_currents


@dataclass(frozen=True)
class ZeroOnAnySpike:
    """Reset to zero by any spike that is not exactly zero, ``r = leak u [s = 0]``.

    With hard spikes it is `ToZero`; a smooth spike, however small, leaves nothing.

    References
    ----------
    Sinabs 3.1.3, ``MembraneReset``.
    """

    def __call__(self, leak: float, threshold: float, u: Array, s: Array) -> Array:
        """Return what the reset leaves of a potential `u` with spike `s`, of their shape."""
        return leak * u * (s == 0.0)


LibraryReset: TypeAlias = Reset | ZeroOnAnySpike


@dataclass(frozen=True, kw_only=True)
class Convention:
    """The equation of one layer::

        i_t = synapse.leak i_{t-1} + W a_t + V s_{t-1} + b,    d_t = synapse.scale i_t
        u_t = rest + r(u_{t-1} - rest, s_{t-1}) + leak (landing - rest) s_{t-1} + d_t
        s_t = spike(u_t - threshold)

    Attributes
    ----------
    name : str
        Library and cell, for messages.
    leak : float
        Fraction of the distance from rest that is kept per step, in [0, 1].
    threshold : float
        Potential at which the neuron fires; above `rest`. What `Subtract` subtracts.
    reset : ToZero, Subtract, NoReset or ZeroOnAnySpike
        What a spike does to the potential.
    rest : float
        Potential towards which neurons decay, and from which they start.
    landing : float
        Potential that a neuron is reset to. Equal to `rest` unless `reset` is `ToZero`.
    synapse : Synapse or None
        What the input goes through; ``Synapse(0.0, scale)`` where it is only scaled.
    ties_fire : bool
        Whether the hard spike fires exactly at threshold.
    after_reset : bool
        Whether the reported potential is the one after the reset of its step; with `second_spike`
        it always is.
    decayed_current : bool
        Whether the reported current is multiplied by the synapse's leak.
    starts_spiking : bool
        Whether the reset of the first step is that of ``spike(rest - threshold)``, which is not
        zero if spikes are smooth, rather than that of no spike.
    silences : bool
        Whether a reset takes away the input of its step, too: ``u_t = (1 - s_{t-1}) (leak u_{t-1}
        + d_t)``. Only with `ToZero`.
    second_spike : bool
        Whether the reset acts at once, but counts a second spike, ``q_t = spike(m_t - threshold)``,
        of the potential m_t that the reset has left: the next step begins with a reset of m_t by
        q_t and ends with one by ``s_{t+1} - q_t``.
    detach_reset : bool
        Whether gradients ignore the way through the reset's spike. No forward pass depends on it.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    name: str
    leak: float
    threshold: float
    reset: LibraryReset
    rest: float = 0.0
    landing: float = 0.0
    synapse: Synapse | None = None
    ties_fire: bool = True
    after_reset: bool = False
    decayed_current: bool = False
    starts_spiking: bool = False
    silences: bool = False
    second_spike: bool = False
    detach_reset: bool = False

    def __post_init__(self) -> None:
        require_fraction(self.leak, "leak")
        if not abs(require_number(self.rest, "rest")) < np.inf:
            raise ValueError(f"rest must be finite, got {self.rest}")
        if not self.rest < require_number(self.threshold, "threshold") < np.inf:
            limits = f"finite and above rest, {self.rest}"
            raise ValueError(f"threshold must be {limits}, got {self.threshold}")
        if not isinstance(self.reset, LibraryReset):
            names = "ToZero, Subtract, NoReset or ZeroOnAnySpike"
            raise ValueError(f"reset must be {names}, got {self.reset!r}")
        # `_apply_reset` adds the landing to a plain reset to zero only.
        plain = isinstance(self.reset, ToZero) and not (self.silences or self.second_spike)
        finite = abs(require_number(self.landing, "landing")) < np.inf
        if not (finite and (plain or self.landing == self.rest)):
            limits = f"finite, and {self.rest}, the rest, unless a plain ToZero resets"
            raise ValueError(f"landing must be {limits}, got {self.landing}")
        if self.silences and not isinstance(self.reset, ToZero):
            raise ValueError(f"silences must be False unless reset is ToZero, got {self.reset!r}")

    @property
    def distance(self) -> float:
        """From rest to threshold."""
        return self.threshold - self.rest

    @property
    def hard(self) -> Spike:
        """The hard spike of the library."""
        return heaviside if self.ties_fire else strict_heaviside


def refsast_lif(neuron: LIF, synapse: Synapse | None = None) -> Convention:
    """Return refsast's own convention for a neuron; `hard` fires at threshold, as in the paper."""
    return Convention(
        name="refsast",
        leak=neuron.leak,
        threshold=neuron.threshold,
        reset=neuron.reset,
        synapse=synapse,
        detach_reset=neuron.detach_reset,
    )


def nearest_lif(convention: Convention, spike: Spike) -> LIF:
    """Return the neuron of refsast that comes nearest; `convert` says whether it is the same.

    Its potentials are counted from rest. The synapse of the convention stands beside it.
    """
    c, reset = convention, convention.reset
    if isinstance(reset, ZeroOnAnySpike):
        reset = ToZero()
    elif isinstance(reset, Subtract) and c.second_spike:
        # The reset acts at once, so what it subtracts decays from the next step on.
        reset = Subtract(leaked=True)
    return LIF(c.leak, c.distance, spike, reset, c.detach_reset)


def strict_heaviside(v: Array) -> Array:
    """Return the hard spike that does not fire at threshold: 1 where ``v > 0``, else 0."""
    return 1.0 - heaviside(-v)


@dataclass(frozen=True, eq=False)
class States:
    """What a library reports of its run.

    Attributes
    ----------
    u, s, i : tuple of (time, batch, n) array
        Potentials, spikes and currents, one array per layer; without a synapse, i is the input.
    """

    u: tuple[Array, ...]
    s: tuple[Array, ...]
    i: tuple[Array, ...]


def simulate(
    convention: Convention, params: Params, x: ArrayLike, spike: Spike | None = None
) -> States:
    """Run a stack of layers from rest, all of one convention.

    Parameters
    ----------
    convention : Convention
        The equation.
    params : tuple of Layer
        Parameters of the spiking layers.
    x : (time, batch, n_0) array
        Input.
    spike : callable, optional
        Function of the distance above threshold; default: the library's hard spike.

    Returns
    -------
    States
        As the library reports them.

    Raises
    ------
    ValueError
        If `x` is not an array of finite numbers with as many inputs as the first layer.
    """
    a = as_array(x, "x", ("time", "batch", params[0].w.shape[1]))
    found = []
    for layer in params:
        found.append(_run_layer(convention, convention.hard if spike is None else spike, layer, a))
        a = found[-1][1]
    return States(*zip(*found, strict=True))


def _run_layer(c: Convention, spike: Spike, layer: Layer, a: Array) -> tuple[Array, Array, Array]:
    """Potentials, spikes and currents of one layer."""
    currents, reported = input_currents(layer, a), []
    u = i = s = np.zeros(currents.shape[1:])  # u is counted from rest
    reset_spike = spike(u - c.distance) if c.starts_spiking else s
    for current in currents:
        if layer.v is not None:
            current = current + s @ layer.v.T
        i, drive = synapse_step(c.synapse, i, current)
        u, s, reset_spike, potential = _step(c, spike, u, reset_spike, drive)
        shown = c.synapse.leak * i if c.synapse is not None and c.decayed_current else i
        reported.append((potential + c.rest, s, shown))
    us, ss, currents = (np.stack(arrays) for arrays in zip(*reported, strict=True))
    return us, ss, currents


def _step(
    c: Convention, spike: Spike, u: Array, reset_spike: Array, drive: Array
) -> tuple[Array, Array, Array, Array]:
    """Potential kept, spike, the spike that the next reset counts, and the potential reported."""
    if c.silences:
        drive = (1.0 - reset_spike) * drive
    u = _apply_reset(c, c.leak, u, reset_spike) + drive
    s = spike(u - c.distance)
    if c.second_spike:
        # Part of the reset, by `reset_spike`, was already applied at the beginning of the step.
        kept = _apply_reset(c, 1.0, u, s - reset_spike)
        return kept, s, spike(kept - c.distance), kept
    return u, s, s, _apply_reset(c, 1.0, u, s) if c.after_reset else u


def _apply_reset(c: Convention, leak: float, u: Array, s: Array) -> Array:
    """What a reset and then a leak leave of a potential counted from rest."""
    return c.reset(leak, c.threshold, u, s) + leak * (c.landing - c.rest) * s
