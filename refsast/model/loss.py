"""The loss: softmax cross entropy, averaged over the batch, and others by their records.

All are means over recordings. Where something is summed or averaged over time or classes, too, the
record says so: it is what implementations most often differ in.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array, Integers, plain_numbers, require_fraction
from refsast.autodiff import stop_gradient


@dataclass(frozen=True)
class CrossEntropy:
    """Softmax cross entropy of the logits, the mean over recordings.

    Examples
    --------
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> network.loss
    CrossEntropy()
    """


@dataclass(frozen=True)
class StepCrossEntropy:
    """Softmax cross entropy of what the readout says at each step, the mean over steps and batch.

    Of `SpikeRate` the spikes times the gain, of `LinearReadout` ``W_o s_t + b_o``, of
    `LeakyReadout` the potential v_t.

    References
    ----------
    snnTorch ``ce_rate_loss`` is this with a gain of 1; "temporal efficient training", Deng et al.,
    arXiv:2202.11946, eq. (9), without its regulariser.

    Examples
    --------
    >>> import refsast as rs
    >>> neuron = rs.LIF(0.9, 1.0, rs.Arctan(2.0))
    >>> rs.Network((2, 3), neuron, rs.SpikeRate(1.0), loss=rs.StepCrossEntropy()).loss
    StepCrossEntropy()
    """


@dataclass(frozen=True)
class MeanSquaredRate:
    """Squared distance of firing rates from wanted ones, the mean over recordings and classes.

    For `SpikeRate`, whose gain does not count.

    Attributes
    ----------
    right, wrong : float
        Wanted mean spike of the label's class and of all others, in [0, 1].

    References
    ----------
    snnTorch ``mse_count_loss(correct_rate, incorrect_rate)`` compares counts, sums over time: it is
    this one times the number of steps, and with a population, whose neurons it adds up, also times
    the square of how many those are.

    Examples
    --------
    >>> import refsast as rs
    >>> rs.MeanSquaredRate(right=0.8, wrong=0.1)
    MeanSquaredRate(right=0.8, wrong=0.1)
    """

    right: float = 1.0
    wrong: float = 0.0

    def __post_init__(self) -> None:
        plain_numbers(self)
        require_fraction(self.right, "right")
        require_fraction(self.wrong, "wrong")


Loss: TypeAlias = CrossEntropy | StepCrossEntropy | MeanSquaredRate


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
