"""Convolutions, pools and chains of maps: their values, their transposes, what they refuse."""

import re
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refsast as rs
from refsast.arrays import Array
from refsast.autodiff.numeric import adjoint_gap
from refsast.model.connections.chain import (
    connect,
    size,
    trace_shapes,
    transpose_chain,
    weighted_part,
)
from refsast.testing import connections, min_examples, seeds

ADJOINT = 1e-13
SHAPE = (2, 5, 4)
CONVOLUTIONS = [
    rs.Conv2d(3, 3),
    rs.Conv2d(4, (2, 3), stride=(2, 1), padding=(1, 2), groups=2),
    rs.Conv2d(2, (3, 2), padding=2, dilation=(2, 3)),
    rs.Conv2d(1, (5, 4), stride=3),
    rs.Conv2d(6, 1, stride=(1, 2), groups=2),
]
POOLS = [
    (2, None, 0),
    (3, 1, 1),
    ((3, 2), (1, 2), (1, 0)),
    (1, 2, 0),
    ((2, 3), 1, (0, 1)),
    ((5, 4), None, (2, 2)),
]


def draw_image(seed: int, rows: int = 3) -> Array:
    return np.random.default_rng(seed).normal(size=(rows, size(SHAPE)))


def pad(a: Array, padding: tuple[int, int], value: float) -> Array:
    """One row as an image with a border."""
    borders = ((0, 0), (padding[0],) * 2, (padding[1],) * 2)
    return np.pad(a.reshape(SHAPE), borders, constant_values=value)


def convolve(conv: rs.Conv2d, w: Array, b: Array, a: Array) -> Array:
    """The formula of the docstring of `Conv2d`, sum by sum."""
    (out, height, width), image = conv.output_shape(SHAPE), pad(a, conv.padding, 0.0)
    result, inside = np.zeros((out, height, width)), SHAPE[0] // conv.groups
    for o, y, x in np.ndindex(out, height, width):
        first = o // (out // conv.groups) * inside
        result[o, y, x] = b[o]
        for c, i, j in np.ndindex(w.shape[1:]):
            row = conv.stride[0] * y + conv.dilation[0] * i
            column = conv.stride[1] * x + conv.dilation[1] * j
            result[o, y, x] += w[o, c, i, j] * image[first + c, row, column]
    return result.ravel()


@pytest.mark.parametrize("conv", CONVOLUTIONS)
def test_a_convolution_is_its_formula(conv):
    rng, a = np.random.default_rng(1), draw_image(0)
    w, b = rng.normal(size=conv.weight_shape(SHAPE)), rng.normal(size=conv.channels)

    want = np.stack([convolve(conv, w, b, row) for row in a])

    assert conv(w, b, a, SHAPE) == pytest.approx(want, rel=1e-13, abs=1e-14)
    assert conv(w, None, a, SHAPE) == pytest.approx(
        np.stack([convolve(conv, w, 0.0 * b, row) for row in a]), rel=1e-13, abs=1e-14
    )


@pytest.mark.parametrize("sides", POOLS)
@pytest.mark.parametrize(
    ("kind", "reduce", "border"), [(rs.AvgPool2d, np.mean, 0.0), (rs.MaxPool2d, np.max, -np.inf)]
)
def test_a_pool_is_its_formula(kind, reduce, border, sides):
    pool, a = kind(*sides), draw_image(2)
    (_, height, width), (stride, kernel) = pool.output_shape(SHAPE), (pool.stride, pool.kernel)

    def pooled(row: Array) -> Array:
        image, result = pad(row, pool.padding, border), np.zeros((SHAPE[0], height, width))
        for c, y, x in np.ndindex(result.shape):
            top, left = stride[0] * y, stride[1] * x
            result[c, y, x] = reduce(image[c, top : top + kernel[0], left : left + kernel[1]])
        return result.ravel()

    assert pool(a, SHAPE) == pytest.approx(np.stack([pooled(row) for row in a]), rel=1e-14)


def test_of_equal_pixels_the_first_has_the_derivative():
    pool, a = rs.MaxPool2d(2), np.array([[0.5, 1.0, 1.0, 1.0]])

    assert pool.transpose(np.array([[2.0]]), a, (1, 2, 2)).tolist() == [[0.0, 2.0, 0.0, 0.0]]


@dataclass(frozen=True)
class Rule:
    """A map with its derivative by hand, as `adjoint_gap` takes it."""

    value: object
    pullbacks: tuple


def chain_rule(chain, shapes, shape_list) -> Rule:
    """A chain as a function of weights, bias and all layers below, with its transpose by hand."""

    def value(w, b, *earlier):
        return connect(chain, shapes, rs.Layer(w, b), earlier)

    def cotangents(g, w, b, earlier):
        return transpose_chain(chain, shapes, rs.Layer(w, b), earlier, g)

    def of_layer(j):
        def pullback(g, y, w, b, *earlier):
            return np.broadcast_to(cotangents(g, w, b, earlier).below.get(j, 0.0), earlier[j].shape)

        return pullback

    return Rule(
        value,
        (
            lambda g, y, w, b, *earlier: cotangents(g, w, b, earlier).w,
            lambda g, y, w, b, *earlier: cotangents(g, w, b, earlier).b,
            *map(of_layer, range(len(shape_list))),
        ),
    )


MAPS = [
    *[(conv,) for conv in CONVOLUTIONS],
    *[(kind(*sides), rs.Dense(3)) for kind in (rs.AvgPool2d, rs.MaxPool2d) for sides in POOLS],
    (rs.Skip(0), rs.Conv2d(2, 3, padding=1), rs.Skip(0), rs.AvgPool2d((2, 3), 1)),
    (rs.Flatten(), rs.Dense(40), rs.Skip(1)),
]


@pytest.mark.parametrize("chain", MAPS, ids=str)
def test_every_derivative_of_a_map_is_the_transpose_of_its_own(chain):
    shapes = [SHAPE, (40,), SHAPE]
    traced = trace_shapes(chain, SHAPE, shapes, 3)
    part, inside = weighted_part(chain, traced)
    w, rng = part.weight_shape(inside), np.random.default_rng(5)
    sizes = [w, w[:1], *((3, size(shape)) for shape in shapes)]
    args, tangents = (tuple(rng.normal(size=n) for n in sizes) for _ in range(2))
    g = rng.normal(size=(3, size(traced[-1])))

    for i in range(len(args)):
        alone = tuple(v if i == j else 0.0 * v for j, v in enumerate(tangents))
        assert adjoint_gap(chain_rule(chain, traced, shapes), args, alone, g) <= ADJOINT


@st.composite
def chains(draw):
    """Shapes of an input and perhaps a layer of the same, so that skips fit, and a chain."""
    image = (draw(st.sampled_from((2, 1, 3))), *(draw(st.integers(1, 6)) for _ in range(2)))
    shapes = draw(st.sampled_from(([image], [image, image], [(3,), image], [(4,), (4,)])))
    return shapes, draw(connections(shapes))


@given(chains(), seeds())
@min_examples(300)
def test_every_derivative_of_a_chain_is_the_transpose_of_its_own(drawn, seed):
    shapes, chain = drawn
    rng, traced = np.random.default_rng(seed), trace_shapes(chain, shapes[-1], shapes, 1)
    part, inside = weighted_part(chain, traced)
    w = part.weight_shape(inside)
    sizes = [w, w[:1], *((3, size(shape)) for shape in shapes)]
    args, tangents = (tuple(rng.normal(size=n) for n in sizes) for _ in range(2))
    g = rng.normal(size=(3, size(traced[-1])))

    assert adjoint_gap(chain_rule(chain, traced, shapes), args, tangents, g) <= ADJOINT
    for i in range(len(args)):  # each alone, too: a sum may hide one behind the others
        alone = tuple(v if i == j else 0.0 * v for j, v in enumerate(tangents))
        assert adjoint_gap(chain_rule(chain, traced, shapes), args, alone, g) <= ADJOINT


@given(chains(), seeds())
@min_examples(100)
def test_the_input_is_left_out_only_where_it_is_not_wanted(drawn, seed):
    shapes, chain = drawn
    rng, traced = np.random.default_rng(seed), trace_shapes(chain, shapes[-1], shapes, 1)
    part, inside = weighted_part(chain, traced)
    layer = rs.Layer(rng.normal(size=part.weight_shape(inside)))
    earlier = [rng.normal(size=(2, size(shape))) for shape in shapes]
    g = rng.normal(size=(2, size(traced[-1])))

    whole = transpose_chain(chain, traced, layer, earlier, g)
    part = transpose_chain(chain, traced, layer, earlier, g, input_too=False)

    assert np.array_equal(part.w, whole.w)
    assert np.array_equal(part.b, whole.b)
    wanted = {j: a for j, a in whole.below.items() if len(shapes) > 1 or j in part.below}
    assert part.below.keys() == wanted.keys()
    assert all(np.array_equal(part.below[j], wanted[j]) for j in wanted)
    assert len(shapes) == 1 or part.below


def network(*sizes: object) -> rs.Network:
    return rs.Network(sizes, rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.LinearReadout(2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: network((2, 4, 34), rs.Conv2d(3, 5)),
            "layer 1: kernel must fit into the image, "
            "got height 1 * (5 - 1) + 1 = 5 over 4 + 2 * 0 = 4",
        ),
        (
            lambda: network((2, 9, 3), 5, rs.Conv2d(3, 5)),
            "layer 2: Conv2d must come after an image (channels, height, width), got (5,)",
        ),
        (
            lambda: network((2, 9, 3), rs.Conv2d(3, (5, 3), padding=1, dilation=(1, 3))),
            "layer 1: kernel must fit into the image, "
            "got width 3 * (3 - 1) + 1 = 7 over 3 + 2 * 1 = 5",
        ),
        (
            lambda: network((1, 4, 4), (rs.AvgPool2d(5), 3)),
            "layer 1: kernel must fit into the image, "
            "got height 1 * (5 - 1) + 1 = 5 over 4 + 2 * 0 = 4",
        ),
        (
            lambda: network((1, 4, 4), (rs.Flatten(), rs.Conv2d(2, 2))),
            "layer 1: Conv2d must come after an image (channels, height, width), got (16,)",
        ),
        (
            lambda: network((1, 4, 4), (3, rs.MaxPool2d(2))),
            "layer 1: MaxPool2d must come after an image (channels, height, width), got (3,)",
        ),
        (
            lambda: network((3, 4, 4), rs.Conv2d(4, 2, groups=2)),
            "layer 1: groups must divide the channels that come in, 3, got 2",
        ),
        (lambda: rs.Conv2d(3, 2, groups=2), "groups must divide channels 3, got 2"),
        (lambda: rs.Conv2d(3, 2, groups=0), "groups must be a positive integer, got 0"),
        (lambda: rs.Conv2d(0, 2), "channels must be a positive integer, got 0"),
        (
            lambda: rs.Conv2d(3, 3, stride=0),
            "stride must be an integer of at least 1, or two, got 0",
        ),
        (
            lambda: rs.AvgPool2d(3, (1, 0)),
            "stride must be an integer of at least 1, or two, got (1, 0)",
        ),
        (
            lambda: rs.Conv2d(3, (1, 2, 3)),
            "kernel must be an integer of at least 1, or two, got (1, 2, 3)",
        ),
        (
            lambda: rs.MaxPool2d(True),
            "kernel must be an integer of at least 1, or two, got True",
        ),
        (
            lambda: rs.Conv2d(3, 3, dilation=0),
            "dilation must be an integer of at least 1, or two, got 0",
        ),
        (
            lambda: rs.Conv2d(3, 3, padding=-1),
            "padding must be an integer of at least 0, or two, got -1",
        ),
        (
            lambda: rs.MaxPool2d((2, 4), padding=(1, 3)),
            "padding must be at most half of kernel (2, 4), got (1, 3)",
        ),
        (
            lambda: network(4, 3, (3, rs.Skip(0))),
            "layer 2: Skip must add equal shapes, got (3,) and (4,) of layer 0",
        ),
        (
            lambda: network((2, 4, 4), (rs.Conv2d(2, 3), rs.Skip(0))),
            "layer 1: Skip must add equal shapes, got (2, 2, 2) and (2, 4, 4) of layer 0",
        ),
        (
            lambda: network(4, 3, (3, rs.Skip(2))),
            "layer 2: Skip must name the input, 0, or a layer below, up to 1, got 2",
        ),
        (lambda: rs.Skip(-1), "layer must be an integer of at least 0, got -1"),
        (lambda: rs.Dense(0), "n must be a positive integer, got 0"),
        (
            lambda: network(4, (3, rs.Dense(3))),
            "layer 1 must have one Dense or Conv2d, got 2",
        ),
        (
            lambda: network((1, 4, 4), rs.MaxPool2d(2)),
            "layer 1 must have one Dense or Conv2d, got 0",
        ),
        (lambda: network(4, ()), "layer 1 must have one Dense or Conv2d, got 0"),
        (
            lambda: network((1, 2, 2), 3, 2.5),
            "layer 2 must be made of positive integers or connections such as Conv2d, got 2.5",
        ),
        (
            lambda: network((4, 4), 3),
            "sizes must begin with a positive integer or (channels, height, width), got (4, 4)",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line_with_its_arithmetic(make, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"connections": 5}, "connections must be a tuple of tuples, got 5"),
        (
            {"connections": ((rs.Dense(4),),)},
            "sizes must be those of connections, (4, 4), got (4, 3)",
        ),
        ({"image": (1, 2, 2)}, "image must be None where connections are, got (1, 2, 2)"),
        (
            {"connections": ((rs.Dense(3),),), "image": (1, 2, 3)},
            "sizes must be those of connections, (6, 3), got (4, 3)",
        ),
    ],
)
def test_connections_that_contradict_the_sizes_are_refused(given, message):
    neuron = rs.LIF(0.9, 1.0, rs.Arctan(2.0))
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        rs.Network((4, 3), neuron, rs.LinearReadout(2), **given)


def test_plain_sizes_stay_plain():
    assert network(4, 3).connections is None
    assert network(4, rs.Dense(3)) == network(4, 3)
    assert network((4,), (rs.Dense(3),)) == network(4, 3)
    assert network((1, 2, 2), 3) != network(4, 3)
    assert rs.Conv2d(3, 2) == rs.Conv2d(3, (2, 2), (1, 1), (0, 0), (1, 1))


def test_parameters_are_drawn_within_the_fan_in_of_a_window():
    conv = network((2, 6, 6), rs.Conv2d(50, 3))
    layer = rs.init(conv, 0)[0]

    assert layer.w.shape == (50, 2, 3, 3)
    assert layer.b is not None
    for array in (layer.w, layer.b):
        assert 0.8 / np.sqrt(18) < abs(array).max() <= 1.0 / np.sqrt(18)
