"""Draws of steps, paths and runs of stochastic SAST for which the hypotheses hold.

Rule 1: what a hypothesis asks for is set to what it needs exactly, or to a little more.
Rule 2: the edges are reached: one sample, the whole set as a minibatch, a zero gradient, a flat or
        an indefinite quadratic, saturated spikes, eta = 1/L, no ascent at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

import refsast as rs
from proofs_check.certified.unit_spikes import FAMILIES
from proofs_check.descent.descents import (
    Path,
    Step,
    noise,
    outcomes,
    path_reach,
    scatter,
    step_reach,
    tree,
)
from proofs_check.descent.families import Finite
from proofs_check.descent.objectives import Quadratic, Ridge, Risk
from proofs_check.descent.runs import Runs
from proofs_check.draws import SLOPES, Source, inputs, network, parameters
from refsast.arrays import Array

Drawn = tuple[Finite, Array]  # an objective and a place to start

TINY = 1e-9  # L where nothing is curved


def quadratics(source: Source, most: int = 4, *, definite: bool = False, alike: bool = False):
    """Draw a mean of quadratics: definite or not, of one Hessian or not, and a point."""
    p, n = source.choice((1, 2, 3)), source.choice(range(1, most + 1))
    bend, tilt = source.choice((1.0, 0.1, 10.0)), source.choice((1.0, 0.01, 10.0))
    kinds = ("round", "convex") if definite else ("round", "convex", "indefinite", "flat")
    kind, same = source.choice(kinds), alike or source.choice((True, False))
    shape = bend * hessian(source, kind, p)
    samples = tuple(
        Quadratic(shape if same else bend * hessian(source, kind, p), tilt * source.array(p))
        for _ in range(n)
    )
    w = source.choice((1.0, 1.0, 0.0, 10.0)) * source.array(p)
    return Finite(samples, source.choice(range(1, n + 1))), w


def hessian(source: Source, kind: str, p: int) -> Array:
    """Draw a symmetric matrix: a multiple of one, positive definite, indefinite or zero."""
    if kind == "round":
        return source.number(0.1, 1.0) * np.eye(p)
    root = source.array(p, p)
    square = root @ root.T + 0.01 * np.eye(p)
    options = {"convex": square + square.T, "indefinite": root + root.T, "flat": 0.0 * root}
    return 0.5 * options[kind]


def ridges(source: Source, most: int = 3) -> Drawn:
    """Draw a mean of ridges and a point."""
    p, n, rows = source.choice((1, 2, 3)), source.choice(range(1, most + 1)), source.choice((1, 2))
    spike = source.choice(FAMILIES)(source.choice(SLOPES))
    wide = source.choice((1.0, 0.1, 3.0))
    samples = tuple(
        Ridge(spike, wide * source.array(rows, p), source.array(rows)) for _ in range(n)
    )
    return Finite(samples, source.choice(range(1, n + 1))), source.array(p)


def risks(source: Source, most: int = 3) -> Drawn:
    """Draw the risk of a tiny network on a few recordings, and its parameters."""
    net = network(source, deepest=2, widest=2)
    x = inputs(source, net.sizes[0], batch=source.choice(range(1, most + 1)), longest=3)
    y = np.array([source.choice(range(net.classes)) for _ in range(x.shape[1])])
    samples = tuple(Risk(net, x[:, i : i + 1], y[i : i + 1]) for i in range(len(y)))
    w = rs.flatten(parameters(source, net))
    return Finite(samples, source.choice(range(1, len(y) + 1))), w


def varied(x: Step) -> float:
    """Return v2 as the hypothesis of 5a needs it."""
    return noise(outcomes(x).slopes)


def step(
    source: Source,
    draw: Callable[[Source], Drawn] | None = None,
    *,
    shared: bool = False,
    parts: Sequence[float] = (1.0, 1.0, 0.3, 0.01),
    spread: Callable[[Step], float] = varied,
) -> Step:
    """Draw a step that keeps to the hypotheses of 5a, with eta a part of 1/L."""
    family, w = (draw or source.choice((quadratics, quadratics, ridges, risks)))(source)
    rho, part = source.choice((0.1, 1.0, 0.0, 1e-3)), source.choice(parts)
    x = Step(family, w, rho, 1.0, 1.0, 0.0, shared)
    wide, loose = source.choice((1.0, 1.0, 1.5)), source.choice((1.0, 1.0, 2.0))
    x = settled(x, step_reach, part, wide)
    return replace(x, variance=loose * spread(x))


def long_step(source: Source) -> Step:
    """Draw a step that keeps to the hypotheses of 5a-sharp: eta may be larger than 1/L."""
    return step(source, parts=(0.3, 1.0, 3.0, 30.0))


def either_step(source: Source) -> Step:
    """Draw a step that keeps to the hypotheses of 5a-shared: one minibatch for both, or two."""
    return step(source, shared=source.choice((True, True, False)), spread=scatter)


def settled(x: Step, reached: Callable[[Step], float], part: float, wide: float) -> Step:
    """Return the step with L certified on all that it visits, and eta a part of 1/L.

    A smaller step visits less, so one round after the first suffices but for rare cases.
    """
    radius = x.rho
    for _ in range(2):
        bend = max(wide * x.family.lipschitz(x.w, radius), TINY)
        x = replace(x, lipschitz=bend, eta=part / bend)
        radius = max(radius, reached(x))
    return x


def fitted(x: Step, largest: float = 1.0, spread: Callable[[Step], float] = varied) -> Step:
    """Return the same with L and v2 no larger than the hypotheses of 5a need them.

    `largest` is what eta L may be, `spread` what v2 is to bound where that is another variance.
    """
    x = settled(x, step_reach, min(x.eta * x.lipschitz, largest), 1.0)
    return replace(x, variance=spread(x))


def fitted_long(x: Step) -> Step:
    """Return the same as the hypotheses of 5a-sharp need it."""
    return fitted(x, largest=np.inf)


def fitted_either(x: Step) -> Step:
    """Return the same as the hypotheses of 5a-shared need it."""
    return fitted(x, spread=scatter)


def fitted_path(x: Path) -> Path:
    """Return the same with L and v2 no larger than the hypotheses of 5b need them, and f*."""
    lower = x.first.family.lower
    part = min(x.first.eta * x.first.lipschitz, 1.0)
    first = settled(x.first, lambda first: path_reach(Path(first, x.steps, lower)), part, 1.0)
    noisy = tree(Path(first, x.steps, lower)).noise
    return Path(replace(first, variance=noisy), x.steps, lower)


def path(source: Source) -> Path:
    """Draw a path that keeps to the hypotheses of 5b, with few enough minibatches to enumerate."""
    kind = source.choice(("quadratics", "quadratics", "ridges", "risks"))
    if kind == "quadratics":
        family, w = quadratics(source, most=3, definite=True)
    else:
        family, w = ridges(source, most=3) if kind == "ridges" else risks(source, most=2)
    batches = len(family.batches())
    most = 4 - batches if batches > 1 else 3
    if kind == "risks":
        most = min(most, 2)
    return set_up(source, family, w, source.choice(range(1, most + 1)))


def set_up(source: Source, family: Finite, w: Array, steps: int) -> Path:
    """Draw the rest of a path."""
    rho, part = source.choice((0.1, 1.0, 0.0, 1e-3)), source.choice((1.0, 1.0, 0.3, 0.1))
    start, lower = Step(family, w, rho, 1.0, 1.0, 0.0), family.lower

    def reached(x: Step) -> float:
        return path_reach(Path(x, steps, lower))

    x = settled(start, reached, part, source.choice((1.0, 1.0, 1.5)))
    v2 = source.choice((1.0, 1.0, 2.0)) * tree(Path(x, steps, lower)).noise
    return Path(replace(x, variance=v2), steps, lower)


def runs(source: Source) -> Runs:
    """Draw many runs that keep to the hypotheses of 5b-seeded."""
    kind = source.choice(("quadratics", "quadratics", "ridges"))
    if kind == "quadratics":
        family, w = quadratics(source, most=3, definite=True, alike=True)
    else:
        family, w = ridges(source, most=3)
    rho, part = source.choice((0.1, 1.0, 0.0, 1e-3)), source.choice((1.0, 1.0, 0.3, 0.1))
    bend = max(family.lipschitz(w, np.inf), TINY)
    start = Step(family, w, rho, part / bend, bend, family.spread)
    seed = source.choice(range(1000))
    return Runs(Path(start, source.choice((20, 50, 100)), family.lower), 1000, seed)
