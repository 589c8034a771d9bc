"""The leaky integrate-and-fire neuron: what fixes it, and one step of time."""

from dataclasses import dataclass, field

from refsast.arrays import Array, plain_numbers, require_fraction, require_positive
from refsast.autodiff import stop_gradient
from refsast.model.reset import Reset, ToZero
from refsast.model.spike import Spike


@dataclass(frozen=True)
class LIF:
    """What fixes a neuron; everything that moves is an argument of `step`.

    Potentials and currents share one arbitrary unit, set by `threshold`. Time is counted in steps.

    Attributes
    ----------
    leak : float
        Fraction of the potential kept per step, in [0, 1].
    threshold : float
        Potential at which the neuron fires. Positive and finite.
    spike : callable
        Smooth spike, a function of the distance above threshold with values in [0, 1].
        `gradient.fast` also needs its ``derivative``.
    reset : ToZero, Subtract or NoReset
        What a spike does to the potential.
    detach_reset : bool
        Whether gradients ignore that the reset depends on the spike. The result is then the
        gradient of no loss; the option is here to reproduce libraries that do so.

    References
    ----------
    DESIGN 1 and 3.

    Examples
    --------
    >>> import refsast as rs
    >>> neuron = rs.LIF(leak=0.9, threshold=1.0, spike=rs.Arctan(2.0), reset=rs.Subtract())
    >>> network = rs.Network((4, 5, 3), neuron, rs.SpikeRate(10.0))
    >>> network.neuron.reset
    Subtract(leaked=False)
    """

    leak: float
    threshold: float
    spike: Spike
    reset: Reset = field(default_factory=ToZero)
    detach_reset: bool = False

    def __post_init__(self) -> None:
        plain_numbers(self)
        require_fraction(self.leak, "leak")
        require_positive(self.threshold, "threshold")
        if not callable(self.spike):
            raise ValueError(f"spike must be callable, got {self.spike!r}")
        if not isinstance(self.reset, Reset):
            raise ValueError(f"reset must be ToZero, Subtract or NoReset, got {self.reset!r}")


def step(neuron: LIF, u: Array, s: Array, current: Array) -> tuple[Array, Array]:
    """Return potential and spike of a layer one time step later::

        u' = r(u, s) + current        s' = spike(u' - threshold)

    `u`, `s` and `current` have shape (batch, n); the current is all input of this step:
    feed-forward, recurrent and bias.
    """
    s_reset = stop_gradient(s) if neuron.detach_reset else s
    u = neuron.reset(neuron.leak, neuron.threshold, u, s_reset) + current
    return u, neuron.spike(u - neuron.threshold)
