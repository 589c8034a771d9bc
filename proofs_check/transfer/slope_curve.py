"""The slope at which a trained network becomes certified, recording by recording.

The weights stay as they are; each spike is made steeper. The tail falls as the slope rises, so a
recording certified at one slope is certified at every larger one, by either certificate.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from proofs_check.transfer.certificate import simple_certificate
from refsast import Network, Params, Spikes, heaviside, run
from refsast.arrays import Array
from refsast.certify.boxes import validate_smooth
from refsast.certify.sharp import sharp_certificate
from refsast.model.network import replace_spikes
from refsast.model.spike import Spike
from refsast.model.surrogate import Surrogate

Flags: TypeAlias = NDArray[np.bool_]
LINE_STYLES = {
    "agree": ("smooth and hard agree", "#8a8a8a", "s:"),
    "sharp": ("certified, sharp", "#1b6ca8", "o-"),
    "simple": ("certified, simple", "#d1495b", "^--"),
}


@dataclass(frozen=True, eq=False)
class SlopeCurve:
    """For each slope and recording: is the class certified, and do smooth and hard agree?

    Attributes
    ----------
    slopes : (n_slopes,) array
        Rising, per unit of potential.
    applies : (n_slopes, batch) array of bool
        Whether the hypotheses of the simple certificate hold; it is silent elsewhere.
    simple, sharp : (n_slopes, batch) array of bool
        Certified by the one, by the other.
    agree : (n_slopes, batch) array of bool
        Whether the smooth run at that slope gives the class of the hard one.
    """

    slopes: Array
    applies: Flags
    simple: Flags
    sharp: Flags
    agree: Flags


def replace_slope(network: Network, slope: float) -> Network:
    """Return the network with this slope, per unit of potential, in place of each spike's own.

    Raises
    ------
    ValueError
        If a spike has no slope, or this one is not positive and finite.
    """

    def steep(spike: Spike) -> Spike:
        if not isinstance(spike, Surrogate):
            raise ValueError(f"spike must be a smooth spike of refsast, got {spike!r}")
        return replace(spike, slope=slope)

    return replace_spikes(network, steep)


def slope_curve(
    network: Network,
    params: Params,
    x: ArrayLike | Spikes,
    slopes: Sequence[float],
    progress: Callable[[Sequence[float]], Iterable[float]] = iter,
) -> SlopeCurve:
    """Certify the same weights at many slopes, and run them.

    Parameters
    ----------
    network, params, x : Network, tuple of Layer, (time, batch, n_0) array or Spikes
        As for `certificate.simple_certificate`; the slopes of the spikes are replaced.
    slopes : sequence of float
        Rising, positive; at least one.
    progress : callable, optional
        Wraps the slopes as they are taken, such as ``tqdm``.

    Raises
    ------
    ValueError
        If the slopes do not rise, or anything is not as `validate_smooth` asks.
    """
    slopes = [float(slope) for slope in slopes]
    if not slopes or not all(a < b for a, b in pairwise(slopes)):
        raise ValueError(f"slopes must be one or more rising numbers, got {slopes}")
    network, params, x = validate_smooth(network, params, x)
    hard = run(network, params, x, spike=heaviside).logits.argmax(axis=1)
    rows = [
        _curve_row(replace_slope(network, slope), params, x, hard) for slope in progress(slopes)
    ]
    return SlopeCurve(np.array(slopes), *(np.stack(column) for column in zip(*rows, strict=True)))


def _curve_row(
    network: Network, params: Params, x: Array, hard: NDArray[np.intp]
) -> tuple[Flags, ...]:
    """`SlopeCurve` at one slope."""
    plain = simple_certificate(network, params, x)
    smooth = run(network, params, x).logits.argmax(axis=1)
    return (
        plain.applies,
        plain.certified,
        sharp_certificate(network, params, x).certified,
        smooth == hard,
    )


def plot_curve(curve: SlopeCurve, axis: Axes) -> None:
    """Draw the shares of recordings against the slope, whose axis becomes logarithmic."""
    for name, (label, colour, style) in LINE_STYLES.items():
        share = 100.0 * getattr(curve, name).mean(axis=1)
        axis.plot(curve.slopes, share, style, color=colour, markersize=3.5, label=label)
    axis.set(xscale="log", ylim=(-2.0, 102.0), xlabel="slope (per unit of potential)")
    axis.set_ylabel("recordings (%)")
    axis.grid(alpha=0.25, linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)


def curve_figure(curves: Mapping[str, SlopeCurve]) -> Figure:
    """Return one panel per curve, two to the row, by title; at least one curve."""
    rows = -(-len(curves) // 2)
    figure = Figure(figsize=(4.6 * min(len(curves), 2), 3.2 * rows), layout="constrained")
    for i, (title, curve) in enumerate(curves.items()):
        axis = figure.add_subplot(rows, min(len(curves), 2), i + 1)
        plot_curve(curve, axis)
        axis.set_title(title, fontsize=10)
    lines = figure.axes[0].get_lines()
    figure.legend(handles=lines, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure
