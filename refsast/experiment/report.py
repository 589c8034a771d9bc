"""The pages of a run, a comparison and a sweep, from their records and nothing else.

How far potentials lie from threshold is not in a record: pictures of that come from the folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from refsast.experiment import html_document, page_figures
from refsast.experiment.comparison_page import draw_comparison, render_comparison
from refsast.experiment.explanation import SWAP, explain_silence
from refsast.experiment.outcome import Outcome, read_curve
from refsast.experiment.page_parts import (
    caption_potentials,
    reproduce_box,
    show_pictures,
    show_setting,
)
from refsast.experiment.run_files import COMPARISON, RUN, SWEEP
from refsast.experiment.sweep_page import draw_sweep, render_sweep

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Page:
    """How a page is made of a record.

    Attributes
    ----------
    draw : callable
        ``draw(record)`` returns the figures, by the names of their files.
    render : callable
        ``render(record, pictures)`` returns the page as HTML; `pictures` are PNGs by file name.
    """

    draw: Callable[[Mapping], dict[str, Figure]]
    render: Callable[[Mapping, Mapping[str, bytes]], str]


def _read_outcome(record: Mapping) -> Outcome:
    """The run of a record of one run."""
    return Outcome("this run", record["seed"], *read_curve(record["curve"]), None, None)


def draw_run(record: Mapping) -> dict[str, Figure]:
    """Return the figures of a run: the loss, and if it was measured the accuracy, by epoch."""
    outcome = _read_outcome(record)
    held_out = outcome.scores.get("loss")
    loss = page_figures.loss_curve(record["curve"], outcome.epochs, held_out)
    if not outcome.epochs:
        return {"curves_loss.png": loss}
    limits = page_figures.accuracy_limits([outcome])
    accuracy = page_figures.accuracy_curve([outcome], limits)
    return {"curves_accuracy.png": accuracy, "curves_loss.png": loss}


def render_run(record: Mapping, pictures: Mapping[str, bytes]) -> str:
    """Return the page of a run."""
    outcome = _read_outcome(record)
    rho, epochs = record["config"]["rho"], record["curve"][-1]["epoch"]
    lead = f"After {epochs} epochs; no accuracy was measured."
    said = []
    if outcome.epochs:
        smooth, hard, gap = (outcome.scores[name][-1] for name in ("smooth", "hard", "gap"))
        lead = (
            f"After {epochs} epochs: {smooth:.1f} % with smooth spikes, {hard:.1f} % with "
            f"hard spikes, a transfer gap of {gap:.1f} points."
        )
        said = [SWAP, "This is one run with one seed: another seed may give other figures."]
        said += explain_silence([outcome], [outcome.arm])
    captions = {
        "curves_accuracy.png": "Accuracy on held-out recordings: smooth spikes solid, hard spikes "
        "dashed; the area between is the transfer gap.",
        "curves_loss.png": "Loss with smooth spikes: on the minibatches before each step (solid), "
        "on held-out recordings (dashed).",
        **caption_potentials(pictures),
    }
    title = f"SAST, rho {rho:g}" if rho > 0.0 else "Baseline (rho 0)"
    sections = [
        ("What is seen", [html_document.sentences(said)] if said else []),
        ("Curves", [show_pictures(pictures, captions)]),
        ("Setting", show_setting(record["setting"])),
    ]
    end = reproduce_box(record, [record], str(record["seed"]))
    return html_document.render_page(title, lead, [s for s in sections if s[1]], end=end)


DRAWN = re.compile(
    r"curves(_\d+|_accuracy|_loss)?\.png|(accuracy|gap|silent)_by_(arm|rho|value)\.png"
    r"|map_(hard|gap|silent)\.png"
)  # the files of all figures that any version has drawn, but for those of the potentials
PAGES = {
    RUN: Page(draw_run, render_run),
    COMPARISON: Page(draw_comparison, render_comparison),
    SWEEP: Page(draw_sweep, render_sweep),
}
