"""The questions of the golden set: small networks that between them have every variant.

Rule 1: every number is a small integer over a power of two, and so is the number of steps. float32
        holds them all, and nothing is rounded before the first operation.
Rule 2: drawn from a seed by the raw bits of PCG64, a stream that NumPy promises not to change.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from refsast.crosscheck.case import Case
from refsast.crosscheck.golden.reader import Question
from refsast.model.glif import as_glif
from refsast.model.lif import LIF
from refsast.model.network import Network, Neuron
from refsast.model.params import Layer, Params, layer_arrays
from refsast.model.readout import LeakyReadout, LinearReadout, SpikeRate
from refsast.model.reset import NoReset, Subtract
from refsast.model.surrogate import Algebraic, Arctan, FastSigmoid, Logistic, PiecewiseQuadratic
from refsast.model.synapse import Synapse
from refsast.model.vector import split_vector


@dataclass(frozen=True)
class Spec:
    """How to draw a question.

    Attributes
    ----------
    name : str
        Of the case, and of its file.
    network : Network
        The network.
    time, batch : int
        How many steps and recordings.
    seed : int
        Of the draw.
    synapse : Synapse or None
        As in `Case`.
    hard : bool
        As in `Case`.
    grid : int
        Even. Weights are multiples of ``1 / grid`` in [-1.5, 1.5]; on a coarse grid some potentials
        equal the threshold exactly.
    exponents : tuple of int
        Powers of two by which the parameters of each layer are multiplied; none: 1.
    """

    name: str
    network: Network
    time: int
    batch: int
    seed: int
    synapse: Synapse | None = None
    hard: bool = False
    grid: int = 32
    exponents: tuple[int, ...] = ()


RHO = 0.25


def draw_question(spec: Spec) -> Question:
    """Draw the question of a spec."""
    network, shape = spec.network, (spec.time, spec.batch, spec.network.sizes[0])
    p, size, batch = network.n_params, int(np.prod(shape)), spec.batch
    bits = np.random.PCG64(spec.seed).random_raw(2 * p + 2 * size + 2 * batch)
    # How many different numbers each array may hold: weights, direction, inputs, labels.
    counts = (3 * spec.grid + 1, 33, 5, 5, network.classes, network.classes)
    pieces = np.split(bits >> np.uint64(32), np.cumsum([p, p, size, size, batch]))
    w, direction, x, x2, y, y2 = (
        (piece % np.uint64(n)).astype(np.int64) for piece, n in zip(pieces, counts, strict=True)
    )
    weights = split_vector(network, (w - 3 * spec.grid // 2) / spec.grid)
    params = scale_layers(bring_in_range(network, weights), spec.exponents)
    case = Case(network, params, x.reshape(shape) / 4, y, spec.synapse, spec.hard, name=spec.name)
    second = replace(case, x=x2.reshape(shape) / 4, y=y2)
    return Question(case, second, (direction - 16) / 16, RHO, spec.seed)


def bring_in_range(network: Network, params: Params) -> Params:
    """Return the parameters with learned leaks in [0, 0.75], thresholds in [0.5, 1.25]."""

    def bring(neuron: Neuron, layer: Layer) -> Layer:
        learned = as_glif(neuron).learned
        arrays = vars(layer).copy()
        for name, value in learned.items():
            if name == "threshold":
                arrays[name] = 0.5 + 0.5 * np.abs(arrays[name])
            elif name != "start" and not value.sigmoid:
                arrays[name] = 0.5 * np.abs(arrays[name])
        return Layer(**arrays)

    spiking = tuple(map(bring, network.neurons, params))
    return spiking + params[len(spiking) :]


def scale_layers(params: Params, exponents: Sequence[int]) -> Params:
    """Multiply the parameters of each layer by a power of two."""
    if not exponents:
        return params
    return tuple(
        Layer(**{k: np.ldexp(a, n) for k, a in layer_arrays(layer).items()})
        for layer, n in zip(params, exponents, strict=True)
    )


def _rate_net(
    sizes: tuple[int, ...],
    neuron: LIF | tuple[LIF, ...],
    bias: bool = False,
    recurrent: bool = False,
) -> Network:
    """A network with a `SpikeRate` readout, without biases unless asked for."""
    return Network(sizes, neuron, SpikeRate(4.0), bias=bias, recurrent=recurrent)


MIXED = (
    LIF(0.75, 1.0, Arctan(2.0)),
    LIF(0.5, 0.5, Logistic(4.0), Subtract(leaked=True)),
    LIF(0.875, 0.75, FastSigmoid(4.0), Subtract()),
)
SPECS = (
    Spec("to-zero", _rate_net((3, 3), LIF(0.75, 1.0, Arctan(2.0)), bias=True), 4, 2, 15),
    Spec("subtract", _rate_net((3, 3, 3), LIF(0.875, 1.0, Logistic(2.0), Subtract())), 4, 2, 37),
    Spec(
        "subtract-leaked",
        Network((3, 3), LIF(0.5, 0.75, Algebraic(2.0), Subtract(leaked=True)), LinearReadout(2)),
        4, 2, 35,
    ),
    Spec(
        "no-reset",
        Network((2, 3), LIF(0.75, 1.0, FastSigmoid(4.0), NoReset()), LeakyReadout(3, 0.5), False),
        4, 2, 35,
    ),
    Spec(
        "recurrent",
        _rate_net((2, 3), LIF(0.75, 1.0, PiecewiseQuadratic(0.5)), recurrent=True),
        4, 2, 21,
    ),
    Spec("three-layers", _rate_net((2, 3, 2, 3), MIXED), 4, 2, 26),
    Spec("one-step", _rate_net((3, 4), LIF(0.75, 0.5, Logistic(2.0)), bias=True), 1, 2, 4),
    Spec(
        "everything",
        Network((2, 3, 2), MIXED[::2], LeakyReadout(2, 0.75), recurrent=True),
        8, 1, 5,
    ),
    Spec("faint", _rate_net((2, 2, 2), LIF(0.5, 1.0, Arctan(2.0))), 4, 1, 36, exponents=(-10, -34)),
    Spec(
        "detached-reset",
        _rate_net((3, 3), LIF(0.75, 1.0, Arctan(2.0), detach_reset=True), bias=True),
        4, 2, 15,
    ),
    Spec(
        "current-based",
        _rate_net((3, 3, 2), LIF(0.75, 0.5, Algebraic(4.0))),
        8, 1, 37, Synapse(0.5, 0.25, delayed=True),
    ),
    Spec(
        "straight-through",
        _rate_net((3, 3, 3), LIF(0.5, 0.5, Logistic(4.0), Subtract())),
        4, 2, 39, hard=True, grid=2,
    ),
)  # fmt: skip
