"""How the instances of a claim are drawn.

Rule 1: instances are drawn from a `Source`, so that the same code draws from a seeded generator
        and from Hypothesis.
Rule 2: they reach the edges: one neuron, one step, one recording, saturated spikes, silence.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np

import refsast as rs
from proofs_check.certified.unit_spikes import SPIKE_FAMILIES
from proofs_check.claim import Claim
from proofs_check.instances import (
    LabelledBatch,
    TwoInputs,
    TwoParameterPoints,
    TwoStartStates,
    move_point,
    norm_caps,
)
from refsast.arrays import Array
from refsast.model import reset
from refsast.model.params import param_arrays

T = TypeVar("T")

RESETS = tuple(reset.RESETS.values())
# Few different neurons: certifying a neuron's constants, which are cached, takes longer than a run.
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
class RandomSource:
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


@dataclass(frozen=True)
class Trial:
    """A claim, and how it is put to the test.

    Attributes
    ----------
    claim : Claim
        The claim.
    draw : callable
        ``draw(source) -> instance``, aimed at the hypotheses and their edges.
    instances : int
        How many a full run draws.
    refit : callable
        ``refit(instance) -> instance``: recomputes what follows from the arrays, after an attack
        has moved them. By default nothing does.
    """

    claim: Claim
    draw: Callable[[Source], object]
    instances: int
    refit: Callable[..., object] = lambda instance: instance

    @property
    def label(self) -> str:
        """Of the claim."""
        return self.claim.label

    @property
    def instance_type(self) -> type:
        """The record that an instance is."""
        return type(self.draw(RandomSource(np.random.default_rng(0))))


def draw_neuron(
    source: Source, families: Sequence[type] = SPIKE_FAMILIES, leaks: Sequence[float] = LEAKS
):
    """Draw a neuron of any kind."""
    spike = source.choice(families)(source.choice(SLOPES))
    return rs.LIF(source.choice(leaks), source.choice(THRESHOLDS), spike, source.choice(RESETS))


def draw_network(
    source: Source,
    families: Sequence[type] = SPIKE_FAMILIES,
    leaks: Sequence[float] = LEAKS,
    deepest: int = 3,
    widest: int = 4,
) -> rs.Network:
    """Draw a network of one or more layers of few neurons, of every variant."""
    widths = range(1, widest + 1)
    layers = source.choice(range(1, deepest + 1))
    sizes = tuple(source.choice(widths) for _ in range(layers + 1))
    each = tuple(draw_neuron(source, families, leaks) for _ in sizes[1:])
    readouts = (
        rs.SpikeRate(source.choice((0.5, 1.0, 8.0))),
        rs.LinearReadout(source.choice((2, 3))),
        rs.LeakyReadout(source.choice((2, 3)), source.choice((0.0, 0.5, 1.0))),
    )
    bias, recurrent = source.choice((True, False)), source.choice((True, False))
    return rs.Network(sizes, each, source.choice(readouts), bias=bias, recurrent=recurrent)


def draw_parameters(source: Source, network: rs.Network) -> rs.Params:
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


def draw_inputs(source: Source, n_in: int, *, batch: int | None = None, longest: int = 8) -> Array:
    """Draw inputs (time, batch, n_in): spikes, counts, real numbers or silence."""
    steps = source.choice([t for t in (1, 2, 3, 5, 8) if t <= longest])
    x = source.array(steps, batch or source.choice((1, 2, 3)), n_in)
    kind = source.choice(("spikes", "real", "counts", "silence"))
    if kind == "real":
        return x
    if kind == "silence":
        return 0.0 * x
    return (x > 0.0).astype(float) if kind == "spikes" else np.abs(np.rint(2.0 * x))


def draw_batch(
    source: Source,
    *,
    batch: int | None = None,
    network: Callable[[Source], rs.Network] = draw_network,
    longest: int = 8,
) -> LabelledBatch:
    """Draw a network on a batch."""
    net = network(source)
    x = draw_inputs(source, net.sizes[0], batch=batch, longest=longest)
    y = np.array([source.choice(range(net.classes)) for _ in range(x.shape[1])])
    return LabelledBatch(net, draw_parameters(source, net), x, y)


def draw_batch_of_one(source: Source) -> LabelledBatch:
    """Draw a network on one recording."""
    return draw_batch(source, batch=1)


def draw_leaky_network(source: Source) -> LabelledBatch:
    """Draw a network all of whose neurons leak."""
    return draw_batch(source, network=lambda s: draw_network(s, leaks=LEAKS[:-1]))


def draw_zero_reset_network(source: Source) -> LabelledBatch:
    """Draw a network all of whose neurons are reset to zero."""

    def make_network(source: Source) -> rs.Network:
        net = draw_network(source)
        return replace(net, neuron=tuple(replace(n, reset=rs.ToZero()) for n in net.neurons))

    return draw_batch(source, network=make_network)


def draw_small_network(source: Source) -> LabelledBatch:
    """Draw a network of few parameters on a short batch, for a whole Hessian."""
    return draw_batch(source, network=lambda s: draw_network(s, deepest=2, widest=2), longest=3)


def draw_two_states(source: Source) -> TwoStartStates:
    """Draw one layer and two states, far from each other or close."""
    cell, n, n_in = draw_neuron(source), source.choice((1, 2, 3)), source.choice((1, 2))
    v = source.choice((0.0, 0.01, 0.1, 1.0)) * source.array(n, n)
    layer = rs.Layer(w=source.array(n, n_in), v=source.choice((None, v)))
    x = draw_inputs(source, n_in)
    start = cell.threshold + source.choice((0.1, 1.0, 10.0)) * source.array(x.shape[1], n)
    apart = source.choice((1e-3, 1.0, 10.0)) * source.array(x.shape[1], n)
    return TwoStartStates(cell, layer, x, start, start + apart)


def draw_two_inputs(source: Source) -> TwoInputs:
    """Draw a network and two inputs, far from each other or close."""
    drawn = draw_batch(source)
    apart = source.choice((1e-3, 0.1, 1.0)) * source.array(*drawn.x.shape)
    return TwoInputs(drawn.network, drawn.params, drawn.x, drawn.x + apart)


def draw_two_points(source: Source) -> TwoParameterPoints:
    """Draw a network on a batch and a second point, and caps that both keep to, closely or not."""
    drawn = draw_batch(source, batch=source.choice((1, 2)), longest=5)
    size = source.choice((1e-3, 0.1, 1.0))
    d = [source.array(*a.shape) for a in param_arrays(drawn.params)]
    return move_point(drawn, d, size, source.choice((1.0, 1.0, 1.5)) * (1.0 + 1e-12))


def tighten_caps(x: TwoParameterPoints) -> TwoParameterPoints:
    """Return the same with caps that both points keep to closely."""
    return replace(x, caps=norm_caps(x.network, x.params, x.moved))
