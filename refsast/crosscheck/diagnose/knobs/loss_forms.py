"""The forms a loss may have by mistake.

Every form takes logits and targets of shape (..., classes) and returns the loss of each recording
(...) with its derivative in the logits.
"""

from collections.abc import Callable

import numpy as np

from refsast.arrays import Array
from refsast.model.loss import one_hot, softmax

OVER_BATCH = "softmax over recordings, not classes"
SLOPE_OVER_BATCH = "slope of the readout's softmax over recordings, not classes"


def cross_entropies(logits: Array, targets: Array) -> tuple[Array, Array]:
    """Return the cross entropy of the softmax: the right form."""
    z = logits - logits.max(axis=-1, keepdims=True)
    e = np.exp(z)
    total = e.sum(axis=-1, keepdims=True)
    return (targets * (np.log(total) - z)).sum(axis=-1), e / total - targets


def _apply_softmax(form: Callable[[Array, Array], tuple[Array, Array]]) -> Callable:
    """The form of probabilities in place of logits."""

    def whole(logits: Array, targets: Array) -> tuple[Array, Array]:
        p = softmax(logits)
        loss, slope = form(p, targets)
        return loss, p * (slope - (p * slope).sum(axis=-1, keepdims=True))

    return whole


def _squares(scores: Array, targets: Array) -> tuple[Array, Array]:
    gap = scores - targets
    return (gap**2).mean(axis=-1), 2.0 * gap / gap.shape[-1]


def _sum_squares(scores: Array, targets: Array) -> tuple[Array, Array]:
    gap = scores - targets
    return (gap**2).sum(axis=-1), 2.0 * gap


def _binary(logits: Array, targets: Array) -> tuple[Array, Array]:
    """The mean over classes of the cross entropies of each class against all others."""
    p = 0.5 * (1.0 + np.tanh(0.5 * logits))
    loss = np.logaddexp(0.0, logits) - targets * logits
    return loss.mean(axis=-1), (p - targets) / logits.shape[-1]


def _minus_label(logits: Array, targets: Array) -> tuple[Array, Array]:
    return -(targets * logits).sum(axis=-1), -targets + 0.0 * logits


def _focal(logits: Array, targets: Array) -> tuple[Array, Array]:
    """The cross entropy times (1 - p)^2, p the probability of the label."""
    loss, slope = cross_entropies(logits, targets)
    p = np.exp(-loss)
    factor = (1.0 - p) ** 2 + 2.0 * (1.0 - p) * p * loss
    return (1.0 - p) ** 2 * loss, factor[..., None] * slope


def _absolute(scores: Array, targets: Array) -> tuple[Array, Array]:
    gap = scores - targets
    return abs(gap).mean(axis=-1), np.sign(gap) / gap.shape[-1]


def _hinge(logits: Array, targets: Array) -> tuple[Array, Array]:
    """The mean over classes of max(0, 1 - label's logit + other's logit), the label's left out."""
    gap = 1.0 + logits - (targets * logits).sum(axis=-1, keepdims=True)
    violated = (gap > 0.0) * (1.0 - targets)
    slope = violated - targets * violated.sum(axis=-1, keepdims=True)
    return (violated * gap).mean(axis=-1), slope / gap.shape[-1]


def _batch_softmax(logits: Array, targets: Array) -> tuple[Array, Array]:
    """The cross entropy of a softmax over recordings in place of classes."""
    z = logits - logits.max(axis=-2, keepdims=True)
    e = np.exp(z)
    total = e.sum(axis=-2, keepdims=True)
    count = targets.sum(axis=-2, keepdims=True)
    return (targets * (np.log(total) - z)).sum(axis=-1), count * e / total - targets


def _extra_class(logits: Array, targets: Array) -> tuple[Array, Array]:
    """The cross entropy with one class more, whose logit is zero."""
    z = np.concatenate([logits, 0.0 * logits[..., :1]], axis=-1)
    loss, slope = cross_entropies(z, np.concatenate([targets, 0.0 * targets[..., :1]], axis=-1))
    return loss, slope[..., :-1]


def _label_by_largest(logits: Array, targets: Array) -> tuple[Array, Array]:
    """The cross entropy with the class of the largest logit for a label."""
    return cross_entropies(logits, _largest(logits))


def _forget_largest(logits: Array, targets: Array) -> tuple[Array, Array]:
    """The cross entropy with a logarithm of a sum to which the largest logit is not added again."""
    loss, slope = cross_entropies(logits, targets)
    return loss - logits.max(axis=-1), slope - _largest(logits)


def _largest(logits: Array) -> Array:
    """One at the largest logit, else zero."""
    return one_hot(logits.argmax(axis=-1), logits.shape[-1])


def _clip_logits(limit: float) -> Callable:
    """The cross entropy of logits within plus and minus a limit."""

    def form(logits: Array, targets: Array) -> tuple[Array, Array]:
        loss, slope = cross_entropies(np.clip(logits, -limit, limit), targets)
        return loss, np.where(abs(logits) <= limit, slope, 0.0)

    return form


def _add_within(epsilon: float) -> Callable:
    """The form of -ln(p + epsilon), p the probability of the label."""

    def form(logits: Array, targets: Array) -> tuple[Array, Array]:
        p = softmax(logits)
        own = (targets * p).sum(axis=-1, keepdims=True)
        return -np.log(own[..., 0] + epsilon), own / (own + epsilon) * (p - targets)

    return form


def _less_entropy(weight: float) -> Callable:
    """The form with a confidence penalty, so much of the entropy of the softmax taken off."""

    def form(logits: Array, targets: Array) -> tuple[Array, Array]:
        loss, slope = cross_entropies(logits, targets)
        p = softmax(logits)
        log_p = np.log(np.maximum(p, 1e-300))
        negative = (p * log_p).sum(axis=-1, keepdims=True)
        return loss + weight * negative[..., 0], slope + weight * p * (log_p - negative)

    return form


LOGIT_LIMITS = (5.0, 10.0, 1.0, 20.0)
EPSILONS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)
# Forms that are seldom: tried where nothing else fits.
RARE_FORMS: dict[str, Callable[[Array, Array], tuple[Array, Array]]] = {
    "focal loss": _focal,
    "absolute errors of the softmax": _apply_softmax(_absolute),
    "absolute errors of the logits": _absolute,
    "multi-class hinge loss": _hinge,
    "cross entropy with one class more, of logit 0": _extra_class,
    "cross entropy of the predictions, not the labels,": _label_by_largest,
    **{f"cross entropy less {c:g} of the softmax's entropy": _less_entropy(c) for c in (0.1, 0.01)},
    "cross entropy without the largest logit added again": _forget_largest,
    OVER_BATCH: _batch_softmax,
    **{f"logarithm of p + {each:g} in place of that of p": _add_within(each) for each in EPSILONS},
}
# Where the gradient alone is clipped, it is one of another loss.
CLIPPED_FORMS: dict[str, Callable[[Array, Array], tuple[Array, Array]]] = {
    f"cross entropy of logits clipped to {n:g}": _clip_logits(n) for n in LOGIT_LIMITS
}
# In the gradient alone: the probabilities are the slope in the logits, or its label's entry is all.
BACKWARD_FORMS: dict[str, Callable[[Array, Array], tuple[Array, Array]]] = {
    "probabilities alone": lambda z, targets: (cross_entropies(z, targets)[0], softmax(z)),
    "slope of the label's logit alone": lambda z, targets: (
        cross_entropies(z, targets)[0],
        targets * (softmax(z) - targets),
    ),
    "labels of all recordings in each": lambda z, targets: (
        cross_entropies(z, targets)[0],
        softmax(z) - targets.max(axis=-2, keepdims=True) + np.zeros_like(z),
    ),
    "label's probability inverted": lambda z, targets: (
        cross_entropies(z, targets)[0],
        -targets / softmax(z),
    ),
    "slope times p (1 - p)": lambda z, targets: (
        cross_entropies(z, targets)[0],
        (softmax(z) - targets) * softmax(z) * (1.0 - softmax(z)),
    ),
    SLOPE_OVER_BATCH: lambda z, targets: (
        cross_entropies(z, targets)[0],
        softmax(np.swapaxes(z, -1, -2)).swapaxes(-1, -2) - targets,
    ),
    **RARE_FORMS,
}
LOSS_FORMS: dict[str, Callable[[Array, Array], tuple[Array, Array]]] = {
    "softmax twice": _apply_softmax(cross_entropies),
    "squares of the softmax": _apply_softmax(_squares),
    "summed squares of the softmax": _apply_softmax(_sum_squares),
    "squares of the logits": _squares,
    "squares of the scores": _sum_squares,
    "binary cross entropies": _binary,
    "minus the label's logit": _minus_label,
    "minus the label's probability": _apply_softmax(_minus_label),
}
BACKWARD_FORMS |= LOSS_FORMS
RARE_FORMS |= CLIPPED_FORMS
