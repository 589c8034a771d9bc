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
from proofs_check.claims.convergence import BELOW, NOISE, SMALL, SMOOTH, TWO
from proofs_check.descent.descents import Path, Step, noise, outcomes
from proofs_check.descent.families import Finite
from proofs_check.descent.objectives import Quadratic, Risk
from proofs_check.descent.runs import Runs


def bowls(*centres: float) -> Finite:
    """Return the mean of ``(w - centre)^2 / 2`` over some centres, each of them a minibatch."""
    return Finite(tuple(Quadratic(np.eye(1), -np.array([c]), 0.5 * c * c) for c in centres), 1)


def bowl_step(
    *centres: float,
    w: float,
    rho: float = 0.0,
    eta: float = 1.0,
    lipschitz: float = 1.0,
    variance: float = 0.0,
    shared: bool = False,
) -> Step:
    """Return a step on `bowls`, whose curvature is 1 and whose variance is that of the centres."""
    return Step(bowls(*centres), np.array([w]), rho, eta, lipschitz, variance, shared)


def attained(eta: float = 1.0) -> Step:
    """Return a step that attains 5a at eta = 1, and 5a-sharp at any eta."""
    return bowl_step(1.0, -1.0, w=0.5, rho=2.0, eta=eta, variance=1.0)


def attained_path() -> Path:
    """Return the path on which 5b is attained at K = 1: plain descent of a bowl, in one step."""
    return Path(bowl_step(0.0, w=1.0), 1, bowls(0.0).lower)


def too_curved(*, shared: bool = False) -> Step:
    """Return a step that overshoots, since L is stated at a quarter of what it is."""
    return bowl_step(0.0, w=10.0, eta=4.0, lipschitz=0.25, shared=shared)


def too_far(*, shared: bool = False) -> Step:
    """Return a step that overshoots, since eta is 1.5/L."""
    return bowl_step(0.0, w=1.0, eta=1.5, shared=shared)


def unsaid_noise(*, w: float = 0.0, shared: bool = False) -> Step:
    """Return a step from near the minimum that only noise moves away, and v2 is stated as 0."""
    return bowl_step(1.0, -1.0, w=w, shared=shared)


def doubled() -> Step:
    """Return a step with a shared minibatch that gains twice what 5a allows.

    Either centre pulls by 1 and is climbed away from by rho = 1: two steps of length 1 that always
    point the same way, where independent ones would point the same way half of the time. Every
    minibatch has the curvature L.
    """
    return bowl_step(1.0, -1.0, w=0.0, rho=1.0, variance=1.0, shared=True)


def clash() -> Step:
    """Return a step whose bias is 2 L rho, L = rho = 1, which attains 5c-bias.

    Samples of curvature 3 and -1, their gradients opposite: each climbs its own way, and both find
    that their slopes have changed in the same direction.
    """
    return drifting(w=0.0, eta=1.0)


def drifting(w: float = -2.0, eta: float = 1e-3) -> Step:
    """Return the same where the mean gradient is -2 L rho: the bias cancels it, nothing descends.

    As eta becomes smaller, what is gained over 5a approaches four times its bound.
    """
    samples = (
        Quadratic(np.array([[3.0]]), np.array([10.0])),
        Quadratic(np.array([[-1.0]]), np.array([-10.0])),
    )
    return noisy(Step(Finite(samples, 1), np.array([w]), 1.0, eta, 1.0, 0.0, shared=True))


def axes(samples: int, tilt: float = 1e-6) -> Step:
    """Return a step that gains `samples` times what 5a allows; its bias exceeds L rho, too.

    Sample i is curved along axis i only, by as much as there are samples: the mean has L = 1. Each
    climbs along its own axis, where no other sample sees a change. The bias is
    ``(sqrt(n) - 1/sqrt(n)) L rho``, so no multiple of L rho bounds it.
    """
    unit = np.eye(samples)
    each = tuple(Quadratic(samples * np.outer(e, e), tilt * e) for e in unit)
    start = Step(Finite(each, 1), np.zeros(samples), 1.0, 1.0, 1.0, 0.0, shared=True)
    return noisy(replace(start, lipschitz=start.family.lipschitz(start.w, 0.0)))


def spiking() -> Step:
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
    family = Finite(tuple(Risk(net, x, np.array([label])) for label in (0, 1)), 1)
    bend = gain**2 * (spike.sup_derivative**2 / 2.0 + spike.sup_second / 4.0)
    w = np.array([1.36, -4.15])
    return noisy(Step(family, w, 0.045, 1e-4 / bend, bend, 0.0, shared=True))


def noisy(x: Step) -> Step:
    """Return the step with v2 as 5a asks for it."""
    return replace(x, variance=noise(outcomes(x).slopes))


def along(first: Step, steps: int = 2) -> Path:
    """Return the path that begins with a step, with the true minimum as its lower bound."""
    return Path(first, steps, first.family.lower)


def above() -> Path:
    """Return a path whose f* is stated as 0.4, and f falls from 0.5 to 0."""
    return Path(bowl_step(0.0, w=1.0), 1, 0.4)


def many(path: Path) -> Runs:
    """Return a thousand runs along a path."""
    return Runs(path, 1000, 0)


def many_along(first: Step) -> Runs:
    """Return a thousand runs of forty steps."""
    return many(along(first, 40))


SCATTER = "the variance of the step's direction is at most v2"
ESCAPES: dict[tuple[str, str], Callable[[], Step | Path | Runs]] = {
    ("5a", SMOOTH): too_curved,
    ("5a", SMALL): too_far,
    ("5a", NOISE): unsaid_noise,
    ("5a", TWO): doubled,
    ("5a-sharp", SMOOTH): too_curved,
    ("5a-sharp", NOISE): unsaid_noise,
    ("5a-sharp", TWO): doubled,
    ("5a-shared", SMOOTH): lambda: too_curved(shared=True),
    ("5a-shared", SMALL): lambda: too_far(shared=True),
    ("5a-shared", SCATTER): lambda: unsaid_noise(shared=True),
    ("5b", SMOOTH): lambda: along(too_curved()),
    ("5b", SMALL): lambda: along(too_far()),
    ("5b", NOISE): lambda: along(unsaid_noise()),
    ("5b", TWO): lambda: along(doubled(), 4),
    ("5b", BELOW): above,
    ("5b-seeded", SMOOTH): lambda: many_along(too_curved()),
    ("5b-seeded", SMALL): lambda: many_along(too_far()),
    ("5b-seeded", NOISE): lambda: many_along(unsaid_noise(w=0.1)),
    ("5b-seeded", TWO): lambda: many_along(doubled()),
    ("5b-seeded", BELOW): lambda: many(above()),
    ("5c", TWO): clash,
}
