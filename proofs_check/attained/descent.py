"""THEORY 4, 5 and 6: bowls, saddles and short recordings, one term of a bound each."""

from dataclasses import replace

import numpy as np

import refsast as rs
from proofs_check.attained.networks import TWO_WAYS, WRONG, Chain
from proofs_check.claims.mechanism import (
    ConditionedRecording,
    fit_mu_to_logits,
    fit_mu_to_rows,
)
from proofs_check.claims.reshuffling import SastEpoch, tighten_epoch
from proofs_check.claims.sam import Ascent, certify_smoothness
from proofs_check.descent.counterexamples import (
    bias_against_descent,
    epoch_from_step,
    fit_variance,
    maximal_bias,
)
from proofs_check.descent.draws import direction_variance
from proofs_check.descent.enumeration import SastPath, SastStep
from proofs_check.descent.finite_sum import FiniteSum
from proofs_check.descent.objectives import Quadratic, Risk
from proofs_check.descent.runs import SastRuns

BEND = 4.0  # not 1, so that every power of L shows
RUNS = 200_000  # so many that the confidence limit costs a per cent


def parabola() -> Ascent:
    """Return a parabola, of which every ball has the same curvature; rho is not 1."""
    return certify_smoothness(
        Ascent(Quadratic(BEND * np.eye(1), np.zeros(1)), np.ones(1), 3.0, 1.0)
    )


def saddle(w: tuple[float, float], rho: float = 3.0) -> Ascent:
    """Return a saddle: upwards along the first axis, downwards along the second."""
    h = BEND * np.diag([1.0, -1.0])
    return certify_smoothness(Ascent(Quadratic(h, np.zeros(2)), np.array(w), rho, 1.0))


def bowls(*centres: float) -> FiniteSum:
    """Return the mean of bowls of curvature `BEND` about these centres, each a minibatch."""
    each = (Quadratic(BEND * np.eye(1), -BEND * np.array([c]), 0.5 * BEND * c * c) for c in centres)
    return FiniteSum(tuple(each), 1)


def step(
    *centres: float, w: float, rho: float, eta: float = 1.0 / BEND, shared: bool = False
) -> SastStep:
    """Return a step on `bowls`, with L and v2 as they are."""
    x = SastStep(bowls(*centres), np.array([w]), rho, eta, BEND, 0.0, shared)
    return certify_noise(x) if shared else fit_variance(x)


def certify_noise(x: SastStep) -> SastStep:
    """Return the step with v2 as 5a-shared needs it."""
    return replace(x, variance=direction_variance(x))


def path() -> SastPath:
    """Return a path of which start, ascent and noise are each a part of the bound."""
    first = step(1.0, -1.0, w=float(np.sqrt(12.0)), rho=1.0)
    return SastPath(first, 6, first.family.lower)


def epoch(*centres: float, w: float, rho: float) -> SastEpoch:
    """Return an epoch over `bowls`, as long as 5d allows."""
    return tighten_epoch(epoch_from_step(step(*centres, w=w, rho=rho, eta=1.0 / BEND)))


def runs() -> SastRuns:
    """Return many runs along a longer path of the kind."""
    first = step(1.0, -1.0, w=float(np.sqrt(40.0)), rho=1.0)
    return SastRuns(
        SastPath(replace(first, variance=first.family.spread), 20, first.family.lower), RUNS, 0
    )


def late_spike() -> ConditionedRecording:
    """Return two inputs of one step each, the first of which the neuron's slope does not see.

    The rows are orthogonal and the one that counts is the short one: |X| is nothing like mu.
    """
    neuron = rs.LIF(0.0, 1.0, rs.PiecewiseQuadratic(1.0), rs.NoReset())
    network = rs.Network((2, 2), neuron, rs.SpikeRate(1.0), bias=False)
    x = np.array([[10.0, 0.0], [0.0, 0.25]]).reshape(2, 1, 2)
    params = (rs.Layer(np.array([[3.0, 4.0], [-0.5, 0.0]])),)
    return fit_mu_to_rows(ConditionedRecording(network, params, x, np.zeros(1, np.int64), 1.0))


def one_logit() -> ConditionedRecording:
    """Return two neurons of their own inputs, of which only one reacts."""
    neuron = rs.LIF(0.0, 1.0, rs.PiecewiseQuadratic(1.0), rs.NoReset())
    network = rs.Network((2, 2), neuron, rs.SpikeRate(1.0), bias=False)
    params = (rs.Layer(np.eye(2)),)
    x = np.ones((1, 1, 2))
    return fit_mu_to_logits(ConditionedRecording(network, params, x, np.zeros(1, np.int64), 1.0))


def product_growth() -> Ascent:
    """Return a chain whose last two weights are small at w, and are not at the end of the ascent.

    A product of norms that is small at w bounds nothing there: L is asked for on the whole ball.
    """
    steep, flat = (rs.LIF(0.0, 1.0, rs.Arctan(k), rs.NoReset()) for k in (2e5, 10.0))
    x = Chain((steep, flat), w=(0.0,), out=1e-3 * TWO_WAYS, bias=WRONG).batch()
    first = rs.Layer(x.params[0].w, x.x[0, 0])
    risk = Risk(x.network, np.zeros((1, 1, 1)), x.y)
    return certify_smoothness(Ascent(risk, rs.flatten((first, *x.params[1:])), 3.0, 1.0))


IDENTITY = "An equality, to rounding: there is no term that could be left out."
ATTAINED = {
    "4a": {"curvature": parabola},
    "4b": {"first part": parabola, "second part: a saddle": lambda: saddle((1e-3, 1e-2))},
    "4c": {"curvature": parabola},
    "4d": {"dropped term": lambda: saddle((0.3, 0.2), 0.5)},
    "5a": {"ascent and noise": lambda: step(1.0, -1.0, w=0.5, rho=2.0)},
    "5a-sharp": {
        "ascent and noise": lambda: step(1.0, -1.0, w=0.5, rho=2.0, eta=2.0 / BEND),
    },
    "5a-shared": {
        "ascent": lambda: step(0.0, w=0.5, rho=2.0, shared=True),
        "noise": lambda: step(1.0, -1.0, w=0.0, rho=0.0, shared=True),
        "mean Lipschitz constant": lambda: certify_noise(bias_against_descent()),
    },
    "5b": {"start, ascent and noise": path},
    "5b-seeded": {"start, ascent and noise": runs},
    "5c": {"unbiased": IDENTITY},
    "5c-bias": {"bias": maximal_bias},
    "5d": {
        "ascent": lambda: epoch(0.0, w=0.5, rho=2.0),
        "steps before": lambda: epoch(0.0, 0.0, w=0.5, rho=0.0),
        "what an ascent adds to a step": "No instance is known in which L_j D_j counts: it grows "
        "where an ascent adds to its step, which then leads against it; a test has the number.",
    },
    "6-identity": {"both": IDENTITY},
    "6-rows": {"smallest singular value": late_spike},
    "6-jacobians": {"smallest singular value": one_logit},
}
NECESSARY = {"4c": {"L on the ball": product_growth}}
