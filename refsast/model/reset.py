"""What a spike does to the potential that caused it: r(u, s), and its two partial derivatives.

Each reset is a record that is called with the potential and spike of the previous step and gives
what is carried over; `partials` serves the hand-derived gradient.
"""

from dataclasses import dataclass
from typing import TypeAlias

from refsast.arrays import Array


@dataclass(frozen=True)
class ToZero:
    """Reset by multiplication, ``r = leak u (1 - s)``: what has spiked forgets.

    References
    ----------
    DESIGN 1; the paper's reset.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((1, 1), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = (rs.Layer(np.array([[0.8]]), np.array([0.0])),)
    >>> rs.run(network, params, np.ones((4, 1, 1)), rs.heaviside).u[0].ravel().round(2)
    array([0.8 , 1.52, 0.8 , 1.52])
    """

    def __call__(self, leak: float, threshold: float, u: Array, s: Array) -> Array:
        """Return what is carried over of a potential `u` with spike `s`, of their shape."""
        return leak * u * (1.0 - s)

    def partials(self, leak: float, threshold: float, u: Array, s: Array) -> tuple[Array, Array]:
        """Return ``dr/du`` and ``dr/ds``, of the shape of `u` and `s`."""
        return leak * (1.0 - s), -leak * u

    def number_partials(
        self, leak: float, threshold: float, u: Array, s: Array
    ) -> tuple[Array, float]:
        """Return ``dr/dleak`` and ``dr/dthreshold``, of the shape of `u` and `s`."""
        return u * (1.0 - s), 0.0


@dataclass(frozen=True)
class Subtract:
    """Reset by subtraction, ``r = leak u - threshold s``; leaked: ``r = leak (u - threshold s)``.

    Attributes
    ----------
    leaked : bool
        Whether the leak acts on what was subtracted, too.

    References
    ----------
    DESIGN 1; snnTorch ``subtract`` (not leaked), SpikingJelly ``v_reset=None`` (leaked).

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> neuron = rs.LIF(0.9, 1.0, rs.Arctan(2.0), rs.Subtract())
    >>> network = rs.Network((1, 1), neuron, rs.SpikeRate(5.0), bias=False)
    >>> params = (rs.Layer(np.array([[0.8]])),)
    >>> rs.run(network, params, np.ones((4, 1, 1)), rs.heaviside).u[0].ravel().round(2)
    array([0.8 , 1.52, 1.17, 0.85])
    """

    leaked: bool = False

    def _drop(self, leak: float, threshold: float) -> float:
        return leak * threshold if self.leaked else threshold

    def __call__(self, leak: float, threshold: float, u: Array, s: Array) -> Array:
        """Return what is carried over of a potential `u` with spike `s`, of their shape."""
        return leak * u - self._drop(leak, threshold) * s

    def partials(self, leak: float, threshold: float, u: Array, s: Array) -> tuple[float, float]:
        """Return ``dr/du`` and ``dr/ds``, which do not depend on the state."""
        return leak, -self._drop(leak, threshold)

    def number_partials(
        self, leak: float, threshold: float, u: Array, s: Array
    ) -> tuple[Array, Array]:
        """Return ``dr/dleak`` and ``dr/dthreshold``, of the shape of `u` and `s`."""
        return (u - threshold * s, -leak * s) if self.leaked else (u, -s)


@dataclass(frozen=True)
class NoReset:
    """No reset, ``r = leak u``: a leaky integrator that also reports spikes.

    References
    ----------
    DESIGN 1.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> neuron = rs.LIF(0.9, 1.0, rs.Arctan(2.0), rs.NoReset())
    >>> network = rs.Network((1, 1), neuron, rs.SpikeRate(5.0), bias=False)
    >>> params = (rs.Layer(np.array([[0.8]])),)
    >>> rs.run(network, params, np.ones((4, 1, 1)), rs.heaviside).u[0].ravel().round(2)
    array([0.8 , 1.52, 2.17, 2.75])
    """

    def __call__(self, leak: float, threshold: float, u: Array, s: Array) -> Array:
        """Return what is carried over of a potential `u`, of its shape."""
        return leak * u

    def partials(self, leak: float, threshold: float, u: Array, s: Array) -> tuple[float, float]:
        """Return ``dr/du`` and ``dr/ds``, which do not depend on the state."""
        return leak, 0.0

    def number_partials(
        self, leak: float, threshold: float, u: Array, s: Array
    ) -> tuple[Array, float]:
        """Return ``dr/dleak`` and ``dr/dthreshold``, of the shape of `u` and `s`."""
        return u, 0.0


Reset: TypeAlias = ToZero | Subtract | NoReset
# By the names of the command line; what draws or enumerates resets takes them from here.
RESETS: dict[str, Reset] = {
    "zero": ToZero(),
    "subtract": Subtract(),
    "subtract-leaked": Subtract(leaked=True),
    "none": NoReset(),
}
