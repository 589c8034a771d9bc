"""Why a SAM gradient is wrong: the known ways of taking the two passes wrongly, computed."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case, Factory
from refsast.crosscheck.conformance.comparison import differs
from refsast.crosscheck.conformance.sam_check import GRADIENTS, SamAnswer, ask_sam, second_pass_case
from refsast.crosscheck.conformance.strategies import Example
from refsast.crosscheck.factory import build
from refsast.crosscheck.variants import solve
from refsast.model.network import unflatten
from refsast.model.params import flatten, map_params
from refsast.optim import sam

EPSILONS = (1e-12, 1e-10, 1e-8, 1e-7, 1e-6)
HESSIAN_TERM = "the Hessian term of the exact gradient is kept"


def find_sam_cause(factory: Factory, example: Example) -> str | None:
    """Return in words what an implementation does in place of the two passes, if that is known.

    None where its plain gradient is wrong already, or nothing known fits. `factory` is asked for
    fresh implementations.
    """
    implementation = build(factory, example.case)
    if implementation.sam is not None:
        return _nearest_cause(ask_sam(implementation, example))
    second = second_pass_case(implementation, example)
    wrong = differs(implementation, second, GRADIENTS)
    if wrong and not differs(build(factory, example.case), second, GRADIENTS):
        return "states are not reset between the two passes"
    return None


def _nearest_cause(answer: SamAnswer) -> str | None:
    """The candidate that fits to rounding, nearest first."""
    near = 32.0 * float(np.linalg.norm(answer.allowed))
    far = float(np.linalg.norm(answer.got - answer.want))
    gap, cause = min(
        (float(np.linalg.norm(answer.got - candidate)), cause)
        for cause, candidate in candidate_gradients(answer.seen)
    )
    # The Hessian term is a difference quotient, which is less exact than the others.
    known = gap <= near or (cause == HESSIAN_TERM and gap <= 1e-6 * far)
    return cause if known and gap < 0.5 * far else None


def candidate_gradients(example: Example) -> Iterator[tuple[str, Array]]:
    """Yield known-wrong SAM gradients, and what they are called."""
    case, rho = example.case, example.rho
    w = flatten(case.params)
    first = _exact_gradient(case)
    second = _exact_gradient(replace(case, x=example.x, y=example.y))
    g, ascent = first(w), sam.ascent_point(w, first(w), rho=rho)
    norm = float(np.linalg.norm(g))
    yield "the plain gradient of the first minibatch", g
    yield "the plain gradient of the second minibatch: no ascent step", second(w)
    yield "the first minibatch serves both passes", first(ascent)
    own = sam.ascent_point(w, second(w), rho=rho)
    yield "the second minibatch serves both passes", second(own)
    yield "the minibatches are exchanged", first(own)
    yield "the ascent step goes downhill", second(2.0 * w - ascent)
    yield "the ascent step is rho g, not divided by the norm", second(w + rho * g)
    yield "the norm is taken of each array by itself", second(w + rho * _normalize_arrays(case, g))
    for epsilon in EPSILONS:
        cause = f"{epsilon:g} is added to the norm of the first gradient"
        yield cause, second(w + rho * g / (norm + epsilon))
    if norm > 0.0:
        across = second(ascent)
        across = across - g * (g @ across) / norm**2
        step = 1e-5 / max(float(np.linalg.norm(across)), 1e-300)
        # H v by a central difference, v the part of the second gradient across the first.
        bend = (first(w + step * across) - first(w - step * across)) / (2.0 * step)
        yield HESSIAN_TERM, second(ascent) + rho * bend / norm


def _exact_gradient(case: Case) -> Callable[[Array], Array]:
    """The right gradient as a function of the flat vector."""
    return lambda w: flatten(solve(replace(case, params=unflatten(case.network, w))).grads)


def _normalize_arrays(case: Case, g: Array) -> Array:
    """Each array of a gradient divided by its own norm."""
    return flatten(map_params(_normalize, unflatten(case.network, g)))


def _normalize(array: Array) -> Array:
    norm = np.linalg.norm(array)
    return array / norm if norm > 0.0 else array
