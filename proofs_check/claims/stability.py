"""THEORY 1: potentials stay in a compact set, and forget where they started.

1a. By the triangle inequality abs(u_t,i) <= abs(r(u, s)) + I_i, where I_i bounds the current of
neuron i, since every input is at most a and every spike at most 1 in magnitude. For each reset
abs(r(u, s)) <= tau abs(u) + q: reset to zero multiplies tau u by 1 - s in [0, 1], subtraction takes
away at most q. At rest r = 0, so abs(u_1) <= I, and unrolling gives I c_t(tau) + q c_{t-1}(tau).
With tau < 1 both sums are at most 1/(1 - tau).

1b. With reset to zero and u_{t-1} >= 0 what is carried over is at most
C = sup_{u >= 0} tau u (1 - sigma(u - theta)); with u_{t-1} < 0 it is not positive. C is finite for
leak 1, too, since 1 - sigma decays at least like 1/u.

1c. A layer's state after a step is u' = g(u) + V sigma(u - theta) + current, with the same current
for both. By the mean value theorem, neuron by neuron, g(u) - g(v) = diag(k) (u - v) with
abs(k_i) <= kappa and sigma(u) - sigma(v) = diag(d) (u - v) with abs(d_i) <= D1, so one step
multiplies the distance by at most kappa + |V|_2 D1 = kappa_e. No condition on kappa_e was used;
kappa_e < 1 makes it a contraction.
"""

from dataclasses import replace

import numpy as np

import refsast as rs
from proofs_check import rounding
from proofs_check.certified.constants import (
    geometric_sums,
    kappa,
    max_carry,
    require_proved_reset,
    sup_derivative,
)
from proofs_check.certified.unit_spikes import SPIKE_FAMILIES
from proofs_check.claim import Claim, Hypothesis
from proofs_check.instances import HasNetwork, LabelledBatch, TwoStartStates
from proofs_check.norms import max_magnitude, nan_to_infinity, spectral_norm
from refsast.arrays import Array
from refsast.autodiff.tape import primal
from refsast.model.lif import step
from refsast.model.unroll import input_currents, unroll

# Of every claim that the paper's abstract promises.
SOURCE = "after arXiv:2603.18039 (abstract), constants derived in this project"


def has_certified_spikes(neurons: tuple[rs.LIF, ...]) -> bool:
    """Whether every spike is one of the five whose range and derivatives are known."""
    return all(type(neuron.spike) in SPIKE_FAMILIES for neuron in neurons)


CERTIFIED_SPIKES = Hypothesis[HasNetwork](
    "each spike is one of the five smooth ones", lambda x: has_certified_spikes(x.network.neurons)
)
LEAK_BELOW_ONE = Hypothesis[LabelledBatch](
    "leak < 1", lambda x: all(n.leak < 1.0 for n in x.network.neurons)
)
RESET_TO_ZERO = Hypothesis[LabelledBatch](
    "reset to zero", lambda x: all(isinstance(n.reset, rs.ToZero) for n in x.network.neurons)
)


def max_reset_drop(neuron: rs.LIF) -> float:
    """Return q, the most that a reset takes away beyond the leak."""
    require_proved_reset(neuron)
    if not isinstance(neuron.reset, rs.Subtract):
        return 0.0
    return neuron.threshold * (neuron.leak if neuron.reset.leaked else 1.0)


def current_bounds(x: LabelledBatch) -> tuple[Array, ...]:
    """Return I_i for every neuron of every layer, shape (n,) each."""
    peak = max_magnitude(x.x)
    found = []
    for layer, _ in zip(x.params, x.network.neurons, strict=False):
        total = np.sum(np.abs(layer.w), axis=1) * peak
        total = total if layer.v is None else total + np.sum(np.abs(layer.v), axis=1)
        found.append(total if layer.b is None else total + np.abs(layer.b))
        peak = 1.0  # above the first layer the inputs are spikes
    return tuple(found)


def potential_magnitudes(x: LabelledBatch) -> tuple[Array, ...]:
    """Return abs(u), shape (time, batch, n) per layer."""
    return tuple(np.abs(u) for u in unroll(x.network, x.params, x.x).u)


def compact_bound(x: LabelledBatch) -> tuple[Array, ...]:
    """Return the bound of 1a, shape (n,) per layer."""

    def bound(i: Array, n: rs.LIF) -> Array:
        return (i + max_reset_drop(n)) * (1.0 / (1.0 - n.leak) if n.leak < 1.0 else np.inf)

    return tuple(map(bound, current_bounds(x), x.network.neurons))


def compact_bound_by_step(x: LabelledBatch) -> tuple[Array, ...]:
    """Return the sharper bound of 1a, shape (time, 1, n) per layer."""

    def bound(i: Array, n: rs.LIF) -> Array:
        sums = np.array(geometric_sums(n.leak, len(x.x)))[:, None, None]
        # Nothing has been reset before the first step.
        return i * sums[1:] + max_reset_drop(n) * sums[:-1]

    return tuple(map(bound, current_bounds(x), x.network.neurons))


def upper_currents(x: LabelledBatch) -> tuple[Array, ...]:
    """Return I+, which a neuron's current never exceeds, shape (n,) per layer; not negative.

    Spikes are not negative, so a negative weight on one cannot raise the current.
    """
    peak, sign = max_magnitude(x.x), bool((primal(x.x) >= 0.0).all())
    found = []
    for layer, _ in zip(x.params, x.network.neurons, strict=False):
        w = np.maximum(layer.w, 0.0) if sign else np.abs(layer.w)
        total = np.sum(w, axis=1) * peak
        if layer.v is not None:
            total = total + np.sum(np.maximum(layer.v, 0.0), axis=1)
        found.append(np.maximum(total if layer.b is None else total + layer.b, 0.0))
        peak, sign = 1.0, True
    return tuple(found)


def saturation_bound(x: LabelledBatch) -> tuple[Array, ...]:
    """Return the bound of 1b, shape (n,) per layer."""
    each = zip(upper_currents(x), x.network.neurons, strict=True)
    return tuple(i + max_carry(replace(n, reset=rs.ToZero())).upper for i, n in each)


def effective_kappa(neuron: rs.LIF, layer: rs.Layer) -> Array:
    """Return kappa_e, by which a step multiplies distances at most."""
    bend = 0.0 if layer.v is None else sup_derivative(neuron.spike).upper * spectral_norm(layer.v)
    return np.asarray(kappa(neuron).upper) + bend


def trajectory(x: TwoStartStates, u: Array) -> Array:
    """Return the potentials of a layer that is started at `u`, shape (time, batch, n)."""
    s, us = x.neuron.spike(u - x.neuron.threshold), []  # the spike that belongs to the state
    for current in input_currents(x.layer, x.x):
        current = current if x.layer.v is None else current + s @ x.layer.v.T
        u, s = step(x.neuron, u, s, current)
        us.append(u)
    return np.stack(us)


def _state_norm(difference: Array) -> Array:
    """The Euclidean distance of two states, over the neurons."""
    return np.sqrt(np.sum(np.square(difference), axis=-1))


def state_distances(x: TwoStartStates) -> Array:
    """Return abs(u_t - u'_t)_2, shape (time, batch)."""
    return _state_norm(trajectory(x, x.start) - trajectory(x, x.other))


def contraction_bound(x: TwoStartStates) -> Array:
    """Return the bound of 1c, shape (time, batch)."""
    factor, at_first = effective_kappa(x.neuron, x.layer), _state_norm(x.start - x.other)
    powers, power = [], np.ones(())
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in x.x:
            power = power * factor
            powers.append(nan_to_infinity(power * at_first))
    return np.stack(powers)


def _rounding(x: TwoStartStates) -> Array:
    """How far rounding moves the distance: each step's own, multiplied by each later step."""
    states = (x.start, x.other, trajectory(x, x.start), trajectory(x, x.other))
    highest = np.max([np.abs(u).reshape(-1, u.shape[-1]).max(axis=0) for u in states], axis=0)
    # Four: two runs, and v = u - theta, whose rounding the spike turns into one of the next state.
    step = 4.0 * float(_state_norm(rounding.layer_rounding(x.neuron, x.layer, x.x, highest)))
    factor = max(1.0, float(effective_kappa(x.neuron, x.layer)))
    return rounding.trajectory_rounding(step, factor, len(x.x))


def _scale(parts: tuple[Array, ...], factor: float) -> tuple[Array, ...]:
    """Every part times a number."""
    return tuple(factor * part for part in parts)


COMPACT = Claim[LabelledBatch](
    label="1a",
    title="potentials stay in a compact set",
    source=f"THEORY 1a; {SOURCE}",
    statement="From rest, with leak < 1, spikes in [0, 1] and abs(x) <= X, for every t and i "
    "abs(u_t,i) <= (I_i + q)/(1 - leak), I_i = sum_j abs(W_ij) a + sum_j abs(V_ij) + abs(b_i).",
    hypotheses=(LEAK_BELOW_ONE, CERTIFIED_SPIKES),
    measure=potential_magnitudes,
    bound=compact_bound,
    rounding=lambda x: _scale(compact_bound(x), rounding.compact_rounding(x)),
)
COMPACT_BY_STEP = Claim[LabelledBatch](
    label="1a-by-step",
    title="the same, by time step, for any leak",
    source="THEORY 1a, sharpened here: at rest nothing is reset",
    statement="From rest, with leak in [0, 1], spikes in [0, 1] and abs(x) <= X, for every t and i "
    "abs(u_t,i) <= I_i c_t(leak) + q c_{t-1}(leak).",
    hypotheses=(CERTIFIED_SPIKES,),
    measure=potential_magnitudes,
    bound=compact_bound_by_step,
    rounding=lambda x: _scale(compact_bound_by_step(x), rounding.compact_rounding(x)),
)
SATURATION = Claim[LabelledBatch](
    label="1b",
    title="reset to zero saturates, even without a leak",
    source="THEORY 1b (own)",
    statement="With reset to zero and currents at most I+ >= 0, for every t "
    "u_t,i <= I+_i + sup_{u >= 0} leak u (1 - sigma(u - threshold)).",
    hypotheses=(RESET_TO_ZERO, CERTIFIED_SPIKES),
    measure=lambda x: unroll(x.network, x.params, x.x).u,
    bound=saturation_bound,
    rounding=rounding.potential_errors,
)
_CERTIFIED_LAYER = Hypothesis[TwoStartStates](
    "each spike is one of the five smooth ones", lambda x: has_certified_spikes((x.neuron,))
)
INCREMENTAL_STABILITY = Claim[TwoStartStates](
    label="1c",
    title="one layer, two states: the distance by step",
    source="THEORY 1c, widened here: no condition on kappa_e",
    statement="One layer with the same input, started in two states, has for every t "
    "|u_t - u'_t|_2 <= kappa_e^t |u_0 - u'_0|_2.",
    hypotheses=(_CERTIFIED_LAYER,),
    measure=state_distances,
    bound=contraction_bound,
    rounding=_rounding,
)
CONTRACTION = Claim[TwoStartStates](
    label="1c-contraction",
    title="one layer, two states: they approach",
    source=f"THEORY 1c; {SOURCE}",
    statement="If kappa_e < 1, no later distance of the two states exceeds kappa_e times the "
    "first.",
    hypotheses=(
        _CERTIFIED_LAYER,
        Hypothesis("kappa_e < 1", lambda x: bool(primal(effective_kappa(x.neuron, x.layer)) < 1.0)),
    ),
    measure=state_distances,
    bound=lambda x: (
        np.minimum(effective_kappa(x.neuron, x.layer), 1.0) * _state_norm(x.start - x.other)
    ),
    uses=("1c",),
    rounding=_rounding,
)
