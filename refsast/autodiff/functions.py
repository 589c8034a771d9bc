"""What NumPy's functions are on the tape: an operation, a program of others, or a constant.

Rule 1: `PRIMITIVES` return an operation and its operands; `COMPOSITES` are programs in NumPy's own
        words; `CONSTANTS` have a derivative of zero, so that they are evaluated and no more.
Rule 2: nothing here knows the tape: an operand may be an array or a node.
Rule 3: docs/program.md lists all of it; a test compares the two.
"""

from collections.abc import Callable, Sequence
from string import ascii_letters
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array, Integers
from refsast.autodiff import moves, ops
from refsast.autodiff.moves import Index
from refsast.autodiff.ops import Op

Axis: TypeAlias = "int | tuple[int, ...] | None"
Call: TypeAlias = tuple[Op, Sequence[Array]]


def _axes(x: Array, axis: Axis) -> tuple[int, ...]:
    """`axis` as NumPy means it, spelled out."""
    axes = range(np.ndim(x)) if axis is None else np.atleast_1d(axis)
    return tuple(_axis(x, int(i)) for i in axes)


def _axis(x: Array, axis: int, extra: int = 0) -> int:
    """One axis, not negative."""
    ndim = np.ndim(x) + extra
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis must lie in [{-ndim}, {ndim}), got {axis}")
    return axis % ndim


def _sum(x: Array, axis: Axis = None, keepdims: bool = False) -> Call:
    return ops.reduce_sum(_axes(x, axis), keepdims), (x,)


def _max(x: Array, axis: Axis = None, keepdims: bool = False) -> Call:
    return ops.reduce_max(_axes(x, axis), keepdims), (x,)


def _reshape(x: Array, shape: int | Sequence[int]) -> Call:
    whole = np.empty(np.shape(x), bool).reshape(shape).shape  # resolves a length of -1
    return moves.reshape(whole), (x,)


def _transpose(x: Array, axes: Sequence[int] | None = None) -> Call:
    order = tuple(reversed(range(np.ndim(x)))) if axes is None else _axes(x, tuple(axes))
    return moves.transpose(order), (x,)


def _take(x: Array, index: Integers, axis: int | None = None) -> Call:
    if axis is None:
        return moves.take(np.asarray(index)), (np.reshape(x, -1),)
    if np.ndim(x) == 2 and _axis(x, axis) == 1 and np.min(index, initial=0) >= 0:
        return moves.gather(np.asarray(index), np.shape(x)[1]), (x,)
    return moves.take((*[slice(None)] * _axis(x, axis), np.asarray(index))), (x,)


def _stack(arrays: Sequence[Array], axis: int = 0) -> Call:
    arrays = tuple(arrays)
    return moves.stack(len(arrays), _axis(arrays[0], axis, extra=1)), arrays


def _concatenate(arrays: Sequence[Array], axis: int | None = 0) -> Call:
    arrays = tuple(np.reshape(a, -1) for a in arrays) if axis is None else tuple(arrays)
    axis = 0 if axis is None else _axis(arrays[0], axis)
    return moves.concatenate([np.shape(a)[axis] for a in arrays], axis), arrays


def _cumsum(x: Array, axis: int | None = None) -> Call:
    if axis is None:
        return ops.cumsum(0), (np.reshape(x, -1),)
    return ops.cumsum(_axis(x, axis)), (x,)


def _broadcast_to(x: Array, shape: int | Sequence[int]) -> Call:
    return moves.broadcast(tuple(np.atleast_1d(shape).tolist())), (x,)


def _pad(x: Array, pad_width: object, mode: str = "constant", constant_values: float = 0.0) -> Call:
    if mode != "constant" or np.ndim(constant_values):
        raise TypeError(f"the tape has np.pad with one constant only, got mode {mode!r}")
    widths = np.broadcast_to(np.asarray(pad_width), (np.ndim(x), 2)).tolist()
    return moves.pad([(before, after) for before, after in widths], constant_values), (x,)


def _einsum(subscripts: str, *operands: Array) -> Call:
    left, arrow, out = subscripts.replace(" ", "").partition("->")
    ins = left.split(",")
    if "." in left or any(len(set(s)) < len(s) for s in ins):
        raise TypeError(
            f"the tape has np.einsum without '...' and with no letter twice in an operand, got "
            f"{subscripts!r}"
        )
    if not arrow:  # letters that occur once, in their order
        out = "".join(sorted(c for c in set(left) - {","} if left.count(c) == 1))
    return ops.einsum(f"{left}->{out}"), operands


PRIMITIVES: dict[Callable[..., object], Callable[..., Call]] = {
    np.broadcast_to: _broadcast_to,
    np.concatenate: _concatenate,
    np.cumsum: _cumsum,
    np.einsum: _einsum,
    np.max: _max,
    np.pad: _pad,
    np.reshape: _reshape,
    np.stack: _stack,
    np.sum: _sum,
    np.take: _take,
    np.transpose: _transpose,
    np.where: lambda condition, a, b: (moves.where(condition != 0), (a, b)),
}


def _mean(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    count = np.prod([np.shape(x)[i] for i in _axes(x, axis)])
    return np.sum(x, axis=axis, keepdims=keepdims) / float(count)


def _var(x: Array, axis: Axis = None, *, ddof: int = 0, keepdims: bool = False) -> Array:
    centred = x - np.mean(x, axis=axis, keepdims=True)
    total = np.sum(centred * centred, axis=axis, keepdims=keepdims)
    return total / float(np.prod([np.shape(x)[i] for i in _axes(x, axis)]) - ddof)


def _norm(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))


def _clip(
    x: Array, a_min: Array | float | None = None, a_max: Array | float | None = None
) -> Array:
    raised = x if a_min is None else np.maximum(x, a_min)
    return raised if a_max is None else np.minimum(raised, a_max)


def _expand_dims(x: Array, axis: int | tuple[int, ...]) -> Array:
    new = np.atleast_1d(axis)
    places = [_axis(x, int(i), extra=len(new)) for i in new]
    rest = iter(np.shape(x))
    return np.reshape(x, [1 if i in places else next(rest) for i in range(np.ndim(x) + len(new))])


def _squeeze(x: Array, axis: Axis = None) -> Array:
    shape = np.shape(x)
    gone = [i for i, n in enumerate(shape) if n == 1] if axis is None else _axes(x, axis)
    if any(shape[i] != 1 for i in gone):
        raise ValueError(f"axis must have length 1 to be squeezed, got {axis} of shape {shape}")
    return np.reshape(x, [n for i, n in enumerate(shape) if i not in gone])


def _swapaxes(x: Array, axis1: int, axis2: int) -> Array:
    order = list(range(np.ndim(x)))
    i, j = _axis(x, axis1), _axis(x, axis2)
    order[i], order[j] = j, i
    return np.transpose(x, order)


def _moveaxis(x: Array, source: Axis, destination: Axis) -> Array:
    left, right = _axes(x, source), _axes(x, destination)
    order = [i for i in range(np.ndim(x)) if i not in left]
    for to, of in sorted(zip(right, left, strict=True)):
        order.insert(to, of)
    return np.transpose(x, order)


def _along(axis: int, index: Index) -> Index:
    """An index of one axis."""
    return (*[slice(None)] * axis, index)


def _flip(x: Array, axis: Axis = None) -> Array:
    axes = _axes(x, axis)
    return x[tuple(slice(None, None, -1 if i in axes else None) for i in range(np.ndim(x)))]


def _roll(x: Array, shift: int, axis: int | None = None) -> Array:
    if axis is None:
        return np.reshape(np.roll(np.reshape(x, -1), shift, axis=0), np.shape(x))
    axis = _axis(x, axis)
    start = -shift % max(1, np.shape(x)[axis])
    parts = x[_along(axis, slice(start, None))], x[_along(axis, slice(0, start))]
    return np.concatenate(parts, axis=axis)


def _repeat(x: Array, repeats: int | Integers, axis: int | None = None) -> Array:
    if axis is None:
        x, axis = np.reshape(x, -1), 0
    axis = _axis(x, axis)
    return x[_along(axis, np.repeat(np.arange(np.shape(x)[axis]), repeats))]


def _split(x: Array, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Array]:
    axis = _axis(x, axis)
    places = np.split(np.arange(np.shape(x)[axis]), indices_or_sections)
    return [
        x[_along(axis, slice(int(p[0]), int(p[-1]) + 1) if len(p) else slice(0, 0))] for p in places
    ]


def _diff(x: Array, n: int = 1, axis: int = -1) -> Array:
    axis = _axis(x, axis)
    for _ in range(n):
        x = x[_along(axis, slice(1, None))] - x[_along(axis, slice(None, -1))]
    return x


def _take_along_axis(x: Array, indices: Integers, axis: int = -1) -> Array:
    axis = _axis(x, axis)
    grids = np.ogrid[tuple(map(slice, np.shape(indices)))]
    return x[tuple(indices if i == axis else grid for i, grid in enumerate(grids))]


def _tensordot(a: Array, b: Array, axes: int | tuple[Axis, Axis] = 2) -> Array:
    pairs: tuple[Axis, Axis]
    pairs = (tuple(range(-axes, 0)), tuple(range(axes))) if isinstance(axes, int) else axes
    left, right = (
        _axes(a, pairs[0]) if pairs[0] != () else (),
        _axes(b, pairs[1]) if pairs[1] != () else (),
    )
    letters = iter(ascii_letters)
    of_a = [next(letters) for _ in range(np.ndim(a))]
    of_b = [next(letters) for _ in range(np.ndim(b))]
    for i, j in zip(left, right, strict=True):
        of_b[j] = of_a[i]
    out = [c for c in of_a if c not in of_b] + [c for c in of_b if c not in of_a]
    return np.einsum(f"{''.join(of_a)},{''.join(of_b)}->{''.join(out)}", a, b)


def _dot(a: Array, b: Array) -> Array:
    if 0 in (np.ndim(a), np.ndim(b)):
        return a * b
    return np.tensordot(a, b, axes=((-1,), (-2 if np.ndim(b) > 1 else -1,)))


def multiply_vectors(a: Array, b: Array) -> Array:
    """Return ``a @ b`` where one of them is a vector: a matrix of one row or column."""
    row, column = np.ndim(a) == 1, np.ndim(b) == 1
    product = np.matmul(a[None] if row else a, b[:, None] if column else b)
    shape = np.shape(product)
    kept = (*shape[:-2], *([] if row else [shape[-2]]), *([] if column else [shape[-1]]))
    return np.reshape(product, kept)


COMPOSITES: dict[Callable[..., object], Callable[..., object]] = {
    np.clip: _clip,
    np.copy: lambda x: x,
    np.diff: _diff,
    np.dot: _dot,
    np.expand_dims: _expand_dims,
    np.flip: _flip,
    np.full_like: lambda x, fill_value: np.broadcast_to(fill_value, np.shape(x)),
    np.hstack: lambda xs: np.concatenate(xs, axis=0 if np.ndim(xs[0]) == 1 else 1),
    np.linalg.norm: _norm,
    np.mean: _mean,
    np.min: lambda x, axis=None, keepdims=False: -np.max(-x, axis=axis, keepdims=keepdims),
    np.moveaxis: _moveaxis,
    np.outer: lambda a, b: np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1)),
    np.ravel: lambda x: np.reshape(x, -1),
    np.real: lambda x: x,
    np.repeat: _repeat,
    np.roll: _roll,
    np.split: _split,
    np.squeeze: _squeeze,
    np.std: lambda x, axis=None, *, ddof=0, keepdims=False: np.sqrt(
        np.var(x, axis=axis, ddof=ddof, keepdims=keepdims)
    ),
    np.swapaxes: _swapaxes,
    np.take_along_axis: _take_along_axis,
    np.tensordot: _tensordot,
    np.tril: lambda x, k=0: x * np.tri(*np.shape(x)[-2:], k=k),
    np.triu: lambda x, k=0: x * (1.0 - np.tri(*np.shape(x)[-2:], k=k - 1)),
    np.var: _var,
    np.vstack: lambda xs: np.concatenate(
        [np.reshape(x, (1, -1)) if np.ndim(x) < 2 else x for x in xs]
    ),
}

CONSTANTS: tuple[Callable[..., object], ...] = (
    *(np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.round),
    *(np.argmax, np.argmin, np.argsort, np.nonzero, np.count_nonzero),
    *(np.any, np.all, np.array_equal, np.allclose, np.isclose, np.iscomplexobj),
)
