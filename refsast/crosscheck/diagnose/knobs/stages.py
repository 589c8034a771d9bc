"""From small questions to large ones: what explains the first that is answered wrong, then all.

Rule 1: a candidate is fitted to the smallest question that is answered wrong, which is cheap, and
        has to explain all others, too.
Rule 2: what explains the first wrong question and not all is what a second knob is added to.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from refsast.crosscheck.diagnose.knobs.fit import (
    Group,
    Residuals,
    apply_values,
    misfits,
    refine,
)
from refsast.crosscheck.diagnose.knobs.matching import find_moves, snap, try_candidates

BASES = 4  # settings that explain a first question, to which a second knob is added
POLISHED = 24  # candidates that are fitted once more, to all questions
FAR = 1e6  # a misfit beyond which that is not tried

Cells: TypeAlias = Callable[[dict], Sequence[dict]]


@dataclass(frozen=True, eq=False)
class Questions:
    """Residuals of growing questions, and of all of them together."""

    parts: Sequence[Residuals]
    whole: Residuals

    def fits(self, settings: Sequence[dict]) -> list[dict]:
        """Return the settings that explain all questions."""
        if not settings:
            return []
        worst = misfits(self.whole(settings))
        return [settings[i] for i in np.flatnonzero(worst <= 1.0).tolist()]

    def first_wrong(self, setting: dict, start: int = 0) -> int | None:
        """Return the first question that a setting does not explain; None: there is none."""
        for k in range(start, len(self.parts)):
            if misfits(self.parts[k]([setting]))[0] > 1.0:
                return k
        return None


@dataclass(frozen=True, eq=False)
class Search:
    """What may be turned, and which settings are plainer than others."""

    groups: Sequence[Group]
    cells: Cells
    rank: Callable[[list[dict]], list[dict]]


def search_stages(
    questions: Questions, search: Search, base: dict, depth: int, start: int = 0
) -> list[dict]:
    """Return settings of at most `depth` knobs more than a base that explain all questions."""
    k = questions.first_wrong(base, start)
    if k is None:
        return questions.fits([base])
    run = questions.parts[k]
    near = find_moves(run, base, search.groups, depth=1, cells=search.cells(base))
    found = settle(questions, search.groups, base, near)
    if found or depth == 1:
        return found
    bases = search.rank(near)[:BASES]
    for more in range(1, depth):  # one knob more on each of them, before two
        for setting in bases:
            found += search_stages(questions, search, setting, more, k + 1)
        if found:
            return found
    for run in (questions.parts[k], questions.whole):
        near = find_moves(run, base, search.groups, depth=depth, skip=1)
        if found := settle(questions, search.groups, base, near):
            return found
    return []


def try_stages(
    questions: Questions, groups: Sequence[Group], base: dict, candidates: Sequence
) -> list[dict]:
    """Return the candidates that explain the first wrong question, and then all."""
    k = questions.first_wrong(base)
    if k is None or not candidates:
        return []
    return settle(questions, groups, base, try_candidates(questions.parts[k], candidates))


def settle(
    questions: Questions, groups: Sequence[Group], base: dict, near: Sequence[dict]
) -> list[dict]:
    """Return those of the settings that explain all questions, fitted to all where need be."""
    if not near:
        return []
    worst = misfits(questions.whole(near))
    found = [near[i] for i in np.flatnonzero(worst <= 1.0).tolist()]
    if found:
        return found
    order = [near[int(i)] for i in np.argsort(worst, kind="stable")[:POLISHED] if worst[i] < FAR]
    return questions.fits(_polish(questions, groups, base, order))


def _polish(
    questions: Questions, groups: Sequence[Group], base: dict, settings: Sequence[dict]
) -> list[dict]:
    """Settings with their free values fitted to all questions, as they are and made plain."""
    found = []
    free = [_free_groups(groups, base, setting) for setting in settings]
    for m in (1, 2, 3):  # all of so many values side by side
        at = [k for k, own in enumerate(free) if len(own) == m]
        if not at:
            continue
        bases, own = [settings[k] for k in at], [free[k] for k in at]
        starts = np.array([[g.read(settings[k]) for g in free[k]] for k in at])
        values, worst = refine(questions.whole, bases, own, starts)
        for k in np.flatnonzero(worst <= 1.0):
            plain = [snap(g, v) for g, v in zip(own[k], values[k], strict=True)]
            # The plain one first, as it is preferred where both fit.
            found += [apply_values(bases[k], own[k], each) for each in (plain, values[k])]
    return found


def _free_groups(groups: Sequence[Group], base: dict, setting: dict) -> tuple[Group, ...]:
    """The groups of free values that a setting turns, more than its base."""
    moved = {key for key in setting if base.get(key) != setting[key]}
    whole = [g for g in groups if g.smooth and set(g.keys) == moved]
    if whole:
        return (whole[0],)
    return tuple(g for g in groups if g.smooth and set(g.keys) <= moved and len(g.keys) == 1)
