"""What makes an example of a network beyond dense LIF layers smaller: extensions away one by one.

Parameters stay where they fit what is left; the others are drawn anew.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from refsast.crosscheck.conformance.extended import draw_params
from refsast.crosscheck.conformance.extensions import drop_extension, extension_names, rebuild
from refsast.crosscheck.conformance.strategies import Example
from refsast.model.network import Network
from refsast.model.params import Params


def smaller_extended(example: Example) -> Iterator[Example]:
    """Yield the example without one extension, a layer, biases or recurrent weights."""
    old = example.case
    network = old.network

    def rebuilt(make: Callable[[], Network]) -> Iterator[Example]:
        try:
            smaller = make()
            params = _keep_params(smaller, old.params)
            y = old.y % smaller.classes
            case = replace(old, network=smaller, params=params, y=y)
        except ValueError:  # what is left does not fit together
            return
        yield replace(example, case=case, x=case.x, y=case.y)

    for name in sorted(extension_names(network)):
        yield from rebuilt(lambda name=name: drop_extension(network, name))
    for i in range(network.depth if network.depth > 1 else 0):
        yield from rebuilt(lambda i=i: _without_layer(network, i))
    for part in ("recurrent", "bias"):
        if getattr(network, part):
            yield from rebuilt(lambda part=part: rebuild(network, **{part: False}))


def _without_layer(network: Network, i: int) -> Network:
    layers, neurons = list(network.chains), list(network.neurons)
    del layers[i], neurons[i]
    return rebuild(network, layers=tuple(layers), neuron=tuple(neurons))


def _keep_params(network: Network, old: Params) -> Params:
    """The old parameters, from the last layer on, where they fit, and new ones where not."""
    new = list(draw_params(network, np.random.default_rng(0)))
    shift = len(old) - len(new)
    for i, layer in enumerate(new):
        before = vars(old[i + shift])
        kept = {
            name: before[name]
            for name, a in vars(layer).items()
            if a is not None and before[name] is not None and before[name].shape == a.shape
        }
        new[i] = replace(layer, **kept)
    return tuple(new)
