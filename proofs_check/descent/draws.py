"""Draws of steps, paths and runs of stochastic SAST for which the hypotheses hold.

Rule 1: what a hypothesis asks for is set to what it needs exactly, or to a little more.
Rule 2: the edges are reached: one sample, the whole set as a minibatch, a zero gradient, a flat or
        an indefinite quadratic, saturated spikes, eta = 1/L, no ascent at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

import refsast as rs
from proofs_check.certified.unit_spikes import SPIKE_FAMILIES
from proofs_check.descent.enumeration import (
    SastPath,
    SastStep,
    path_outcomes,
    path_radius,
    step_outcomes,
    step_radius,
)
from proofs_check.descent.finite_sum import FiniteSum
from proofs_check.descent.objectives import Quadratic, Ridge, Risk
from proofs_check.descent.runs import SastRuns
from proofs_check.draws import SLOPES, Source, draw_inputs, draw_network, draw_parameters
from refsast.arrays import Array

ObjectiveAndStart = tuple[FiniteSum, Array]  # an objective and a place to start

MIN_LIPSCHITZ = 1e-9  # L where nothing is curved


def draw_quadratics(source: Source, most: int = 4, *, definite: bool = False, alike: bool = False):
    """Draw a mean of quadratics: definite or not, of one Hessian or not, and a point."""
    p, n = source.choice((1, 2, 3)), source.choice(range(1, most + 1))
    bend, tilt = source.choice((1.0, 0.1, 10.0)), source.choice((1.0, 0.01, 10.0))
    kinds = ("round", "convex") if definite else ("round", "convex", "indefinite", "flat")
    kind, same = source.choice(kinds), alike or source.choice((True, False))
    shape = bend * draw_hessian(source, kind, p)
    samples = tuple(
        Quadratic(shape if same else bend * draw_hessian(source, kind, p), tilt * source.array(p))
        for _ in range(n)
    )
    w = source.choice((1.0, 1.0, 0.0, 10.0)) * source.array(p)
    return FiniteSum(samples, source.choice(range(1, n + 1))), w


def draw_hessian(source: Source, kind: str, p: int) -> Array:
    """Draw a symmetric matrix: a multiple of one, positive definite, indefinite or zero."""
    if kind == "round":
        return source.number(0.1, 1.0) * np.eye(p)
    root = source.array(p, p)
    square = root @ root.T + 0.01 * np.eye(p)
    options = {"convex": square + square.T, "indefinite": root + root.T, "flat": 0.0 * root}
    return 0.5 * options[kind]


def draw_ridges(source: Source, most: int = 3) -> ObjectiveAndStart:
    """Draw a mean of ridges and a point."""
    p, n, rows = source.choice((1, 2, 3)), source.choice(range(1, most + 1)), source.choice((1, 2))
    spike = source.choice(SPIKE_FAMILIES)(source.choice(SLOPES))
    wide = source.choice((1.0, 0.1, 3.0))
    samples = tuple(
        Ridge(spike, wide * source.array(rows, p), source.array(rows)) for _ in range(n)
    )
    return FiniteSum(samples, source.choice(range(1, n + 1))), source.array(p)


def draw_risks(source: Source, most: int = 3) -> ObjectiveAndStart:
    """Draw the risk of a tiny network on a few recordings, and its parameters."""
    net = draw_network(source, deepest=2, widest=2)
    x = draw_inputs(source, net.sizes[0], batch=source.choice(range(1, most + 1)), longest=3)
    y = np.array([source.choice(range(net.classes)) for _ in range(x.shape[1])])
    samples = tuple(Risk(net, x[:, i : i + 1], y[i : i + 1]) for i in range(len(y)))
    w = rs.flatten(draw_parameters(source, net))
    return FiniteSum(samples, source.choice(range(1, len(y) + 1))), w


def gradient_variance(x: SastStep) -> float:
    """Return v2 as the hypothesis of 5a needs it."""
    return step_outcomes(x).gradient_variance


def direction_variance(x: SastStep) -> float:
    """Return v2 as the hypothesis of 5a-shared needs it."""
    return step_outcomes(x).direction_variance


def draw_step(
    source: Source,
    draw: Callable[[Source], ObjectiveAndStart] | None = None,
    *,
    shared: bool = False,
    parts: Sequence[float] = (1.0, 1.0, 0.3, 0.01),
    spread: Callable[[SastStep], float] = gradient_variance,
) -> SastStep:
    """Draw a step that keeps to the hypotheses of 5a, with eta a part of 1/L."""
    kinds = (draw_quadratics, draw_quadratics, draw_ridges, draw_risks)
    family, w = (draw or source.choice(kinds))(source)
    rho, part = source.choice((0.1, 1.0, 3.0, 0.0, 1e-3)), source.choice(parts)
    wide, loose = source.choice((1.0, 1.0, 1.5)), source.choice((1.0, 1.0, 2.0))
    x = certify_step(SastStep(family, w, rho, 1.0, 1.0, 0.0, shared), step_radius, part, wide)
    return replace(x, variance=loose * spread(x))


def draw_long_step(source: Source) -> SastStep:
    """Draw a step that keeps to the hypotheses of 5a-sharp: eta may be larger than 1/L."""
    return draw_step(source, parts=(0.3, 1.0, 3.0, 30.0))


def draw_shared_step(source: Source) -> SastStep:
    """Draw a step that keeps to the hypotheses of 5a-shared: one minibatch for both, or two."""
    return draw_step(source, shared=source.choice((True, True, False)), spread=direction_variance)


def certify_step(
    x: SastStep, reach: Callable[[SastStep], float], part: float, factor: float = 1.0
) -> SastStep:
    """Return the step with L certified on every point it visits, and eta = part / L.

    L is `factor` times what is certified on a ball of the radius ``reach(step)``. A smaller step
    visits less, so one round after the first is enough but for rare cases.
    """
    radius = x.rho
    for _ in range(2):
        lipschitz = max(factor * x.family.lipschitz(x.w, radius), MIN_LIPSCHITZ)
        x = replace(x, lipschitz=lipschitz, eta=part / lipschitz)
        radius = max(radius, reach(x))
    return x


def certify_path(x: SastPath, part: float, factor: float = 1.0) -> SastPath:
    """Return the path with L, eta and v2 as the hypotheses of 5b need them, likewise."""

    def reach(first: SastStep) -> float:
        return path_radius(replace(x, first=first))

    x = replace(x, first=certify_step(x.first, reach, part, factor))
    return replace(x, first=replace(x.first, variance=path_outcomes(x).gradient_variance))


def tighten_step(
    x: SastStep, largest: float = 1.0, spread: Callable[[SastStep], float] = gradient_variance
) -> SastStep:
    """Return the same with L and v2 no larger than the hypotheses of 5a need them.

    `largest` is the largest eta L, `spread` the variance that v2 must bound.
    """
    x = certify_step(x, step_radius, min(x.eta * x.lipschitz, largest))
    return replace(x, variance=spread(x))


def tighten_long_step(x: SastStep) -> SastStep:
    """Return the same as the hypotheses of 5a-sharp need it."""
    return tighten_step(x, largest=np.inf)


def tighten_shared_step(x: SastStep) -> SastStep:
    """Return the same as the hypotheses of 5a-shared need it."""
    return tighten_step(x, spread=direction_variance)


def tighten_path(x: SastPath) -> SastPath:
    """Return the same with L and v2 no larger than the hypotheses of 5b need them, and f*."""
    part = min(x.first.eta * x.first.lipschitz, 1.0)
    return certify_path(replace(x, lower=x.first.family.lower), part)


def draw_path(source: Source) -> SastPath:
    """Draw a path that keeps to the hypotheses of 5b, with few enough minibatches to enumerate."""
    kind = source.choice(("quadratics", "quadratics", "ridges", "risks"))
    if kind == "quadratics":
        family, w = draw_quadratics(source, most=3, definite=True)
    else:
        family, w = draw_ridges(source, most=3) if kind == "ridges" else draw_risks(source, most=2)
    batches = len(family.batches())
    most = 4 - batches if batches > 1 else 3  # a path of K steps has batches^(2 K) ends
    steps = source.choice(range(1, (min(most, 2) if kind == "risks" else most) + 1))
    rho, part = source.choice((0.1, 1.0, 3.0, 0.0, 1e-3)), source.choice((1.0, 1.0, 0.3, 0.1))
    start = SastPath(SastStep(family, w, rho, 1.0, 1.0, 0.0), steps, family.lower)
    x = certify_path(start, part, source.choice((1.0, 1.0, 1.5)))
    variance = source.choice((1.0, 1.0, 2.0)) * x.first.variance
    return replace(x, first=replace(x.first, variance=variance))


def draw_runs(source: Source) -> SastRuns:
    """Draw many runs that keep to the hypotheses of 5b-seeded."""
    if source.choice(("quadratics", "quadratics", "ridges")) == "quadratics":
        family, w = draw_quadratics(source, most=3, definite=True, alike=True)
    else:
        family, w = draw_ridges(source, most=3)
    rho, part = source.choice((0.1, 1.0, 3.0, 0.0, 1e-3)), source.choice((1.0, 1.0, 0.3, 0.1))
    lipschitz = max(family.lipschitz(w, np.inf), MIN_LIPSCHITZ)
    start = SastStep(family, w, rho, part / lipschitz, lipschitz, family.spread)
    seed = source.choice(range(1000))
    return SastRuns(SastPath(start, source.choice((20, 50, 100)), family.lower), 1000, seed)
