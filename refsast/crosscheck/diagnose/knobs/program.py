"""The whole computation in many settings of the knobs at once.

Rule 1: with no knob turned it is the reference, which a test holds against the tape.
Rule 2: from the readout down: a level has what it needs from the level above in a `Carry`, so that
        a search may go from layer to layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.diagnose.knobs.backward import backward_layer, input_gradient
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Dials, Setting, mix, stack_settings
from refsast.crosscheck.diagnose.knobs.finish import finish_arrays, finish_whole
from refsast.crosscheck.diagnose.knobs.forward import LayerRun, run_layers
from refsast.crosscheck.diagnose.knobs.readout import (
    ReadoutRun,
    power_factor,
    read_spikes,
    readout_bias_weight,
    readout_layer,
    weights_of_time,
)
from refsast.model.params import Layer, param_arrays


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
    carry: Array
    adjoints: Array | None = None


def run_forward(case: Case, dials: Dials) -> Run:
    """Run layers and readout."""
    layers = run_layers(case, dials)
    return Run(layers, read_spikes(case, dials, layers[-1].s, case.y))


def scale_losses(case: Case, dials: Dials, losses: Array, batch: int) -> Array:
    """Return losses (K, N), each of a batch of that size, as they are handed over."""
    factor = power_factor(dials, WHOLE, "loss", len(case.x), batch, case.network.classes)
    losses = losses * np.reshape(factor, (-1, 1))
    if dials.turns("weight penalty", WHOLE):
        size = sum(float((array**2).sum()) for array in param_arrays(case.params))
        losses = losses + 0.5 * np.reshape(dials.read("weight penalty", WHOLE, 0.0), (-1, 1)) * size
    return losses


def mean_loss(case: Case, dials: Dials, run: Run) -> Array:
    """Return the loss of the whole batch in each setting, shape (K,)."""
    mean = run.readout.losses.mean(axis=-1, keepdims=True)
    return scale_losses(case, dials, mean, len(case.y))[:, 0]


def logit_slopes(case: Case, dials: Dials, run: Run) -> Array:
    """Return dL/dlogits as the way back begins with it."""
    steps, batch = len(case.x), len(case.y)
    sizes = steps, batch, case.network.classes
    factor = power_factor(dials, WHOLE, "loss", *sizes)
    factor = factor * power_factor(dials, WHOLE, "gradient", *sizes) / batch
    for b in range(batch):
        if dials.turns(f"recording {b + 1}", WHOLE):
            at = (np.arange(batch) == b).reshape(-1, 1)
            factor = factor * np.where(at, dials.read(f"recording {b + 1}", WHOLE, 1.0), 1.0)
    return run.readout.slopes * factor


def readout_level(case: Case, dials: Dials, run: Run, slopes: Array) -> Level:
    """Return the gradients of the readout's parameters."""
    whole, layer = len(case.network.neurons), readout_layer(case)
    if case.network.readout.n_out is None:
        return Level({}, slopes)
    steps, s = len(case.x), run.layers[-1].s
    alpha = weights_of_time(case, dials, steps)
    back = mix_backward(case, dials, alpha)
    pooled = (back * s).sum(axis=0)
    gain = dials.read("weight gain", whole, 1.0)
    arrays = {"w": np.swapaxes(slopes, -1, -2) @ pooled * gain}
    if layer.b is not None:
        heard = readout_bias_weight(dials, case, steps)
        total = alpha.sum(axis=0)
        other = back.sum(axis=0) / np.where(total == 0.0, 1.0, total)
        heard = heard if back is alpha else heard * other
        arrays["b"] = (slopes * heard).sum(axis=-2)
    return Level(finish_arrays(case, whole, dials, layer, arrays), slopes)


def mix_backward(case: Case, dials: Dials, alpha: Array) -> Array:
    """The weights of time on the way back: those of the way forth, unless a knob says otherwise."""
    whole = len(case.network.neurons)
    if not any(name.endswith(" backward") and layer == whole for name, layer in dials.turned):
        return alpha
    return weights_of_time(case, dials, len(case.x), " backward")


def spikes_receive(case: Case, dials: Dials, slopes: Array) -> Array:
    """Return what the last layer's spikes receive from the logits, (time, K, batch, n)."""
    whole, layer = len(case.network.neurons), readout_layer(case)
    alpha = weights_of_time(case, dials, len(case.x))
    alpha = mix_backward(case, dials, alpha)
    g = (slopes @ layer.w) * dials.read("weight gain", whole, 1.0)
    if layer.w.shape[0] == layer.w.shape[1] and dials.turns("transposed weight backward", whole):
        g = mix(dials, whole, g, {"transposed weight backward": slopes @ layer.w.T})
    return alpha * g * dials.read("layer path", whole, 1.0)


def layer_level(case: Case, index: int, dials: Dials, run: Run, carry: Array) -> Level:
    """Return the gradients of a spiking layer from what the level above carries."""
    whole = len(case.network.neurons)
    if index + 1 == whole:
        g = spikes_receive(case, dials, carry)
    else:
        g = input_gradient(case, index + 1, dials, carry)
    found = backward_layer(case, index, dials, run.layers[index], g)
    arrays = finish_arrays(case, index, dials, case.params[index], found.arrays)
    return Level(arrays, found.current, found.adjoints)


def solve_settings(case: Case, settings: Sequence[Setting]) -> list[Answer]:
    """Return the whole answer in each setting."""
    dials = stack_settings(settings)
    run = run_forward(case, dials)
    loss = np.broadcast_to(mean_loss(case, dials, run), len(settings))
    whole = len(case.network.neurons)
    levels = [readout_level(case, dials, run, logit_slopes(case, dials, run))]
    for index in reversed(range(whole)):
        levels.insert(0, layer_level(case, index, dials, run, levels[0].carry))
    below = input_gradient(case, 0, dials, levels[0].carry)
    readout = [levels[-1].arrays] if levels[-1].arrays else []
    grads = finish_whole(dials, [level.arrays for level in levels[:-1]] + readout)

    def pick(array: Array, k: int, axis: int = 1) -> Array:
        return np.asarray(array.take(k if array.shape[axis] > 1 else 0, axis=axis))

    found = []
    for k in range(len(settings)):
        layers = tuple(Layer(**{n: pick(a, k, 0) for n, a in part.items()}) for part in grads)
        us, ss = (tuple(pick(getattr(r, n), k) for r in run.layers) for n in ("u", "s"))
        adjoints = tuple(pick(level.adjoints, k) for level in levels if level.adjoints is not None)
        found.append(Answer(float(loss[k]), layers, us, ss, adjoints, pick(below, k)))
    return found
