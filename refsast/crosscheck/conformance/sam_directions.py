"""Ascent directions that people take in place of the gradient over its norm: a table."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case
from refsast.model.params import Layer, Params, flatten, map_params
from refsast.model.vector import unflatten

# ``(case, w, g) -> direction``, to be multiplied by rho and added to w; zero where g is.
Direction = Callable[[Case, Array, Array], Array]


def _unit(g: Array) -> Array:
    return _divide(g, g)


def _layerwise(change: Callable[[Array], Array]) -> Direction:
    """A change of each array by itself."""
    return lambda case, w, g: flatten(map_params(change, unflatten(case.network, g)))


def _keep(case: Case, g: Array, kept: Callable[[int, str], bool]) -> Array:
    """A gradient with some of its arrays only, zeros elsewhere; by layer and name of the array."""

    def part(i: int, layer: Layer) -> Layer:
        arrays = {n: getattr(layer, n) for n in ("w", "b", "v")}
        return replace(
            layer,
            **{n: a if kept(i, n) else 0.0 * a for n, a in arrays.items() if a is not None},
        )

    params: Params = unflatten(case.network, g)
    return flatten(tuple(part(i, layer) for i, layer in enumerate(params)))


def _weights_only(i: int, name: str) -> bool:
    return name != "b"


def _layer_norms(case: Case, w: Array, g: Array) -> Array:
    """Each layer over its own norm."""
    layers = range(len(case.network.shapes))
    parts = [_keep(case, g, lambda i, name, layer=layer: i == layer) for layer in layers]
    return np.sum([_unit(part) for part in parts], axis=0)


def _last(case: Case, part: Callable[[int, str], bool] | None = None) -> Callable[[int, str], bool]:
    last = len(case.network.shapes) - 1
    return lambda i, name: i == last and (part is None or part(i, name))


def _divide(g: Array, by: Array) -> Array:
    norm = np.linalg.norm(by)
    return g / norm if norm > 0.0 else g


def _adaptive(case: Case, w: Array, g: Array) -> Array:
    """As ASAM has it: T^2 g / |T g| with T = |w|."""
    size = abs(w)
    return _divide(size**2 * g, size * g)


DIRECTIONS: dict[str, Direction] = {
    "the ascent step is rho g, not divided by the norm": lambda case, w, g: g,
    "the norm is taken of each array by itself": _layerwise(_unit),
    "the norm is taken of each layer by itself": _layer_norms,
    "only weights are moved by the ascent step, and enter the norm; biases stay": (
        lambda case, w, g: _unit(_keep(case, g, _weights_only))
    ),
    "only weights are moved by the ascent step; biases enter the norm": (
        lambda case, w, g: _keep(case, _unit(g), _weights_only)
    ),
    "the norm is that of the weights' gradients only": (
        lambda case, w, g: _divide(g, _keep(case, g, lambda i, name: name == "w"))
    ),
    "the norm is that of weights, recurrent ones among them, without biases": (
        lambda case, w, g: _divide(g, _keep(case, g, _weights_only))
    ),
    "the norm is that of the last layer's gradient": (
        lambda case, w, g: _divide(g, _keep(case, g, _last(case)))
    ),
    "the norm is that of the last layer's weights' gradient": (
        lambda case, w, g: _divide(g, _keep(case, g, _last(case, _weights_only)))
    ),
    "only the last layer is moved by the ascent step": (
        lambda case, w, g: _unit(_keep(case, g, _last(case)))
    ),
    "the norm is squared": lambda case, w, g: g / float(g @ g) if g.any() else g,
    "the norm is the sum of absolute values": (
        lambda case, w, g: g / abs(g).sum() if g.any() else g
    ),
    "the norm is the largest absolute value": (
        lambda case, w, g: g / abs(g).max() if g.any() else g
    ),
    "the norm is the root of the mean square": (
        lambda case, w, g: _unit(g) * np.sqrt(g.size)
    ),
    "the ascent step is by the gradient's signs, divided by the root of their number": (
        lambda case, w, g: np.sign(g) / np.sqrt(g.size)
    ),
    "the ascent step is by the gradient's signs": lambda case, w, g: np.sign(g),
    "the ascent step is adaptive, as ASAM's: w^2 g / |w g|": _adaptive,
    "the ascent step is |w| g over the norm of |w| g": (
        lambda case, w, g: _unit(abs(w) * g)
    ),
}  # fmt: skip
