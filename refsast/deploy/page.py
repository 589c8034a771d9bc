"""What ``python -m refsast deploy`` prints and leaves: a table, a record, a figure, a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from refsast.codec import Json, write_json
from refsast.deploy.survey import Survey
from refsast.experiment import html_document, tables
from refsast.experiment.figures import COLOURS
from refsast.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RECORD, PAGE, PICTURE = "deployment.json", "deployment.html", "deployment.png"
CAPTION = (
    "Accuracy by the width of a weight: all numbers integers (circles), and with weights of this "
    "width and all else in real numbers (squares). Lines: real numbers, with smooth spikes "
    "(dotted) and with hard ones (dashed). Triangles: the share of recordings for which provably "
    "no rounding to this width changes the class of the real hard network."
)
NOTE = (
    "Weights alone: hard spikes, weights of this width, all else in real numbers. Integers: all of "
    "it. Same answer: as the hard network in real numbers. Certified: that answer is proved for "
    "every rounding to this width, whichever neighbour on the grid each weight takes. Did not fit: "
    "potentials beyond their format. Synaptic operations: additions per recording, one per event "
    "and neuron that it reaches; over weights that are not zero, in brackets. On few recordings an "
    "accuracy is uncertain by two standard errors, 2 sqrt(p (1 - p) / n)."
)
HEADINGS = (
    "weights",
    "weights alone",
    "integers",
    "same answer",
    "certified",
    "did not fit",
    "SynOps",
)


def table_rows(found: Survey) -> list[tuple[str, ...]]:
    """Return headings and rows."""
    rows = [HEADINGS, ("real, smooth spikes", percent(found.smooth), *[""] * 5)]
    rows.append(("real, hard spikes", percent(found.hard), *[""] * 4, f"{found.synaptic:,.0f}"))
    for each in found.deployed:
        shares = (
            *(each.weights_alone, each.accuracy, each.same_class),
            *(each.certified, each.overflows),
        )
        cost = f"{each.synaptic:,.0f} ({each.nonzero:,.0f})"
        rows.append((f"{each.bits} bits", *map(percent, shares), cost))
    return rows


def percent(share: float) -> str:
    """Return a share in per cent."""
    return f"{100.0 * share:.1f} %"


def lead(found: Survey) -> str:
    """Return what was found in a sentence."""
    words = ", ".join(f"{each.bits} bits {percent(each.accuracy)}" for each in found.deployed)
    return (
        f"Of {found.recordings} recordings, real numbers read {percent(found.smooth)} with smooth "
        f"spikes and {percent(found.hard)} with hard ones; integers with weights of {words}."
    )


def format_survey(found: Survey) -> str:
    """Return the sentence and the table as text."""
    return f"{lead(found)}\n\n{tables.align_columns(table_rows(found))}"


def draw(found: Survey) -> Figure:
    """Return accuracy over the width of a weight."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 3.6), layout="constrained")
    axis = figure.add_subplot()
    bits = [each.bits for each in found.deployed]
    alone = [100.0 * each.weights_alone for each in found.deployed]
    whole = [100.0 * each.accuracy for each in found.deployed]
    axis.axhline(100.0 * found.smooth, color=COLOURS[0], linestyle=":", label="real, smooth")
    axis.axhline(100.0 * found.hard, color=COLOURS[2], linestyle="--", label="real, hard")
    axis.plot(bits, alone, "s--", color="#444444", label="weights alone", fillstyle="none")
    axis.plot(bits, whole, "o-", color=COLOURS[2], label="integers")
    certified = [100.0 * each.certified for each in found.deployed]
    axis.plot(bits, certified, "^-", color=COLOURS[0], label="certified")
    axis.set_xticks(bits)
    axis.set_xlabel("bits of a weight")
    axis.set_ylabel("recordings (%)")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    return figure


def write_survey(folder: Path, found: Survey, facts: Mapping[str, Json]) -> Path:
    """Write record, picture and page, each whole or not at all; return the page's path.

    `facts` say what was run on what; they are kept in the record and shown on the page.
    """
    picture = html_document.encode_png(draw(found))
    write_atomic(folder / PICTURE, picture)
    write_json(folder / RECORD, {**facts, "survey": asdict(found)})
    head, *body = table_rows(found)
    record = html_document.table(("what", "value"), [(name, str(facts[name])) for name in facts])
    costs = (
        f"Per recording: {found.dense:,.0f} multiplications if every input were multiplied at "
        f"every step, {found.updates:,.0f} leaks of a potential."
    )
    sections = [
        ("By the width of a weight", [html_document.table(head, body)]),
        ("Figure", [html_document.picture(picture, CAPTION)]),
        ("What is what", [html_document.paragraph(NOTE), html_document.paragraph(costs)]),
        ("Record", [record]),
    ]
    content = html_document.render_page("The network in integers", lead(found), sections)
    write_atomic(folder / PAGE, content.encode())
    return folder / PAGE
