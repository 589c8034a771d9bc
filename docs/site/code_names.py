"""Inline code that names something, such as ``rs.check``, leads to its entry in the reference."""

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

NAME = re.compile(r"(rs|refsast|proofs_check|np|numpy|scipy|torch|matplotlib)((?:\.\w+)+)(\(.*\))?")
LONG = {"rs": "refsast", "np": "numpy"}


def find_name(text: str) -> str | None:
    """Return the full name of what a piece of inline code names, if it names something."""
    match = NAME.fullmatch(text)
    return LONG.get(match[1], match[1]) + match[2] if match else None


def link_names(app: Sphinx, doctree: nodes.document) -> None:
    """Turn each name into a reference; one that has no entry stays as it is, in silence."""
    for literal in list(doctree.findall(nodes.literal)):
        name = find_name(literal.astext())
        if name is None or isinstance(literal.parent, nodes.reference | addnodes.pending_xref):
            continue
        reference = addnodes.pending_xref(
            "", refdomain="py", reftype="obj", reftarget=name, refwarn=False
        )
        reference["refdoc"] = app.env.docname
        literal.replace_self(reference)
        reference += literal


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect it."""
    app.connect("doctree-read", link_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
