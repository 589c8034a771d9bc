"""Check every claim on random instances, attack it, and return one summary per claim.

Rule 1: instances to which a claim does not apply are counted separately from those it holds for.
Rule 2: the same seed gives the same summaries, on any number of processes.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from proofs_check import replay
from proofs_check.attack import CheckedInstance, attack, check_instance
from proofs_check.attained import ATTAINED, make_instances
from proofs_check.claim import bound_share
from proofs_check.draws import RandomSource, Trial
from proofs_check.register import CLAIMS_BY_LABEL, RECORD_TYPES, REGISTER
from refsast.arrays import Array
from refsast.workers import map_unordered

WORST_DIR = Path(__file__).parent / "worst"  # the best attacks so far, one file per claim
CHUNK_SHARE = 0.02  # of a claim's instances: small enough for the bar to move
N_BEST = 3  # instances kept of each chunk, for the attack to start from
Progress = Callable[[Iterable["ClaimSummary"], int, str], Iterable["ClaimSummary"]]


@dataclass(frozen=True, eq=False)
class ClaimSummary:
    """What came of a claim on some or all of its instances.

    Attributes
    ----------
    label : str
        Of the claim.
    silent, refuted : int
        Of the drawn instances those that a hypothesis does not hold for, and those on which the
        claim is false.
    sides : (n, 2) array
        Measured and bound of the drawn instances that are not silent.
    best : tuple of CheckedInstance
        The instances that use most of the bound, refutations first; none where all are silent.
    seconds : float
        Processor time.
    chunk : int
        Which of the claim's random streams the instances come from; -1 for the attack, -2 for what
        is on record.
    record : tuple of CheckedInstance
        The instances on record, in order: the best attack so far, then one for each term.
    """

    label: str
    silent: int
    refuted: int
    sides: Array
    best: tuple[CheckedInstance, ...]
    seconds: float
    chunk: int = 0
    record: tuple[CheckedInstance, ...] = ()

    @property
    def trial(self) -> Trial:
        """The claim, and how its instances are drawn."""
        return CLAIMS_BY_LABEL[self.label]

    @property
    def worst(self) -> CheckedInstance | None:
        """The instance that uses most of the bound; None where all are silent."""
        return self.best[0] if self.best else None

    @property
    def n_held(self) -> int:
        """Drawn instances on which the claim spoke and was not refuted."""
        return len(self.sides) - self.refuted

    @property
    def false(self) -> bool:
        """Whether a draw, the attack or an instance on record has refuted the claim."""
        found = (*self.best[:1], *self.record)
        return self.refuted > 0 or any(f.result.refuted for f in found)

    @property
    def best_on_record(self) -> float:
        """The largest share of the bound that an instance on record uses; NaN where none speaks."""
        return max((f.ratio for f in self.record if f.result.applies), default=np.nan)

    @property
    def terms(self) -> tuple[float, ...]:
        """The share of the bound that is used where each of its terms counts."""
        return tuple(f.ratio for f in self.record if f.way in ATTAINED.get(self.label, {}))

    @property
    def silence(self) -> float:
        """Share of the instances on which the claim says nothing, in per cent."""
        return 100.0 * self.silent / max(self.silent + len(self.sides), 1)

    @property
    def median(self) -> float:
        """Median share of the bound that a drawn instance uses."""
        ratios = bound_share(self.sides[:, 0], self.sides[:, 1], 0.0)
        return float(np.median(ratios)) if len(ratios) else np.nan


def check_chunk(label: str, chunk: int, count: int, seed: int) -> ClaimSummary:
    """Draw and check instances; `chunk` says which of the claim's streams they come from."""
    start, trial = time.process_time(), CLAIMS_BY_LABEL[label]
    # A stream of its own for each chunk, so that chunks can run in any order, on any process.
    source = RandomSource(np.random.default_rng((seed, _label_number(label), chunk)))
    results = [check_instance(trial.claim, trial.draw(source), "draw") for _ in range(count)]
    spoke = [found for found in results if found.result.applies]
    sides = np.array([(f.result.measured, f.result.bound) for f in spoke]).reshape(-1, 2)
    best = tuple(sorted(spoke, key=lambda found: -found.ratio)[:N_BEST])
    refuted = sum(found.result.refuted for found in spoke)
    seconds = time.process_time() - start
    return ClaimSummary(label, count - len(spoke), refuted, sides, best, seconds, chunk)


def attack_claim(
    label: str, starts: Sequence[CheckedInstance], effort: int, seconds: float, seed: int
) -> ClaimSummary:
    """Attack a claim, from the best draws."""
    start, trial = time.process_time(), CLAIMS_BY_LABEL[label]
    rng = np.random.default_rng((seed, _label_number(label)))
    found = attack(trial, rng, effort=effort, seconds=seconds, starts=starts)
    best = (found,) if found.result.applies else ()
    spent = time.process_time() - start
    return ClaimSummary(label, 0, 0, np.zeros((0, 2)), best, spent, chunk=-1)


def check_record(label: str) -> ClaimSummary:
    """Check a claim on what is on record: the best attack so far, and an instance for each term."""
    start, claim = time.process_time(), CLAIMS_BY_LABEL[label].claim
    known = {"best attack": load_worst(label)} if _worst_path(label).exists() else {}
    known |= make_instances(label)
    record = tuple(check_instance(claim, instance, name) for name, instance in known.items())
    spent = time.process_time() - start
    return ClaimSummary(label, 0, 0, np.zeros((0, 2)), (), spent, chunk=-2, record=record)


def load_worst(label: str) -> object:
    """Return the instance on record that uses most of a claim's bound."""
    return replay.load_instance(_worst_path(label), RECORD_TYPES)[1]


def _worst_path(label: str) -> Path:
    return WORST_DIR / f"{label}.json"


def _label_number(label: str) -> int:
    """A number for the seed that stays when claims are added."""
    return int.from_bytes(label.encode(), "little")


def evaluate_claims(
    trials: Sequence[Trial] = REGISTER,
    *,
    seed: int = 0,
    share: float = 1.0,
    effort: int = 100,
    seconds: float = 20.0,
    jobs: int = 2,
    progress: Progress = lambda summaries, total, what: summaries,
) -> tuple[ClaimSummary, ...]:
    """Check and attack claims, and return what came of each.

    Parameters
    ----------
    trials : sequence of Trial
        Which.
    seed : int
        Everything that is drawn follows from it. Not negative.
    share : float
        Of the instances of a full run, in (0, 1].
    effort, seconds : int, float
        Of each attack, as for `attack.attack`; zero effort attacks nothing.
    jobs : int
        Processes. Positive.
    progress : callable
        Wraps the parts as they come in: ``progress(summaries, total, what)``.
    """
    tasks = [task for trial in trials for task in _chunk_tasks(trial, share, seed)]
    tasks.sort(key=lambda task: -task[2])  # the largest first, so that no process idles at last
    checked = map_unordered(lambda task: check_chunk(*task), tasks, jobs=jobs)
    parts = list(progress(checked, len(tasks), "checking"))
    parts += [check_record(trial.label) for trial in trials]
    if effort > 0:
        hunts = [(t.label, _attack_starts(t.label, parts), effort, seconds, seed) for t in trials]
        found = map_unordered(lambda hunt: attack_claim(*hunt), hunts, jobs=jobs)
        parts += progress(found, len(hunts), "attacking")
    return tuple(_merge(trial.label, parts) for trial in trials)


def _chunk_tasks(trial: Trial, share: float, seed: int) -> list[tuple[str, int, int, int]]:
    """The streams of a claim's instances: label, number, how many, seed."""
    total = max(int(trial.instances * share), 1)
    size = max(int(trial.instances * CHUNK_SHARE), 1)
    counts = [min(size, total - start) for start in range(0, total, size)]
    return [(trial.label, chunk, count, seed) for chunk, count in enumerate(counts)]


def _attack_starts(label: str, parts: Sequence[ClaimSummary]) -> tuple[CheckedInstance, ...]:
    """The best draws of a claim; ties by what was measured, not by which process was first."""
    found = _merge(label, parts).best
    return tuple(sorted(found, key=lambda f: (-f.ratio, f.result.measured))[:N_BEST])


def _merge(label: str, parts: Sequence[ClaimSummary]) -> ClaimSummary:
    """Put the parts of a claim together, in an order that does not depend on the processes."""
    mine = sorted((p for p in parts if p.label == label), key=lambda p: p.chunk)
    found = sorted((f for p in mine for f in p.best), key=lambda f: -f.ratio)
    return ClaimSummary(
        label,
        sum(p.silent for p in mine),
        sum(p.refuted for p in mine),
        np.concatenate([p.sides for p in mine]),
        tuple(found),
        sum(p.seconds for p in mine),
        record=tuple(f for p in mine for f in p.record),
    )
