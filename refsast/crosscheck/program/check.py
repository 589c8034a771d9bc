"""``rs.check`` of a program."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from refsast.crosscheck.implementation import Gradient, Implementation, require_callable
from refsast.crosscheck.program.answer import ask
from refsast.crosscheck.program.comparison import Comparison, compare_named, compare_program
from refsast.crosscheck.program.jumps import find_jump
from refsast.crosscheck.program.record import Program
from refsast.crosscheck.program.report import Report
from refsast.crosscheck.program.shrink import find_beginning
from refsast.crosscheck.program.solution import SURROGATE
from refsast.crosscheck.tolerance import MAX_SHARE


def check_program(gradient: Gradient | Implementation, program: Program) -> Report:
    """Compare an implementation's answer to a program with the exact one: see ``rs.check``."""
    not_compared = gradient.not_compared if isinstance(gradient, Implementation) else ()
    gradient = require_callable(gradient)
    found = compare_program(gradient, program)
    jump = find_jump(found) if found.wrong else ""
    want = found.trace.numbers
    missing = [name for name in want if name not in found.got.numbers]
    silent = [name for name in want if name.startswith("grads") and not want[name].any()]
    report = Report(
        found.program,
        found.dtype,
        found.stages,
        repeated=_repeats(gradient, found),
        undecided=tuple(_reasons(found, jump)),
        ambiguous=bool(jump),
        not_compared=(*missing, *found.got.beside, *not_compared),
        silent=tuple(silent),
        estimate=SURROGATE in found.trace.operations,
    )
    if report.verdict != "DISAGREES" or not report.repeated:
        return report
    beginning = find_beginning(gradient, program)
    first = "; ".join(part for part in (str(beginning), *_first_outputs(found)) if part)
    return replace(report, smallest=beginning.program, first=first)


def _first_outputs(found: Comparison) -> Iterator[str]:
    """The first entries of outputs that are wrong: in time, which is their first axis."""
    for stage in found.wrong:
        if stage.name.startswith("outputs"):
            index = np.argwhere(~(stage.errors[0][1] <= 1.0))[0]
            yield f"{stage.name}[{', '.join(map(str, index))}] is the first wrong number of it"


def _repeats(gradient: Gradient, found: Comparison) -> bool:
    """Whether a second call gives the answer of the first, within the tolerance."""
    again, first = ask(gradient, found.program, found.trace.numbers).numbers, found.got.numbers
    if again.keys() != first.keys():
        return False
    return all(stage.agrees for stage in compare_named(again, first, found.tolerance))


def _reasons(found: Comparison, jump: str) -> Iterator[str]:
    """Why a comparison decides nothing, and the way out."""
    if jump:
        yield jump
    vague = [s.name for s in found.stages if s.resolution[1] > MAX_SHARE]
    if vague:
        way = "fewer steps" if found.dtype == np.float64 else "float64 or fewer steps"
        names = ", ".join(vague[:3]) + (" and more" if len(vague) > 3 else "")
        yield f"rounding may move {names} by more than {MAX_SHARE} of it; take {way}"
    grads = [a for name, a in found.trace.numbers.items() if name.startswith("grads")]
    if not any(a.any() for a in grads):
        yield "every gradient is zero: this program can show nothing; take larger parameters"
