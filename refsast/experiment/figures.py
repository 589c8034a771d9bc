"""The pictures of a run and of a comparison, as Matplotlib figures; nothing is shown or written.

Matplotlib takes as long to import as all else together, so that waits until something is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array
from refsast.data import Events
from refsast.data.describe import Description
from refsast.experiment.compare import LONGER, Result, estimate_mean, final_measures
from refsast.experiment.evaluate import potential_histogram
from refsast.experiment.record import Epoch
from refsast.experiment.sharpness import Point
from refsast.model import Network, Params, heaviside
from refsast.spikes import Spikes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#1b6ca8", "#8a8a8a", "#d1495b", "#e9a03b", "#3a7d44", "#7b4b94")
SMOOTH_STYLE, HARD_STYLE = "-", "--"  # smooth spikes solid, hard spikes dashed, in every figure

SHARPNESS_PANELS = {
    "eigenvalue": "top eigenvalue of the Hessian",
    "loss": "f(w + e) - f(w) - rho |grad f(w)|",
    "gradient": "the gradient, from w to w + e",
}


def _make_axes(panels: int, height: float = 3.6) -> tuple[Figure, list[Axes]]:
    """A figure with that many panels, three to the row."""
    from matplotlib.figure import Figure

    columns = min(panels, 3)
    rows = -(-panels // columns)
    figure = Figure(figsize=(4.6 * columns, height * rows), layout="constrained")
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(panels)]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25, linewidth=0.6)
    return figure, axes


def _label_epochs(axis: Axes) -> None:
    """Name the horizontal axis, and have whole numbers on it only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_xlabel("epoch")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))


def _format_accuracy_axis(axis: Axes) -> None:
    _label_epochs(axis)
    axis.set(ylabel="accuracy, held-out (%)", ylim=(0.0, 100.0))
    axis.legend(frameon=False, fontsize=8, loc="lower right")


def _scores_by_epoch(curve: Sequence[Epoch], name: str) -> list[float]:
    """One of the scores of every epoch that has scores."""
    return [getattr(epoch.scores, name) for epoch in curve if epoch.scores is not None]


def run_curves(curve: Sequence[Epoch]) -> Figure:
    """Loss, and smooth and hard accuracy with the gap between, by epoch, of one run.

    Accuracies are drawn where the epochs have scores.
    """
    figure, (left, right) = _make_axes(2)
    epochs = [epoch.epoch for epoch in curve]
    left.plot(epochs, [epoch.loss for epoch in curve], color=COLOURS[0], label="minibatches")
    if held_out := _scores_by_epoch(curve, "loss"):
        left.plot(epochs, held_out, color=COLOURS[2], label="held-out recordings")
        smooth, hard = (
            100.0 * np.array(_scores_by_epoch(curve, name)) for name in ("smooth", "hard")
        )
        right.plot(epochs, smooth, SMOOTH_STYLE, color=COLOURS[0], label="smooth spikes")
        right.plot(epochs, hard, HARD_STYLE, color=COLOURS[2], label="hard spikes")
        right.fill_between(epochs, smooth, hard, color=COLOURS[2], alpha=0.12, label="transfer gap")
        _format_accuracy_axis(right)
    _label_epochs(left)
    left.set(ylabel="loss (nats)", yscale="log")
    left.legend(frameon=False, fontsize=8)
    return figure


def comparison_curves(results: Sequence[Result]) -> Figure:
    """Smooth and hard accuracy by epoch, mean over the seeds, one panel per arm.

    Thin lines are single seeds.
    """
    names = tuple(dict.fromkeys(r.arm for r in results))
    figure, axes = _make_axes(len(names), height=3.4)
    for axis, name in zip(axes, names, strict=True):
        curves = [r.run.curve for r in results if r.arm == name]
        epochs = [epoch.epoch for epoch in curves[0]]
        for measure, style, colour in (
            ("smooth", SMOOTH_STYLE, COLOURS[0]),
            ("hard", HARD_STYLE, COLOURS[2]),
        ):
            lines = 100.0 * np.array([_scores_by_epoch(curve, measure) for curve in curves])
            axis.plot(epochs, lines.T, style, color=colour, alpha=0.25, linewidth=0.7)
            axis.plot(epochs, lines.mean(axis=0), style, color=colour, label=f"{measure} spikes")
        axis.set_title(name)
        _format_accuracy_axis(axis)
    return figure


def gap_by_rho(results: Sequence[Result]) -> Figure:
    """Transfer gap, and smooth and hard accuracy, against rho; rho = 0 is the baseline.

    Means with 95 % intervals; the grey band is the baseline with twice the epochs.
    """
    radius = {r.arm: r.run.config.rho for r in results if r.arm != LONGER}
    names = sorted(radius, key=lambda arm: radius[arm])
    figure, (left, right) = _make_axes(2)
    for axis, measure, style, colour in (
        (left, "gap", "o-", COLOURS[2]),
        (right, "smooth", "o" + SMOOTH_STYLE, COLOURS[0]),
        (right, "hard", "s" + HARD_STYLE, COLOURS[2]),
    ):
        means = [estimate_mean(100.0 * final_measures(results, arm, measure)) for arm in names]
        bars = [np.nan_to_num(mean.half_width) for mean in means]
        where = [radius[arm] for arm in names]
        axis.errorbar(
            where, [m.value for m in means], bars, fmt=style, color=colour, capsize=3, label=measure
        )
        if measure != "smooth" and any(r.arm == LONGER for r in results):
            longer = estimate_mean(100.0 * final_measures(results, LONGER, measure))
            half = np.nan_to_num(longer.half_width)
            axis.axhspan(
                longer.value - half, longer.value + half, color="grey", alpha=0.2, linewidth=0
            )
            axis.axhline(longer.value, color="grey", linewidth=1, label=f"{measure}, {LONGER}")
    left.axhline(0.0, color="black", linewidth=0.6)
    left.set(xlabel="rho (0: baseline)", ylabel="transfer gap (points)")
    right.set(xlabel="rho (0: baseline)", ylabel="accuracy (%)")
    for axis in (left, right):
        axis.legend(frameon=False, fontsize=8)
    return figure


def potential_histograms(
    networks: dict[str, tuple[Network, Params]], x: ArrayLike | Spikes
) -> Figure:
    """How far potentials lie from threshold, with smooth and with hard spikes, a panel per layer.

    The networks, by name, are of one architecture. What lies near zero is what the swap to hard
    spikes moves.
    """
    first = next(iter(networks.values()))[0]
    edges = np.linspace(-4.0, 4.0, 161)
    middle = 0.5 * (edges[1:] + edges[:-1])
    figure, axes = _make_axes(len(first.neurons), height=3.2)
    colours = cycle((COLOURS[0], *COLOURS[2:]))
    # The second colour is grey: it stands for the longer baseline, which is not drawn here.
    for colour, (name, (network, params)) in zip(colours, networks.items(), strict=False):
        for spike, style in ((None, SMOOTH_STYLE), (heaviside, HARD_STYLE)):
            shares = potential_histogram(network, params, x, edges, spike)
            label = f"{name}, {'smooth' if spike is None else 'hard'}"
            for axis, share in zip(axes, shares, strict=True):
                density = share / np.diff(edges)
                axis.plot(middle, density, style, color=colour, linewidth=1.1, label=label)
    for i, axis in enumerate(axes):
        axis.axvline(0.0, color="black", linewidth=0.6)
        axis.set(title=f"layer {i + 1}", xlabel="potential - threshold", yscale="log")
        axis.set_ylabel("density")
    axes[0].legend(frameon=False, fontsize=7)
    return figure


def sharpness_curves(points: Mapping[str, Sequence[Point]]) -> Figure:
    """Top eigenvalue of the Hessian and SAM's remainders by epoch, one colour per training.

    All remainders are of one radius. An axis is logarithmic where all on it is positive.
    """
    figure, axes = _make_axes(3)
    panels = dict(zip(SHARPNESS_PANELS, axes, strict=True))
    colours = cycle((COLOURS[0], *COLOURS[2:]))
    for colour, (name, trajectory) in zip(colours, points.items(), strict=False):
        epochs = [point.epoch for point in trajectory]
        remainders = [point.remainder for point in trajectory]
        for title, line, values, suffix in (
            ("eigenvalue", "o-", [point.top for point in trajectory], ""),
            ("loss", "o-", [r.first_order for r in remainders], ""),
            ("gradient", "o-", [r.gradient_change for r in remainders], ": its change"),
            ("gradient", "s:", [r.dropped for r in remainders], ": the term that SAM drops"),
        ):
            panels[title].plot(epochs, values, line, color=colour, label=f"{name}{suffix}")
    for title, axis in panels.items():
        axis.set_title(SHARPNESS_PANELS[title], fontsize=10)
        axis.set_ylabel("nats" if title == "loss" else "")
        _label_epochs(axis)
        axis.legend(frameon=False, fontsize=8)
        if title != "loss" and all(np.min(line.get_ydata()) > 0.0 for line in axis.lines):
            axis.set_yscale("log")
    panels["loss"].axhline(0.0, color="black", linewidth=0.6)
    return figure


def recordings_figure(
    figures: Description, samples: Sequence[Events], size: tuple[int, int]
) -> Figure:
    """What recordings look like: mean ON and OFF events, activity in time, and some of them.

    The samples, at most ten, are drawn below, the first third of each: ON red, OFF blue.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.0, 5.6), layout="constrained")
    rows = figure.add_gridspec(2, 1, height_ratios=(1.8, 1.0))
    above, below = (figure.add_subfigure(row) for row in rows)
    grid = above.add_gridspec(1, 10)
    for columns, image, name in (
        (slice(0, 3), figures.on_image, "ON"),
        (slice(3, 6), figures.off_image, "OFF"),
    ):
        axis = above.add_subplot(grid[0, columns])
        drawn = axis.imshow(image, cmap="magma", interpolation="nearest")
        axis.set(title=f"{name} events per recording", xticks=[], yticks=[])
        above.colorbar(drawn, ax=axis, shrink=0.8)
    axis = above.add_subplot(grid[0, 6:])
    times = 5.0 * np.arange(len(figures.time_histogram))
    axis.bar(times, figures.time_histogram, width=5.0, align="edge", color=COLOURS[0])
    axis.set(xlabel="time (ms)", ylabel="events per recording and 5 ms")
    axis.spines[["top", "right"]].set_visible(False)
    for i, events in enumerate(samples):
        axis = below.add_subplot(1, 10, i + 1)
        axis.imshow(_paint_events(events, size), interpolation="nearest")
        axis.set(xticks=[], yticks=[])
    return figure


def _paint_events(events: Events, size: tuple[int, int]) -> Array:
    """The first third of a recording on white: ON events redden a pixel, OFF events blue it."""
    # The first saccade takes a third of the time; more of them would blur the picture.
    early = events.t <= events.t[-1] // 3
    counts = np.zeros((2, *size))
    np.add.at(counts, (events.p[early], events.y[early], events.x[early]), 1.0)
    off, on = np.clip(counts / max(float(np.quantile(counts, 0.99)), 1.0), 0.0, 1.0)
    return 1.0 - np.stack([off, np.maximum(on, off), on], axis=-1)
