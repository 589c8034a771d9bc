"""The record of a network, and its parameters: initialise, unflatten."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

from refsast.arrays import is_positive_int
from refsast.model.connections.chain import (
    Chain,
    Connection,
    read_chain,
    size,
    trace_shapes,
    weighted_part,
)
from refsast.model.connections.dense import Dense
from refsast.model.connections.windows import Shape
from refsast.model.glif import GLIF
from refsast.model.learned import Learned
from refsast.model.lif import LIF
from refsast.model.loss import CrossEntropy, Loss, MeanSquaredRate, StepCrossEntropy
from refsast.model.readout import (
    LastPotential,
    MaxPotential,
    MeanPotential,
    Readout,
    SpikeRate,
)
from refsast.model.spike import Spike

Neuron: TypeAlias = LIF | GLIF


@dataclass(frozen=True)
class Network:
    """What fixes a network, apart from its parameters.

    Attributes
    ----------
    sizes : tuple of int
        ``(n_0, n_1, ..., n_L)``: n_0 inputs, then L >= 1 spiking layers. In place of n_0 the shape
        of an image may be given, (channels, height, width), and in place of another number a
        connection such as `Conv2d`, or a tuple of them; all are kept as numbers of neurons here,
        and as they are in `image` and `connections`. Inputs and spikes stay flat, row-major.
    neuron : LIF or GLIF, or tuple of them
        One for all layers, or one per spiking layer.
    readout : SpikeRate, MeanPotential, LinearReadout, LeakyReadout, LastPotential, MaxPotential
        How the last layer becomes logits.
    bias : bool
        Whether layers (the readout among them) have biases.
    recurrent : bool
        Whether every spiking layer feeds its spikes back to itself.
    connections : tuple of tuple, optional
        What leads to each spiking layer; None where each is one `Dense`. Not to be given: it
        follows from `sizes`.
    image : (channels, height, width), optional
        The shape of the input; None where it is flat. Not to be given, as `connections`.
    loss : CrossEntropy, StepCrossEntropy or MeanSquaredRate
        What is minimised.

    References
    ----------
    DESIGN 3.

    Examples
    --------
    >>> import refsast as rs
    >>> neuron = rs.LIF(0.9, 1.0, rs.Arctan(2.0))
    >>> network = rs.Network((2, 3), neuron, rs.SpikeRate(5.0))
    >>> [layer.w.shape for layer in rs.init(network, 0)]
    [(3, 2)]
    >>> sizes = ((2, 34, 34), rs.Conv2d(12, 5), (rs.AvgPool2d(2), rs.Conv2d(32, 5)), 10)
    >>> network = rs.Network(sizes, neuron, rs.SpikeRate(5.0))
    >>> network.sizes, [layer.w.shape for layer in rs.init(network, 0)]
    ((2312, 10800, 3872, 10), [(12, 2, 5, 5), (32, 12, 5, 5), (10, 3872)])
    """

    sizes: tuple[int, ...]
    neuron: Neuron | tuple[Neuron, ...]
    readout: Readout
    bias: bool = True
    recurrent: bool = False
    connections: tuple[Chain, ...] | None = field(default=None, metadata={"before": None})
    image: Shape | None = field(default=None, metadata={"before": None})
    loss: Loss = field(default=CrossEntropy(), metadata={"before": CrossEntropy()})

    def __post_init__(self) -> None:
        sizes = self.sizes
        if not isinstance(sizes, Sequence) or len(sizes) < 2:
            raise ValueError(f"sizes must be two or more positive integers, got {sizes!r}")
        if self.connections is None and not all(map(is_positive_int, sizes)):
            if not any(isinstance(entry, Connection | tuple | list) for entry in sizes):
                raise ValueError(f"sizes must be two or more positive integers, got {sizes!r}")
            sizes = self._read_connections()
        object.__setattr__(self, "sizes", tuple(sizes))  # a list would make the record mutable
        self._require_connections()
        if not isinstance(self.neuron, Neuron | tuple):
            raise ValueError(f"neuron must be a LIF, a GLIF or a tuple, got {self.neuron!r}")
        if not all(isinstance(neuron, Neuron) for neuron in self.neurons):
            raise ValueError(f"neuron must be a LIF, a GLIF or a tuple, got {self.neuron!r}")
        if len(self.neurons) != len(sizes) - 1:
            wanted = f"one per spiking layer, {len(sizes) - 1}"
            raise ValueError(f"neuron must be {wanted}, got {len(self.neurons)}")
        for neuron, n in zip(self.neurons, sizes[1:], strict=True):
            if isinstance(neuron, GLIF):
                neuron.require_width(n)
        if not isinstance(self.readout, Readout):
            names = "SpikeRate, MeanPotential, LinearReadout, LeakyReadout, LastPotential"
            raise ValueError(f"readout must be {names} or MaxPotential, got {self.readout!r}")
        self._require_loss()

    def _require_connections(self) -> None:
        """Raise ValueError unless image and connections, where they are given, fit the sizes."""
        image, chains = self.image, self.connections
        if chains is None:
            if image is not None:
                raise ValueError(f"image must be None where connections are, got {image!r}")
            return
        if not isinstance(chains, tuple) or not all(isinstance(c, tuple) for c in chains):
            raise ValueError(f"connections must be a tuple of tuples, got {chains!r}")
        shape = _read_input_shape(self.sizes[0] if image is None else image)
        for i, chain in enumerate(chains, 1):
            read_chain(chain, i)
        found = size(shape), *(size(shapes[-1]) for shapes in self._trace_chains(shape))
        if self.sizes != found:
            raise ValueError(f"sizes must be those of connections, {found}, got {self.sizes}")

    def _require_loss(self) -> None:
        """Raise ValueError unless readout and loss fit each other, and the last layer."""
        readout, loss, n = self.readout, self.loss, self.sizes[-1]
        if not isinstance(loss, Loss):
            names = "CrossEntropy, StepCrossEntropy or MeanSquaredRate"
            raise ValueError(f"loss must be {names}, got {loss!r}")
        if isinstance(readout, SpikeRate) and n % readout.population:
            wanted = f"divide the neurons of the last layer, {n}"
            raise ValueError(f"population must {wanted}, got {readout.population}")
        if isinstance(loss, MeanSquaredRate) and not isinstance(readout, SpikeRate):
            raise ValueError(f"readout must be SpikeRate for MeanSquaredRate, got {readout}")
        if isinstance(loss, StepCrossEntropy) and isinstance(readout, LastPotential | MaxPotential):
            raise ValueError(
                f"readout must speak at every step for StepCrossEntropy, got {readout}"
            )

    def _read_connections(self) -> tuple[int, ...]:
        """Keep image and connections apart; return the numbers of inputs and neurons."""
        first, *others = self.sizes
        image = _read_input_shape(first)
        chains = tuple(read_chain(entry, i) for i, entry in enumerate(others, 1))
        object.__setattr__(self, "image", image if len(image) > 1 else None)
        object.__setattr__(self, "connections", chains)
        widths = size(image), *(size(shapes[-1]) for shapes in self._trace_chains(image))
        if len(image) == 1 and all(len(c) == 1 and isinstance(c[0], Dense) for c in chains):
            object.__setattr__(self, "connections", None)
        return widths

    def _trace_chains(self, image: Shape) -> list[list[Shape]]:
        earlier, traced = [image], []
        for i, chain in enumerate(self.chains, 1):
            traced.append(trace_shapes(chain, earlier[-1], earlier, i))
            earlier.append(traced[-1][-1])
        return traced

    @property
    def chains(self) -> tuple[Chain, ...]:
        """What leads to each spiking layer."""
        if self.connections is None:
            return tuple((Dense(n),) for n in self.sizes[1:])
        return self.connections

    @cached_property
    def chain_shapes(self) -> list[list[Shape]]:
        """Per spiking layer the shape before each map of its connection, and after the last."""
        return self._trace_chains(self.image or (self.sizes[0],))

    @property
    def neurons(self) -> tuple[LIF, ...]:
        """One neuron per spiking layer; who knows of `GLIF`, too, asks which it is."""
        neuron: Any = self.neuron
        return neuron if isinstance(neuron, tuple) else (neuron,) * self.depth

    @property
    def depth(self) -> int:
        """Number of spiking layers."""
        return len(self.sizes) - 1

    @property
    def classes(self) -> int:
        """Number of logits."""
        readout = self.readout
        if isinstance(readout, SpikeRate | MeanPotential):
            return self.sizes[-1] // readout.population
        return readout.n_out

    @cached_property
    def shapes(self) -> tuple[dict[str, tuple[int, ...]], ...]:
        """Shapes of the parameters, one ``{"w": ..., "b": ..., "v": ...}`` per layer."""
        parts = map(weighted_part, self.chains, self.chain_shapes)
        spiking = [part.weight_shape(shape) for part, shape in parts]
        plain = [] if self.readout.n_out is None else [(self.classes, self.sizes[-1])]
        # The readout comes last and is never recurrent.
        found = []
        for i, w in enumerate([*spiking, *plain]):
            shapes: dict[str, Shape] = {"w": w} | ({"b": w[:1]} if self.bias else {})
            if i < self.depth:
                n = self.sizes[i + 1]
                learned = learned_numbers(self.neurons[i]).items()
                shapes |= {"v": (n, n)} if self.recurrent else {}
                shapes |= {name: value.shape(n) for name, value in learned}
            found.append(shapes)
        return tuple(found)

    @property
    def n_params(self) -> int:
        """Number of parameters, p."""
        return sum(math.prod(shape) for layer in self.shapes for shape in layer.values())


def learned_numbers(neuron: Neuron) -> dict[str, Learned]:
    """Return what a neuron learns, by its name in `Layer`."""
    return neuron.learned if isinstance(neuron, GLIF) else {}


def _read_input_shape(first: object) -> Shape:
    """The shape of the input: a number, or channels, height and width."""
    shape: Any = tuple(first) if isinstance(first, Sequence) else (first,)
    if len(shape) not in (1, 3) or not all(map(is_positive_int, shape)):
        wanted = "a positive integer or (channels, height, width)"
        raise ValueError(f"sizes must begin with {wanted}, got {first!r}")
    return shape


def require_plain(network: Network, what: str) -> None:
    """Refuse a network with other connections than `Dense`, neurons than `LIF`, or another loss.

    For those `what`, which begins the message, is not there. Raises ValueError.
    """
    if reason := describe_extension(network):
        raise ValueError(
            f"{what} must be asked of dense LIF layers with a usual loss, got {reason}"
        )


def describe_extension(network: Network) -> str:
    """Return what a network has that neither theorems nor `rs.check` know; "" if nothing."""
    if network.connections is not None:
        return f"the connections {network.connections}"
    for neuron in network.neurons:
        if isinstance(neuron, GLIF):
            return f"the neuron {neuron}"
    return describe_output(network.readout, network.loss)


def describe_output(readout: Readout, loss: Loss) -> str:
    """Return which of readout and loss neither theorems nor `rs.check` know; "" if none."""
    if isinstance(readout, LastPotential | MaxPotential | MeanPotential):
        return f"the readout {readout}"
    if isinstance(readout, SpikeRate) and readout.population > 1:
        return f"the readout {readout}"
    return "" if isinstance(loss, CrossEntropy) else f"the loss {loss}"


def replace_spikes(network: Network, change: Callable[[Spike], Spike]) -> Network:
    """Return the network with ``change(spike)`` in place of every neuron's spike."""
    swapped = tuple(replace(neuron, spike=change(neuron.spike)) for neuron in network.neurons)
    return replace(network, neuron=swapped)
