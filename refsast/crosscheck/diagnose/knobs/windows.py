"""Truncated windows: what each step's spikes receive goes back some steps, and no further.

Rule 1: signals of steps whose windows do not overlap go back side by side, each cut at the end of
        its window; there are as many copies of a batch as windows that overlap.
Rule 2: a window is of one layer, or of all: then what goes down keeps to the window of its signal.
"""

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Dials
from refsast.crosscheck.diagnose.knobs.forward import LayerRun

MEMORY = "steps that a signal goes back"  # in one layer
WINDOWS, STRIDE = "window of steps", "steps between windows"  # in all layers


def count_windows(dials: Dials, key: tuple[str, int]) -> int:
    """Return how many windows overlap, in that setting in which the most do; 1: there is none."""
    if key not in dials.turned:
        return 1
    *_, found = _sizes(dials, key)
    return int(np.nan_to_num(found, nan=1.0).max())


def _sizes(dials: Dials, key: tuple[str, int]) -> tuple[Array, Array, Array]:
    """Steps of a window, between windows, and how many overlap, of K settings; NaN: no window."""
    size = dials.turned[key].ravel() + (1.0 if key[0] == MEMORY else 0.0)
    stride = np.ones_like(size)
    if key[0] == WINDOWS and (STRIDE, WHOLE) in dials.turned:
        given = dials.turned[STRIDE, WHOLE].ravel()
        stride = np.where(np.isnan(given), 1.0, given)
    return size, stride, np.ceil(size / stride)


def share_steps(dials: Dials, key: tuple[str, int], steps: int, batch: int) -> tuple[Array, Array]:
    """Return which copy has a step's signal, and whether a gradient comes to it from the next.

    Both of shape (time, K, copies batch, 1).
    """
    size, stride, count = (each.reshape(1, -1, 1) for each in _sizes(dials, key))
    copy = np.arange(count_windows(dials, key))
    step = np.arange(1.0, steps + 1.0).reshape(-1, 1, 1)
    with np.errstate(invalid="ignore"):
        own = np.ceil(step / stride) % count == copy
        later = np.ceil((step + 1.0) / stride)
        end = later + (copy - later) % count  # of the window that the next step is in
        open_ = step > end * stride - size
    alone = np.isnan(size)  # no window: all is in the first copy
    own, open_ = np.where(alone, copy == 0, own), np.where(alone, True, open_)
    found = (np.repeat(each.astype(np.float64), batch, axis=2)[..., None] for each in (own, open_))
    return tuple(found)  # pyright: ignore[reportReturnType]


def copy_batch(array: Array, copies: int) -> Array:
    """Return an array (time, K, batch, n) with its batch so many times."""
    return array if copies == 1 else np.tile(array, (1, 1, copies, 1))


def map_run(run: LayerRun, change: Callable[[Array], Array]) -> LayerRun:
    """Return a run with a change of each of its arrays."""
    arrays = {f.name: getattr(run, f.name) for f in fields(run)}
    return replace(run, **{n: change(a) for n, a in arrays.items() if a is not None})


def copy_run(run: LayerRun, copies: int) -> LayerRun:
    """Return a run with its batch so many times."""
    return run if copies == 1 else map_run(run, lambda a: copy_batch(a, copies))


def sum_copies(array: Array, copies: int) -> Array:
    """Return the sum over the copies of a batch."""
    return array if copies == 1 else split_copies(array, copies).sum(axis=-3)


def split_copies(array: Array, copies: int) -> Array:
    """Return an array (..., copies batch, n) with an axis for the copies of a batch."""
    *before, rows, n = array.shape
    return array.reshape(*before, copies, rows // copies, n)
