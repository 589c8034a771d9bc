"""What ``python -m refsast diagnose`` prints and leaves: tables, record, pictures, page."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from refsast.codec import Json, write_json
from refsast.experiment import html_document, tables
from refsast.experiment.diagnose import figures
from refsast.experiment.diagnose.explain import explain, percent, points
from refsast.experiment.diagnose.record import (
    Diagnosis,
    LayerDiagnosis,
    Outcome,
    Swap,
    encode_diagnosis,
)
from refsast.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Section: TypeAlias = tuple[str, list[str]]  # its heading, and its parts in HTML

RECORD, PAGE = "diagnosis.json", "diagnosis.html"
PICTURES: Mapping[str, tuple[Callable[[Diagnosis], "Figure"], str]] = {
    "diagnosis_swaps.png": (
        figures.swap_accuracies,
        "Accuracy with all layers smooth, one layer hard (squares), all but one hard (triangles), "
        "all hard; bars are two standard errors. A layer matters whose square lies far to the left "
        "and whose triangle lies far to the right.",
    ),
    "diagnosis_flips.png": (
        figures.flip_map,
        "Share of neurons and recordings, in per cent, whose hard spike is not what the smooth "
        "potential calls for, by layer and step: with all layers hard, and with this layer alone.",
    ),
    "diagnosis_margins.png": (
        figures.margin_quantiles,
        "Margins, smallest first. A curve crosses zero at the share of wrong answers; where it "
        "lies on zero, logits are tied.",
    ),
}
NOTE = (
    "Only this layer: its swap while all others stay smooth; in turn: after those before it (these "
    "costs add up to the gap); last: after all others. Costs in points with their standard error, "
    "the recordings paired. Flipped: the hard network's spike is not what the smooth network's "
    "potential calls for; by itself: the same where only this layer is hard. Near threshold: "
    "within a tenth of it. Logit and margin shifts: of the layer's swap in turn; those of the "
    "margin add up to the whole."
)


def summary_rows(diagnosis: Diagnosis) -> list[tuple[str, ...]]:
    """Return headings and rows on the two outcomes."""
    d = diagnosis
    pair = (d.smooth, d.hard)

    def row(name: str, show: Callable[[Outcome], str]) -> tuple[str, ...]:
        return name, *map(show, pair)

    return [
        (f"{d.recordings} recordings, {d.steps} steps", "smooth", "hard"),
        row("read correctly", lambda o: percent(o.accuracy)),
        row("a tie of k counted 1/k", lambda o: percent(o.shared)),
        row("tied", lambda o: percent(o.tied)),
        ("no output spike", "", percent(d.share(d.silent))),
        *(
            row(f"margin, {name}", lambda o, q=q: f"{o.margins[q]:.3g}")
            for name, q in (("5 %", 5), ("median", 50), ("95 %", 95))
        ),
        row("margin, mean", lambda o: f"{o.mean_margin:.3g}"),
    ]


MEASURES: tuple[tuple[str, Callable[[LayerDiagnosis], str]], ...] = (
    ("neurons", lambda layer: str(layer.neurons)),
    ("only this layer hard", lambda layer: percent(layer.only.accuracy)),
    ("all but this layer hard", lambda layer: percent(layer.all_but)),
    ("up to this layer hard", lambda layer: percent(layer.first.accuracy)),
    ("cost alone", lambda layer: _format_cost(layer.only)),
    ("cost in turn", lambda layer: _format_cost(layer.first)),
    ("cost last", lambda layer: _format_cost(layer.last)),
    ("flipped spikes", lambda layer: percent(float(layer.flips.mean()))),
    ("flipped by itself", lambda layer: percent(float(layer.own_flips.mean()))),
    (
        "smooth spikes from below",
        lambda layer: "none" if layer.below is None else percent(layer.below),
    ),
    ("mean spike, smooth", lambda layer: f"{layer.rate_smooth:.3g}"),
    ("mean spike, hard", lambda layer: f"{layer.rate_hard:.3g}"),
    ("near threshold, smooth", lambda layer: percent(layer.near_smooth)),
    ("near threshold, hard", lambda layer: percent(layer.near_hard)),
    ("size of logit shift", lambda layer: f"{layer.logit_shift:.3g}"),
    ("margin shift", lambda layer: f"{layer.margin_shift:+.3g}"),
)


def _format_cost(swap: Swap) -> str:
    return f"{points(swap.cost)} ± {points(swap.error)}"


def layer_rows(diagnosis: Diagnosis) -> list[tuple[str, ...]]:
    """Return headings and rows, a column per layer."""
    names = [f"layer {i + 1}" for i in range(len(diagnosis.layers))]
    rows = [(name, *map(show, diagnosis.layers)) for name, show in MEASURES]
    return [("by layer", *names), *rows]


def format_diagnosis(diagnosis: Diagnosis) -> str:
    """Return the tables and the sentences as text."""
    blocks = [tables.align_columns(rows(diagnosis)) for rows in (summary_rows, layer_rows)]
    return "\n\n".join([*blocks, "\n".join(explain(diagnosis))])


def draw_pictures(diagnosis: Diagnosis) -> dict[str, bytes]:
    """Return the figures as PNG, by the name of their file."""
    return {name: html_document.encode_png(draw(diagnosis)) for name, (draw, _) in PICTURES.items()}


def make_sections(diagnosis: Diagnosis, pictures: Mapping[str, bytes]) -> list[Section]:
    """Return the sections of a page, this one's or another's, that show a diagnosis."""
    shown = [html_document.picture(pictures[name], says) for name, (_, says) in PICTURES.items()]
    sentences = explain(diagnosis)[1:]  # the first leads the page
    return [
        ("What is seen", [html_document.paragraph(sentence) for sentence in sentences]),
        ("Smooth and hard", [_make_table(summary_rows(diagnosis))]),
        ("Figures", shown),
        ("Layer by layer", [_make_table(layer_rows(diagnosis)), html_document.paragraph(NOTE)]),
    ]


def write_diagnosis(folder: Path, diagnosis: Diagnosis, facts: Mapping[str, Json]) -> Path:
    """Write record, pictures and page, each whole or not at all; return the page's path.

    `facts` say what was diagnosed on what; they are kept in the record and shown on the page.
    """
    sentences, pictures = explain(diagnosis), draw_pictures(diagnosis)
    for name, content in pictures.items():
        write_atomic(folder / name, content)
    record = {**facts, "explained": list(sentences), "diagnosis": encode_diagnosis(diagnosis)}
    write_json(folder / RECORD, record)
    table = html_document.table(("what", "value"), [(name, str(facts[name])) for name in facts])
    sections = [*make_sections(diagnosis, pictures), ("Record", [table])]
    title = "Where the transfer gap comes from"
    content = html_document.render_page(title, sentences[0], sections)
    write_atomic(folder / PAGE, content.encode())
    return folder / PAGE


def _make_table(rows: Sequence[tuple[str, ...]]) -> str:
    """Headings and rows as HTML."""
    head, *body = rows
    return html_document.table(head, body)
