"""``rs.check``: does an implementation agree, and if not, where is it wrong first, and why?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np

from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.compare import (
    KEPT_OR_DRAWN,
    Examination,
    Repeat,
    Stage,
    ask_again,
    examine_answer,
)
from refsast.crosscheck.diagnose.attribution import UNKNOWN, Cause, Explanation
from refsast.crosscheck.diagnose.calls import explain_calls
from refsast.crosscheck.diagnose.causes import explain_answer
from refsast.crosscheck.diagnose.faults.power import measure_power
from refsast.crosscheck.diagnose.localise import Location, first_difference, locate
from refsast.crosscheck.diagnose.places import probe
from refsast.crosscheck.implementation import Gradient, Implementation, require_callable
from refsast.crosscheck.power import Power
from refsast.crosscheck.program.check import check_program
from refsast.crosscheck.program.record import Program
from refsast.crosscheck.program.report import Report as ProgramReport
from refsast.crosscheck.tolerance import MAX_SHARE, STAGES
from refsast.crosscheck.unclear import examine_clear, name_unclear, name_vague, unclear_recordings
from refsast.model.network import describe_extension

ZERO_LOGITS = "temperature 0"  # the name of a cause: so it is, too, where no neuron fires
READ_OFF = {"states", "adjoints"}  # off which a place is read where they are returned


@dataclass(frozen=True, eq=False)
class Report:
    """The result of a check.

    Attributes
    ----------
    case : Case
        The question, as seen in `dtype`.
    dtype : numpy.dtype
        What the implementation computes in.
    stages : tuple of Stage
        Loss, states, adjoints, parameter gradients, input gradient: those that were answered.
    first : Location or None
        Where it is wrong first; None where it agrees, or this could not be found.
    cause : Cause or None
        Why; None where it agrees, or where it is not known why a second call differs.
    repeated : bool
        Whether a second call gave the same answer, as far as rounding tells.
    simulated : tuple of Stage
        The same stages, all of them, of the cause: what an implementation that gives gradients only
        must have gone through. Empty where it agrees, or where the cause is unknown.
    undecided : tuple of str
        Why nothing follows, and the way out; empty where the case decides.
    left_out : tuple of int
        Recordings, from 0, that are not in `case`: a hard potential of theirs is within rounding of
        the threshold, which either side may take for a spike, or a maximum has two candidates.
    not_compared : tuple of str
        What the implementation has or could have given, and nobody looked at.
    power : Power or None
        What the case could have shown.
    ambiguous : bool
        Whether rounding alone may explain what is wrong, since it decides which spikes fire.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> case = rs.Case(network, params, np.ones((4, 1, 2)), [2], name="mine")
    >>> def zeros(params, x, y):
    ...     loss, grads = rs.fast.loss_and_grad(network, params, x, y)
    ...     return loss, tuple(rs.Layer(0 * g.w, 0 * g.b) for g in grads)
    >>> report = rs.check(zeros, case)
    >>> report.verdict, report.agrees
    ('DISAGREES', False)
    """

    case: Case
    dtype: np.dtype
    stages: tuple[Stage, ...]
    first: Location | None = None
    cause: Cause | None = None
    repeated: bool = True
    simulated: tuple[Stage, ...] = ()
    undecided: tuple[str, ...] = ()
    left_out: tuple[int, ...] = ()
    not_compared: tuple[str, ...] = ()
    power: Power | None = None
    ambiguous: bool = False

    @property
    def verdict(self) -> str:
        """Whether it "agrees", "DISAGREES", or this case leaves it "undecided"."""
        wrong = not self.repeated or not all(stage.agrees for stage in self.stages)
        if wrong and not self.ambiguous:
            return "DISAGREES"
        return "undecided" if self.undecided else "agrees"

    @property
    def agrees(self) -> bool:
        """Whether everything that was answered is right, twice, and the case could have told."""
        return self.verdict == "agrees"

    @property
    def resolution(self) -> tuple[str, float]:
        """The array that was seen least sharply, and the smallest share of it that would show."""
        return max((stage.resolution for stage in self.stages), key=lambda each: each[1])

    def __str__(self) -> str:
        lines = [f"{self.case.name}: {self.verdict} ({self.dtype})"]
        lines += map(_stage_line, self.stages)
        if self.verdict == "undecided":
            lines += (f"  undecided: {reason}" for reason in self.undecided)
        if not self.repeated:
            asked = f": {KEPT_OR_DRAWN}" if self.cause is None else ""
            lines.append(f"  a second call of the same case gives another answer{asked}")
        if self.first is not None:
            lines.append(f"  {self.first.line}")
            if self.first.what == "not known" and set(self.not_compared) >= READ_OFF:
                lines.append("  to know it, return states and adjoints, too (rs.Answer)")
        if self.cause is not None:
            lines.append(f"  cause: {self.cause}")
        return "\n".join([*lines, *_scope_lines(self)])


def _stage_line(stage: Stage) -> str:
    """What is said of one stage."""
    if stage.agrees:
        note = f"; {stage.note}" if stage.note else ""
        return f"  {stage.name:20} agrees   ({stage.error:.2g} of the tolerance{note})"
    figures = f"cosine {stage.cosine:.6f}, ratio {stage.ratio:.4f}"
    return f"  {stage.name:20} WRONG    {stage.worst}; {figures}"


def _scope_lines(report: Report) -> Iterator[str]:
    """What was compared, how sharply, and what the case could have shown."""
    name, share = report.resolution
    if share < 1.0:
        yield f"  resolution: an error of {share:.1g} of an array would show (least sharp: {name})"
    else:
        yield f"  resolution: none of {name}, all of which rounding may move: it says nothing"
    if report.left_out:
        numbers = ", ".join(str(i + 1) for i in report.left_out)
        yield f"  left out: recordings {numbers}, {name_unclear(report.case)}"
    compared = ", ".join(stage.name for stage in report.stages)
    missing = f"; not compared: {', '.join(report.not_compared)}" if report.not_compared else ""
    yield f"  compared: {compared}{missing}"
    if report.power is not None:
        yield f"  power: {report.power}"


@overload
def check(gradient: Gradient | Implementation, case: Case) -> Report: ...
@overload
def check(gradient: Gradient | Implementation, case: Program) -> ProgramReport: ...
def check(gradient: Gradient | Implementation, case: Case | Program) -> Report | ProgramReport:
    """Compare an implementation's answer to a case with the exact one.

    Parameters
    ----------
    gradient : callable or Implementation
        ``gradient(params, x, y)`` with parameters as a tuple of `Layer`, input (time, batch, n_0)
        and labels (batch,), all NumPy; returns ``(loss, grads)``, the gradients as a sequence of
        `Layer` or of mappings, or an `Answer` with states and adjoints, too. Arrays may be anything
        that turns into NumPy's. It is called twice, and more often where it is wrong.
    case : Case or Program
        The question; a `Program` is any network in NumPy's words (docs/program.md).

    Returns
    -------
    Report
        Printing it gives the verdict; of a `Program`, a ``rs.program.Report``. Where the search for
        a cause ends in an error, the cause says so, and the verdict stands.

    Raises
    ------
    ValueError
        If what comes back has other names, shapes or kinds, or is not finite.

    References
    ----------
    DESIGN 3 and 5; docs/field.md.

    Examples
    --------
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> rng = np.random.default_rng(0)
    >>> case = rs.Case(network, rs.init(network, rng), rng.standard_normal((4, 2, 2)), [0, 2])
    >>> def detached(params, x, y):
    ...     neuron = rs.LIF(0.9, 1.0, rs.Arctan(2.0), detach_reset=True)
    ...     return rs.fast.loss_and_grad(rs.Network((2, 3), neuron, network.readout), params, x, y)
    >>> report = rs.check(detached, case)
    >>> report.agrees, report.cause.name, str(report.first)
    (False, 'reset detached', 'adjoint of layer 1, step 3, recording 2, neuron 1 (by its cause)')
    """
    if isinstance(case, Program):
        return check_program(gradient, case)
    not_compared = gradient.not_compared if isinstance(gradient, Implementation) else ()
    gradient = require_callable(gradient)
    if not isinstance(case, Case):
        raise ValueError(f"case must be a Case, got {type(case).__name__}")
    extended = bool(describe_extension(case.network))
    if extended and case.synapse is not None:
        raise ValueError(f"synapse must be that of a GLIF in such a network, got {case.synapse}")
    exam, left_out = examine_clear(gradient, case)
    power = measure_power(exam)
    unclear = unclear_recordings(exam) if exam.wrong else ()
    # A second call shows whether something is kept from the first: then nothing else means much.
    second = ask_again(gradient, exam)
    another = second.answer if second is not None and second.certain else None
    report = Report(
        exam.case,
        exam.dtype,
        exam.stages,
        repeated=another is None,
        undecided=tuple(_reasons(exam, power, unclear, second)),
        left_out=() if unclear else left_out,
        not_compared=(*_missing_stages(exam), *exam.got.extras, *not_compared),
        power=power,
        ambiguous=bool(unclear),
    )
    if report.verdict != "DISAGREES":
        return report
    try:
        return _explain(report, gradient, exam, another)
    except Exception as error:  # of the search, or of the implementation at another question
        says = f"the search ended in an error, {type(error).__name__}: {error}"
        first = first_difference(exam.stages, "from the states and adjoints given")
        first = first or Location("not known", how="it was not looked for to the end")
        return replace(report, first=first, cause=Cause(UNKNOWN, says, 0.0, 0.0, exact=False))


def _explain(
    report: Report, gradient: Gradient, exam: Examination, another: Answer | None
) -> Report:
    """The report of a wrong answer with its cause and place; `another`: that of a second call."""
    if another is not None:
        cause, first = explain_calls(gradient, exam, another)
        return replace(report, first=first, cause=cause)
    if exam.wrong == {"states"}:  # what is reported, not what is computed
        return replace(report, first=first_difference(exam.stages, "from the states given"))
    report = attach_cause(report, *explain_answer(gradient, exam))
    if report.first is not None:
        return report
    # Gradients only, and no known cause: the layer and step must be asked for.
    return replace(report, first=probe(gradient, exam.case))


def _reasons(
    exam: Examination, power: Power, unclear: Sequence[int], second: Repeat | None
) -> Iterator[str]:
    """Why an examination decides nothing, and the way out."""
    if second is not None and not second.certain:
        yield f"a second call gives another answer, which rounding may explain: {KEPT_OR_DRAWN}"
    if unclear:
        named = f"recordings {', '.join(str(i + 1) for i in unclear)} have"
        which = "every recording has" if len(unclear) == len(exam.case.y) else named
        yield f"{which} {name_unclear(exam.case)}; take other recordings, or float64"
    if any(stage.resolution[1] > MAX_SHARE for stage in exam.stages):
        sharper = "take float64, fewer steps" if exam.dtype != np.float64 else "take fewer steps"
        limit = f"more than {MAX_SHARE} of it"
        yield f"rounding may move {name_vague(exam)} by {limit}; {sharper} or rs.harder(case)"
    if power.nonzero == 0.0:
        yield "every gradient is zero: this case can show nothing; take rs.harder(case)"
    elif exam.case.hard and not any(power.rates):
        yield "no neuron fires: this case can show little; take rs.harder(case)"


def _missing_stages(exam: Examination) -> Iterator[str]:
    """The stages that were not answered."""
    given = {stage.name for stage in exam.stages}
    yield from (name for name in STAGES if name not in given)


def attach_cause(report: Report, explanation: Explanation | None, cause: Cause | None) -> Report:
    """Return a report with a cause, what it simulates, and the location that follows from it."""
    # A known cause is run as a whole network: it has states and adjoints that were not given.
    answers = [] if explanation is None else explanation(report.case)
    exact = np.dtype(np.float64)  # whatever was asked: a simulation has no larger error
    runs = [examine_answer(answer, report.case, exact).stages for answer in answers]
    parts = cause.name.split(" + ") if cause is not None else []
    # Paths that are cut below do not reach the readout's gradients.
    before_adjoints = (
        any(word in part for word in ("readout", "detached", " path"))
        and not any(word in part for word in ("decay", "penalty", "gradient"))
        for part in parts
    )
    of_readout = any("readout" in part for part in parts) and all(before_adjoints)
    first = locate(report.stages, runs, of_readout=of_readout) or report.first
    if parts == [ZERO_LOGITS] and first is not None and first.how == "by its cause":
        first = Location("not known", how="all logits are zero, by whatever made them so")
    return replace(report, first=first, cause=cause, simulated=runs[0] if runs else ())
