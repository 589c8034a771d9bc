"""The loss of what is read, in the form that is turned, and what is reported in its place."""

import numpy as np

from refsast.arrays import Array, Integers
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.batches import HALVES
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Dials, mix
from refsast.crosscheck.diagnose.knobs.loss_forms import (
    BACKWARD_FORMS,
    LOSS_FORMS,
    OVER_BATCH,
    RARE_FORMS,
    cross_entropies,
)
from refsast.model.loss import one_hot, softmax
from refsast.model.spike import first_derivative

# Whether the mean is over the recordings of the other classes alone.
CLASS_WEIGHTS = {"mean without class": True, "loss zero for class": False}
UNLESS_ALONE = "mean without class, but of it alone,"  # where no other class is in the batch
BY_FREQUENCY = "classes weighted by one over their number"
REPORT_DIGITS = (2.0, 3.0, 4.0, 5.0, 6.0)


def form_loss(case: Case, dials: Dials, logits: Array, targets: Array) -> tuple[Array, Array]:
    """Return the loss of each recording in the form that is turned, and its derivative."""
    whole = len(case.network.neurons)
    losses, slopes = cross_entropies(logits, targets)
    for name, form in (LOSS_FORMS | RARE_FORMS).items():
        if dials.turns(name, whole):
            share = np.asarray(dials.read(name, whole, 0.0))
            other, slope = form(logits, targets)
            slopes = slopes + share * (slope - slopes)
            losses = losses + share[..., 0] * (other - losses)
    for name in [name for name in BACKWARD_FORMS if dials.turns(f"{name} backward", whole)]:
        share = np.asarray(dials.read(f"{name} backward", whole, 0.0))
        slopes = slopes + share * (BACKWARD_FORMS[name](logits, targets)[1] - slopes)
    return losses, slopes


def turns_form(dials: Dials, whole: int) -> bool:
    """Whether another loss is derived in any of the settings."""
    return any(dials.turns(f"{name} backward", whole) for name in BACKWARD_FORMS)


def every_step(case: Case, dials: Dials, z: Array, targets: Array) -> tuple[Array, Array]:
    """Return the mean over time of the losses of each step's logits (time, K, batch, classes)."""
    losses, slopes = form_loss(case, dials, z, targets)
    return losses.mean(axis=0), slopes / len(z)


def largest_over_time(case: Case, dials: Dials, z: Array, targets: Array) -> tuple[Array, Array]:
    """Return the loss of the largest of each logit over time."""
    losses, slope = form_loss(case, dials, z.max(axis=0), targets)
    at = np.arange(len(z)).reshape(-1, 1, 1, 1)
    return losses, np.where(at == z.argmax(axis=0), slope, 0.0)


def average_softmax(case: Case, dials: Dials, z: Array, targets: Array) -> tuple[Array, Array]:
    """Return minus the logarithm of the label's probability, averaged over the steps."""
    p = softmax(z)
    own = (targets * p).sum(axis=-1, keepdims=True)  # the label's, at each step
    mean = own.mean(axis=0)
    return -np.log(mean[..., 0]), own * (p - targets) / mean / len(z)


def count_spikes(case: Case, dials: Dials, z: Array, targets: Array) -> tuple[Array, Array]:
    """Return the loss of a readout that fires as the last layer does, its spikes averaged."""
    neuron = case.network.neurons[-1]
    v = z - neuron.threshold
    losses, slope = form_loss(case, dials, neuron.spike(v).mean(axis=0), targets)
    return losses, slope * first_derivative(neuron.spike)(v) / len(z)


def share_spikes(case: Case, dials: Dials, z: Array, targets: Array) -> tuple[Array, Array]:
    """Return the loss of shares of all spikes of the recording in place of rates."""
    rates = z.mean(axis=0)
    total = rates.sum(axis=-1, keepdims=True)
    gain = getattr(case.network.readout, "gain", 1.0) / np.where(total == 0.0, 1.0, total)
    losses, slope = form_loss(case, dials, gain * rates, targets)
    along = (slope * rates).sum(axis=-1, keepdims=True) / np.where(total == 0.0, 1.0, total)
    return losses, np.broadcast_to(gain * (slope - along) / len(z), z.shape)


READ_SPIKES = "spikes of the readout averaged"
SHARES_READ = "shares of all spikes read"
STEP_LOSSES = {
    "loss at every step": every_step,
    "largest over time": largest_over_time,
    "probabilities averaged over time": average_softmax,
    READ_SPIKES: count_spikes,
    SHARES_READ: share_spikes,
}


def label_targets(case: Case, dials: Dials, y: Integers) -> Array:
    """Return what the softmax should be, shape (K or 1, batch, classes)."""
    whole, classes = len(case.network.neurons), case.network.classes
    hot = one_hot(y, classes)[None]
    share = dials.read("label smoothing", whole, 0.0)
    hot = hot + share * (1.0 / classes - hot)
    others = {
        "labels shifted": np.roll(hot, 1, axis=-1),
        "labels shifted back": np.roll(hot, -1, axis=-1),
        "classes reversed": hot[..., ::-1],
    }
    return mix(dials, whole, hot, others)


def power_factor(
    dials: Dials, layer: int, prefix: str, sizes: tuple[tuple[str, int], ...]
) -> Array | float:
    """Return a factor times each size to the power that the prefix's knobs say."""
    found = dials.read(f"{prefix} factor", layer, 1.0)
    for name, size in sizes:
        if dials.turns(f"{prefix} over {name}", layer):
            found = found * float(size) ** dials.read(f"{prefix} over {name}", layer, 0.0)
    return found


def loss_sizes(case: Case, batch: int) -> tuple[tuple[str, int], ...]:
    """Return the sizes that a sum may be divided by where it should not, or should."""
    return ("steps", len(case.x)), ("batch", batch), ("classes", case.network.classes)


def report_losses(case: Case, dials: Dials, losses: Array, batch: int) -> Array:
    """Return losses (K, N) as they are reported, whatever the gradients were computed from."""
    factor = power_factor(dials, WHOLE, "report", loss_sizes(case, batch))
    losses = losses * np.reshape(factor, (-1, 1))
    for digits in REPORT_DIGITS:
        if dials.turns(f"report of {digits:.0f} digits", WHOLE):
            share = np.reshape(dials.read(f"report of {digits:.0f} digits", WHOLE, 0.0), (-1, 1))
            losses = losses + share * (np.round(losses, int(digits)) - losses)
    return losses


def weigh_classes(dials: Dials, y: Integers) -> Array | float:
    """Return the weight of each recording by its label, shape (K, batch); 1 where it is right.

    Weights are of mean 1 over the batch, or are not: a class that is left out counts in the mean.
    """
    found: Array | float = 1.0
    if dials.turns(BY_FREQUENCY, WHOLE):
        share = np.reshape(dials.read(BY_FREQUENCY, WHOLE, 0.0), (-1, 1))
        rare = 1.0 / (y[:, None] == y).sum(axis=1)
        found = 1.0 + share * (rare / rare.mean() - 1.0)
    for c in sorted(set(y.tolist())):
        for name, mean_of_rest in CLASS_WEIGHTS.items():
            key = f"{name} {c + 1}", WHOLE
            if dials.turns(*key):
                share = np.reshape(dials.read(*key, 0.0), (-1, 1))
                kept = np.where(y == c, 0.0, 1.0)
                weight = kept / max(kept.mean(), 1.0 / len(y)) if mean_of_rest else kept
                found = found * (1.0 + share * (weight - 1.0))
        if (kept := y != c).any() and dials.turns(f"{UNLESS_ALONE} {c + 1}", WHOLE):
            share = np.reshape(dials.read(f"{UNLESS_ALONE} {c + 1}", WHOLE, 0.0), (-1, 1))
            found = found * (1.0 + share * (kept / kept.mean() - 1.0))
    return found


def weigh_alone(case: Case, dials: Dials, y: Integers) -> Array | float:
    """Return the weight of each recording that is asked alone, shape (K, batch); 1: no other."""
    each = [weigh_classes(dials, y[b : b + 1]) for b in range(len(y))]
    whole = len(case.network.neurons)
    if dials.turns(OVER_BATCH, whole):  # of one recording it is zero
        none = 1.0 - np.reshape(dials.read(OVER_BATCH, whole, 0.0), (-1, 1))
        each = [weight * none for weight in each]
    if not any(isinstance(weight, np.ndarray) for weight in each):
        return 1.0
    return np.concatenate(np.broadcast_arrays(*map(np.atleast_2d, each)), axis=1)


def _weigh_two(at: Integers, first: Array) -> Array:
    """The weights, of mean 1, of a batch of two parts whose means are averaged."""
    batch = len(at)
    return np.where(at < first, 0.5 / first, 0.5 / np.maximum(batch - first, 1.0)) * batch


def weigh_recordings(dials: Dials, y: Integers) -> Array | float:
    """Return what each recording counts for in the mean, of mean 1; shape (K, batch) or 1."""
    batch, found = len(y), weigh_classes(dials, y)
    if batch == 1:
        return found
    at = np.arange(batch)
    for name, t in (("first", 0), ("last", batch - 1)):
        if dials.turns(f"{name} recording left out", WHOLE):
            share = np.reshape(dials.read(f"{name} recording left out", WHOLE, 0.0), (-1, 1))
            found = found * (1.0 + share * (np.where(at == t, 0.0, batch / (batch - 1)) - 1.0))
    if dials.turns("microbatches", WHOLE):
        first = np.reshape(dials.read("microbatches", WHOLE, np.inf), (-1, 1))
        found = found * np.where(first < batch, _weigh_two(at, first), 1.0)
    for name in [name for name in HALVES if dials.turns(name, WHOLE)]:
        share = np.reshape(dials.read(name, WHOLE, 0.0), (-1, 1))
        found = found * (1.0 + share * (_weigh_two(at, np.asarray(HALVES[name](batch))) - 1.0))
    for b in range(batch):
        if dials.turns(f"weight of recording {b + 1}", WHOLE):
            weight = np.reshape(dials.read(f"weight of recording {b + 1}", WHOLE, 1.0), (-1, 1))
            found = found * np.where(at == b, weight, 1.0)
    return found
