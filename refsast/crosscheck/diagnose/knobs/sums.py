"""A layer's gradients as sums over steps and recordings, with what may be wrong in the sums."""

import re
from functools import partial

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.adjoints import HARD_BACKWARD, TERMS, keep_steps
from refsast.crosscheck.diagnose.knobs.counted import count_terms
from refsast.crosscheck.diagnose.knobs.dials import (
    WHOLE,
    Dials,
    mix,
    multiply,
    shift_steps,
    trace_steps,
)
from refsast.crosscheck.diagnose.knobs.forward import (
    SPIKE_AT_REST,
    LayerRun,
    spike_at_rest,
)
from refsast.crosscheck.diagnose.knobs.layer_numbers import (
    BIAS_FIRES,
)
from refsast.crosscheck.diagnose.knobs.restarts import lose_spikes
from refsast.crosscheck.diagnose.knobs.weights import bias_weight, derive_weights

# By which step's input an adjoint is multiplied: the knob's name, and by how many steps it is off.
LAGS = {"one step earlier": 1, "two steps earlier": 2, "one step later": -1, "two steps later": -2}
# What is done to the gradient of one array, and is one thing if it is done to several.
SUM = re.compile(
    r"(w|b|v|start) (sums of the .*|rows centred|zero at .* weights|largest entries alone)"
)
SWAPPED = "gradients of W and V exchanged"
COPIED = "gradient in V that of W"
RECEIVED = "sums of the gradient from above"  # before the spike's derivative
ACTIVE = "sums of the steps of own spikes (s > 1/2) alone"
OWN_SPIKES = "input of the layer's own spikes"
POTENTIALS_BELOW = "input of the potentials below"
BIAS_PAST = "bias past the synapse"
HALF_SUMS = "sums in half precision"
ENDS = (("first step", 0), ("last step", -1))
NEURON_ENDS = {"first neuron in the sums": 0, "last neuron in the sums": -1}


def sum_gradients(
    case: Case,
    index: int,
    dials: Dials,
    run: LayerRun,
    delta: Array,
    current: Array,
    local: Array,
    received: Array,
) -> dict[str, Array]:
    """Return the layer's gradients, summed over steps and recordings from adjoints of currents.

    `local` is the part of the adjoints that comes through the spike of the same step, `received`
    what its spikes receive from above.
    """
    layer = case.params[index]

    def terms(part: str) -> Array:
        own = {
            f"{part} sums of the spike's part alone": local,
            f"{part} {RECEIVED}": received,
            f"{part} {ACTIVE}": lambda: np.where(run.s > 0.5, current, 0.0),
        }
        return step_weights(dials, index, mix(dials, index, current, own))

    arrays = {"w": sum_weight(case, index, dials, run, terms("w"))}
    if layer.b is not None:
        heard = mix(dials, index, terms("b"), {BIAS_FIRES: local})
        arrays["b"] = sum_bias(index, dials, delta, heard)
    if layer.v is not None:
        arrays["v"] = sum_recurrence(case, index, dials, run, terms("v"))
        copied = {COPIED: arrays["w"]} if layer.v.shape == layer.w.shape else {}
        if dials.turns(SWAPPED, index) and layer.v.shape == layer.w.shape:
            w, v = arrays["w"], arrays["v"]
            arrays["w"] = mix(dials, index, w, {SWAPPED: v})
            arrays["v"] = mix(dials, index, v, {SWAPPED: w})
        arrays["v"] = mix(dials, index, arrays["v"], copied)
        if dials.turns("input weights recurrent", index):  # then W gets what V would have got
            share = dials.read("input weights recurrent", index, 0.0)
            arrays["w"] = arrays["w"] + share * arrays["v"]
            arrays["v"] = arrays["v"] * (1.0 - share)
    return arrays


def sum_weight(case: Case, index: int, dials: Dials, run: LayerRun, current: Array) -> Array:
    """Return the gradient in W."""
    layer = case.params[index]
    a = lag_inputs(dials, index, "input", run.a)
    if run.below is not None:
        hard = partial(_round_hard, run.a)
        a = mix(dials, index, a, {HARD_BACKWARD: hard, POTENTIALS_BELOW: run.below})
    if layer.w.shape[0] == layer.w.shape[1]:
        a = mix(dials, index, a, {OWN_SPIKES: lambda: run.s})
    a = trace_inputs(case, dials, index, "input", a)
    w = pair_steps(end_weights(dials, index, "w", current), a, dials)
    w = sum_in_half(dials, index, w, end_weights(dials, index, "w", current), a)
    w = derive_weights(dials, index, layer.w, w) * dials.read("weight gain", index, 1.0)
    if dials.turns("transposed weight", index) and layer.w.shape[0] == layer.w.shape[1]:
        w = w + dials.read("transposed weight", index, 0.0) * (np.swapaxes(w, -1, -2) - w)
    return w


def sum_bias(index: int, dials: Dials, delta: Array, current: Array) -> Array:
    """Return the gradient in the biases."""
    if dials.turns("bias adjoint", index):
        current = current + dials.read("bias adjoint", index, 0.0) * (delta - current)
    if dials.turns(BIAS_PAST, index):
        current = current + dials.read(BIAS_PAST, index, 0.0) * (delta - current)
    current = end_weights(dials, index, "b", current)
    current = current * bias_weight(index, dials, len(current))
    ones = np.ones((*current.shape[:-1], 1))
    found = current.sum(axis=(0, 2))
    return sum_in_half(dials, index, found[..., None], current, ones)[..., 0]


def sum_recurrence(case: Case, index: int, dials: Dials, run: LayerRun, current: Array) -> Array:
    """Return the gradient in V."""
    layer = case.params[index]
    heard = shift_steps(run.s, 1)
    if run.resting is not None:
        heard = _begin_with(run.resting[0], heard)
    if dials.turns(SPIKE_AT_REST, index):
        fed = spike_at_rest(case, index, dials, run.before[0])[1]
        heard = _begin_with(np.asarray(fed), heard)
    if dials.turns("recurrence late", index):
        share = dials.read("recurrence late", index, 0.0)
        heard = heard + share * (shift_steps(run.s, 2) - heard)
    potentials = partial(shift_steps, run.u, 1)
    heard = mix(dials, index, heard, {"recurrence of the potential": potentials})
    others = {
        HARD_BACKWARD: lambda: shift_steps(_round_hard(run.s), 1),
        "recurrence of potentials": potentials,
        "recurrence wrapped around": lambda: np.roll(run.s, 1, axis=0),
    }
    heard = mix(dials, index, lag_inputs(dials, index, "recurrence", heard, run.s), others)
    heard = trace_inputs(case, dials, index, "recurrence", heard)
    heard = lose_spikes(dials, index, heard)
    current = end_weights(dials, index, "v", current)
    v = pair_steps(current, heard, dials)
    v = sum_in_half(dials, index, v, current, heard)
    v = v if layer.v is None else derive_weights(dials, index, layer.v, v, recurrent=True)
    v = v * dials.read("recurrence gain", index, 1.0)
    own = v * np.eye(v.shape[-1])
    diagonal = {"recurrence without diagonal": v - own, "recurrence of the diagonal": own}
    v = mix(dials, index, v, diagonal)
    return mix(dials, index, v, {"recurrence transposed": np.swapaxes(v, -1, -2)})


def _round_hard(s: Array) -> Array:
    """Smooth spikes as hard ones."""
    return np.where(s >= 0.5, 1.0, 0.0)


def _begin_with(first: Array, heard: Array) -> Array:
    """Spikes that are fed back, with others at the first step; either may be of one setting."""
    shape = np.broadcast_shapes(first.shape, heard.shape[1:])
    later = np.broadcast_to(heard[1:], (len(heard) - 1, *shape))
    return np.concatenate([np.broadcast_to(first, shape)[None], later])


def trace_inputs(case: Case, dials: Dials, index: int, what: str, a: Array) -> Array:
    """What adjoints are paired with: a trace, summed with the layer's leak, where it is turned."""
    name = f"{what} as a trace"
    if not dials.turns(name, index):
        return a
    return mix(dials, index, a, {name: trace_steps(a, case.network.neurons[index].leak)})


def sum_in_half(dials: Dials, index: int, right: Array, current: Array, a: Array) -> Array:
    """A sum over steps whose every term, from the last on, is added in half precision."""
    if not dials.turns(HALF_SUMS, index):
        return right
    total = np.zeros(right.shape)
    for t in reversed(range(len(current))):
        term = np.swapaxes(current[t], -1, -2) @ a[t]
        total = np.asarray(total + term).astype(np.float16).astype(np.float64)
    return right + np.reshape(dials.read(HALF_SUMS, index, 0.0), (-1, 1, 1)) * (total - right)


def step_weights(dials: Dials, index: int, current: Array) -> Array:
    """Adjoints with the weights that single steps and recordings have in the sums."""
    current = end_weights(dials, index, "", current)
    if (kept := keep_steps(dials, index, len(current), TERMS)) is not None:
        current = kept * current
    if dials.turns("last steps alone", WHOLE):
        at = np.arange(len(current)).reshape(-1, 1, 1, 1)
        first = len(current) - dials.read("last steps alone", WHOLE, np.inf)
        current = np.where(at >= first, current, 0.0)
    if dials.turns("last steps alone in the sums", WHOLE):
        at = np.arange(len(current)).reshape(-1, 1, 1, 1)
        first = len(current) - dials.read("last steps alone in the sums", WHOLE, np.inf)
        current = np.where(at >= first, current, 0.0)
    if dials.turns("terms discounted", index):
        ahead = np.arange(len(current))[::-1].reshape(-1, 1, 1, 1)
        current = current * dials.read("terms discounted", index, 1.0) ** ahead
    current = weigh_neurons(dials, index, current)
    for b in range(current.shape[2]):
        if dials.turns(f"recording {b + 1} in the sums", index):
            weight = dials.read(f"recording {b + 1} in the sums", index, 1.0)
            at = (np.arange(current.shape[2]) == b).reshape(-1, 1)
            current = current * np.where(at, weight, 1.0)
    return current


def weigh_neurons(dials: Dials, index: int, array: Array) -> Array:
    """Return what each neuron adds to the sums, with the weights of the first and the last one."""
    for name, end in NEURON_ENDS.items():
        if dials.turns(name, index):
            n = array.shape[-1]
            at = np.arange(n) == end % n
            array = array * np.where(at, dials.read(name, index, 1.0), 1.0)
    return array


def end_weights(dials: Dials, index: int, part: str, current: Array) -> Array:
    """Adjoints with the weights of the first and the last step in the sum of one array, or all."""
    of = f" of {part}" if part else ""
    for name, t in ENDS:
        key = f"{name} in the sums{of}"
        if dials.turns(key, index):
            at = np.arange(len(current)).reshape(-1, 1, 1, 1) == t % len(current)
            current = current * np.where(at, dials.read(key, index, 1.0), 1.0)
    return current * count_terms(dials, index, part, current) if part else current


def lag_inputs(dials: Dials, index: int, what: str, a: Array, now: Array | None = None) -> Array:
    """What adjoints are paired with: of another step, mirrored, or the mean over time."""
    base = a if now is None else now
    late = 0 if now is None else 1
    others = {
        f"{what} {name}": partial(shift_steps, base, late + lag) for name, lag in LAGS.items()
    } | {
        f"{what} mirrored": lambda: a[::-1],
        f"{what} averaged": lambda: np.broadcast_to(a.mean(axis=0), a.shape),
        f"{what} of the last step": lambda: np.broadcast_to(a[-1:], a.shape),
        f"{what} of the first step": lambda: np.broadcast_to(a[:1], a.shape),
        f"{what} of the next recording": lambda: np.roll(a, -1, axis=2),
        f"{what} of the recording before": lambda: np.roll(a, 1, axis=2),
        f"{what} of the first recording": lambda: np.broadcast_to(a[:, :, :1], a.shape),
        f"{what} averaged over recordings": lambda: np.broadcast_to(
            a.mean(axis=2, keepdims=True), a.shape
        ),
        f"{what} as zeros and ones": lambda: np.where(a >= 0.5, 1.0, 0.0),
        f"{what} as signs": lambda: np.sign(a),
        f"{what} as integers, cut": lambda: np.trunc(a),
        f"{what} as integers, rounded": lambda: np.round(a),
        f"{what} as events": lambda: np.where(a != 0.0, 1.0, 0.0),
    }
    return mix(dials, index, a, others)


def pair_steps(current: Array, a: Array, dials: Dials | None = None) -> Array:
    """Return ``sum_t current_t a_t'``, shape (K, n, n_in)."""

    def as_rows(array: Array) -> Array:
        moved = np.moveaxis(array, 1, 0)
        return moved.reshape(len(moved), -1, moved.shape[-1])

    left, right = np.swapaxes(as_rows(current), -1, -2), as_rows(a)
    return left @ right if dials is None else multiply(dials, left, right)
