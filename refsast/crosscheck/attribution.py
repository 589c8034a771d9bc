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
from refsast.crosscheck.case import Answer, Case, Gradient, shortened
from refsast.crosscheck.evidence import (
    Evidence,
    evidence,
    loss_fits,
    loss_of,
    misfit,
    one_step,
    parallel,
)
from refsast.crosscheck.faults import Fault, both, faulty, in_layer, per_layer
from refsast.crosscheck.judge import angle
from refsast.crosscheck.known.around import multiplied
from refsast.crosscheck.known.derivatives import SHAPES, factors_of, spelled
from refsast.crosscheck.known.fired import derivative
from refsast.crosscheck.known.table import BACKWARD, FORWARD
from refsast.crosscheck.program import program_of, solve
from refsast.model.params import flatten

# What a search looks at: enough for every fault to show, little enough to try hundreds.
STEPS, RECORDINGS = 6, 4
UNKNOWN = "unknown"
BACK = frozenset(BACKWARD)
NOTHING = Fault("", "unchanged", lambda program, case: program)


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
        return (
            f"{whose} the reference {self.says} ({_near_one(self.cosine)}, ratio {self.ratio:.4f})"
        )


def _near_one(cosine: float) -> str:
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
    seen, single = _asked(gradient, case, dtype)
    nearest: tuple[float, Fault, Answer] = (np.inf, NOTHING, seen[0].right)
    for fault in candidates(single, seen[0]):
        for answer, scaled in _answers(seen[0], fault):
            distance = misfit(seen[0], answer)
            if distance <= 1.0 and all(_fits(other, scaled) for other in seen[1:]):
                return scaled, _cause(seen[0], answer, scaled, exact=True)
            nearest = min(nearest, (distance, scaled, answer), key=lambda found: found[0])
    return None, _cause(seen[0], nearest[2], nearest[1], exact=False)


def _asked(
    gradient: Gradient, case: Case, dtype: np.dtype
) -> tuple[list[Evidence], Evidence | None]:
    """Ask about a part of the case, the whole of it, and one step, if it can be asked so."""
    try:
        seen = [evidence(gradient, shortened(case, STEPS, RECORDINGS), dtype)]
        single = one_step(gradient, shortened(case, 1, RECORDINGS), dtype)
    except ValueError:  # a module of a fixed number of steps
        return [evidence(gradient, case, dtype)], None
    if seen[0].case.x.size < case.x.size:
        seen.append(evidence(gradient, case, dtype, inputs=None))
    if misfit(seen[0], seen[0].right) <= 1.0:  # it takes more to show
        seen = seen[1:] or seen
    return seen, single


def _answers(seen: Evidence, fault: Fault) -> Iterator[tuple[Answer, Fault]]:
    """Yield what a candidate answers, if its loss fits, with and without a constant factor."""
    program = faulty(seen.case, fault)
    if program is not None and loss_fits(seen, program):
        yield from _with_factor(seen, solve(seen.case, program), fault)


def _fits(seen: Evidence, fault: Fault) -> bool:
    program = faulty(seen.case, fault)
    return program is not None and misfit(seen, solve(seen.case, program)) <= 1.0


def candidates(single: Evidence | None, whole: Evidence) -> Iterator[Fault]:
    """Yield what may explain the answers, the plainest first."""
    bases = list(_of_one_step(single) if single else _unasked(whole))
    # A forward fault shows in the loss, unless hard spikes above it fire as they would have.
    right = not whole.case.hard and loss_fits(whole, program_of(whole.case))
    known = BACKWARD if right else (*BACKWARD, *FORWARD)
    others = [fault for fault in known if faulty(whole.case, fault) is not None]
    layers = range(len(whole.case.network.neurons))
    yield from bases
    yield from (_joined(base, other) for base in bases for other in others)
    if len(layers) > 1:
        yield from (in_layer(fault, i) for fault in (*others, *bases) for i in layers)
    silent = [fault for fault in others if single is None or not _shows(single, fault)]
    for base in bases:
        pairs = combinations(silent, 2)
        yield from (_joined(base, both(*pair)) for pair in pairs if right or set(pair) - BACK)
    if right:  # in a network whose loss hardly depends on its spikes
        yield from FORWARD


def _joined(base: Fault, other: Fault) -> Fault:
    return other if base is NOTHING else both(base, other)


def _shows(single: Evidence, fault: Fault) -> bool:
    """Whether a fault changes the loss of a single step."""
    program = faulty(single.case, fault)
    return program is not None and abs(loss_of(single.case, program) - single.right.loss) > 0.0


def _of_one_step(single: Evidence) -> Iterator[Fault]:
    """Yield what explains the loss of a single step, with what explains the derivative there."""
    memoryless = [fault for fault in FORWARD if _shows(single, fault)]
    for group in (
        (NOTHING,),
        memoryless,
        (both(*pair) for pair in combinations(memoryless, 2)),
    ):
        found = [f for f in group if _explains(single, f)]
        for fault in found:
            yield from _with_derivatives(single, fault)
        if found:
            return
    yield NOTHING


def _unasked(whole: Evidence) -> Iterator[Fault]:
    """Yield what may stand in place of the derivative, where no single step tells its factor."""
    neuron, shape = whole.case.network.neurons[-1], SHAPES["own"]
    yield NOTHING
    for factor in factors_of(neuron):
        says = spelled("own", factor, neuron, whole.limit)
        yield _derivative("own", says, shape, factor)


def _explains(single: Evidence, fault: Fault) -> bool:
    program = faulty(single.case, fault)
    return program is not None and loss_fits(single, program)


def _with_derivatives(single: Evidence, fault: Fault) -> Iterator[Fault]:
    """Yield the fault with each function that may stand in place of the spike's derivative.

    In a single step the top layer's gradient is linear in that function, so the factor between the
    two says by what it is multiplied.
    """
    neurons = single.case.network.neurons
    top = len(neurons) - 1
    got = single.got.grads[top].w
    yield fault
    for name, shape in SHAPES.items():
        exchanged = _joined(fault, _derivative(name, "", shape, 1.0))
        program = faulty(single.case, exchanged)
        if program is None:
            continue
        want = solve(single.case, program).grads[top].w
        alike, factor = parallel(got, want, single.limit)
        if alike and name == "own" and abs(factor - 1.0) <= single.limit:
            return
        if alike:
            says = spelled(name, factor, neurons[top], single.limit)
            yield _joined(fault, _derivative(name, says, shape, factor))


def _derivative(name: str, says: str, shape: Callable[..., Array], factor: float) -> Fault:
    return Fault(
        "slope factor" if name == "own" else f"another surrogate backwards: {name}",
        f"with the spike's derivative {says}",
        per_layer(derivative(lambda neuron, v: factor * shape(neuron, v))),
    )


def _with_factor(whole: Evidence, answer: Answer, fault: Fault) -> Iterator[tuple[Answer, Fault]]:
    """Yield a candidate's answer, and the same with its derivatives times what fits best."""
    yield answer, fault
    want, got = flatten(answer.grads), flatten(whole.got.grads)
    alike, factor = parallel(got, want, whole.limit)
    if alike and abs(factor - 1.0) > whole.limit:
        more = Fault("constant factor", f"multiplied by {_digits(factor)}", multiplied(factor))
        program = multiplied(factor)(program_of(whole.case), whole.case)
        if program is not None:
            yield program.finish(answer), _joined(fault, more)


def _digits(factor: float) -> str:
    """A factor, with more digits where it is next to one."""
    return f"{factor:.12g}" if abs(factor - 1.0) < 1e-4 else f"{factor:.6g}"


def _cause(seen: Evidence, candidate: Answer, fault: Fault, *, exact: bool) -> Cause:
    cosine, ratio = angle(flatten(seen.got.grads), flatten(candidate.grads))
    return Cause(fault.name or UNKNOWN, fault.says, cosine, ratio, exact)
