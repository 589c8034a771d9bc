"""Inline code that names something, such as ``rs.check``, leads to its entry in the reference."""

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

NAME = re.compile(r"(rs|refsast|proofs_check|np|numpy|scipy|torch|matplotlib)((?:\.\w+)+)(\(.*\))?")
LONG = {"rs": "refsast", "np": "numpy", "nn": "torch.nn"}
# What signatures and docstrings call by its last name.
OTHERS = {
    "ArrayLike": "numpy.typing.ArrayLike",
    "NDArray": "numpy.typing.NDArray",
    "ndarray": "numpy.ndarray",
    "Generator": "numpy.random.Generator",
    "Tensor": "torch.Tensor",
    "Figure": "matplotlib.figure.Figure",
    "Path": "pathlib.Path",
    "Callable": "collections.abc.Callable",
    "Iterable": "collections.abc.Iterable",
    "Iterator": "collections.abc.Iterator",
    "Mapping": "collections.abc.Mapping",
    "Sequence": "collections.abc.Sequence",
}


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


def find_elsewhere(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, shown: nodes.Element
) -> nodes.Element | None:
    """Look a short name up: as one of `refsast`, of the module it stands in, or of another project.

    Where it is another project's, the name is made long, and intersphinx comes next.
    """
    if node.get("refdomain") != "py":
        return None
    target, python = node["reftarget"], env.domains["py"]
    here = node.get("py:module") or "refsast"
    for full in (f"refsast.{target}", f"{here}.{target}"):
        if python.objects.get(full):
            return python.resolve_xref(env, node["refdoc"], app.builder, "obj", full, node, shown)
    first, _, rest = target.partition(".")
    node["reftarget"] = OTHERS.get(target) or f"{LONG.get(first, first)}.{rest}".rstrip(".")
    return None


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect it."""
    app.connect("doctree-read", link_names)
    app.connect("missing-reference", find_elsewhere, priority=100)  # before intersphinx
    return {"parallel_read_safe": True, "parallel_write_safe": True}
