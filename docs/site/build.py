"""Build the site: ``python docs/site/build.py``; it is then in ``build/site``.

Rule 1: no text stands twice. The pages are the Markdown files of the repository and the notebooks;
        what can be told from the code (the reference, the claims) is written here, at build time.
Rule 2: nothing is fetched, nothing of a notebook is executed, and a warning is an error.
"""

import re
import shutil
import sys
import time
from pathlib import Path

from sphinx.cmd.build import build_main

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT)]

from sources import write_sources  # noqa: E402

SOURCES, SITE = ROOT / "build" / "site-source", ROOT / "build" / "site"


def count_words(site: Path) -> tuple[int, int]:
    """Return how many pages there are to read, and their words without the navigation."""
    shown = {site / name for name in ("code", "_modules")}  # code, not prose
    pages = [page for page in site.rglob("*.html") if not shown & set(page.parents)]
    articles = [re.findall(r"<article.*?</article>", p.read_text("utf-8"), re.S) for p in pages]
    text = " ".join(re.sub(r"<[^>]+>", " ", article) for found in articles for article in found)
    return len(pages), len(text.split())


def remove_ways_back(site: Path) -> None:
    """Remove links from shown code to the reference: some lead to a name of another module."""
    for path in site.glob("_modules/**/*.html"):
        text = path.read_text(encoding="utf-8")
        without = re.sub(r'<a class="viewcode-back".*?</a>', "", text)
        path.write_text(without, encoding="utf-8")


def main() -> int:
    """Build all of it and return Sphinx's exit code."""
    start = time.perf_counter()
    shutil.rmtree(SITE, ignore_errors=True)
    write_sources(ROOT, SOURCES)
    flags = ["--fail-on-warning", "--keep-going", "--quiet", "--jobs", "2"]
    code = build_main([*flags, "--conf-dir", str(HERE), str(SOURCES), str(SITE)])
    if code == 0:
        remove_ways_back(SITE)
        pages, words = count_words(SITE)
        seconds = time.perf_counter() - start
        print(f"{SITE / 'index.html'}: {pages} pages, {words:,} words, {seconds:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
