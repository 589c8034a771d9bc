"""From the last spikes to the loss, by hand, with knobs; and the way back to the spikes.

The loss is a sum of one number per recording, so that those of single recordings and of the whole
batch come from one run.
"""

from dataclasses import dataclass

import numpy as np

from refsast.arrays import Array, Integers
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.dials import Dials, mix
from refsast.model.params import Layer
from refsast.model.readout import LeakyReadout, SpikeRate

LOSS_FORMS = (
    "softmax twice",
    "squares of the softmax",
    "squares of the logits",
    "squares of the scores",
)


@dataclass(frozen=True, eq=False)
class ReadoutRun:
    """The readout of a run.

    Attributes
    ----------
    pooled : (K, batch, n) array
        Sum over time of the weighted spikes.
    losses : (K, batch) array
        Of each recording, before the mean over them.
    slopes : (K, batch, classes) array
        The derivative of each recording's loss in its logits.
    """

    pooled: Array
    losses: Array
    slopes: Array


def weights_of_time(case: Case, dials: Dials, steps: int, side: str = "") -> Array:
    """Return the weight of each step in the logits, shape (time, K or 1, 1, 1)."""
    readout, whole = case.network.readout, len(case.network.neurons)
    leak = readout.leak if isinstance(readout, LeakyReadout) else 0.0
    leak = dials.read("readout leak", whole, leak)
    if side:
        leak = dials.read("readout leak" + side, whole, leak)
    gain = readout.gain if isinstance(readout, SpikeRate) else 1.0
    gain = dials.read("gain", whole, gain)
    kernel = np.asarray(leak) ** np.arange(steps).reshape(-1, 1, 1, 1)
    right = gain * np.cumsum(kernel, axis=0)[::-1] / steps
    at = np.arange(steps).reshape(-1, 1, 1, 1)
    others = {
        "sum over time": right * steps,
        "last step": np.where(at == steps - 1, right.sum(axis=0), 0.0),
        "final potential": gain * kernel[::-1],
        "first step unread": np.where(at == 0, 0.0, right),
        "last step unread": np.where(at == steps - 1, 0.0, right),
        "readout one step late": np.concatenate([right[1:], 0.0 * right[:1]]),
        "readout state detached": np.broadcast_to(gain / steps + 0.0 * kernel, right.shape),
    }
    return mix(dials, whole, right, {name + side: other for name, other in others.items()})


def readout_layer(case: Case) -> Layer:
    """Return the parameters of the readout; of one without parameters, the identity."""
    if case.network.readout.n_out is None:
        return Layer(np.eye(case.network.classes))
    return case.params[-1]


def read_spikes(case: Case, dials: Dials, s: Array, y: Integers) -> ReadoutRun:
    """Return losses of spikes of shape (time, K, batch, n), with the way back to the logits."""
    layer, whole, steps = readout_layer(case), len(case.network.neurons), len(s)
    alpha = weights_of_time(case, dials, steps)
    pooled = (alpha * s).sum(axis=0)
    logits = (pooled @ layer.w.T) * dials.read("weight gain", whole, 1.0)
    bias = np.zeros(()) if layer.b is None else layer.b
    heard = readout_bias_weight(dials, case, steps)
    temper = dials.read("temperature", whole, 1.0)
    logits = (logits + heard * bias) * temper
    targets = label_targets(case, dials, y)
    losses, slopes = cross_entropies(logits, targets)
    for name in [name for name in LOSS_FORMS if dials.turns(name, whole)]:
        share = np.asarray(dials.read(name, whole, 0.0))
        other, slope = other_loss(name, logits, targets)
        slopes = slopes + share * (slope - slopes)
        losses = losses + share[..., 0] * (other - losses)
    return ReadoutRun(pooled, losses, slopes * temper)


def readout_bias_weight(dials: Dials, case: Case, steps: int) -> Array | float:
    """How often the readout's bias is heard: not the less for spikes that are left out."""
    whole = len(case.network.neurons)
    kept = {
        key: values
        for key, values in dials.turned.items()
        if key[0] in ("readout leak", "final potential")
    }
    usual = weights_of_time(case, Dials(kept), steps).sum(axis=0)
    gain = dials.read("bias gain", whole, 1.0)
    return usual * gain * float(steps) ** dials.read("readout bias summed", whole, 0.0)


def label_targets(case: Case, dials: Dials, y: Integers) -> Array:
    """Return what the softmax should be, shape (K or 1, batch, classes)."""
    whole, classes = len(case.network.neurons), case.network.classes
    hot = np.eye(classes)[y][None]
    share = dials.read("label smoothing", whole, 0.0)
    hot = hot + share * (1.0 / classes - hot)
    return mix(dials, whole, hot, {"labels shifted": np.roll(hot, 1, axis=-1)})


def cross_entropies(logits: Array, targets: Array) -> tuple[Array, Array]:
    """Return the loss of each recording and its derivative in the logits."""
    z = logits - logits.max(axis=-1, keepdims=True)
    e = np.exp(z)
    total = e.sum(axis=-1, keepdims=True)
    return (targets * (np.log(total) - z)).sum(axis=-1), e / total - targets


def other_loss(name: str, logits: Array, targets: Array) -> tuple[Array, Array]:
    """Return another loss of each recording and its derivative."""
    z = logits - logits.max(axis=-1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
    if name == "squares of the logits":
        return ((logits - targets) ** 2).mean(axis=-1), 2.0 * (logits - targets) / z.shape[-1]
    if name == "squares of the scores":
        return ((logits - targets) ** 2).sum(axis=-1), 2.0 * (logits - targets)
    if name == "softmax twice":
        loss, slope = cross_entropies(p, targets)
    else:
        loss, slope = ((p - targets) ** 2).mean(axis=-1), 2.0 * (p - targets) / z.shape[-1]
    return loss, p * (slope - (p * slope).sum(axis=-1, keepdims=True))


def power_factor(
    dials: Dials, layer: int, prefix: str, steps: int, batch: int, classes: int
) -> Array | float:
    """Return ``factor steps^a batch^b classes^c`` of the four knobs of a prefix."""
    found = dials.read(f"{prefix} factor", layer, 1.0)
    for name, size in (("steps", steps), ("batch", batch), ("classes", classes)):
        if dials.turns(f"{prefix} over {name}", layer):
            found = found * float(size) ** dials.read(f"{prefix} over {name}", layer, 0.0)
    return found
