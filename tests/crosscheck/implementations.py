"""Factories to put the conformance suite to: right ones, and ones with a planted fault."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

import refsast as rs
from refsast.arrays import Array
from refsast.crosscheck.case import Factory, cast_params
from refsast.crosscheck.variants import solve
from tests.crosscheck.known_faults.faults import Fault, apply_fault, layerwise
from tests.crosscheck.known_faults.spikes import replace_derivative
from tests.crosscheck.known_faults.table import BACKWARD, FORWARD

Objective = Callable[[Array], Array]


def simple(case: rs.Case) -> bool:
    """Whether a case is of the few kinds that these have: enough for every fault, quick to ask."""
    neuron = case.network.neurons[0]
    plain = case.synapse is None and isinstance(neuron.spike, rs.Arctan | rs.FastSigmoid)
    return plain and isinstance(neuron.reset, rs.ToZero | rs.Subtract)


def fast(case: rs.Case) -> rs.Implementation:
    """By hand, loss and gradients only."""
    if not simple(case):
        raise rs.Unsupported("only Arctan and FastSigmoid, ToZero and Subtract, no synapse")
    gradient = rs.straight_through if case.hard else rs.fast.loss_and_grad
    return rs.Implementation(lambda *given: gradient(case.network, *given), name="fast")


def single(case: rs.Case) -> rs.Implementation:
    """The same in float32."""
    right = fast(case).gradient
    return rs.Implementation(
        lambda params, x, y: right(cast_params(params, np.float32), x.astype(np.float32), y)
    )


def whole(case: rs.Case) -> Callable[..., rs.Answer]:
    """By the tape, with states and adjoints; a bare callable."""
    fast(case)  # refuses what that one does
    return lambda params, x, y: solve(replace(case, params=params, x=x, y=y))


def plant_fault(fault: Fault) -> Factory:
    """Return the factory of implementations with a known fault."""

    def factory(case: rs.Case) -> Callable[..., rs.Answer]:
        fast(case)

        def gradient(params: rs.Params, x: Array, y: Array) -> rs.Answer:
            asked = replace(case, params=params, x=x, y=y)
            return solve(asked, apply_fault(asked, fault))

        return gradient

    return factory


KNOWN = {fault.name: fault for fault in (*BACKWARD, *FORWARD)}
STEEP = Fault(
    "steep",
    "",
    layerwise(replace_derivative(lambda neuron, v: 3.0 * neuron.spike.derivative(v))),
)
steep = plant_fault(STEEP)
detached = plant_fault(KNOWN["reset detached"])
summed = plant_fault(KNOWN["sum over time"])
unbiased = plant_fault(KNOWN["bias missing"])
untied = plant_fault(KNOWN["tie rule"])


def unreset(case: rs.Case) -> rs.Implementation:
    """What the last step of a call leaves is there at the first step of the next."""
    right, kept = fast(case).gradient, [0.0]

    def gradient(params: rs.Params, x: Array, y: Array) -> object:
        x[0] += kept[0]
        kept[0] = 0.5 * x[-1]
        return right(params, x, y)

    return rs.Implementation(gradient)


def post_reset_states(case: rs.Case) -> Callable[..., rs.Answer]:
    """Hard potentials are reported after the reset."""
    right = whole(case)

    def gradient(params: rs.Params, x: Array, y: Array) -> rs.Answer:
        answer = right(params, x, y)
        assert answer.u is not None
        assert answer.s is not None
        u = tuple(u * (1.0 - s) for u, s in zip(answer.u, answer.s, strict=True))
        return replace(answer, u=u) if case.hard else answer

    return gradient


def make_sam_factory(
    passes: Callable[[rs.Case, Array, Objective, Objective, float], Array],
) -> Factory:
    """Return the factory of right gradients with passes of SAM of their own."""

    def factory(case: rs.Case) -> rs.Implementation:
        right = fast(case).gradient

        def sam(params: rs.Params, first: tuple, second: tuple, rho: float) -> rs.Params:
            def objective(batch: tuple) -> Objective:
                return lambda w: rs.flatten(right(rs.unflatten(case.network, w), *batch)[1])

            w = rs.flatten(params)
            asked = replace(case, x=first[0], y=first[1])
            return rs.unflatten(
                case.network, passes(asked, w, objective(first), objective(second), rho)
            )

        return rs.Implementation(right, sam)

    return factory


def _keep_hessian(case: rs.Case, w: Array, a: Objective, b: Objective, rho: float) -> Array:
    def hvp(w: Array, direction: Array) -> Array:
        params, along = (rs.unflatten(case.network, v) for v in (w, direction))
        return rs.flatten(rs.reference.hvp(case.network, params, case.x, case.y, along))

    g = a(w)
    norm, raised = np.linalg.norm(g), b(rs.sam.ascent_point(w, g, rho=rho))
    if rho == 0.0 or norm == 0.0:
        return raised
    return raised + rho * hvp(w, raised - g * (g @ raised) / norm**2) / norm


def _divide_by_norm(case: rs.Case, w: Array, a: Objective, b: Objective, rho: float) -> Array:
    with np.errstate(invalid="ignore"):
        g = a(w)
        return b(w + rho * g / np.linalg.norm(g)) if rho else b(w)


def _two(w: Array, a: Objective, b: Objective, rho: float) -> Array:
    return b(rs.sam.ascent_point(w, a(w), rho=rho))


sam_right = make_sam_factory(lambda case, w, a, b, rho: _two(w, a, b, rho))
sam_same = make_sam_factory(lambda case, w, a, b, rho: _two(w, a, a, rho))
sam_epsilon = make_sam_factory(
    lambda case, w, a, b, rho: b(w + rho * a(w) / (np.linalg.norm(a(w)) + 1e-12))
)
sam_downhill = make_sam_factory(lambda case, w, a, b, rho: _two(w, lambda w: -a(w), b, rho))
sam_hessian = make_sam_factory(_keep_hessian)
sam_unguarded = make_sam_factory(_divide_by_norm)


def sam_single(case: rs.Case) -> rs.Implementation:
    """A right SAM, both passes in float32, the ascent point too."""
    right = single(case).gradient

    def sam(params: rs.Params, first: tuple, second: tuple, rho: float) -> rs.Params:
        w, g = (rs.flatten(cast_params(p, np.float32)) for p in (params, right(params, *first)[1]))
        norm = np.sqrt((g * g).sum())
        there = w if norm == 0.0 else w + np.float32(rho) * g / norm
        return right(rs.unflatten(case.network, there), *second)[1]

    return rs.Implementation(right, sam)


def none_at_all(case: rs.Case) -> rs.Implementation:
    """Has nothing."""
    raise rs.Unsupported("nothing is here")


def error_in_factory(case: rs.Case) -> rs.Implementation:
    """Raises what a factory must not."""
    raise RuntimeError("broken\nin two lines")


def error_in_gradient(case: rs.Case) -> rs.Implementation:
    """Makes what raises."""

    def gradient(*given: object) -> object:
        raise RuntimeError("broken inside")

    return rs.Implementation(gradient)


NOT_CALLABLE = 7
