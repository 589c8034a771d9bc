"""The built site as data: its pages, what they link to, and where one can land."""

import json
import re
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build" / "site"
SOURCES = ("*.md", "docs/*.md", "docs/guides/*.md", "docs/site/*", "notebooks/*.ipynb")
# Pages that show code, or list things; nobody reads them from top to bottom.
LISTS = ("_modules", "code", "genindex.html", "py-modindex.html", "search.html")


def is_built() -> bool:
    """Whether the site is there, and not older than what it is made of."""
    start = SITE / "index.html"
    changed = max(path.stat().st_mtime for each in SOURCES for path in ROOT.glob(each))
    return start.exists() and start.stat().st_mtime >= changed


@dataclass
class Page(HTMLParser):
    """What a page links to, its anchors and its pictures."""

    text: str
    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    pictures: list[dict[str, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = dict(attrs)
        if about.get("id"):
            self.anchors.add(about["id"])
        if tag == "img":
            self.pictures.append(about)
        for name in ("href", "src"):
            if about.get(name):
                self.links.append(about[name])


@cache
def read_page(path: Path) -> Page:
    """Return a page of the site."""
    return Page(path.read_text(encoding="utf-8"))


def all_pages() -> list[Path]:
    """Every page of the site."""
    return sorted(SITE.rglob("*.html"))


def pages_to_read() -> list[Path]:
    """Every page that is there to be read."""
    return [p for p in all_pages() if p.relative_to(SITE).parts[0] not in LISTS]


def broken_links(path: Path) -> list[str]:
    """The links of a page that lead nowhere within the site."""
    return [link for link in read_page(path).links if not leads_somewhere(path, link)]


def leads_somewhere(path: Path, link: str) -> bool:
    """Whether what a page links to is there, its anchor too; other sites are not asked."""
    address, anchor = urldefrag(link)
    if urlsplit(address).scheme:
        return True
    place = unquote(urlsplit(address).path)
    target = (path.parent / place).resolve() if place else path
    if not target.exists() or SITE not in (target, *target.parents):
        return False
    anchors = read_page(target).anchors if target.suffix == ".html" and anchor else {anchor}
    return unquote(anchor) in anchors or anchor == ""


def outside_links(path: Path) -> list[str]:
    """What a page loads from elsewhere: scripts, style sheets and pictures, not links to follow."""
    text = read_page(path).text
    return re.findall(r'<(?:script|img|iframe|link)[^>]+(?:src|href)="((?:https?:)?//[^"]+)"', text)


def reference_entries() -> set[str]:
    """Return the names that the reference has an entry for."""
    from sphinx.util.inventory import InventoryFile

    inventory = InventoryFile.loads((SITE / "objects.inv").read_bytes(), uri="")
    return {name for kind, names in inventory.data.items() if kind[:3] == "py:" for name in names}


def search_titles() -> list[str]:
    """Return the titles in the index of the search."""
    text = (SITE / "searchindex.js").read_text(encoding="utf-8")
    return json.loads(text[text.index("{") : text.rindex("}") + 1])["titles"]
