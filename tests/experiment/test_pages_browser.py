"""The pages in a browser, on a phone and on a desk: nothing scrolls sideways, no number breaks.

A page measures itself: a script that is put into a copy of it writes what it finds into the page
around it, whose frames are as wide as the screens. The outer page has loaded when all frames have,
so nothing has to be waited for. Needs Chromium or Chrome.
"""

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path

import pytest

from refsast.experiment import html_document
from refsast.experiment.output_dir import write_page
from tests.experiment.small_records import comparison, diverge, sweep
from tests.experiment.test_pages_html import CLEAR, SAST, SAVED

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
WIDTHS = (390, 1280)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium and no Chrome"),
]

# Numbers in table cells, and numbers with an interval or a percent sign anywhere.
MEASURE = r"""<script>
addEventListener("load", () => {
  document.querySelectorAll("details").forEach(d => { d.open = true; });
  const broken = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let numbers = 0;
  while (walk.nextNode()) {
    const node = walk.currentNode, cell = node.parentElement.closest(".number");
    const found = cell ? /.+/g : /[\d.]+(\s±\s[\d.]+)?\s%|[\d.]+\s±\s[\d.]+/g;
    for (const match of node.data.matchAll(found)) {
      const range = document.createRange();
      range.setStart(node, match.index);
      range.setEnd(node, match.index + match[0].length);
      const rows = new Set([...range.getClientRects()].map(r => Math.round(r.top)));
      numbers += 1;
      if (rows.size !== 1) broken.push(match[0]);
    }
  }
  const width = document.scrollingElement.scrollWidth, seen = document.documentElement.clientWidth;
  const cut = [...document.querySelectorAll("td, dd, p, li, pre, img, div.scroll")]
    .filter(e => e.getBoundingClientRect().right > seen || e.scrollWidth > e.clientWidth + 1)
    .map(e => e.textContent || e.alt);
  const cards = getComputedStyle(document.querySelector("td") || document.body).display === "flex";
  const found = {name: window.name, width, broken, cut, numbers, cards};
  parent.document.getElementById("found").textContent += JSON.stringify(found) + "\n";
});
</script></body>"""


def measure(folder: Path, pages: dict[str, str]) -> dict[tuple[str, int], dict]:
    """What the browser finds of pages, by name, at each width."""
    frames = ""
    for name, html in pages.items():
        inside = escape(html.replace("</body>", MEASURE))
        for width in WIDTHS:
            style = f"width:{width}px;height:900px;border:0"
            frames += f'<iframe name="{name} {width}" srcdoc="{inside}" style="{style}"></iframe>'
    around = folder / "around.html"
    page = f'<meta charset="utf-8"><body><pre id="found"></pre>{frames}</body>'
    around.write_text(page, encoding="utf-8")
    command = [
        *(str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--window-size=1400,900", "--dump-dom"),
        *(f"--user-data-dir={folder / 'profile'}", around.as_uri()),
    ]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=300).stdout
    lines = unescape(re.findall(r'<pre id="found">(.*?)</pre>', dom, flags=re.S)[0]).split("\n")
    found = {tuple(f["name"].rsplit(" ", 1)): f for f in map(json.loads, filter(None, lines))}
    return {(name, int(width)): each for (name, width), each in found.items()}


def make_page(folder: Path, name: str, record: dict) -> str:
    folder.mkdir()
    (folder / name).write_text(json.dumps(record))
    return write_page(folder).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    long = {f"SAST, rho 0.{i}": [0.6, 0.62, 0.64] for i in (1, 2)}
    command = ["compare", "--out", "a/" * 60]
    records = {
        "run": ("run.json", SAVED["run.json"]),
        "compare": ("compare.json", comparison(CLEAR, silent=0.31, command=command)),
        "diverged": ("compare.json", diverge(comparison({**CLEAR, **long}), SAST, 1, 17)),
        "one": ("sweep.json", sweep({"learning_rate": [1e-4, 1e-3, 1e-2]})),
        "two": ("sweep.json", sweep({"gain": [10.0, 50.0, 150.0], "rho": [0.0, 0.1, 0.3]})),
    }
    pages = {name: make_page(folder / name, *record) for name, record in records.items()}
    return measure(folder, pages)


PAGES = ("run", "compare", "diverged", "one", "two")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_the_page_fits_the_screen(found, name, width):
    assert found[name, width]["width"] <= width
    assert found[name, width]["cut"] == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_no_number_is_broken_over_two_lines(found, name, width):
    assert found[name, width]["broken"] == []
    assert found[name, width]["numbers"] > 0 or name == "run"


@pytest.mark.parametrize("name", ["compare", "diverged", "one", "two"])
def test_rows_are_cards_on_a_phone_only(found, name):
    assert found[name, 390]["cards"]
    assert not found[name, 1280]["cards"]


def test_what_is_wrong_is_seen(tmp_path):
    """The measurement finds a table that is too wide, and a number that breaks."""
    row = ["a" * 80, *["63.3 ± 9.0"] * 9]
    table = html_document.table(["what"] * 10, [row])
    wide = html_document.render_page("t", "", [("s", [table.replace('class="scroll"', "")])])
    narrow = '<div style="width:3.6rem"><p>63.3 ± 9.0</p></div>'
    found = measure(
        tmp_path,
        {
            "wide": wide.replace("max-width: 50rem", "max-width: 1rem"),
            "narrow": html_document.render_page("t", "", [("s", [narrow])]),
        },
    )

    assert found["wide", 390]["width"] > 390
    assert found["wide", 390]["cut"]
    assert found["narrow", 390]["broken"] == ["63.3 ± 9.0"]
