"""Descent methods as pairs of pure functions on one flat vector.

A method is an ``init`` that makes the state and an ``update`` that makes the next state and the
next parameters; the state is a tuple of arrays, so it can be written to a file as it is.

A schedule is a function from the share of training done, in [0, 1), to a factor on the learning
rate: `constant`, `cosine` and `late_linear`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array, require_nonnegative, require_number, require_positive

State: TypeAlias = tuple[Array, ...]


@dataclass(frozen=True)
class Descent:
    """A descent method.

    Attributes
    ----------
    description : str
        The method and its numbers, for a record.
    init : callable
        ``init(w) -> state``, for parameters `w` of shape (p,).
    update : callable
        ``update(state, w, grad, factor) -> (state, w)``: the state and the parameters after one
        step with `factor` times the learning rate.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> method = rs.descent.sgd(learning_rate=0.1, momentum=0.0, weight_decay=0.0)
    >>> w = np.array([1.0, 2.0])
    >>> state, w = method.update(method.init(w), w, np.array([1.0, 0.0]), 1.0)
    >>> w
    array([0.9, 2. ])
    """

    description: str

    init: Callable[[Array], State]
    update: Callable[[State, Array, Array, float], tuple[State, Array]]


def sgd(*, learning_rate: float, momentum: float, weight_decay: float) -> Descent:
    """Return gradient descent with heavy-ball momentum and decoupled weight decay::

        m' = momentum m + grad        w' = w - learning_rate (m' + weight_decay w)

    Parameters
    ----------
    learning_rate : float
        Step length, parameter squared / loss. Positive.
    momentum : float
        In [0, 1); 0 is plain descent.
    weight_decay : float
        Not negative.

    Returns
    -------
    Descent
        With the state ``(m,)``.

    Raises
    ------
    ValueError
        If a number is outside its range.

    References
    ----------
    Polyak, USSR Comp. Math. Phys. 4 (1964), 1-17; PyTorch ``SGD(nesterov=False)`` for the form.

    Examples
    --------
    >>> import refsast as rs
    >>> method = rs.descent.sgd(learning_rate=0.1, momentum=0.0, weight_decay=0.0)
    >>> method.description
    'sgd(learning_rate=0.1, momentum=0.0, weight_decay=0.0)'
    """
    require_positive(learning_rate, "learning_rate")
    _require_memory(momentum, "momentum")
    require_nonnegative(weight_decay, "weight_decay")

    def update(state: State, w: Array, grad: Array, factor: float) -> tuple[State, Array]:
        m = momentum * state[0] + grad
        return (m,), w - factor * learning_rate * (m + weight_decay * w)

    description = f"sgd({learning_rate=}, {momentum=}, {weight_decay=})"
    return Descent(description, lambda w: (np.zeros_like(w),), update)


def adam(
    *, learning_rate: float, beta1: float, beta2: float, epsilon: float, weight_decay: float
) -> Descent:
    """Return Adam, with decoupled weight decay (AdamW)::

        m' = beta1 m + (1 - beta1) grad        v' = beta2 v + (1 - beta2) grad^2
        w' = w - learning_rate (mhat / (sqrt(vhat) + epsilon) + weight_decay w)

    where mhat = m'/(1 - beta1^k) and vhat = v'/(1 - beta2^k) at step k = 1, 2, ...

    Parameters
    ----------
    learning_rate : float
        Step length, in units of the parameters. Positive.
    beta1, beta2 : float
        Memory of the mean and of the mean square. In [0, 1).
    epsilon : float
        Gradients well below it move nothing. Positive: it is part of the method, not a guard.
    weight_decay : float
        Not negative.

    Returns
    -------
    Descent
        With the state ``(m, v, k)``.

    Raises
    ------
    ValueError
        If a number is outside its range.

    References
    ----------
    Kingma and Ba, arXiv:1412.6980, Algorithm 1; Loshchilov and Hutter, arXiv:1711.05101.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> method = rs.descent.adam(
    ...     learning_rate=0.1, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.0
    ... )
    >>> w = np.array([1.0, 2.0])
    >>> state, w = method.update(method.init(w), w, np.array([5.0, 0.0]), 1.0)
    >>> w.round(6)
    array([0.9, 2. ])
    """
    require_positive(learning_rate, "learning_rate")
    _require_memory(beta1, "beta1")
    _require_memory(beta2, "beta2")
    require_positive(epsilon, "epsilon")
    require_nonnegative(weight_decay, "weight_decay")

    def update(state: State, w: Array, grad: Array, factor: float) -> tuple[State, Array]:
        m, v, k = state
        k = k + 1.0
        m = beta1 * m + (1.0 - beta1) * grad
        v = beta2 * v + (1.0 - beta2) * (grad * grad)
        # m and v start at zero; this removes that bias.
        mhat, vhat = m / (1.0 - beta1 ** int(k)), v / (1.0 - beta2 ** int(k))
        move = mhat / (np.sqrt(vhat) + epsilon) + weight_decay * w
        return (m, v, k), w - factor * learning_rate * move

    description = f"adam({learning_rate=}, {beta1=}, {beta2=}, {epsilon=}, {weight_decay=})"
    return Descent(
        description, lambda w: (np.zeros_like(w), np.zeros_like(w), np.zeros(())), update
    )


def projected(method: Descent, project: Callable[[Array], Array], *, says: str) -> Descent:
    """Return a method with a projection after every step::

        w' = project(w' of method)

    Parameters
    ----------
    method : Descent
        What makes the step; its state is not projected.
    project : callable
        ``project(w) -> w``, for parameters of shape (p,): the nearest ones that are allowed.
    says : str
        What is allowed, in words, for the record of a run.

    Returns
    -------
    Descent
        With the state of `method`. Where to start is not projected.

    References
    ----------
    Goldstein, Bull. Amer. Math. Soc. 70 (1964), 709-710; Levitin and Polyak, USSR Comp. Math. Phys.
    6 (1966), 1-50.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> plain = rs.descent.sgd(learning_rate=1.0, momentum=0.0, weight_decay=0.0)
    >>> method = rs.descent.projected(plain, lambda w: np.clip(w, 0, 1), says="clipped to [0, 1]")
    >>> w = np.array([0.5])
    >>> method.update(method.init(w), w, np.array([2.0]), 1.0)[1]
    array([0.])
    """

    def update(state: State, w: Array, grad: Array, factor: float) -> tuple[State, Array]:
        state, w = method.update(state, w, grad, factor)
        return state, project(w)

    return Descent(f"{method.description}, then {says}", method.init, update)


def constant(share: float) -> float:
    """Return 1: the learning rate stays as it is.

    Parameters
    ----------
    share : float
        Of all steps, how many are done; in [0, 1].

    Returns
    -------
    float
        1.

    Examples
    --------
    >>> import refsast as rs
    >>> rs.descent.constant(0.3)
    1.0
    """
    return 1.0


def cosine(share: float) -> float:
    """Return ``(1 + cos(pi share))/2``: the learning rate falls to zero in half a wave.

    Parameters
    ----------
    share : float
        Of all steps, how many are done; in [0, 1].

    Returns
    -------
    float
        In [0, 1].

    References
    ----------
    Loshchilov and Hutter, arXiv:1608.03983, Eq. 5 without restarts.

    Examples
    --------
    >>> import refsast as rs
    >>> rs.descent.cosine(0.0), round(rs.descent.cosine(0.5), 12)
    (1.0, 0.5)
    """
    return 0.5 * (1.0 + float(np.cos(np.pi * share)))


def late_linear(share: float) -> float:
    """Return 1 for the first three quarters of all steps; then it falls in a line to a tenth.

    Parameters
    ----------
    share : float
        Of all steps, how many are done; in [0, 1].

    Returns
    -------
    float
        In [0.1, 1].
    """
    return 1.0 - 0.9 * max(0.0, share - 0.75) / 0.25


def _require_memory(value: float, name: str) -> None:
    if not 0.0 <= require_number(value, name) < 1.0:
        raise ValueError(f"{name} must lie in [0, 1), got {value}")
