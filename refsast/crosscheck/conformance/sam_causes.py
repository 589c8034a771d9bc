"""Why a SAM gradient is wrong: the known ways of taking the two passes wrongly, computed.

Rule 1: a cause is offered only if it explains every entry to rounding.
Rule 2: one with a number in it (a decay, a factor, a radius) is fitted, and offered only where the
        answer has at least `MIN_SPARE` numbers more than were fitted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.conformance.kept_states import continue_gradient
from refsast.crosscheck.conformance.parameters import flat_gradient
from refsast.crosscheck.conformance.sam_check import SamAnswer
from refsast.crosscheck.conformance.sam_directions import DIRECTIONS
from refsast.crosscheck.conformance.strategies import Example
from refsast.model.params import flatten
from refsast.optim import sam

EPSILONS = (1e-12, 1e-10, 1e-8, 1e-7, 1e-6)
UNRESET = "states are not reset between the two passes"
HESSIAN_TERM = "the Hessian term of the exact gradient is kept"
NEAR = 32.0  # in tolerances: how far a candidate may be from the answer
CLEARLY = 0.5  # of the error: a candidate farther away explains nothing
MIN_SPARE = 2
PLAIN = (0.0, 0.5, 1.0, 2.0, -1.0)  # numbers that are printed without digits

Gradient = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Passes:
    """What the two passes are made of, all exact: gradients are functions of the flat vector."""

    example: Example
    w: Array
    first: Gradient
    second: Gradient
    g: Array  # of the first minibatch, at w
    raised: Array  # of the second one, at the ascent point

    @property
    def rho(self) -> float:
        """The radius."""
        return self.example.rho

    @property
    def norm(self) -> float:
        """Norm of the first gradient."""
        return float(np.linalg.norm(self.g))


def exact_passes(example: Example) -> Passes:
    """Return the right passes of an example."""
    case, w = example.case, flatten(example.case.params)
    first = partial(flat_gradient, case)
    second = partial(flat_gradient, replace(case, x=example.x, y=example.y))
    g = first(w)
    return Passes(example, w, first, second, g, second(sam.ascent_point(w, g, rho=example.rho)))


def find_sam_cause(answer: SamAnswer) -> str | None:
    """Return in words what an implementation does in place of the two passes, if that is known."""
    passes = exact_passes(answer.seen)
    near = NEAR * float(np.linalg.norm(answer.allowed))
    far = float(np.linalg.norm(answer.got - answer.want))
    fixed = _measure_gaps(fixed_candidates(passes), answer.got)
    fitted = _measure_gaps(fitted_candidates(passes, answer.got), answer.got)
    if not (fixed or fitted):
        return None
    # The nearest without a free number, if it fits; else the first with the fewest of them.
    fits = (found for found in (*sorted(fixed), *fitted) if found[0] <= near)
    gap, cause = next(fits, min([*fixed, *fitted]))
    # The Hessian term is a difference quotient, which is less exact than the others.
    known = gap <= near or (cause == HESSIAN_TERM and gap <= 1e-6 * far)
    return cause if known and gap < CLEARLY * far else None


def _measure_gaps(candidates: Iterator[tuple[str, Array]], got: Array) -> list[tuple[float, str]]:
    """The distances of candidates, those that are finite, and what they are called."""
    gaps = [(float(np.linalg.norm(got - each)), cause) for cause, each in candidates]
    return [(gap, cause) for gap, cause in gaps if np.isfinite(gap)]


def fixed_candidates(p: Passes) -> Iterator[tuple[str, Array]]:
    """Yield known-wrong SAM gradients without a free number, and what they are called."""
    rho = p.rho
    ascent = sam.ascent_point(p.w, p.g, rho=rho)
    yield "the plain gradient of the first minibatch", p.g
    yield "the plain gradient of the second minibatch: no ascent step", p.second(p.w)
    yield "the first minibatch serves both passes", p.first(ascent)
    own = sam.ascent_point(p.w, p.second(p.w), rho=rho)
    yield "the second minibatch serves both passes", p.second(own)
    yield "the minibatches are exchanged", p.first(own)
    yield "the two gradients are added: the first is not cleared between the passes", p.g + p.raised
    yield "the mean of the two gradients is returned", (p.g + p.raised) / 2.0
    yield "the ascent step goes downhill", p.second(2.0 * p.w - ascent)
    yield "the ascent step has 2 times the length rho", p.second(p.w + 2.0 * (ascent - p.w))
    for cause, direction in DIRECTIONS.items():
        yield cause, p.second(p.w + rho * direction(p.example.case, p.w, p.g))
    for epsilon in EPSILONS:
        cause = f"{epsilon:g} is added to the norm of the first gradient"
        yield cause, p.second(p.w + rho * p.g / (p.norm + epsilon))
    for readout in (False, True):
        kept = " (the readout's, too)" if readout else ""
        yield f"{UNRESET}{kept}", continue_gradient(p.example, ascent, readout=readout)
    if p.norm > 0.0 and rho > 0.0:
        yield HESSIAN_TERM, p.raised + rho * _bend(p) / p.norm


def _bend(p: Passes) -> Array:
    """H v by a central difference, v the part of the second gradient across the first."""
    across = p.raised - p.g * (p.g @ p.raised) / p.norm**2
    step = 1e-5 / max(float(np.linalg.norm(across)), 1e-300)
    return (p.first(p.w + step * across) - p.first(p.w - step * across)) / (2.0 * step)


def fitted_candidates(p: Passes, got: Array) -> Iterator[tuple[str, Array]]:
    """Yield those with a number in them, fitted to the answer."""
    if got.size < 1 + MIN_SPARE or not p.g.any():
        return
    size = float(p.raised @ p.raised)
    if size > 0.0:
        factor = float(got @ p.raised) / size
        yield f"it is {format_number(factor)} times the SAM gradient", factor * p.raised
    if p.w.any():
        decay = float((got - p.raised) @ p.w / (p.w @ p.w))
        yield f"{format_number(decay)} times the parameters is added to it", p.raised + decay * p.w
    unit, norm = p.g / p.norm, p.norm

    def longer(k: float) -> Array:
        return p.second(p.w + k * p.rho * unit)

    def decayed(k: float) -> Array:
        g = p.g + k * p.w
        return p.second(p.w + p.rho * g / (float(np.linalg.norm(g)) or 1.0))

    if p.rho > 0.0:
        k = fit_number(longer, got, (0.5, 2.0, p.rho, norm))
        yield f"the ascent step has {format_number(k)} times the length rho", longer(k)
        k = fit_number(decayed, got, (1e-4, 1e-2, 0.1))
        yield f"{format_number(k)} times the parameters is added to the first gradient", decayed(k)
    if got.size >= 2 + MIN_SPARE:
        mix, *_ = np.linalg.lstsq(np.stack([p.g, p.raised], axis=1), got, rcond=None)
        shares = " and ".join(map(format_number, mix))
        yield f"the two gradients are mixed, by {shares}", mix[0] * p.g + mix[1] * p.raised


def fit_number(
    model: Callable[[float], Array], got: Array, starts: tuple[float, ...], rounds: int = 12
) -> float:
    """Return the number for which a model is nearest to an answer, by Gauss-Newton."""
    best, smallest = starts[0], np.inf
    for k in starts:
        for _ in range(rounds):
            here = model(k)
            gap = float(np.linalg.norm(got - here))
            if gap < smallest:
                best, smallest = k, gap
            h = 1e-6 * max(abs(k), 1e-3)
            slope = (model(k + h) - model(k - h)) / (2.0 * h)
            size = float(slope @ slope)
            move = float(slope @ (got - here)) / size if size > 0.0 else 0.0
            if not abs(move) > 1e-15 * abs(k):
                break
            k += float(np.clip(move, -1.0, 1.0))
    return best


def format_number(value: float) -> str:
    """Return a fitted number, a plain one where it is one to rounding."""
    plain = next((n for n in PLAIN if abs(value - n) <= 1e-9), value)
    return f"{plain:.6g}"
