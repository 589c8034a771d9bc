"""What a claim is, and what it means to check one.

Rule 1: a claim whose hypothesis fails says nothing. It is silent, and silence is counted.
Rule 2: NaN is a failure, never a success.
Rule 3: nothing here knows what the claims are about; an instance may be of any type.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike

# Relative tolerance for rounding in constants and norms: a thousand operations of a few ulp each,
# on numbers of one sign. `Claim.rounding` gives the tolerance where larger numbers cancel.
ROUNDING = 1e-12

X = TypeVar("X")
# Contravariant: a hypothesis on a base type applies to its subtypes.
Y = TypeVar("Y", contravariant=True)
Side: TypeAlias = "ArrayLike | tuple[ArrayLike, ...]"


@dataclass(frozen=True)
class Hypothesis(Generic[Y]):
    """What must hold of an instance before a claim says anything about it.

    Attributes
    ----------
    condition : str
        The condition, as a reader would write it.
    holds : callable
        ``holds(instance) -> bool``.
    """

    condition: str
    holds: Callable[[Y], bool]


@dataclass(frozen=True)
class Claim(Generic[X]):
    """If every hypothesis holds for ``x`` then ``measure(x) <= bound(x)``, entry by entry.

    Each side is a number, an array, or a tuple of them (one per layer); the two sides broadcast.

    Attributes
    ----------
    label : str
        Short and permanent; begins with the number in THEORY.
    title : str
        What it is about, in a few words.
    source : str
        Document, version and number.
    statement : str
        Complete: this line alone can be refuted. ``docs/theory.md`` is written from it.
    hypotheses : tuple of Hypothesis
        The claim is silent where one fails. They are asked in order, up to the first that fails,
        so a hypothesis may rely on those before it.
    measure : callable
        ``measure(x)``, by running the model.
    bound : callable
        ``bound(x)``, from constants and inputs, never from the run that is measured.
    uses : tuple of str
        Labels that its proof rests on.
    rounding : callable
        ``rounding(x)``: how far rounding can move what is measured, where that is a difference of
        larger numbers; 0 elsewhere.
    """

    label: str
    title: str
    source: str
    statement: str
    hypotheses: tuple[Hypothesis[X], ...]
    measure: Callable[[X], Side]
    bound: Callable[[X], Side]
    uses: tuple[str, ...] = ()
    rounding: Callable[[X], Side] = lambda x: 0.0

    @property
    def conditions(self) -> str:
        """All hypotheses in one line."""
        return "; ".join(h.condition for h in self.hypotheses) or "none"

    def drop_hypothesis(self, condition: str) -> "Claim[X]":
        """Return the claim without one of its hypotheses."""
        kept = tuple(h for h in self.hypotheses if h.condition != condition)
        return replace(self, hypotheses=kept)


@dataclass(frozen=True)
class ClaimResult:
    """What came of checking a claim on one instance.

    Attributes
    ----------
    label : str
        Of the claim.
    unmet : tuple of str
        The first hypothesis that fails, if one does; nothing was measured then.
    measured, bound, slack : float
        At the entry that comes closest to its bound: both sides, and the tolerance for rounding.
    """

    label: str
    unmet: tuple[str, ...]
    measured: float = np.nan
    bound: float = np.nan
    slack: float = 0.0

    @property
    def applies(self) -> bool:
        """Whether every hypothesis holds."""
        return not self.unmet

    @property
    def refuted(self) -> bool:
        """Whether the claim applies and is false."""
        return self.applies and not satisfies(*self._sides)

    @property
    def ratio(self) -> float:
        """`bound_share`: in [0, 1] unless refuted."""
        return float(bound_share(*self._sides))

    @property
    def _sides(self) -> tuple[np.ndarray, ...]:
        return tuple(map(np.asarray, (self.measured, self.bound, self.slack)))


def check_claim(claim: Claim[X], instance: X) -> ClaimResult:
    """Check a claim on one instance, of the type that the claim is about (THEORY 8).

    The result is silent, or has the entry that comes closest to its bound; an entry that breaks it
    (NaN does, too) comes first.
    """
    unmet = next((h.condition for h in claim.hypotheses if not h.holds(instance)), None)
    if unmet is not None:
        return ClaimResult(claim.label, (unmet,))
    measured, bound, slack = broadcast_sides(
        claim.measure(instance), claim.bound(instance), claim.rounding(instance)
    )
    broken = ~satisfies(measured, bound, slack)
    worst = int(np.argmax(broken if broken.any() else bound_share(measured, bound, slack)))
    return ClaimResult(claim.label, (), *(float(a[worst]) for a in (measured, bound, slack)))


def broadcast_sides(*sides: Side) -> tuple[np.ndarray, ...]:
    """Return the sides of an inequality as flat arrays of one length."""
    n_layers = max(len(side_parts(side)) for side in sides)
    each = [side if isinstance(side, tuple) else (side,) * n_layers for side in sides]
    rows = [
        [a.ravel() for a in np.broadcast_arrays(*(np.asarray(part, float) for part in row))]
        for row in zip(*each, strict=True)
    ]
    return tuple(np.concatenate(column) for column in zip(*rows, strict=True))


def side_parts(side: Side) -> tuple[np.ndarray, ...]:
    """Return a side as a tuple, one part per layer."""
    return side if isinstance(side, tuple) else (side,)  # pyright: ignore[reportReturnType]


def satisfies(measured: np.ndarray, bound: np.ndarray, slack: np.ndarray) -> np.ndarray:
    """Whether each entry keeps to its bound.

    NaN and an infinite measurement do not; an infinite slack counts beside an infinite bound only.
    """
    known = np.isfinite(measured) & (np.isfinite(slack) | np.isinf(bound))
    with np.errstate(invalid="ignore"):
        return known & (measured <= bound + ROUNDING * np.abs(bound) + slack)


def bound_share(measured: ArrayLike, bound: ArrayLike, slack: ArrayLike) -> np.ndarray:
    """Return the share of the bound that is used, by entry; what rounding explains is not counted.

    0 where both sides are 0 and where the bound is infinite.
    """
    above = np.asarray(measured) - np.asarray(slack)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((above <= 0.0) | np.isinf(bound), 0.0, above / bound)
