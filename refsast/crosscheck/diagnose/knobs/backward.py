"""Backward, by hand: one layer, from what its spikes receive to its gradients, with its knobs.

Every path of the recursion has a gain; what is read on the way (derivatives, partials, inputs) has
a knob for where it is taken::

    dL/ds_t = g_t + (reset path) + (recurrent path)
    delta_t = sigma'(u_t - theta) dL/ds_t + (leak path)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.adjoints import (
    FORWARD_SCAN,
    NOT_CLEARED,
    THROUGH_SLOPE,
    begin_carry,
    change_adjoint,
    cut_fired,
    keep_fired,
    keep_steps,
    mirror_run,
    pull_first,
    read_gate,
    reset_potentials,
    share_carry,
)
from refsast.crosscheck.diagnose.knobs.derivatives import derivative
from refsast.crosscheck.diagnose.knobs.dials import (
    WHOLE,
    Dials,
    mask_settings,
    mix,
    multiply,
    pick_rows,
    pick_settings,
    put_settings,
    round_back,
)
from refsast.crosscheck.diagnose.knobs.forward import (
    FIRES_BEFORE,
    FIRES_LAST,
    LAST_LOST,
    POTENTIALS_IN,
    SPIKE_AT_REST,
    LayerRun,
)
from refsast.crosscheck.diagnose.knobs.history import owe_earlier, read_ramps
from refsast.crosscheck.diagnose.knobs.layer_numbers import reset_amounts
from refsast.crosscheck.diagnose.knobs.normalisation import (
    NORMALISATIONS,
    OF_PRODUCT,
    OVER_STEPS,
    pull_back,
)
from refsast.crosscheck.diagnose.knobs.paths import read_paths
from refsast.crosscheck.diagnose.knobs.resets import count_resets, reset_slopes
from refsast.crosscheck.diagnose.knobs.start_sums import sum_start
from refsast.crosscheck.diagnose.knobs.sums import sum_gradients
from refsast.crosscheck.diagnose.knobs.weights import (
    recurrent_matrix,
    weighted_input,
    weighted_product,
)
from refsast.crosscheck.diagnose.knobs.windows import copy_run, map_run, sum_copies

BEFORE_LIMIT = "adjoints before the limit handed over"
SHARED = "gradient of the spike shared by all steps"
ABOVE_SUMMED = "gradient from above summed up over later steps"
THROUGH_W = "recurrent path through W"
THROUGH_FIRST = "recurrent path through V of the first layer"
LAST_BARE = "derivative of one at the last step"
ABOVE_FIRED = "gradient from above where neurons fire alone"


@dataclass(frozen=True, eq=False)
class LayerGradients:
    """What comes back from one layer: K settings side by side.

    Attributes
    ----------
    arrays : dict
        ``w`` (K, n, n_in), ``b`` (K, n), ``v`` (K, n, n), those that the layer has.
    adjoints : (time, K, batch, n) array
        dL/du.
    current : (time, K, batch, n) array
        dL/d(what arrives at the layer), from which the layer below is computed.
    local : (time, K, batch, n) array
        The part of it that comes through the spike of the same step.
    """

    arrays: dict[str, Array]
    adjoints: Array
    current: Array
    local: Array


def backward_layer(
    case: Case,
    index: int,
    dials: Dials,
    run: LayerRun,
    g: Array,
    cuts: Array | None = None,
    copies: int = 1,
) -> LayerGradients:
    """Return gradients of one layer; `g` is what its spikes receive, (time, K or 1, batch, n).

    `cuts` is by how much what comes from the next step is multiplied, (time, K, batch, 1). Both
    have the batch of `run` so many times one after the other; sums are over all copies together.
    """
    layer = case.params[index]
    once, run = run, copy_run(run, copies)
    slope = derivative(case, index, dials, run, read_ramps(dials, len(g)))
    paths = read_paths(case, index, dials, len(g), cuts)
    direct = dials.read("potentials read", len(case.network.neurons), 0.0)
    if index + 1 < len(case.network.neurons):
        direct = dials.read(POTENTIALS_IN, index + 1, 0.0)
    v = None if layer.v is None else backward_recurrence(case, index, dials)
    zero, constant, wiped = reset_amounts(case, index, dials, " backward")
    kept = reset_potentials(dials, index, run)
    rest = np.zeros(run.u.shape[1:])
    # Of step t + 1 and t + 2: the adjoint, what flows back through the reset, the current.
    pulled_2, i_later, i_2, drive_later = rest, rest, rest, rest
    later = c_later = rest + begin_carry(dials, index, g)  # of the current before it is normalised
    pulled = -later * (zero * run.u[-1] + constant)
    deltas, currents, locals_, owed = [], [], [], {}
    summed, local, uncleared, fired = rest, rest, rest, rest
    has_adjoint = keep_steps(dials, index, len(g))
    g, slope = change_received(dials, index, run, g, slope)
    for t in reversed(range(len(g))):
        p = paths[t]
        ds = (1.0 - direct) * g[t]
        back = p.reset * (pulled + p.reset_late * (pulled_2 - pulled))
        back = back * reset_slopes(dials, index, run.s[t])
        back = count_resets(case.network.neurons[index], dials, index, back, run.u[t])
        back = pull_first(dials, index, back, copies)
        back = keep_fired(dials, index, back, run.s[t])
        ds = ds + back + p.open * owed.get(t, 0.0)
        fed: Array | float = 0.0
        if v is not None:
            heard = c_later + p.recurrent_late * (i_2 - c_later)
            heard = mix(dials, index, heard, {"recurrent path of the spike's part": local})
            fed = p.recurrent * multiply(dials, heard, v)
            ds = ds + (1.0 - p.of_potential) * fed
        if dials.turns(SHARED, index):
            own_g = (1.0 - direct) * g[t]
            ds, summed = ds + dials.read(SHARED, index, 0.0) * summed, summed + ds - own_g
        if dials.turns(NOT_CLEARED, index):
            ds = uncleared = ds + dials.read(NOT_CLEARED, index, 0.0) * uncleared
        kept_u = p.leak - p.reset_of_u * (zero * read_gate(dials, index, run, t))
        kept_u = cut_fired(dials, index, np.asarray(kept_u), p.leak, run.s[t])
        ds = round_back(dials, index, "spikes", ds)
        local = slope[t] * ds
        if run.unheld is not None:
            owed = owe_earlier(dials, index, (run.s, run.unheld), t, ds, local, owed)
        carried = p.potential * kept_u * later
        if dials.turns(THROUGH_SLOPE, index):
            carried = mix(dials, index, carried, {THROUGH_SLOPE: slope[t] * carried})
        delta = (
            mix(dials, index, local, {FIRES_LAST: fired})
            + direct * g[t]
            + carried
            + p.of_potential * fed
        )
        fired, delta = local, change_adjoint(dials, index, delta, run.u[t])
        if has_adjoint is not None:
            local, delta = has_adjoint[t] * local, has_adjoint[t] * delta
        own = delta if run.free is None else delta * run.free[t]
        own = round_back(dials, index, "potentials", own)
        drive = own
        if dials.turns(FIRES_BEFORE, index):  # then no spike hears what is added in its step
            drive = mix(dials, index, own, {FIRES_BEFORE: own - local})
            local = mix(dials, index, local, {FIRES_BEFORE: np.zeros_like(local)})
        drive = drive * (1.0 - wiped * run.s_reset[t])
        local = p.drive * (local if run.free is None else local * run.free[t])
        i_2 = c_later
        i_later = p.synapse * i_later
        i_later = i_later + p.drive * (drive + p.delayed * (p.open * drive_later - drive))
        c_later = i_later
        if run.raw is not None:
            c_later = pull_back(dials, index, run.raw[t], i_later, NORMALISATIONS)
        later = own if run.carried is None else own * run.carried[t]
        later = share_carry(dials, index, later, copies)
        pulled_2, pulled = pulled, -later * (zero * kept[t] + constant + wiped * run.drive[t])
        drive_later = drive
        deltas.append(mix(dials, WHOLE, delta, {BEFORE_LIMIT: own}))
        currents.append(c_later)
        c_later = share_carry(dials, index, c_later, copies)
        locals_.append(local)
    parts = (deltas, currents, locals_)
    delta, current, own = (np.stack(np.broadcast_arrays(*part))[::-1] for part in parts)
    if dials.turns(FORWARD_SCAN, index):
        delta, current, own = _scan_forward(case, index, dials, run, g, (delta, current, own))
        later = np.where(dials.read(FORWARD_SCAN, index, 0.0) == 1.0, delta[0], later)
    if any(dials.turns(name, index) for name in OVER_STEPS):
        plain = weighted_input(layer, index, dials, run.a)
        current = pull_back(dials, index, plain, current, OVER_STEPS)

    def sum_arrays(current: Array) -> dict[str, Array]:
        summed = (sum_copies(part, copies) for part in (delta, current, own, g))
        return sum_gradients(case, index, dials, once, *summed)

    arrays = sum_arrays(current)
    if any(dials.turns(name, index) for name in OF_PRODUCT):
        plain = weighted_product(layer, index, dials, run.a)
        current = pull_back(dials, index, plain, current, OF_PRODUCT)
        arrays["w"] = sum_arrays(current)["w"]
    if layer.start is not None:
        at_rest = dials.turns(SPIKE_AT_REST, index)
        fed = multiply(dials, c_later, v) if at_rest and v is not None else 0.0
        arrays["start"] = sum_start(
            case, index, dials, run, later, pulled, (fed, fired), delta, copies
        )
    return LayerGradients(arrays, delta, current, own)


def _scan_forward(
    case: Case, index: int, dials: Dials, run: LayerRun, g: Array, right: Sequence[Array]
) -> list[Array]:
    """Arrays over time with those of a recursion from the first step on, where that is turned."""
    key = (FORWARD_SCAN, index)
    which = mask_settings(dials, [key])
    rest = Dials({k: v for k, v in dials.turned.items() if k != key})
    mirrored = mirror_run(map_run(run, lambda a: pick_rows(a, which)))
    own = pick_rows(g, which)[::-1]
    found = backward_layer(case, index, pick_settings(rest, which), mirrored, own)
    others = (found.adjoints, found.current, found.local)
    return [put_settings(a, b[::-1], which, 1) for a, b in zip(right, others, strict=True)]


def change_received(
    dials: Dials, index: int, run: LayerRun, g: Array, slope: Array
) -> tuple[Array, Array]:
    """What comes from above and the derivative: overwritten, never cleared, or masked."""
    at = np.arange(len(g)).reshape(-1, 1, 1, 1) == len(g) - 1
    others = {
        "gradient from above at the last step alone": lambda: np.where(at, g, 0.0),
        ABOVE_SUMMED: lambda: np.cumsum(g[::-1], axis=0)[::-1],
        ABOVE_FIRED: lambda: np.where(run.s > 0.5, g, 0.0),
    }
    last = {
        "spike path at the last step alone": lambda: np.where(at, slope, 0.0),
        LAST_LOST: lambda: np.where(at, 0.0, slope),
        LAST_BARE: lambda: np.where(at, 1.0, slope),
    }
    return mix(dials, index, g, others), mix(dials, index, slope, last)


def backward_recurrence(case: Case, index: int, dials: Dials) -> Array:
    """Return the matrix of the recurrent path, shape (K or 1, n, n)."""
    right, w = recurrent_matrix(case.params[index], index, dials), case.params[index].w
    diagonal = right * np.eye(right.shape[-1])
    others = {
        "recurrence transposed backward": np.swapaxes(right, -1, -2),
        "recurrence without diagonal backward": right - diagonal,
        "recurrence of the diagonal backward": diagonal,
    }
    if w.shape == right.shape[-2:]:
        others[THROUGH_W] = w
    if (first := case.params[0].v) is not None and first.shape == right.shape[-2:]:
        others[THROUGH_FIRST] = first
    return mix(dials, index, right, others)
