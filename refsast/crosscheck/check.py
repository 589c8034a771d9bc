"""``rs.check``: does an implementation agree, and if not, where is it wrong first, and why?"""

from dataclasses import dataclass, replace

import numpy as np

from refsast.crosscheck.case import Case, Gradient, Implementation, require_callable
from refsast.crosscheck.compare import (
    Stage,
    examine,
    examine_answer,
    repeats,
    threshold_distance,
)
from refsast.crosscheck.diagnose.attribution import Cause, Explanation, attribute
from refsast.crosscheck.diagnose.localise import Location, first_difference, locate
from refsast.crosscheck.diagnose.observations import observe
from refsast.crosscheck.diagnose.places import probe


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
        Why; None where it agrees.
    repeated : bool
        Whether a second call gave the same answer.
    simulated : tuple of Stage
        The same stages, all of them, of the cause: what an implementation that gives gradients only
        must have gone through. Empty where it agrees, or where the cause is unknown.
    """

    case: Case
    dtype: np.dtype
    stages: tuple[Stage, ...]
    first: Location | None = None
    cause: Cause | None = None
    repeated: bool = True
    simulated: tuple[Stage, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether everything that was answered is right, twice."""
        return self.repeated and all(stage.agrees for stage in self.stages)

    def __str__(self) -> str:
        verdict = "agrees" if self.agrees else "DISAGREES"
        lines = [f"{self.case.name}: {verdict} ({self.dtype})", *map(_stage_line, self.stages)]
        if not self.repeated:
            lines.append("  a second call of the same case gives another answer: are states reset?")
        if self.first is not None:
            lines.append(f"  {self.first.line}")
        if self.cause is not None:
            lines.append(f"  cause: {self.cause}")
        return "\n".join(lines)


def _stage_line(stage: Stage) -> str:
    if stage.agrees:
        return f"  {stage.name:20} agrees   ({stage.error:.2g} of the tolerance)"
    figures = f"cosine {stage.cosine:.6f}, ratio {stage.ratio:.4f}"
    return f"  {stage.name:20} WRONG    {stage.worst}; {figures}"


def check(gradient: Gradient | Implementation, case: Case) -> Report:
    """Compare an implementation's answer to a case with the exact one.

    Parameters
    ----------
    gradient : callable or Implementation
        ``gradient(params, x, y)`` with parameters as a tuple of `Layer`, input (time, batch, n_0)
        and labels (batch,), all NumPy; returns ``(loss, grads)``, the gradients as a sequence of
        `Layer` or of mappings, or an `Answer` with states and adjoints, too. Arrays may be anything
        that turns into NumPy's. It is called twice, and more often where it is wrong.
    case : Case
        The question.

    Returns
    -------
    Report
        Printing it gives the verdict.

    Raises
    ------
    ValueError
        If what comes back has other names, shapes or kinds, or is not finite; or if spikes are hard
        and a potential is so close to the threshold that rounding decides.

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
    gradient = require_callable(gradient)
    if not isinstance(case, Case):
        raise ValueError(f"case must be a Case, got {type(case).__name__}")
    exam = examine(gradient, case)
    # A second call shows whether states are kept from the first: then nothing else means much.
    report = Report(exam.case, exam.dtype, exam.stages, repeated=repeats(gradient, case, exam))
    if report.agrees or not report.repeated:
        return report
    # Rounding may flip such a spike, and with it everything that follows: no side is wrong.
    if exam.case.hard and (near := threshold_distance(exam)):
        raise ValueError(
            "case must keep hard potentials clear of the threshold, by more than rounding, "
            f"got a distance of {near[1]:.1e} in layer {near[0] + 1}"
        )
    if exam.wrong == {"states"}:  # what is reported, not what is computed
        return replace(report, first=first_difference(exam.stages, "from the states given"))
    report = attach_cause(report, *attribute(observe(gradient, exam.case)))
    if report.first is not None:
        return report
    # Gradients only, and no known cause: the layer and step must be asked for.
    return replace(report, first=probe(gradient, exam.case))


def attach_cause(report: Report, explanation: Explanation | None, cause: Cause | None) -> Report:
    """Return a report with a cause, what it simulates, and the location that follows from it."""
    # A known cause is run as a whole network: it has states and adjoints that were not given.
    answers = [] if explanation is None else explanation(report.case)
    exact = np.dtype(np.float64)  # whatever was asked: a simulation has no larger error
    runs = [examine_answer(answer, report.case, exact).stages for answer in answers]
    first = locate(report.stages, runs) or report.first
    return replace(report, first=first, cause=cause, simulated=runs[0] if runs else ())
