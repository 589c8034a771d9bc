"""What several pages share: captioned pictures, the setting, every run, how to make it again."""

import re
import shlex
from collections.abc import Mapping, Sequence

from refsast.codec import Json
from refsast.experiment import html_document
from refsast.experiment.outcome import Outcome, format_value

NOT_RECORDED = "not recorded"
POTENTIALS = re.compile(r"membrane(_layer_(\d+))?\.png")
LONG = 12  # rows, from which on a table is folded


def caption_potentials(pictures: Mapping[str, bytes]) -> dict[str, str]:
    """Return the captions of the pictures of the potentials, layer by layer."""
    found = sorted((m for m in map(POTENTIALS.fullmatch, pictures) if m), key=_read_layer)
    return {
        m.string: f"{f'Layer {m[2]}: distance' if m[2] else 'Distance'} of the potentials from "
        "threshold. What lies near zero is what the swap to hard spikes moves."
        for m in found
    }


def _read_layer(match: re.Match) -> int:
    """The layer of a picture of potentials."""
    return int(match[2] or 0)


def show_pictures(pictures: Mapping[str, bytes], captions: Mapping[str, str]) -> str:
    """Return those pictures that are there, in the order of their captions."""
    there = [
        html_document.picture(pictures[name], text)
        for name, text in captions.items()
        if name in pictures
    ]
    return html_document.gallery(there) if there else ""


def show_setting(setting: Mapping[str, Json]) -> list[str]:
    """Return where a setting comes from, and its fields."""
    fields = [
        (name.replace("_", " "), format_value(value))
        for name, value in setting.items()
        if name not in ("is", "source")
    ]
    return [html_document.paragraph(str(setting["source"])), html_document.facts(fields)]


def show_table(record: Mapping) -> str:
    """Return the table of a record, without the columns in which nothing stands."""
    headings, rows = record["headings"], record["table"]
    filled = [i for i in range(len(headings)) if any(row[i] for row in rows)]
    return html_document.table(
        [headings[i] for i in filled], [[row[i] for i in filled] for row in rows]
    )


RUN_HEADINGS = ("arm", "seed", "smooth %", "hard %", "gap", "hard %, thresholds re-tuned")
MEASURES = ("smooth", "hard", "gap", "retuned")


def show_runs(outcomes: Sequence[Outcome]) -> list[str]:
    """Return every run as a row, folded where there are many; a run that diverged says when."""
    headings, measures = RUN_HEADINGS, MEASURES
    if any("silent" in outcome.scores for outcome in outcomes):
        headings, measures = (*headings, "silent %"), (*measures, "silent")
    diverged = any(outcome.diverged is not None for outcome in outcomes)
    if diverged:
        headings = (*headings, "outcome")
    rows = []
    for outcome in outcomes:
        values = [outcome.last(measure) for measure in measures]
        cells = ["" if value is None else f"{value:.1f}" for value in values]
        if diverged:
            cells.append(_describe_outcome(outcome))
        rows.append((outcome.arm, str(outcome.seed), *cells))
    table = html_document.table(headings, rows)
    return [html_document.foldable(f"All {len(rows)} runs", [table]) if len(rows) > LONG else table]


def _describe_outcome(outcome: Outcome) -> str:
    """How a run ended."""
    return "finished" if outcome.diverged is None else f"diverged at step {outcome.diverged}"


def reproduce_box(record: Mapping, runs: Sequence[Mapping], seeds: str) -> str:
    """Return how to make the result again: command, versions, data, date, seeds.

    What the record does not have is said to be not recorded.
    """
    command = record.get("command")
    rows = [
        ("date", str(record.get("date") or NOT_RECORDED)),
        ("versions", _join_versions(runs)),
        ("recordings", str(record.get("recordings") or NOT_RECORDED)),
        ("SHA-256 of the training data", _join_values(runs, "data")),
        ("SHA-256 of the held-out data", _join_values(runs, "held_out")),
        ("seeds", seeds),
        ("gradients of a minibatch, per run", _join_values(runs, "evaluations")),
    ]
    said = []
    if command:
        said.append(html_document.code_block(f"python -m refsast {shlex.join(command)}"))
    if not command:
        rows.insert(0, ("command", NOT_RECORDED))
    return html_document.box("Reproduce", [*said, html_document.facts(rows)])


def _join_values(runs: Sequence[Mapping], key: str) -> str:
    """The values that runs have under a key, each once."""
    found = dict.fromkeys(str(run[key]) for run in runs if run.get(key) is not None)
    return ", ".join(found) or NOT_RECORDED


def _join_versions(runs: Sequence[Mapping]) -> str:
    """The versions that runs were made with, each set of them once."""
    found = dict.fromkeys(
        ", ".join(f"{name} {version}" for name, version in run["versions"].items())
        for run in runs
        if run.get("versions")
    )
    return "; ".join(found) or NOT_RECORDED
