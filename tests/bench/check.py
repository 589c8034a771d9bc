"""Is it the same gradient? Nobody is timed unmarked who does not pass."""

import numpy as np

from tests.bench.implementations import Answer

TOLERANCE = 1e-4  # relative to the norm: float32 through a hundred steps


def verdict(got: Answer, wanted: Answer) -> str:
    """Return what is wrong with an answer, in a few words; empty if nothing is.

    The loss is compared relative to itself, each gradient relative to the norm of what it must be.
    A NaN is wrong.
    """
    loss, grads = got
    if not abs(loss - wanted[0]) <= TOLERANCE * abs(wanted[0]):
        return f"loss {loss:.6g}, not {wanted[0]:.6g}"
    if len(grads) != len(wanted[1]):
        return f"{len(grads)} gradients, not {len(wanted[1])}"
    for i, (grad, true) in enumerate(zip(grads, wanted[1], strict=True), 1):
        if grad.shape != true.shape:
            return f"layer {i}: shape {grad.shape}, not {true.shape}"
        gap = relative(grad, true)
        if not gap <= TOLERANCE:
            return f"layer {i} is off by {gap:.2g} of its norm"
    return ""


def relative(got: np.ndarray, true: np.ndarray) -> float:
    """Return the distance in units of the norm of what is true."""
    return float(np.linalg.norm(got.astype(np.float64) - true) / np.linalg.norm(true))
