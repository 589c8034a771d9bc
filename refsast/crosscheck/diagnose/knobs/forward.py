"""Forward, by hand: one layer after the other, with its knobs.

With s_r the spike that resets and c the four parts of a reset::

    u_t = leak u_{t-1} - s_r (c_zero leak u_{t-1} + c_subtract theta + c_leaked leak theta
          + c_input drive_t) + drive_t
    drive_t = scale i_t        i_t = synapse_leak i_{t-1} + W a_t + V s_{t-1} + b
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import get_args

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.dials import Dials, mix, multiply, shift_steps, trace_steps
from refsast.crosscheck.diagnose.knobs.history import (
    hold_back,
    keep_large,
    keep_winner,
    read_history,
    round_spikes,
)
from refsast.crosscheck.diagnose.knobs.layer_numbers import (
    hold_bias,
    membrane_leak,
    reset_amounts,
    synapse_numbers,
    trace_leak,
)
from refsast.crosscheck.diagnose.knobs.limits import CLAMPED, clamp_carried, limit_potential
from refsast.crosscheck.diagnose.knobs.normalisation import (
    NORMALISATIONS,
    OVER_STEPS,
    normalise,
)
from refsast.crosscheck.diagnose.knobs.resets import choose_resets, count_resets, reset_spikes
from refsast.crosscheck.diagnose.knobs.restarts import read_handover
from refsast.crosscheck.diagnose.knobs.weights import (
    change_layer,
    recurrent_matrix,
    weighted_input,
)
from refsast.model.lif import LIF
from refsast.model.spike import Spike, first_derivative, heaviside
from refsast.model.surrogate import Surrogate

FAMILIES = {family.__name__: family for family in get_args(Surrogate)}
FIRES_BEFORE = "spike before the input of its step"
FIRES_LAST = "spike of the potential of the step before"
LAST_LOST = "last step not computed"
POTENTIALS_IN = "potentials of the layer below for input"
HARD_IN = "spikes of the layer below as zeros and ones, straight through"
RESET_AT_REST = "reset at rest"  # by a spike before the first step
SPIKE_AT_REST = "spike at rest"  # which is fed back, too
START_GAIN = "given potentials before the first step"
START_FIRST = START_GAIN + ", of the first recording alone"
TRACED = "input of a trace of spikes"  # that decays as the potentials of the layer below
RESIDUAL = "input of the layer below added"
DELAYS = {
    "input one step late": 1,
    "input two steps late": 2,
    "input three steps late": 3,
    "input four steps late": 4,
    "input one step early": -1,
}


@dataclass(frozen=True, eq=False)
class LayerRun:
    """One layer of a forward run, in as many settings as were asked for.

    Attributes
    ----------
    a : (time, K, batch, n_in) array
        Its input, delays included.
    u, s, s_reset, drive, before : (time, K, batch, n) array
        Potentials, spikes, the spike that resets, what is added, the potential of the step before.
    free : (time, K, batch, n) array or None
        Whether a potential is its own, not held at a limit; None: there is no limit.
    raised, left, unheld, raw : (time, K, batch, n) array or None
        By what a threshold is raised, what is left of a spike after earlier ones, the spike if
        nothing held it back, the current before it is normalised; None: as it should be.
    carried : (time, K, batch, n) array or None
        Whether what is kept of the step before is its own, not held at zero; None: it always is.
    below : (time, K, batch, n_in) array or None
        The potentials of the layer below; None: there is none.
    resting : (1, K, batch, n) array or None
        The spikes before the first step; None: there are none.
    """

    a: Array
    u: Array
    s: Array
    s_reset: Array
    drive: Array
    before: Array
    free: Array | None = None
    raised: Array | None = None
    left: Array | None = None
    unheld: Array | None = None
    raw: Array | None = None
    carried: Array | None = None
    below: Array | None = None
    resting: Array | None = None


def slope_of(neuron: LIF) -> float:
    """Return the slope parameter of a neuron's spike, or 1 where it has none."""
    return float(getattr(neuron.spike, "slope", 1.0))


@lru_cache(maxsize=64)
def other_spikes(neuron: LIF) -> tuple[tuple[str, Spike], ...]:
    """Return the other families of spikes: as steep at threshold, and of the same number."""
    if getattr(neuron.spike, "slope", None) is None:
        return ()
    found: list[tuple[str, Spike]] = []
    steep = float(first_derivative(neuron.spike)(np.zeros(())))
    for name, family in FAMILIES.items():
        if not isinstance(neuron.spike, family):
            unit = float(family(1.0).derivative(np.zeros(())))
            found.append((f"another surrogate: {name}", family(steep / unit)))
            found.append((f"another surrogate: {name}, same number", family(slope_of(neuron))))
    return tuple(found)


def fire(
    case: Case, layer: int, dials: Dials, u: Array, ramps: Sequence[Array | float] = (1.0, 1.0)
) -> tuple[Array, Array]:
    """Return the spikes of potentials, and what they would be if they were smooth.

    `ramps` are what the slope and the threshold are multiplied by at this step.
    """
    neuron = case.network.neurons[layer]
    v = u - ramps[1] * firing_threshold(case, layer, dials)
    steeper = ramps[0] * dials.read("slope", layer, slope_of(neuron)) / slope_of(neuron)
    smooth = neuron.spike(steeper * v)
    for name, spike in other_spikes(neuron):
        if dials.turns(name, layer):
            smooth = smooth + dials.read(name, layer, 0.0) * (spike(v) - neuron.spike(v))
    hard = float(case.hard)
    share = dials.read("straight-through", layer, hard)
    if not case.hard and not dials.turns("straight-through", layer):
        return smooth, smooth
    fired = heaviside(v).astype(np.float64)
    if dials.turns("tie rule", layer):
        fired = fired - dials.read("tie rule", layer, 0.0) * (v == 0.0)
    return np.where(share == 1.0, fired, smooth + share * (fired - smooth)), smooth


def firing_threshold(case: Case, layer: int, dials: Dials) -> Array | float:
    """Return the potential at which a layer fires."""
    theta = dials.read("threshold", layer, case.network.neurons[layer].threshold)
    return dials.read("firing threshold", layer, theta)


def delay_names(a: Array, leak: float) -> dict[str, Callable[[], Array]]:
    """Return the inputs of a layer, late and in other orders, by the name of the knob."""
    late = {name: partial(shift_steps, a, steps) for name, steps in DELAYS.items()}
    return {**late, "input reversed": lambda: a[::-1], TRACED: lambda: trace_steps(a, leak)}


def run_layer(case: Case, index: int, dials: Dials, a: Array) -> LayerRun:
    """Run one layer on its input, of shape (time, K or 1, batch, n_in)."""
    layer = case.params[index]
    a = mix(dials, index, a, delay_names(a, trace_leak(case, index)))
    currents = normalise(dials, index, weighted_input(layer, index, dials, a), OVER_STEPS)
    leak = membrane_leak(case, index, dials)
    parts = reset_amounts(case, index, dials)
    late = dials.read("reset late", index, 0.0)
    rec_late = dials.read("recurrence late", index, 0.0)
    scale, kept, delayed = synapse_numbers(case, index, dials)
    v = None if layer.v is None else recurrent_matrix(layer, index, dials)
    offset = dials.read("offset", index, 0.0)
    held = hold_bias(layer, index, dials)  # back from the potential, for the spike alone
    currents = currents - held
    past = 0.0  # of the bias, by which way it comes
    if layer.b is not None and dials.turns("bias past the synapse", index):
        past = np.nan_to_num(dials.read("bias past the synapse", index, 0.0)) * layer.b
        currents = currents - past
    rest = np.zeros(currents.shape[1:])
    u = rest + dials.read("start", index, 0.0)
    if layer.start is not None:
        start = dials.read(START_GAIN, index, 1.0) * change_layer(dials, index, layer.start)
        u = u + keep_first_start(dials, index, rest + start)
    i = rest
    s, fed = (rest + share for share in spike_at_rest(case, index, dials, u))
    before, soft, first = s, s, True
    records: tuple[list[Array], ...] = ([], [], [], [], [])
    free: list[Array] = []
    history = read_history(dials, index, len(currents))
    trace, earlier, extras = rest, [], []
    normal = any(dials.turns(name, index) for name in NORMALISATIONS)
    raws: list[Array] = []
    handover = read_handover(dials, index, len(currents))
    clamped: list[Array] = []
    for t, current in enumerate(currents):
        if v is not None:
            heard = fed if first else s
            heard = heard + rec_late * (before - heard)
            heard = mix(dials, index, heard, {"recurrence of the potential": u})
            heard = heard if handover is None else handover.fed[t] * heard
            current = current + multiply(dials, heard, np.swapaxes(v, -1, -2))
        if normal:
            raws.append(current)
            current = normalise(dials, index, current, NORMALISATIONS)
        if handover is not None:
            u, i = handover.state[t] * u, handover.state[t] * i
        now = kept * i + current
        drive = scale * (now + delayed * (i - now)) + offset + past
        resets = choose_resets(dials, index, mix(dials, index, s, {"smooth reset": soft}))
        i, s_reset = now, reset_spikes(dials, index, resets + late * (before - resets))
        s_reset = count_resets(case.network.neurons[index], dials, index, s_reset, u)
        s_reset = s_reset if handover is None else handover.reset[t] * s_reset
        wiped = parts[0] * u + parts[1] + parts[2] * drive
        before, first, last = (rest if first else s), False, u
        carried = leak * u - s_reset * wiped
        if dials.turns(CLAMPED, index):
            carried, whole = clamp_carried(dials, index, carried)
            clamped.append(whole)
        u, own = limit_potential(dials, index, carried + drive)
        asked = mix(dials, index, u, {FIRES_BEFORE: carried, FIRES_LAST: last}) + held
        if history is None:
            s, soft = fire(case, index, dials, asked)
        else:
            trace = history.rho * trace + before
            earlier = [before, *earlier][: len(history.shares)]
            raised = history.strength * trace
            unheld, soft = fire(case, index, dials, asked - raised, history.read_ramps(t))
            left = hold_back(history.shares, earlier) * keep_large(dials, index, unheld)
            left = left * keep_winner(dials, index, u)
            s, soft = round_spikes(dials, index, left * unheld), left * soft
            extras.append((raised, rest + left, unheld))
        free += [own] if own is not None else []
        for record, value in zip(records, (u, s, s_reset, drive, last), strict=True):
            record.append(value)
    u, s, s_reset, drive, last = map(_stack, records)
    if dials.turns(LAST_LOST, index):
        kept = np.where(np.arange(len(u)).reshape(-1, 1, 1, 1) < len(u) - 1, 1.0, 0.0)
        u, s = (mix(dials, index, a, {LAST_LOST: kept * a}) for a in (u, s))
    raised, left, unheld = map(_stack, zip(*extras, strict=True)) if extras else (None,) * 3
    own = _stack(free) if free else None
    raw, whole = (_stack(each) if each else None for each in (raws, clamped))
    return LayerRun(a, u, s, s_reset, drive, last, own, raised, left, unheld, raw, whole)


def keep_first_start(dials: Dials, index: int, start: Array) -> Array:
    """Return potentials before the first step, by mistake of the first recording alone."""
    first = (np.arange(start.shape[-2]) == 0).reshape(-1, 1)
    return mix(dials, index, start, {START_FIRST: first * start})


def rest_shares(dials: Dials, index: int) -> tuple[Array | float, Array | float]:
    """Return what counts of a spike before the first step, in the reset and fed back."""
    spike = dials.read(SPIKE_AT_REST, index, 0.0)
    return dials.read(RESET_AT_REST, index, 0.0) + spike, spike


def spike_at_rest(
    case: Case, index: int, dials: Dials, u: Array
) -> tuple[Array | float, Array | float]:
    """Return the spike of first potentials that resets, and what is fed back of it; usually 0."""
    if not (dials.turns(RESET_AT_REST, index) or dials.turns(SPIKE_AT_REST, index)):
        return 0.0, 0.0
    resting = fire(case, index, dials, u)[0]
    reset, fed = rest_shares(dials, index)
    return reset * resting, fed * resting


def _stack(steps: Sequence[Array]) -> Array:
    """The arrays of all steps as one."""
    return np.stack(np.broadcast_arrays(*steps))


def has_residual(case: Case, index: int) -> bool:
    """Whether the input of the layer below is of the size of a layer's own."""
    sizes = case.network.sizes
    return 0 < index < len(case.network.neurons) and sizes[index - 1] == sizes[index]


def residual_share(case: Case, index: int, dials: Dials) -> Array | float:
    """Return how much of the input of the layer below a layer receives beside its spikes."""
    if not has_residual(case, index):
        return 0.0
    return dials.read(RESIDUAL, index, 0.0)
