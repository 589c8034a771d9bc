"""What is kept and drawn of a certificate of the swap: a record as JSON, and a figure.

Matplotlib takes as long to import as all else together, so that waits until something is drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from refsast.arrays import Integers
from refsast.certify.swap import REASONS, SwapCertificate
from refsast.codec import Json

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RECORD, PICTURE = "swap.json", "swap.png"
LOOKS = (("#1b6ca8", "-"), ("#c8324a", "--"), ("#2f6b3a", ":"), ("#7b4b94", "-."))
MARKS = {
    "certified": ("o", "#1b6ca8"),
    "tie": ("x", "#8a8a8a"),
    "other class": ("v", "#c8324a"),
    "open": ("s", "#e9a03b"),
}
LARGEST_FACTOR = 1e8  # where what only the hard network is known of is drawn


def describe_certificate(found: SwapCertificate, slopes: Sequence[float]) -> str:
    """Return shares and reasons in a few lines of words; `slopes` are those of the layers."""
    counts = Counter(found.reason)
    n = len(found.reason)
    where = " / ".join(f"{found.lowest * slope:g}" for slope in dict.fromkeys(slopes))
    lines = [f"certified for every slope from {where} to hard spikes: {_percent(found.certified)}"]
    if found.correct is not None:
        lines.append(f"certified and correct: {_percent(found.certified & found.correct)}")
    named = {
        "tie": "the hard network's largest logits are equal",
        "other class": "a run at a lower slope gives another class",
        "open": "not decided by the enclosure",
    }
    lines += [f"{text}: {counts[reason]} of {n}" for reason, text in named.items()]
    return "\n".join(lines)


def _percent(flags: np.ndarray) -> str:
    return f"{100.0 * flags.mean():.1f} % ({flags.sum()} of {flags.size})"


def certificate_record(
    found: SwapCertificate, slopes: Sequence[float], y: Integers, facts: Mapping[str, Json]
) -> dict[str, Json]:
    """Return a certificate as plain numbers and text, for JSON; what is infinite or NaN is null."""
    rows: list[Json] = [
        {
            "class": int(found.classes[i]),
            "label": int(y[i]),
            "reason": found.reason[i],
            "factor": _finite(found.factor[i]),
            "witness": _finite(found.witness[i]),
            "cells": int(found.cells[i]),
        }
        for i in range(len(y))
    ]
    return {
        **facts,
        "slopes": [float(slope) for slope in slopes],
        "lowest": found.lowest,
        "certified": float(found.certified.mean()),
        "by recording": rows,
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def certificate_figure(certificates: Mapping[str, SwapCertificate], slope: float = 1.0) -> Figure:
    """Return the certified share over the slope, and for each recording the slope where it ends.

    Parameters
    ----------
    certificates : mapping of str to SwapCertificate
        By name, at least one; the second panel shows the last.
    slope : float
        That of the networks, per unit of potential; 1 draws factors.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.2, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25, linewidth=0.6)
    unit = "slope (per unit of potential)" if slope != 1.0 else "slope, by that of training"
    for i, (name, found) in enumerate(certificates.items()):
        color, style = LOOKS[i % len(LOOKS)]
        factors = np.geomspace(found.lowest, 1e6 * found.lowest, 400)
        share = 100.0 * found.share(factors)
        left.plot(slope * factors, share, style, color=color, label=name)
    left.set(xscale="log", ylim=(-2.0, 102.0), xlabel=f"from this {unit}")
    left.set_ylabel("certified up to hard spikes (%)")
    left.legend(frameon=False, fontsize=9, loc="lower right")
    name, found = list(certificates.items())[-1]
    _plot_ends(right, found, slope)
    right.set(yscale="log", xlabel="recording, sorted", ylabel=f"certified down to\n{unit}")
    right.set_title(name, fontsize=10)
    return figure


def _plot_ends(axis: Axes, found: SwapCertificate, slope: float) -> None:
    """One mark per recording, by the slope down to which it is certified."""
    order = np.argsort(found.factor, kind="stable")
    height = slope * np.minimum(found.factor[order], LARGEST_FACTOR)
    reasons = np.array(found.reason)[order]
    for reason in REASONS:
        rows = np.flatnonzero(reasons == reason)
        if len(rows):
            mark, color = MARKS[reason]
            axis.plot(rows, height[rows], mark, color=color, markersize=3.5, label=reason)
    axis.legend(frameon=False, fontsize=9, loc="upper left")
