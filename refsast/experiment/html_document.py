"""A self-contained HTML page: text, tables and pictures in one file that needs no network.

It reads well from 320 px on: on a narrow screen every row of a table becomes a card.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2733; background: #fff;
       max-width: 72rem; margin: 2rem auto; padding: 0 1.2rem; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin-bottom: .2rem; }
h2 { font-size: 1.2rem; margin-top: 2.2rem; }
p, ul { max-width: 46rem; } ul { padding-left: 1.2rem; } li { margin-bottom: .3rem; }
p.lead { font-size: 1.1rem; color: #33475b; }
div.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .45rem; border-bottom: 1px solid #dbe2ea; text-align: right; }
table.wide { font-size: .85rem; } table.wide th, table.wide td { padding: .3rem; }
.number { white-space: nowrap; } th.text, td.text { text-align: left; }
th:first-child, td:first-child { text-align: left; min-width: 8rem; }
th { border-bottom: 2px solid #1d2733; vertical-align: bottom; }
.gallery { display: grid; gap: 1rem 2rem;
           grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
figure { margin: 1rem 0; max-width: 33rem; } figure.wide { max-width: none; }
img { max-width: 100%; height: auto; }
figcaption { color: #4a5b6d; font-size: .9rem; }
dl { display: grid; grid-template-columns: minmax(9rem, max-content) 1fr; gap: .2rem 1.5rem; }
dt { color: #4a5b6d; } dd { margin: 0; overflow-wrap: anywhere; }
section.box { border: 1px solid #8494a5; border-radius: 6px; padding: 0 1.2rem; margin: 2rem 0; }
section.box h2 { margin-top: 1rem; }
code { background: #f2f5f8; padding: .1rem .3rem; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; } pre code { display: block; padding: .5rem .8rem; }
summary { cursor: pointer; padding: .4rem 0; }
@media screen and (max-width: 50rem) {
  body { margin: 1rem auto; padding: 0 1rem; }
  thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  table, tbody { display: block; }
  tr { display: block; border: 1px solid #b9c5d1; border-radius: 6px; padding: .3rem .8rem;
       margin: .7rem 0; }
  table.wide { font-size: inherit; } table td, table.wide td { padding: .15rem 0; }
  td { display: flex; justify-content: space-between; gap: 1rem; border: 0;
       overflow-wrap: anywhere; }
  td::before { content: attr(data-label); color: #4a5b6d; text-align: left;
               white-space: normal; }
  td:first-child { font-weight: 600; } td:first-child::before { content: none; }
  td:empty { display: none; }
  dl:not(.short) { grid-template-columns: 1fr; gap: 0; }
  dl:not(.short) dd { margin-bottom: .5rem; }
  section.box { padding: 0 .8rem; }
}
@media print {
  body { margin: 0; max-width: none; font-size: 11pt; }
  tr, figure, section.box { break-inside: avoid; }
  div.scroll { overflow: visible; } th, td { padding: .2rem .4rem; }
  details::details-content { content-visibility: visible; display: block; }
}
"""

# The spaces between a number and its unit or its interval, which never break.
UNITS = re.compile(r" (?=%)|(?<=\d) (?=±|points?\b|seeds?\b)|(?<=±) (?=\d)")
SHORT = 32  # letters of a name and its value that stand side by side on a phone, too
EXPONENT = re.compile(r"(?<![\w.])[+-]?\d[\d.,]*e[+-]?\d+(?!\w)")  # breaks at its hyphen
INTERVAL = re.compile(r"[+-]?[\d.,]+\s±\s[\d.,]+")
WIDE = 8  # columns, from which on a table has smaller letters
NUMBER = re.compile(r"(?:< )?[+-]?[\d.,]+(e[+-]?\d+)?( ± [\d.,]+(e[+-]?\d+)?)?( ?%| points?)?")


class Link(str):
    """A text that leads to the heading of a section on the same page."""

    __slots__ = ("heading",)

    def __new__(cls, text: str, heading: str) -> Link:
        """Return the text, with the heading that it leads to."""
        link = super().__new__(cls, text)
        link.heading = heading
        return link


def encode_png(figure: Figure, dpi: int = 160) -> bytes:
    """Return a figure as the content of a PNG file."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def _escape_prose(text: str) -> str:
    """Text as HTML in which no number is broken, or parted from its unit or its interval."""
    return EXPONENT.sub(r'<span class="number">\g<0></span>', _escape_attribute(text))


def _escape_attribute(text: str) -> str:
    """Text as it may stand in an attribute, its numbers beside their units."""
    return escape(UNITS.sub("\N{NO-BREAK SPACE}", text))


def paragraph(text: str) -> str:
    """Return a paragraph."""
    return f"<p>{_escape_prose(text)}</p>"


def sentences(texts: Sequence[str]) -> str:
    """Return a list, one item per sentence."""
    return "<ul>" + "".join(f"<li>{_escape_prose(text)}</li>" for text in texts) + "</ul>"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; where the page is narrow, each row is a card of its own.

    Numbers, with or without their interval, are never broken over two lines; columns without any
    are to the left. A cell may be a `Link`. Raises ValueError if a row has not one cell per
    heading.
    """
    kinds = [
        "" if any(_is_number(row[i]) for row in rows if i < len(row)) else ' class="text"'
        for i in range(len(headings))
    ]
    head = "".join(
        f'<th scope="col"{kind}>{_escape_prose(cell)}</th>'
        for cell, kind in zip(headings, kinds, strict=True)
    )
    body = ""
    for row in rows:
        if len(row) != len(headings):
            raise ValueError(f"row must have a cell per heading ({len(headings)}), got {row}")
        body += "<tr>" + "".join(map(_render_cell, headings, row, kinds)) + "</tr>"
    kind = ' class="wide"' if len(headings) >= WIDE else ""
    return (
        f'<div class="scroll"><table{kind}><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _is_number(text: str) -> bool:
    """Whether a cell holds a number, perhaps with its interval and more beside it."""
    return bool(NUMBER.match(text)) and text[:1] != "," and not text.isalpha()


def _render_cell(heading: str, text: str, kind: str) -> str:
    """A cell, which carries its heading for the card that it may be shown in."""
    label = f'data-label="{_escape_attribute(heading)}"'
    if NUMBER.fullmatch(text):
        return f'<td class="number" {label}>{escape(text)}</td>'
    if isinstance(text, Link):
        return f'<td{kind} {label}><a href="#{anchor(text.heading)}">{escape(text)}</a></td>'
    # The number must not break; the span around all is one thing to the card that it lies in.
    whole = INTERVAL.sub(r'<span class="number">\g<0></span>', _escape_prose(text))
    whole = f"<span>{whole}</span>" if INTERVAL.search(text) else whole
    return f"<td{kind} {label}>{whole}</td>"


def anchor(heading: str) -> str:
    """Return the name by which a link finds a heading."""
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")


def facts(rows: Sequence[tuple[str, str]]) -> str:
    """Return names and what they stand for, side by side, or one above the other on a phone."""
    inside = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    kind = ' class="short"' if all(len(name + value) <= SHORT for name, value in rows) else ""
    return f"<dl{kind}>{inside}</dl>"


def code_block(text: str) -> str:
    """Return text as it is typed, broken only where the page ends."""
    return f"<pre><code>{escape(text)}</code></pre>"


def box(heading: str, parts: Sequence[str]) -> str:
    """Return a part of the page with a frame around it."""
    return f'<section class="box"><h2>{escape(heading)}</h2>{"".join(parts)}</section>'


def foldable(summary: str, parts: Sequence[str]) -> str:
    """Return a part of the page that is shown when its summary is clicked, or when printed."""
    return f"<details><summary>{escape(summary)}</summary>{''.join(parts)}</details>"


def picture(content: bytes, caption: str, *, wide: bool = False) -> str:
    """Return a PNG, embedded, with its caption; `wide`: as wide as the page."""
    data = base64.b64encode(content).decode("ascii")
    kind = ' class="wide"' if wide else ""
    return (
        f'<figure{kind}><img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{_escape_prose(caption)}</figcaption></figure>"
    )


def gallery(pictures: Sequence[str]) -> str:
    """Return pictures side by side where there is room, else one below the other."""
    return f'<div class="gallery">{"".join(pictures)}</div>'


def render_page(
    title: str, lead: str, sections: Sequence[tuple[str, Sequence[str]]], *, end: str = ""
) -> str:
    """Return a whole page, which refers to nothing outside itself.

    `lead` is the one sentence that most readers will read; a section is its heading and its parts
    in HTML; `end` is HTML that follows the last section.
    """
    body = "".join(
        f'<h2 id="{anchor(heading)}">{escape(heading)}</h2>{"".join(parts)}'
        for heading, parts in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f'<body><h1>{escape(title)}</h1><p class="lead">{_escape_prose(lead)}</p>{body}{end}</body>'
        "</html>\n"
    )
