"""The two figures of the page."""

import io

from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullFormatter

from tests.bench.implementations import detached
from tests.bench.sections import Results, Timings
from tests.bench.timing import ALL, Timing, quartiles, ratios

OURS, THEIRS, FLOOR = "#1b6ca8", "#a3a3a3", "#d1495b"
COLOURS = {"floor": FLOOR, "fast": OURS, "events": "#3a7d44", "torch": "#8a8a8a"}
AXES = {
    "steps": "time steps",
    "batch": "recordings per minibatch",
    "width": "hidden neurons",
    "density": "share of ones in the input",
}
plain = FuncFormatter(lambda value, _: f"{value:g}")


def colour(name: str) -> str:
    """Return the colour of a family."""
    if name == "floor":
        return FLOOR
    return OURS if ALL[name].process == "refsast" else THEIRS


def differs(one: Timing) -> bool:
    """Return whether what was timed is another gradient."""
    return bool(one.wrong) or ALL[one.name].oracle is detached


def bars(timings: Timings) -> Figure:
    """Return everybody's time over the floor's, the fastest on top; log axis if far apart."""
    base = timings["floor"]
    rows = {name: quartiles(ratios(one, base)) for name, one in timings.items() if one.seconds}
    names = sorted(rows, key=lambda name: rows[name][1], reverse=True)
    figure = Figure(figsize=(7.6, 0.9 + 0.34 * len(names)), layout="constrained")
    axis = figure.add_subplot()
    for i, name in enumerate(names):
        low, middle, high = rows[name]
        hatch = "////" if differs(timings[name]) else None
        axis.barh(i, middle, color=colour(name), height=0.66, hatch=hatch, edgecolor="white")
        axis.plot((low, high), (i, i), color="#333333", linewidth=1.0)
        axis.annotate(
            f"{middle:.2f}",
            (max(middle, high), i),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axis.axvline(1.0, color=FLOOR, linewidth=0.8, linestyle=":")
    axis.set_yticks(range(len(names)), [ALL[name].title for name in names], fontsize=8)
    axis.set_xlabel("time over that of the dense floor (median and quartiles over the rounds)")
    widest, least = (f(row[1] for row in rows.values()) for f in (max, min))
    if widest > 20.0 * least:
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(plain)
        axis.set_xlim(right=1.6 * max(row[2] for row in rows.values()))
    else:
        axis.set_xlim(0.0, 1.12 * max(row[2] for row in rows.values()))
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    _legend(axis, timings)
    return figure


def _legend(axis, timings: Timings) -> None:
    """Say what the colours, and the hatching if there is some, mean."""
    handles = [Patch(color=OURS, label="refsast"), Patch(color=THEIRS, label="other libraries")]
    if any(differs(one) for one in timings.values()):
        handles.append(
            Patch(facecolor=THEIRS, hatch="////", edgecolor="white", label="another gradient")
        )
    axis.legend(handles=handles, frameon=False, fontsize=8, loc="upper right")


def scaling(results: Results) -> Figure:
    """Return milliseconds against size, log-log, one panel per thing that was varied."""
    shown = [of for of in AXES if of in results.sweeps]
    figure = Figure(figsize=(8.4, 3.1 * -(-len(shown) // 2)), layout="constrained")
    for i, of in enumerate(shown):
        axis = figure.add_subplot(-(-len(shown) // 2), 2, i + 1)
        points = results.sweeps[of]
        for name, shade in COLOURS.items():
            _line(axis, points, name, shade)
        axis.set(xscale="log", yscale="log", xlabel=AXES[of], ylabel="ms" if i % 2 == 0 else "")
        axis.set_xticks([value for value, _ in points])
        for one in (axis.xaxis, axis.yaxis):
            one.set_major_formatter(plain)
            one.set_minor_formatter(NullFormatter())
        axis.grid(alpha=0.25, linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
        if i == 0:
            axis.legend(frameon=False, fontsize=8)
    return figure


def _line(axis, points: list[tuple[float, Timings]], name: str, shade: str) -> None:
    """Draw one implementation's medians, quartiles shaded, where it was timed."""
    rows = [
        (value, *(1e3 * q for q in quartiles(timings[name].seconds)))
        for value, timings in points
        if timings.get(name, Timing(name)).seconds
    ]
    if rows:
        values, low, middle, high = zip(*rows, strict=True)
        style = ":" if name == "floor" else "-"
        axis.plot(
            values, middle, style, marker="o", markersize=3.5, color=shade, label=ALL[name].title
        )
        axis.fill_between(values, low, high, color=shade, alpha=0.15, linewidth=0.0)


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(
        buffer, format="png", dpi=100, metadata={"Software": None}, pil_kwargs={"optimize": True}
    )
    return buffer.getvalue()
