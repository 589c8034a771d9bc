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
from proofs_check.attack import AttackResult, attack, check_instance
from proofs_check.claim import bound_share
from proofs_check.draws import RandomSource
from proofs_check.register import CLAIMS_BY_LABEL, RECORD_TYPES, REGISTER, RegisteredClaim
from refsast.arrays import Array

WORST_DIR = Path(__file__).parent / "worst"  # the best attacks so far, one file per claim
CHUNK_SHARE = 0.02  # of a claim's instances: small enough for the bar to move
N_BEST = 3  # of the best instances of each chunk, for the attack to start from


@dataclass(frozen=True, eq=False)
class ChunkResult:
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
    best: tuple[AttackResult, ...]
    seconds: float


@dataclass(frozen=True, eq=False)
class ClaimSummary:
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

    entry: RegisteredClaim
    silent: int
    refuted: int
    sides: Array
    worst: AttackResult | None
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
        ratios = bound_share(self.sides[:, 0], self.sides[:, 1], 0.0)
        return float(np.median(ratios)) if len(ratios) else np.nan


def check_chunk(label: str, part: int, count: int, seed: int) -> ChunkResult:
    """Draw and check instances; `part` says which of the claim's streams they come from."""
    began, entry = time.process_time(), CLAIMS_BY_LABEL[label]
    source = RandomSource(np.random.default_rng((seed, _label_number(label), part)))
    seen = [check_instance(entry.claim, entry.draw(source), "draw") for _ in range(count)]
    spoke = [found for found in seen if found.verdict.applies]
    sides = np.array([(f.verdict.measured, f.verdict.bound) for f in spoke]).reshape(-1, 2)
    best = tuple(sorted(spoke, key=lambda found: -found.ratio)[:N_BEST])
    refuted = sum(found.verdict.refuted for found in spoke)
    silent, spent = count - len(spoke), time.process_time() - began
    return ChunkResult(label, part, silent, refuted, sides, best, spent)


def attack_claim(
    label: str, starts: Sequence[AttackResult], effort: int, seconds: float, seed: int
) -> ChunkResult:
    """Attack a claim, from the best draws and from the worst instance on record."""
    began, entry = time.process_time(), CLAIMS_BY_LABEL[label]
    known = (
        [check_instance(entry.claim, load_worst(label), "on record")]
        if _worst_path(label).exists()
        else []
    )
    found = attack(
        entry.claim,
        entry.draw,
        np.random.default_rng((seed, _label_number(label))),
        mend=entry.mend,
        effort=effort,
        seconds=seconds,
        starts=(*known, *starts),
    )
    spent = time.process_time() - began
    return ChunkResult(label, -1, 0, 0, np.zeros((0, 2)), (found,), spent)


def load_worst(label: str) -> object:
    """Return the instance on record that uses most of a claim's bound."""
    return replay.load_instance(_worst_path(label), RECORD_TYPES)[1]


def _worst_path(label: str) -> Path:
    return WORST_DIR / f"{label}.json"


def _label_number(label: str) -> int:
    """A number for the seed that stays when claims are added."""
    return int.from_bytes(label.encode(), "little")


Progress = Callable[[Iterable[ChunkResult], int, str], Iterable[ChunkResult]]


def evaluate_claims(
    entries: Sequence[RegisteredClaim] = REGISTER,
    *,
    seed: int = 0,
    share: float = 1.0,
    effort: int = 100,
    seconds: float = 20.0,
    jobs: int = 2,
    progress: Progress = lambda tallies, total, what: tallies,
) -> tuple[ClaimSummary, ...]:
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
        tasks = [task for entry in entries for task in _chunk_tasks(entry, share, seed)]
        tasks.sort(key=lambda task: -task[2])
        checks = _collect(pool, check_chunk, tasks)
        tallies = list(progress(checks, len(tasks), "checking"))
        best = {e.claim.label: _best_instances(tallies, e.claim.label) for e in entries}
        hunts = [(label, starts, effort, seconds, seed) for label, starts in best.items()]
        found = (
            []
            if effort == 0
            else list(progress(_collect(pool, attack_claim, hunts), len(hunts), "attacking"))
        )
    return tuple(_summarise(entry, [*tallies, *found]) for entry in entries)


def _collect(
    pool: Parallel, function: Callable[..., ChunkResult], tasks: Iterable[tuple]
) -> Iterator[ChunkResult]:
    """What a function makes of each task, as it comes."""
    for result in pool(delayed(function)(*task) for task in tasks):
        if isinstance(result, ChunkResult):
            yield result


def _chunk_tasks(
    entry: RegisteredClaim, share: float, seed: int
) -> list[tuple[str, int, int, int]]:
    """The streams of a claim's instances: label, number, how many, seed."""
    total = max(int(entry.instances * share), 1)
    size = max(int(entry.instances * CHUNK_SHARE), 1)
    counts = [min(size, total - start) for start in range(0, total, size)]
    return [(entry.claim.label, part, count, seed) for part, count in enumerate(counts)]


def _best_instances(tallies: Sequence[ChunkResult], label: str) -> tuple[AttackResult, ...]:
    """The best instances of a claim; ties by the order in which they print, not that of arrival."""
    found = [f for t in tallies if t.label == label for f in t.best]
    return tuple(sorted(found, key=lambda f: (-f.ratio, f.verdict.measured))[:N_BEST])


def _summarise(entry: RegisteredClaim, tallies: Sequence[ChunkResult]) -> ClaimSummary:
    """Put the parts of a claim together."""
    mine = sorted((t for t in tallies if t.label == entry.claim.label), key=lambda t: t.part)
    found = [f for t in mine for f in t.best if f.verdict.applies]
    return ClaimSummary(
        entry,
        sum(t.silent for t in mine),
        sum(t.refuted for t in mine),
        np.concatenate([t.sides for t in mine]),
        max(found, key=lambda f: f.ratio) if found else None,
        sum(t.seconds for t in mine),
    )
