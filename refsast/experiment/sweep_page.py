"""The page of a sweep: a line for one varied field, maps for two, a row per combination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from refsast.codec import Json
from refsast.experiment import html_document, page_figures
from refsast.experiment.explanation import SWAP, explain_chance
from refsast.experiment.outcome import (
    Outcome,
    count_diverged,
    format_value,
    list_arms,
    mean_of_arm,
    read_outcomes,
)
from refsast.experiment.page_parts import (
    reproduce_box,
    show_pictures,
    show_runs,
    show_setting,
    show_table,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ARMS = 16  # in one picture
SHORT_TITLES = {
    "hard": "hard accuracy (%)",
    "gap": "transfer gap (points)",
    "silent": "silent recordings (%)",
}
TITLES = {
    "hard": "Hard accuracy (%)",
    "gap": "Transfer gap (points)",
    "silent": "Recordings in which no output neuron fires with hard spikes (%)",
}


def find_fields(settings: Mapping[str, Mapping[str, Json]]) -> dict[str, list[str]]:
    """Return the fields in which settings differ, each with its values in order, as text."""
    first = next(iter(settings.values()))
    varied = {}
    for field in first:
        values = {format_value(s.get(field)): s.get(field) for s in settings.values()}
        if len(values) > 1 and field not in ("is", "source"):
            numbers = {text: v for text, v in values.items() if isinstance(v, int | float)}
            ordered = len(numbers) == len(values)
            varied[field] = sorted(numbers, key=numbers.__getitem__) if ordered else list(values)
    return varied


def _list_measures(outcomes: Sequence[Outcome]) -> list[str]:
    """The measures that have a picture of their own."""
    silent = any("silent" in outcome.scores for outcome in outcomes)
    return ["hard", "gap", "silent"] if silent else ["hard", "gap"]


def draw_sweep(record: Mapping) -> dict[str, Figure]:
    """Return the figures of a sweep; none where nothing or too much is varied for a picture."""
    outcomes, settings = read_outcomes(record), record["settings"]
    varied = find_fields(settings)
    if len(varied) == 1:
        return _draw_lines(outcomes, settings, *varied.items())
    if len(varied) == 2:
        return {
            f"map_{measure}.png": _draw_map(outcomes, settings, varied, measure)
            for measure in _list_measures(outcomes)
        }
    if 0 < len(settings) <= MOST_ARMS:
        dots = page_figures.arm_dots(outcomes, ("smooth", "hard"), "accuracy, held-out (%)")
        return {"accuracy_by_arm.png": dots}
    return {}


def _draw_lines(
    outcomes: Sequence[Outcome],
    settings: Mapping[str, Mapping[str, Json]],
    varied: tuple[str, list[str]],
) -> dict[str, Figure]:
    """Accuracies, gap and silent share against the values of one field."""
    field, values = varied
    by_value = {format_value(s[field]): arm for arm, s in settings.items()}
    arms = {by_value[value]: value for value in values}
    name = field.replace("_", " ")
    pictures = {
        f"{measure}_by_value.png": page_figures.value_lines(
            outcomes, arms, (measure,), name, page_figures.NAMES[measure]
        )
        for measure in _list_measures(outcomes)[1:]
    }
    both = page_figures.value_lines(outcomes, arms, ("smooth", "hard"), name, "accuracy (%)")
    return {"accuracy_by_value.png": both, **pictures}


def _draw_map(
    outcomes: Sequence[Outcome],
    settings: Mapping[str, Mapping[str, Json]],
    varied: Mapping[str, list[str]],
    measure: str,
) -> Figure:
    """One measure over two fields; the one with more values goes down the page."""
    rows, columns = sorted(varied, key=lambda field: -len(varied[field]))
    shape = len(varied[rows]), len(varied[columns])
    means, lost = np.full(shape, np.nan), np.zeros(shape, int)
    for arm, setting in settings.items():
        i, j = (varied[field].index(format_value(setting[field])) for field in (rows, columns))
        mean = mean_of_arm(outcomes, arm, measure)
        means[i, j] = np.nan if mean is None else mean.value
        lost[i, j] = count_diverged(outcomes, arm)
    names = (rows.replace("_", " "), columns.replace("_", " "))
    figure = page_figures.heat_map(means, lost, varied[rows], varied[columns], names)
    figure.axes[0].set_title(SHORT_TITLES[measure], fontsize=11)
    return figure


def _write_captions(outcomes: Sequence[Outcome]) -> dict[str, str]:
    star = " A star: some runs of the cell diverged." if _count_all_diverged(outcomes) else ""
    shade = (
        "mean over the seeds; the darker a cell, the larger its number. The table has the "
        f"intervals.{star}"
    )
    bars = "means; bars are 95 % intervals over the seeds (from three seeds on)."
    return {
        "accuracy_by_value.png": "Accuracy after the last epoch, open circles with smooth spikes, "
        f"squares with hard ones: {bars}",
        "gap_by_value.png": f"Transfer gap, smooth less hard: {bars}",
        "silent_by_value.png": f"{TITLES['silent']}: {bars}",
        **{f"map_{measure}.png": f"{title}: {shade}" for measure, title in TITLES.items()},
        "accuracy_by_arm.png": f"Accuracy of every combination: {bars}",
    }


def _count_all_diverged(outcomes: Sequence[Outcome]) -> int:
    """How many runs diverged."""
    return sum(outcome.diverged is not None for outcome in outcomes)


def _write_lead(
    record: Mapping, outcomes: Sequence[Outcome], varied: Mapping[str, list[str]]
) -> str:
    """How much was run, and between what figures it came out."""
    arms, seeds = list_arms(outcomes), len(record["seeds"])
    fields = " and ".join(field.replace("_", " ") for field in varied)
    text = f"{len(arms)} combinations{f' of {fields}' if fields else ''}, {seeds} "
    text += "seeds each" if seeds > 1 else "seed each"
    hard, gap = (
        [m.value for m in (mean_of_arm(outcomes, arm, name) for arm in arms) if m is not None]
        for name in ("hard", "gap")
    )
    if not hard:
        return f"{text}: every run diverged."
    return (
        f"{text}: mean hard accuracy from {min(hard):.1f} to {max(hard):.1f} %, mean transfer gap "
        f"from {min(gap):.1f} to {max(gap):.1f} points."
    )


def _explain_sweep(record: Mapping, outcomes: Sequence[Outcome], varied: Mapping) -> list[str]:
    """What the words mean, and what a sweep cannot say."""
    said = [SWAP]
    if "to validate" in record["recordings"]:
        said.append(
            "All figures are of validation recordings: choose a setting by them, then measure it "
            "once on test recordings."
        )
    else:
        said.append(
            "All figures are of the test recordings. The best of several combinations looks better "
            "here than it is. To choose one, sweep with the flag --validation."
        )
    said += explain_chance(record, outcomes)
    if len(record["seeds"]) < 3:
        said.append("Fewer than three seeds: there are no intervals.")
    if lost := _count_all_diverged(outcomes):
        said.append(f"{lost} of {len(outcomes)} runs diverged and are left out of the means.")
    if len(varied) > 2 and len(list_arms(outcomes)) > MOST_ARMS:
        said.append("Too much is varied for a picture: the table has it all.")
    return said


def render_sweep(record: Mapping, pictures: Mapping[str, bytes]) -> str:
    """Return the page of a sweep."""
    outcomes, settings = read_outcomes(record), record["settings"]
    varied = find_fields(settings)
    first = next(iter(settings.values()))
    fixed = {name: value for name, value in first.items() if name not in varied}
    drawn = show_pictures(pictures, _write_captions(outcomes))
    sections = [
        (
            "What is seen",
            [html_document.sentences(_explain_sweep(record, outcomes, varied)), drawn],
        ),
        ("Table", [show_table(record)]),
        ("Every run", show_runs(outcomes)),
        ("What was not varied", show_setting(fixed)),
    ]
    seeds = ", ".join(map(str, record["seeds"]))
    end = reproduce_box(record, record["runs"], seeds)
    lead = _write_lead(record, outcomes, varied)
    return html_document.render_page("Sweep", lead, sections, end=end)
