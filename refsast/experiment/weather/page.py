"""What ``python -m refsast corrupt`` prints and leaves: tables, a record, figures, a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from refsast.codec import Json, write_json
from refsast.data import CORRUPTIONS, SEVERITIES, Events, corrupt_recordings
from refsast.experiment import html_document, tables
from refsast.experiment.figures import COLOURS, paint_events
from refsast.experiment.weather.measure import Robustness, relative_error
from refsast.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RECORD, PAGE = "corruption.json", "corruption.html"
CURVES, SAMPLES = "corruption.png", "corruption_samples.png"
CAPTIONS = {
    CURVES: "Accuracy with hard spikes by severity, from the recordings as they are (0); grey: "
    "with smooth spikes; dotted: the other run, with hard spikes.",
    SAMPLES: "One recording by kind and severity, its first third: ON events red, OFF events blue.",
}


def table_rows(found: Robustness, other: Robustness | None) -> list[tuple[str, ...]]:
    """Return headings and rows: accuracy with hard spikes, in per cent."""
    numbers = map(str, range(SEVERITIES + 1))
    head: tuple[str, ...] = ("hard spikes", *numbers, "mean", "smooth, mean")
    rows: list[tuple[str, ...]] = [head if other is None else (*head, "other run, mean")]
    for kind, hard in found.hard.items():
        scores = (found.clean_hard, *hard, hard.mean(), found.smooth[kind].mean())
        scores += () if other is None else (other.hard[kind].mean(),)
        rows.append((kind, *map(percent, scores)))
    return rows


def percent(share: float) -> str:
    """Return a share in per cent."""
    return f"{100.0 * share:.1f} %"


def lead(found: Robustness, other: Robustness | None) -> str:
    """Return what was found in a sentence or two."""
    text = (
        f"Of {found.recordings} recordings, hard spikes read {percent(found.clean_hard)} as they "
        f"are and {percent(found.mean_hard)} on the mean of {len(found.hard)} corruptions and "
        f"{SEVERITIES} severities; smooth spikes {percent(found.clean_smooth)} and "
        f"{percent(found.mean_smooth)}."
    )
    if other is None:
        return text
    return (
        f"{text} The other run's hard spikes read {percent(other.clean_hard)} and "
        f"{percent(other.mean_hard)}: relative error {relative_error(found, other):.3f} (below 1: "
        f"fewer errors than the other run)."
    )


def format_robustness(found: Robustness, other: Robustness | None) -> str:
    """Return the sentence and the table as text."""
    return f"{lead(found, other)}\n\n{tables.align_columns(table_rows(found, other))}"


def draw_curves(found: Robustness, other: Robustness | None) -> Figure:
    """Return accuracy by severity, a panel for each kind."""
    from matplotlib.figure import Figure

    columns = 5
    rows = -(-len(found.hard) // columns)
    figure = Figure(figsize=(12.0, 2.4 * rows + 0.4), layout="constrained")
    severities = range(SEVERITIES + 1)
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axis in axes[len(found.hard) :]:
        axis.set_axis_off()
    for axis, (kind, hard) in zip(axes, found.hard.items(), strict=False):
        smooth = 100.0 * np.append(found.clean_smooth, found.smooth[kind])
        axis.plot(severities, smooth, color="#888888", marker="s", markersize=3, label="smooth")
        ours = 100.0 * np.append(found.clean_hard, hard)
        axis.plot(severities, ours, color=COLOURS[2], marker="o", markersize=4, label="hard")
        if other is not None:
            theirs = 100.0 * np.append(other.clean_hard, other.hard[kind])
            axis.plot(severities, theirs, ":", color=COLOURS[0], label="other run, hard")
        axis.set_title(kind, fontsize=11)
        axis.set_xticks(list(severities))
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False, fontsize=9)
    figure.supxlabel("severity", fontsize=11)
    figure.supylabel("accuracy (%)", fontsize=11)
    return figure


def draw_samples(events: Events, kinds: Sequence[str], seed: int) -> Figure:
    """Return one recording in every weather: a row for each kind, a column for each severity."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.1 * (SEVERITIES + 1) + 1.2, 1.1 * len(kinds)), layout="constrained")
    axes = figure.subplots(len(kinds), SEVERITIES + 1, squeeze=False)
    for row, kind in zip(axes, kinds, strict=True):
        for severity, axis in enumerate(row):
            (bad,) = corrupt_recordings([events], kind, severity, seed=seed)
            axis.imshow(paint_events(bad), interpolation="nearest")
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(kind, rotation=0, ha="right", va="center", fontsize=10)
    for severity, axis in enumerate(axes[0]):
        axis.set_title(str(severity), fontsize=10)
    return figure


def write_robustness(
    folder: Path,
    found: Robustness,
    other: Robustness | None,
    sample: Events,
    facts: Mapping[str, Json],
    seed: int,
) -> Path:
    """Write record, pictures and page, each whole or not at all; return the page's path."""
    pictures = {
        CURVES: html_document.encode_png(draw_curves(found, other)),
        SAMPLES: html_document.encode_png(draw_samples(sample, tuple(found.hard), seed), dpi=100),
    }
    for name, content in pictures.items():
        write_atomic(folder / name, content)
    runs = {"run": found} | ({} if other is None else {"other run": other})
    write_json(folder / RECORD, {**facts, **{name: _encode(each) for name, each in runs.items()}})
    head, *body = table_rows(found, other)
    levels = [
        (kind, CORRUPTIONS[kind].unit, *(f"{level:g}" for level in CORRUPTIONS[kind].levels))
        for kind in found.hard
    ]
    numbers = tuple(str(k) for k in range(1, SEVERITIES + 1))
    sections = [
        ("By kind and severity", [html_document.table(head, body)]),
        ("Figures", [html_document.picture(pictures[name], CAPTIONS[name]) for name in pictures]),
        ("What a severity is", [html_document.table(("kind", "unit", *numbers), levels)]),
        (
            "Record",
            [html_document.table(("what", "value"), [(k, str(v)) for k, v in facts.items()])],
        ),
    ]
    title = "What is read in bad weather"
    content = html_document.render_page(title, lead(found, other), sections)
    write_atomic(folder / PAGE, content.encode())
    return folder / PAGE


def _encode(found: Robustness) -> dict[str, Json]:
    return {
        "recordings": found.recordings,
        "clean": {"smooth": found.clean_smooth, "hard": found.clean_hard},
        "smooth": {kind: scores.tolist() for kind, scores in found.smooth.items()},
        "hard": {kind: scores.tolist() for kind, scores in found.hard.items()},
    }
