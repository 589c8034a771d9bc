"""Derivatives of NumPy programs, each a few lines above the tape."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array
from refsast.autodiff.tape import Node, backward, leaf

ArrayFunction: TypeAlias = Callable[..., "Array | np.float64"]


def value_and_grad(f: ArrayFunction, *xs: Array) -> tuple[Array, tuple[Array, ...]]:
    """Return the value of a scalar function and its gradient in each argument.

    Parameters
    ----------
    f : callable
        A NumPy program, ``f(*xs) -> scalar``.
    *xs : ndarray
        Where to differentiate; floating point.

    Returns
    -------
    value : scalar array
        ``f(*xs)``.
    grads : tuple of ndarray
        One per argument, of its shape; zeros where `f` does not depend on it.

    Examples
    --------
    >>> value, (grad,) = value_and_grad(lambda x: np.sum(x * x), np.array([1.0, 2.0]))
    >>> float(value), grad
    (5.0, array([2., 4.]))
    """
    nodes = tuple(map(leaf, xs))
    y = f(*nodes)
    if not isinstance(y, Node):
        return np.asarray(y), tuple(np.zeros(x.shape) for x in xs)
    return y.value, backward(y, nodes, np.ones(y.shape))


def vjp(f: ArrayFunction, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
    """Return the vector-Jacobian products ``J' g``, one per argument of `f`.

    Parameters
    ----------
    f : callable
        A NumPy program, ``f(*xs) -> array``.
    xs : tuple of ndarray
        Where to differentiate.
    g : ndarray
        Cotangent of the result.

    Returns
    -------
    tuple of ndarray
        One cotangent per argument.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import autodiff
    >>> autodiff.vjp(lambda a: a**2, (np.array([1.0, 2.0]),), np.array([1.0, 1.0]))[0]
    array([2., 4.])
    """
    return value_and_grad(lambda *nodes: np.sum(f(*nodes) * g), *xs)[1]


def jvp(f: ArrayFunction, xs: tuple[Array, ...], vs: tuple[Array, ...]) -> Array:
    """Return the Jacobian-vector product ``J v``, the derivative of `f` along `vs`.

    Two backward passes: ``J' g`` is linear in ``g``, so its own pullback is ``J``.

    Parameters
    ----------
    f, xs
        As for `vjp`.
    vs : tuple of ndarray
        The direction, one array per argument.

    Returns
    -------
    ndarray
        Of the shape of the result of `f`.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import autodiff
    >>> autodiff.jvp(lambda a: a**2, (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    array([2., 0.])
    """
    nodes = tuple(map(leaf, xs))
    y = f(*nodes)
    if not isinstance(y, Node):
        return np.zeros(np.shape(y))
    g = leaf(np.zeros(y.shape))
    # <J' g, v> is linear in g, with the gradient J v.
    directional = _inner_product(backward(y, nodes, g, traced=True), vs)
    return backward(directional, (g,), np.ones(()))[0]


def hvp(f: ArrayFunction, xs: tuple[Array, ...], vs: tuple[Array, ...]) -> tuple[Array, ...]:
    """Return the Hessian-vector products of a scalar function: the gradient of ``<grad f, v>``.

    Parameters
    ----------
    f, xs, vs
        As for `jvp`, the result of `f` being a scalar.

    Returns
    -------
    tuple of ndarray
        One per argument, of its shape.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import autodiff
    >>> def cube(a):
    ...     return np.sum(a**3)
    >>> autodiff.hvp(cube, (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))[0]
    array([ 6., 12.])
    """

    def slope(*nodes: Array) -> Array:
        y = f(*nodes)
        if not isinstance(y, Node):
            return np.zeros(())
        return _inner_product(backward(y, nodes, np.ones(y.shape), traced=True), vs)

    return value_and_grad(slope, *xs)[1]


def _inner_product(xs: tuple[Array, ...], vs: tuple[Array, ...]) -> Array:
    """The inner product over all arrays."""
    return sum(((x * v).sum() for x, v in zip(xs, vs, strict=True)), start=np.zeros(()))
