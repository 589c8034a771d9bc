"""One layer of a run, forward and backward by hand, several repeats at once, with random errors.

Rule 1: arrays are (time, repeats, batch, n); what all repeats share has one repeat.
Rule 2: the run without errors goes through the same lines: its dials are exact, its jitter is zero.
Rule 3: where errors arise is read off the run without errors (`Spread`); how far they are carried
        is what the repeats are run for.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import reduce
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array
from refsast.autodiff.summation import count_equal_terms, sum_noise
from refsast.model.lif import LIF
from refsast.model.params import Layer
from refsast.model.spike import first_derivative
from refsast.model.surrogate import Algebraic, Arctan, FastSigmoid, PiecewiseQuadratic
from refsast.model.synapse import Synapse

# Error of a spike's derivative far from threshold, in roundings of its largest value: that of
# ``k s (1 - s)``, the usual derivative of a logistic spike. Those of the others that are known keep
# their relative precision; of a spike of somebody's own nothing is known.
COARSE = 1.0
PRECISE = (Arctan, Algebraic, FastSigmoid, PiecewiseQuadratic)

# ``(part, t) -> array``: the random errors of one part of `Spread` at one step.
Jitter: TypeAlias = Callable[[str, int], Array | float]


@dataclass(frozen=True, eq=False)
class Dials:
    """The constants of a layer, each (repeats, 1, 1): one rounding off, the same at all steps."""

    leak: Array
    threshold: Array
    keep: Array  # the synapse's leak
    scale: Array  # the synapse's scale


@dataclass(frozen=True, eq=False)
class Clean:
    """One layer of the run without errors: (time, 1, batch, n) arrays."""

    neuron: LIF
    layer: Layer
    a: Array  # what comes in
    inflow: Array  # the current that it makes, without recurrence
    u: Array
    s: Array
    g: Array  # what its spikes receive from above
    delta: Array  # dL/du
    current: Array  # the adjoint of its input current


@dataclass(frozen=True, eq=False)
class Spread:
    """Standard deviations of the errors that arise in a layer, each (time, 1, batch, n)."""

    i: Array  # of the current
    u: Array
    s: Array  # of the spike's formula
    delta: Array
    back: Array  # of what is sent back to the input, (time, 1, batch, n_in)


def exact_dials(neuron: LIF, synapse: Synapse | None) -> Dials:
    """Return the constants as they are."""
    keep, scale = (0.0, 1.0) if synapse is None else (synapse.leak, synapse.scale)
    values = (neuron.leak, neuron.threshold, keep, scale)
    return Dials(*(np.full((1, 1, 1), value) for value in values))


def draw_dials(dials: Dials, unit: float, repeats: int, rng: np.random.Generator) -> Dials:
    """Return constants that are one rounding off, another one in each repeat."""

    def draw(value: Array) -> Array:
        inexact = 0.0 if float(value.item()) in (0.0, 1.0) else unit
        return value * (1.0 + inexact * rng.standard_normal((repeats, 1, 1)))

    return Dials(*(draw(getattr(dials, f.name)) for f in fields(dials)))


def run_states(
    neuron: LIF,
    layer: Layer,
    synapse: Synapse | None,
    dials: Dials,
    currents: Array,
    jitter: Jitter,
    fire: Callable[[int, Array], Array],
) -> tuple[Array, Array]:
    """Return potentials and spikes; ``fire(t, v)`` is the spike of a distance above threshold."""
    rest = np.zeros((len(dials.leak), *currents.shape[2:]))
    i, u, s, us, ss = rest, rest, rest, [], []
    for t, current in enumerate(currents):
        recurrent = 0.0 if layer.v is None else s @ layer.v.T
        now = dials.keep * i + current + recurrent + jitter("i", t)
        drive = i if synapse is not None and synapse.delayed else now
        carried = neuron.reset(dials.leak, dials.threshold, u, s)  # pyright: ignore[reportArgumentType]
        u = carried + dials.scale * drive + jitter("u", t)
        i, s = now, fire(t, u - dials.threshold)
        us.append(u)
        ss.append(s)
    return np.stack(us), np.stack(ss)


def run_adjoints(
    neuron: LIF,
    layer: Layer,
    synapse: Synapse | None,
    dials: Dials,
    u: Array,
    s: Array,
    g: Array,
    jitter: Jitter,
) -> tuple[Array, Array]:
    """Return dL/du and the adjoints of the currents, from what the spikes receive from above."""
    derivative = first_derivative(neuron.spike)
    delta = np.empty(np.broadcast_shapes(u.shape, g.shape))
    current = np.empty(delta.shape)
    later = i_later = np.zeros(delta.shape[1:])
    for t in reversed(range(len(u))):
        v = u[t] - dials.threshold
        slope = derivative(v)
        partials = neuron.reset.partials(dials.leak, dials.threshold, u[t], s[t])  # pyright: ignore[reportArgumentType]
        h = g[t] if neuron.detach_reset else g[t] + partials[1] * later
        h = h if layer.v is None else h + i_later @ layer.v
        delta[t] = slope * h + partials[0] * later + jitter("delta", t)
        driven = later if synapse is not None and synapse.delayed else delta[t]
        later, i_later = delta[t], dials.keep * i_later + dials.scale * driven
        current[t] = i_later
    return delta, current


def product_noise(left: Array, right: Array, product: Array) -> Array:
    """Return the error, in roundings, of ``sum left right'`` over all axes but the last."""
    turns, n_left, n_right = len(left), left.shape[-1], right.shape[-1]
    left, right = abs(left).reshape(-1, n_left), abs(right).reshape(-1, n_right)
    counts = np.count_nonzero(right, axis=0).astype(np.float64)
    alike = min(count_equal_terms(left), count_equal_terms(right))
    return sum_noise(product, left.T @ right, counts, turns, alike)


def locate_errors(clean: Clean, hard: bool, unit: float, inputs: bool) -> Spread:
    """Return where errors of one rounding arise in a layer, and how large they are."""
    neuron, layer, a, u, s = clean.neuron, clean.layer, clean.a, clean.u, clean.s
    v, (u_0, s_0, later, i_later) = u - neuron.threshold, _neighbours(clean)
    bias = 0.0 if layer.b is None else layer.b
    total, i_terms = clean.inflow, abs(a) @ abs(layer.w).T + abs(bias)
    count: Array = np.count_nonzero(a, axis=-1, keepdims=True).astype(np.float64) + 1.0
    if layer.v is not None:
        total, i_terms = total + s_0 @ layer.v.T, i_terms + s_0 @ abs(layer.v).T
        count = count + len(layer.v)
    i = sum_noise(total, i_terms, count)
    s_formula, slope, slope_formula = _formula_errors(neuron, v, s, unit)
    r_u, r_s = neuron.reset.partials(neuron.leak, neuron.threshold, u, s)
    r_s = 0.0 if neuron.detach_reset else r_s
    carried = neuron.leak * abs(u_0) * (1.0 + s_0) + neuron.threshold * s_0
    h, received, back = clean.g + r_s * later, 0.0, np.zeros((len(u), 1, 1, 1))
    if layer.v is not None:
        received = i_later @ layer.v
        h, terms = h + received, abs(i_later) @ abs(layer.v)
        received = sum_noise(received, terms, len(layer.v))
    if inputs:
        c = clean.current
        back = sum_noise(c @ layer.w, abs(c) @ abs(layer.w), len(layer.w))
    errors = Spread(
        i=i,
        u=np.hypot(carried, u),
        s=np.zeros(s.shape) if hard else s_formula,
        # Squares of what is tiny would be none, and what may be 0 in another program certain.
        delta=reduce(
            np.hypot,
            (
                slope_formula * h,
                slope * clean.g,
                slope * r_s * later,
                slope * received,
                r_u * later,
                clean.delta,
            ),
        ),
        back=back,
    )
    return Spread(*(unit * getattr(errors, f.name) for f in fields(errors)))


def _formula_errors(neuron: LIF, v: Array, s: Array, unit: float) -> tuple[Array, Array, Array]:
    """Errors of a spike's formula, in roundings; its slope; errors of the slope's formula."""
    derivative, near = first_derivative(neuron.spike), 2.0 * unit * abs(v)
    slope = derivative(v)
    # The argument is rounded, too; a slope may change at a kink.
    turn = np.maximum(abs(derivative(v + near) - slope), abs(derivative(v - near) - slope)) / unit
    # s or 1 - s may be computed first; where there is no slope the spike is 0 or 1, exactly.
    s_formula = np.where(slope == 0.0, 0.0, 0.5 + abs(s - 0.5) + 2.0 * slope * abs(v))
    coarse = 0.0 if isinstance(neuron.spike, PRECISE) else COARSE
    top = derivative(np.zeros(()))
    # It loses no more than what is there.
    slope_formula = turn + 2.0 * slope + np.minimum(coarse * top, 4.0 * slope / unit)
    return s_formula, slope, slope_formula


def _neighbours(clean: Clean) -> tuple[Array, Array, Array, Array]:
    """Potential and spike of the step before; adjoints of potential and current of the next."""
    rest = np.zeros_like(clean.u[:1])
    return (
        np.concatenate([rest, clean.u[:-1]]),
        np.concatenate([rest, clean.s[:-1]]),
        np.concatenate([clean.delta[1:], rest]),
        np.concatenate([clean.current[1:], rest]),
    )


def draw_jitter(spread: Spread, repeats: int, rng: np.random.Generator) -> Jitter:
    """Return random errors of these standard deviations.

    Each is a sum of three: one drawn anew at every call, one that stays the same in all steps, and
    one that is the same in all recordings, too, as where neither input nor potential changes. Those
    of the first kind are cut out of one long row of random numbers, each time at another place.
    """
    row = rng.standard_normal(4 * repeats * spread.u[0].size + 1000)
    steady = {
        f.name: rng.standard_normal((repeats, *spread.u.shape[2:]))
        + rng.standard_normal((repeats, 1, spread.u.shape[3]))
        for f in fields(spread)
        if f.name != "back"
    }

    def jitter(part: str, t: int) -> Array:
        size = getattr(spread, part)[t]
        start = rng.integers(len(row) - repeats * size.size)
        anew = row[start : start + repeats * size.size].reshape(repeats, *size.shape[1:])
        return size * (anew + steady[part])

    return jitter


def no_jitter(part: str, t: int) -> float:
    """Return zero: no error."""
    return 0.0
