"""A whole run: check, attack, and put what came of it into a table, a record and a page.

Rule 1: a row is made of what was seen. Silence is counted apart from what held.
Rule 2: the same seed gives the same rows, on any number of processes.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from proofs_check import replay
from proofs_check.instances import Seeded
from proofs_check.register import CLAIMS, ENTRIES, KINDS, Entry
from proofs_check.search import Found, attack, judged
from refsast.arrays import Array
from refsast.experiment import page

WORST = Path(__file__).parent / "worst"  # the best attacks so far, one file per claim
CHUNK = 0.02  # of a claim's instances: small enough for the bar to move
KEPT = 3  # of the best instances of each chunk, for the attack to start from
HEADINGS = ("claim", "about", "held", "silent %", "median ratio", "best ratio", "found by", "s")
RATIO = HEADINGS.index("best ratio")


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
        Instances that a hypothesis does not hold for, and those on which the claim is false.
    sides : (n, 2) array
        Measured and bound of those that are not silent.
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
        Instances that a hypothesis does not hold for, and those on which the claim is false.
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
    def silence(self) -> float:
        """Share of the instances on which the claim says nothing, in per cent."""
        return 100.0 * self.silent / max(self.silent + len(self.sides), 1)

    @property
    def median(self) -> float:
        """Median share of the bound that a drawn instance uses."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.maximum(self.sides[:, 0], 0.0) / self.sides[:, 1]
        return float(np.median(np.nan_to_num(ratios, nan=0.0))) if len(ratios) else np.nan


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
    return Tally(label, -1, 0, int(found.verdict.refuted), np.zeros((0, 2)), (found,), spent)


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


def cells(row: Row) -> tuple[str, ...]:
    """Return a row as text, under `HEADINGS`."""
    worst = row.worst
    return (
        row.entry.claim.label,
        row.entry.claim.title,
        f"{row.held:,}" + (f" ({row.refuted} REFUTED)" if row.refuted else ""),
        f"{row.silence:.0f}",
        f"{row.median:.2g}",
        "-" if worst is None else f"{worst.ratio:.3f}",
        "-" if worst is None else worst.way,
        f"{row.seconds:.1f}",
    )


def verdict(rows: Sequence[Row]) -> str:
    """Return what came of a run, in one sentence."""
    refuted = [row.entry.claim.label for row in rows if row.refuted]
    seen = sum(row.silent + len(row.sides) for row in rows)
    if refuted:
        return f"{seen:,} instances: REFUTED: {', '.join(refuted)}."
    silent = sum(row.silent for row in rows)
    return f"{len(rows)} claims, {seen:,} instances, {silent:,} of them silent: none refuted."


def text(rows: Sequence[Row]) -> str:
    """Return the table as a terminal shows it."""
    words = (0, 1, HEADINGS.index("found by"))
    return f"{aligned(HEADINGS, map(cells, rows), words)}\n\n{verdict(rows)}"


def aligned(headings: Sequence[str], rows: Iterable[Sequence[str]], words: Sequence[int]) -> str:
    """Return a table of text whose columns line up: `words` to the left, numbers to the right."""
    table = [headings, *rows]
    widths = [max(len(line[i]) for line in table) for i in range(len(headings))]

    def line(parts: Sequence[str]) -> str:
        pairs = enumerate(zip(parts, widths, strict=True))
        return "  ".join(p.ljust(w) if i in words else p.rjust(w) for i, (p, w) in pairs).rstrip()

    return "\n".join(map(line, table))


def record(rows: Sequence[Row], **settings: replay.Json) -> dict[str, replay.Json]:
    """Return a run as JSON, each worst instance included, which `replay` can check again."""
    return {"verdict": verdict(rows), **settings, "claims": [_record(row) for row in rows]}


def _record(row: Row) -> dict[str, replay.Json]:
    """One row as JSON."""
    claim, worst = row.entry.claim, row.worst
    found = (
        None
        if worst is None
        else {
            "ratio": worst.verdict.ratio,
            "measured": worst.verdict.measured,
            "bound": worst.verdict.bound,
            "way": worst.way,
            "instance": replay.encode(worst.instance),
        }
    )
    return {
        "label": claim.label,
        "title": claim.title,
        "source": claim.source,
        "says": claim.says,
        "hypotheses": [h.says for h in claim.hypotheses],
        "uses": list(claim.uses),
        "held": row.held,
        "refuted": row.refuted,
        "silent": row.silent,
        "median_ratio": row.median,
        "worst": found,
        "seconds": row.seconds,
    }


def write_worst(folder: Path, rows: Sequence[Row]) -> None:
    """Write the instance of each claim that uses most of its bound, one file per claim."""
    for row in rows:
        if row.worst is not None:
            label, ratio = row.entry.claim.label, row.worst.verdict.ratio
            replay.save(folder / f"{label}.json", label, row.worst.instance, ratio=ratio)


def picture(row: Row) -> Figure:
    """Return measured against bound, on logarithmic axes, with the worst case marked."""
    figure = Figure(figsize=(5.2, 4.0), layout="constrained")
    axis = figure.add_subplot()
    draw(axis, row)
    axis.set(xlabel="bound", ylabel="measured")
    axis.legend(frameon=False, loc="lower right")
    return figure


def overview(rows: Sequence[Row], columns: int = 6) -> Figure:
    """Return `picture` of every claim on one sheet."""
    height = -(-len(rows) // columns)
    figure = Figure(figsize=(2.3 * columns, 2.1 * height), layout="constrained")
    for i, row in enumerate(rows):
        axis = figure.add_subplot(height, columns, i + 1)
        draw(axis, row)
        axis.set_title(f"{row.entry.claim.label}, {cells(row)[RATIO]}", fontsize=9)
        axis.tick_params(labelsize=7)
    figure.supxlabel("bound", fontsize=9)
    figure.supylabel("measured", fontsize=9)
    return figure


def draw(axis: Axes, row: Row) -> None:
    """Draw a row's instances, its worst case and the bound; what is zero is not shown."""
    shown = row.sides[(row.sides > 0.0).all(axis=1) & np.isfinite(row.sides).all(axis=1)]
    step = max(len(shown) // 1500, 1)
    axis.loglog(shown[::step, 1], shown[::step, 0], ".", color="#1b6ca8", ms=2, alpha=0.35)
    worst = row.worst
    if worst is not None and worst.verdict.measured > 0.0 < worst.verdict.bound:
        at = (worst.verdict.measured, worst.verdict.bound)
        shown = np.vstack([shown, at])
        label = f"worst, {worst.ratio:.3f}"
        axis.loglog(at[1], at[0], "o", color="#d1495b", mfc="none", ms=8, label=label)
    if len(shown):
        low, high = np.quantile(shown, 0.01, axis=0), shown.max(axis=0)
        line = np.array([low.min() / 2.0, high[0] * 2.0])
        axis.loglog(line, line, "-", color="#1d2733", lw=0.8, label="the bound")
        axis.set_xlim(low[1] / 2.0, high[1] * 2.0)
        axis.set_ylim(max(low[0], high[0] * 1e-12) / 2.0, max(high[0], low[1]) * 2.0)
    axis.grid(alpha=0.25, linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)


def html(rows: Sequence[Row]) -> str:
    """Return the page of a run: the table, and each claim with its statement and figure."""
    table, all_of_them = (
        page.table(HEADINGS, [cells(row) for row in rows]),
        page.png(overview(rows)),
    )
    caption = "Measured against bound, one dot per drawn instance; the circle is the worst case."
    sections = [("Every claim", [table, _reading(), page.picture(all_of_them, caption)])]
    return page.page("Executable theorems", verdict(rows), [*sections, *map(_section, rows)])


def _reading() -> str:
    """How to read the table."""
    return page.paragraph(
        "Held: drawn instances on which every hypothesis holds and the bound is kept. Silent: "
        "instances on which a hypothesis fails, so that the claim says nothing; they are no "
        "success. Ratio: measured over bound, of the median draw and of the worst instance that "
        "draws and attack have found; the nearer to 1, the less the bound gives away. In the "
        "figures every dot is an instance and the line is the bound."
    )


def _section(row: Row) -> tuple[str, list[str]]:
    """A claim on the page."""
    claim = row.entry.claim
    conditions = "; ".join(h.says for h in claim.hypotheses) or "none"
    rests = f" Uses {', '.join(claim.uses)}." if claim.uses else ""
    texts = (claim.says, f"Source: {claim.source}. Hypotheses: {conditions}.{rests}")
    figure = page.picture(page.png(picture(row)), f"{claim.label}: {claim.title}")
    return f"{claim.label}: {claim.title}", [*map(page.paragraph, texts), figure]
