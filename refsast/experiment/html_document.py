"""A self-contained HTML page: text, tables and pictures in one file that needs no network."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2733; background: #fff;
       max-width: 68rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
p.lead { font-size: 1.1rem; color: #33475b; }
div.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid #dbe2ea; text-align: right; }
td { white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
td:last-child { white-space: normal; overflow-wrap: anywhere; }
th { border-bottom: 2px solid #1d2733; vertical-align: bottom; }
figure { margin: 1rem 0; } img { max-width: 100%; height: auto; }
figcaption { color: #55677a; font-size: .9rem; }
code { background: #f2f5f8; padding: .1rem .3rem; overflow-wrap: anywhere; }
"""


def encode_png(figure: Figure, dpi: int = 110) -> bytes:
    """Return a figure as the content of a PNG file."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def paragraph(text: str) -> str:
    """Return a paragraph."""
    return f"<p>{escape(text)}</p>"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table, which scrolls sideways where the page is narrow."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in headings)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def picture(content: bytes, caption: str) -> str:
    """Return a PNG, embedded, with its caption."""
    data = base64.b64encode(content).decode("ascii")
    return (
        f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def render_page(title: str, lead: str, sections: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return a whole page, which refers to nothing outside itself.

    `lead` is the one sentence that most readers will read; a section is its heading and its parts
    in HTML.
    """
    body = "".join(f"<h2>{escape(heading)}</h2>{''.join(parts)}" for heading, parts in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f'<body><h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>{body}</body></html>\n'
    )
