"""Norms of signals, of matrices and of non-negative forms, for arrays and for nodes of the tape.

The largest singular value of a matrix is ``u' M v`` for its singular vectors, and so is its
derivative with them held fixed; likewise the top eigenvalue. So a bound that is made of norms can
be differentiated with `refsast.autodiff`, as the attack's gradient ascent needs.

A scalar is an array without axes, a NumPy number or a node; signatures call all of them ``Array``.
"""

from collections.abc import Callable, Iterable

import numpy as np

from refsast.arrays import Array
from refsast.autodiff import value_and_grad
from refsast.autodiff.tape import Node, backward, leaf, primal


def euclidean_norm(*arrays: Array) -> Array:
    """Return the Euclidean norm over all entries of all arrays.

    The largest magnitude is divided out, so that squares can neither underflow nor overflow.
    """
    peak = max((float(np.abs(primal(a)).max(initial=0.0)) for a in arrays), default=0.0)
    if not 0.0 < peak < np.inf:
        return np.asarray(peak)
    return peak * np.sqrt(total(np.sum(np.square(a / peak)) for a in arrays))


def spectral_norm(matrix: Array) -> Array:
    """Return the largest singular value of a matrix."""
    left, sizes, right = np.linalg.svd(primal(matrix), full_matrices=False)
    if not isinstance(matrix, Node):
        return np.asarray(sizes[0])
    return np.sum(left[:, :1] * (matrix @ right[:1].T))  # pyright: ignore[reportReturnType]


def top_eigenvalue(form: Array) -> Array:
    """Return the largest eigenvalue of a symmetric matrix; infinite where an entry is."""
    if not np.isfinite(primal(form)).all():
        return np.asarray(np.inf)
    sizes, vectors = np.linalg.eigh(primal(form))
    if not isinstance(form, Node):
        return np.asarray(sizes[-1])
    return np.sum(vectors[:, -1:] * (form @ vectors[:, -1:]))  # pyright: ignore[reportReturnType]


def geometric_series(k: Array | float, steps: int) -> Array:
    """Return ``1 + k + ... + k^(steps - 1)``; infinite where it is beyond all doubles."""
    total = np.ones(()) * min(steps, 1)
    with np.errstate(over="ignore"):
        for _ in range(steps - 1):
            total = total * k + 1.0
    return total


def nan_to_infinity(bound: Array) -> Array:
    """Return the bound, infinite where an entry is NaN.

    A bound becomes NaN where zero weights meet a factor that has overflowed: 0 * inf. An infinite
    bound hides no failure: a measurement that is NaN still refutes.
    """
    return bound if not np.isnan(primal(bound)).any() else np.full(np.shape(bound), np.inf)


def max_magnitude(array: Array) -> Array:
    """Return the entry of the largest magnitude, as its magnitude."""
    at = int(np.argmax(np.abs(primal(array))))
    return np.abs(np.reshape(array, (-1,))[at])


def outer(a: Array, b: Array) -> Array:
    """Return ``a b'`` of two vectors."""
    return np.reshape(a, (-1, 1)) @ np.reshape(b, (1, -1))


def symmetric_outer(a: Array, b: Array) -> Array:
    """Return the symmetric part of ``a b'``."""
    return 0.5 * (outer(a, b) + outer(b, a))


def inner_product(left: Iterable[Array], right: Iterable[Array]) -> Array:
    """Return the inner product of two vectors that are given in blocks."""
    return total(np.sum(a * b) for a, b in zip(left, right, strict=True))


def total(terms: Iterable[Array | np.float64]) -> Array:
    """Return the sum of some scalars."""
    return sum(terms, start=np.zeros(()))  # pyright: ignore[reportReturnType]


def gradient(f: Callable[..., Array], *xs: Array) -> tuple[Array, ...]:
    """Return the gradient of a scalar function in each argument; traced, if one of them is."""
    if not any(isinstance(x, Node) for x in xs):
        return value_and_grad(f, *xs)[1]
    nodes = tuple(x if isinstance(x, Node) else leaf(x) for x in xs)
    y = f(*nodes)
    return backward(y, nodes, np.ones(np.shape(y)), traced=True)
