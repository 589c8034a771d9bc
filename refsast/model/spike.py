"""Spikes: any function of the distance above threshold, and the hard one."""

from collections.abc import Callable
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from refsast.arrays import Array
from refsast.autodiff import stop_gradient

Spike: TypeAlias = Callable[[Array], Array]


@runtime_checkable
class Smooth(Protocol):
    """A spike with a first derivative."""

    def derivative(self, v: Array) -> Array:
        """Return sigma'(v)."""
        ...


@runtime_checkable
class TwiceSmooth(Protocol):
    """A spike with a second derivative."""

    def second(self, v: Array) -> Array:
        """Return sigma''(v)."""
        ...


def heaviside(v: Array) -> Array:
    """Return the hard spike: 1 where ``v >= 0``, else 0, in the floating type of `v`.

    A potential exactly at threshold fires, as in the paper. NaN does not. The derivative is zero
    wherever there is one, so on the tape the result is a constant.

    Parameters
    ----------
    v : ndarray
        Distance above threshold, any shape.

    Returns
    -------
    ndarray
        Of the shape of `v`.

    References
    ----------
    DESIGN 1 and 3.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> rs.heaviside(np.array([-1.0, 0.0, 1.0]))
    array([0., 1., 1.])
    """
    distance = np.asarray(stop_gradient(v))
    return (distance.real >= 0.0).astype(np.result_type(distance, np.float32))


def first_derivative(spike: Spike) -> Callable[[Array], Array]:
    """Return the first derivative of a smooth spike; raise where it has none."""
    if not isinstance(spike, Smooth):
        raise ValueError(f"spike must have a method derivative, got {spike!r}")
    return spike.derivative


def second_derivative(spike: Spike) -> Callable[[Array], Array]:
    """Return the second derivative of a smooth spike; raise where it has none."""
    if not isinstance(spike, TwiceSmooth):
        raise ValueError(f"spike must have a method second, got {spike!r}")
    return spike.second
