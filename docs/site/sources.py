"""The sources of the site in one folder: pages as they are, with what is told from the code."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from claims import claim_pages, draw_graph, fill_claims
from inventories import write_inventories
from reference import reference_pages

COPIED = ("*.md", "docs/*.md", "docs/guides/*.md", "docs/*.csv", "docs/figures/*", "LICENSE")
NOTEBOOKS = ("notebooks/*.ipynb", "notebooks/README.md")
CODE_LINK = re.compile(r"\]\(((?:\.\./)*)((?:refsast|proofs_check|tests|tools)/[\w/]+\.py)\)")
# A page of code is not searched: its words would hide the pages that explain it.
CODE_PAGE = """---
orphan: true
nosearch: true
---

# {path}

```{{literalinclude}} {name}
:language: python
:linenos:
```
"""
HIDDEN = "\n```{{toctree}}\n:hidden:\n\n{entries}\n```\n"


def write_sources(root: Path, to: Path) -> None:
    """Write everything that the site is made of into the folder `to`, anew."""
    shutil.rmtree(to, ignore_errors=True)
    for pattern in (*COPIED, *NOTEBOOKS):
        for path in sorted(root.glob(pattern)):
            copy = to / path.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
    write(to / "index.md", (root / "docs/site/index.md").read_text("utf-8"))
    for name, text in (*claim_pages(root), *reference_pages(root)):
        write(to / name, text)
    write_inventories(to / "inventories")
    draw_graph(to / "docs/figures/claims.svg")
    change(
        to / "docs/theory.md",
        lambda text: fill_claims(root, text).replace("figures/claims.png", "figures/claims.svg"),
    )
    change(to / "docs/names.md", lambda text: text + contents(to, "reference/*.rst"))
    change(to / "docs/guides/README.md", lambda text: text + contents(to, "docs/guides/[a-z]*.md"))
    change(to / "notebooks/README.md", lambda text: text + course(to))
    for page in sorted(to.rglob("*.md")):
        change(page, lambda text, page=page: link_code(root, to, page, text))


def write(path: Path, text: str) -> None:
    """Write a page, its folder with it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def change(path: Path, edit) -> None:
    """Rewrite a page."""
    path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8")


def contents(to: Path, pattern: str) -> str:
    """Return a table of contents, not shown."""
    names = sorted(path.relative_to(to).with_suffix("") for path in to.glob(pattern))
    return HIDDEN.format(entries="\n".join(f"/{name}" for name in names))


def course(to: Path) -> str:
    """Return the notebooks in order, each with its first sentence."""
    notebooks = sorted(to.glob("notebooks/*.ipynb"))
    lines = [
        f"- [{title}]({path.name}): {says}" for path in notebooks for title, says in [head(path)]
    ]
    hidden = HIDDEN.format(entries="\n".join(path.stem for path in notebooks))
    return "\n## In order\n\n" + "\n".join(lines) + "\n" + hidden


def head(notebook: Path) -> tuple[str, str]:
    """Return the title of a notebook and the first sentence below it."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    text = "".join(next(c["source"] for c in cells if c["cell_type"] == "markdown"))
    title, _, rest = text.partition("\n")
    first = re.split(r"(?<=[.?!])\s", " ".join(rest.split()), maxsplit=1)[0]
    return title.removeprefix("# ").strip(), first


def link_code(root: Path, to: Path, page: Path, text: str) -> str:
    """Return a page whose links to files of code lead to pages that show them, written here."""

    def link(match: re.Match[str]) -> str:
        path = match[2]
        shown = to / "code" / Path(path).with_suffix(".md")
        if not shown.exists():
            write(shown, CODE_PAGE.format(path=path, name=Path(path).name))
            shutil.copy2(root / path, shown.with_suffix(".py"))
        return f"]({match[1]}code/{Path(path).with_suffix('.md')})"

    return CODE_LINK.sub(link, text)
