"""A run as a table, a record, figures and a page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.ticker import NullFormatter

from proofs_check.attack import CheckedInstance
from proofs_check.claim import Claim
from proofs_check.evaluation import ClaimSummary
from proofs_check.register import REGISTER, proof_module
from proofs_check.replay import Json, encode, finite_or_none, save_instance
from refsast.experiment import html_document
from refsast.experiment.tables import align_columns

HEADINGS = (
    *("claim", "about", "proved by hand in", "tested on", "silent %", "median ratio"),
    *("best ratio in this run", "best on record", "terms", "least of a term", "found by", "s"),
)
RATIO = HEADINGS.index("best ratio in this run")
# Of both sides of a claim, by the beginning of its label, the longest that fits; w: parameters.
UNITS = {
    "1": "potential",
    "2": "logits",
    "2-gradient": "nat per input",
    "2-local-gradient": "nat per input",
    "3": "nat per w",
    "3-first": "potential or logit",
    "3-second": "potential or logit",
    "3b-eigenvalue": "nat per w²",
    "4": "nat",
    "4c": "nat per w",
    "4d": "nat per w",
    "5": "nat",
    "5b": "(nat per w)²",
    "5c": "relative",
    "5c-bias": "nat per w",
    "6": "nat per input",
    "6-identity": "relative",
    "7": "logits",
    "7-layers": "potential or spike",
}


def table_cells(row: ClaimSummary) -> tuple[str, ...]:
    """Return what came of a claim as text, under `HEADINGS`."""
    worst = row.worst
    return (
        row.label,
        row.trial.claim.title,
        html_document.Link(*_proof(row.trial.claim)),
        f"{row.n_held:,}" + (" REFUTED" if row.false else ""),
        f"{row.silence:.0f}",
        f"{row.median:.2g}",
        "-" if worst is None else f"{worst.ratio:.3f}",
        "-" if np.isnan(row.best_on_record) else f"{row.best_on_record:.3f}",
        str(len(row.terms)) if row.terms else "-",
        f"{min(row.terms):.3f}" if row.terms else "-",
        "-" if worst is None else worst.way,
        f"{row.seconds:.1f}",
    )


def _proof(claim: Claim) -> tuple[str, str]:
    """The file that holds the proof of a claim, and the heading of the section that shows it."""
    path = proof_module(claim).__name__.removeprefix("proofs_check.").replace(".", "/") + ".py"
    return path, f"Proof: {path}"


def summary(rows: Sequence[ClaimSummary]) -> str:
    """Return what came of a run, in one sentence."""
    refuted = [row.label for row in rows if row.false]
    seen = sum(row.silent + len(row.sides) for row in rows)
    if refuted:
        return f"{seen:,} instances: REFUTED: {', '.join(refuted)}."
    silent = sum(row.silent for row in rows)
    return f"{len(rows)} claims, {seen:,} instances, {silent:,} of them silent: none refuted."


def format_table(rows: Sequence[ClaimSummary]) -> str:
    """Return the table as a terminal shows it."""
    words = [HEADINGS.index(name) for name in ("claim", "about", HEADINGS[2], "found by")]
    return f"{align_columns([HEADINGS, *map(table_cells, rows)], words)}\n\n{summary(rows)}"


def record(rows: Sequence[ClaimSummary], **settings: Json) -> dict[str, Json]:
    """Return a run as JSON, each worst instance included, which `replay` can check again."""
    return {"verdict": summary(rows), **settings, "claims": [_claim_record(row) for row in rows]}


def _claim_record(row: ClaimSummary) -> dict[str, Json]:
    """What came of one claim, as JSON."""
    claim = row.trial.claim
    return {
        **{name: getattr(claim, name) for name in ("label", "title", "source")},
        "says": claim.statement,
        "hypotheses": [h.condition for h in claim.hypotheses],
        "uses": list(claim.uses),
        "held": row.n_held,
        "refuted": row.refuted,
        "silent": row.silent,
        "median_ratio": finite_or_none(row.median),
        "worst": None if row.worst is None else _worst_record(row.worst),
        "best_on_record": finite_or_none(row.best_on_record),
        "terms": {f.way: finite_or_none(f.ratio) for f in row.record},
        "proof": _proof(claim)[0],
        "seconds": row.seconds,
    }


def _worst_record(worst: CheckedInstance) -> dict[str, Json]:
    """An instance and its ratio, as JSON."""
    result = worst.result
    numbers = {
        name: finite_or_none(getattr(result, name)) for name in ("ratio", "measured", "bound")
    }
    found = {"refuted": result.refuted, "way": worst.way, "instance": encode(worst.instance)}
    return {**numbers, **found}


def write_worst(folder: Path, rows: Sequence[ClaimSummary]) -> None:
    """Write the instance of each claim that uses most of its bound, one file per claim."""
    for row in rows:
        if row.worst is not None:
            path, ratio = folder / f"{row.label}.json", finite_or_none(row.worst.result.ratio)
            save_instance(path, row.label, row.worst.instance, ratio=ratio)


def claim_figure(row: ClaimSummary) -> Figure:
    """Return measured against bound, on logarithmic axes, with the worst case marked."""
    figure = Figure(figsize=(5.2, 4.0), layout="constrained")
    axis = figure.add_subplot()
    plot_sides(axis, row)
    unit = claim_unit(row.label)
    axis.set(xlabel=f"bound ({unit})", ylabel=f"measured ({unit})")
    axis.legend(frameon=False, loc="lower right")
    return figure


def claim_unit(label: str) -> str:
    """Return the unit of both sides of a claim."""
    return UNITS[max((start for start in UNITS if label.startswith(start)), key=len)]


def overview_figure(rows: Sequence[ClaimSummary], columns: int = 6) -> Figure:
    """Return `claim_figure` of every claim on one sheet."""
    height = -(-len(rows) // columns)
    figure = Figure(figsize=(2.3 * columns, 2.1 * height), layout="constrained")
    for i, row in enumerate(rows):
        axis = figure.add_subplot(height, columns, i + 1)
        plot_sides(axis, row)
        axis.set_title(f"{row.label}, {table_cells(row)[RATIO]}", fontsize=9)
        axis.set_xlabel(claim_unit(row.label), fontsize=7, labelpad=1)
        axis.tick_params(labelsize=7)
    figure.supxlabel("bound, in the unit below each figure", fontsize=9)
    figure.supylabel("measured, in the same unit", fontsize=9)
    return figure


def dependency_figure(claims: Sequence[Claim]) -> Figure:
    """Return a list of claims, with an arrow to each from every claim that its proof uses."""
    figure = Figure(figsize=(9.0, 0.24 * len(claims) + 0.4), layout="constrained")
    axis = figure.add_subplot(xlim=(-2.6, 13.0), ylim=(-len(claims), 1.0))
    axis.set_axis_off()
    at = {claim.label: (0.0, -float(i)) for i, claim in enumerate(claims)}
    for claim in claims:
        # One colour for each section of the theory: its number begins the label.
        colour, y = f"C{claim.label[0]}", at[claim.label][1]
        axis.plot(*at[claim.label], "o", color=colour, ms=5)
        axis.text(0.3, y, claim.label, va="center", fontsize=9, weight="bold", color=colour)
        axis.text(2.9, y, claim.title, va="center", fontsize=9)
        for used in claim.uses:
            ends = {"posA": at[used], "posB": at[claim.label], "shrinkA": 4.0, "shrinkB": 4.0}
            bow = {"connectionstyle": "arc3,rad=0.8", "arrowstyle": "-|>", "mutation_scale": 9}
            axis.add_patch(FancyArrowPatch(**ends, **bow, color=colour, lw=1.0))
    return figure


def plot_sides(axis: Axes, row: ClaimSummary) -> None:
    """Draw a row's instances, its worst case and the bound; what is zero is not shown."""
    shown = row.sides[(row.sides > 0.0).all(axis=1) & np.isfinite(row.sides).all(axis=1)]
    step = max(len(shown) // 1500, 1)
    axis.loglog(shown[::step, 1], shown[::step, 0], ".", color="#1b6ca8", ms=2, alpha=0.35)
    worst = row.worst
    if worst is not None and worst.result.measured > 0.0 < worst.result.bound:
        at = (worst.result.measured, worst.result.bound)
        shown = np.vstack([shown, at])
        label = f"worst, {worst.ratio:.3f}"
        axis.loglog(at[1], at[0], "o", color="#d1495b", mfc="none", ms=8, label=label)
    if len(shown):
        low, high = np.quantile(shown, 0.01, axis=0), shown.max(axis=0)
        line = np.array([low.min() / 2.0, high[0] * 2.0])
        axis.loglog(line, line, "-", color="#1d2733", lw=0.8, label="the bound")
        axis.set_xlim(low[1] / 2.0, high[1] * 2.0)
        axis.set_ylim(max(low[0], high[0] * 1e-12) / 2.0, max(high[0], low[1]) * 2.0)
    for each in (axis.xaxis, axis.yaxis):
        each.set_minor_formatter(NullFormatter())  # they would run into each other
    axis.grid(alpha=0.25, linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)


def html_page(rows: Sequence[ClaimSummary]) -> str:
    """Return the page of a run: the table, and each claim with its statement and figure."""
    table = html_document.table(HEADINGS, [table_cells(row) for row in rows])
    caption = "Measured against bound, one dot per drawn instance; the circle is the worst case."
    sheet = html_document.picture(
        html_document.encode_png(overview_figure(rows)), caption, wide=True
    )
    arrows = html_document.encode_png(dependency_figure([trial.claim for trial in REGISTER]))
    rests = html_document.picture(
        arrows, "An arrow leads from a claim to each claim whose proof uses it."
    )
    sections = [
        ("Every claim", [table, html_document.paragraph(LEGEND), sheet]),
        ("What rests on what", [rests]),
        *map(_section, rows),
        *_proof_sections(rows),
    ]
    return html_document.render_page("Executable theorems", summary(rows), sections)


LEGEND = (
    "Proved by hand: nothing here proves a claim; the proof is the text that the link leads to. "
    "Tested on: drawn instances on which every hypothesis holds and the bound is kept. Silent: "
    "instances on which a hypothesis fails, so that the claim says nothing; they are no "
    "success. Ratio: measured over bound, of the median draw, of the worst instance that draws and "
    "attack of this run have found, and of the worst ever found, which is on record and was "
    "checked again; the nearer to 1, the less the bound gives away. Terms: for so many parts of "
    "the bound there is an instance on record in which that part is what counts, so that the bound "
    "without it is refuted; and the least ratio among these. In the figures every dot is an "
    "instance and the line is the bound."
)


def _proof_sections(rows: Sequence[ClaimSummary]) -> list[tuple[str, list[str]]]:
    """The proofs of some claims, each text once, as it stands in its module."""
    claims = {_proof(row.trial.claim)[1]: row.trial.claim for row in rows}
    return [
        (heading, [html_document.code_block(proof_module(claim).__doc__ or "")])
        for heading, claim in claims.items()
    ]


def _section(row: ClaimSummary) -> tuple[str, list[str]]:
    """A claim on the page."""
    claim = row.trial.claim
    rests = f" Uses {', '.join(claim.uses)}." if claim.uses else ""
    texts = (claim.statement, f"Source: {claim.source}. Hypotheses: {claim.conditions}.{rests}")
    heading = f"{claim.label}: {claim.title}"
    figure = html_document.picture(html_document.encode_png(claim_figure(row)), heading)
    return heading, [*map(html_document.paragraph, texts), figure]
