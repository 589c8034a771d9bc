"""From the last layer to the loss, by hand, with knobs; and the way back to what was read.

The loss is a sum of one number per recording, so that those of single recordings and of the whole
batch come from one run. With v_t the potential of the readout, and m_t what it counts for::

    v_t = leak v_{t-1} + W s_t + b        logits = sum_t m_t v_t = W sum_t alpha_t s_t + ...
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from refsast.arrays import Array, Integers
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.dials import (
    WHOLE,
    Dials,
    mix,
    multiply,
    shift_steps,
    trace_steps,
)
from refsast.crosscheck.diagnose.knobs.losses import STEP_LOSSES, form_loss, label_targets
from refsast.crosscheck.diagnose.knobs.weights import change_layer, change_weights
from refsast.model.params import Layer
from refsast.model.readout import LeakyReadout, SpikeRate

READ_RESET = "readout reset above a limit"
# Knobs that say which potentials count, so that they move the bias as they move the spikes.
LATE_POTENTIAL = "readout's potential one step late"  # that of its bias, too
SHARE_UNREAD = "share of the first steps unread"  # one of so many, cut to whole steps
ONE_UNREAD = SHARE_UNREAD + ", at least one"
SHARE_ZERO = "share of the first steps read as zero"  # the mean stays over all steps
# How many of the first steps are not read: the number that turns none off, and what it counts.
UNREAD: Mapping[str, tuple[float, Callable[[int, Array], Array]]] = {
    "first steps unread": (0.0, lambda steps, n: n),
    SHARE_UNREAD: (np.inf, lambda steps, n: np.floor(steps / n)),
    ONE_UNREAD: (
        np.inf,
        lambda steps, n: np.where(np.isfinite(n), np.maximum(np.floor(steps / n), 1.0), 0.0),
    ),
    SHARE_ZERO: (np.inf, lambda steps, n: np.floor(steps / n)),
}
COUNTED = (SHARE_ZERO, SHARE_UNREAD, ONE_UNREAD, LATE_POTENTIAL, "readout leak",
           "logits summed over time", "final potential", "first steps unread",
           "all but the last step", "mean over a step more", "mean over a step less")  # fmt: skip

DOWN_REVERSED = "gradient from the readout to spikes reversed"
DOWN_SHORT = "spikes one step short backward"
DOWN_UNLEAKED = "gradient from the readout to spikes without its leak"
DOWN_DISCOUNTED = "gradient from the readout to spikes discounted"
BIAS_AFTER = "readout bias added once, after the integration"


@dataclass(frozen=True, eq=False)
class Slopes:
    """The derivative of the loss in the logits: of those of the whole run, or of each step.

    Attributes
    ----------
    pooled : (K, batch, classes) array
        In the logits.
    steps : (time, K, batch, classes) array or None
        In the logits of each step, where the loss is of these.
    """

    pooled: Array
    steps: Array | None = None


@dataclass(frozen=True, eq=False)
class ReadoutRun:
    """The readout of a run.

    Attributes
    ----------
    heard : (time, K, batch, n) array
        What it reads: spikes.
    losses : (K, batch) array
        Of each recording, before the mean over them.
    slopes : Slopes
        The derivative of each recording's loss in its logits.
    """

    heard: Array
    losses: Array
    slopes: Slopes


def readout_leak(case: Case, dials: Dials, side: str = "") -> Array | float:
    """Return the leak of the readout; zero where it has none."""
    readout, whole = case.network.readout, len(case.network.neurons)
    leak = readout.leak if isinstance(readout, LeakyReadout) else 0.0
    leak = dials.read("readout leak", whole, leak)
    return dials.read("readout leak" + side, whole, leak) if side else leak


def readout_gain(case: Case, dials: Dials) -> Array | float:
    """Return the gain of the logits."""
    readout = case.network.readout
    gain = readout.gain if isinstance(readout, SpikeRate) else 1.0
    return dials.read("gain", len(case.network.neurons), gain)


def _gather(leak: Array | float, counts: Array) -> Array:
    """The weight of each spike, if its potential counts so much: summed from the last step on."""
    return trace_steps(counts[::-1], leak)[::-1]


def weights_of_time(case: Case, dials: Dials, steps: int, side: str = "") -> Array:
    """Return the weight of each step's spikes in the logits, shape (time, K or 1, 1, 1)."""
    whole = len(case.network.neurons)
    leak, gain = readout_leak(case, dials, side), readout_gain(case, dials)
    at = np.arange(steps).reshape(-1, 1, 1, 1)
    ones = np.ones(at.shape)
    right = gain * _gather(leak, ones / steps)
    others = {
        "sum over time": lambda: right * steps,
        "logits summed over time": lambda: right * steps,
        "last step": lambda: np.where(at == steps - 1, right.sum(axis=0), 0.0),
        "first step unread": lambda: np.where(at == 0, 0.0, right),
        "last step unread": lambda: np.where(at == steps - 1, 0.0, right),
        "readout one step late": lambda: shift_steps(right, -1),
        LATE_POTENTIAL: lambda: shift_steps(right, -1),
        "readout state detached": lambda: gain / steps + 0.0 * right,
        "final potential": lambda: gain * _gather(leak, 1.0 * (at == steps - 1)),
        "all but the last step": lambda: (
            gain * _gather(leak, (at < max(steps - 1, 1)) / max(steps - 1, 1))
        ),
        "mean over a step more": lambda: right * (steps / (steps + 1)),
        "mean over a step less": lambda: right * (steps / max(steps - 1, 1)),
    }
    if side:
        others["readout forward in time"] = lambda: right[::-1]
    found = mix(dials, whole, right, {name + side: other for name, other in others.items()})
    for name, (none, count) in UNREAD.items():
        if dials.turns(name + side, whole):
            first = np.minimum(
                count(steps, np.asarray(dials.read(name + side, whole, none))), steps - 1.0
            )
            read = gain * _gather(leak, (at >= first) / (steps - first))
            read = np.where(at >= first, right, 0.0) if name == SHARE_ZERO else read
            found = np.where(first == 0.0, found, read)
    return found


def readout_layer(case: Case) -> Layer:
    """Return the parameters of the readout; of one without parameters, the identity."""
    if case.network.readout.n_out is None:
        return Layer(np.eye(case.network.classes))
    return case.params[-1]


def read_spikes(case: Case, dials: Dials, heard: Array, y: Integers) -> ReadoutRun:
    """Return losses of what is read, (time, K, batch, n), with the way back to the logits."""
    layer, whole, steps = readout_layer(case), len(case.network.neurons), len(heard)
    pooled = (weights_of_time(case, dials, steps) * heard).sum(axis=0)
    w = change_weights(dials, whole, layer.w)
    logits = (pooled @ np.swapaxes(w, -1, -2)) * dials.read("weight gain", whole, 1.0)
    bias = np.zeros(()) if layer.b is None else change_layer(dials, whole, layer.b)
    temper = dials.read("temperature", whole, 1.0)
    logits = (logits + readout_bias_weight(dials, case, steps) * bias) * temper
    if dials.turns("products in TF32", WHOLE) and case.network.readout.n_out is not None:
        share = dials.read("products in TF32", WHOLE, 0.0)
        logits = logits + share * (step_logits(case, dials, heard).mean(axis=0) * temper - logits)
    if dials.turns(READ_RESET, whole):  # detached, as by a neuron that fires
        limit = dials.read(READ_RESET, whole, np.inf)
        reset = step_logits(case, dials, heard, limit).mean(axis=0) * temper
        logits = np.where(np.isfinite(limit), reset, logits)
    targets = label_targets(case, dials, y)
    losses, slopes = form_loss(case, dials, logits, targets)
    of_steps = None
    for name in [name for name in STEP_LOSSES if dials.turns(name, whole)]:
        share = np.asarray(dials.read(name, whole, 0.0))
        z = temper * step_logits(case, dials, heard)
        other, each = STEP_LOSSES[name](case, dials, z, targets)
        losses = losses + share[..., 0] * (other - losses)
        slopes, each = (1.0 - share) * slopes, temper * share * each
        of_steps = each if of_steps is None else of_steps + each
    return ReadoutRun(heard, losses, Slopes(slopes * temper, of_steps))


def step_logits(case: Case, dials: Dials, heard: Array, limit: Array | float = np.inf) -> Array:
    """Return the logits of each step, (time, K, batch, classes), whose mean over time is read.

    A potential loses `limit` at the step after one at which it was above it.
    """
    layer, whole = readout_layer(case), len(case.network.neurons)
    leak, gain = readout_leak(case, dials), readout_gain(case, dials)
    w = np.swapaxes(change_weights(dials, whole, layer.w), -1, -2)
    drive = multiply(dials, heard, w) * dials.read("weight gain", whole, 1.0)
    if layer.b is not None:
        drive = drive + change_layer(dials, whole, layer.b) * dials.read("bias gain", whole, 1.0)
    v, found = np.zeros(()), []
    for now in drive:
        v = leak * v + now - np.where(v > limit, limit, 0.0)
        found.append(gain * v)
    return np.stack(np.broadcast_arrays(*found))


def step_drives(case: Case, dials: Dials, slopes: Slopes) -> Array | float:
    """Return what the readout's input of each step receives from logits of single steps."""
    if slopes.steps is None:
        return 0.0
    return readout_gain(case, dials) * _gather(readout_leak(case, dials), slopes.steps)


def readout_bias_weight(dials: Dials, case: Case, steps: int) -> Array | float:
    """How often the readout's bias is heard: not the less for spikes that are left out."""
    whole = len(case.network.neurons)
    kept = {key: values for key, values in dials.turned.items() if key[0] in COUNTED}
    each = weights_of_time(case, Dials(kept), steps)
    usual = each.sum(axis=0)
    if dials.turns("readout bias at the first step", whole):
        share = dials.read("readout bias at the first step", whole, 0.0)
        usual = usual + share * (each[0] - usual)
    if dials.turns(BIAS_AFTER, whole):
        usual = usual + dials.read(BIAS_AFTER, whole, 0.0) * (1.0 - usual)
    gain = dials.read("bias gain", whole, 1.0)
    return usual * gain * float(steps) ** dials.read("readout bias summed", whole, 0.0)


def weigh_spikes(dials: Dials, whole: int, alpha: Array) -> Array:
    """The weights of time in what the readout gives to spikes, its own gradients being right."""
    even = np.full(alpha.shape, 1.0 / len(alpha))
    short = shift_steps(alpha, -1)
    others = {DOWN_REVERSED: alpha[::-1], DOWN_UNLEAKED: even, DOWN_SHORT: short}
    found = mix(dials, whole, alpha, others)
    if not dials.turns(DOWN_DISCOUNTED, whole):
        return found
    ahead = np.arange(len(alpha))[::-1].reshape(-1, 1, 1, 1)
    return found * dials.read(DOWN_DISCOUNTED, whole, 1.0) ** ahead
