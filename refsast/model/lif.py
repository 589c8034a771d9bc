"""The leaky integrate-and-fire neuron: what fixes it, and one step of time."""

from dataclasses import dataclass, field

from refsast.arrays import Array, require_number
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
        Whether gradients ignore the way through the reset's spike. What then comes out is not the
        gradient of any loss; it is here to reproduce libraries that do so.

    References
    ----------
    DESIGN 1 and 3.
    """

    leak: float
    threshold: float
    spike: Spike
    reset: Reset = field(default_factory=ToZero)
    detach_reset: bool = False

    def __post_init__(self) -> None:
        require_number(self.leak, "leak")
        require_number(self.threshold, "threshold")
        if not 0.0 <= self.leak <= 1.0:
            raise ValueError(f"leak must lie in [0, 1], got {self.leak}")
        if not 0.0 < self.threshold < float("inf"):
            raise ValueError(f"threshold must be positive and finite, got {self.threshold}")
        if not callable(self.spike):
            raise ValueError(f"spike must be callable, got {self.spike!r}")
        if not isinstance(self.reset, Reset):
            raise ValueError(f"reset must be ToZero, Subtract or NoReset, got {self.reset!r}")


def step(neuron: LIF, u: Array, s: Array, current: Array) -> tuple[Array, Array]:
    """Advance a layer by one time step::

        u' = r(u, s) + current        s' = spike(u' - threshold)

    Parameters
    ----------
    neuron : LIF
        The neuron model, shared by the layer.
    u, s : (batch, n) array
        Potential and spike of the previous step.
    current : (batch, n) array
        All input of this step: feed-forward, recurrent and bias.

    Returns
    -------
    u, s : (batch, n) array
        Potential and spike of this step.
    """
    fired = stop_gradient(s) if neuron.detach_reset else s
    u = neuron.reset(neuron.leak, neuron.threshold, u, fired) + current
    return u, neuron.spike(u - neuron.threshold)
