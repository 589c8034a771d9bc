"""Examples as large and as awkward as people's own, drawn by a plan rather than by chance.

Rule 1: whatever an implementation may cut off is exceeded in every run: steps, layers, neurons,
        inputs, classes, recordings, the precision of a constant, the size of a gradient.
Rule 2: one example stretches a few dimensions only, so that rounding does not grow beyond reason.
Rule 3: kinds of networks that were drawn least come first.
Rule 4: sizes grow with the number of examples asked for.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from zlib import crc32

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case
from refsast.crosscheck.conformance.capabilities import Capabilities, NetworkKind, is_compatible
from refsast.crosscheck.conformance.coverage import OF_KINDS, kind_feature
from refsast.crosscheck.conformance.parameters import learn_params
from refsast.crosscheck.conformance.strategies import Example
from refsast.model.lif import LIF
from refsast.model.network import Network
from refsast.model.params import Layer, Params, map_params
from refsast.model.readout import LeakyReadout, LinearReadout, Readout, SpikeRate
from refsast.model.surrogate import PiecewiseQuadratic
from refsast.model.synapse import Synapse
from refsast.model.vector import unflatten

Range = tuple[int, int]

USUAL_EXAMPLES = 50  # with more than these, sizes grow
MAX_GROWTH = 4.0
LOOKED_AT = 24  # kinds, of which the least drawn is taken
LEAKS = (0.9, 0.95, 1.0 / 3.0, float(np.exp(-1.0 / 20.0)), 0.99, 1.0, 0.0)
MAX_FLAT_SLOPE = 1.25  # of the spline, which is flat beyond 1 / slope


@dataclass(frozen=True)
class Stretch:
    """The sizes of a sort of examples, each from and to."""

    name: str
    steps: Range
    layers: Range
    widths: Range
    batch: Range
    classes: Range
    drive: float = 1.5  # scale of the weights
    learned: bool = False  # whether parameters are those after a few steps of descent


LONG = Stretch("long", (64, 100), (1, 2), (2, 5), (2, 4), (2, 4))
DEEP = Stretch("deep", (3, 6), (4, 6), (2, 7), (2, 5), (2, 5))
WIDE = Stretch("wide", (2, 5), (1, 3), (17, 40), (2, 4), (9, 20))
BROAD = Stretch("many recordings", (2, 5), (1, 3), (2, 6), (9, 33), (2, 4))
STRONG = Stretch("strong", (9, 20), (1, 3), (5, 9), (4, 8), (3, 6), drive=5.0)
LEARNED = Stretch("learned", (9, 16), (2, 3), (5, 9), (5, 9), (3, 5), learned=True)
WHOLE = Stretch("all at once", (17, 33), (3, 4), (5, 12), (6, 12), (3, 8))

OVER_TIME = (LONG, DEEP, WIDE, STRONG, BROAD, LEARNED, WHOLE)
ONE_STEP = tuple(
    replace(each, steps=(1, 1)) for each in (DEEP, WIDE, STRONG, BROAD, LEARNED, WHOLE)
)
TWO_PASSES = tuple(
    replace(each, widths=(3, 6), batch=(5, 8), classes=(3, 5), drive=min(2.0, each.drive))
    for each in (replace(LONG, steps=(9, 12), layers=(1, 2)), replace(DEEP, layers=(3, 4)), STRONG)
)
ONE_NEURON = (
    Stretch("one neuron", (1, 1), (1, 1), (1, 1), (1, 1), (2, 2)),
    Stretch("one neuron, strong", (1, 1), (1, 1), (1, 1), (1, 1), (2, 2), drive=5.0),
)


def stretched_examples(
    offer: Capabilities,
    stretches: Sequence[Stretch],
    *,
    count: int,
    seed: int | None,
    name: str,
    hard: bool = False,
    radii: Sequence[float] = (),
    classes: int | None = None,
) -> Iterator[Example]:
    """Yield so many examples, each sort of stretch in turn, of kinds that a factory has.

    `name` is that of the test, so that every test draws others. With `radii` an example has a
    second minibatch and one of them.
    """
    kinds, drawn = list(offer.kinds), Counter()
    start = crc32(name.encode())
    growth = min(MAX_GROWTH, max(1.0, 2.0 * count / USUAL_EXAMPLES) ** 0.5)
    for i in range(count):
        rng = np.random.default_rng([0 if seed is None else seed + 1, start, i])
        stretch = stretches[i % len(stretches)]
        kind = _choose_kind(kinds, drawn, rng)
        case = draw_case(rng, stretch, kind, kinds, drawn, growth, hard=hard, classes=classes)
        dtype = offer.dtypes[i % len(offer.dtypes)] if offer.dtypes else ""
        yield make_example(rng, case, stretch.name, dtype, radii)


def make_example(
    rng: np.random.Generator, case: Case, name: str, dtype: str, radii: Sequence[float]
) -> Example:
    """Return an example about a case, its numbers such as a dtype holds; `name` is its sort."""
    if dtype:
        rounded = map_params(lambda a: a.astype(dtype).astype(np.float64), case.params)
        case = replace(case, params=rounded, x=case.x.astype(dtype).astype(np.float64))
    if not radii:
        return Example(case, case.x, case.y, dtype=dtype, stretch=name)
    x = _draw_input(rng, case.x.shape)
    x = x.astype(dtype).astype(np.float64) if dtype else x
    y = rng.integers(0, case.network.classes, len(case.y))
    return Example(case, x, y, float(rng.choice(radii)), dtype=dtype, stretch=name)


def draw_case(
    rng: np.random.Generator,
    stretch: Stretch,
    kind: NetworkKind,
    kinds: Sequence[NetworkKind],
    drawn: Counter[object],
    growth: float = 1.0,
    *,
    hard: bool = False,
    classes: int | None = None,
) -> Case:
    """Draw a case of a kind; layers after the first may be of other, compatible kinds."""
    layers = _draw_size(rng, stretch.layers)
    sizes = [_draw_size(rng, stretch.widths, growth) for _ in range(layers + 1)]
    n_out = _draw_size(rng, stretch.classes, growth) if classes is None else classes
    if isinstance(kind.readout, SpikeRate):
        sizes[-1] = n_out
    others = [other for other in kinds if is_compatible(kind, other)]
    neurons = [_draw_neuron(rng, kind)]
    for _ in range(layers - 1):
        other = _choose_kind(others, drawn, rng)
        neurons.append(_draw_neuron(rng, other))
    readout = _draw_readout(rng, kind, n_out)
    network = Network(
        tuple(sizes), tuple(neurons), readout, bias=kind.bias, recurrent=kind.recurrent
    )
    late = kind.synapse is not None and kind.synapse.delayed
    time, batch = (_draw_size(rng, r, growth) for r in (stretch.steps, stretch.batch))
    x = _draw_input(rng, (time + late, batch, sizes[0]))
    y = rng.integers(0, network.classes, batch)
    params = _draw_params(rng, network, stretch.drive)
    case = Case(network, params, x, y, _draw_synapse(rng, kind.synapse), hard, name="drawn")
    return replace(case, params=learn_params(case)) if stretch.learned else case


def _choose_kind(
    kinds: Sequence[NetworkKind], drawn: Counter[object], rng: np.random.Generator
) -> NetworkKind:
    """The least drawn of a few kinds: by what it has, and by pairs of that."""
    few = rng.choice(len(kinds), min(LOOKED_AT, len(kinds)), replace=False)
    best = min((kinds[int(i)] for i in few), key=lambda kind: _how_often(kind, drawn))
    drawn.update(_features(best))
    return best


def _how_often(kind: NetworkKind, drawn: Counter[object]) -> int:
    return sum(drawn[feature] for feature in _features(kind))


def _features(kind: NetworkKind) -> list[object]:
    """What a kind has, one by one and in pairs."""
    single = [f"{name} {kind_feature(kind, name)}" for name in OF_KINDS]
    return [*single, *combinations(single, 2)]


def _draw_size(rng: np.random.Generator, size: Range, growth: float = 1.0) -> int:
    """A size in a range whose upper end grows, unless it is one number."""
    low, high = size
    return int(rng.integers(low, high + 1 if low == high else int(high * growth) + 1))


def _draw_neuron(rng: np.random.Generator, kind: NetworkKind) -> LIF:
    """A neuron whose numbers have all digits of a double."""
    leak = float(rng.choice(LEAKS)) if rng.random() < 0.4 else float(rng.uniform(0.05, 0.999))
    steepest = MAX_FLAT_SLOPE if kind.family is PiecewiseQuadratic else 6.0
    slope = float(rng.uniform(0.3, 1.0)) * steepest
    return LIF(leak, float(rng.uniform(0.2, 1.7)), kind.family(slope), kind.reset)


def _draw_synapse(rng: np.random.Generator, synapse: Synapse | None) -> Synapse | None:
    """A synapse of the same sort; in every other example with numbers of its own."""
    leak, scale = rng.uniform(0.1, 0.95), rng.uniform(0.2, 1.5)
    if synapse is None or rng.random() < 0.5:
        return synapse
    leak = float(leak) if synapse.leak > 0.0 else 0.0
    return replace(synapse, leak=leak, scale=float(scale) if synapse.scale != 1.0 else 1.0)


def _draw_readout(rng: np.random.Generator, kind: NetworkKind, n_out: int) -> Readout:
    """A readout of a kind."""
    if isinstance(kind.readout, SpikeRate):
        return SpikeRate(float(rng.uniform(1.0, 12.0)))
    if isinstance(kind.readout, LinearReadout):
        return LinearReadout(n_out)
    return LeakyReadout(n_out, float(rng.uniform(0.1, 0.99)))


def _draw_params(rng: np.random.Generator, network: Network, drive: float) -> Params:
    """Weights that let neurons fire; recurrent ones weak, so that no run is chaotic."""

    def scale(layer: Layer) -> Layer:
        w = layer.w * drive / np.sqrt(layer.w.shape[1])
        v = None if layer.v is None else 0.5 * layer.v / np.sqrt(len(layer.v))
        return Layer(w, None if layer.b is None else 0.4 * layer.b, v)

    return tuple(map(scale, unflatten(network, rng.standard_normal(network.n_params))))


def _draw_input(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Spikes, or numbers of both signs."""
    if rng.random() < 0.5:
        return (rng.random(shape) < 0.5).astype(np.float64)
    return rng.standard_normal(shape)
