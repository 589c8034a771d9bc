"""Sharpness-aware minimisation on one flat vector, exactly as its equations say.

Rule 1: an objective is a function ``w -> (f, g)`` and holds no state: a network is at rest whenever
        it is called.
Rule 2: no epsilon stands in any denominator. Where the gradient is zero, nothing moves.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array, as_array, require_nonnegative

Objective: TypeAlias = Callable[[Array], tuple["Array | float", Array]]
# (objective, w, rho, rng) -> the point where the gradient of the step is taken
Ascent: TypeAlias = Callable[[Objective, Array, float, "np.random.Generator | None"], Array]


def ascent_point(w: Array, grad: Array, *, rho: float) -> Array:
    """Return the point at distance `rho` from `w` with the highest loss, to first order.

    It solves the linearised inner problem of SAM in the Euclidean ball::

        argmax  <grad, e>   =   rho * grad / |grad|
        |e| <= rho

    Parameters
    ----------
    w : (p,) array
        Parameters, flattened. Not modified.
    grad : (p,) array
        Gradient of the loss at `w`, in units of loss / parameter.
    rho : float
        Radius of the ball, in units of the parameters. Not negative.

    Returns
    -------
    (p,) array
        The perturbed parameters. Where ``grad == 0`` every direction is equally good and `w` itself
        is returned; so it is where ``rho == 0``.

    Raises
    ------
    ValueError
        If `rho` is negative or not finite, an entry is not finite, or the shapes differ.

    References
    ----------
    Foret et al., "Sharpness-Aware Minimization", arXiv:2010.01412, Sec. 2, p = 2.

    Examples
    --------
    >>> ascent_point(np.array([1.0, 1.0]), np.array([0.0, 2.0]), rho=0.5)
    array([1. , 1.5])
    """
    w = as_array(w, "w", ("p",))
    grad = as_array(grad, "grad", w.shape)
    require_nonnegative(rho, "rho")
    peak, direction = _norm_and_direction(grad)
    return w if rho == 0.0 or peak == 0.0 else w + rho * direction


def _norm_and_direction(grad: Array) -> tuple[float, Array]:
    """The norm of `grad` and its direction, which is zero where the norm is."""
    peak = np.abs(grad).max(initial=0.0)
    if peak == 0.0:
        return 0.0, grad
    scaled = grad / peak  # so that the squares in the norm can neither underflow nor overflow
    norm = np.linalg.norm(scaled)
    return float(peak * norm), scaled / norm


def adaptive_ascent_point(w: Array, grad: Array, *, rho: float) -> Array:
    """Return ASAM's ascent point, whose ball is measured in units of each parameter::

        w + rho T^2 grad / |T grad|,    T = diag(|w|)

    Parameters
    ----------
    w, grad : (p,) array
        As for `ascent_point`. A parameter that is zero stays zero.
    rho : float
        Radius of the ball, without a unit. Not negative.

    Returns
    -------
    (p,) array
        The perturbed parameters; `w` itself where ``T grad == 0`` or ``rho == 0``.

    Raises
    ------
    ValueError
        If `rho` is negative or not finite, an entry is not finite, or the shapes differ.

    References
    ----------
    Kwon et al., "ASAM", arXiv:2102.11600, Sec. 3, p = 2, with their eta = 0.
    """
    w = as_array(w, "w", ("p",))
    grad = as_array(grad, "grad", w.shape)
    require_nonnegative(rho, "rho")
    size = np.abs(w)
    peak, direction = _norm_and_direction(size * grad)
    return w if rho == 0.0 or peak == 0.0 else w + rho * (size * direction)


def steepest_ascent(
    objective: Objective, w: Array, rho: float, rng: np.random.Generator | None = None
) -> Array:
    """Return SAM's `ascent_point` of the objective; `rng` is not used."""
    return ascent_point(w, objective(w)[1], rho=rho)


def adaptive_ascent(
    objective: Objective, w: Array, rho: float, rng: np.random.Generator | None = None
) -> Array:
    """Return ASAM's `adaptive_ascent_point` of the objective; `rng` is not used."""
    return adaptive_ascent_point(w, objective(w)[1], rho=rho)


def random_ascent(
    objective: Objective, w: Array, rho: float, rng: np.random.Generator | None = None
) -> Array:
    """Return a point at distance `rho` in a random direction: a control, which asks no gradient.

    Raises ValueError if there is no `rng` to draw it from.
    """
    if rng is None:
        raise ValueError("rng must be a numpy Generator, got None")
    direction = rng.standard_normal(w.shape).astype(w.dtype, copy=False)
    return ascent_point(w, direction, rho=rho)


def gradient(
    objective: Objective,
    w: Array,
    *,
    rho: float,
    second: Objective | None = None,
    ascent: Ascent = steepest_ascent,
    rng: np.random.Generator | None = None,
) -> Array:
    """Return the SAM gradient: that of the loss, taken at the ascent point::

        grad f2(w + rho grad f1(w) / |grad f1(w)|)

    Parameters
    ----------
    objective : callable
        ``w -> (f1, grad f1)``, the loss on the minibatch that chooses where to look. Not called
        where ``rho == 0`` and `second` is given.
    w : (p,) array
        Parameters, flattened.
    rho : float
        Radius of the ball, in units of the parameters. Not negative; zero is plain descent.
    second : callable, optional
        ``w -> (f2, grad f2)``, the loss on a second, independent minibatch; without it the first
        serves both passes.
    ascent : callable
        ``(objective, w, rho, rng) -> w'``, where to take the gradient: `steepest_ascent`, which is
        SAM's, `adaptive_ascent`, `random_ascent`, or one's own.
    rng : numpy.random.Generator, optional
        For an ascent that draws at random.

    Returns
    -------
    (p,) array
        What a descent step at `w` is to be taken with.

    Raises
    ------
    ValueError
        If `rho` is negative or not finite, or a gradient is not finite or of another shape.

    References
    ----------
    Foret et al., arXiv:2010.01412, Sec. 2; THEORY 5 for the second minibatch.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> def bowl(w):
    ...     return 0.5 * w @ w, w
    >>> rs.sam.gradient(bowl, np.array([3.0, 4.0]), rho=0.5)
    array([3.3, 4.4])
    """
    w = as_array(w, "w", ("p",))
    descent = objective if second is None else second
    require_nonnegative(rho, "rho")
    if rho == 0.0:
        return as_array(descent(w)[1], "grad", w.shape)
    return as_array(descent(ascent(objective, w, rho, rng))[1], "grad", w.shape)


def exact_gradient(
    objective: Objective, hvp: Callable[[Array, Array], Array], w: Array, *, rho: float
) -> Array:
    """Return the exact gradient of ``w -> f(w + e(w))``, Hessian term included::

        (I + rho P H / |grad f|)' grad f(w + e),    P = I - ghat ghat',    e = rho ghat

    `gradient` drops the second term of the sum.

    Parameters
    ----------
    objective : callable
        ``w -> (f, grad f)``.
    hvp : callable
        ``(w, direction) -> H direction``, the Hessian of the objective at `w`.
    w : (p,) array
        Parameters, flattened.
    rho : float
        Radius of the ball, in units of the parameters. Not negative.

    Returns
    -------
    (p,) array
        The gradient. Where ``grad f(w) = 0`` the ascent point is `w` itself, by definition, and
        ``grad f(w)`` is returned.

    Raises
    ------
    ValueError
        If `rho` is negative or not finite, or an array is not finite or of another shape.

    References
    ----------
    THEORY 4d.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> def bowl(w):
    ...     return 0.5 * w @ w, w
    >>> rs.sam.exact_gradient(bowl, lambda w, v: v, np.array([3.0, 4.0]), rho=0.5)
    array([3.3, 4.4])
    """
    w = as_array(w, "w", ("p",))
    grad = as_array(objective(w)[1], "grad", w.shape)
    raised = as_array(objective(ascent_point(w, grad, rho=rho))[1], "grad", w.shape)
    norm, unit = _norm_and_direction(grad)
    if rho == 0.0 or norm == 0.0:
        return raised
    # ghat has the Jacobian P H / |grad f|; its transpose applies H to the part across ghat.
    across = raised - unit * (unit @ raised)
    return raised + rho * as_array(hvp(w, across), "hvp", w.shape) / norm
