"""Smooth spikes (DESIGN 4): five functions from the distance above threshold to [0, 1].

Rule 1: every value is finite and right for abs(v) up to 1e300, without a floating-point warning:
        arguments are clipped to a range outside of which the answer is constant to rounding.
Rule 2: written in NumPy operators only, so that the tape and the complex step run through.
Rule 3: each is symmetric, sigma(-v) = 1 - sigma(v), with sigma' largest at zero.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array, plain_numbers, require_positive

# Largest arguments whose first and second powers are finite, in double and in single precision.
LARGEST_ARGUMENT = {1: (1e308, 1e38), 2: (1.2e154, 1.6e19)}


def _scale_and_clip(slope: float, v: Array, power: int = 2) -> Array:
    """``slope * v``, clipped to where this power of it is finite."""
    single = getattr(v, "dtype", None) == np.float32
    far = min(LARGEST_ARGUMENT[power][single] / slope, LARGEST_ARGUMENT[1][single])
    return slope * np.clip(v, -far, far)


def _magnitude(z: Array) -> Array:
    """``abs(z)``, analytic on either side of zero (``numpy.abs`` of a complex number is not)."""
    return np.where(z < 0.0, -z, z)


def _sign(z: Array) -> Array:
    """-1, 0 or 1, of the real part."""
    return np.sign(np.real(z))


def _mirror_tail(z: Array, tail: Array) -> Array:
    """Sigma from ``sigma(-abs(z))``: small values keep their relative precision."""
    return np.where(z < 0.0, tail, 1.0 - tail)


def _require_slope(self: "Surrogate") -> None:
    plain_numbers(self)
    require_positive(self.slope, "slope")


@dataclass(frozen=True)
class Arctan:
    """The arctangent spike::

        sigma(v) = 1/2 + arctan(z)/pi,    z = pi b v / 2,    b the slope

    Attributes
    ----------
    slope : float
        b, twice the slope of sigma at threshold, per unit of potential. Positive and finite.

    References
    ----------
    DESIGN 4; SpikingJelly ``ATan(alpha=b)``, snnTorch ``atan(alpha=b)``.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> spike = rs.Arctan(2.0)
    >>> spike(np.array([-1.0, 0.0, 1.0])).round(3)
    array([0.098, 0.5  , 0.902])
    >>> float(spike.derivative(np.array(0.0)))
    1.0
    """

    slope: float
    __post_init__ = _require_slope

    def _z(self, v: Array) -> Array:
        return _scale_and_clip(0.5 * np.pi * self.slope, v)

    def __call__(self, v: Array) -> Array:
        """Return sigma(v), any shape."""
        return 0.5 + np.arctan(self._z(v)) / np.pi

    def derivative(self, v: Array) -> Array:
        """Return sigma'(v), per unit of potential."""
        z = self._z(v)
        return 0.5 * self.slope / (1.0 + z * z)

    def second(self, v: Array) -> Array:
        """Return sigma''(v), per unit of potential squared."""
        z = self._z(v)
        q = 1.0 / (1.0 + z * z)
        return -0.5 * np.pi * self.slope**2 * (z * q) * q  # q^2 alone may underflow

    @property
    def sup_derivative(self) -> float:
        """Largest abs(sigma'): b/2."""
        return 0.5 * self.slope

    @property
    def sup_second(self) -> float:
        """Largest abs(sigma''): 3 sqrt(3) pi b^2 / 32."""
        return 3.0 * np.sqrt(3.0) * np.pi * self.slope**2 / 32.0


@dataclass(frozen=True)
class Logistic:
    """The logistic spike::

        sigma(v) = 1/(1 + exp(-z)),    z = k v,    k the slope

    Attributes
    ----------
    slope : float
        k, four times the slope of sigma at threshold, per unit of potential. Positive and finite.

    References
    ----------
    DESIGN 4; SpikingJelly ``Sigmoid(alpha=k)``, snnTorch ``sigmoid(slope=k)``.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> spike = rs.Logistic(2.0)
    >>> spike(np.array([-1.0, 0.0, 1.0])).round(3)
    array([0.119, 0.5  , 0.881])
    """

    slope: float
    __post_init__ = _require_slope

    def __call__(self, v: Array) -> Array:
        """Return sigma(v), any shape."""
        z, e = self._decay(v)
        return np.where(z >= 0.0, 1.0, e) / (1.0 + e)

    def _decay(self, v: Array) -> tuple[Array, Array]:
        """Z and exp(-abs(z)), which cannot overflow."""
        z = _scale_and_clip(self.slope, v)
        return z, np.exp(-np.minimum(_magnitude(z), 750.0))  # exp(-750) is zero

    def derivative(self, v: Array) -> Array:
        """Return sigma'(v), per unit of potential."""
        _, e = self._decay(v)
        return self.slope * e / ((1.0 + e) * (1.0 + e))

    def second(self, v: Array) -> Array:
        """Return sigma''(v), per unit of potential squared."""
        z, _ = self._decay(v)
        return -self.slope * self.derivative(v) * np.tanh(0.5 * z)

    @property
    def sup_derivative(self) -> float:
        """Largest abs(sigma'): k/4."""
        return 0.25 * self.slope

    @property
    def sup_second(self) -> float:
        """Largest abs(sigma''): k^2 / (6 sqrt 3)."""
        return self.slope**2 / (6.0 * np.sqrt(3.0))


@dataclass(frozen=True)
class Algebraic:
    """The algebraic spike::

        sigma(v) = (1 + z/sqrt(1 + z^2))/2,    z = k v,    k the slope

    Attributes
    ----------
    slope : float
        k, twice the slope of sigma at threshold, per unit of potential. Positive and finite.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> spike = rs.Algebraic(2.0)
    >>> spike(np.array([-1.0, 0.0, 1.0])).round(3)
    array([0.053, 0.5  , 0.947])
    """

    slope: float
    __post_init__ = _require_slope

    def __call__(self, v: Array) -> Array:
        """Return sigma(v), any shape."""
        z = _scale_and_clip(self.slope, v)
        m = _magnitude(z)
        r = np.sqrt(1.0 + z * z)
        # (1 - m/r)/2 without its cancellation at large m, by r^2 - m^2 = 1.
        return _mirror_tail(z, 0.5 / r / (r + m))

    def derivative(self, v: Array) -> Array:
        """Return sigma'(v), per unit of potential."""
        z = _scale_and_clip(self.slope, v)
        r = 1.0 / np.sqrt(1.0 + z * z)
        return 0.5 * self.slope * r * r * r

    def second(self, v: Array) -> Array:
        """Return sigma''(v), per unit of potential squared."""
        z = _scale_and_clip(self.slope, v)
        r = 1.0 / np.sqrt(1.0 + z * z)
        return -1.5 * self.slope**2 * (z * r) * (r * r) * (r * r)  # z r <= 1: nothing overflows

    @property
    def sup_derivative(self) -> float:
        """Largest abs(sigma'): k/2."""
        return 0.5 * self.slope

    @property
    def sup_second(self) -> float:
        """Largest abs(sigma''), at z = 1/2: 3/4 (4/5)^(5/2) k^2."""
        return 0.75 * 0.8**2.5 * self.slope**2


@dataclass(frozen=True)
class FastSigmoid:
    """The rational spike, once differentiable with Lipschitz derivative::

        sigma(v) = (1 + z/(1 + |z|))/2,    z = k v,    k the slope

    Attributes
    ----------
    slope : float
        k, twice the slope of sigma at threshold, per unit of potential. Positive and finite.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> spike = rs.FastSigmoid(2.0)
    >>> spike(np.array([-1.0, 0.0, 1.0])).round(3)
    array([0.167, 0.5  , 0.833])
    """

    slope: float
    __post_init__ = _require_slope

    def __call__(self, v: Array) -> Array:
        """Return sigma(v), any shape."""
        z = _scale_and_clip(self.slope, v, power=1)
        return _mirror_tail(z, 0.5 / (1.0 + _magnitude(z)))

    def derivative(self, v: Array) -> Array:
        """Return sigma'(v), per unit of potential."""
        q = 1.0 / (1.0 + _magnitude(_scale_and_clip(self.slope, v)))
        return 0.5 * self.slope * q * q

    def second(self, v: Array) -> Array:
        """Return sigma''(v), per unit of potential squared; 0 at v = 0, where it jumps."""
        z = _scale_and_clip(self.slope, v)
        q = 1.0 / (1.0 + _magnitude(z))
        return -_sign(z) * self.slope**2 * q * q * q

    @property
    def sup_derivative(self) -> float:
        """Largest abs(sigma'): k/2."""
        return 0.5 * self.slope

    @property
    def sup_second(self) -> float:
        """Lipschitz constant of sigma', approached at 0: k^2."""
        return self.slope**2


@dataclass(frozen=True)
class PiecewiseQuadratic:
    """The C1 spline whose derivative is a triangle::

        sigma(v) = 1/2 + z - z |z| / 2 for |z| <= 1, else 0 or 1,    z = k v,    k the slope
        sigma'(v) = k max(0, 1 - |z|)

    Attributes
    ----------
    slope : float
        k, the slope of sigma at threshold, per unit of potential. Positive and finite.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> spike = rs.PiecewiseQuadratic(2.0)
    >>> spike(np.array([-1.0, -0.25, 0.0, 1.0])).round(3)
    array([0.   , 0.125, 0.5  , 1.   ])
    """

    slope: float
    __post_init__ = _require_slope

    def __call__(self, v: Array) -> Array:
        """Return sigma(v), any shape."""
        z = np.clip(_scale_and_clip(self.slope, v), -1.0, 1.0)
        return 0.5 + z * (1.0 - 0.5 * _magnitude(z))

    def derivative(self, v: Array) -> Array:
        """Return sigma'(v), per unit of potential."""
        return self.slope * np.maximum(0.0, 1.0 - _magnitude(_scale_and_clip(self.slope, v)))

    def second(self, v: Array) -> Array:
        """Return sigma''(v), per unit of potential squared; 0 where it jumps (|z| = 0 and 1)."""
        z = _scale_and_clip(self.slope, v)
        return np.where(_magnitude(z) < 1.0, -_sign(z) * self.slope**2, 0.0)

    @property
    def sup_derivative(self) -> float:
        """Largest abs(sigma'): k."""
        return self.slope

    @property
    def sup_second(self) -> float:
        """Lipschitz constant of sigma': k^2."""
        return self.slope**2


Surrogate: TypeAlias = Arctan | Logistic | Algebraic | FastSigmoid | PiecewiseQuadratic
