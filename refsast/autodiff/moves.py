"""Operations that move numbers, choose among them or repeat them, and round nothing.

The rules of `autodiff.ops` hold here, too.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from types import EllipsisType
from typing import Any, TypeAlias

import numpy as np

from refsast.arrays import Array, Integers
from refsast.autodiff.ops import Op, SliceCotangent, no_rounding, unbroadcast
from refsast.autodiff.summation import sum_noise

Index: TypeAlias = Any  # what NumPy takes: numbers, slices, arrays, masks, tuples of them


def take(index: Index) -> Op:
    """Entries by any index of NumPy's."""
    return Op("take", lambda x: x[index], (lambda g, y, x: SliceCotangent(index, g),), no_rounding)


def scatter(indices: Sequence[Index], shape: tuple[int, ...]) -> Op:
    """Zeros, to which an array is added at each index: the transpose of taking them all."""

    def add(*gs: Array) -> Array:
        whole = np.zeros(shape, np.result_type(*gs))
        for index, g in zip(indices, gs, strict=True):
            if _is_basic(index):
                whole[index] += g
            else:  # an entry may be taken twice
                np.add.at(whole, index, g)
        return whole

    def roundings(y: Array, *gs: Array) -> Array:
        count = add(*map(np.ones_like, gs))
        return np.where(count > 1.0, sum_noise(y, add(*map(abs, gs)), count, turns=count), 0.0)

    return Op("scatter", add, tuple(partial(_take_back, index) for index in indices), roundings)


def _take_back(index: Index, g: Array, *_: Array) -> Array:
    """The cotangent of what was added at an index."""
    return g[index]


def _is_basic(index: Index) -> bool:
    """Whether an index takes no entry twice: numbers, slices, new axes."""
    parts = index if isinstance(index, tuple) else (index,)
    basic = int | np.integer | slice | EllipsisType | None
    return all(isinstance(part, basic) and not isinstance(part, bool) for part in parts)


def reshape(shape: tuple[int, ...]) -> Op:
    """The same numbers in another shape."""
    return Op(
        "reshape",
        lambda x: x.reshape(shape),
        (lambda g, y, x: np.reshape(g, np.shape(x)),),
        no_rounding,
    )


def transpose(axes: tuple[int, ...]) -> Op:
    """The axes in another order."""
    back = tuple(int(i) for i in np.argsort(axes))
    return Op(
        "transpose",
        lambda x: np.transpose(x, axes),
        (lambda g, y, x: np.transpose(g, back),),
        no_rounding,
    )


def where(condition: Array) -> Op:
    """``condition ? a : b`` for a fixed condition."""
    return Op(
        "where",
        lambda a, b: np.where(condition, a, b),
        (
            lambda g, y, a, b: unbroadcast(np.where(condition, g, 0.0), a),
            lambda g, y, a, b: unbroadcast(np.where(condition, 0.0, g), b),
        ),
        no_rounding,
    )


def stack(count: int, axis: int) -> Op:
    """`count` arrays along a new axis, not negative."""
    pullbacks = tuple(
        partial(_take_back, (*[slice(None)] * axis, i) if axis else i) for i in range(count)
    )
    return Op("stack", lambda *xs: np.stack(xs, axis=axis), pullbacks, no_rounding)


def concatenate(lengths: Sequence[int], axis: int) -> Op:
    """Arrays one after the other along an axis, not negative."""
    ends = [0, *map(int, np.cumsum(lengths))]
    pullbacks = tuple(
        partial(_take_back, (*[slice(None)] * axis, slice(a, b))) for a, b in pairwise(ends)
    )
    return Op("concatenate", lambda *xs: np.concatenate(xs, axis=axis), pullbacks, no_rounding)


def pad(widths: Sequence[tuple[int, int]], constant: float) -> Op:
    """A frame of a constant."""

    def pullback(g: Array, y: Array, x: Array) -> Array:
        pairs = zip(widths, np.shape(x), strict=True)
        return g[tuple(slice(before, before + n) for (before, _), n in pairs)]

    return Op(
        "pad", lambda x: np.pad(x, widths, constant_values=constant), (pullback,), no_rounding
    )


def broadcast(shape: tuple[int, ...]) -> Op:
    """The same numbers, repeated along axes."""
    return Op(
        "broadcast",
        lambda x: np.broadcast_to(x, shape),
        (lambda g, y, x: unbroadcast(g, x),),
        no_rounding,
    )


def gather(index: Integers, n: int) -> Op:
    """Entries of each row of a matrix with `n` columns: (rows, n) to (rows, *index.shape)."""

    def pullback(g: Array, y: Array, x: Array) -> Array:
        # Each column adds up what was taken of it: entries of `g`, gathered in turn.
        sources, present = _find_sources(index, n)
        flat = np.reshape(g, (np.shape(g)[0], index.size))
        return np.sum(np.take(flat, sources, axis=1) * present, axis=-1)

    return Op("gather", lambda x: np.take(x, index, axis=1), (pullback,), no_rounding)


def _find_sources(index: Integers, n: int) -> tuple[Integers, Array]:
    """Where each column was taken to, (n, most) places, and 1 where there is one, else 0."""
    columns = index.ravel()
    order = np.argsort(columns, kind="stable")
    counts = np.bincount(columns, minlength=n)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = n, max(int(counts.max(initial=0)), 1)
    sources, present = np.zeros(shape, np.intp), np.zeros(shape)
    sources[columns[order], rank], present[columns[order], rank] = order, 1.0
    return sources, present
