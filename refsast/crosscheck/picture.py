"""The picture of a check: where and by how much, layer by layer and step by step."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure

from refsast.arrays import Array
from refsast.crosscheck.check import Report
from refsast.crosscheck.compare import Stage
from refsast.crosscheck.diagnose.localise import layer_errors

# Errors in units of the tolerance: below 1 both agree, from 1 on they do not.
LOW, HIGH = 1e-6, 1e12
SHADES = LinearSegmentedColormap.from_list(
    "agrees below one",
    [(0.0, "#f4f7f9"), (0.333, "#9dc3dd"), (0.3331, "#f6c177"), (1.0, "#8f1d2c")],
)
NORM = LogNorm(LOW, HIGH, clip=True)


def error_map(report: Report) -> Figure:
    """Draw errors over tolerance: of states and adjoints by layer and step, of gradients by array.

    States and adjoints are those that were given; where none were, those of the cause.
    """
    given = {stage.name: stage for stage in report.stages}
    by_cause = {stage.name: stage for stage in report.simulated}
    maps = []
    for name in ("states", "adjoints"):
        if stage := given.get(name) or by_cause.get(name):
            maps.append((name if name in given else f"{name}, of the cause", stage))
    figure = Figure(figsize=(9.0, 1.6 + 1.9 * len(maps) + 1.2), layout="constrained")
    axes = figure.subplots(len(maps) + 1, 1, squeeze=False)[:, 0]
    for axis, (title, stage) in zip(axes, maps, strict=False):
        rows = np.array([errors.max(axis=(1, 2)) for errors in layer_errors(dict(stage.errors))])
        _draw_table(axis, rows, title)
        axis.set(xlabel="step", ylabel="layer")
        axis.set_xticks(range(rows.shape[1]), range(1, rows.shape[1] + 1))
        axis.set_yticks(range(len(rows)), range(1, len(rows) + 1))
    drawn = _draw_gradients(axes[-1], [s for s in report.stages if s.name.endswith("gradients")])
    bar = figure.colorbar(drawn, ax=list(axes), label="largest error / tolerance", shrink=0.8)
    bar.ax.axhline(1.0, color="black", linewidth=1.0)
    figure.suptitle(_title(report), fontsize=10, x=0.01, ha="left", wrap=True)
    return figure


def _draw_table(axis: Axes, rows: Array, title: str):
    """Draw a table of errors as colours."""
    drawn = axis.imshow(np.maximum(rows, LOW), cmap=SHADES, norm=NORM, aspect="auto")
    axis.set_title(title, fontsize=9, loc="left")
    axis.invert_yaxis()
    return drawn


def _draw_gradients(axis: Axes, stages: Sequence[Stage]):
    """Draw the largest error of each array of parameters, with its number."""
    names = [name for stage in stages for name, _ in stage.errors]
    worst = [errors.max(initial=0.0) for stage in stages for _, errors in stage.errors]
    drawn = _draw_table(axis, np.array([worst]), "parameter gradients")
    axis.set_xticks(range(len(names)), names, fontsize=8)
    axis.set_yticks([])
    for i, error in enumerate(worst):
        colour = "white" if error > 1e6 else "black"
        axis.text(i, 0, f"{error:.1e}", ha="center", va="center", fontsize=8, color=colour)
    return drawn


def _title(report: Report) -> str:
    lines = [f"{report.case.name}: {report.verdict} ({report.dtype})"]
    lines += [f"first wrong: {report.first}"] if report.first else []
    lines += [str(report.cause)] if report.cause else []
    return "\n".join(lines)
