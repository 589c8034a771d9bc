"""What is said of an implementation that was asked about a program."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from refsast.crosscheck.compare import KEPT_OR_DRAWN, Stage
from refsast.crosscheck.program.record import Program

NAMED = 8  # arrays that have a line of their own, at most
SAME = 1e-10  # of a cosine: so near to 1, one array is a multiple of the other


@dataclass(frozen=True, eq=False)
class Report:
    """The result of ``rs.check`` of a program.

    Attributes
    ----------
    program : Program
        The question, as seen in `dtype`.
    dtype : numpy.dtype
        What the implementation computes in.
    stages : tuple of Stage
        One per array that was answered: loss, outputs, gradients by parameter, gradient in `x`.
    repeated : bool
        Whether a second call gave the same answer.
    undecided : tuple of str
        Why nothing follows, and the way out.
    ambiguous : bool
        Whether rounding alone may explain what is wrong, since it decides a comparison.
    not_compared : tuple of str
        What the implementation has or could have given, and nobody looked at.
    silent : tuple of str
        Parameters whose right gradient is zero: nothing is known of them.
    estimate : bool
        Whether the program has hard spikes with another derivative: its gradient is that of no
        function.
    smallest : Program or None
        The question with as few steps and recordings as are still answered wrongly.
    first : str
        Where that begins, in words; empty where it agrees, or could not be found.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> program = rs.Program(
    ...     lambda params, x, y: np.sum(params["w"] ** 2 * x), {"w": [1.0, 2.0]}, np.ones((2, 2)), 0
    ... )
    >>> def mine(params, x, y):
    ...     return np.sum(params["w"] ** 2 * x), {"w": params["w"] * x.sum(axis=0)}
    >>> report = rs.check(mine, program)
    >>> report.verdict, report.worst.name, report.multiple
    ('DISAGREES', 'grads["w"]', 0.5)
    """

    program: Program
    dtype: np.dtype
    stages: tuple[Stage, ...]
    repeated: bool = True
    undecided: tuple[str, ...] = ()
    ambiguous: bool = False
    not_compared: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    estimate: bool = False
    smallest: Program | None = None
    first: str = ""

    @property
    def verdict(self) -> str:
        """Whether it "agrees", "DISAGREES", or this program leaves it "undecided"."""
        wrong = not self.repeated or not all(stage.agrees for stage in self.stages)
        if wrong and not self.ambiguous:
            return "DISAGREES"
        return "undecided" if self.undecided else "agrees"

    @property
    def agrees(self) -> bool:
        """Whether everything that was answered is right, twice, and the program could have told."""
        return self.verdict == "agrees"

    @property
    def worst(self) -> Stage | None:
        """The array that is wrong by most tolerances; None where none is."""
        wrong = [stage for stage in self.stages if not stage.agrees]
        return max(wrong, key=lambda stage: stage.error, default=None)

    @property
    def multiple(self) -> float | None:
        """By what number the worst array is too large, if that is all that is wrong with it."""
        worst = self.worst
        if worst is None or not abs(abs(worst.cosine) - 1.0) <= SAME or worst.ratio == 0.0:
            return None
        factor = float(np.sign(worst.cosine) * worst.ratio)
        single = worst.errors[0][1].size == 1  # any number is a multiple of another
        simple = min(abs(f - round(f)) for f in (factor, 1.0 / factor)) < 1e-6
        return round(factor, 6) if simple or not single else None

    @property
    def resolution(self) -> tuple[str, float]:
        """The array that was seen least sharply, and the smallest share of it that would show."""
        return max((stage.resolution for stage in self.stages), key=lambda each: each[1])

    def __str__(self) -> str:
        lines = [f"{self.program.name}: {self.verdict} ({self.dtype})", *_stage_lines(self)]
        if self.verdict == "undecided":
            lines += (f"  undecided: {reason}" for reason in self.undecided)
        if not self.repeated:
            lines.append(f"  a second call gives another answer: {KEPT_OR_DRAWN}")
        if self.first:
            lines.append(f"  {self.first}")
        return "\n".join([*lines, *_scope_lines(self)])


def _stage_lines(report: Report) -> Iterator[str]:
    """A line for each array that is wrong, and one for all others."""
    width = max(len(stage.name) for stage in report.stages)
    wrong = [stage for stage in report.stages if not stage.agrees]
    for stage in wrong[:NAMED]:
        figures = f"cosine {stage.cosine:.6f}, ratio {stage.ratio:.4f}"
        yield f"  {stage.name:{width}} WRONG    {stage.worst}; {figures}"
    if len(wrong) > NAMED:
        yield f"  and {len(wrong) - NAMED} more arrays"
    right = [stage for stage in report.stages if stage.agrees]
    if right:
        error = max(stage.error for stage in right)
        names = ", ".join(stage.name for stage in right)
        note = "".join(f"; {stage.note}" for stage in right if stage.note)
        yield f"  agrees: {names} ({error:.2g} of the tolerance{note})"
    if report.multiple is not None and report.worst is not None:
        yield f"  {report.worst.name} is {report.multiple:g} times the right one"
    if len(wrong) > 1 and report.worst is not None:
        yield f"  worst: {report.worst.name}"


def _scope_lines(report: Report) -> Iterator[str]:
    """What was compared, how sharply, and what could have been seen."""
    name, share = report.resolution
    if share < 1.0:
        yield f"  resolution: an error of {share:.1g} of an array would show (least sharp: {name})"
    else:
        yield f"  resolution: none of {name}, all of which rounding may move: it says nothing"
    if report.not_compared:
        yield f"  not compared: {', '.join(report.not_compared)}"
    if report.silent:
        yield f"  right gradient zero, so that nothing was shown: {', '.join(report.silent)}"
    if report.estimate:
        yield (
            "  straight-through: hard spikes with another derivative; what is compared is that "
            "estimate, the gradient of no function"
        )
