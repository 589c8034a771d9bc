"""The operations that can be differentiated: each value beside its pullbacks.

Rule 1: a pullback is written in NumPy's own vocabulary. Handed arrays it returns an array; handed
        nodes of the tape it is traced in turn, so gradients of gradients follow.
Rule 2: one pullback per argument, linear in the cotangent `g`, with the argument's shape.
Rule 3: nothing here knows the tape.
Rule 4: an operation that rounds otherwise than once in every entry says so (`Op.roundings`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array, Integers
from refsast.autodiff.summation import count_equal_terms, sum_noise

Pullback: TypeAlias = Callable[..., "Array | SliceCotangent"]


def one_rounding(y: Array, *args: Array) -> Array:
    """Return the error of an operation that rounds its result once, in roundings."""
    return abs(y)


def no_rounding(y: Array, *args: Array) -> Array:
    """Return the error of an operation that moves numbers only, or chooses among them."""
    return np.zeros(np.shape(y))


@dataclass(frozen=True)
class Op:
    """A function of arrays together with the transpose of its derivative.

    Attributes
    ----------
    name : str
        How it prints in a graph or a failing test.
    value : callable
        ``value(*args) -> y``.
    pullbacks : tuple of callable
        One per argument, ``pullback(g, y, *args)``: the cotangent of that argument, where `g` is
        the cotangent of ``y``.
    roundings : callable
        ``roundings(y, *args)``: the standard deviation of the error that it makes in each entry of
        ``y``, in roundings.
    """

    name: str
    value: Callable[..., Array]
    pullbacks: tuple[Pullback, ...]
    roundings: Callable[..., Array] = one_rounding


@dataclass(frozen=True, eq=False)
class SliceCotangent:
    """A cotangent that is zero but for one entry along the first axis.

    It stays in this form until all are summed: T arrays of T steps would cost T squared.
    """

    index: int
    g: Array


def unbroadcast(g: Array, like: Array) -> Array:
    """Sum `g` over the axes along which `like` was broadcast."""
    shape = np.shape(like)
    extra = np.ndim(g) - len(shape)
    ones = tuple(i + extra for i, n in enumerate(shape) if n == 1 != np.shape(g)[i + extra])
    axes = (*range(extra), *ones)
    return np.reshape(np.sum(g, axis=axes), shape) if axes else g


def _turn(x: Array) -> Array:
    """Transpose matrices, the last two axes."""
    n = np.ndim(x)
    return np.transpose(x, (*range(n - 2), n - 1, n - 2))


# Value beside pullbacks. What a broadcast adds to them is added for all in `UFUNCS`.
RULES: tuple[tuple[Callable[..., Array], ...], ...] = (
    (np.add, lambda g, y, a, b: g, lambda g, y, a, b: g),
    (np.subtract, lambda g, y, a, b: g, lambda g, y, a, b: -g),
    (np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: g * a),
    (np.divide, lambda g, y, a, b: g / b, lambda g, y, a, b: -(g * y) / b),
    (np.maximum, lambda g, y, a, b: g * (a >= b), lambda g, y, a, b: g * (a < b)),
    (np.minimum, lambda g, y, a, b: g * (a <= b), lambda g, y, a, b: g * (a > b)),
    (np.matmul, lambda g, y, a, b: g @ _turn(b), lambda g, y, a, b: _turn(a) @ g),  # of matrices
    (np.negative, lambda g, y, x: -g),
    (np.exp, lambda g, y, x: g * y),
    (np.expm1, lambda g, y, x: g * (y + 1.0)),
    (np.log, lambda g, y, x: g / x),
    (np.log1p, lambda g, y, x: g / (1.0 + x)),
    (np.sqrt, lambda g, y, x: g / (2.0 * y)),
    (np.square, lambda g, y, x: g * (2.0 * x)),
    (np.sin, lambda g, y, x: g * np.cos(x)),
    (np.cos, lambda g, y, x: -(g * np.sin(x))),
    (np.tanh, lambda g, y, x: g * (1.0 - y * y)),
    (np.arctan, lambda g, y, x: g / (1.0 + x * x)),
    (np.absolute, lambda g, y, x: g * np.sign(x)),
)


def product_roundings(y: Array, a: Array, b: Array) -> Array:
    """Return the error of a matrix product, whose sums may be taken in any order."""
    left, right = np.reshape(_turn(a), (-1, np.shape(a)[-2])), np.reshape(b, (-1, np.shape(b)[-1]))
    alike = min(count_equal_terms(abs(left)), count_equal_terms(abs(right)))
    count = np.count_nonzero(b, axis=-2, keepdims=True).astype(np.float64)
    return sum_noise(y, abs(a) @ abs(b), count, alike=alike)


# What rounds otherwise than once.
ROUNDINGS: dict[Callable[..., Array], Callable[..., Array]] = {
    np.matmul: product_roundings,
    **dict.fromkeys((np.maximum, np.minimum, np.negative, np.absolute), no_rounding),
}


def _unbroadcast_pullback(pullback: Callable[..., Array], i: int) -> Pullback:
    """The pullback of argument `i`, summed over the axes along which that was broadcast."""
    return lambda g, y, *args: unbroadcast(pullback(g, y, *args), args[i])


UFUNCS = {
    value: Op(
        value.__name__,
        value,
        tuple(map(_unbroadcast_pullback, rules, range(len(rules)))),
        ROUNDINGS.get(value, one_rounding),
    )
    for value, *rules in RULES
}

# Their derivative is zero wherever it exists, so the result is an array, not a node.
ZERO_GRADIENT = (
    np.greater,
    np.greater_equal,
    np.less,
    np.less_equal,
    np.equal,
    np.not_equal,
    np.sign,
)


def power(exponent: float) -> Op:
    """``x ** exponent`` for a constant exponent."""
    return Op(
        f"power {exponent}",
        lambda x: x**exponent,
        (lambda g, y, x: g * (exponent * x ** (exponent - 1)),),
    )


def reduce_sum(axis: tuple[int, ...], keepdims: bool) -> Op:
    """The sum over some axes, none of them negative; its pullback repeats `g` along them."""

    def spread(g: Array, y: Array, x: Array) -> Array:
        kept = tuple(1 if i in axis else n for i, n in enumerate(np.shape(x)))
        return np.reshape(g, kept) * np.ones(np.shape(x))

    def roundings(y: Array, x: Array) -> Array:
        terms = np.prod([np.shape(x)[i] for i in axis], dtype=int)
        columns = np.reshape(np.moveaxis(x, axis, range(len(axis))), (terms, -1))
        alike = count_equal_terms(abs(columns)) if columns.size else 0.0
        magnitudes = np.sum(abs(x), axis=axis, keepdims=keepdims)
        # Its terms may be the steps of a run, in their order.
        return sum_noise(y, magnitudes, float(terms), float(terms), alike) if terms > 1 else 0.0 * y

    return Op("sum", lambda x: np.sum(x, axis=axis, keepdims=keepdims), (spread,), roundings)


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


def stack(count: int) -> Op:
    """`count` arrays along a new first axis."""
    pullbacks = tuple(partial(_unstack, i) for i in range(count))
    return Op("stack", lambda *xs: np.stack(xs), pullbacks, no_rounding)


def _unstack(index: int, g: Array, *_: Array) -> Array:
    """The cotangent of one array of a stack."""
    return g[index]


def gather(index: Integers, n: int) -> Op:
    """Entries of each row of a matrix with `n` columns: (rows, n) to (rows, *index.shape)."""

    def pullback(g: Array, y: Array, x: Array) -> Array:
        # Each column adds up what was taken of it: entries of `g`, gathered in turn.
        sources, present = _find_sources(index, n)
        flat = np.reshape(g, (np.shape(g)[0], index.size))
        return np.sum(np.take(flat, sources, axis=-1) * present, axis=-1)

    return Op("gather", lambda x: np.take(x, index, axis=-1), (pullback,), no_rounding)


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


def take(index: int) -> Op:
    """Entry `index` along the first axis."""
    return Op(
        f"take {index}",
        lambda x: x[index],
        (lambda g, y, x: SliceCotangent(index % len(x), g),),
        no_rounding,
    )
