"""The rows of a run as a table, a record, a picture and a page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from proofs_check import replay
from proofs_check.evaluation import ClaimSummary
from refsast.experiment import html_document
from refsast.experiment.tables import align_columns

HEADINGS = ("claim", "about", "held", "silent %", "median ratio", "best ratio", "found by", "s")
RATIO = HEADINGS.index("best ratio")


def table_cells(row: ClaimSummary) -> tuple[str, ...]:
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


def summary(rows: Sequence[ClaimSummary]) -> str:
    """Return what came of a run, in one sentence."""
    refuted = [row.entry.claim.label for row in rows if row.false]
    seen = sum(row.silent + len(row.sides) for row in rows)
    if refuted:
        return f"{seen:,} instances: REFUTED: {', '.join(refuted)}."
    silent = sum(row.silent for row in rows)
    return f"{len(rows)} claims, {seen:,} instances, {silent:,} of them silent: none refuted."


def format_table(rows: Sequence[ClaimSummary]) -> str:
    """Return the table as a terminal shows it."""
    words = (0, 1, HEADINGS.index("found by"))
    return f"{align_columns([HEADINGS, *map(table_cells, rows)], words)}\n\n{summary(rows)}"


def record(rows: Sequence[ClaimSummary], **settings: replay.Json) -> dict[str, replay.Json]:
    """Return a run as JSON, each worst instance included, which `replay` can check again."""
    return {"verdict": summary(rows), **settings, "claims": [_record(row) for row in rows]}


def _record(row: ClaimSummary) -> dict[str, replay.Json]:
    """One row as JSON."""
    claim, worst = row.entry.claim, row.worst
    found = (
        None
        if worst is None
        else {
            "ratio": replay.finite_or_none(worst.verdict.ratio),
            "measured": replay.finite_or_none(worst.verdict.measured),
            "bound": replay.finite_or_none(worst.verdict.bound),
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
        "median_ratio": replay.finite_or_none(row.median),
        "worst": found,
        "seconds": row.seconds,
    }


def write_worst(folder: Path, rows: Sequence[ClaimSummary]) -> None:
    """Write the instance of each claim that uses most of its bound, one file per claim."""
    for row in rows:
        if row.worst is not None:
            label, ratio = row.entry.claim.label, replay.finite_or_none(row.worst.verdict.ratio)
            replay.save_instance(folder / f"{label}.json", label, row.worst.instance, ratio=ratio)


def claim_figure(row: ClaimSummary) -> Figure:
    """Return measured against bound, on logarithmic axes, with the worst case marked."""
    figure = Figure(figsize=(5.2, 4.0), layout="constrained")
    axis = figure.add_subplot()
    plot_sides(axis, row)
    axis.set(xlabel="bound", ylabel="measured")
    axis.legend(frameon=False, loc="lower right")
    return figure


def overview_figure(rows: Sequence[ClaimSummary], columns: int = 6) -> Figure:
    """Return `claim_figure` of every claim on one sheet."""
    height = -(-len(rows) // columns)
    figure = Figure(figsize=(2.3 * columns, 2.1 * height), layout="constrained")
    for i, row in enumerate(rows):
        axis = figure.add_subplot(height, columns, i + 1)
        plot_sides(axis, row)
        axis.set_title(f"{row.entry.claim.label}, {table_cells(row)[RATIO]}", fontsize=9)
        axis.tick_params(labelsize=7)
    figure.supxlabel("bound", fontsize=9)
    figure.supylabel("measured", fontsize=9)
    return figure


def plot_sides(axis: Axes, row: ClaimSummary) -> None:
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


def html_page(rows: Sequence[ClaimSummary]) -> str:
    """Return the page of a run: the table, and each claim with its statement and figure."""
    table, all_of_them = (
        html_document.table(HEADINGS, [table_cells(row) for row in rows]),
        html_document.encode_png(overview_figure(rows)),
    )
    caption = "Measured against bound, one dot per drawn instance; the circle is the worst case."
    sections = [("Every claim", [table, _legend(), html_document.picture(all_of_them, caption)])]
    return html_document.render_page(
        "Executable theorems", summary(rows), [*sections, *map(_section, rows)]
    )


def _legend() -> str:
    """How to read the table."""
    return html_document.paragraph(
        "Held: drawn instances on which every hypothesis holds and the bound is kept. Silent: "
        "instances on which a hypothesis fails, so that the claim says nothing; they are no "
        "success. Ratio: measured over bound, of the median draw and of the worst instance that "
        "draws and attack have found; the nearer to 1, the less the bound gives away. In the "
        "figures every dot is an instance and the line is the bound."
    )


def _section(row: ClaimSummary) -> tuple[str, list[str]]:
    """A claim on the page."""
    claim = row.entry.claim
    conditions = "; ".join(h.says for h in claim.hypotheses) or "none"
    rests = f" Uses {', '.join(claim.uses)}." if claim.uses else ""
    texts = (claim.says, f"Source: {claim.source}. Hypotheses: {conditions}.{rests}")
    figure = html_document.picture(
        html_document.encode_png(claim_figure(row)), f"{claim.label}: {claim.title}"
    )
    return f"{claim.label}: {claim.title}", [*map(html_document.paragraph, texts), figure]
