"""Inline code that names something leads there; other small changes to what is read.

Names are ``rs.check`` and the like, files are ``docs/theory.md``, ``refsast/model/lif.py``,
``05_geometry_of_sam``. Figures of notebooks get the sentences that come after them as their
alternative text. A number keeps its interval, or its per cent, on its line.
"""

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

FILE = re.compile(
    r"(?P<page>(?:docs|notebooks)/[\w/]+)\.(?:md|ipynb)"
    r"|(?P<code>(?:refsast|proofs_check|tests|tools)/[\w/]+)\.py"
    r"|(?P<notebook>\d\d_\w+)"
)
NAME = re.compile(r"(rs|refsast|proofs_check|np|numpy|scipy|torch|matplotlib)((?:\.\w+)+)(\(.*\))?")
NUMBER = re.compile(r"(?<=[\d*]) (?=[±%])|(?<=±) (?=\d)")
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


def find_page(app: Sphinx, text: str) -> str | None:
    """Return the page of a file that a piece of inline code names, if the site has it."""
    match = FILE.fullmatch(text)
    if match is None:
        return None
    page = match["page"] or (
        f"code/{match['code']}" if match["code"] else f"notebooks/{match['notebook']}"
    )
    return page if page in app.env.found_docs else None


def link_names(app: Sphinx, doctree: nodes.document) -> None:
    """Turn each name into a reference; one that has no entry stays as it is, in silence."""
    for literal in list(doctree.findall(nodes.literal)):
        text = literal.astext()
        page, name = find_page(app, text), find_name(text)
        if page is not None:
            about = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{page}"}
        elif name is not None:
            about = {"refdomain": "py", "reftype": "obj", "reftarget": name}
        else:
            continue
        if isinstance(literal.parent, nodes.reference | addnodes.pending_xref | nodes.title):
            continue
        reference = addnodes.pending_xref("", **about, refwarn=False, refexplicit=True)
        reference["refdoc"] = app.env.docname
        literal.replace_self(reference)
        reference += literal


def describe_figures(app: Sphinx, doctree: nodes.document) -> None:
    """Give each figure of a notebook the two sentences after it as its alternative text."""
    if not app.env.docname.startswith("notebooks/"):
        return
    last: list[nodes.image] = []
    for node in doctree.findall(lambda n: isinstance(n, nodes.image | nodes.paragraph)):
        if isinstance(node, nodes.image):
            last.append(node)
            continue
        sentences = re.split(r"(?<=[.?!:])\s", node.astext().replace("\n", " "))
        for image in last:
            image["alt"] = f"Figure: {' '.join(sentences[:2])}"
        last.clear()


def join_numbers(app: Sphinx, doctree: nodes.document) -> None:
    """Keep a number with its interval, or its per cent, on one line."""
    for text in list(doctree.findall(nodes.Text)):
        joined = NUMBER.sub("\u00a0", str(text))
        if joined != text and not isinstance(text.parent, nodes.literal | nodes.literal_block):
            text.parent.replace(text, nodes.Text(joined))


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
    app.connect("doctree-read", describe_figures)
    app.connect("doctree-read", join_numbers)
    app.connect("doctree-read", link_names)
    app.connect("missing-reference", find_elsewhere, priority=100)  # before intersphinx
    return {"parallel_read_safe": True, "parallel_write_safe": True}
