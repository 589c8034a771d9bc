"""Networks of which some layers fire hard and the others smoothly.

A mixture is a tuple of booleans, one per spiking layer: whether it fires hard.
"""

from collections.abc import Collection
from typing import TypeAlias

from refsast.arrays import Array
from refsast.model import Network, Params, Trace, heaviside
from refsast.model.network import replace_spikes
from refsast.model.readout import read_layer
from refsast.model.unroll import layer_currents, readout_logits, unroll_layer

Mixture: TypeAlias = tuple[bool, ...]


def only_hard(layer: int, depth: int) -> Mixture:
    """Return the mixture in which one layer of `depth`, counted from 0, fires hard."""
    return tuple(i == layer for i in range(depth))


def all_but_hard(layer: int, depth: int) -> Mixture:
    """Return the mixture in which all layers but one fire hard."""
    return tuple(i != layer for i in range(depth))


def first_hard(count: int, depth: int) -> Mixture:
    """Return the mixture in which the first `count` layers fire hard."""
    return tuple(i < count for i in range(depth))


def list_mixtures(depth: int) -> set[Mixture]:
    """Return all mixtures that a diagnosis looks at: at most 3 depth - 1, the two ends included."""
    one = {mix(i, depth) for mix in (only_hard, all_but_hard) for i in range(depth)}
    return one | {first_hard(count, depth) for count in range(depth + 1)}


def run_mixtures(
    network: Network, params: Params, x: Array, mixtures: Collection[Mixture]
) -> dict[Mixture, Trace]:
    """Return the run of every mixture; no checks.

    What mixtures share is run once: a layer depends on those before it only.
    """
    hard = replace_spikes(network, lambda _: heaviside)
    states: dict[Mixture, tuple[Array, Array]] = {}

    def run_last(mixture: Mixture) -> tuple[Array, Array]:
        """Potentials and spikes of the last layer of a mixture of the first few layers."""
        if mixture not in states:
            i = len(mixture) - 1
            below = [x, *(run_last(mixture[: j + 1])[1] for j in range(i))]
            neuron = (hard if mixture[i] else network).neurons[i]
            currents = layer_currents(network, i, params[i], below)
            states[mixture] = unroll_layer(neuron, params[i], currents)
        return states[mixture]

    def run_whole(mixture: Mixture) -> Trace:
        us, ss = zip(*(run_last(mixture[: i + 1]) for i in range(len(mixture))), strict=True)
        read = read_layer(network.readout, us[-1], ss[-1])
        return Trace(us, ss, readout_logits(network, params, read))

    return {mixture: run_whole(mixture) for mixture in mixtures}
