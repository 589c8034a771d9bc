"""The result of the test that needs no reference: a measurement of each part, and one verdict."""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from refsast.crosscheck.integrability.field import WHY_STILL, Discrepancy

HIGHEST_FLOOR = 1e-2  # highest floor that lets a test hold


class VerdictKind(Enum):
    """What a black box was found to be."""

    GRADIENT = "the gradient of its loss"
    OTHER = "a gradient, but not of its loss"
    ELSEWHERE = "not the gradient of its loss; whether of anything is undecided"
    NONE = "not a gradient of anything"
    UNDECIDED = "undecided"
    UNREPEATABLE = "not repeatable: the same call gave two answers"


@dataclass(frozen=True)
class Measurement:
    """The result of one test.

    Attributes
    ----------
    statistic : float
        How far from a gradient, relative: 0 for a gradient, of order 1 for a poor estimate.
    floor : float
        The largest value that rounding, kinks and steps can give it if the field is a gradient.
    """

    statistic: float
    floor: float

    @property
    def fails(self) -> bool:
        """Whether a violation is proven."""
        return self.statistic > self.floor

    @property
    def holds(self) -> bool:
        """Whether the floor is low enough, and the statistic below it."""
        return self.statistic <= self.floor <= HIGHEST_FLOOR

    def __str__(self) -> str:
        word = "holds" if self.holds else "FAILS" if self.fails else "undecided"
        return f"{word:9s}  {self.statistic:7.1e}  (floor {self.floor:.0e})"


@dataclass(frozen=True)
class Verdict:
    """The result of all tests.

    Attributes
    ----------
    kind : VerdictKind
        The verdict.
    symmetry, work, slope : Measurement or None
        Of the three tests; of `slope` the remainder's linear part relative to <g, d>. None where
        the box is not repeatable, or nothing can be measured.
    exponent : float
        Of h in Taylor's remainder: 2 for the gradient of the loss, else 1; NaN where rounding is
        all there is.
    factor : float
        By how much the field is a multiple of its loss's gradient; NaN if it is none, infinite if
        the loss stands still, as it does where spikes are hard.
    silent : bool
        Whether the gradient is zero here.
    unrepeated : Discrepancy or None
        How two answers to one question differed.
    reason : str
        Why nothing was measured, or about what part of the case it was.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> case = rs.Case(network, params, np.ones((4, 1, 2)), [2], name="mine")
    >>> def exact(params, x, y):
    ...     return rs.fast.loss_and_grad(network, params, x, y)
    >>> verdict = rs.integrable(exact, case, rng=np.random.default_rng(0))
    >>> verdict.kind.name, bool(verdict.symmetry.holds)
    ('GRADIENT', True)
    """

    kind: VerdictKind
    symmetry: Measurement | None = None
    work: Measurement | None = None
    slope: Measurement | None = None
    exponent: float = np.nan
    factor: float = np.nan
    silent: bool = False
    unrepeated: Discrepancy | None = None
    reason: str = ""

    @property
    def note(self) -> str:
        """What the kind leaves unsaid, or nothing."""
        if self.silent:
            return " It is zero here."
        if np.isinf(self.factor):
            return f" Its loss stands still: {WHY_STILL}."
        if self.kind is VerdictKind.OTHER and np.isfinite(self.factor):
            return f" It is {self.factor:.6g} times that gradient."
        if self.kind is VerdictKind.UNDECIDED and self.symmetry and self.symmetry.holds:
            return " It is a gradient; its loss has too few digits to say whether of itself."
        return ""

    def __str__(self) -> str:
        if self.unrepeated is not None:
            return f"{self.kind.value.capitalize()}.\n{_reset_hint(self.unrepeated)}"
        if self.symmetry is None:
            return f"{self.kind.value.capitalize()}: {self.reason}."
        note = f"{self.note} ({self.reason})" if self.reason else self.note
        exponent = f"h^{self.exponent:.2f}" if np.isfinite(self.exponent) else "lost in rounding"
        return (
            f"{self.kind.value.capitalize()}.{note}\n"
            f"  Hessian symmetric?           {self.symmetry}\n"
            f"  no work on a closed loop?    {self.work}\n"
            f"  the loss changes as it says? {self.slope}, remainder {exponent}"
        )


def _reset_hint(found: Discrepancy) -> str:
    """How two answers differed, and the most likely cause."""
    when = "after other calls" if found.later else "twice in a row"
    return (
        f"  Asked {when}, gradients differ by {found.apart:.1e} (relative), losses by "
        f"{found.loss:.1e}.\n  Are states reset, and is dropout off, before every call?"
    )
