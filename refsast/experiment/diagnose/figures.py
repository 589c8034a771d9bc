"""The figures of a diagnosis, from its record alone, as Matplotlib figures; nothing is written.

They are readable at the width of a phone, and in grey: what differs in colour differs in marker,
line or number, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from refsast.arrays import Array
from refsast.experiment.diagnose.record import QUANTILES, Diagnosis
from refsast.experiment.figures import COLOURS, HARD_STYLE, SMOOTH_STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 6.0, 3.5  # inches
FONT = 11.0
MAX_COLUMNS = 10  # of a heat map with a number in each cell
SMOOTH, HARD = COLOURS[0], COLOURS[2]


def _make_figure(height: float = HEIGHT) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")


def _clean(axis: Axes) -> None:
    """Large type, no frame."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=FONT)
    axis.xaxis.label.set_fontsize(FONT)
    axis.yaxis.label.set_fontsize(FONT)


def swap_accuracies(diagnosis: Diagnosis) -> Figure:
    """Accuracy with all layers smooth, with each layer alone hard, with all others, and with all.

    Bars are two binomial standard errors to each side.
    """
    rows = _accuracy_rows(diagnosis)
    figure = _make_figure(max(HEIGHT, 0.9 + 0.32 * len(rows)))
    axis = figure.add_subplot()
    styles = {"smooth": ("o", SMOOTH), "only": ("s", "#444444"), "but": ("^", "#444444")}
    styles["hard"] = ("D", HARD)
    for place, (_, kind, accuracy) in enumerate(rows):
        marker, colour = styles[kind]
        error = 2.0 * np.sqrt(accuracy * (1.0 - accuracy) / diagnosis.recordings)
        axis.errorbar(
            100.0 * accuracy,
            place,
            xerr=100.0 * error,
            fmt=marker,
            color=colour,
            markersize=8,
            capsize=3,
            # Hollow where one layer is left smooth: filled where one is hard.
            markerfacecolor="white" if kind == "but" else colour,
        )
    axis.axvline(100.0 * diagnosis.smooth.accuracy, color=SMOOTH, linestyle=":", linewidth=1)
    axis.axvline(100.0 * diagnosis.hard.accuracy, color=HARD, linestyle="--", linewidth=1)
    axis.set_yticks(range(len(rows)), [label for label, _, _ in rows])
    axis.set(xlabel="accuracy (%) where these layers fire hard", ylim=(len(rows) - 0.5, -0.5))
    axis.grid(axis="x", alpha=0.25, linewidth=0.6)
    _clean(axis)
    return figure


def _accuracy_rows(d: Diagnosis) -> list[tuple[str, str, float]]:
    """Label, kind and accuracy of every row; a network of one layer has the two ends only."""
    layers = list(enumerate(d.layers, 1)) if len(d.layers) > 1 else []
    return [
        ("none", "smooth", d.smooth.accuracy),
        *((f"only layer {i}", "only", layer.only.accuracy) for i, layer in layers),
        *((f"all but layer {i}", "but", layer.all_but) for i, layer in layers),
        ("all", "hard", d.hard.accuracy),
    ]


def flip_map(diagnosis: Diagnosis) -> Figure:
    """Share of flipped spikes, in per cent, by layer and step; below, those of the layer's own.

    Where there are many steps, neighbours are averaged.
    """
    parts = [("all layers hard", [layer.flips for layer in diagnosis.layers])]
    if len(diagnosis.layers) > 1:
        parts.append(("only this layer hard", [layer.own_flips for layer in diagnosis.layers]))
    rows = len(diagnosis.layers)
    figure = _make_figure(max(HEIGHT, 0.8 + len(parts) * (0.55 + 0.36 * rows)))
    tables = [(title, *_group_steps(100.0 * np.array(flips))) for title, flips in parts]
    top = max(float(table.max()) for _, table, _ in tables) or 1.0
    for i, (title, table, labels) in enumerate(tables):
        axis = figure.add_subplot(len(parts), 1, i + 1)
        axis.imshow(table, cmap="Greys", vmin=0.0, vmax=1.4 * top, aspect="auto")
        for (row, column), value in np.ndenumerate(table):
            colour = "white" if value > 0.8 * top else "black"
            text = _format_cell(value)
            axis.text(column, row, text, ha="center", va="center", fontsize=FONT, color=colour)
        axis.set_title(f"flipped spikes (%), {title}", fontsize=FONT, loc="left")
        axis.set_xticks(range(len(labels)), labels)
        axis.set_yticks(range(rows), [f"layer {k + 1}" for k in range(rows)])
        if i == len(parts) - 1:
            axis.set_xlabel("step")
        _clean(axis)
    return figure


def _group_steps(table: Array) -> tuple[Array, list[str]]:
    """Columns averaged so that at most `MAX_COLUMNS` are left, and their names."""
    steps = table.shape[1]
    size = -(-steps // MAX_COLUMNS)
    starts = range(0, steps, size)
    means = np.stack([table[:, start : start + size].mean(axis=1) for start in starts], axis=1)
    ends = [min(start + size, steps) for start in starts]
    names = [
        f"{a + 1}" if b == a + 1 else f"{a + 1}–{b}" for a, b in zip(starts, ends, strict=True)
    ]
    return means, names


def _format_cell(value: float) -> str:
    """A percentage in at most four characters; what is not zero is not shown as zero."""
    if value == 0.0:
        return "0"
    if value < 0.05:
        return "<.1"
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def margin_quantiles(diagnosis: Diagnosis) -> Figure:
    """Margins of the answers, smallest first, with smooth and with hard spikes.

    A curve crosses zero at the share of wrong answers; where it lies on zero, logits are tied.
    """
    figure = _make_figure()
    axis = figure.add_subplot()
    for name, outcome, style, marker, colour in (
        ("smooth spikes", diagnosis.smooth, SMOOTH_STYLE, "o", SMOOTH),
        ("hard spikes", diagnosis.hard, HARD_STYLE, "s", HARD),
    ):
        axis.plot(
            100.0 * QUANTILES,
            outcome.margins,
            style,
            marker=marker,
            markevery=10,
            color=colour,
            linewidth=1.8,
            label=name,
        )
    axis.axhline(0.0, color="black", linewidth=0.8)
    axis.set(xlabel="recordings, by margin (%)", ylabel="label's logit − best other")
    axis.grid(alpha=0.25, linewidth=0.6)
    axis.legend(frameon=False, fontsize=FONT, loc="upper left")
    _clean(axis)
    return figure
