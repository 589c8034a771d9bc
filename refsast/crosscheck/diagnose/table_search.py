"""The table of known faults: what no knob can say, each tried whole.

The search goes from the plain to the rare, and stops at the first match:

1. one step of time, where no memory has a say: which faults explain the loss there, and which
   function replaces the spike's derivative (its factor follows from the answer);
2. all steps: these alone, with one more fault, with a fault in one layer alone, with any constant
   factor; then with two more.
"""

from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.compare import STAGES, Examination, cosine_and_ratio, stage_arrays
from refsast.crosscheck.diagnose.derivative_shapes import (
    SHAPES,
    candidate_factors,
    describe_derivative,
)
from refsast.crosscheck.diagnose.fault_table import BACKWARD, FORWARD
from refsast.crosscheck.diagnose.faults import Fault, apply_fault, combine, layerwise, restrict
from refsast.crosscheck.diagnose.knobs.fit import misfits
from refsast.crosscheck.diagnose.observations import Observations
from refsast.crosscheck.diagnose.readout_faults import scale_gradient
from refsast.crosscheck.diagnose.spike_faults import replace_derivative
from refsast.crosscheck.tolerance import norm
from refsast.crosscheck.variants import Variant, reference_variant, solve, unroll_variant
from refsast.model.params import flatten

BACKWARD_SET = frozenset(BACKWARD)
NO_FAULT = Fault("", "unchanged", lambda variant, case: variant)


def search_table(observations: Observations) -> tuple[Fault, Answer] | None:
    """Return the known fault that explains all answers, with what it answers; None: there is none.

    The answer is that of the first part in which the fault shows.
    """
    first, *others = observations.parts
    if others and misfit(first, first.right) <= 1.0:  # the fault does not show in the part
        first, *others = others
    if misfit(first, first.right) <= 1.0:  # what is wrong is less than what tells causes apart
        return None
    for fault in candidate_faults(observations.single, first):
        for answer, whole_fault in _candidate_answers(first, fault):
            if misfit(first, answer) <= 1.0 and all(_fits_part(p, whole_fault) for p in others):
                return whole_fault, answer
    return None


def _candidate_answers(seen: Examination, fault: Fault) -> Iterator[tuple[Answer, Fault]]:
    """Yield what a candidate answers, and the same with its derivatives times what fits best."""
    variant = apply_fault(seen.case, fault)
    if variant is None or not loss_fits(seen, variant):
        return
    answer = solve(seen.case, variant)
    yield answer, fault
    limit = relative_limit(seen.dtype)
    factor = fit_factor(flatten(seen.got.grads), flatten(answer.grads), limit)
    if factor is None or abs(factor - 1.0) <= limit:
        return
    # The factor acts on the finished answer, so nothing has to be solved again.
    change = scale_gradient(factor)
    times_factor = change(reference_variant(seen.case), seen.case)
    if times_factor is not None:
        more = Fault("constant factor", f"multiplied by {_format_factor(factor)}", change)
        yield times_factor.finish(answer), _join(fault, more)


def _fits_part(seen: Examination, fault: Fault) -> bool:
    variant = apply_fault(seen.case, fault)
    return variant is not None and misfit(seen, solve(seen.case, variant)) <= 1.0


def candidate_faults(single: Examination | None, whole: Examination) -> Iterator[Fault]:
    """Yield what may explain the answers, the plainest first."""
    # What explains a single step must be part of the cause: it is the base of all candidates.
    bases = list(_one_step_faults(single) if single else _derivative_factors(whole))
    # A forward fault shows in the loss, unless hard spikes above it fire as they would have.
    right = not whole.case.hard and loss_fits(whole, reference_variant(whole.case))
    known = BACKWARD if right else (*BACKWARD, *FORWARD)
    others = [fault for fault in known if apply_fault(whole.case, fault) is not None]
    layers = range(len(whole.case.network.neurons))
    # One fault; one in addition to a base; one in a single layer.
    yield from bases
    yield from (_join(base, other) for base in bases for other in others)
    if len(layers) > 1:
        yield from (restrict(fault, i) for fault in (*others, *bases) for i in layers)
    # Two more. What changes the loss of a single step is in a base already, so it is left out.
    silent = [fault for fault in others if single is None or not _changes_loss(single, fault)]
    for base in bases:
        pairs = combinations(silent, 2)
        yield from (
            _join(base, combine(*pair)) for pair in pairs if right or set(pair) - BACKWARD_SET
        )
    if right:  # in a network whose loss hardly depends on its spikes
        yield from FORWARD


def _join(base: Fault, other: Fault) -> Fault:
    return other if base is NO_FAULT else combine(base, other)


def _changes_loss(single: Examination, fault: Fault) -> bool:
    """Whether a fault changes the loss of a single step."""
    variant = apply_fault(single.case, fault)
    return variant is not None and abs(compute_loss(single.case, variant) - single.right.loss) > 0.0


def _one_step_faults(single: Examination) -> Iterator[Fault]:
    """Yield what explains the loss of a single step, with what explains the derivative there."""
    memoryless = [fault for fault in FORWARD if _changes_loss(single, fault)]
    pairs = (combine(*pair) for pair in combinations(memoryless, 2))
    for group in ((NO_FAULT,), memoryless, pairs):
        variants = ((fault, apply_fault(single.case, fault)) for fault in group)
        found = [fault for fault, variant in variants if variant and loss_fits(single, variant)]
        for fault in found:
            yield from _derivative_variants(single, fault)
        if found:  # pairs are tried only where no single fault fits
            return
    yield NO_FAULT


def _derivative_factors(whole: Examination) -> Iterator[Fault]:
    """Yield what may stand in place of the derivative, where no single step tells its factor."""
    neuron, shape = whole.case.network.neurons[-1], SHAPES["own"]
    yield NO_FAULT
    for factor in candidate_factors(neuron):
        says = describe_derivative("own", factor, neuron, relative_limit(whole.dtype))
        yield _derivative_fault("own", says, shape, factor)


def _derivative_variants(single: Examination, fault: Fault) -> Iterator[Fault]:
    """Yield the fault with each function that may stand in place of the spike's derivative.

    In a single step the top layer's gradient is linear in that function, so the factor between the
    two says by what it is multiplied.
    """
    top, limit = len(single.case.network.neurons) - 1, relative_limit(single.dtype)
    got, neuron = single.got.grads[top].w, single.case.network.neurons[top]
    yield fault
    for name, shape in SHAPES.items():
        variant = apply_fault(single.case, _join(fault, _derivative_fault(name, "", shape, 1.0)))
        if variant is None:
            continue
        factor = fit_factor(got, solve(single.case, variant).grads[top].w, limit)
        if factor is None:
            continue
        if name == "own" and abs(factor - 1.0) <= limit:
            return  # the derivative is right
        says = describe_derivative(name, factor, neuron, limit)
        yield _join(fault, _derivative_fault(name, says, shape, factor))


def _derivative_fault(name: str, says: str, shape: Callable[..., Array], factor: float) -> Fault:
    return Fault(
        "slope factor" if name == "own" else f"another surrogate backwards: {name}",
        f"with the spike's derivative {says}",
        layerwise(replace_derivative(lambda neuron, v: factor * shape(neuron, v))),
    )


def _format_factor(factor: float) -> str:
    """A factor, with more digits where it is next to one."""
    return f"{factor:.12g}" if abs(factor - 1.0) < 1e-4 else f"{factor:.6g}"


def relative_limit(dtype: np.dtype) -> float:
    """Return the relative distance at which two arrays count as one.

    A candidate's numbers are not computed in the same order as the given ones, so they differ by
    more than one rounding; but another fault differs by more than this.
    """
    return float(np.finfo(dtype).eps) ** 0.6


def fit_factor(got: Array, want: Array, limit: float) -> float | None:
    """Return the factor by which `got` is a multiple of `want`; None: it is not, or one is zero."""
    cosine, ratio = cosine_and_ratio(got, want)
    alike = bool(got.any() and want.any()) and 1.0 - abs(cosine) <= limit
    return float(np.copysign(ratio, cosine)) if alike else None


def compute_loss(case: Case, variant: Variant) -> float:
    """The loss alone, without a tape."""
    _, ss = unroll_variant(case, variant, case.params, case.x)
    return float(variant.loss(variant.read(case.network, case.params, np.stack(ss[-1])), case.y))


def loss_fits(seen: Examination, variant: Variant) -> bool:
    """Whether a variant has the loss that was given, to rounding."""
    return abs(compute_loss(seen.case, variant) - seen.got.loss) <= 4.0 * seen.tolerance.loss


def misfit(seen: Examination, candidate: Answer) -> float:
    """Return the largest distance of an array from a candidate's, in units of what is allowed."""
    # What a library reports as its state, before or after the reset, is a convention.
    stages = [stage for stage in STAGES if stage != "states"]
    found = [each for stage in stages for each in _distances(seen, candidate, stage)]
    return float(misfits(np.array([found]))[0])


def _distances(seen: Examination, candidate: Answer, stage: str) -> Iterator[float]:
    want, allowed = (stage_arrays(side, stage) for side in (candidate, seen.tolerance))
    for name, got in stage_arrays(seen.got, stage).items():
        # 8 times the tolerance for small arrays, whose relative error is all rounding.
        near = relative_limit(seen.dtype) * norm(want[name]) + 8.0 * norm(allowed[name])
        with np.errstate(over="ignore"):
            yield float(np.float64(norm(got - want[name])) / near)
