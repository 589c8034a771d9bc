"""Why is it wrong? The answer held against those of known-wrong implementations.

Every candidate is computed whole, by `program.solve`, so that a match is one of numbers, not of
symptoms. The search goes from the plain to the rare, and stops where something fits:

1. one step of time, where no memory has a say: which faults explain the loss there, and which
   function stands in place of the spike's derivative (its factor is read off the answer);
2. all steps: these alone, with one more fault, with a fault in one layer alone, with any constant
   factor; then with two more.

Nothing fits: the cause is unknown, and the nearest candidate is reported as no more than that.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Answer, Case, Gradient, truncate_case
from refsast.crosscheck.compare import cosine_and_ratio
from refsast.crosscheck.diagnose.derivative_shapes import (
    SHAPES,
    candidate_factors,
    describe_derivative,
)
from refsast.crosscheck.diagnose.fault_table import BACKWARD, FORWARD
from refsast.crosscheck.diagnose.faults import Fault, apply_fault, combine, layerwise, restrict
from refsast.crosscheck.diagnose.observations import (
    Observation,
    compute_loss,
    fit_factor,
    loss_fits,
    misfit,
    observe,
    observe_one_step,
)
from refsast.crosscheck.diagnose.readout_faults import scale_gradient
from refsast.crosscheck.diagnose.spike_faults import replace_derivative
from refsast.crosscheck.variants import reference_variant, solve
from refsast.model.params import flatten

# What a search looks at: enough for every fault to show, little enough to try hundreds.
MAX_STEPS, MAX_RECORDINGS = 6, 4
UNKNOWN = "unknown"
BACKWARD_SET = frozenset(BACKWARD)
NO_FAULT = Fault("", "unchanged", lambda program, case: program)


@dataclass(frozen=True)
class Cause:
    """A known-wrong implementation that gives the same numbers.

    Attributes
    ----------
    name : str
        What is wrong, in a few words; several faults at once are joined by " + ".
    says : str
        What completes "your gradient is the reference ...".
    cosine, ratio : float
        Of the angle between the given gradient and the candidate's, and of their norms.
    exact : bool
        Whether all numbers agree to rounding; else it is only the nearest that is known.
    """

    name: str
    says: str
    cosine: float
    ratio: float
    exact: bool = True

    def __str__(self) -> str:
        if self.name == UNKNOWN:
            return "no known cause fits"
        whose = "your gradient is" if self.exact else "no known cause fits; nearest is"
        return f"{whose} the reference {self.says} ({_format_cosine(self.cosine)}, ratio {self.ratio:.4f})"


def _format_cosine(cosine: float) -> str:
    """A cosine with the digits that count."""
    short = 1.0 - cosine
    return f"cosine 1 - {abs(short):.0e}" if 0.0 < abs(short) < 1e-4 else f"cosine {cosine:.4f}"


def attribute(gradient: Gradient, case: Case, dtype: np.dtype) -> tuple[Fault | None, Cause]:
    """Return the known fault that explains an implementation, and how well it does.

    Parameters
    ----------
    gradient : callable
        The implementation; it is called on the first steps and recordings of the case.
    case : Case
        Where it is wrong, as seen in `dtype`.
    dtype : numpy.dtype
        What it computes in.

    Returns
    -------
    fault : Fault or None
        None where nothing fits.
    cause : Cause
        In words and numbers.

    References
    ----------
    FIELD M1 to M6.
    """
    seen, single = _observe_case(gradient, case, dtype)
    nearest: tuple[float, Fault, Answer] = (np.inf, NO_FAULT, seen[0].right)
    for fault in candidate_faults(single, seen[0]):
        for answer, scaled in _candidate_answers(seen[0], fault):
            distance = misfit(seen[0], answer)
            if distance <= 1.0 and all(_fits_observation(other, scaled) for other in seen[1:]):
                return scaled, _make_cause(seen[0], answer, scaled, exact=True)
            nearest = min(nearest, (distance, scaled, answer), key=lambda found: found[0])
    return None, _make_cause(seen[0], nearest[2], nearest[1], exact=False)


def _observe_case(
    gradient: Gradient, case: Case, dtype: np.dtype
) -> tuple[list[Observation], Observation | None]:
    """Ask about a part of the case, the whole of it, and one step, if it can be asked so."""
    try:
        seen = [observe(gradient, truncate_case(case, MAX_STEPS, MAX_RECORDINGS), dtype)]
        single = observe_one_step(gradient, truncate_case(case, 1, MAX_RECORDINGS), dtype)
    except ValueError:  # a module of a fixed number of steps
        return [observe(gradient, case, dtype)], None
    if seen[0].case.x.size < case.x.size:
        seen.append(observe(gradient, case, dtype, inputs=None))
    if misfit(seen[0], seen[0].right) <= 1.0:  # it takes more to show
        seen = seen[1:] or seen
    return seen, single


def _candidate_answers(seen: Observation, fault: Fault) -> Iterator[tuple[Answer, Fault]]:
    """Yield what a candidate answers, if its loss fits, with and without a constant factor."""
    program = apply_fault(seen.case, fault)
    if program is not None and loss_fits(seen, program):
        yield from _factor_variants(seen, solve(seen.case, program), fault)


def _fits_observation(seen: Observation, fault: Fault) -> bool:
    program = apply_fault(seen.case, fault)
    return program is not None and misfit(seen, solve(seen.case, program)) <= 1.0


def candidate_faults(single: Observation | None, whole: Observation) -> Iterator[Fault]:
    """Yield what may explain the answers, the plainest first."""
    bases = list(_one_step_faults(single) if single else _derivative_factors(whole))
    # A forward fault shows in the loss, unless hard spikes above it fire as they would have.
    right = not whole.case.hard and loss_fits(whole, reference_variant(whole.case))
    known = BACKWARD if right else (*BACKWARD, *FORWARD)
    others = [fault for fault in known if apply_fault(whole.case, fault) is not None]
    layers = range(len(whole.case.network.neurons))
    yield from bases
    yield from (_join(base, other) for base in bases for other in others)
    if len(layers) > 1:
        yield from (restrict(fault, i) for fault in (*others, *bases) for i in layers)
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


def _changes_loss(single: Observation, fault: Fault) -> bool:
    """Whether a fault changes the loss of a single step."""
    program = apply_fault(single.case, fault)
    return program is not None and abs(compute_loss(single.case, program) - single.right.loss) > 0.0


def _one_step_faults(single: Observation) -> Iterator[Fault]:
    """Yield what explains the loss of a single step, with what explains the derivative there."""
    memoryless = [fault for fault in FORWARD if _changes_loss(single, fault)]
    for group in (
        (NO_FAULT,),
        memoryless,
        (combine(*pair) for pair in combinations(memoryless, 2)),
    ):
        found = [f for f in group if _explains_loss(single, f)]
        for fault in found:
            yield from _derivative_variants(single, fault)
        if found:
            return
    yield NO_FAULT


def _derivative_factors(whole: Observation) -> Iterator[Fault]:
    """Yield what may stand in place of the derivative, where no single step tells its factor."""
    neuron, shape = whole.case.network.neurons[-1], SHAPES["own"]
    yield NO_FAULT
    for factor in candidate_factors(neuron):
        says = describe_derivative("own", factor, neuron, whole.limit)
        yield _derivative_fault("own", says, shape, factor)


def _explains_loss(single: Observation, fault: Fault) -> bool:
    program = apply_fault(single.case, fault)
    return program is not None and loss_fits(single, program)


def _derivative_variants(single: Observation, fault: Fault) -> Iterator[Fault]:
    """Yield the fault with each function that may stand in place of the spike's derivative.

    In a single step the top layer's gradient is linear in that function, so the factor between the
    two says by what it is multiplied.
    """
    neurons = single.case.network.neurons
    top = len(neurons) - 1
    got = single.got.grads[top].w
    yield fault
    for name, shape in SHAPES.items():
        exchanged = _join(fault, _derivative_fault(name, "", shape, 1.0))
        program = apply_fault(single.case, exchanged)
        if program is None:
            continue
        want = solve(single.case, program).grads[top].w
        alike, factor = fit_factor(got, want, single.limit)
        if alike and name == "own" and abs(factor - 1.0) <= single.limit:
            return
        if alike:
            says = describe_derivative(name, factor, neurons[top], single.limit)
            yield _join(fault, _derivative_fault(name, says, shape, factor))


def _derivative_fault(name: str, says: str, shape: Callable[..., Array], factor: float) -> Fault:
    return Fault(
        "slope factor" if name == "own" else f"another surrogate backwards: {name}",
        f"with the spike's derivative {says}",
        layerwise(replace_derivative(lambda neuron, v: factor * shape(neuron, v))),
    )


def _factor_variants(
    whole: Observation, answer: Answer, fault: Fault
) -> Iterator[tuple[Answer, Fault]]:
    """Yield a candidate's answer, and the same with its derivatives times what fits best."""
    yield answer, fault
    want, got = flatten(answer.grads), flatten(whole.got.grads)
    alike, factor = fit_factor(got, want, whole.limit)
    if alike and abs(factor - 1.0) > whole.limit:
        more = Fault(
            "constant factor", f"multiplied by {_format_factor(factor)}", scale_gradient(factor)
        )
        program = scale_gradient(factor)(reference_variant(whole.case), whole.case)
        if program is not None:
            yield program.finish(answer), _join(fault, more)


def _format_factor(factor: float) -> str:
    """A factor, with more digits where it is next to one."""
    return f"{factor:.12g}" if abs(factor - 1.0) < 1e-4 else f"{factor:.6g}"


def _make_cause(seen: Observation, candidate: Answer, fault: Fault, *, exact: bool) -> Cause:
    cosine, ratio = cosine_and_ratio(flatten(seen.got.grads), flatten(candidate.grads))
    return Cause(fault.name or UNKNOWN, fault.says, cosine, ratio, exact)
