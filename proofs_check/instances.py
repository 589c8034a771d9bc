"""What claims are about: networks with inputs, pairs of states, moves, objectives; and their draws.

Rule 1: a quantifier of a claim is a field of its instance: a Lipschitz claim is about a pair.
Rule 2: instances are drawn from a `Source`, so that one text serves a seeded generator and
        Hypothesis alike, and they reach the edges: one neuron, one step, one recording, saturated
        spikes, silence, rows that nearly depend on one another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np

import refsast as rs
from refsast.arrays import Array, Integers
from refsast.model.params import parts

T = TypeVar("T")

FAMILIES = (rs.Arctan, rs.Logistic, rs.Algebraic, rs.FastSigmoid, rs.PiecewiseQuadratic)
SMOOTH = (rs.Arctan, rs.Logistic, rs.Algebraic)  # infinitely often
RESETS = (rs.ToZero(), rs.Subtract(), rs.Subtract(leaked=True), rs.NoReset())
# Few neurons, each in many networks: their constants take longer than a run.
SLOPES = (0.05, 0.25, 0.5, 1.0, 2.0, 4.0, 10.0)
LEAKS = (0.0, 0.3, 0.5, 0.9, 0.99, 1.0)
THRESHOLDS = (0.1, 0.5, 1.0, 2.0)


class Source(Protocol):
    """Where the choices of an instance come from."""

    def choice(self, options: Sequence[T]) -> T:
        """Return one of them."""
        ...

    def number(self, low: float, high: float) -> float:
        """Return a number between the two."""
        ...

    def array(self, *shape: int) -> Array:
        """Return generic numbers of size about one."""
        ...


@dataclass(frozen=True)
class Seeded:
    """A source that draws from a generator of NumPy."""

    rng: np.random.Generator

    def choice(self, options: Sequence[T]) -> T:
        """Return one of them, all as likely."""
        return options[int(self.rng.integers(len(options)))]

    def number(self, low: float, high: float) -> float:
        """Return a number, uniformly."""
        return float(self.rng.uniform(low, high))

    def array(self, *shape: int) -> Array:
        """Return standard normal numbers."""
        return self.rng.standard_normal(shape)


@dataclass(frozen=True, eq=False)
class Driven:
    """A network, its parameters and a labelled batch.

    Attributes
    ----------
    network : Network
        The network.
    params : tuple of Layer
        Its parameters.
    x : (time, batch, n_0) array
        Input.
    y : (batch,) array of int
        Labels.
    """

    network: rs.Network
    params: rs.Params
    x: Array
    y: Integers


class Labelled(Protocol):
    """Whatever a loss can be taken of: it has the fields of `Driven`."""

    @property
    def network(self) -> rs.Network: ...  # noqa: D102
    @property
    def params(self) -> rs.Params: ...  # noqa: D102
    @property
    def x(self) -> Array: ...  # noqa: D102
    @property
    def y(self) -> Integers: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Started:
    """One layer, its input, and two states to start it from.

    Attributes
    ----------
    neuron : LIF
        The neuron.
    layer : Layer
        Its parameters.
    x : (time, batch, n_in) array
        Input.
    start, other : (batch, n) array
        Potentials before the first step; the spikes are those that belong to them.
    """

    neuron: rs.LIF
    layer: rs.Layer
    x: Array
    start: Array
    other: Array


@dataclass(frozen=True, eq=False)
class Pair:
    """A network and two inputs.

    Attributes
    ----------
    network : Network
        The network.
    params : tuple of Layer
        Its parameters.
    x, other : (time, batch, n_0) array
        The inputs.
    """

    network: rs.Network
    params: rs.Params
    x: Array
    other: Array


@dataclass(frozen=True, eq=False)
class Moved:
    """A network on a batch, and parameters to move to.

    Attributes
    ----------
    network : Network
        The network.
    params, moved : tuple of Layer
        The two points.
    x : (time, batch, n_0) array
        Input.
    y : (batch,) array of int
        Labels.
    caps : tuple of (float, float)
        What the norms of W and V of each layer (the readout's last, if it has any) are said not to
        exceed at either point.
    """

    network: rs.Network
    params: rs.Params
    moved: rs.Params
    x: Array
    y: Integers
    caps: tuple[tuple[float, float], ...]


def neuron(source: Source, families: Sequence[type] = FAMILIES, leaks: Sequence[float] = LEAKS):
    """Draw a neuron of any kind."""
    spike = source.choice(families)(source.choice(SLOPES))
    return rs.LIF(source.choice(leaks), source.choice(THRESHOLDS), spike, source.choice(RESETS))


def network(
    source: Source,
    families: Sequence[type] = FAMILIES,
    leaks: Sequence[float] = LEAKS,
    deepest: int = 3,
    widest: int = 4,
) -> rs.Network:
    """Draw a network of one or more layers of few neurons, of every variant."""
    widths = range(1, widest + 1)
    layers = source.choice(range(1, deepest + 1))
    sizes = tuple(source.choice(widths) for _ in range(layers + 1))
    each = tuple(neuron(source, families, leaks) for _ in sizes[1:])
    readouts = (
        rs.SpikeRate(source.choice((0.5, 1.0, 8.0))),
        rs.LinearReadout(source.choice((2, 3))),
        rs.LeakyReadout(source.choice((2, 3)), source.choice((0.0, 0.5, 1.0))),
    )
    bias, recurrent = source.choice((True, False)), source.choice((True, False))
    return rs.Network(sizes, each, source.choice(readouts), bias=bias, recurrent=recurrent)


def parameters(source: Source, network: rs.Network) -> rs.Params:
    """Draw parameters: generic ones, small or large, or with biases that saturate the spikes."""
    scale = source.choice((1.0, 0.1, 0.3, 3.0))
    lift = source.choice((0.0, 0.0, 0.0, 100.0))
    drawn = []
    for shapes in network.shapes:
        arrays = {name: scale * source.array(*shape) for name, shape in shapes.items()}
        if lift and "b" in arrays and len(drawn) < len(network.neurons):
            arrays["b"] = np.full(arrays["b"].shape, lift)
        drawn.append(rs.Layer(**arrays))
    return tuple(drawn)


def inputs(source: Source, n_in: int, *, batch: int | None = None, longest: int = 8) -> Array:
    """Draw inputs (time, batch, n_in): spikes, counts, real numbers or silence."""
    steps = source.choice([t for t in (1, 2, 3, 5, 8) if t <= longest])
    x = source.array(steps, batch or source.choice((1, 2, 3)), n_in)
    kind = source.choice(("spikes", "real", "counts", "silence"))
    if kind == "real":
        return x
    if kind == "silence":
        return 0.0 * x
    return (x > 0.0).astype(float) if kind == "spikes" else np.abs(np.rint(2.0 * x))


def driven(
    source: Source,
    *,
    batch: int | None = None,
    network: Callable[[Source], rs.Network] = network,
    longest: int = 8,
) -> Driven:
    """Draw a network on a batch."""
    net = network(source)
    x = inputs(source, net.sizes[0], batch=batch, longest=longest)
    y = np.array([source.choice(range(net.classes)) for _ in range(x.shape[1])])
    return Driven(net, parameters(source, net), x, y)


def single(source: Source) -> Driven:
    """Draw a network on one recording."""
    return driven(source, batch=1)


def contracting(source: Source) -> Driven:
    """Draw a network all of whose neurons leak."""
    return driven(source, network=lambda s: network(s, leaks=LEAKS[:-1]))


def resetting(source: Source) -> Driven:
    """Draw a network all of whose neurons are reset to zero."""

    def to_zero(source: Source) -> rs.Network:
        net = network(source)
        return replace(net, neuron=tuple(replace(n, reset=rs.ToZero()) for n in net.neurons))

    return driven(source, network=to_zero)


def small(source: Source) -> Driven:
    """Draw a network of few parameters on a short batch, for a whole Hessian."""
    return driven(source, network=lambda s: network(s, deepest=2, widest=2), longest=3)


def started(source: Source) -> Started:
    """Draw one layer and two states, far from each other or close."""
    cell, n, n_in = neuron(source), source.choice((1, 2, 3)), source.choice((1, 2))
    v = source.choice((0.0, 0.01, 0.1, 1.0)) * source.array(n, n)
    layer = rs.Layer(w=source.array(n, n_in), v=source.choice((None, v)))
    x = inputs(source, n_in)
    start = cell.threshold + source.choice((0.1, 1.0, 10.0)) * source.array(x.shape[1], n)
    apart = source.choice((1e-3, 1.0, 10.0)) * source.array(x.shape[1], n)
    return Started(cell, layer, x, start, start + apart)


def pair(source: Source) -> Pair:
    """Draw a network and two inputs, far from each other or close."""
    drawn = driven(source)
    apart = source.choice((1e-3, 0.1, 1.0)) * source.array(*drawn.x.shape)
    return Pair(drawn.network, drawn.params, drawn.x, drawn.x + apart)


def moved(source: Source) -> Moved:
    """Draw a network on a batch and a second point, and caps that both keep to, closely or not."""
    drawn = driven(source, batch=source.choice((1, 2)), longest=5)
    size = source.choice((1e-3, 0.1, 1.0))
    d = [source.array(*a.shape) for a in blocks(drawn.params)]
    there = step(drawn.params, d, size)
    wide = source.choice((1.0, 1.0, 1.5)) * (1.0 + 1e-12)
    return Moved(drawn.network, drawn.params, there, drawn.x, drawn.y, caps(drawn, there, wide))


def fitted(x: Moved) -> Moved:
    """Return the same with caps that both points keep to closely."""
    return replace(x, caps=caps(x, x.moved, 1.0 + 1e-12))


def caps(x: Driven | Moved, moved: rs.Params, wide: float) -> tuple[tuple[float, float], ...]:
    """Return `wide` times the larger of the norms of W and V at two points, layer by layer."""
    silent = (rs.Layer(np.ones((1, 1))),) if x.network.readout.n_out is None else ()
    return tuple(
        (
            wide * max(float(np.linalg.norm(p.w, 2)) for p in pair),
            wide * max(0.0 if p.v is None else float(np.linalg.norm(p.v, 2)) for p in pair),
        )
        for pair in zip(x.params + silent, moved + silent, strict=True)
    )


def blocks(params: rs.Params) -> tuple[Array, ...]:
    """Return the arrays of some parameters, in the order of the flat vector."""
    return tuple(array for layer in params for array in parts(layer).values())


def rebuilt(like: rs.Params, arrays: Sequence[Array]) -> rs.Params:
    """Return parameters made of `arrays`, in the order of `blocks`."""
    rest = iter(arrays)
    return tuple(rs.Layer(**{name: next(rest) for name in parts(layer)}) for layer in like)


def step(params: rs.Params, direction: Sequence[Array], size: float) -> rs.Params:
    """Return the parameters moved by `size` along a direction that is given in blocks."""
    return rebuilt(params, [a + size * d for a, d in zip(blocks(params), direction, strict=True)])


def exact(network: rs.Network) -> rs.Network:
    """Return the network whose gradient goes through the reset, too."""
    neurons = tuple(replace(n, detach_reset=False) for n in network.neurons)
    return replace(network, neuron=neurons)
