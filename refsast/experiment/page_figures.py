"""Pictures of the pages: one panel each, readable on a phone, in grey and without colours.

What is compared differs in marker and line style, not in colour alone. Matplotlib takes as long to
import as all else together, so that waits until something is drawn.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from refsast.arrays import Array
from refsast.experiment.compare import Mean
from refsast.experiment.outcome import (
    Outcome,
    count_diverged,
    last_values,
    list_arms,
    mean_of_arm,
)
from refsast.experiment.tables import format_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, RED, GREEN = "#1b6ca8", "#c8324a", "#2f6b3a"
LOOKS: Mapping[str, Mapping[str, Any]] = {
    "smooth": {"color": BLUE, "marker": "o", "linestyle": "-", "markerfacecolor": "white"},
    "hard": {"color": RED, "marker": "s", "linestyle": "--"},
    "gap": {"color": "#1d2733", "marker": "D", "linestyle": "-"},
    "silent": {"color": GREEN, "marker": "^", "linestyle": ":"},
}
NAMES = {
    "smooth": "smooth spikes",
    "hard": "hard spikes",
    "gap": "transfer gap (points)",
    "silent": "silent recordings (%)",
}
LEAST_SPAN = (
    10.0  # points from the lightest to the darkest cell: noise shall not look like a result
)
WIDTH = 4.6  # inches: on a phone's 360 px a letter of 10 points is 11 px high


def make_axes(height: float = 3.4) -> tuple[Figure, Axes]:
    """Return a figure with one panel."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axis = figure.add_subplot()
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25, linewidth=0.6)
    return figure, axis


def add_legend(figure: Figure, columns: int = 2) -> None:
    """Put the legend below the panel, where it covers nothing."""
    figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=10)


def label_epochs(axis: Axes) -> None:
    """Name the horizontal axis, and have whole numbers on it only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_xlabel("epoch")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))


def zoom(
    values: Sequence[float], low: float = -np.inf, high: float = np.inf
) -> tuple[float, float]:
    """Return limits of an axis that holds these values with some room, from `low` to `high`.

    The axis begins at zero unless all values lie close together, far above zero.
    """
    least, most = min(values), max(values)
    room = max(0.08 * (most - least), 0.5)
    if 0.0 <= least < 0.6 * most:
        return 0.0, min(most + room, high)
    start = least - room
    if start > 0.0 and most - least > 4.0:
        start = 5.0 * np.floor(start / 5.0)
    return max(start, low), min(most + room, high)


def describe_axis(name: str, least: float) -> str:
    """Return what an axis shows, and that it does not begin at zero where that is so."""
    return f"{name}; axis from {least:.3g}" if least > 0.0 else name


def loss_curve(curve: Sequence[Mapping], epochs: Sequence[int], held_out: Array | None) -> Figure:
    """Loss by epoch of one run, on the minibatches and on held-out recordings."""
    figure, axis = make_axes()
    losses = [epoch["loss"] for epoch in curve]
    axis.plot([epoch["epoch"] for epoch in curve], losses, color=BLUE, label="minibatches")
    if held_out is not None:
        axis.plot(epochs, held_out, "--", color=RED, label="held-out recordings")
    axis.set_ylabel("loss (nats)")
    if 0.0 < 10.0 * min(losses) < max(losses):
        axis.set_yscale("log")
    label_epochs(axis)
    add_legend(figure)
    return figure


def accuracy_curve(
    outcomes: Sequence[Outcome], limits: tuple[float, float], title: str = ""
) -> Figure:
    """Smooth and hard accuracy by epoch of runs of one arm; what lies between is the gap.

    Thick lines are means, thin ones single seeds; `limits` are those of the accuracy axis.
    """
    figure, axis = make_axes()
    epochs = outcomes[0].epochs
    means = {}
    for name in ("smooth", "hard"):
        look = LOOKS[name]
        color, style = look["color"], look["linestyle"]
        lines = np.array([outcome.scores[name] for outcome in outcomes])
        means[name] = lines.mean(axis=0)
        if len(outcomes) > 1:
            axis.plot(epochs, lines.T, style, color=color, alpha=0.35, linewidth=0.7)
        axis.plot(epochs, means[name], style, color=color, linewidth=2, label=NAMES[name])
    axis.fill_between(epochs, means["smooth"], means["hard"], color="grey", alpha=0.18, label="gap")
    axis.set(ylabel=describe_axis("accuracy (%)", limits[0]), ylim=limits)
    axis.set_title(title, fontsize=11)
    label_epochs(axis)
    add_legend(figure, 3)
    return figure


def accuracy_limits(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    """Return limits of an accuracy axis that holds every epoch of all these runs."""
    values = [v for o in outcomes for name in ("smooth", "hard") for v in o.scores.get(name, ())]
    return zoom(values or [0.0, 100.0], 0.0, 100.0)


def arm_dots(outcomes: Sequence[Outcome], measures: Sequence[str], title: str) -> Figure:
    """Means of some measures with their intervals, arm below arm; upright strokes are single seeds.

    Of two measures the second lies below the first, so that no interval covers another.
    """
    arms = list_arms(outcomes)
    figure, axis = make_axes(1.0 + 0.75 * len(arms))
    shown: list[float] = []
    for i, arm in enumerate(arms):
        axis.text(
            0.012,
            i - 0.28,
            _describe_arm(outcomes, arm, measures),
            transform=axis.get_yaxis_transform(),
            va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
        )
        for j, measure in enumerate(measures):
            label = NAMES[measure] if i == 0 else None
            shown += _draw_dot(axis, outcomes, arm, measure, i - 0.03 + 0.22 * j, label)
    accuracy = set(measures) <= {"smooth", "hard", "silent"}
    limits = zoom(shown or [0.0], *((0.0, 100.0) if accuracy else ()))
    axis.set(xlim=limits, ylim=(len(arms) - 0.55, -0.5), yticks=[])
    for i in range(1, len(arms)):
        axis.axhline(i - 0.52, color="grey", alpha=0.3, linewidth=0.6)
    axis.set_xlabel(describe_axis(title, limits[0]))
    if limits[0] < 0.0:
        axis.axvline(0.0, color="black", linewidth=0.8)
    if len(measures) > 1:
        add_legend(figure)
    return figure


def _draw_dot(
    axis: Axes, outcomes: Sequence[Outcome], arm: str, measure: str, y: float, label: str | None
) -> list[float]:
    """Draw mean, interval and single seeds of one arm; return what the axis has to hold."""
    seeds = list(last_values(outcomes, arm, measure).values())
    mean = mean_of_arm(outcomes, arm, measure)
    if mean is None:
        return []
    look = {**LOOKS[measure], "linestyle": "none", "label": label}
    half = float(np.nan_to_num(mean.half_width))
    axis.errorbar(mean.value, y, xerr=half or None, capsize=3, markersize=7, **look)
    axis.plot(seeds, [y] * len(seeds), "|", color="black", markersize=10, markeredgewidth=0.8)
    return [mean.value - half, mean.value + half, *seeds]


def _describe_arm(outcomes: Sequence[Outcome], arm: str, measures: Sequence[str]) -> str:
    """The name of an arm with its figures and the number of runs that diverged."""
    means = {measure: mean_of_arm(outcomes, arm, measure) for measure in measures}
    known = {measure: mean for measure, mean in means.items() if mean is not None}
    values = ", ".join(f"{mean.value:.1f} {measure}" for measure, mean in known.items())
    if len(measures) == 1:
        values = "".join(map(format_mean, known.values()))
    lost = count_diverged(outcomes, arm)
    parts = [values, f"{lost} diverged" if lost else ""]
    return f"{arm}: {', '.join(part for part in parts if part)}"


def value_lines(
    outcomes: Sequence[Outcome],
    values: Mapping[str, str],
    measures: Sequence[str],
    field: str,
    title: str,
) -> Figure:
    """Means of some measures with their intervals against the values of one field.

    `values` names the value of each arm. The values stand at equal distances; where there are two
    measures they are drawn a little to the left and to the right of their place.
    """
    figure, axis = make_axes()
    shown: list[float] = []
    for j, measure in enumerate(measures):
        shift = 0.12 * (j - 0.5 * (len(measures) - 1))
        shown += _draw_line(axis, outcomes, list(values), measure, shift)
    accuracy = set(measures) <= {"smooth", "hard", "silent"}
    limits = zoom(shown or [0.0], *((0.0, 100.0) if accuracy else ()))
    axis.set_xticks(range(len(values)), [textwrap.fill(v, 10) for v in values.values()])
    axis.set(xlabel=f"{field} (values at equal distances)", ylim=limits)
    axis.set(xlim=(-0.4, len(values) - 0.6), ylabel=describe_axis(title, limits[0]))
    if limits[0] < 0.0:
        axis.axhline(0.0, color="black", linewidth=0.8)
    if len(measures) > 1:
        add_legend(figure)
    return figure


def _draw_line(
    axis: Axes, outcomes: Sequence[Outcome], arms: Sequence[str], measure: str, shift: float
) -> list[float]:
    """Draw one measure by arm, interrupted where it is unknown; return what the axis must hold."""
    found = [mean_of_arm(outcomes, arm, measure) or Mean(np.nan, np.nan) for arm in arms]
    means = np.array([mean.value for mean in found])
    halves = np.nan_to_num(np.array([mean.half_width for mean in found]))
    axis.errorbar(
        np.arange(len(arms)) + shift,
        means,
        halves if halves.any() else None,
        capsize=3,
        label=NAMES[measure],
        **LOOKS[measure],
    )
    edges = np.concatenate([means - halves, means + halves])
    return edges[np.isfinite(edges)].tolist()


def heat_map(
    means: Array, lost: Array, rows: Sequence[str], columns: Sequence[str], names: tuple[str, str]
) -> Figure:
    """Means as numbers in cells: the darker, the larger.

    Parameters
    ----------
    means : (rows, columns) array
        NaN where there is none.
    lost : (rows, columns) array of int
        How many runs of the cell diverged: a star marks some, the word *diverged* all.
    rows, columns : sequence of str
        The values of the two fields.
    names : tuple of str
        The two fields: of the rows, of the columns.
    """
    figure, axis = make_axes(1.0 + 0.42 * len(rows))
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    known = means[np.isfinite(means)]
    least, most = (known.min(), known.max()) if known.size else (0.0, 1.0)
    shade = (means - least) / max(most - least, LEAST_SPAN)
    axis.imshow(shade, cmap="Blues", vmin=-0.1, vmax=1.15, aspect="auto")
    size = 11 if len(columns) <= 6 else 8
    for (i, j), value in np.ndenumerate(means):
        text = f"{value:.1f}{'*' if lost[i, j] else ''}" if np.isfinite(value) else "–"
        text = "diverged" if lost[i, j] and not np.isfinite(value) else text
        color = "white" if shade[i, j] > 0.6 else "black"
        axis.text(j, i, text, ha="center", va="center", color=color, fontsize=size)
    axis.set_xticks(range(len(columns)), [textwrap.fill(c, 10) for c in columns])
    axis.set_yticks(range(len(rows)), [textwrap.fill(r, 12) for r in rows])
    axis.set(ylabel=names[0], xlabel=names[1])
    return figure
