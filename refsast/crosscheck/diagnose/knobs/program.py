"""The whole computation in many settings of the knobs at once.

Rule 1: with no knob turned it is the reference, which a test holds against the tape.
Rule 2: from the readout down: a level has what it needs from the level above in a `Carry`, so that
        a search may go from layer to layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.diagnose.knobs.batches import batch_factor
from refsast.crosscheck.diagnose.knobs.below import UPDATED, Currents, input_gradient
from refsast.crosscheck.diagnose.knobs.counted import count_terms, lone_recording
from refsast.crosscheck.diagnose.knobs.dials import (
    AS_RIGHT,
    WHOLE,
    Dials,
    Setting,
    mix,
    multiply,
    shift_steps,
    stack_settings,
)
from refsast.crosscheck.diagnose.knobs.finish import finish_arrays
from refsast.crosscheck.diagnose.knobs.finish_whole import (
    finish_whole,
    hand_over,
    whole_changes,
)
from refsast.crosscheck.diagnose.knobs.forward import HARD_IN, LayerRun
from refsast.crosscheck.diagnose.knobs.losses import (
    loss_sizes,
    power_factor,
    report_losses,
    weigh_recordings,
)
from refsast.crosscheck.diagnose.knobs.penalties import penalise_spikes, penalise_weights
from refsast.crosscheck.diagnose.knobs.questions import (
    ask_otherwise,
    question_of,
    restore_answer,
)
from refsast.crosscheck.diagnose.knobs.readout import (
    ReadoutRun,
    Slopes,
    read_spikes,
    readout_bias_weight,
    readout_gain,
    readout_layer,
    step_drives,
    weigh_spikes,
    weights_of_time,
)
from refsast.crosscheck.diagnose.knobs.recordings import backward_windows, run_layers
from refsast.crosscheck.diagnose.knobs.sums import pair_steps
from refsast.crosscheck.diagnose.knobs.weights import backward_weights, derive_weights
from refsast.crosscheck.diagnose.knobs.windows import copy_batch, sum_copies
from refsast.model.params import Layer

BIAS_ONCE = "gradient in the readout's bias without its sum over time"
UNLEAKED = "gradient in W of the readout without its leak"
LAST_HEARD = "gradient in W of the readout from the last spikes alone"
LAST_WEIGHED = LAST_HEARD + ", weighed as all"
# What a level is computed from: slopes of the logits, or adjoints of the currents above.
Carry: TypeAlias = Currents | Slopes


@dataclass(frozen=True, eq=False)
class Run:
    """A forward run in K settings."""

    layers: list[LayerRun]
    readout: ReadoutRun


@dataclass(frozen=True, eq=False)
class Level:
    """One level of the way back.

    Attributes
    ----------
    arrays : dict
        Gradients of the level's parameters, by ``w``, ``b``, ``v``, each (K, ...).
    carry : array
        What the level below is computed from: slopes of the logits, or adjoints of currents.
    adjoints : array or None
        dL/du of a spiking layer.
    """

    arrays: dict[str, Array]
    carry: Carry
    adjoints: Array | None = None


def run_forward(case: Case, dials: Dials) -> Run:
    """Run layers and readout."""
    layers, whole = run_layers(case, dials), len(case.network.neurons)
    others = {"potentials read": layers[-1].u, HARD_IN: lambda: np.round(layers[-1].s)}
    heard = mix(dials, whole, layers[-1].s, others)
    readout = read_spikes(case, dials, heard, case.y)
    penalty = sum(penalise_spikes(dials, i, layer.s)[0] for i, layer in enumerate(layers))
    return Run(layers, replace(readout, losses=readout.losses + penalty))


def scale_losses(case: Case, dials: Dials, losses: Array, batch: int) -> Array:
    """Return losses (K, N), each of a batch of that size, as they are handed over."""
    factor = power_factor(dials, WHOLE, "loss", loss_sizes(case, batch))
    factor = factor * batch_factor(dials, batch)
    losses = losses * np.reshape(factor, (-1, 1))
    losses = losses + penalise_weights(case, dials)
    return report_losses(case, dials, losses, batch)


def mean_loss(case: Case, dials: Dials, run: Run) -> Array:
    """Return the loss of the whole batch in each setting, shape (K,)."""
    batch = len(case.y)
    losses = run.readout.losses * weigh_recordings(dials, case.y)
    return scale_losses(case, dials, losses.mean(axis=-1, keepdims=True), batch)[:, 0]


def weigh_slopes(case: Case, dials: Dials) -> Array | float:
    """Return what the derivative of each recording's loss is multiplied by on the way back."""
    batch = len(case.y)
    sizes = loss_sizes(case, batch)
    factor = power_factor(dials, WHOLE, "loss", sizes) * batch_factor(dials, batch)
    factor = factor * power_factor(dials, WHOLE, "gradient", sizes) / batch
    weights = np.asarray(weigh_recordings(dials, case.y))
    factor = factor * (weights[..., None] if weights.ndim else weights)
    factor = factor * lone_recording(dials, batch)
    for b in range(batch):
        if dials.turns(f"recording {b + 1}", WHOLE):
            at = (np.arange(batch) == b).reshape(-1, 1)
            factor = factor * np.where(at, dials.read(f"recording {b + 1}", WHOLE, 1.0), 1.0)
    return factor


def logit_slopes(case: Case, dials: Dials, run: Run) -> Slopes:
    """Return dL/dlogits as the way back begins with it."""
    factor, slopes = weigh_slopes(case, dials), run.readout.slopes
    return Slopes(slopes.pooled * factor, None if slopes.steps is None else slopes.steps * factor)


def readout_level(case: Case, dials: Dials, run: Run, slopes: Slopes) -> Level:
    """Return the gradients of the readout's parameters."""
    whole, layer = len(case.network.neurons), readout_layer(case)
    if case.network.readout.n_out is None:
        return Level({}, slopes)
    steps, heard = len(case.x), run.readout.heard
    alpha = weights_of_time(case, dials, steps)
    back = mix_backward(case, dials, alpha)
    drives = step_drives(case, dials, slopes)
    w = np.swapaxes(slopes.pooled, -1, -2) @ (back * heard).sum(axis=0)
    w = w if slopes.steps is None else w + pair_steps(np.asarray(drives), heard)
    if dials.turns("products in TF32", WHOLE):  # of each step, as they are computed
        other = pair_steps(back * slopes.pooled + drives, heard, dials)
        w = w + dials.read("products in TF32", WHOLE, 0.0) * (other - w)
    each = back * slopes.pooled + drives
    counts = count_terms(dials, whole, "w", each)
    w = pair_steps(counts * each, heard) if isinstance(counts, np.ndarray) else w
    if dials.turns(UNLEAKED, whole) and slopes.steps is None:
        plain = readout_gain(case, dials) / steps
        other = np.swapaxes(slopes.pooled, -1, -2) @ (plain * heard).sum(axis=0)
        w = mix(dials, whole, w, {UNLEAKED: other})
    last = {
        LAST_HEARD: lambda: np.swapaxes(slopes.pooled, -1, -2) @ heard[-1],
        LAST_WEIGHED: lambda: np.swapaxes(slopes.pooled, -1, -2) @ (alpha.sum(axis=0) * heard[-1]),
    }
    w = mix(dials, whole, w, last if slopes.steps is None else {})
    w = derive_weights(dials, whole, layer.w, w)
    arrays = {"w": w * dials.read("weight gain", whole, 1.0)}
    if layer.b is not None:
        counted = readout_bias_weight(dials, case, steps)
        total = alpha.sum(axis=0)
        other = back.sum(axis=0) / np.where(total == 0.0, 1.0, total)
        counted = counted if back is alpha else counted * other
        if isinstance(counts := count_terms(dials, whole, "b", each), np.ndarray):
            counted = counted * (counts * alpha).sum(axis=0) / np.where(total == 0.0, 1.0, total)
        b = (slopes.pooled * counted).sum(axis=-2)
        if dials.turns(BIAS_ONCE, whole):
            share = np.asarray(dials.read(BIAS_ONCE, whole, 0.0))[..., 0]
            b = b + share * (slopes.pooled.sum(axis=-2) - b)
        if slopes.steps is not None:
            gain = np.reshape(dials.read("bias gain", whole, 1.0), (-1, 1))
            b = b + np.asarray(drives).sum(axis=(0, -2)) * gain
        arrays["b"] = b
    return Level(finish_arrays(case, whole, dials, layer, arrays), slopes)


def mix_backward(case: Case, dials: Dials, alpha: Array) -> Array:
    """The weights of time on the way back: those of the way forth, unless a knob says otherwise."""
    whole = len(case.network.neurons)
    if not any(name.endswith(" backward") and layer == whole for name, layer in dials.turned):
        return alpha
    return weights_of_time(case, dials, len(case.x), " backward")


def spikes_receive(case: Case, dials: Dials, slopes: Slopes, heard: Array) -> Array:
    """Return what the last layer's spikes receive from the logits, (time, K, batch, n)."""
    whole, layer = len(case.network.neurons), readout_layer(case)
    alpha = mix_backward(case, dials, weights_of_time(case, dials, len(case.x)))
    alpha = weigh_spikes(dials, whole, alpha)
    drives = alpha * slopes.pooled + step_drives(case, dials, slopes)
    w = backward_weights(dials, whole, layer.w)
    if dials.turns(UPDATED, whole) and isinstance(drives, np.ndarray):
        learned = pair_steps(np.broadcast_to(drives, (len(heard), *drives.shape[1:])), heard)
        w = w - dials.read(UPDATED, whole, 0.0) * learned
    g = alpha * (slopes.pooled @ w)
    g = g if slopes.steps is None else g + step_drives(case, dials, slopes) @ w
    others = {"signs of the weights backward": lambda: drives @ np.sign(layer.w)}
    if layer.w.shape[0] == layer.w.shape[1]:
        others["transposed weight backward"] = lambda: drives @ layer.w.T
    g = mix(dials, whole, g, others)
    if case.network.readout.n_out is not None:
        g = mix(dials, WHOLE, g, {"products in TF32": multiply(dials, drives, layer.w)})
    g = g * dials.read("weight gain", whole, 1.0)
    factor = power_factor(dials, whole, "spikes", loss_sizes(case, len(case.y)))
    return g * (factor * dials.read("layer path", whole, 1.0))


def layer_level(case: Case, index: int, dials: Dials, run: Run, carry: Carry) -> Level:
    """Return the gradients of a spiking layer from what the level above carries."""
    whole, copies = len(case.network.neurons), 1
    if index + 1 == whole:
        assert isinstance(carry, Slopes)
        g = spikes_receive(case, dials, carry, run.readout.heard)
    else:
        assert isinstance(carry, Currents)
        copies = carry.copies
        above = copy_batch(run.layers[index + 1].a, copies)
        g = input_gradient(case, index + 1, dials, carry, above)
    received = g
    penalty = penalise_spikes(dials, index, run.layers[index].s, " backward")[1]
    if isinstance(penalty, np.ndarray):
        g = g + copy_batch(penalty * weigh_slopes(case, dials), copies) / copies
    before = copies
    found, copies = backward_windows(case, index, dials, run.layers[index], g)
    received = copy_batch(received, copies // before) / (copies // before)
    arrays = finish_arrays(case, index, dials, case.params[index], found.arrays)
    adjoints = sum_copies(found.adjoints, copies)
    return Level(arrays, Currents(found.current, received, found.local, copies), adjoints)


def solve_settings(case: Case, settings: Sequence[Setting]) -> list[Answer]:
    """Return the whole answer in each setting."""
    # Settings are run side by side where they ask the same, and change all gradients alike.
    kinds = [
        (question_of(setting), whole_changes(setting), (AS_RIGHT, WHOLE) in setting)
        for setting in settings
    ]
    found: dict[int, Answer] = {}
    for kind in dict.fromkeys(kinds):
        name, changes, as_right = kind
        at = [k for k, other in enumerate(kinds) if other == kind]
        alike = [settings[k] for k in at]
        answers = _solve_alike(ask_otherwise(case, name), alike, changes, as_right)
        found |= {
            k: restore_answer(case, name, answer) for k, answer in zip(at, answers, strict=True)
        }
    return [found[k] for k in range(len(settings))]


def solve_levels(case: Case, dials: Dials, as_right: bool = False) -> tuple[Run, list[Level]]:
    """Return the forward run and all levels, the readout's last.

    `as_right`: knobs are turned on the way forth alone.
    """
    run = run_forward(case, dials)
    if as_right:
        return run, _go_back(case, Dials({}), _forget_knobs(case, run))
    return run, _go_back(case, dials, run)


def _go_back(case: Case, dials: Dials, run: Run) -> list[Level]:
    """All levels of the way back through a run."""
    levels = [readout_level(case, dials, run, logit_slopes(case, dials, run))]
    for index in reversed(range(len(case.network.neurons))):
        levels.insert(0, layer_level(case, index, dials, run, levels[0].carry))
    return levels


def _forget_knobs(case: Case, run: Run) -> Run:
    """The potentials and spikes of a run, and all else as if they were right."""
    a, layers = case.x[:, None], []
    for layer in run.layers:
        u, s = layer.u, layer.s
        before, resets = shift_steps(u, 1), shift_steps(s, 1)
        layers.append(LayerRun(a, u, s, resets, np.zeros_like(u), before))
        a = s
    return Run(layers, replace(run.readout, heard=a))


def _solve_alike(
    case: Case,
    settings: Sequence[Setting],
    changes: frozenset[tuple[str, float]],
    as_right: bool,
) -> list[Answer]:
    dials = stack_settings(settings)
    run, levels = solve_levels(case, dials, as_right)
    loss = np.broadcast_to(mean_loss(case, dials, run), len(settings))
    carry = levels[0].carry
    assert isinstance(carry, Currents)
    back = Dials({}) if as_right else dials
    below = sum_copies(input_gradient(case, 0, back, carry), carry.copies)
    readout = [levels[-1].arrays] if levels[-1].arrays else []
    spiking = [level.arrays for level in levels[:-1]]
    grads = finish_whole(changes, spiking, readout)
    found = []
    for k in range(len(settings)):
        layers = tuple(Layer(**{n: _pick(a, k, 0) for n, a in part.items()}) for part in grads)
        us, ss = (tuple(_pick(getattr(r, n), k) for r in run.layers) for n in ("u", "s"))
        adjoints = tuple(_pick(level.adjoints, k) for level in levels if level.adjoints is not None)
        us = hand_over(case, settings[k], us, ss)
        found.append(Answer(float(loss[k]), layers, us, ss, adjoints, _pick(below, k)))
    return found


def _pick(array: Array, k: int, axis: int = 1) -> Array:
    """The array of one of the settings."""
    return np.asarray(array.take(k if array.shape[axis] > 1 else 0, axis=axis))
