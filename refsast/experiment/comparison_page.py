"""The page of a comparison of the baseline with SAST and with controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from refsast.experiment import html_document, page_figures
from refsast.experiment.explanation import explain_comparison, list_sast_arms
from refsast.experiment.outcome import Outcome, list_arms, read_outcomes
from refsast.experiment.page_parts import (
    caption_potentials,
    reproduce_box,
    show_pictures,
    show_runs,
    show_setting,
    show_table,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CURVES = 6  # arms with a picture of their own: more of them would bury the rest of the page
BARS = "bars are 95 % intervals over the seeds (from three seeds on), upright strokes single seeds"
NOTE = (
    "Mean over the seeds; from three seeds on with its 95 % interval (Student's t). "
    "Differences are paired: the same seed means the same initial parameters and the same "
    "order of the recordings. The intervals speak of other seeds, not of other recordings."
)


def draw_comparison(record: Mapping) -> dict[str, Figure]:
    """Return the figures of a comparison: by arm, by radius if there are several, by epoch."""
    outcomes = read_outcomes(record)
    drawn = {
        "accuracy_by_arm.png": page_figures.arm_dots(
            outcomes, ("smooth", "hard"), "accuracy, held-out (%)"
        ),
        "gap_by_arm.png": page_figures.arm_dots(outcomes, ("gap",), "transfer gap (points)"),
    }
    if any("silent" in outcome.scores for outcome in outcomes):
        drawn["silent_by_arm.png"] = page_figures.arm_dots(
            outcomes, ("silent",), "no output neuron fires (%)"
        )
    radii = {arm: f"{record['settings'][arm]['rho']:g}" for arm in list_sast_arms(record)}
    if len(radii) > 1:
        drawn["gap_by_rho.png"] = page_figures.value_lines(
            outcomes, radii, ("gap",), "rho", "transfer gap (points)"
        )
    limits = page_figures.accuracy_limits(outcomes)
    for i, (arm, runs) in enumerate(_curve_arms(outcomes), 1):
        drawn[f"curves_{i}.png"] = page_figures.accuracy_curve(runs, limits, arm)
    return drawn


def _curve_arms(outcomes: Sequence[Outcome]) -> list[tuple[str, list[Outcome]]]:
    """The first arms with runs that reached the end, and these runs."""
    finished = {
        arm: [o for o in outcomes if o.arm == arm and o.diverged is None and o.epochs]
        for arm in list_arms(outcomes)
    }
    return [(arm, runs) for arm, runs in finished.items() if runs][:MOST_CURVES]


def _write_captions(outcomes: Sequence[Outcome], pictures: Mapping[str, bytes]) -> dict[str, str]:
    arms = {f"curves_{i}.png": arm for i, (arm, _) in enumerate(_curve_arms(outcomes), 1)}
    return {
        "accuracy_by_arm.png": "Accuracy after the last epoch: open circles with smooth spikes, "
        f"squares with hard ones; {BARS}.",
        "gap_by_arm.png": f"Transfer gap after the last epoch; {BARS}.",
        "silent_by_arm.png": "Share of the recordings in which no output neuron fires when spikes "
        f"are hard; {BARS}.",
        "gap_by_rho.png": "Transfer gap of the SAST arms by SAM's radius; bars are 95 % intervals "
        "over the seeds (from three seeds on).",
        **{
            name: f"{arm}, by epoch: smooth spikes solid, hard spikes dashed, the gap between; "
            "thick lines are means, thin ones single seeds."
            for name, arm in arms.items()
        },
        **caption_potentials(pictures),
    }


def render_comparison(record: Mapping, pictures: Mapping[str, bytes]) -> str:
    """Return the page of a comparison."""
    outcomes = read_outcomes(record)
    first = next(iter(record["settings"].values()))
    said = html_document.sentences(explain_comparison(record, outcomes))
    captions = _write_captions(outcomes, pictures)
    main = {name: text for name, text in captions.items() if "_by_" in name}
    rest = {name: text for name, text in captions.items() if name not in main}
    more = len(list_arms(outcomes)) - len(_curve_arms(outcomes))
    note = f"{more} arms have no curve here." if more else ""
    sections = [
        ("What is seen", [said, show_pictures(pictures, main)]),
        (
            "Table",
            [
                show_table(record),
                html_document.paragraph(NOTE),
            ],
        ),
        (
            "Curves and potentials",
            [show_pictures(pictures, rest), html_document.paragraph(note) if note else ""],
        ),
        *_explain_networks(record),
        ("Every run", show_runs(outcomes)),
        (f"Setting: {next(iter(record['settings']))}", show_setting(first)),
    ]
    seeds = ", ".join(map(str, record["seeds"]))
    end = reproduce_box(record, record["runs"], seeds)
    return html_document.render_page("Baseline against SAST", record["verdict"], sections, end=end)


def _explain_networks(record: Mapping) -> list[tuple[str, list[str]]]:
    """What the diagnosis of single networks said, where the record has it."""
    explained = record.get("explained", {})
    shown = [
        part
        for name, said in explained.items()
        for part in (html_document.paragraph(f"{name}:"), html_document.sentences(said))
    ]
    more = "One network each; all figures of any network: python -m refsast diagnose."
    title = "Where the gap comes from"
    return [(title, [*shown, html_document.paragraph(more)])] if shown else []
