"""What the property tests draw, III: connections, generalised neurons, readouts and losses.

Rule 1: images are small, so that windows meet edges and padding all the time.
Rule 2: arrays come from a seed, since there may be hundreds of numbers: generic, or quarters.
"""

import math
from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

import refsast as rs
from refsast.model.connections.chain import Chain, Connection, trace_shapes
from refsast.model.connections.windows import Shape
from refsast.model.learned import Number
from refsast.model.loss import Loss
from refsast.model.network import Neuron, learned_numbers
from refsast.model.params import Layer
from refsast.model.readout import Readout
from refsast.testing.numbers import fractions, seeds
from refsast.testing.problem import Problem, make_read_only
from refsast.testing.strategies import RESETS, SURROGATES, Families, labels, neurons, surrogates

SIDES = st.sampled_from((3, 4, 2, 5, 1))
COUNTS = st.sampled_from((2, 3, 1, 4))
STEPS = st.sampled_from((3, 4, 6, 2, 5, 1))
LEAKS = fractions(0.0, 1.0, 0.0, 0.5, 1.0)
INNER_LEAKS = fractions(0.05, 0.95, 0.5)  # inside (0, 1), as a sigmoid needs
THRESHOLDS = fractions(0.1, 2.0, 0.5, 1.0)
MOST_RECURRENT = 32  # neurons of a layer; more have more recurrent weights than a test has time for


@st.composite
def connections(draw: st.DrawFn, shapes: Sequence[Shape]) -> Chain:
    """Draw what leads to the next layer: pooling, a skip, weights, and pooling or a skip again.

    Parameters
    ----------
    shapes : sequence of tuple of int
        Of the input and of all layers below: (channels, height, width) or (n,).

    Returns
    -------
    SearchStrategy
        Of tuples of `Conv2d`, `Dense`, `AvgPool2d`, `MaxPool2d`, `Flatten` and `Skip`.

    Examples
    --------
    >>> import refsast as rs
    >>> from hypothesis import find
    >>> from refsast.testing import connections
    >>> chain = find(connections([(2, 3, 3)]), lambda chain: rs.Flatten() in chain)
    >>> isinstance(chain[-1], rs.Dense)
    True
    """
    chain: list[Connection] = []

    def shape() -> Shape:
        return trace_shapes(tuple(chain), shapes[-1], shapes, len(shapes))[-1]

    def add_extra() -> None:
        """Add pooling of an image, or a skip from a layer of the same shape."""
        same = [i for i, earlier in enumerate(shapes) if earlier == shape()]
        image = ["max", "mean"] if len(shape()) == 3 else []
        kinds = ["none", *image, *(["skip"] if same else [])]
        kind = draw(st.sampled_from(kinds))
        if kind in image:
            pool = rs.MaxPool2d if kind == "max" else rs.AvgPool2d
            chain.append(pool(*draw(_pool_sides(shape()))))
        elif kind == "skip":
            chain.append(rs.Skip(draw(st.sampled_from(same))))

    add_extra()
    if len(shape()) == 3 and draw(st.sampled_from((True, True, False))):
        chain.append(draw(_convolutions(shape())))
    else:
        if draw(st.booleans()):
            chain.append(rs.Flatten())
        widths = [earlier[0] for earlier in shapes if len(earlier) == 1]  # so that skips may follow
        chain.append(rs.Dense(draw(st.sampled_from([*widths, 2, 3, 4, 1]))))
    add_extra()
    return tuple(chain)


@st.composite
def _pairs(draw: st.DrawFn, low: int, high: tuple[int, int]) -> int | tuple[int, int]:
    """Draw one integer for both sides, or one for each, from `low` on."""
    if draw(st.booleans()):
        return draw(st.integers(low, min(high)))
    return draw(st.integers(low, high[0])), draw(st.integers(low, high[1]))


def _both(pair: int | tuple[int, int]) -> tuple[int, int]:
    return pair if isinstance(pair, tuple) else (pair, pair)


@st.composite
def _convolutions(draw: st.DrawFn, shape: Shape) -> rs.Conv2d:
    """Draw convolutions that fit; one in three keeps the shape of the image, for skips."""
    channels, *sides = shape
    if draw(st.sampled_from([False, False, True])):
        return rs.Conv2d(channels, 3, padding=1, groups=draw(st.sampled_from([1, channels])))
    padding, dilation = draw(_pairs(0, (2, 2))), draw(_pairs(1, (2, 2)))
    most = [
        min(3, (n + 2 * p - 1) // d + 1)
        for n, p, d in zip(sides, _both(padding), _both(dilation), strict=True)
    ]
    kernel, stride = draw(_pairs(1, (most[0], most[1]))), draw(_pairs(1, (3, 3)))
    groups = draw(st.sampled_from([1, channels]))
    out = groups * draw(st.sampled_from([1, 2]))
    return rs.Conv2d(out, kernel, stride, padding, dilation, groups)


@st.composite
def _pool_sides(draw: st.DrawFn, shape: Shape) -> tuple:
    """Draw kernel, stride and padding of a pool, whose windows may overlap or leave gaps."""
    most = min(3, shape[1]), min(3, shape[2])
    kernel = draw(st.sampled_from((most, most)) | _pairs(1, most))
    half = _both(kernel)[0] // 2, _both(kernel)[1] // 2
    return kernel, draw(st.sampled_from((1, None)) | _pairs(1, (3, 3))), draw(_pairs(0, half))


@st.composite
def _values(
    draw: st.DrawFn, numbers: st.SearchStrategy[float], n: int, sigmoid: bool = False
) -> Number:
    """Draw a number of a neuron: for all, for each of `n`, or learned, perhaps by a sigmoid."""
    kind = draw(st.sampled_from(["one", "each", "learned"]))
    if kind == "one":
        return draw(numbers)
    if kind == "each":
        return draw(st.lists(numbers, min_size=n, max_size=n).map(tuple))
    return draw(_numbers_to_learn(numbers, n, sigmoid))


@st.composite
def _numbers_to_learn(
    draw: st.DrawFn, numbers: st.SearchStrategy[float], n: int, sigmoid: bool
) -> rs.Learned:
    """Draw a learned number of a layer of `n` neurons."""
    inner = sigmoid and draw(st.booleans())
    numbers = INNER_LEAKS if inner else numbers
    each = st.lists(numbers, min_size=n, max_size=n).map(tuple)
    return rs.Learned(draw(numbers | each), draw(st.booleans()), inner)


@st.composite
def glif_neurons(
    draw: st.DrawFn, n: int, *, families: Families = SURROGATES, detach: bool | None = None
) -> rs.GLIF:
    """Draw generalised neurons for a layer, with any of their parts.

    Parameters
    ----------
    n : int
        Neurons of the layer.
    families, detach
        As for `neurons`.

    Returns
    -------
    SearchStrategy
        Of `GLIF`.

    Examples
    --------
    >>> from hypothesis import find
    >>> from refsast.testing import glif_neurons
    >>> find(glif_neurons(3), lambda neuron: neuron.refractory > 1).refractory in (2, 3)
    True
    """
    scale = fractions(0.25, 2.0, 1.0)
    synapse = draw(
        st.none()
        | st.builds(rs.Synapse, LEAKS, scale, st.booleans())
        | st.builds(rs.Alpha, LEAKS, LEAKS, scale, st.booleans())
    )
    learns = isinstance(synapse, rs.Synapse) and draw(st.booleans())
    return rs.GLIF(
        draw(_values(LEAKS, n, sigmoid=True)),
        draw(_values(THRESHOLDS, n)),
        draw(surrogates(families)),
        draw(st.sampled_from(RESETS)),
        draw(st.booleans()) if detach is None else detach,
        synapse,
        draw(st.none() | st.builds(rs.Adaptation, LEAKS, fractions(0.0, 1.0, 0.5))),
        draw(st.integers(0, 3)),
        draw(_numbers_to_learn(LEAKS, n, sigmoid=True)) if learns else None,
        draw(st.booleans()),
    )


@st.composite
def _readouts_and_losses(draw: st.DrawFn, n: int) -> tuple[Readout, Loss]:
    """Draw a readout for `n` neurons, and a loss that it allows."""
    kind = draw(st.sampled_from(["rate", "potential", "linear", "leaky", "last", "max"]))
    losses: list[Loss] = [rs.CrossEntropy()]
    if kind in ("rate", "potential", "linear", "leaky"):
        losses.append(rs.StepCrossEntropy())
    if kind == "rate":
        rates = fractions(0.0, 1.0, 0.0, 1.0)
        losses.append(rs.MeanSquaredRate(draw(rates), draw(rates)))
        population = draw(st.sampled_from([k for k in range(1, n + 1) if n % k == 0]))
        readout = rs.SpikeRate(draw(fractions(0.5, 8.0, 1.0)), population)
    elif kind == "potential":
        readout = rs.MeanPotential(draw(fractions(0.5, 8.0, 1.0)))
    elif kind == "linear":
        readout = rs.LinearReadout(draw(COUNTS))
    else:
        kinds = {"leaky": rs.LeakyReadout, "last": rs.LastPotential, "max": rs.MaxPotential}
        readout = kinds[kind](draw(COUNTS), draw(LEAKS))
    return readout, draw(st.sampled_from(losses))


@st.composite
def extended_networks(
    draw: st.DrawFn, *, families: Families = SURROGATES, detach: bool | None = None
) -> rs.Network:
    """Draw networks of one to three layers of every connection, neuron, readout and loss.

    Parameters
    ----------
    families, detach
        As for `neurons`.

    Returns
    -------
    SearchStrategy
        Of `Network`.

    Examples
    --------
    >>> import refsast as rs
    >>> from hypothesis import Phase, find, settings
    >>> from refsast.testing import extended_networks
    >>> first = settings(phases=[Phase.generate])  # no time is spent on a simpler one
    >>> isinstance(find(extended_networks(), lambda n: True, settings=first), rs.Network)
    True
    """
    image = st.tuples(st.sampled_from((2, 1)), SIDES, SIDES)
    shapes: list[Shape] = [draw(image | image | st.tuples(COUNTS))]
    chains: list[Chain] = []
    for _ in range(draw(st.sampled_from((2, 1, 3)))):
        chains.append(draw(connections(shapes)))
        shapes.append(trace_shapes(chains[-1], shapes[-1], shapes, len(shapes))[-1])
    widths = [math.prod(shape) for shape in shapes]
    each: list[Neuron] = [
        draw(glif_neurons(n, families=families, detach=detach))
        if draw(st.sampled_from((True, True, False)))
        else draw(neurons(families=families, detach=detach))
        for n in widths[1:]
    ]
    readout, loss = draw(_readouts_and_losses(widths[-1]))
    return rs.Network(
        (shapes[0], *chains),  # pyright: ignore[reportArgumentType]
        tuple(each),
        readout,
        bias=draw(st.booleans()),
        recurrent=max(widths[1:]) <= MOST_RECURRENT and draw(st.booleans()),
        loss=loss,
    )


@st.composite
def extended_problems(
    draw: st.DrawFn, *, families: Families = SURROGATES, detach: bool | None = None
) -> Problem:
    """Draw whole problems of extended networks, their arrays read-only.

    Parameters
    ----------
    families, detach
        As for `neurons`.

    Returns
    -------
    SearchStrategy
        Of `Problem`.

    Examples
    --------
    >>> from hypothesis import Phase, find, settings
    >>> from refsast.testing import extended_problems
    >>> first = settings(phases=[Phase.generate])  # no time is spent on a simpler one
    >>> find(extended_problems(), lambda p: True, settings=first).x.ndim
    3
    """
    network = draw(extended_networks(families=families, detach=detach))
    rng = np.random.default_rng(draw(seeds()))
    shape = draw(STEPS), draw(COUNTS), network.sizes[0]
    kind = draw(st.sampled_from(["spikes", "real", "silence"]))
    x = (rng.random(shape) < 0.5).astype(float) if kind == "spikes" else rng.normal(size=shape)
    x = np.zeros(shape) if kind == "silence" else x
    w = rng.uniform(-2.0, 2.0, network.n_params)
    w = np.round(4.0 * w) / 4.0 if draw(st.sampled_from((False, False, True))) else w
    y = draw(labels(shape[1], network.classes))
    return make_read_only(Problem(network, _keep_sensible(network, rs.unflatten(network, w)), x, y))


def _keep_sensible(network: rs.Network, params: rs.Params) -> rs.Params:
    """Bring learned leaks from [-2, 2] into [0, 1], and thresholds into [0.1, 2.1]."""
    found = [vars(layer).copy() for layer in params]
    for neuron, arrays in zip(network.neurons, found, strict=False):
        for name, value in learned_numbers(neuron).items():
            if name == "threshold":
                arrays[name] = np.asarray(0.1 + abs(arrays[name]))
            elif name != "start" and not value.sigmoid:
                arrays[name] = np.asarray(0.5 * abs(arrays[name]))
    return tuple(Layer(**arrays) for arrays in found)
