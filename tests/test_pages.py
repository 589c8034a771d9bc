"""What the pages show is run; every path, name, command and link that they mention exists."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

import refsast as rs
from proofs_check.__main__ import parser as theorems
from refsast.__main__ import build_parser

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [
        *(*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/guides/*.md")),
        ROOT / "notebooks/README.md",
    ]
)
TEXT = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in PAGES}
README = TEXT["README.md"]
FENCED = re.compile(r"```(\w*)\n(.*?)```", flags=re.S)

# Pages whose Python is run from its first block to its last, and what it must print.
RUN = {
    "README.md": (
        r"Scores\(loss=.*, smooth=.*, hard=.*\)",
        "the reference with the reset detached",
    ),
    "docs/crosscheck.md": ("the reference with the reset detached", "Not a gradient of anything"),
    "docs/diagnose.md": ("With smooth spikes .* of 200 recordings",),
    "docs/fast.md": (),
    "docs/golden.md": ("to-zero agrees", "detached-reset agrees", "subtract agrees"),
    "docs/theorems.md": ("True False",),
}
FRAMEWORKS = {"torch", "jax", "snntorch", "spikingjelly", "norse", "sinabs", "nir"}
# Words that nobody of the field uses for a validation, a package, an architecture.
HOMEMADE = re.compile(r"\b(doors?|rooms|(?:a|each|new|the) room|the house)\b", flags=re.I)


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return [text for kind, text in FENCED.findall(TEXT[page]) if kind == language]


def commands() -> list[tuple[str, str]]:
    """Every line of every shell block, with its page."""
    lines = [
        (page, line.split("#")[0].strip())
        for page in TEXT
        for block in blocks(page, "sh")
        for line in block.splitlines()
    ]
    return [(page, line) for page, line in lines if line]


def mentions(pattern: str) -> list[tuple[str, str]]:
    """What matches in the inline code and the Python blocks of all pages, with its page."""
    found = {
        (page, match)
        for page, text in TEXT.items()
        for code in [*re.findall(r"`([^`\n]+)`", FENCED.sub("", text)), *blocks(page, "python")]
        for match in re.findall(pattern, code)
    }
    return sorted(found)


def run(page: str, without: str = "") -> None:
    """Run a page's Python, each block going on where the one before it ended."""
    names = {}
    for block in blocks(page, "python"):
        if not without or without not in block:
            exec(compile(block, page, "exec"), names)


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_the_examples_run(page, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # where they write
    monkeypatch.syspath_prepend(ROOT)
    (tmp_path / "refsast").symlink_to(ROOT / "refsast")  # one reads the golden set from there
    run(page, without="snntorch")
    said = capsys.readouterr().out

    assert blocks(page, "python")
    for expected in RUN[page]:
        assert re.search(expected, said, flags=re.I)


def plain(text: str) -> list[str]:
    """Its lines, without what rounding decides: tolerances, and digits after the fourth."""
    text = re.sub(r"\([\d.e-]+ of the tolerance\)|cosine 1[ .][^,]*,", "", text)
    rounded = re.sub(r"\d+\.\d+(e-?\d+)?", lambda m: f"{float(m[0]):.4g}", text)
    return rounded.splitlines()


@pytest.mark.parametrize(("page", "number"), [("README.md", 1), ("docs/crosscheck.md", 0)])
def test_what_is_printed_is_what_the_page_says(page, number, capsys):
    exec(compile(blocks(page, "python")[number], page, "exec"), {})
    expected = next(block for block in blocks(page, "") if block.startswith("case: "))

    assert plain(capsys.readouterr().out) == plain(expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_example_with_snntorch_runs(capsys, monkeypatch, tmp_path):
    pytest.importorskip("snntorch")
    monkeypatch.chdir(tmp_path)
    run("docs/crosscheck.md")

    assert capsys.readouterr().out.count("the reference with the reset detached") == 2


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 120
    assert len(README.split()) <= 900
    assert len(blocks("README.md", "python")[0].strip().splitlines()) <= 16


@pytest.mark.parametrize(("page", "line"), commands())
def test_every_command_exists(page, line):
    words = shlex.split(line)
    while "=" in words[0]:  # an environment variable
        words = words[1:]
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M)
        assert all(word in targets or "=" in word for word in words[1:])
    elif words[:3] == ["python", "-m", "refsast"]:
        flags = [word for word in words[3:] if word != "--help"]
        assert callable(build_parser().parse_args(flags).run)
    elif words[:3] == ["python", "-m", "proofs_check"]:
        theorems().parse_args(words[3:])
    else:
        assert words[0] in ("git", "cd", "pytest", "source", "pip", "dask")


@pytest.mark.parametrize("page", TEXT)
def test_every_link_leads_somewhere(page):
    for link in re.findall(r"\]\((?!http)([^)]+)\)", FENCED.sub("", TEXT[page])):
        target, _, anchor = link.partition("#")
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), link
        if anchor:
            heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.M)
            slugs = [re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads]
            assert anchor in slugs, link


@pytest.mark.parametrize(
    ("page", "path"),
    mentions(r"(?<![\w./:])(?:refsast|proofs_check|tests|tools|docs|notebooks)/[\w./-]*"),
)
def test_every_path_exists(page, path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize(
    ("page", "name"), mentions(r"(?<![\w./])(?:rs|refsast|proofs_check|tests)(?:\.[A-Za-z_]\w*)+")
)
def test_every_name_exists(page, name):
    first, *rest = (
        name.replace("rs.", "refsast.", 1).split(".") if name[:3] == "rs." else name.split(".")
    )
    thing = importlib.import_module(first)
    for i, part in enumerate(rest):
        if not hasattr(thing, part):
            import_or_skip(".".join([first, *rest[: i + 1]]))
        thing = getattr(thing, part)


def import_or_skip(module: str) -> None:
    """Import a module; skip where a framework that it adapts is not installed, and only there."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in FRAMEWORKS:
            raise
        pytest.skip(f"{error.name} is not installed")


def test_every_public_name_is_shown_and_documented():
    for name in rs.__all__:
        thing = getattr(rs, name)
        assert re.search(rf"\b{name}\b", TEXT["docs/names.md"]), f"{name} is not in docs/names.md"
        assert isinstance(thing, dict | str) or thing.__doc__


def test_every_page_is_in_the_index():
    for page in TEXT:
        if re.fullmatch(r"docs/(\w+|guides/README)\.md", page) and page != "docs/README.md":
            assert f"({page.removeprefix('docs/')}" in TEXT["docs/README.md"], page


@pytest.mark.parametrize("page", [page for page in TEXT if page != "CHANGELOG.md"])
def test_the_words_are_those_of_the_field(page):
    assert HOMEMADE.findall(TEXT[page]) == []


@pytest.mark.slow
def test_no_large_file_is_in_the_tree():
    ours = {
        ".git",
        ".venv",
        "runs",
        "build",
        ".hypothesis",
        ".import_linter_cache",
        ".pytest_cache",
    }  # not in the repository
    large = [
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and not ours & set(path.relative_to(ROOT).parts)
        and path.stat().st_size > 200_000
    ]

    assert large == []
