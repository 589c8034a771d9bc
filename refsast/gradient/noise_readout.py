"""The readout and the loss of runs with random errors, and the errors that arise in them."""

from dataclasses import dataclass

import numpy as np

from refsast.arrays import Array
from refsast.autodiff.summation import count_equal_terms, sum_noise
from refsast.gradient.noise_run import Run, compute_logits, compute_losses
from refsast.model.loss import softmax


@dataclass(frozen=True, eq=False)
class ReadoutErrors:
    """Errors that arise in the readout, in roundings, each (1, batch, ...)."""

    pooled: Array
    logits: Array
    g: Array
    back: Array


def readout_errors(run: Run) -> ReadoutErrors:
    """Where errors arise in the readout."""
    w, b, time = run.readout.w, run.readout.b, len(run.alpha)
    alike = count_equal_terms(run.layers[-1].s.reshape(time, -1))
    pooled = sum_noise(run.pooled, run.pooled, time, time, alike)
    terms = run.pooled @ abs(w).T + (0.0 if b is None else abs(b) * run.alpha.sum())
    logits = sum_noise(run.logits, terms, w.shape[1] + 1.0)
    # A softmax has the error of the exponent: of the distance from the largest logit.
    p, depth = softmax(run.logits), run.logits.max(axis=-1, keepdims=True) - run.logits
    g = (p * (2.0 + depth + abs(run.logits).max(axis=-1, keepdims=True)) + run.truth) / len(
        run.truth
    )
    back = sum_noise(run.g @ w, abs(run.g) @ abs(w), len(w))
    return ReadoutErrors(pooled, logits, g, back)


def run_readout(
    run: Run, alpha: Array, s: Array, unit: float, repeats: int, rng: np.random.Generator
) -> tuple[Array, Array, Array, Array]:
    """Losses of the repeats, what is pooled, the derivative in the logits, what is sent back."""
    errors = readout_errors(run)

    def noisy(value: Array, size: Array) -> Array:
        anew = rng.standard_normal((repeats, *size.shape[1:]))
        alike = rng.standard_normal((repeats, 1, size.shape[2]))  # in all recordings
        return value + unit * size * (anew + alike)

    pooled = noisy((alpha * s).sum(axis=0), errors.pooled)
    z = noisy(compute_logits(run.readout, pooled, alpha.sum(axis=0)), errors.logits)
    g = noisy((softmax(z) - run.truth) / len(run.truth), errors.g)
    return compute_losses(run, z), pooled, g, alpha * noisy(g @ run.readout.w, errors.back)
