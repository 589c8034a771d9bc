"""Parameters of spiking layers that an implementation uses by mistake, and its gradients in them.

Rule 1: what is used is right in all else, so that the gradients in a case's own parameters follow
        from those in the parameters in use.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from refsast.model.params import Layer, Params, layer_arrays, map_params


def _list_shapes(layer: Layer) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in layer_arrays(layer).items()}


def _share_first(params: Params) -> Params:
    """The first layer's parameters in all others of its shapes."""
    return tuple(
        params[0] if _list_shapes(each) == _list_shapes(params[0]) else each for each in params
    )


def _sum_layers(params: Params, grads: Params) -> Params:
    """The first layer gets the gradients of all layers that use its parameters; they get none."""
    shared = [_list_shapes(each) == _list_shapes(params[0]) for each in params]
    own = [g for g, same in zip(grads, shared, strict=True) if same]
    total = Layer(**{n: sum((layer_arrays(g)[n] for g in own[1:]), a)
                     for n, a in layer_arrays(own[0]).items()})  # fmt: skip
    nothing = map_params(np.zeros_like, grads)
    kept = [z if same else g for g, z, same in zip(grads, nothing, shared, strict=True)]
    return (total, *kept[1:])


def _feed_input(params: Params) -> Params:
    """Recurrent weights that read a layer's input of the same step, which W reads, too."""
    if any(each.v is not None and each.v.shape != each.w.shape for each in params):
        return params
    return tuple(
        each if each.v is None else replace(each, w=each.w + each.v, v=0.0 * each.v)
        for each in params
    )


def _pair_input(params: Params, grads: Params) -> Params:
    return tuple(g if g.v is None else replace(g, v=g.w) for g in grads)


# Other parameters, and what the gradients in them make of those in a case's own. Spiking layers
# alone are given; a readout keeps its own.
PARAMETERS: Mapping[str, tuple[Callable[[Params], Params], Callable[[Params, Params], Params]]] = {
    "first layer's parameters in all layers": (_share_first, _sum_layers),
    "recurrence of the input": (_feed_input, _pair_input),
}
