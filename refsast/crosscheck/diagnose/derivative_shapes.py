"""Functions that stand in place of a spike's derivative."""

from collections.abc import Callable

import numpy as np

from refsast.arrays import Array
from refsast.model.lif import LIF
from refsast.model.spike import first_derivative


def _slope_parameter(neuron: LIF) -> float:
    """The parameter of the spike's family, or 1 where it has none."""
    return float(getattr(neuron.spike, "slope", 1.0))


def own_derivative(neuron: LIF, v: Array) -> Array:
    """The spike's own derivative."""
    return first_derivative(neuron.spike)(v)


def _shape(shape: Callable[[Array], Array]) -> Callable[[LIF, Array], Array]:
    return lambda neuron, v: shape(_slope_parameter(neuron) * v)


def _gaussian(z: Array, mean: float, deviation: float) -> Array:
    """The density of a normal distribution."""
    return np.exp(-0.5 * ((z - mean) / deviation) ** 2) / (deviation * np.sqrt(2.0 * np.pi))


def _lobes(wide: float, height: float, peak: float) -> Callable[[Array], Array]:
    """A Gaussian with negative ones at its sides, one deviation off and so many times as wide."""

    def shape(z: Array) -> Array:
        sides = _gaussian(z, 1.0, wide) + _gaussian(z, -1.0, wide)
        return peak * _gaussian(z, 0.0, 1.0) - height * sides

    return shape


# Of densities, which are tried as they are: times k.
DENSITIES = {
    f"the density of a Gaussian of deviation {name}": times
    for name, times in (("1/(2 k)", 0.5), ("1/k", 1.0))
}
# With k the slope parameter, of z = k v; each up to a factor.
SHAPES: dict[str, Callable[[LIF, Array], Array]] = {
    "own": own_derivative,
    "(own)^2": lambda neuron, v: own_derivative(neuron, v) ** 2,
    "1": lambda neuron, v: np.ones(v.shape),  # the straight-through estimator in the narrow sense
    "1/(1+|k v|)^2": _shape(lambda z: 1.0 / (1.0 + abs(z)) ** 2),
    "1/(1+|v|)^2": lambda neuron, v: 1.0 / (1.0 + abs(v)) ** 2,
    "1/(1+|k v|)": _shape(lambda z: 1.0 / (1.0 + abs(z))),
    "1/(1+(pi k v/2)^2)": _shape(lambda z: 1.0 / (1.0 + (0.5 * np.pi * z) ** 2)),
    "1/(1+(k v)^2)": _shape(lambda z: 1.0 / (1.0 + z * z)),
    "sech(k v/2)^2": _shape(lambda z: 1.0 / np.cosh(np.clip(0.5 * z, -300.0, 300.0)) ** 2),
    "sech(k v)^2": _shape(lambda z: 1.0 / np.cosh(np.clip(z, -300.0, 300.0)) ** 2),
    "(1+(k v)^2)^(-3/2)": _shape(lambda z: (1.0 + z * z) ** -1.5),
    "exp(-(k v)^2)": _shape(lambda z: np.exp(-z * z)),
    "exp(-(k v)^2/2)": _shape(lambda z: np.exp(-0.5 * z * z)),
    "exp(-|k v|)": _shape(lambda z: np.exp(-abs(z))),
    "max(0, 1-|k v|)": _shape(lambda z: np.maximum(0.0, 1.0 - abs(z))),
    "k s (1 - s)": lambda neuron, v: (
        _slope_parameter(neuron) * neuron.spike(v) * (1.0 - neuron.spike(v))
    ),
    **{
        name: lambda neuron, v, times=times: _gaussian(v, 0.0, times / _slope_parameter(neuron))
        for name, times in DENSITIES.items()
    },
    # Seldom: tried where nothing else fits.
    "max(0, 1-(k v)^2)": _shape(lambda z: np.maximum(0.0, 1.0 - z * z)),
    "(1+cos(pi k v))/2 within 1/k": _shape(
        lambda z: 0.5 * (1.0 + np.cos(np.pi * np.clip(z, -1.0, 1.0)))
    ),
    "1 above, 0 below": _shape(lambda z: np.where(z > 0.0, 1.0, 0.0)),
    "1 where 0 <= u <= 1": lambda neuron, v: np.where(
        abs(v + neuron.threshold - 0.5) <= 0.5, 1.0, 0.0
    ),
    "1 above, 0.1 below": _shape(lambda z: np.where(z >= 0.0, 1.0, 0.1)),
    "1 above, 0.01 below": _shape(lambda z: np.where(z >= 0.0, 1.0, 0.01)),
    "1/(1+exp(-k v))": _shape(lambda z: 0.5 * (1.0 + np.tanh(0.5 * z))),
    "sech(k v)": _shape(lambda z: 1.0 / np.cosh(np.clip(z, -300.0, 300.0))),
    "k (1 - s^2)": lambda neuron, v: _slope_parameter(neuron) * (1.0 - neuron.spike(v) ** 2),
    "1/(1+|k v|)^3": _shape(lambda z: (1.0 + abs(z)) ** -3),
    "sin(k v)/(k v)": _shape(lambda z: np.sinc(z / np.pi)),
    "a Gaussian with side lobes (h 0.15, 6 wide)": _shape(_lobes(6.0, 0.15, 1.15)),
    "a Gaussian with side lobes (h 0.15, 6 wide, 1 + 2 h)": _shape(_lobes(6.0, 0.15, 1.3)),
    "a Gaussian with side lobes (h 0.15, 3 wide)": _shape(_lobes(3.0, 0.15, 1.15)),
}
# What they are called, where their formula does not say it.
SHAPE_NAMES = {
    "1": "constant",
    "exp(-(k v)^2)": "a Gaussian",
    "exp(-(k v)^2/2)": "a Gaussian",
    "exp(-|k v|)": "a double exponential",
    "max(0, 1-|k v|)": "a triangle",
    "max(0, 1-(k v)^2)": "a parabola",
    "1/(1+|k v|)^2": "as of a fast sigmoid",
    "1/(1+(pi k v/2)^2)": "as of an arctan",
    "1/(1+(k v)^2)": "as of an arctan",
    "sech(k v/2)^2": "as of a logistic function",
    "sech(k v)^2": "as of tanh",
    "1 above, 0 below": "a step, as of a ReLU",
    "1 above, 0.1 below": "as of a leaky ReLU",
    "1 above, 0.01 below": "as of a leaky ReLU",
    "1 where 0 <= u <= 1": "rectangular",
    "k (1 - s^2)": "as of tanh, of the spike",
}
RARE_SHAPES = tuple(SHAPES)[tuple(SHAPES).index("max(0, 1-(k v)^2)") :]
# Those that are tried with a width and a factor of their own.
FREE_SHAPES = tuple(name for name in SHAPES if name not in DENSITIES)
