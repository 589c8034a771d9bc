"""A whole run: every claim checked on draws, attacked, and what came of it in one row each.

Rule 1: a row is made of what was seen. Silence is counted apart from what held.
Rule 2: the same seed gives the same rows, on any number of processes.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from proofs_check import replay
from proofs_check.claim import used
from proofs_check.draws import Seeded
from proofs_check.register import CLAIMS, ENTRIES, KINDS, Entry
from proofs_check.search import Found, attack, judged
from refsast.arrays import Array

WORST = Path(__file__).parent / "worst"  # the best attacks so far, one file per claim
CHUNK = 0.02  # of a claim's instances: small enough for the bar to move
KEPT = 3  # of the best instances of each chunk, for the attack to start from


@dataclass(frozen=True, eq=False)
class Tally:
    """What came of some of a claim's instances.

    Attributes
    ----------
    label : str
        Of the claim.
    part : int
        Which of the claim's streams they were drawn from; -1 for the attack.
    silent, refuted : int
        Of the drawn instances those that a hypothesis does not hold for, and those on which the
        claim is false.
    sides : (n, 2) array
        Measured and bound of the drawn instances that are not silent.
    best : tuple of Found
        Those that use most of the bound, refutations before all.
    seconds : float
        Processor time.
    """

    label: str
    part: int
    silent: int
    refuted: int
    sides: Array
    best: tuple[Found, ...]
    seconds: float


@dataclass(frozen=True, eq=False)
class Row:
    """What came of a claim.

    Attributes
    ----------
    entry : Entry
        The claim and its register.
    silent, refuted : int
        Of the drawn instances those that a hypothesis does not hold for, and those on which the
        claim is false.
    sides : (n, 2) array
        Measured and bound of the drawn instances that are not silent.
    worst : Found or None
        The instance that uses most of the bound, of draws and attack; None where all are silent.
    seconds : float
        Processor time.
    """

    entry: Entry
    silent: int
    refuted: int
    sides: Array
    worst: Found | None
    seconds: float

    @property
    def held(self) -> int:
        """Drawn instances on which the claim spoke and was not refuted."""
        return len(self.sides) - self.refuted

    @property
    def false(self) -> bool:
        """Whether a draw or the attack has refuted the claim."""
        return self.refuted > 0 or (self.worst is not None and self.worst.verdict.refuted)

    @property
    def silence(self) -> float:
        """Share of the instances on which the claim says nothing, in per cent."""
        return 100.0 * self.silent / max(self.silent + len(self.sides), 1)

    @property
    def median(self) -> float:
        """Median share of the bound that a drawn instance uses."""
        ratios = used(self.sides[:, 0], self.sides[:, 1], 0.0)
        return float(np.median(ratios)) if len(ratios) else np.nan


def tally(label: str, part: int, count: int, seed: int) -> Tally:
    """Draw and check instances; `part` says which of the claim's streams they come from."""
    began, entry = time.process_time(), CLAIMS[label]
    source = Seeded(np.random.default_rng((seed, _number(label), part)))
    seen = [judged(entry.claim, entry.draw(source), "draw") for _ in range(count)]
    spoke = [found for found in seen if found.verdict.applies]
    sides = np.array([(f.verdict.measured, f.verdict.bound) for f in spoke]).reshape(-1, 2)
    best = tuple(sorted(spoke, key=lambda found: -found.ratio)[:KEPT])
    refuted = sum(found.verdict.refuted for found in spoke)
    silent, spent = count - len(spoke), time.process_time() - began
    return Tally(label, part, silent, refuted, sides, best, spent)


def assault(label: str, starts: Sequence[Found], effort: int, seconds: float, seed: int) -> Tally:
    """Attack a claim, from the best draws and from the worst instance on record."""
    began, entry = time.process_time(), CLAIMS[label]
    known = [judged(entry.claim, pinned(label), "on record")] if _path(label).exists() else []
    found = attack(
        entry.claim,
        entry.draw,
        np.random.default_rng((seed, _number(label))),
        mend=entry.mend,
        effort=effort,
        seconds=seconds,
        starts=(*known, *starts),
    )
    spent = time.process_time() - began
    return Tally(label, -1, 0, 0, np.zeros((0, 2)), (found,), spent)


def pinned(label: str) -> object:
    """Return the instance on record that uses most of a claim's bound."""
    return replay.load(_path(label), KINDS)[1]


def _path(label: str) -> Path:
    return WORST / f"{label}.json"


def _number(label: str) -> int:
    """A number for the seed that stays when claims are added."""
    return int.from_bytes(label.encode(), "little")


Progress = Callable[[Iterable[Tally], int, str], Iterable[Tally]]


def run(
    entries: Sequence[Entry] = ENTRIES,
    *,
    seed: int = 0,
    share: float = 1.0,
    effort: int = 100,
    seconds: float = 20.0,
    jobs: int = 2,
    progress: Progress = lambda tallies, total, what: tallies,
) -> tuple[Row, ...]:
    """Check and attack claims.

    Parameters
    ----------
    entries : sequence of Entry
        Which.
    seed : int
        Everything that is drawn follows from it. Not negative.
    share : float
        Of the instances of a full run, in (0, 1].
    effort, seconds : int, float
        Of each attack, as for `search.attack`; zero effort attacks nothing.
    jobs : int
        Processes. Positive.
    progress : callable
        Wraps the parts as they come in: ``progress(parts, total, what)``.

    Returns
    -------
    tuple of Row
        One per claim.
    """
    with Parallel(n_jobs=jobs, return_as="generator_unordered") as pool:
        tasks = [task for entry in entries for task in _parts(entry, share, seed)]
        tasks.sort(key=lambda task: -task[2])
        checks = _results(pool, tally, tasks)
        tallies = list(progress(checks, len(tasks), "checking"))
        best = {e.claim.label: _best(tallies, e.claim.label) for e in entries}
        hunts = [(label, starts, effort, seconds, seed) for label, starts in best.items()]
        found = (
            []
            if effort == 0
            else list(progress(_results(pool, assault, hunts), len(hunts), "attacking"))
        )
    return tuple(_row(entry, [*tallies, *found]) for entry in entries)


def _results(
    pool: Parallel, function: Callable[..., Tally], tasks: Iterable[tuple]
) -> Iterator[Tally]:
    """What a function makes of each task, as it comes."""
    for result in pool(delayed(function)(*task) for task in tasks):
        if isinstance(result, Tally):
            yield result


def _parts(entry: Entry, share: float, seed: int) -> list[tuple[str, int, int, int]]:
    """The streams of a claim's instances: label, number, how many, seed."""
    total = max(int(entry.instances * share), 1)
    size = max(int(entry.instances * CHUNK), 1)
    counts = [min(size, total - start) for start in range(0, total, size)]
    return [(entry.claim.label, part, count, seed) for part, count in enumerate(counts)]


def _best(tallies: Sequence[Tally], label: str) -> tuple[Found, ...]:
    """The best instances of a claim; ties by the order in which they print, not that of arrival."""
    found = [f for t in tallies if t.label == label for f in t.best]
    return tuple(sorted(found, key=lambda f: (-f.ratio, f.verdict.measured))[:KEPT])


def _row(entry: Entry, tallies: Sequence[Tally]) -> Row:
    """Put the parts of a claim together."""
    mine = sorted((t for t in tallies if t.label == entry.claim.label), key=lambda t: t.part)
    found = [f for t in mine for f in t.best if f.verdict.applies]
    return Row(
        entry,
        sum(t.silent for t in mine),
        sum(t.refuted for t in mine),
        np.concatenate([t.sides for t in mine]),
        max(found, key=lambda f: f.ratio) if found else None,
        sum(t.seconds for t in mine),
    )
