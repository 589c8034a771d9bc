"""Mathematics as MathML, which browsers draw themselves: no script, no font, no network."""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

# Operators around which TeX leaves no space: bars of a magnitude or a norm, and a slash.
TIGHT = re.compile(r'<mo(?: stretchy="false")?>(&#x0007C;|&#x02016;|&#x02225;|/|&#x0002F;)</mo>')


def to_mathml(tex: str, display: str) -> str:
    """Return a formula as MathML; a warning where the converter left a command as it was."""
    known = tex.replace("{aligned}", "{split}")
    text = TIGHT.sub(
        r'<mo lspace="0" rspace="0" stretchy="false">\1</mo>', convert(known, display=display)
    )
    if any(left in text for left in ("\\", "<mi>&</mi>", "linebreak")):
        logger.warning("this formula has a command that is not known: %s", tex)
    return text.replace("<mi>&#x02032;</mi>", "<mo>&#x02032;</mo>")


def visit_inline(writer: HTML5Translator, node: nodes.math) -> None:
    """Write a formula that stands in a line."""
    writer.body.append(to_mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def visit_display(writer: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula that stands alone; one that is wider than the screen scrolls by itself."""
    writer.body.append(f'<div class="formula">{to_mathml(node.astext(), "block")}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the renderer."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
