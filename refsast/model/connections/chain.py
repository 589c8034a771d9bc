"""A layer's connection: maps one after another, of which one has weights, and skips."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from refsast.arrays import Array
from refsast.model.connections.conv2d import Conv2d
from refsast.model.connections.dense import Dense
from refsast.model.connections.flatten import Flatten
from refsast.model.connections.pool2d import AvgPool2d, MaxPool2d
from refsast.model.connections.skip import Skip
from refsast.model.connections.windows import Shape
from refsast.model.params import Layer

Weighted: TypeAlias = Dense | Conv2d
Connection: TypeAlias = Weighted | AvgPool2d | MaxPool2d | Flatten | Skip
Chain: TypeAlias = tuple[Connection, ...]
BLOCK_SIZE = 1 << 18  # numbers in all windows of a block: one or two MB, as caches have


def read_chain(entry: object, i: int) -> Chain:
    """Return layer `i`'s connection: an integer is `Dense`, a single map a chain of one."""
    parts = entry if isinstance(entry, tuple) else (entry,)
    chain = tuple(part if isinstance(part, Connection) else _read_dense(part, i) for part in parts)
    weighted = sum(isinstance(part, Weighted) for part in chain)
    if weighted != 1:
        raise ValueError(f"layer {i} must have one Dense or Conv2d, got {weighted}")
    return chain


def _read_dense(part: object, i: int) -> Dense:
    try:
        return Dense(part)  # pyright: ignore[reportArgumentType]
    except ValueError:
        wanted = "positive integers or connections such as Conv2d"
        raise ValueError(f"layer {i} must be made of {wanted}, got {part!r}") from None


def trace_shapes(chain: Chain, shape: Shape, earlier: Sequence[Shape], i: int) -> list[Shape]:
    """Return the shape before each map and after the last.

    `earlier` are the shapes of what `Skip` may add. Raises ValueError, naming layer `i`, where
    something does not fit.
    """
    shapes = [shape]
    for part in chain:
        try:
            shapes.append(_next_shape(part, shapes[-1], earlier))
        except ValueError as error:
            raise ValueError(f"layer {i}: {error}") from None
    return shapes


def _next_shape(part: Connection, shape: Shape, earlier: Sequence[Shape]) -> Shape:
    if not isinstance(part, Skip):
        return part.output_shape(shape)
    if part.layer >= len(earlier):
        wanted = f"the input, 0, or a layer below, up to {len(earlier) - 1}"
        raise ValueError(f"Skip must name {wanted}, got {part.layer}")
    if earlier[part.layer] != shape:
        added = f"{earlier[part.layer]} of layer {part.layer}"
        raise ValueError(f"Skip must add equal shapes, got {shape} and {added}")
    return shape


def weighted_part(chain: Chain, shapes: Sequence[Shape]) -> tuple[Weighted, Shape]:
    """Return the one map with weights, and the shape that comes into it."""
    for part, shape in zip(chain, shapes, strict=False):
        if isinstance(part, Weighted):
            return part, shape
    raise AssertionError("`read_chain` has seen to it")


def connect(chain: Chain, shapes: Sequence[Shape], layer: Layer, earlier: Sequence[Array]) -> Array:
    """Return the currents (rows, n) of a layer, from the spikes (rows, n_j) of all layers below.

    On the tape, too. The last of `earlier` is the layer directly below.
    """
    return trace_values(chain, shapes, layer, earlier)[-1]


def row_blocks(chain: Chain, shapes: Sequence[Shape], rows: int) -> list[slice]:
    """Return the rows in blocks, so few that the windows of a convolution stay in the cache."""
    part, shape = weighted_part(chain, shapes)
    if isinstance(part, Dense):
        return [slice(0, rows)]
    windows = size(part.output_shape(shape)[1:]) * size(part.weight_shape(shape)[1:]) * part.groups
    step = max(1, BLOCK_SIZE // windows)
    return [slice(i, i + step) for i in range(0, rows, step)]


def trace_values(
    chain: Chain, shapes: Sequence[Shape], layer: Layer, earlier: Sequence[Array]
) -> list[Array]:
    """Return what comes into each map of a chain, and out of the last."""
    values = [earlier[-1]]
    for part, shape in zip(chain, shapes, strict=False):
        values.append(apply_part(part, shape, layer, values[-1], earlier))
    return values


def apply_part(
    part: Connection, shape: Shape, layer: Layer, a: Array, earlier: Sequence[Array]
) -> Array:
    """Return what comes out of one map of a chain where `a` comes in; on the tape, too."""
    if isinstance(part, Skip):
        return a + earlier[part.layer]
    return part(layer.w, layer.b, a, shape) if isinstance(part, Weighted) else part(a, shape)


class ChainGrads(NamedTuple):
    """The cotangents of what goes into a chain.

    Attributes
    ----------
    w, b : array
        Of weights and bias; `b` also where there is none.
    below : dict of int to array
        Of the spikes of layers below, by their number; 0 is the input.
    """

    w: Array
    b: Array
    below: Mapping[int, Array]


def transpose_chain(
    chain: Chain,
    shapes: Sequence[Shape],
    layer: Layer,
    earlier: Sequence[Array],
    g: Array,
    input_too: bool = True,
) -> ChainGrads:
    """Return all cotangents, by hand, of that of the currents, `g` (rows, n).

    That of the network's input, which takes long, only where it is wanted.
    """
    needed = input_too or len(earlier) > 1
    values = trace_values(chain[:-1], shapes, layer, earlier)  # what comes into each map
    below: dict[int, Array] = {}
    w = b = g
    for part, shape, a in reversed(list(zip(chain, shapes, values, strict=False))):
        if isinstance(part, Skip):
            below[part.layer] = below.get(part.layer, 0.0) + g
        elif isinstance(part, Weighted):
            w, b = part.weight_grad(g, a, shape), part.bias_grad(g, shape)
            if not needed:
                return ChainGrads(w, b, {})
            g = part.transpose(layer.w, g, shape)
        else:
            g = part.transpose(g, a, shape)
    last = len(earlier) - 1
    below[last] = below[last] + g if last in below else g
    return ChainGrads(w, b, below)


def size(shape: Shape) -> int:
    """Return how many neurons or inputs a shape has."""
    return math.prod(shape)
