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
from typing import Any, TypeAlias

import numpy as np

from refsast.arrays import Array
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
    """A cotangent that is zero but for the entries at an index.

    It stays in this form until all are summed: T arrays of T steps would cost T squared.
    """

    index: Any
    g: Array


def unbroadcast(g: Array, like: Array) -> Array:
    """Sum `g` over the axes along which `like` was broadcast."""
    shape, wide = np.shape(like), np.shape(g)
    if shape == wide:
        return g
    extra = len(wide) - len(shape)
    ones = tuple(i + extra for i, n in enumerate(shape) if n == 1 != wide[i + extra])
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
    (np.positive, lambda g, y, x: g),
    (np.reciprocal, lambda g, y, x: -(g * y) * y),
    (np.log2, lambda g, y, x: g / (x * np.log(2.0))),
    (np.log10, lambda g, y, x: g / (x * np.log(10.0))),
    (np.exp2, lambda g, y, x: g * y * np.log(2.0)),
    (np.tan, lambda g, y, x: g * (1.0 + y * y)),
    (np.sinh, lambda g, y, x: g * np.cosh(x)),
    (np.cosh, lambda g, y, x: g * np.sinh(x)),
    (np.arcsinh, lambda g, y, x: g / np.sqrt(1.0 + x * x)),
    (np.hypot, lambda g, y, a, b: g * _ratio(a, y), lambda g, y, a, b: g * _ratio(b, y)),
    (
        np.arctan2,
        lambda g, y, a, b: g * (b / (a * a + b * b)),
        lambda g, y, a, b: -g * (a / (a * a + b * b)),
    ),
    (np.logaddexp, lambda g, y, a, b: g * np.exp(a - y), lambda g, y, a, b: g * np.exp(b - y)),
    (
        np.power,
        lambda g, y, a, b: g * (b * a ** (b - 1.0)),
        lambda g, y, a, b: g * (y * np.log(np.where(a == 0.0, 1.0, a))),
    ),
)


def _ratio(a: Array, y: Array) -> Array:
    """``a / y``, zero where both are."""
    return a / np.where(y == 0.0, 1.0, y)


def product_roundings(y: Array, a: Array, b: Array) -> Array:
    """Return the error of a matrix product, whose sums may be taken in any order."""
    if not (np.size(a) and np.size(b)):
        return no_rounding(y)
    left, right = np.reshape(_turn(a), (-1, np.shape(a)[-2])), np.reshape(b, (-1, np.shape(b)[-1]))
    alike = min(count_equal_terms(abs(left)), count_equal_terms(abs(right)))
    count = np.count_nonzero(b, axis=-2, keepdims=True).astype(np.float64)
    return sum_noise(y, abs(a) @ abs(b), count, alike=alike)


def _absolute(x: Array) -> Array:
    return np.where(x.real < 0.0, -x, x) if np.iscomplexobj(x) else np.absolute(x)


def _hypot(a: Array, b: Array) -> Array:
    return np.sqrt(a * a + b * b) if _any_complex(a, b) else np.hypot(a, b)


def _arctan2(a: Array, b: Array) -> Array:
    if not _any_complex(a, b):
        return np.arctan2(a, b)
    value: Any = np.arctan2(np.real(a), np.real(b)) + 1j * np.imag(np.arctan(a / b))
    return value


def _logaddexp(a: Array, b: Array) -> Array:
    if not _any_complex(a, b):
        return np.logaddexp(a, b)
    top = np.maximum(np.real(a), np.real(b))
    return top + np.log(np.exp(a - top) + np.exp(b - top))


def _any_complex(a: Array, b: Array) -> bool:
    """Whether the complex step goes through."""
    return np.iscomplexobj(a) or np.iscomplexobj(b)


# What NumPy has for real numbers only, or (the modulus) not as an analytic function.
ANALYTIC: dict[Callable[..., Array], Callable[..., Array]] = {
    np.absolute: _absolute,
    np.hypot: _hypot,
    np.arctan2: _arctan2,
    np.logaddexp: _logaddexp,
}

# What rounds otherwise than once.
ROUNDINGS: dict[Callable[..., Array], Callable[..., Array]] = {
    np.matmul: product_roundings,
    **dict.fromkeys((np.maximum, np.minimum, np.negative, np.positive, np.absolute), no_rounding),
}


def _unbroadcast_pullback(pullback: Callable[..., Array], i: int) -> Pullback:
    """The pullback of argument `i`, summed over the axes along which that was broadcast."""
    return lambda g, y, *args: unbroadcast(pullback(g, y, *args), args[i])


UFUNCS = {
    value: Op(
        value.__name__,
        ANALYTIC.get(value, value),
        tuple(map(_unbroadcast_pullback, rules, range(len(rules)))),
        ROUNDINGS.get(value, one_rounding),
    )
    for value, *rules in RULES
}

# Their derivative is zero wherever it exists, so the result is an array, not a node.
ZERO_GRADIENT = (
    *(np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal, np.sign),
    *(np.logical_and, np.logical_or, np.logical_not, np.isfinite, np.isnan, np.isinf),
    *(np.floor, np.ceil, np.rint, np.trunc, np.heaviside),
)


def power(exponent: float) -> Op:
    """``x ** exponent`` for a constant exponent."""
    return Op(
        f"power {exponent}",
        lambda x: x**exponent,
        (lambda g, y, x: g * (exponent * x ** (exponent - 1 if exponent else 0)),),
    )


def reduce_sum(axis: tuple[int, ...], keepdims: bool) -> Op:
    """The sum over some axes, none of them negative; its pullback repeats `g` along them."""

    def spread(g: Array, y: Array, x: Array) -> Array:
        kept = tuple(1 if i in axis else n for i, n in enumerate(np.shape(x)))
        return np.reshape(g, kept) * np.ones(np.shape(x))

    def roundings(y: Array, x: Array) -> Array:
        terms = np.prod([np.shape(x)[i] for i in axis], dtype=int)
        if terms <= 1 or not np.size(x):
            return no_rounding(y)
        columns = np.reshape(np.moveaxis(x, axis, range(len(axis))), (terms, -1))
        alike = count_equal_terms(abs(columns))
        magnitudes = np.sum(abs(x), axis=axis, keepdims=keepdims)
        # Its terms may be the steps of a run, in their order.
        return sum_noise(y, magnitudes, float(terms), float(terms), alike)

    return Op("sum", lambda x: np.sum(x, axis=axis, keepdims=keepdims), (spread,), roundings)


def reduce_max(axis: tuple[int, ...], keepdims: bool) -> Op:
    """The largest entry over some axes, none negative; the first of equal ones takes all of `g`."""

    def pullback(g: Array, y: Array, x: Array) -> Array:
        order = (*axis, *(i for i in range(np.ndim(x)) if i not in axis))
        turned = np.transpose(x, order)
        kept = np.shape(turned)[len(axis) :]
        flat = np.reshape(turned, (-1, *kept))
        first = np.arange(len(flat)).reshape(-1, *[1] * len(kept)) == np.argmax(flat, axis=0)
        mask = np.transpose(np.reshape(first, np.shape(turned)), np.argsort(order))
        ones = tuple(1 if i in axis else n for i, n in enumerate(np.shape(x)))
        return np.reshape(g, ones) * mask

    value = partial(np.max, axis=axis, keepdims=keepdims)
    return Op("max", value, (pullback,), no_rounding)


def cumsum(axis: int) -> Op:
    """The sums of the first entries along an axis, not negative."""
    back = (*[slice(None)] * axis, slice(None, None, -1))
    return Op(
        "cumsum",
        lambda x: np.cumsum(x, axis=axis),
        (lambda g, y, x: np.cumsum(g[back], axis=axis)[back],),
        lambda y, x: np.sqrt(np.cumsum(y * y, axis=axis)),  # each adds to the error of the last
    )


def einsum(subscripts: str) -> Op:
    """``numpy.einsum`` with an explicit result, and no letter twice in an operand."""
    left, out = subscripts.split("->")
    ins = left.split(",")

    def pull(i: int, g: Array, y: Array, *args: Array) -> Array:
        others = [j for j in range(len(ins)) if j != i]
        known = "".join([out, *(ins[j] for j in others)])
        kept = "".join(c for c in ins[i] if c in known)  # along the others it was summed alone
        formula = ",".join([out, *(ins[j] for j in others)]) + "->" + kept
        part, shape = np.einsum(formula, g, *(args[j] for j in others)), np.shape(args[i])
        ones = tuple(n if c in kept else 1 for c, n in zip(ins[i], shape, strict=True))
        return np.broadcast_to(np.reshape(part, ones), shape)

    def roundings(y: Array, *args: Array) -> Array:
        lengths = {c: n for s, a in zip(ins, args, strict=True) for c, n in zip(s, a.shape)}  # noqa: B905
        count = float(np.prod([n for c, n in lengths.items() if c not in out]))
        magnitudes = np.einsum(subscripts, *map(abs, args))
        alike = min(_equal_terms(s, out, a) for s, a in zip(ins, args, strict=True))
        return sum_noise(y, magnitudes, count, alike=alike)

    pullbacks = tuple(partial(pull, i) for i in range(len(ins)))
    return Op("einsum", lambda *xs: np.einsum(subscripts, *xs), pullbacks, roundings)


def _equal_terms(letters: str, out: str, x: Array) -> float:
    """How many terms of a sum are equal, as far as one operand tells."""
    summed = [i for i, c in enumerate(letters) if c not in out]
    if not x.size:
        return 0.0
    terms = int(np.prod([x.shape[i] for i in summed]))
    return count_equal_terms(abs(np.moveaxis(x, summed, range(len(summed))).reshape(terms, -1)))
