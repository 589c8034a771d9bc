"""Runs that begin with the states that another one left: of the recording before, or of a pass.

Rule 1: recordings one after the other are one run through all their steps; on the way back the
        gradient goes through them, too, unless states are detached between recordings.
Rule 2: of an earlier pass through the same steps no gradient comes back.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import Array
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.backward import LayerGradients, backward_layer
from refsast.crosscheck.diagnose.knobs.dials import (
    WHOLE,
    Dials,
    mask_settings,
    mix,
    pick_rows,
    pick_settings,
    put_settings,
)
from refsast.crosscheck.diagnose.knobs.forward import (
    HARD_IN,
    POTENTIALS_IN,
    LayerRun,
    residual_share,
    run_layer,
)
from refsast.crosscheck.diagnose.knobs.restarts import WARMED
from refsast.crosscheck.diagnose.knobs.windows import (
    MEMORY,
    WINDOWS,
    copy_batch,
    count_windows,
    map_run,
    share_steps,
    sum_copies,
)

CARRIED = "states carried to the next recording"
# Whether the gradient goes from a recording to the one before.
DETACHED = CARRIED + ", detached"
CARRIES: Mapping[str, bool] = {CARRIED: True, DETACHED: False}


def run_layers(case: Case, dials: Dials) -> list[LayerRun]:
    """Run all spiking layers, twice where the second run begins with the states of the first."""
    right = _run_once(case, dials, case.x)
    which = mask_settings(dials, [(WARMED, WHOLE)])
    if not which.any():
        return right
    steps, found = len(case.x), []
    twice = _run_once(case, pick_settings(dials, which), np.concatenate([case.x, case.x]))
    for plain, run in zip(right, twice, strict=True):
        resting = np.zeros_like(plain.s[:1])
        first = put_settings(resting, run.s[steps - 1 : steps], which, 1)
        second = map_run(run, lambda a: a[steps:])
        found.append(replace(plain, **_put_arrays(plain, second, which), resting=first))
    return found


def _run_once(case: Case, dials: Dials, x: Array) -> list[LayerRun]:
    """Run all spiking layers on an input."""
    a, runs = x[:, None], []
    for index in range(len(case.network.neurons)):
        own = run_recordings(case, index, dials, a)
        runs.append(replace(own, below=runs[-1].u if runs else None))
        share = residual_share(case, index + 1, dials)
        s, u = runs[-1].s, runs[-1].u
        s = mix(dials, index + 1, s, {POTENTIALS_IN: u, HARD_IN: partial(np.round, s)})
        a = s + share * a if isinstance(share, np.ndarray) else s
    return runs


def run_recordings(case: Case, index: int, dials: Dials, a: Array) -> LayerRun:
    """Run one layer as `run_layer`, recordings one after the other where that is turned."""
    right = run_layer(case, index, dials, a)
    which = mask_settings(dials, [(name, WHOLE) for name in CARRIES])
    if not which.any():
        return right
    found = run_layer(case, index, pick_settings(dials, which), _join(pick_rows(a, which)))
    return replace(right, **_put_fields(right, found, which, len(a)))


def backward_recordings(
    case: Case, index: int, dials: Dials, run: LayerRun, g: Array, cuts: Array | None, copies: int
) -> LayerGradients:
    """Return gradients of one layer as `backward_layer`, of such a run where that is turned.

    Recordings that are joined have no windows: all of their signal is in the first copy.
    """
    right = backward_layer(case, index, dials, run, g, cuts, copies)
    which = mask_settings(dials, [(name, WHOLE) for name in CARRIES])
    if not which.any():
        return right
    own, steps = pick_settings(dials, which), len(g)
    last = np.arange(steps * run.u.shape[2]).reshape(-1, 1, 1, 1) % steps == steps - 1
    detached = own.read(DETACHED, WHOLE, 0.0)
    ends = np.where(last & (np.reshape(detached, (1, -1, 1, 1)) == 1.0), 0.0, 1.0)
    joined = map_run(replace(run, resting=None), lambda a: _join(pick_rows(a, which)))
    received = _join(pick_rows(sum_copies(g, copies), which))
    found = backward_layer(case, index, own, joined, received, ends)
    sums = {n: put_settings(right.arrays[n], a, which, 0) for n, a in found.arrays.items()}
    return LayerGradients(sums, **_put_fields(right, found, which, steps, copies))


def backward_windows(
    case: Case, index: int, dials: Dials, run: LayerRun, g: Array
) -> tuple[LayerGradients, int]:
    """Return the same in windows of steps where these are turned, and how many copies overlap."""
    steps, batch = len(g), run.u.shape[2]
    copies, whole = g.shape[2] // batch, count_windows(dials, (WINDOWS, WHOLE))
    cuts = None
    if whole > 1:
        own, cuts = share_steps(dials, (WINDOWS, WHOLE), steps, batch)
        g = g if copies > 1 else own * copy_batch(g, whole)
    alone = count_windows(dials, (MEMORY, index))
    if alone > 1:
        own, mine = share_steps(dials, (MEMORY, index), steps, whole * batch)
        cuts = mine if cuts is None else mine * copy_batch(cuts, alone)
        g = own * copy_batch(g, alone)
    found = backward_recordings(case, index, dials, run, g, cuts, whole * alone)
    summed = {n: sum_copies(getattr(found, n), alone) for n in ("adjoints", "current", "local")}
    return replace(found, **summed), whole


def _join(a: Array) -> Array:
    """Recordings (time, K, batch, n) one after the other, (batch time, K, 1, n)."""
    moved = np.moveaxis(a, 2, 0)
    return moved.reshape(-1, moved.shape[2], 1, moved.shape[3])


def _split(a: Array, steps: int) -> Array:
    """The other way round."""
    return np.moveaxis(a.reshape(-1, steps, a.shape[1], a.shape[3]), 0, 2)


def _pad_copies(a: Array, copies: int) -> Array:
    """The first of so many copies of a batch, the others of zeros."""
    return np.concatenate([a, *[np.zeros_like(a)] * (copies - 1)], axis=2)


def _put_fields(
    right: LayerRun | LayerGradients,
    found: LayerRun | LayerGradients,
    which: NDArray[np.bool_],
    steps: int,
    copies: int = 1,
) -> dict[str, Array]:
    """The arrays over time with those of the settings in which recordings are joined."""
    parted = {n: _pad_copies(_split(a, steps), copies) for n, a in _arrays(found).items()}
    return _put_arrays(right, replace(found, **parted), which)


def _put_arrays(
    right: LayerRun | LayerGradients, found: LayerRun | LayerGradients, which: NDArray[np.bool_]
) -> dict[str, Array]:
    """The arrays over time with those of some settings from another run."""
    own, others = _arrays(right), _arrays(found)
    return {n: put_settings(own[n], others[n], which, 1) for n in own if n in others}


def _arrays(run: LayerRun | LayerGradients) -> dict[str, Array]:
    """The arrays over time, by name."""
    arrays = {f.name: getattr(run, f.name) for f in fields(run)}
    return {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}
