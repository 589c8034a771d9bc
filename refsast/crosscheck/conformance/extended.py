"""Examples of networks beyond dense LIF layers, drawn by a plan rather than by chance.

Rule 1: a network has two to five of the extensions that a factory claims, the least drawn first,
        on top of a kind of network that it has.
Rule 2: networks are small, their weights large enough for all neurons to fire now and then.
Rule 3: what a neuron learns is not where its record says that it starts, as after a training.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias
from zlib import crc32

import numpy as np

from refsast.crosscheck.case import Case, Factory
from refsast.crosscheck.conformance.capabilities import Capabilities, NetworkKind
from refsast.crosscheck.conformance.extensions import RATES, is_possible
from refsast.crosscheck.conformance.strategies import Example
from refsast.crosscheck.conformance.stretches import make_example
from refsast.crosscheck.factory import build
from refsast.crosscheck.implementation import Unsupported
from refsast.model.connections.chain import Connection, trace_shapes
from refsast.model.connections.conv2d import Conv2d
from refsast.model.connections.dense import Dense
from refsast.model.connections.flatten import Flatten
from refsast.model.connections.pool2d import AvgPool2d, MaxPool2d
from refsast.model.connections.skip import Skip
from refsast.model.connections.windows import Shape
from refsast.model.glif import GLIF, Adaptation
from refsast.model.learned import Learned
from refsast.model.lif import LIF
from refsast.model.loss import CrossEntropy, Loss, MeanSquaredRate, StepCrossEntropy
from refsast.model.network import Network, learned_numbers
from refsast.model.params import WEIGHTS, Layer, Params
from refsast.model.readout import (
    LastPotential,
    LeakyReadout,
    LinearReadout,
    MaxPotential,
    MeanPotential,
    Readout,
    SpikeRate,
)
from refsast.model.surrogate import PiecewiseQuadratic
from refsast.model.synapse import Alpha, Synapse
from refsast.model.vector import init

DRIVE = 3.0  # of weights as they are at the start of a training
MOST = (2, 3, 4, 5)  # extensions of one example
DEEPER = 0.6  # how often one convolution stands on another
VARIETY = 0.4  # how often something has its rarer form: a sigmoid, groups, a delay
POOLS = {"average pooling": AvgPool2d, "max pooling": MaxPool2d}
Chosen: TypeAlias = Collection[str]


def extended_examples(
    offer: Capabilities, *, count: int, seed: int | None, name: str, hard: bool = False
) -> Iterator[Example]:
    """Yield so many examples of the extensions that a factory has; none where it has none."""
    start, drawn = crc32(name.encode()), Counter()
    for i in range(count if offer.extensions else 0):
        rng = np.random.default_rng([0 if seed is None else seed + 1, start, i])
        kinds = plain_kinds(offer.kinds)
        chosen = _choose(offer.extensions, kinds, drawn, rng)
        drawn.update(chosen)
        kind = _draw_kind(kinds, chosen, rng)
        case = draw_extended(rng, kind, chosen, variety=VARIETY, hard=hard)
        dtype = offer.dtypes[i % len(offer.dtypes)] if offer.dtypes else ""
        yield make_example(rng, case, "beyond dense layers", dtype, ())


def query_extensions(factory: Factory, offer: Capabilities, *, hard: bool = False) -> Capabilities:
    """Ask a factory for a small network with each extension that it claims; errors as `build`.

    Returned is what it offers, with those that it did not refuse.
    """
    found, reasons = [], Counter(offer.reasons)
    kinds = plain_kinds(offer.kinds)
    for name in offer.claimed if kinds else ():
        rng = np.random.default_rng(0)
        kind = _draw_kind(kinds[:1] if name not in RATES else kinds, {name}, rng)
        try:
            build(factory, draw_extended(rng, kind, {name}, hard=hard))
            found.append(name)
        except Unsupported as reason:
            reasons[str(reason) or "no reason given"] += 1
    return replace(offer, extensions=tuple(found), reasons=dict(reasons))


def plain_kinds(kinds: Sequence[NetworkKind]) -> list[NetworkKind]:
    """Return those without a synapse of the case: here it is the neuron's."""
    return [kind for kind in kinds if kind.synapse is None]


def _choose(
    offered: Sequence[str],
    kinds: Sequence[NetworkKind],
    drawn: Counter[str],
    rng: np.random.Generator,
) -> set[str]:
    """Extensions that may stand in one network, the least drawn first."""
    most, chosen = int(rng.choice(MOST)), set()
    rates = any(isinstance(kind.readout, SpikeRate) for kind in kinds)
    order = [offered[int(i)] for i in rng.permutation(len(offered))]
    for name in sorted(order, key=lambda name: drawn[name]):
        fits = rates or name not in RATES or len(offered) == 1
        if len(chosen) < most and fits and is_possible({*chosen, name}):
            chosen.add(name)
    return chosen


def _draw_kind(
    kinds: Sequence[NetworkKind], chosen: Chosen, rng: np.random.Generator
) -> NetworkKind:
    """A kind, with a rate of spikes where that is needed."""
    if RATES.intersection(chosen):
        kinds = [kind for kind in kinds if isinstance(kind.readout, SpikeRate)] or kinds
    return kinds[int(rng.integers(len(kinds)))]


def draw_extended(
    rng: np.random.Generator,
    kind: NetworkKind,
    chosen: Chosen,
    *,
    variety: float = 0.0,
    hard: bool = False,
) -> Case:
    """Return a case of a kind with the extensions chosen; with no variety in their plain forms."""
    classes = int(rng.integers(2, 4))
    readout = _draw_readout(rng, kind, chosen, classes)
    plain = isinstance(readout, SpikeRate | MeanPotential)
    last = classes * (readout.population if plain else 1) if plain else int(rng.integers(2, 5))
    sizes = _draw_connections(rng, chosen, last, variety)
    lif = LIF(0.5, 1.0, kind.family(1.0), kind.reset)
    widths = Network(sizes, lif, LinearReadout(classes)).sizes  # pyright: ignore[reportArgumentType]
    neurons = tuple(_draw_neuron(rng, kind, chosen, n, variety) for n in widths[1:])
    loss = _draw_loss(rng, chosen)
    network = Network(
        sizes,  # pyright: ignore[reportArgumentType]
        neurons,
        readout,
        bias=kind.bias,
        recurrent=kind.recurrent,
        loss=loss,
    )
    time, batch = int(rng.integers(4, 9)), int(rng.integers(2, 5))
    x = rng.random((time, batch, network.sizes[0]))
    x = (x < 0.5).astype(np.float64) if rng.random() < 0.5 else 1.5 * x
    y = rng.integers(0, network.classes, batch)
    return Case(network, draw_params(network, rng), x, y, None, hard, name="drawn")


def _draw_connections(
    rng: np.random.Generator, chosen: Chosen, last: int, variety: float
) -> tuple[int | Shape | tuple[Connection, ...], ...]:
    """The input and what leads to each layer, as `Network` takes them; `last` neurons end it."""
    pools = [POOLS[name] for name in POOLS if name in chosen]
    if not (pools or "convolution" in chosen):
        hidden = [int(rng.integers(2, 6)) for _ in range(int(rng.integers(0, 2)))]
        ends = [last, (Dense(last), Skip(len(hidden) + 1))] if "skip" in chosen else [last]
        return (int(rng.integers(2, 6)), *hidden, *ends)
    image: Shape = (int(rng.integers(1, 3)), int(rng.integers(4, 7)), int(rng.integers(4, 7)))
    layers: list[tuple[Connection, ...]] = []
    shape = image
    if "convolution" in chosen:
        convolution = _draw_convolution(rng, image[0], variety)
        shape = convolution.output_shape(image)
        between = [_draw_pool(rng, pools.pop(), shape)] if pools and rng.random() < 0.5 else []
        layers.append((convolution, *between))
        shape = trace_shapes(layers[0], image, [], 1)[-1]
        if rng.random() < DEEPER:  # what flows back to the spikes below needs another one
            layers.append((Conv2d(2, (min(2, shape[1]), min(3, shape[2])), 1, (0, 1)),))
            shape = trace_shapes(layers[1], shape, [], 2)[-1]
    parts: list[Connection] = []
    for pool in pools:
        parts.append(_draw_pool(rng, pool, shape))
        shape = parts[-1].output_shape(shape)  # pyright: ignore[reportAttributeAccessIssue]
    flat = (Flatten(),) if rng.random() < 0.5 else ()
    layers.append((*parts, *flat, Dense(last)))
    if "skip" in chosen:
        layers.append((Dense(last), Skip(len(layers))))
    return image, *layers


def _draw_convolution(rng: np.random.Generator, channels: int, variety: float) -> Conv2d:
    """A convolution that leaves two places each way at least, of four."""
    groups = channels if rng.random() < variety else 1
    sides = (int(rng.integers(1, 4)), int(rng.integers(2, 4)))
    padding = int(rng.integers(0, 2))
    stride = int(rng.integers(1, 3)) if padding else 1
    dilation = 2 if padding and sides[0] < 3 and rng.random() < variety else 1
    return Conv2d(groups * int(rng.integers(1, 3)), sides, stride, padding, (dilation, 1), groups)


def _draw_pool(
    rng: np.random.Generator, pool: type[AvgPool2d] | type[MaxPool2d], shape: Shape
) -> Connection:
    """A pool whose windows may overlap, leave gaps or meet padding."""
    kernel = (min(2, shape[1]), min(2, shape[2]))
    padding = int(rng.integers(0, 2)) if min(kernel) > 1 else 0
    return pool(kernel, int(rng.integers(1, 3)), padding)


def _draw_neuron(
    rng: np.random.Generator, kind: NetworkKind, chosen: Chosen, n: int, variety: float
) -> GLIF:
    """A neuron of a kind with the extensions chosen, its numbers with all digits of a double."""

    def number(low: float, high: float, name: str, *, sigmoid: bool = False):
        value = float(rng.uniform(low, high))
        if f"learned {name}" in chosen:
            rare = [bool(rng.random() < variety) for _ in range(2)]
            return Learned(value, per_neuron=rare[0], sigmoid=sigmoid and rare[1])
        if name == "leak" and "numbers per neuron" in chosen:
            return tuple(rng.uniform(low, high, n).tolist())
        return value

    steepest = 1.25 if kind.family is PiecewiseQuadratic else 4.0  # it is flat far away
    spike = kind.family(float(rng.uniform(0.3, 1.0)) * steepest)
    leak, threshold = number(0.5, 0.95, "leak", sigmoid=True), number(0.6, 1.2, "threshold")
    more: dict[str, object] = {"learn_start": "learned start" in chosen}
    if "learned synapse leak" in chosen:
        more["synapse_leak"] = number(0.4, 0.9, "synapse leak", sigmoid=True)
    if {"synapse", "learned synapse leak"}.intersection(chosen):
        scale = float(rng.uniform(0.5, 1.5)) if rng.random() < variety else 1.0
        delayed = bool(rng.random() < variety)
        more["synapse"] = Synapse(float(rng.uniform(0.4, 0.9)), scale, delayed)
    if "alpha" in chosen:
        more["synapse"] = Alpha(float(rng.uniform(0.6, 0.9)), float(rng.uniform(0.3, 0.6)))
    if "adaptation" in chosen:
        more["adaptation"] = Adaptation(float(rng.uniform(0.5, 0.95)), float(rng.uniform(0.3, 0.8)))
    if "refractory" in chosen:
        more["refractory"] = 1 + int(rng.random() < variety)
    return GLIF(leak, threshold, spike, kind.reset, **more)  # pyright: ignore[reportArgumentType]


def _draw_readout(
    rng: np.random.Generator, kind: NetworkKind, chosen: Chosen, classes: int
) -> Readout:
    """The readout that is chosen, else one of the kind."""
    gain, leak = float(rng.uniform(3.0, 8.0)), float(rng.uniform(0.5, 0.95))
    wanted: Mapping[str, Callable[[], Readout]] = {
        "population": lambda: SpikeRate(gain, population=2),
        "mean potential": lambda: MeanPotential(float(rng.uniform(0.5, 2.0))),
        "last potential": lambda: LastPotential(classes, leak),
        "max potential": lambda: MaxPotential(classes, leak),
    }
    for name, make in wanted.items():
        if name in chosen:
            return make()
    if isinstance(kind.readout, SpikeRate) or RATES.intersection(chosen):
        return SpikeRate(gain)
    if isinstance(kind.readout, LinearReadout):
        return LinearReadout(classes)
    return LeakyReadout(classes, leak)


def _draw_loss(rng: np.random.Generator, chosen: Chosen) -> Loss:
    """The loss that is chosen, else cross entropy."""
    if "step cross entropy" in chosen:
        return StepCrossEntropy()
    if "mean squared rate" in chosen:
        return MeanSquaredRate(float(rng.uniform(0.7, 1.0)), float(rng.uniform(0.0, 0.2)))
    return CrossEntropy()


def draw_params(network: Network, rng: np.random.Generator) -> Params:
    """Return weights by which neurons fire, and learned numbers apart from their start."""

    def draw(i: int, layer: Layer) -> Layer:
        arrays = {name: a for name, a in vars(layer).items() if a is not None}
        learned = learned_numbers(network.neurons[i]) if i < network.depth else {}
        for name, a in arrays.items():
            if name in WEIGHTS:
                arrays[name] = (1.0 if name == "v" else DRIVE) * a
            elif name == "start":
                arrays[name] = rng.uniform(0.1, 0.5, a.shape)
            elif learned[name].sigmoid:
                arrays[name] = a + rng.uniform(-0.2, 0.2, a.shape)
            else:  # a leak stays in [0, 1]
                arrays[name] = np.asarray(a * rng.uniform(0.85, 1.0, a.shape))
        return Layer(**arrays)

    return tuple(draw(i, layer) for i, layer in enumerate(init(network, rng)))
