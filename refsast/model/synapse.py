"""The synapse of a current-based neuron: it filters a layer's input before it is added.

It belongs to a `GLIF`. Beside a network of `LIF` neurons, as in a `Case`, only `crosscheck` runs
it; no theorem knows it.
"""

from dataclasses import dataclass, field

from refsast.arrays import Array, plain_numbers, require_fraction, require_positive


@dataclass(frozen=True)
class Synapse:
    """An exponential current, in place of an input that lasts one step::

        i_t = leak i_{t-1} + W a_t + V s_{t-1} + b,        i_0 = 0
        u_t = r(u_{t-1}, s_{t-1}) + scale i_t              (delayed: scale i_{t-1})

    ``Synapse(0.0, scale)`` is an input multiplied by a number, as in libraries that scale it by
    one minus the leak.

    Attributes
    ----------
    leak : float
        Fraction of the current kept per step, in [0, 1].
    scale : float
        Potential per current. Positive and finite.
    delayed : bool
        Whether a step's potential is driven by the current of the step before.

    References
    ----------
    DESIGN 1; Norse 1.1.0: ``leak = 1 - dt tau_syn_inv``, ``scale = dt tau_mem_inv``, not delayed in
    `LIFCell`, delayed in its `lsnn` cells.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> case = rs.Case(network, params, np.ones((4, 1, 2)), [2], rs.Synapse(leak=0.8))
    >>> case.synapse
    Synapse(leak=0.8, scale=1.0, delayed=False)
    """

    leak: float
    scale: float = 1.0
    delayed: bool = False

    def __post_init__(self) -> None:
        plain_numbers(self)
        require_fraction(self.leak, "leak")
        require_positive(self.scale, "scale")


@dataclass(frozen=True)
class Alpha:
    """A current that rises and falls, of second order; with equal leaks it is an alpha function::

        h_t = rise h_{t-1} + W a_t + V s_{t-1} + b,        i_t = decay i_{t-1} + h_t
        u_t = r(u_{t-1}, s_{t-1}) + scale i_t              (delayed: scale i_{t-1})

    Attributes
    ----------
    rise, decay : float
        Fractions kept per step, in [0, 1]; which is which does not matter.
    scale : float
        Potential per current. Positive and finite.
    delayed : bool
        Whether a step's potential is driven by the current of the step before.

    References
    ----------
    Rall, "Distinguishing theoretical synaptic potentials", J. Neurophysiol. 30 (1967), 1138-1168.
    The difference of two exponentials of snnTorch's ``Alpha`` is this one times the difference of
    their leaks, delayed.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> neuron = rs.GLIF(0.0, 9.0, rs.Arctan(2.0), synapse=rs.Alpha(0.5, 0.5))
    >>> network = rs.Network((1, 1), neuron, rs.SpikeRate(5.0), bias=False)
    >>> x = np.array([1.0, 0.0, 0.0, 0.0]).reshape(4, 1, 1)
    >>> rs.run(network, (rs.Layer(np.array([[1.0]])),), x, rs.heaviside).u[0].ravel()
    array([1.  , 1.  , 0.75, 0.5 ])
    """

    rise: float
    decay: float
    scale: float = 1.0
    delayed: bool = field(default=False, metadata={"before": False})

    def __post_init__(self) -> None:
        plain_numbers(self)
        require_fraction(self.rise, "rise")
        require_fraction(self.decay, "decay")
        require_positive(self.scale, "scale")


def synapse_step(
    synapse: Synapse | None, i: Array, current: Array, leak: Array | float | None = None
) -> tuple[Array, Array]:
    """Return the new current and what it adds to the potential, each (batch, n).

    `i` is the current of the previous step, `current` the input that arrives in this one; `leak`
    stands in for the synapse's, where it is learned. Without a synapse an input lasts one step.
    """
    if synapse is None:
        return current, current
    now = (synapse.leak if leak is None else leak) * i + current
    return now, synapse.scale * (i if synapse.delayed else now)
