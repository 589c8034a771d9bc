"""Numbers of a neuron that are parameters."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array, plain_numbers
from refsast.model.surrogate import Logistic

SIGMOID = Logistic(1.0)


@dataclass(frozen=True)
class Learned:
    """A number of a neuron that is a parameter, and where its training starts.

    The layer's parameter is the number itself, which training keeps in its range by a projection;
    or p with ``number = 1/(1 + exp(-p))``, which no step can leave.

    Attributes
    ----------
    start : float or tuple of float
        One for all neurons of a layer, or one per neuron.
    per_neuron : bool
        Whether each neuron learns its own, also where they start alike.
    sigmoid : bool
        Whether the parameter is p; `start` is the number all the same. For leaks only.

    References
    ----------
    snnTorch ``Leaky(learn_beta=True)``, the number itself; SpikingJelly ``ParametricLIFNode``, by a
    sigmoid: Fang et al., arXiv:2007.05785.

    Examples
    --------
    >>> import refsast as rs
    >>> neuron = rs.GLIF(rs.Learned(0.9, sigmoid=True), 1.0, rs.Arctan(2.0))
    >>> params = rs.init(rs.Network((2, 3), neuron, rs.SpikeRate(5.0)), 0)
    >>> round(float(params[0].leak), 3)  # log(0.9 / 0.1)
    2.197
    """

    start: float | tuple[float, ...]
    per_neuron: bool = False
    sigmoid: bool = False

    def __post_init__(self) -> None:
        plain_numbers(self)
        for name in ("per_neuron", "sigmoid"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise ValueError(f"{name} must be True or False, got {value!r}")

    def shape(self, n: int) -> tuple[int, ...]:
        """Return the shape of the parameter in a layer of `n` neurons."""
        return (n,) if self.per_neuron or isinstance(self.start, tuple) else ()

    def initial(self, n: int) -> Array:
        """Return the parameter at the start."""
        number = np.broadcast_to(np.asarray(self.start, np.float64), self.shape(n)).copy()
        return np.log(number) - np.log1p(-number) if self.sigmoid else number


Number: TypeAlias = float | tuple[float, ...] | Learned


def resolve(value: Number, parameter: Array | None, dtype: np.dtype) -> Array | float:
    """Return a number of a neuron, or one per neuron; `parameter` is what its layer has learned."""
    if not isinstance(value, Learned):
        return np.array(value, dtype) if isinstance(value, tuple) else value
    assert parameter is not None  # a layer has what its neuron learns
    return SIGMOID(parameter) if value.sigmoid else parameter


def resolve_back(value: Number, parameter: Array | None, g: Array) -> Array | None:
    """Return the cotangent of the parameter, by hand, of that of the number per neuron, (n,)."""
    if not isinstance(value, Learned):
        return None
    assert parameter is not None
    g = g if parameter.ndim else np.asarray(g.sum())
    return np.asarray(g * SIGMOID.derivative(parameter) if value.sigmoid else g)
