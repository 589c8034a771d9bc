"""The generalised neuron: numbers per neuron or learned, a synapse, adaptation, a refractory time.

Whoever needs the leaky integrate-and-fire neuron alone finds all of it in `lif`.
"""

from dataclasses import dataclass, field

from refsast.arrays import (
    Array,
    is_int,
    plain_numbers,
    require_fraction,
    require_nonnegative,
    require_positive,
)
from refsast.model.learned import Learned, Number, resolve
from refsast.model.lif import LIF
from refsast.model.params import Layer
from refsast.model.reset import Reset, ToZero
from refsast.model.spike import Spike
from refsast.model.synapse import Alpha, Synapse


@dataclass(frozen=True)
class Adaptation:
    """A threshold that rises with every spike and falls back (ALIF)::

        a_t = leak a_{t-1} + s_{t-1},    a_0 = 0        threshold_t = threshold + strength a_t

    What a reset subtracts stays the threshold at rest.

    Attributes
    ----------
    leak : float
        Fraction of the adaptation kept per step, in [0, 1].
    strength : float
        Threshold per spike. Not negative.

    References
    ----------
    Bellec et al., "Long short-term memory and learning-to-learn in networks of spiking neurons",
    arXiv:1803.09574, without their subtraction of the raised threshold.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> neuron = rs.GLIF(0.9, 1.0, rs.Arctan(2.0), adaptation=rs.Adaptation(0.9, 0.5))
    >>> network = rs.Network((1, 1), neuron, rs.SpikeRate(5.0), bias=False)
    >>> run = rs.run(network, (rs.Layer(np.array([[1.2]])),), np.ones((6, 1, 1)), rs.heaviside)
    >>> run.s[0].ravel()  # twice as far apart as time goes on
    array([1., 0., 1., 0., 1., 0.])
    """

    leak: float
    strength: float

    def __post_init__(self) -> None:
        plain_numbers(self)
        require_fraction(self.leak, "leak")
        require_nonnegative(self.strength, "strength")


@dataclass(frozen=True)
class GLIF:
    """A leaky integrate-and-fire neuron with more to it; per step, in this order::

        i_t = what `synapse` makes of the input         a_t, theta_t as `adaptation` has them
        u_t = r(u_{t-1}, s_{t-1}) + i_t
        s_t = sigma(u_t - theta_t) (1 - s_{t-1}) ... (1 - s_{t-k})      k = refractory

    With hard spikes the product is a refractory time of k steps, in which the potential goes on;
    with smooth ones it is smooth.

    Attributes
    ----------
    leak : float, tuple of float, or Learned
        Fraction of the potential kept per step, in [0, 1]: of all, of each, or learned.
    threshold : float, tuple of float, or Learned
        Potential at which the neuron fires. Positive.
    spike, reset, detach_reset
        As of `LIF`.
    synapse : Synapse or Alpha, optional
        What filters the input.
    adaptation : Adaptation, optional
        What raises the threshold.
    refractory : int
        Steps after a spike without another. Not negative.
    synapse_leak : Learned, optional
        The leak of a `Synapse`, in place of its own, where it is learned.
    learn_start : bool
        Whether the potential before the first step is a parameter, one per neuron, zero at first.

    References
    ----------
    DESIGN 1. With ``GLIF(leak, threshold, spike)`` it is `LIF`.

    Examples
    --------
    >>> import refsast as rs
    >>> neuron = rs.GLIF(0.9, rs.Learned(1.0), rs.Arctan(2.0), synapse=rs.Synapse(0.8))
    >>> rs.Network((2, 3), neuron, rs.SpikeRate(5.0)).shapes
    ({'w': (3, 2), 'b': (3,), 'threshold': ()},)
    """

    leak: Number
    threshold: Number
    spike: Spike
    reset: Reset = field(default_factory=ToZero)
    detach_reset: bool = False
    synapse: Synapse | Alpha | None = None
    adaptation: Adaptation | None = None
    refractory: int = 0
    synapse_leak: Learned | None = None
    learn_start: bool = False

    def __post_init__(self) -> None:
        plain_numbers(self)
        _require_numbers(self.leak, "leak")
        _require_numbers(self.threshold, "threshold")
        if not callable(self.spike):
            raise ValueError(f"spike must be callable, got {self.spike!r}")
        if not isinstance(self.reset, Reset):
            raise ValueError(f"reset must be ToZero, Subtract or NoReset, got {self.reset!r}")
        if not isinstance(self.synapse, Synapse | Alpha | None):
            raise ValueError(f"synapse must be Synapse, Alpha or None, got {self.synapse!r}")
        if self.synapse_leak is not None:
            if not isinstance(self.synapse_leak, Learned):
                raise ValueError(f"synapse_leak must be Learned or None, got {self.synapse_leak!r}")
            _require_numbers(self.synapse_leak, "synapse_leak")
            if not isinstance(self.synapse, Synapse):
                raise ValueError(f"synapse must be a Synapse to be learned, got {self.synapse!r}")
        if not isinstance(self.adaptation, Adaptation | None):
            raise ValueError(f"adaptation must be Adaptation or None, got {self.adaptation!r}")
        if not is_int(self.refractory, 0):
            wanted = "an integer of at least 0"
            raise ValueError(f"refractory must be {wanted}, got {self.refractory!r}")
        if not isinstance(self.learn_start, bool):
            raise ValueError(f"learn_start must be True or False, got {self.learn_start!r}")

    @property
    def learned(self) -> dict[str, Learned]:
        """What a layer of it has as parameters, by their names in `Layer`."""
        values = numbers_of(self)
        found = {name: value for name, value in values.items() if isinstance(value, Learned)}
        return found | ({"start": Learned(0.0, per_neuron=True)} if self.learn_start else {})

    def require_width(self, n: int) -> None:
        """Raise ValueError unless what is given per neuron is given for `n` of them."""
        for name in ("leak", "threshold", "synapse_leak"):
            value = getattr(self, name)
            value = value.start if isinstance(value, Learned) else value
            if isinstance(value, tuple) and len(value) != n:
                raise ValueError(f"{name} must have one number per neuron, {n}, got {len(value)}")


def _require_numbers(value: Number, name: str) -> None:
    """Raise ValueError unless all numbers lie in their range."""
    sigmoid = isinstance(value, Learned) and value.sigmoid
    start = value.start if isinstance(value, Learned) else value
    if sigmoid and name == "threshold":
        raise ValueError(f"{name} must be learned as it is, got a sigmoid, which ends at 1")
    for number in start if isinstance(start, tuple) else (start,):
        if name == "threshold":
            require_positive(number, name)
        else:
            require_fraction(number, name)
        if sigmoid and not 0.0 < number < 1.0:
            raise ValueError(f"{name} must lie inside (0, 1) for a sigmoid, got {number!r}")


def as_glif(neuron: LIF | GLIF) -> GLIF:
    """Return a neuron as the general one."""
    if isinstance(neuron, GLIF):
        return neuron
    return GLIF(neuron.leak, neuron.threshold, neuron.spike, neuron.reset, neuron.detach_reset)


def numbers_of(neuron: GLIF) -> dict[str, Number]:
    """Return leak, threshold, and the leak of a `Synapse`, by their names in `Layer`."""
    values = {"leak": neuron.leak, "threshold": neuron.threshold}
    if isinstance(neuron.synapse, Synapse):
        values["synapse_leak"] = neuron.synapse_leak or neuron.synapse.leak
    return values


def constants(neuron: GLIF, layer: Layer) -> dict[str, Array | float]:
    """Return the same as numbers, one for all or one per neuron; learned ones on the tape."""
    dtype = layer.w.dtype
    return {n: resolve(v, getattr(layer, n), dtype) for n, v in numbers_of(neuron).items()}
