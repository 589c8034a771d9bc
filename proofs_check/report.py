"""The rows of a run as a table, a record, a picture and a page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from proofs_check import replay
from proofs_check.verdicts import Row
from refsast.experiment import page
from refsast.experiment.tables import aligned

HEADINGS = ("claim", "about", "held", "silent %", "median ratio", "best ratio", "found by", "s")
RATIO = HEADINGS.index("best ratio")


def cells(row: Row) -> tuple[str, ...]:
    """Return a row as text, under `HEADINGS`."""
    worst = row.worst
    return (
        row.entry.claim.label,
        row.entry.claim.title,
        f"{row.held:,}" + (" REFUTED" if row.false else ""),
        f"{row.silence:.0f}",
        f"{row.median:.2g}",
        "-" if worst is None else f"{worst.ratio:.3f}",
        "-" if worst is None else worst.way,
        f"{row.seconds:.1f}",
    )


def verdict(rows: Sequence[Row]) -> str:
    """Return what came of a run, in one sentence."""
    refuted = [row.entry.claim.label for row in rows if row.false]
    seen = sum(row.silent + len(row.sides) for row in rows)
    if refuted:
        return f"{seen:,} instances: REFUTED: {', '.join(refuted)}."
    silent = sum(row.silent for row in rows)
    return f"{len(rows)} claims, {seen:,} instances, {silent:,} of them silent: none refuted."


def text(rows: Sequence[Row]) -> str:
    """Return the table as a terminal shows it."""
    words = (0, 1, HEADINGS.index("found by"))
    return f"{aligned([HEADINGS, *map(cells, rows)], words)}\n\n{verdict(rows)}"


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
            "ratio": replay.known(worst.verdict.ratio),
            "measured": replay.known(worst.verdict.measured),
            "bound": replay.known(worst.verdict.bound),
            "refuted": worst.verdict.refuted,
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
        "median_ratio": replay.known(row.median),
        "worst": found,
        "seconds": row.seconds,
    }


def write_worst(folder: Path, rows: Sequence[Row]) -> None:
    """Write the instance of each claim that uses most of its bound, one file per claim."""
    for row in rows:
        if row.worst is not None:
            label, ratio = row.entry.claim.label, replay.known(row.worst.verdict.ratio)
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
