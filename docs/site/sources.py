"""The sources of the site in one folder: pages as they are, with what is told from the code."""

import json
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from claims import claim_pages, draw_graph, fill_claims
from inventories import write_inventories
from reference import reference_pages

COPIED = ("*.md", "docs/*.md", "docs/guides/*.md", "docs/*.csv", "docs/figures/*", "LICENSE")
NOTEBOOKS = ("notebooks/*.ipynb", "notebooks/README.md")
CODE = r"(?:refsast|proofs_check|tests|tools)/[\w/]+\.py"
CODE_LINK = re.compile(rf"\]\(((?:\.\./)*)({CODE})\)")
CODE_NAME = re.compile(rf"`({CODE})`")
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
    reference = dict(reference_pages(root))
    for name, text in {**dict(claim_pages(root)), **reference}.items():
        write(to / name, text)
    write_inventories(to / "inventories")
    draw_graph(to / "docs/figures/claims.svg")
    change(
        to / "docs/theory.md",
        lambda text: fill_claims(root, text).replace("figures/claims.png", "figures/claims.svg"),
    )
    change(to / "README.md", lambda text: text.replace("# refsast\n", "# Overview\n", 1))
    change(to / "docs/names.md", lambda text: text + contents(reference))
    change(to / "docs/guides/README.md", add_linked_pages)
    change(to / "notebooks/README.md", lambda text: text + course(to))
    for page in sorted(to.rglob("*.md")):
        change(page, link_code)
    for path in mentioned_code(to):
        show_code(root, to, path)


def write(path: Path, text: str) -> None:
    """Write a page, its folder with it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def change(path: Path, edit: Callable[[str], str]) -> None:
    """Rewrite a page."""
    path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8")


def contents(pages: Iterable[str]) -> str:
    """Return pages as a table of contents, not shown."""
    return HIDDEN.format(entries="\n".join(f"/{page.removesuffix('.rst')}" for page in pages))


def add_linked_pages(text: str) -> str:
    """Return a page with the pages that its table links to as its contents, in their order."""
    entries = re.findall(r"^\|.*\]\((\w+)\.md\)", text, flags=re.M)
    return text + HIDDEN.format(entries="\n".join(entries))


def course(to: Path) -> str:
    """Return the notebooks in order: all as contents, and a line for each that is not listed."""
    notebooks = sorted(to.glob("notebooks/*.ipynb"))
    listed = (to / "notebooks/README.md").read_text(encoding="utf-8")
    others = [head(path) for path in notebooks if f"({path.name})" not in listed]
    lines = "\n".join(f"- [{title}]({name}): {says}" for name, title, says in others)
    hidden = HIDDEN.format(entries="\n".join(path.stem for path in notebooks))
    return (f"\n## More\n\n{lines}\n" if others else "") + hidden


def head(notebook: Path) -> tuple[str, str, str]:
    """Return the name of a notebook, its title, and the first sentence below it."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    text = "".join(next(c["source"] for c in cells if c["cell_type"] == "markdown"))
    title, _, rest = text.partition("\n")
    first = re.split(r"(?<=[.?!])\s", " ".join(rest.split()), maxsplit=1)[0]
    return notebook.name, title.removeprefix("# ").strip(), first


def link_code(text: str) -> str:
    """Return a page whose links to files of code lead to the pages that show them."""
    return CODE_LINK.sub(lambda m: f"]({m[1]}code/{m[2].removesuffix('.py')}.md)", text)


def mentioned_code(to: Path) -> list[str]:
    """Return the files of code that pages and notebooks link to or name, once each."""
    texts = [
        path.read_text(encoding="utf-8")
        for path in to.rglob("*")
        if path.suffix in (".md", ".ipynb") and path.is_file()
    ]
    linked = {
        f"{name}.py" for t in texts for name in re.findall(r"\]\([./]*code/([\w/]+)\.md\)", t)
    }
    return sorted(linked | {name for t in texts for name in CODE_NAME.findall(t)})


def show_code(root: Path, to: Path, path: str) -> None:
    """Write the page that shows a file of code."""
    if (root / path).exists():
        shown = to / "code" / path
        write(shown.with_suffix(".md"), CODE_PAGE.format(path=path, name=shown.name))
        shutil.copy2(root / path, shown)
