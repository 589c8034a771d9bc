"""The built site in a browser, as people read it: on a phone and on a desk, light and dark.

Needs Chromium or Chrome, and the site, which `make docs` builds; else these tests skip.
"""

import pytest

from tests.site import browser
from tests.site.built import SITE, is_built, pages_to_read

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_built(), reason="the site is not built, or old: make docs"),
    pytest.mark.skipif(browser.COMMAND is None, reason="no Chromium and no Chrome"),
]
WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")
MAIN = ("index.html", "docs/theory.html", "docs/claims.html", "reference/gradients.html")
# Words that a reader may look for, and a page that must be among the first ten answers.
SEARCHES = {
    "surrogate": "guides/add_surrogate",
    "sharpness": "docs/sharpness",
    "spikingjelly": "guides/check_spikingjelly",
    "norse": "guides/check_norse",
    "lipschitz": "docs/",
    "certificate": "docs/certificate",
    "cluster": "guides/sweep_cluster",
    "golden": "docs/golden",
    "hypotheses": "docs/hypotheses",
    "ascent_point": "reference/",
}
MEASURE = r"""(() => {
  document.querySelectorAll("article details").forEach(d => { d.open = true; });
  const article = document.querySelector("article"), style = e => getComputedStyle(e);
  const all = what => [...article.querySelectorAll(what)];
  const seen = document.documentElement.clientWidth;
  const scrolls = e => {
    for (; e; e = e.parentElement)
      if (["auto", "scroll", "hidden"].includes(style(e).overflowX)) return true;
    return false;
  };
  const cut = all("p, li, pre, img, h1, h2, table, dt, math")
    .filter(e => e.getBoundingClientRect().right > seen + 1 && !scrolls(e));
  const flat = all("math").filter(e => {
    const box = e.getBoundingClientRect();
    return e.checkVisibility() && !(box.width > 2 && box.height > 5);
  });
  const words = all("p, li, td, dd").filter(e => !e.querySelector("pre")).map(e => {
    const copy = e.cloneNode(true);
    copy.querySelectorAll("code, math, script").forEach(c => c.remove());
    return copy.textContent;
  }).join(" ");
  const blank = all("img").filter(e => !(e.complete && e.naturalWidth > 0));
  const start = e => (e.textContent || e.alt || e.src || "").trim().slice(0, 60);
  return {
    width: document.scrollingElement.scrollWidth,
    cut: cut.map(start),
    math: all("math").length,
    flat: flat.map(start),
    tex: words.match(/\$\$|\\(frac|sum|sigma|nabla|le)\b/g) || [],
    blank: blank.map(start),
    mute: all("img").filter(e => !e.alt || e.alt.includes("_images/")).length,
    ground: style(document.body).backgroundColor,
    ink: style(article).color,
    figures: all("img").map(e => style(e).backgroundColor),
  };
})()"""


def brightness(colour: str) -> float:
    """Return how bright a colour of CSS is, from 0 to 1."""
    numbers = [float(n) for n in colour[colour.index("(") + 1 : -1].split(",")]
    return sum(numbers[:3]) / 765.0


@pytest.fixture(scope="module")
def address():
    with browser.serve(SITE) as address:
        yield address


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser.start_browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def walk(address, chromium):
    """What the browser finds on every page, at each width; each page is loaded once."""
    found = {}
    for path in pages_to_read():
        name = str(path.relative_to(SITE))
        chromium.resize(WIDTHS[0])
        chromium.prefer("light")
        chromium.open(f"{address}/{name}")
        for width in WIDTHS:
            chromium.resize(width)
            found[name, width] = chromium.evaluate(MEASURE)
        found[name, "errors"] = chromium.errors
    return found


def gather(walk, key):
    """What all pages have under a key, where it is anything."""
    return {where: page[key] for where, page in walk.items() if where[1] in WIDTHS and page[key]}


def test_no_page_has_an_error_in_the_console(walk):
    assert {where: page for where, page in walk.items() if where[1] == "errors" and page} == {}


def test_no_page_scrolls_sideways(walk):
    assert {w: p["width"] for w, p in walk.items() if w[1] in WIDTHS and p["width"] > w[1]} == {}
    assert gather(walk, "cut") == {}


def test_mathematics_is_drawn(walk):
    assert walk["docs/theory.html", 1280]["math"] > 150
    assert gather(walk, "flat") == {}
    assert gather(walk, "tex") == {}


def test_every_figure_is_drawn_and_has_a_text(walk):
    assert gather(walk, "blank") == {}
    assert gather(walk, "mute") == {}
    assert len(walk["docs/transfer_gap.html", 1280]["figures"]) >= 5


@pytest.mark.parametrize("page", MAIN)
def test_both_colour_schemes_are_readable(address, chromium, page):
    chromium.resize(WIDTHS[0])
    for scheme in SCHEMES:
        chromium.prefer(scheme)
        chromium.open(f"{address}/{page}")
        seen = chromium.evaluate(MEASURE)
        dark = scheme == "dark"
        assert (brightness(seen["ground"]) < 0.2) is dark
        assert (brightness(seen["ink"]) > 0.6) is dark
        assert all(brightness(ground) > 0.95 for ground in seen["figures"])


@pytest.mark.parametrize("word", SEARCHES)
def test_the_search_finds(address, chromium, word):
    chromium.open(f"{address}/search.html?q={word}")
    found = chromium.evaluate("""new Promise(done => {
      const look = left => {
        const links = [...document.querySelectorAll("#search-results li a")].map(a => a.href);
        const over = document.querySelector("#search-results h2")?.textContent !== "Searching";
        if (links.length && over || !left) done(links); else setTimeout(look, 50, left - 1);
      };
      look(200);
    })""")

    assert any(SEARCHES[word] in link for link in found[:10]), found[:10]
    assert chromium.errors == []


def test_what_is_wrong_is_seen(chromium, tmp_path):
    """The measurement finds what is too wide, a formula as text, a figure that is missing."""
    (tmp_path / "bad.html").write_text(
        "<html><body><article><p>\\frac{1}{2}</p><img src='none.png'>"
        "<div style='width:2000px'><p>wide</p></div><math></math></article>"
        "<script>console.error('seen')</script></body></html>"
    )
    with browser.serve(tmp_path) as address:
        chromium.resize(390)
        chromium.open(f"{address}/bad.html")
        found = chromium.evaluate(MEASURE)

    assert found["width"] > 390
    assert found["cut"] == ["wide"]
    assert found["tex"] == ["\\frac"]
    assert len(found["blank"]) == found["mute"] == len(found["flat"]) == 1
    assert any("seen" in error for error in chromium.errors)
    assert any("404" in error for error in chromium.errors)
