"""What the README shows is run; what it names exists."""

import re
import shlex
from pathlib import Path

import pytest

import refsast as rs
from proofs_check.__main__ import parser as theorems
from refsast.__main__ import parser

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.S)
PYTHON = [block for block in BLOCKS if "snntorch" not in block]
SHELL = [
    line.split("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, flags=re.S)
    for line in block.splitlines()
    if line.split("#")[0].strip()
]


def run(blocks):
    """Run code of the README, each block going on where the one before it ended."""
    names = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)


@pytest.mark.slow
def test_the_example_runs(capsys, monkeypatch):
    assert PYTHON
    monkeypatch.chdir(ROOT)
    run(PYTHON)
    said = capsys.readouterr().out

    assert re.search(r"Scores\(loss=.*, smooth=.*, hard=.*\)", said)
    assert "the reference with the reset detached" in said
    assert said.count(" agrees\n") == 3  # of the golden vectors


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_example_with_snntorch_runs(capsys, monkeypatch):
    pytest.importorskip("snntorch")
    monkeypatch.chdir(ROOT)
    run(BLOCKS)

    assert capsys.readouterr().out.count("the reference with the reset detached") == 2


def test_the_example_is_short():
    assert len(PYTHON[0].strip().splitlines()) <= 14


@pytest.mark.parametrize("line", SHELL)
def test_every_command_exists(line):
    words = shlex.split(line)
    if words[0] == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.M)
        assert all(word in targets or "=" in word for word in words[1:])
    elif words[:3] == ["python", "-m", "refsast"]:
        flags = [word for word in words[3:] if word != "--help"]
        assert callable(parser().parse_args(flags).run)
    elif words[:3] == ["python", "-m", "proofs_check"]:
        theorems().parse_args(words[3:])
    else:
        assert words[0] in ("git", "cd", "pytest", "source")


def test_every_file_that_is_linked_exists():
    links = re.findall(r"\]\((?!http|#)([^)#]+)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_public_name_is_shown_and_documented():
    for name in rs.__all__:
        thing = getattr(rs, name)
        assert re.search(rf"\b{name}\b", README), f"{name} is not in the README"
        assert thing.__doc__ or isinstance(thing, dict)


def test_no_large_file_is_in_the_tree():
    large = [
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and not {".git", ".venv", "runs", ".hypothesis"} & set(path.relative_to(ROOT).parts)
        and path.stat().st_size > 200_000
    ]

    assert large == []
