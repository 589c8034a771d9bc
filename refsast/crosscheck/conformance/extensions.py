"""What a network may have beyond dense LIF layers: its names, how to see it, how to take it away.

Rule 1: a factory is asked for these only if it says that it has them, by `Implementation`'s
        `extensions`: one that says nothing may not look at them, and would seem to have all.
Rule 2: a name is in a network or it is not, by `extension_names`; whoever draws, shrinks or counts
        goes by that.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from refsast.model.connections.chain import Connection
from refsast.model.connections.conv2d import Conv2d
from refsast.model.connections.dense import Dense
from refsast.model.connections.flatten import Flatten
from refsast.model.connections.pool2d import AvgPool2d, MaxPool2d
from refsast.model.connections.skip import Skip
from refsast.model.glif import GLIF, as_glif
from refsast.model.learned import Learned, Number
from refsast.model.lif import LIF
from refsast.model.loss import CrossEntropy, MeanSquaredRate, StepCrossEntropy
from refsast.model.network import Network, Neuron
from refsast.model.readout import (
    LastPotential,
    LeakyReadout,
    MaxPotential,
    MeanPotential,
    Readout,
    SpikeRate,
)
from refsast.model.synapse import Alpha, Synapse

CONNECTIONS: dict[str, type[Connection]] = {
    "convolution": Conv2d,
    "average pooling": AvgPool2d,
    "max pooling": MaxPool2d,
    "skip": Skip,
}
IMAGE_PARTS = (Conv2d, AvgPool2d, MaxPool2d)
# Whether a neuron has something.
NEURONS: dict[str, Callable[[GLIF], bool]] = {
    "learned leak": lambda neuron: isinstance(neuron.leak, Learned),
    "learned threshold": lambda neuron: isinstance(neuron.threshold, Learned),
    "learned start": lambda neuron: neuron.learn_start,
    "numbers per neuron": lambda neuron: (
        isinstance(neuron.leak, tuple) or isinstance(neuron.threshold, tuple)
    ),
    "synapse": lambda neuron: isinstance(neuron.synapse, Synapse) and neuron.synapse_leak is None,
    "learned synapse leak": lambda neuron: neuron.synapse_leak is not None,
    "alpha": lambda neuron: isinstance(neuron.synapse, Alpha),
    "adaptation": lambda neuron: neuron.adaptation is not None,
    "refractory": lambda neuron: neuron.refractory > 0,
}
READOUTS: dict[str, Callable[[Readout], bool]] = {
    "population": lambda readout: isinstance(readout, SpikeRate) and readout.population > 1,
    "mean potential": lambda readout: isinstance(readout, MeanPotential),
    "last potential": lambda readout: isinstance(readout, LastPotential),
    "max potential": lambda readout: isinstance(readout, MaxPotential),
}
LOSSES: dict[str, type] = {
    "step cross entropy": StepCrossEntropy,
    "mean squared rate": MeanSquaredRate,
}
EXTENSIONS = (*CONNECTIONS, *NEURONS, *READOUTS, *LOSSES)
# Of each of these one at most.
EXCLUSIVE = (
    {"synapse", "learned synapse leak", "alpha"},
    set(READOUTS),
    set(LOSSES),
    {"step cross entropy", "last potential"},
    {"step cross entropy", "max potential"},
    {"mean squared rate", "mean potential"},
    {"mean squared rate", "last potential"},
    {"mean squared rate", "max potential"},
    {"numbers per neuron", "learned leak"},  # it is the leak that has one number per neuron
)
RATES = {"population", "mean squared rate"}  # with which the readout is a rate of spikes

# What a neuron has, taken away.
PLAINER: dict[str, Callable[[GLIF], GLIF]] = {
    "learned leak": lambda neuron: replace(neuron, leak=plain_number(neuron.leak)),
    "learned threshold": lambda neuron: replace(neuron, threshold=plain_number(neuron.threshold)),
    "learned start": lambda neuron: replace(neuron, learn_start=False),
    "numbers per neuron": lambda neuron: replace(
        neuron,
        leak=mean_number(neuron.leak),
        threshold=mean_number(neuron.threshold),
    ),
    "synapse": lambda neuron: replace(neuron, synapse=None),
    "learned synapse leak": lambda neuron: replace(neuron, synapse=None, synapse_leak=None),
    "alpha": lambda neuron: replace(neuron, synapse=None),
    "adaptation": lambda neuron: replace(neuron, adaptation=None),
    "refractory": lambda neuron: replace(neuron, refractory=0),
}
Layers: TypeAlias = tuple[tuple[Connection, ...], ...]


def require_extensions(names: Collection[str]) -> tuple[str, ...]:
    """Return the extensions that an implementation claims, or raise a ValueError."""
    if isinstance(names, str) or any(name not in EXTENSIONS for name in names):
        raise ValueError(f"extensions must be among {', '.join(EXTENSIONS)}, got {names!r}")
    return tuple(name for name in EXTENSIONS if name in names)


def extension_names(network: Network) -> set[str]:
    """Return what a network has beyond dense LIF layers, by the names of `EXTENSIONS`."""
    parts = [part for chain in network.chains for part in chain]
    neurons = [as_glif(neuron) for neuron in network.neurons]
    return (
        {name for name, kind in CONNECTIONS.items() if any(isinstance(p, kind) for p in parts)}
        | {name for name, has in NEURONS.items() if any(map(has, neurons))}
        | {name for name, has in READOUTS.items() if has(network.readout)}
        | {name for name, kind in LOSSES.items() if isinstance(network.loss, kind)}
    )


def is_possible(names: Collection[str]) -> bool:
    """Whether one network may have all of these."""
    return not any(len(group.intersection(names)) > 1 for group in EXCLUSIVE)


def rebuild(network: Network, **changes: object) -> Network:
    """Return a network with other `layers`, `neuron`, `readout`, `loss`, `bias` or `recurrent`.

    `layers` are connections, one tuple per spiking layer; where none of them needs an image, the
    input is flat. Raises ValueError where they do not fit.
    """
    layers = changes.pop("layers", network.chains)
    assert isinstance(layers, tuple)
    first = network.image or network.sizes[0]
    if not any(isinstance(part, IMAGE_PARTS) for chain in layers for part in chain):
        first = network.sizes[0]
        layers = tuple(tuple(p for p in chain if not isinstance(p, Flatten)) for chain in layers)
    kept = {name: getattr(network, name) for name in ("neuron", "readout", "bias", "recurrent")}
    options = kept | {"loss": network.loss} | changes
    if isinstance(options["neuron"], tuple):
        options["neuron"] = tuple(map(as_lif, options["neuron"]))
    return Network((first, *layers), **options)  # pyright: ignore[reportArgumentType]


def as_lif(neuron: Neuron) -> Neuron:
    """Return a general neuron that has nothing more than `LIF` as such."""
    if isinstance(neuron, LIF):
        return neuron
    leak, threshold = neuron.leak, neuron.threshold
    if any(isinstance(number, Learned | tuple) for number in (leak, threshold)):
        return neuron
    plain = LIF(leak, threshold, neuron.spike, neuron.reset, neuron.detach_reset)  # pyright: ignore[reportArgumentType]
    return plain if as_glif(plain) == neuron else neuron


def drop_extension(network: Network, name: str) -> Network:
    """Return a network without what a name says; raises ValueError where the rest does not fit."""
    if name in NEURONS:
        neurons = [as_glif(neuron) for neuron in network.neurons]
        return rebuild(network, neuron=tuple(map(PLAINER[name], neurons)))
    if name in LOSSES:
        return rebuild(network, loss=CrossEntropy())
    if name in READOUTS:
        return rebuild(network, readout=_plainer_readout(network.readout))
    kind = CONNECTIONS[name]
    if kind is Conv2d:  # as many neurons, all to all; pooling of their image goes with it
        pairs = zip(network.chains, network.sizes[1:], strict=True)
        return rebuild(network, layers=tuple(_dense_chain(chain, n) for chain, n in pairs))
    layers = tuple(
        tuple(part for part in chain if not isinstance(part, kind)) for chain in network.chains
    )
    return rebuild(network, layers=layers)


def _dense_chain(chain: tuple[Connection, ...], n: int) -> tuple[Connection, ...]:
    if not any(isinstance(part, Conv2d) for part in chain):
        return chain
    skips = tuple(part for part in chain if isinstance(part, Skip))
    return (Flatten(), Dense(n), *skips)


def _plainer_readout(readout: Readout) -> Readout:
    """A leaky readout in place of one that looks at one potential, else a rate."""
    if isinstance(readout, LastPotential | MaxPotential):
        return LeakyReadout(readout.n_out, readout.leak)
    return SpikeRate(4.0)


def plain_number(number: Number) -> float | tuple[float, ...]:
    """Return a number that is learned as it is at the start."""
    return number.start if isinstance(number, Learned) else number


def mean_number(number: Number) -> Number:
    """Return one number in place of one per neuron."""
    return float(np.mean(number)) if isinstance(number, tuple) else number
