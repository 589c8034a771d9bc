"""THEORY 5: what fails where one hypothesis does, and how badly one shared minibatch can go.

Rule 1: each instance of `ESCAPES` breaks one hypothesis of one claim and no other, and refutes the
        claim that does without it.
Rule 2: everything is exact: expectations are enumerated, constants are closed forms.

5c-bias has no hypothesis. None of the claims asks that a minibatch be unbiased, since no family
draws its minibatches in any other way.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

import refsast as rs
from proofs_check.claims.convergence import INDEPENDENT, LOWER_BOUND, NOISE, SMALL, SMOOTH
from proofs_check.claims.reshuffling import ONCE, SMALL_EPOCH, SastEpoch
from proofs_check.descent.enumeration import SastPath, SastStep, step_outcomes
from proofs_check.descent.finite_sum import FiniteSum
from proofs_check.descent.objectives import Quadratic, Risk
from proofs_check.descent.runs import SastRuns


def bowl_sum(*centres: float) -> FiniteSum:
    """Return the mean of ``(w - centre)^2 / 2`` over some centres, each of them a minibatch."""
    return FiniteSum(tuple(Quadratic(np.eye(1), -np.array([c]), 0.5 * c * c) for c in centres), 1)


def bowl_step(
    *centres: float,
    w: float,
    rho: float = 0.0,
    eta: float = 1.0,
    lipschitz: float = 1.0,
    variance: float = 0.0,
    shared: bool = False,
) -> SastStep:
    """Return a step on `bowl_sum`: its curvature is 1, its variance that of the centres."""
    return SastStep(bowl_sum(*centres), np.array([w]), rho, eta, lipschitz, variance, shared)


def false_lipschitz(*, shared: bool = False) -> SastStep:
    """Return a step that overshoots, since L is stated at a quarter of what it is."""
    return bowl_step(0.0, w=10.0, eta=4.0, lipschitz=0.25, shared=shared)


def large_eta(*, shared: bool = False) -> SastStep:
    """Return a step that overshoots, since eta is 1.5/L."""
    return bowl_step(0.0, w=1.0, eta=1.5, shared=shared)


def false_variance(*, w: float = 0.0, shared: bool = False) -> SastStep:
    """Return a step from near the minimum that only noise moves away, and v2 is stated as 0."""
    return bowl_step(1.0, -1.0, w=w, shared=shared)


def double_gain() -> SastStep:
    """Return a step with a shared minibatch that gains twice what 5a allows.

    Either centre pulls by 1 and is climbed away from by rho = 1: two steps of length 1 that always
    point the same way, where independent ones would point the same way half of the time. Every
    minibatch has the curvature L.
    """
    return bowl_step(1.0, -1.0, w=0.0, rho=1.0, variance=1.0, shared=True)


def maximal_bias() -> SastStep:
    """Return a step whose bias is 2 L rho, L = rho = 1, which attains 5c-bias.

    Samples of curvature 3 and -1, their gradients opposite: each climbs its own way, and both find
    that their slopes have changed in the same direction.
    """
    return bias_against_descent(w=0.0, eta=1.0)


def bias_against_descent(w: float = -2.0, eta: float = 1e-3) -> SastStep:
    """Return the same where the mean gradient is -2 L rho: the bias cancels it, nothing descends.

    As eta becomes smaller, what is gained over 5a approaches four times its bound.
    """
    samples = (
        Quadratic(np.array([[3.0]]), np.array([10.0])),
        Quadratic(np.array([[-1.0]]), np.array([-10.0])),
    )
    return fit_variance(
        SastStep(FiniteSum(samples, 1), np.array([w]), 1.0, eta, 1.0, 0.0, shared=True)
    )


def axis_batches(samples: int, tilt: float = 1e-6) -> SastStep:
    """Return a step that gains `samples` times what 5a allows; its bias exceeds L rho, too.

    Sample i is curved along axis i only, by as much as there are samples: the mean has L = 1. Each
    climbs along its own axis, where no other sample sees a change. The bias is
    ``(sqrt(n) - 1/sqrt(n)) L rho``, so no multiple of L rho bounds it.
    """
    unit = np.eye(samples)
    each = tuple(Quadratic(samples * np.outer(e, e), tilt * e) for e in unit)
    start = SastStep(FiniteSum(each, 1), np.zeros(samples), 1.0, 1.0, 1.0, 0.0, shared=True)
    return fit_variance(replace(start, lipschitz=start.family.lipschitz(start.w, 0.0)))


def snn_step() -> SastStep:
    """Return a step of a spiking network, with a shared minibatch, that 5a fails on by far.

    One recording of one step comes twice, with opposite labels; two neurons, logits gain * spike.
    With delta = gain (sigma(v_0) - sigma(v_1)) the loss is log(2 cosh(delta/2)), whose Hessian is::

        sech^2(delta/2)/4 outer(delta', delta') + tanh(delta/2)/2 delta''

    with |delta'|^2 <= 2 gain^2 D1^2, |delta''| <= gain D2 and abs(delta) <= gain. So everywhere
    L = gain^2 (D1^2/2 + D2/4) serves, far less than the constant of THEORY 3, which must serve for
    every label. In each recording alone the curvature gain D2/2 of the spikes does not cancel.
    """
    spike, gain = rs.Logistic(4.0), 0.1
    neuron = rs.LIF(0.5, 1.0, spike, rs.ToZero())
    net = rs.Network((1, 2), neuron, rs.SpikeRate(gain), bias=False, recurrent=False)
    x = np.ones((1, 1, 1))
    family = FiniteSum(tuple(Risk(net, x, np.array([label])) for label in (0, 1)), 1)
    bend = gain**2 * (spike.sup_derivative**2 / 2.0 + spike.sup_second / 4.0)
    w = np.array([1.36, -4.15])
    return fit_variance(SastStep(family, w, 0.045, 1e-4 / bend, bend, 0.0, shared=True))


def fit_variance(x: SastStep) -> SastStep:
    """Return the step with v2 as 5a asks for it."""
    return replace(x, variance=step_outcomes(x).gradient_variance)


def last_of_two() -> tuple[float, float]:
    """Return f after the second step of an epoch of two minibatches, and what 5a allows of it.

    f is the mean of the bowls about 1 and -1, less 1/2: ``w^2/2``. From w = 2 the first step was on
    -1 and led to 1/2; only 1 is left, which pulls upwards. Drawn independently it would be one of
    the two, and the mean over both is what 5a speaks of.
    """
    x = bowl_step(1.0, -1.0, w=0.5, eta=0.5, variance=1.0)
    after = x.w - x.eta * x.family.samples[0].value_and_grad(x.w)[1]
    descent = 0.5 * x.w @ x.w - 0.5 * x.eta * x.w @ x.w  # grad f(w) = w
    return float(0.5 * after @ after), float(descent + 0.5 * x.eta**2 * x.variance)


def adam_at_the_bottom(w: float = 1e-3) -> tuple[float, float]:
    """Return f after Adam's first step next to the minimum of ``w^2/2``, and what 5a allows.

    At eta = 1/L and without noise or ascent 5a allows ``f - (eta/2) |grad f|^2``, here 0. Adam's
    first step is ``eta grad/(|grad| + epsilon)``, so it overshoots, the more the nearer w is.
    """
    f, start = Quadratic(np.eye(1), np.zeros(1)), np.array([w])
    method = rs.descent.adam(
        learning_rate=1.0, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.0
    )
    value, grad = f.value_and_grad(start)
    after = method.update(method.init(start), start, grad, 1.0)[1]
    return float(f.value_and_grad(after)[0]), float(value - 0.5 * grad @ grad)


def epoch_from_step(first: SastStep, order: tuple[int, ...] | None = None) -> SastEpoch:
    """Return the epoch that begins with a step, in the order of its minibatches unless given."""
    n = len(first.family.samples)
    return SastEpoch(first, order or tuple(range(n)), tuple(range(n)))


def path_from_step(first: SastStep, steps: int = 2) -> SastPath:
    """Return the path that begins with a step, with the true minimum as its lower bound."""
    return SastPath(first, steps, first.family.lower)


def false_lower_bound() -> SastPath:
    """Return a path whose f* is stated as 0.4, and f falls from 0.5 to 0."""
    return SastPath(bowl_step(0.0, w=1.0), 1, 0.4)


def thousand_runs(path: SastPath) -> SastRuns:
    """Return a thousand runs along a path."""
    return SastRuns(path, 1000, 0)


def thousand_runs_from_step(first: SastStep) -> SastRuns:
    """Return a thousand runs of forty steps."""
    return thousand_runs(path_from_step(first, 40))


SCATTER = "the variance of the step's direction is at most v2"
ESCAPES: dict[tuple[str, str], Callable[[], SastStep | SastPath | SastRuns | SastEpoch]] = {
    ("5a", SMOOTH): false_lipschitz,
    ("5a", SMALL): large_eta,
    ("5a", NOISE): false_variance,
    ("5a", INDEPENDENT): double_gain,
    ("5a-sharp", SMOOTH): false_lipschitz,
    ("5a-sharp", NOISE): false_variance,
    ("5a-sharp", INDEPENDENT): double_gain,
    ("5a-shared", SMOOTH): lambda: false_lipschitz(shared=True),
    ("5a-shared", SMALL): lambda: large_eta(shared=True),
    ("5a-shared", SCATTER): lambda: false_variance(shared=True),
    ("5b", SMOOTH): lambda: path_from_step(false_lipschitz()),
    ("5b", SMALL): lambda: path_from_step(large_eta()),
    ("5b", NOISE): lambda: path_from_step(false_variance()),
    ("5b", INDEPENDENT): lambda: path_from_step(double_gain(), 4),
    ("5b", LOWER_BOUND): false_lower_bound,
    ("5b-seeded", SMOOTH): lambda: thousand_runs_from_step(false_lipschitz()),
    ("5b-seeded", SMALL): lambda: thousand_runs_from_step(large_eta()),
    ("5b-seeded", NOISE): lambda: thousand_runs_from_step(false_variance(w=0.1)),
    ("5b-seeded", INDEPENDENT): lambda: thousand_runs_from_step(double_gain()),
    ("5b-seeded", LOWER_BOUND): lambda: thousand_runs(false_lower_bound()),
    ("5c", INDEPENDENT): maximal_bias,
    ("5d", SMOOTH): lambda: epoch_from_step(false_lipschitz()),
    ("5d", SMALL_EPOCH): lambda: epoch_from_step(large_eta()),
    ("5d", ONCE): lambda: epoch_from_step(bowl_step(1.0, -1.0, w=0.0, eta=0.5), (0, 0)),
}
