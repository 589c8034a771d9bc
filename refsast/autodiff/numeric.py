"""Numerical derivatives, by which the tape and its operations are checked.

Rule 1: nothing of `refsast.autodiff` is imported here, so that agreement is evidence.
Rule 2: what is an estimate is returned with an estimate of its error.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from refsast.arrays import Array

STEP = 1e-40  # of the complex step: its square is below rounding for every value met here


class PullbackRule(Protocol):
    """What `adjoint_gap` needs of an operation: a value and one pullback per argument."""

    @property
    def value(self) -> Callable[..., Array]:
        """``value(*args) -> y``."""
        ...

    @property
    def pullbacks(self) -> tuple[Callable[..., Array], ...]:
        """``pullback(g, y, *args)``, one per argument."""
        ...


def complex_step(f: Callable[..., Array], x: Array, direction: Array) -> Array:
    """Return the derivative of `f` at `x` along `direction`, exact to rounding::

        Im f(x + i h d) / h,     h = 1e-40

    Nothing is subtracted, so nothing cancels.

    Parameters
    ----------
    f : callable
        ``f(x) -> array``; analytic, and computed without absolute values or conjugates.
    x : ndarray
        Where to differentiate; real.
    direction : ndarray
        Of the shape of `x`; real.

    Returns
    -------
    ndarray
        Of the shape of ``f(x)``.

    References
    ----------
    Squire and Trapp, "Using complex variables to estimate derivatives of real functions",
    SIAM Review 40 (1998), 110-112.

    Examples
    --------
    >>> complex_step(np.exp, np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    array([1., 0.])
    """
    return np.imag(f(x + 1j * STEP * direction)) / STEP


def complex_step_gradient(f: Callable[..., Array], x: Array) -> Array:
    """Return the gradient of a scalar function, one complex step per entry of `x`.

    Parameters
    ----------
    f, x
        As for `complex_step`, the result of `f` being a scalar.

    Returns
    -------
    ndarray
        Of the shape of `x`.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast.autodiff import numeric
    >>> numeric.complex_step_gradient(lambda a: np.sum(a**2), np.array([1.0, 2.0]))
    array([2., 4.])
    """
    units = np.eye(x.size).reshape(x.size, *x.shape)
    return np.array([complex_step(f, x, unit) for unit in units]).reshape(x.shape)


def central_difference(
    f: Callable[[Array], Array],
    x: Array,
    direction: Array,
    *,
    step: float = 0.1,
    halvings: int = 10,
) -> tuple[Array, Array]:
    """Return the derivative of `f` at `x` along `direction` and an estimate of its error.

    Central differences over steps that halve, extrapolated to step zero (Ridders); of all entries
    of the table the one with the smallest error estimate is kept.

    Parameters
    ----------
    f : callable
        ``f(x) -> array``, smooth on the segment that the largest step spans.
    x, direction
        As for `complex_step`.
    step : float
        Largest step, in units of `direction`. Positive.
    halvings : int
        How often the step is halved. At least one.

    Returns
    -------
    derivative : ndarray
        Of the shape of ``f(x)``.
    error : ndarray
        Estimate of its absolute error, entry by entry; nearly always an upper bound.

    Raises
    ------
    ValueError
        If `step` or `halvings` is not positive.

    References
    ----------
    Ridders, "Accurate computation of F'(x) and F'(x)F''(x)", Adv. Eng. Software 4 (1982), 75-76.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast.autodiff import numeric
    >>> derivative, error = numeric.central_difference(np.sin, np.array([0.0]), np.array([1.0]))
    >>> bool(abs(derivative[0] - 1) < 1e-10)
    True
    """
    if not (step > 0.0 and halvings >= 1):
        raise ValueError(f"step and halvings must be positive, got {step} and {halvings}")
    best = np.zeros(np.shape(f(x)))
    error = np.full(best.shape, np.inf)
    previous: list[Array] = []
    # Richardson extrapolation: each row halves the step, each column removes one more power of h^2.
    for k in range(halvings + 1):
        h = step * 0.5**k
        row = [(f(x + h * direction) - f(x - h * direction)) / (2.0 * h)]
        for j, older in enumerate(previous):
            row.append(row[j] + (row[j] - older) / (4.0 ** (j + 1) - 1.0))
            gap = np.maximum(abs(row[j + 1] - row[j]), abs(row[j + 1] - older))
            best = np.where(gap <= error, row[j + 1], best)
            error = np.minimum(gap, error)
        previous = row
    return best, error


def adjoint_gap(
    rule: PullbackRule, args: tuple[Array, ...], tangents: tuple[Array, ...], g: Array
) -> float:
    """Return how far an operation's pullbacks are from the transpose of its derivative::

        |<g, J v> - <J' g, v>| / sum of the magnitudes of the terms

    with ``J v`` by the complex step, and ``J' g`` by the pullbacks.

    Parameters
    ----------
    rule : record
        With ``value(*args)`` and ``pullbacks``, one ``pullback(g, y, *args)`` per argument.
    args, tangents : tuple of ndarray
        Where to differentiate and the direction ``v``.
    g : ndarray
        Cotangent, of the shape of the value.

    Returns
    -------
    float
        Zero up to rounding for a right rule; NaN where either side is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast.autodiff import numeric
    >>> from types import SimpleNamespace
    >>> sine = SimpleNamespace(value=np.sin, pullbacks=[lambda g, y, a: g * np.cos(a)])
    >>> a = np.array([0.3, 0.7])
    >>> numeric.adjoint_gap(sine, (a,), (np.array([1.0, 2.0]),), np.array([1.0, -1.0])) < 1e-15
    True
    """
    h = 1j * STEP
    perturbed = rule.value(*(a + h * v for a, v in zip(args, tangents, strict=True)))
    forward = g * np.imag(perturbed) / STEP
    y = rule.value(*args)
    backward = [
        pullback(g, y, *args) * v for pullback, v in zip(rule.pullbacks, tangents, strict=True)
    ]
    gap = abs(forward.sum() - sum(b.sum() for b in backward))
    scale = abs(forward).sum() + sum(abs(b).sum() for b in backward)
    return 0.0 if gap == 0.0 else float(gap / scale)
