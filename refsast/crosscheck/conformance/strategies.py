"""The examples that the suite draws, on a coarse grid, of the networks that a factory has.

Rule 1: every number is a small multiple of a power of two, so that float32 holds it exactly.
Rule 2: the plainest choice comes first, because Hypothesis shrinks towards it: one layer, one step,
        one recording, no synapse; and ones, not zeros, so that all neurons stay alive.
Rule 3: where spikes are hard, leaks are 0, 1/2 and 1, so that potentials are exact in any order of
        summation; thresholds are on the grid of the potentials, to tie with them, or off it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from hypothesis import strategies as st

from refsast.arrays import Array, Integers
from refsast.crosscheck.case import Case
from refsast.crosscheck.conformance.capabilities import Capabilities, NetworkKind, is_compatible
from refsast.model.lif import LIF
from refsast.model.network import Network
from refsast.model.readout import LeakyReadout, LinearReadout, Readout, SpikeRate
from refsast.model.vector import unflatten

LEAKS = (0.5, 0.75, 0.25, 0.875, 0.0, 1.0)
EXACT_LEAKS = (0.5, 1.0, 0.0)
THRESHOLDS = (1.0, 0.5, 1.5)
OFF_GRID = (1.0625, 0.5625, 1.4375)
SLOPES = (2.0, 1.0, 4.0, 0.5)
GAINS = (4.0, 1.0, 2.0)
RADII = (0.5, 0.25, 1.0, 0.125)
LAYERS = st.sampled_from((1, 2, 2, 3))
WIDTHS = st.integers(1, 4)
BATCHES = st.sampled_from((1, 2, 3))


@dataclass(frozen=True, eq=False)
class Example:
    """A case, and what else is needed to ask for a SAM gradient."""

    case: Case  # the network, and the minibatch of the first pass
    x: Array  # the minibatch of the second pass, of the same shapes
    y: Integers
    rho: float = 0.0
    dtype: str = ""  # that an implementation is asked in, if it claims several; "": its own
    stretch: str = ""  # how it is larger than those on the coarse grid


def kinds(kinds: Sequence[NetworkKind]) -> st.SearchStrategy[NetworkKind]:
    """One of many kinds; by its index, because a strategy's repr lists all that it samples from."""
    return st.integers(0, len(kinds) - 1).map(lambda i: kinds[i])


@cache
def numbers(shape: tuple[int, ...], choice: tuple[float, ...]) -> st.SearchStrategy[Array]:
    """Arrays of a few numbers, the plainest first; one draw for all entries, which is quick."""
    count, table = int(np.prod(shape)), np.array(choice, np.float64)
    each = st.binary(min_size=count, max_size=count)
    return each.map(lambda b: table[np.frombuffer(b, np.uint8) % len(table)].reshape(shape))


@cache
def weights(count: int, limit: int = 2) -> st.SearchStrategy[Array]:
    """Vectors of quarters in [-limit, limit]."""
    quarters = sorted(range(-4 * limit, 4 * limit + 1), key=lambda k: abs(k - 4))
    return numbers((count,), tuple(0.25 * k for k in quarters))


@cache
def inputs(shape: tuple[int, ...]) -> st.SearchStrategy[Array]:
    """Inputs (time, batch, n_in): spikes or halves."""
    return st.sampled_from(((1.0, 0.0), (1.0, 0.5, 0.0, 2.0, -1.0))).flatmap(
        lambda choice: numbers(shape, choice)
    )


@cache
def labels(batch: int, classes: int) -> st.SearchStrategy[Integers]:
    """Labels of a batch."""
    return numbers((batch,), tuple(map(float, range(classes)))).map(lambda y: y.astype(np.int64))


@cache
def neurons(
    kind: NetworkKind, leaks: tuple[float, ...] = LEAKS, thresholds: tuple[float, ...] = THRESHOLDS
) -> st.SearchStrategy[LIF]:
    """Neurons of a kind."""
    spikes = st.sampled_from([kind.family(slope) for slope in SLOPES])
    reset = st.just(kind.reset)
    return st.builds(LIF, st.sampled_from(leaks), st.sampled_from(thresholds), spikes, reset)


@cache
def readouts(kind: NetworkKind, *, classes: int | None = None) -> st.SearchStrategy[Readout]:
    """Readouts of a kind, with two to four classes if they are not given."""
    n_out = st.integers(2, 4) if classes is None else st.just(classes)
    if isinstance(kind.readout, SpikeRate):
        return st.builds(SpikeRate, st.sampled_from(GAINS))
    if isinstance(kind.readout, LinearReadout):
        return st.builds(LinearReadout, n_out)
    return st.builds(LeakyReadout, n_out, st.sampled_from(LEAKS))


@st.composite
def networks(
    draw: st.DrawFn,
    offer: Capabilities,
    kind: NetworkKind,
    classes: int | None = None,
    leaks: tuple[float, ...] = LEAKS,
    thresholds: tuple[float, ...] = THRESHOLDS,
) -> Network:
    """Networks of one to three layers of one to four neurons, alike or of several kinds."""
    layers = draw(LAYERS)
    sizes = [draw(WIDTHS) for _ in range(layers + 1)]
    if isinstance(kind.readout, SpikeRate):
        sizes[-1] = max(sizes[-1], 2) if classes is None else classes
    neuron = draw(neurons(kind, leaks, thresholds))
    if layers > 1 and draw(st.booleans()):
        # The synapse, the readout and the like are the network's: only neurons may differ.
        others = [other for other in offer.kinds if is_compatible(kind, other)]
        rest = [draw(neurons(draw(kinds(others)), leaks, thresholds)) for _ in sizes[2:]]
        neuron = (neuron, *rest)
    readout = draw(readouts(kind, classes=classes))
    return Network(tuple(sizes), neuron, readout, bias=kind.bias, recurrent=kind.recurrent)


@st.composite
def cases(
    draw: st.DrawFn,
    offer: Capabilities,
    *,
    steps: tuple[int, int] = (1, 8),
    hard: bool = False,
    ties: bool = True,
    classes: int | None = None,
) -> Case:
    """Whole cases of so many steps at least and at most; one more where synapses delay."""
    kind = draw(kinds(offer.kinds))
    leaks = EXACT_LEAKS if hard else LEAKS
    network = draw(networks(offer, kind, classes, leaks, THRESHOLDS if ties else OFF_GRID))
    late = kind.synapse is not None and kind.synapse.delayed
    # What a delayed synapse receives in the first step drives the neuron in the second.
    time = draw(st.integers(steps[0] + late, steps[1] + late))
    x = draw(inputs((time, draw(BATCHES), network.sizes[0])))
    y = draw(labels(x.shape[1], network.classes))
    w = draw(weights(network.n_params))
    return Case(network, unflatten(network, w), x, y, kind.synapse, hard, name="drawn")


@st.composite
def single_neurons(draw: st.DrawFn, offer: Capabilities) -> Case:
    """One neuron, one step, no bias; two neurons where a readout makes each of them a class."""
    kind = draw(kinds(offer.kinds))
    readout = draw(readouts(kind, classes=2))
    sizes = (1, 2 if isinstance(kind.readout, SpikeRate) else 1)
    neuron = draw(neurons(kind))
    network = Network(sizes, neuron, readout, bias=kind.bias, recurrent=kind.recurrent)
    params = [
        layer if layer.b is None else replace(layer, b=0.0 * layer.b)
        for layer in unflatten(network, draw(weights(network.n_params, 4)))
    ]
    late = kind.synapse is not None and kind.synapse.delayed
    x, y = np.ones((1 + late, 1, 1)), draw(labels(1, 2))
    return Case(network, tuple(params), x, y, kind.synapse, name="drawn")


@st.composite
def sam_examples(
    draw: st.DrawFn, each: st.SearchStrategy[Case], radii: Sequence[float] = (0.0,)
) -> Example:
    """A case with a second minibatch and a radius."""
    case = draw(each)
    x = draw(inputs(case.x.shape))
    y = draw(labels(len(case.y), case.network.classes))
    return Example(case, x, y, draw(st.sampled_from(radii)))


def plain_examples(each: st.SearchStrategy[Case]) -> st.SearchStrategy[Example]:
    """Questions about a case alone."""
    return each.map(lambda case: Example(case, case.x, case.y))
