"""Descent methods as pairs of pure functions on one flat vector.

A method is an ``init`` that makes the state and an ``update`` that makes the next state and the
next parameters; the state is a tuple of arrays, so it can be written to a file as it is.

A schedule is a function from the share of training done, in [0, 1), to a factor on the learning
rate: `constant`, `cosine` and `late_linear`.
"""

import numpy as np

from refsast.arrays import Array, require_nonnegative, require_number, require_positive
from refsast.cores import share_over_threads
from refsast.optim.method import BLOCK_SIZE, Descent, State, blocks, descend_in_place, projected

__all__ = ["Descent", "adam", "constant", "cosine", "late_linear", "projected", "sgd"]


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

    def update_in_place(state: State, w: Array, grad: Array, factor: float) -> None:
        def step(share: slice) -> None:
            scratch = np.empty_like(w[:BLOCK_SIZE])
            for part in blocks(share):
                m, own = state[0][part], w[part]
                move = scratch[: len(own)]
                m *= momentum
                m += grad[part]
                np.multiply(own, weight_decay, move)
                move += m
                move *= factor * learning_rate
                own -= move

        share_over_threads(step, len(w), min_part=BLOCK_SIZE)

    description = f"sgd({learning_rate=}, {momentum=}, {weight_decay=})"
    return descend_in_place(description, lambda w: (np.zeros_like(w),), update_in_place)


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

    def update_in_place(state: State, w: Array, grad: Array, factor: float) -> None:
        k = state[2]
        k += 1.0
        # m and v start at zero; this removes that bias.
        rest1, rest2 = 1.0 - beta1 ** int(k), 1.0 - beta2 ** int(k)

        def step(share: slice) -> None:
            scratch = np.empty((2, min(len(w), BLOCK_SIZE)), w.dtype)
            for part in blocks(share):
                m, v, g, own = state[0][part], state[1][part], grad[part], w[part]
                move, term = scratch[:, : len(own)]
                m *= beta1
                m += np.multiply(g, 1.0 - beta1, term)
                v *= beta2
                np.multiply(g, g, term)
                term *= 1.0 - beta2
                v += term
                np.sqrt(np.divide(v, rest2, move), move)
                move += epsilon
                # From some step on, `rest1` is one to the precision of `w`: nothing to divide by.
                mean = m if w.dtype.type(rest1) == 1.0 else np.divide(m, rest1, term)
                np.divide(mean, move, move)
                if weight_decay:
                    move += np.multiply(own, weight_decay, term)
                move *= factor * learning_rate
                own -= move

        share_over_threads(step, len(w), min_part=BLOCK_SIZE)

    description = f"adam({learning_rate=}, {beta1=}, {beta2=}, {epsilon=}, {weight_decay=})"
    return descend_in_place(
        description, lambda w: (np.zeros_like(w), np.zeros_like(w), np.zeros(())), update_in_place
    )


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
