"""Why each hypothesis is there: an instance that violates it alone, and refutes the claim.

`ESCAPES` has one entry per claim and hypothesis. An entry is a function that makes an instance
which the claim without that hypothesis gets wrong; or, where none can exist, a sentence that says
why.

An `Impostor` stands for a spike of which nothing is known.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

import refsast as rs
from proofs_check.claims.deployment import IN_INTEGERS
from proofs_check.claims.local import OF_A_NETWORK
from proofs_check.claims.mechanism import ConditionedRecording
from proofs_check.claims.sam import SMOOTH_ON_BALL, TWICE_DIFFERENTIABLE, Ascent
from proofs_check.claims.smoothness import WITHIN_CAPS
from proofs_check.claims.stability import CERTIFIED_SPIKES
from proofs_check.claims.transfer import MARGIN_CONDITION
from proofs_check.descent import counterexamples as counterexamples_descent
from proofs_check.descent.objectives import Quadratic
from proofs_check.instances import LabelledBatch, TwoInputs, TwoParameterPoints, TwoStartStates
from refsast.arrays import Array


@dataclass(frozen=True)
class Impostor(rs.Arctan):
    """An arctangent spike where constants are looked up, another function when it is called.

    Attributes
    ----------
    slope : float
        Of the arctangent.
    function : callable
        What it is when called.
    """

    function: Callable[[Array], Array]

    def __call__(self, v: Array) -> Array:
        """Return the other function's value, any shape."""
        return self.function(v)


NEGATIVE = Impostor(1.0, lambda v: 0.0 * v - 1.0)  # below what a spike can be
LOUD = Impostor(1.0, lambda v: 0.0 * v + 1000.0)  # far above what a spike can be
STEEPER = Impostor(1.0, rs.Arctan(1000.0))  # a thousand times as steep as it claims


def never(v: Array) -> Array:
    """Return 0, any shape: a spike that never fires."""
    return 0.0 * v


def one_neuron_batch(
    neuron: rs.LIF, steps: int, *, w: float = 1.0, out: float = 0.1
) -> LabelledBatch:
    """Return one neuron that is driven by ones, its bias at threshold, and a readout of it."""
    network = rs.Network((1, 1), neuron, rs.LinearReadout(2))
    params = (
        rs.Layer(np.full((1, 1), w), np.full(1, neuron.threshold - w)),
        rs.Layer(out * np.array([[1.0], [-1.0]]), np.zeros(2)),
    )
    return LabelledBatch(network, params, np.ones((steps, 1, 1)), np.zeros(1, np.int64))


def _neuron(spike: rs.Arctan, leak: float = 0.5, reset: object = None) -> rs.LIF:
    """A neuron of threshold 1."""
    return rs.LIF(leak, 1.0, spike, reset or rs.ToZero())  # pyright: ignore[reportArgumentType]


def runaway() -> LabelledBatch:
    """Return a neuron that a negative spike makes grow: ``leak u (1 - s) = 1.8 u``."""
    return one_neuron_batch(_neuron(NEGATIVE, 0.9), 20)


def integrator(reset: object, spike: rs.Arctan) -> LabelledBatch:
    """Return a neuron without a leak whose potential is the sum of its currents."""
    return one_neuron_batch(_neuron(spike, 1.0, reset), 200)


def steep_batch() -> LabelledBatch:
    """Return a neuron at threshold that is steeper than its constants say."""
    return one_neuron_batch(_neuron(STEEPER), 1)


def steep_states() -> TwoStartStates:
    """Return two states close to the threshold of a neuron that is steeper than it claims."""
    layer = rs.Layer(np.ones((1, 1)))
    start = np.ones((1, 1))
    return TwoStartStates(_neuron(STEEPER), layer, np.zeros((1, 1, 1)), start, start + 1e-3)


def overshoot() -> TwoStartStates:
    """Return two states that subtraction with a steep spike drives apart."""
    layer, start = rs.Layer(np.ones((1, 1))), np.ones((1, 1))
    cell = _neuron(rs.Arctan(10.0), 0.9, rs.Subtract())
    return TwoStartStates(cell, layer, np.zeros((1, 1, 1)), start, start + 1e-2)


def steep_inputs() -> TwoInputs:
    """Return two inputs on either side of a threshold that is steeper than it claims."""
    x = steep_batch()
    return TwoInputs(x.network, x.params, x.x, x.x + 1e-3)


def steep_points() -> TwoParameterPoints:
    """Return two points, and a spike that is steeper than it claims between them."""
    return _move_first_layer(steep_batch(), 1e-3, np.inf)


def loud_points() -> TwoParameterPoints:
    """Return two points, and a spike of a thousand, which a reset to zero turns into growth."""
    return _move_first_layer(one_neuron_batch(_neuron(LOUD, 0.9), 4), 1e-3, np.inf)


def norms_above_caps() -> TwoParameterPoints:
    """Return two points whose norms exceed the caps, which are nearly zero."""
    x = one_neuron_batch(_neuron(rs.Arctan(1.0)), 1, out=10.0)
    return _move_first_layer(replace(x, y=np.ones(1, np.int64)), 1.0, 1e-3)


def _move_first_layer(x: LabelledBatch, size: float, cap: float) -> TwoParameterPoints:
    """The same with the first layer's weights moved, and caps no larger than `cap`."""
    first, out = x.params
    there = (rs.Layer(first.w + size, first.b), out)
    caps = tuple((min(norm, cap), 0.0) for norm in (3.0, 20.0))
    return TwoParameterPoints(x.network, x.params, there, x.x, x.y, caps)


def false_linearity() -> Ascent:
    """Return a quadratic that is claimed to be linear."""
    return Ascent(Quadratic(np.diag([1.0, 2.0]), np.ones(2)), np.array([1.0, 0.0]), 0.5, 0.0)


def two_recordings() -> LabelledBatch:
    """Return a batch of two, whose weight gradient is a sum over both."""
    x = one_neuron_batch(_neuron(rs.Arctan(1.0)), 3)
    return LabelledBatch(x.network, x.params, np.tile(x.x, (1, 2, 1)), np.array([0, 1]))


def opposite_rows() -> ConditionedRecording:
    """Return two opposite rows, on either side of threshold: dloss/dW^1 = 0, dloss/dx is not."""
    x = one_neuron_batch(_neuron(rs.Arctan(1.0), 0.0), 2)
    first = rs.Layer(x.params[0].w, np.ones(1))
    rows = np.array([[[0.5]], [[-0.5]]])
    return ConditionedRecording(x.network, (first, x.params[1]), rows, x.y, 1.0)


def silent_input() -> ConditionedRecording:
    """Return a network without biases on silence: no parameter matters, the input does."""
    network = rs.Network((1, 2), _neuron(rs.Arctan(1.0)), rs.SpikeRate(1.0), bias=False)
    params = (rs.Layer(np.array([[1.0], [-1.0]])),)
    return ConditionedRecording(network, params, np.zeros((1, 1, 1)), np.zeros(1, np.int64), 1.0)


def near_tie() -> LabelledBatch:
    """Return a neuron whose second potential is all but at threshold, where d* > m/2.

    Smooth spikes fire half at the first step, hard ones wholly, so the reset leaves more and the
    second smooth potential is well above a threshold that the hard one just misses.
    """
    network = rs.Network((1, 1), _neuron(rs.Arctan(100.0), 0.9), rs.SpikeRate(1.0), bias=False)
    x = np.array([1.0, 0.999]).reshape(2, 1, 1)
    return LabelledBatch(network, (rs.Layer(np.ones((1, 1))),), x, np.zeros(1, np.int64))


def silent_spikes() -> LabelledBatch:
    """Return a spike that is nowhere near the hard one, on potentials that are far from theta."""
    network = rs.Network((1, 2), _neuron(Impostor(1e6, never), 0.5), rs.SpikeRate(1.0), bias=False)
    params = (rs.Layer(np.array([[5.0], [-5.0]])),)
    return LabelledBatch(network, params, np.ones((1, 1, 1)), np.zeros(1, np.int64))


SPIKES, SMOOTH = CERTIFIED_SPIKES.condition, SMOOTH_ON_BALL.condition
TWICE = TWICE_DIFFERENTIABLE.condition
CAPS, MARGIN = WITHIN_CAPS.condition, MARGIN_CONDITION.condition
UNKNOWN_SPIKE = (
    "The bound is made of enclosures of the spike and its derivatives; of a spike of which nothing "
    "is known there are none, so there is no bound that anything could exceed."
)
ESCAPES: dict[tuple[str, str], Callable[[], object] | str] = {
    ("1a", "leak < 1"): "Without a leak the bound is infinite, so nothing exceeds it; what is lost "
    "is that potentials stay bounded: `integrator` sums its currents without end.",
    ("1a", SPIKES): runaway,
    ("1a-by-step", SPIKES): runaway,
    ("1b", "reset to zero"): lambda: integrator(rs.NoReset(), rs.Arctan(1.0)),
    ("1b", SPIKES): lambda: integrator(rs.ToZero(), Impostor(1.0, never)),
    ("1c", SPIKES): steep_states,
    ("1c-contraction", "kappa_e < 1"): overshoot,
    ("1c-contraction", SPIKES): steep_states,
    ("2-pairs", SPIKES): steep_inputs,
    ("2-gradient", SPIKES): steep_batch,
    ("3a", SPIKES): steep_batch,
    ("3-first", SPIKES): loud_points,
    ("3-second", SPIKES): loud_points,
    ("3b-quotient", CAPS): norms_above_caps,
    ("3b-quotient", SPIKES): steep_points,
    ("3b-product", SPIKES): steep_points,
    ("3b-eigenvalue", SPIKES): steep_batch,
    ("3b-joint", SPIKES): steep_points,
    ("4a", SMOOTH): false_linearity,
    ("4b", SMOOTH): false_linearity,
    ("4c", SMOOTH): false_linearity,
    ("4d", SMOOTH): false_linearity,
    ("4d", TWICE): "Where sigma'' jumps, H is no derivative there, and the exact gradient that the "
    "claim speaks of does not exist; with either limit for H the inequality holds all the same.",
    ("2-local", SPIKES): UNKNOWN_SPIKE,
    ("2-local-gradient", SPIKES): UNKNOWN_SPIKE,
    ("3b-local", SPIKES): UNKNOWN_SPIKE,
    ("4-local", OF_A_NETWORK.condition): "Of another f there is no network to enclose, so there is "
    "no L(w, rho) that anything could exceed.",
    **counterexamples_descent.ESCAPES,
    ("6-identity", "one recording"): two_recordings,
    ("6-rows", "sigma_min(X) >= mu > 0"): opposite_rows,
    ("6-jacobians", "sigma_min(J_w') >= mu > 0"): silent_input,
    ("7-layers", MARGIN): near_tie,
    ("7-layers", SPIKES): silent_spikes,
    ("7-simple", MARGIN): "Where it fails the bound is infinite, so nothing exceeds it; `near_tie` "
    "shows for 7-layers that the finite formula would be wrong there.",
    ("7-simple", SPIKES): silent_spikes,
    ("7-sharp", SPIKES): silent_spikes,
    ("7-homotopy", SPIKES): silent_spikes,
    (
        "7-rounding",
        IN_INTEGERS.condition,
    ): "Of other inputs, and where a number does not fit, "
    "there is no run in integers that could leave its interval.",
}
