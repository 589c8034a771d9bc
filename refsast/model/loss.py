"""The loss: softmax cross entropy, averaged over the batch."""

import numpy as np

from refsast.arrays import Array, Integers
from refsast.autodiff import stop_gradient


def cross_entropy(logits: Array, y: Integers) -> Array:
    """Return the mean over the batch of ``-log softmax(logits)[y]``, in nats; on the tape, too.

    `logits` has shape (batch, classes), `y` holds integers, shape (batch,).
    """
    # Subtracting the largest logit prevents overflow. The loss does not depend on the shift, so
    # no gradient needs to flow through it.
    z = logits - np.max(stop_gradient(logits), axis=-1, keepdims=True)
    log_sum = np.log(np.sum(np.exp(z), axis=-1))
    return np.mean(log_sum - np.sum(z * one_hot(y, logits.shape[-1]), axis=-1))


def one_hot(y: Integers, classes: int) -> Array:
    """Return rows of zeros with a one at the label, shape (batch, classes)."""
    return np.eye(classes)[y]


def softmax(logits: Array) -> Array:
    """Return the class probabilities, shape (batch, classes), of arrays only."""
    e = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def loss_and_cotangent(logits: Array, y: Integers) -> tuple[Array, Array]:
    """Return `cross_entropy` and its derivative in the logits, ``(softmax - one_hot) / batch``.

    The computation is in double precision, complex for the complex step.
    """
    z = logits - logits.real.max(axis=1, keepdims=True).astype(np.float64)
    rows, e = np.arange(len(y)), np.exp(z)
    total = e.sum(axis=1)
    loss = (np.log(total) - z[rows, y]).mean()
    e /= total[:, None]
    e[rows, y] -= 1.0
    return loss, e / len(y)
