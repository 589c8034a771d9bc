"""What is drawn from runs and recordings, as Matplotlib figures; nothing is shown or written.

What is drawn from records is in `page_figures`.

Matplotlib takes as long to import as all else together, so that waits until something is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array
from refsast.data import SIZE, Events
from refsast.data.describe import Description
from refsast.experiment.compare import Result
from refsast.experiment.evaluate import potential_histogram
from refsast.experiment.page_figures import add_legend, label_epochs, make_axes
from refsast.experiment.record import Epoch
from refsast.experiment.sharpness import Point
from refsast.model import Network, Params, heaviside
from refsast.spikes import Spikes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#1b6ca8", "#8a8a8a", "#d1495b", "#e9a03b", "#3a7d44", "#7b4b94")
NETWORK_LOOKS = (
    ("#1b6ca8", 2.0),
    ("#c8324a", 0.9),
)  # colour and width: the first thick, the second thin
SMOOTH_STYLE, HARD_STYLE = "-", "--"  # smooth spikes solid, hard spikes dashed, in every figure

SHARPNESS_PANELS = {
    "eigenvalue": "top eigenvalue of the Hessian",
    "loss": "f(w + e) - f(w) - rho |grad f(w)|",
    "gradient": "the gradient, from w to w + e",
}


def _make_panels(panels: int, height: float = 3.6) -> tuple[Figure, list[Axes]]:
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


def _format_accuracy_axis(axis: Axes) -> None:
    label_epochs(axis)
    axis.set(ylabel="accuracy, held-out (%)", ylim=(0.0, 100.0))
    axis.legend(frameon=False, fontsize=8, loc="lower right")


def _scores_by_epoch(curve: Sequence[Epoch], name: str) -> list[float]:
    """One of the scores of every epoch that has scores."""
    return [getattr(epoch.scores, name) for epoch in curve if epoch.scores is not None]


def comparison_curves(results: Sequence[Result]) -> Figure:
    """Smooth and hard accuracy by epoch, mean over the seeds, one panel per arm.

    Thin lines are single seeds.
    """
    names = tuple(dict.fromkeys(r.arm for r in results))
    figure, axes = _make_panels(len(names), height=3.4)
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


def potential_histograms(
    networks: Mapping[str, tuple[Network, Params]], x: ArrayLike | Spikes
) -> dict[str, Figure]:
    """How far potentials lie from threshold, with smooth and with hard spikes: a figure per layer.

    The networks, by name, are of one architecture. What lies near zero is what the swap to hard
    spikes moves. The figures are named as their files are: ``membrane_layer_1.png`` and so on.
    """
    first = next(iter(networks.values()))[0]
    edges = np.linspace(-4.0, 4.0, 161)
    middle = 0.5 * (edges[1:] + edges[:-1])
    panels = [make_axes() for _ in first.neurons]
    for (colour, width), (name, (network, params)) in zip(
        cycle(NETWORK_LOOKS), networks.items(), strict=False
    ):
        for spike, style in ((None, SMOOTH_STYLE), (heaviside, HARD_STYLE)):
            shares = potential_histogram(network, params, x, edges, spike)
            label = f"{name}, {'smooth' if spike is None else 'hard'}"
            for (_, axis), share in zip(panels, shares, strict=True):
                density = share / np.diff(edges)
                axis.plot(middle, density, style, color=colour, linewidth=width, label=label)
    for i, (figure, axis) in enumerate(panels):
        axis.axvline(0.0, color="black", linewidth=0.6)
        axis.set(title=f"layer {i + 1}", xlabel="potential - threshold", yscale="log")
        axis.set_ylabel("density")
        add_legend(figure, 2 if max(map(len, networks)) < 20 else 1)
    return {f"membrane_layer_{i + 1}.png": figure for i, (figure, _) in enumerate(panels)}


def sharpness_curves(points: Mapping[str, Sequence[Point]]) -> Figure:
    """Top eigenvalue of the Hessian and SAM's remainders by epoch, one colour per training.

    All remainders are of one radius. An axis is logarithmic where all on it is positive.
    """
    figure, axes = _make_panels(3)
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
        label_epochs(axis)
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
        axis.imshow(paint_events(events, size), interpolation="nearest")
        axis.set(xticks=[], yticks=[])
    return figure


def paint_events(events: Events, size: tuple[int, int] = SIZE) -> Array:
    """Return the first third of a recording on white: ON events redden a pixel, OFF events blue it.

    One without events is white.
    """
    # The first saccade takes a third of the time; more of them would blur the picture.
    early = events.t <= events.t.max(initial=0) // 3
    counts = np.zeros((2, *size))
    np.add.at(counts, (events.p[early], events.y[early], events.x[early]), 1.0)
    off, on = np.clip(counts / max(float(np.quantile(counts, 0.99)), 1.0), 0.0, 1.0)
    return 1.0 - np.stack([off, np.maximum(on, off), on], axis=-1)
