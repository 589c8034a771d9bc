"""Backward, by hand: one layer, from what its spikes receive to its gradients, with its knobs.

Every path of the recursion has a gain; what is read on the way (derivatives, partials, inputs) has
a knob for where it is taken::

    dL/ds_t = g_t + (reset path) + (recurrent path)
    delta_t = sigma'(u_t - theta) dL/ds_t + (leak path)
"""

from dataclasses import dataclass

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.derivative_shapes import SHAPES
from refsast.crosscheck.diagnose.knobs.dials import Dials, mix, shift_steps
from refsast.crosscheck.diagnose.knobs.forward import (
    LayerRun,
    firing_threshold,
    other_spikes,
    recurrent_matrix,
    slope_of,
    synapse_numbers,
    taken_off,
)
from refsast.model.spike import first_derivative

# By which step's input an adjoint is multiplied: the knob's name, and by how many steps it is off.
LAGS = {"one step earlier": 1, "two steps earlier": 2, "one step later": -1, "two steps later": -2}


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
    """

    arrays: dict[str, Array]
    adjoints: Array
    current: Array


def derivative(case: Case, index: int, dials: Dials, run: LayerRun) -> Array:
    """Return what stands for the spike's derivative, of the shape of the potentials."""
    neuron = case.network.neurons[index]
    theta = firing_threshold(case, index, dials)
    behind = dials.read("threshold backward", index, theta)
    k = slope_of(neuron)
    steep = dials.read("slope", index, k)
    steep = dials.read("slope backward", index, steep) / k
    sigma = first_derivative(neuron.spike)
    v = run.u - behind

    def at(v: Array) -> Array:
        return steep * sigma(steep * v)

    right = at(v)
    for name, spike in other_spikes(neuron):
        if dials.turns(name, index):
            share = dials.read(name, index, 0.0)
            right = right + share * (first_derivative(spike)(v) - sigma(v))
    found = right
    for name, other in derivative_places(run, behind).items():
        if dials.turns(name, index):
            found = found + dials.read(name, index, 0.0) * (at(other()) - right)
    for name, spike in other_spikes(neuron):
        if dials.turns(f"derivative of {name}", index):
            share = dials.read(f"derivative of {name}", index, 0.0)
            found = found + share * (first_derivative(spike)(v) - right)
    wide = dials.read("derivative width", index, k) / k
    for name, shape in SHAPES.items():
        if dials.turns(f"derivative {name}", index):
            share = dials.read(f"derivative {name}", index, 0.0)
            found = found + share * (shape(neuron, wide * v) - right)
    if dials.turns("window", index):
        found = np.where(abs(v) <= dials.read("window", index, np.inf), found, 0.0)
    if dials.turns("derivative cap", index):
        found = np.minimum(found, dials.read("derivative cap", index, np.inf))
    return dials.read("derivative factor", index, 1.0) * found


def derivative_places(run: LayerRun, theta: Array | float) -> dict:
    """Where a derivative may be taken by mistake: functions, because few are asked for."""
    return {
        "derivative at u": lambda: run.u,
        "derivative of the step before": lambda: shift_steps(run.u, 1) - theta,
        "derivative of the step after": lambda: np.concatenate([run.u[1:], run.u[-1:]]) - theta,
        "derivative after the reset to zero": lambda: run.u * (1.0 - run.s) - theta,
        "derivative after the subtraction": lambda: run.u - theta * run.s - theta,
        "derivative below the threshold": lambda: -run.u - theta,
        "derivative of the drive": lambda: run.drive - theta,
    }


def backward_layer(case: Case, index: int, dials: Dials, run: LayerRun, g: Array) -> LayerGradients:
    """Return gradients of one layer; `g` is what its spikes receive, (time, K or 1, batch, n)."""
    layer, neuron = case.params[index], case.network.neurons[index]
    slope = derivative(case, index, dials, run)
    leak = dials.read("leak", index, neuron.leak)
    leak = dials.read("leak backward", index, leak)
    potential = dials.read("potential path", index, 1.0)
    zero, constant, wiped = taken_off(neuron, index, dials, " backward")
    through = float(not neuron.detach_reset)
    through = dials.read("reset path", index, through)
    through_u = dials.read("reset path of the potential", index, 1.0)
    scale, kept, delayed = synapse_numbers(case, index, dials)
    kept = kept * dials.read("synapse path", index, 1.0)
    scale = scale * dials.read("drive path", index, 1.0)
    late = dials.read("reset late", index, 0.0)
    rec_late = dials.read("recurrence late", index, 0.0)
    recurrent = dials.read("recurrent path", index, 1.0)
    v = None if layer.v is None else backward_recurrence(case, index, dials)
    states = dials.read("state path", index, 1.0)
    carry = dials.read("carry path", index, 1.0)
    carry_cuts = time_cuts(dials, index, len(g), "carry ")
    cuts = time_cuts(dials, index, len(g))
    rest = np.zeros(run.u.shape[1:])
    # Of step t + 1 and t + 2: the adjoint, what flows back through the reset, the current.
    later, pulled, pulled_2, i_later, i_2, drive_later = rest, rest, rest, rest, rest, rest
    deltas, currents = [], []
    for t in reversed(range(len(g))):
        open_ = states if cuts is None else states * cuts[t]
        ds = g[t]
        kept_back = open_ * carry if carry_cuts is None else open_ * carry * carry_cuts[t]
        ds = ds + kept_back * through * ((1.0 - late) * pulled + late * pulled_2)
        if v is not None:
            ds = ds + open_ * recurrent * (((1.0 - rec_late) * i_later + rec_late * i_2) @ v)
        kept_u = leak
        if t + 1 < len(g):
            kept_u = leak - through_u * (zero * run.s_reset[t + 1])
        delta = slope[t] * ds + kept_back * potential * kept_u * later
        drive = delta * (1.0 - wiped * run.s_reset[t])
        i_2 = i_later
        i_later = open_ * kept * i_later + scale * (drive + delayed * (open_ * drive_later - drive))
        pulled_2 = pulled
        pulled = -delta * (zero * run.before[t] + constant + wiped * run.drive[t])
        later, drive_later = delta, drive
        deltas.append(delta)
        currents.append(i_later)
    delta, current = (np.stack(np.broadcast_arrays(*part))[::-1] for part in (deltas, currents))
    arrays = sum_gradients(case, index, dials, run, delta, current)
    return LayerGradients(arrays, delta, current)


def backward_recurrence(case: Case, index: int, dials: Dials) -> Array:
    """Return the matrix of the recurrent path, shape (K or 1, n, n)."""
    right = recurrent_matrix(case.params[index], index, dials)
    diagonal = right * np.eye(right.shape[-1])
    others = {
        "recurrence transposed backward": np.swapaxes(right, -1, -2),
        "recurrence without diagonal backward": right - diagonal,
        "recurrence of the diagonal backward": diagonal,
    }
    return mix(dials, index, right, others)


def time_cuts(dials: Dials, index: int, steps: int, what: str = "") -> Array | None:
    """Whether a gradient passes from step t + 1 to step t, shape (time, K, 1, 1); None: always."""
    found = None
    for name, offset in (("blocks", 0), ("blocks from the end", steps)):
        if dials.turns(what + name, index):
            size = dials.read(what + name, index, np.inf)
            after = (np.arange(1, steps + 1) - offset).reshape(-1, 1, 1, 1)
            cut = np.where(np.isfinite(size) & (after % size == 0.0), 0.0, 1.0)
            found = cut if found is None else found * cut
    return found


def sum_gradients(
    case: Case, index: int, dials: Dials, run: LayerRun, delta: Array, current: Array
) -> dict[str, Array]:
    """Return the layer's gradients, summed over steps and recordings from adjoints of currents."""
    layer = case.params[index]
    current = step_weights(dials, index, current)
    a = lagged(dials, index, "input", run.a)
    arrays = {"w": pair_steps(current, a) * dials.read("weight gain", index, 1.0)}
    if "transposed weight" in {name for name, _ in dials.turned} and (
        layer.w.shape[0] == layer.w.shape[1]
    ):
        share = dials.read("transposed weight", index, 0.0)
        arrays["w"] = arrays["w"] + share * (np.swapaxes(arrays["w"], -1, -2) - arrays["w"])
    if layer.b is not None:
        total = current.sum(axis=(0, 2)) if not dials.turns("bias adjoint", index) else None
        if total is None:
            share = dials.read("bias adjoint", index, 0.0)
            total = (current + share * (delta - current)).sum(axis=(0, 2))
        arrays["b"] = total * np.reshape(dials.read("bias gain", index, 1.0), (-1, 1))
    if layer.v is not None:
        heard = shift_steps(run.s, 1)
        if dials.turns("recurrence late", index):
            share = dials.read("recurrence late", index, 0.0)
            heard = heard + share * (shift_steps(run.s, 2) - heard)
        heard = lagged(dials, index, "recurrence", heard, run.s)
        arrays["v"] = pair_steps(current, heard) * dials.read("recurrence gain", index, 1.0)
        if dials.turns("recurrence without diagonal", index):
            share = dials.read("recurrence without diagonal", index, 0.0)
            arrays["v"] = arrays["v"] - share * (arrays["v"] * np.eye(layer.v.shape[0]))
        if dials.turns("input weights recurrent", index):  # then W gets what V would have got
            share = dials.read("input weights recurrent", index, 0.0)
            arrays["w"] = arrays["w"] + share * arrays["v"]
            arrays["v"] = arrays["v"] * (1.0 - share)
        if dials.turns("recurrence transposed", index):
            share = dials.read("recurrence transposed", index, 0.0)
            arrays["v"] = arrays["v"] + share * (np.swapaxes(arrays["v"], -1, -2) - arrays["v"])
    return arrays


def step_weights(dials: Dials, index: int, current: Array) -> Array:
    """Adjoints with the weights that single steps and recordings have in the sums."""
    changes = (("first step", 0), ("last step", -1))
    steps = [(name, t) for name, t in changes if dials.turns(f"{name} in the sums", index)]
    if steps:
        current = current.copy() if current.shape[1] > 1 else current.repeat(dials_size(dials), 1)
    for name, t in steps:
        current[t] = current[t] * dials.read(f"{name} in the sums", index, 1.0)
    for b in range(current.shape[2]):
        if dials.turns(f"recording {b + 1} in the sums", index):
            weight = dials.read(f"recording {b + 1} in the sums", index, 1.0)
            at = (np.arange(current.shape[2]) == b).reshape(-1, 1)
            current = current * np.where(at, weight, 1.0)
    return current


def dials_size(dials: Dials) -> int:
    """The number of settings."""
    return max((len(values) for values in dials.turned.values()), default=1)


def lagged(dials: Dials, index: int, what: str, a: Array, now: Array | None = None) -> Array:
    """What adjoints are paired with: of another step, mirrored, or the mean over time."""
    base = a if now is None else now
    late = 0 if now is None else 1
    others = {f"{what} {name}": shift_steps(base, late + lag) for name, lag in LAGS.items()}
    others[f"{what} mirrored"] = a[::-1]
    others[f"{what} averaged"] = np.broadcast_to(a.mean(axis=0), a.shape)
    return mix(dials, index, a, others)


def pair_steps(current: Array, a: Array) -> Array:
    """Return ``sum_t current_t a_t'``, shape (K, n, n_in)."""

    def as_rows(array: Array) -> Array:
        moved = np.moveaxis(array, 1, 0)
        return moved.reshape(len(moved), -1, moved.shape[-1])

    return np.swapaxes(as_rows(current), -1, -2) @ as_rows(a)


def input_gradient(case: Case, index: int, dials: Dials, current: Array) -> Array:
    """Return what the layer's input receives."""
    layer = case.params[index]
    others = {}
    if layer.w.shape[0] == layer.w.shape[1]:
        others = {"transposed weight backward": current @ layer.w.T}
        if dials.turns("transposed weight", index):
            others["transposed weight"] = current @ layer.w.T
    below = mix(dials, index, current @ layer.w, others)
    below = below * dials.read("weight gain", index, 1.0) * dials.read("layer path", index, 1.0)
    # An input that was late gives its gradient to an earlier step.
    return mix(dials, index, below, undo_delays(below))


def undo_delays(below: Array) -> dict[str, Array]:
    """The transposes of the input's delays, and delays of the way back alone."""
    return {
        "input one step late": shift_steps(below, -1),
        "input two steps late": shift_steps(below, -2),
        "input one step early": shift_steps(below, 1),
        "input reversed": below[::-1],
        "layer path one step later": shift_steps(below, -1),
        "layer path one step earlier": shift_steps(below, 1),
    }
