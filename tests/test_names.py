"""Names are the field's own: few functions are called by a participle or a preposition.

Such a word says what is done to a thing, or where it lies, and leaves out the thing: ``judged``,
``along``, ``firing``. It may stand inside a name (``value_and_grad``), not at either end.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PREPOSITIONS = """
above across after along around as at before below beside between beyond by during for from in
inside into of on onto over per than through to under upper upon with within without
"""
IRREGULAR = """
begun bent bound broken brought built chosen cut done drawn driven fallen felt forgotten found
frozen given gone grown held hidden kept known laid led left lent lost made meant met paid put
said seen sent shaken shown spent spoken stolen struck sunk taken taught thought told torn
understood woken won worn written
"""
# Nouns and plain verbs that end like a participle.
NOUNS = """
bed embed exceed feed heading hundred need red reed ring rounding seed setting sibling spacing
speed spring string thing timing training
"""
ODD = frozenset(PREPOSITIONS.split() + IRREGULAR.split())
EVEN = frozenset(NOUNS.split())
LIMIT = 0.08


def words(name: str) -> list[str]:
    return name.strip("_").lower().split("_")


def odd(name: str) -> bool:
    """Whether a name begins or ends with a participle, a preposition or an -ing form."""
    return any(
        word in ODD or (re.fullmatch(r"[a-z]{2,}(ed|ing)", word) and word not in EVEN)
        for word in (words(name)[0], words(name)[-1])
    )


def functions(package: Path) -> list[str]:
    """The names of all functions of a package, methods and nested ones too; no dunders."""
    names = [
        (path.relative_to(ROOT), node.name)
        for path in sorted(package.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    ]
    return [f"{path}:{name}" for path, name in names if not name.startswith("__")]


PACKAGES = [
    ROOT / "proofs_check",
    *(path.parent for path in sorted((ROOT / "refsast").glob("*/__init__.py"))),
]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_few_functions_are_named_by_what_is_done_to_something(package):
    names = functions(package)
    found = [name for name in names if odd(name.split(":")[1])]

    assert names
    assert len(found) <= LIMIT * len(names), found


@pytest.mark.parametrize(
    ("name", "is_odd"),
    [
        ("judged", True),
        ("of_layers", True),
        ("_passed_through", True),
        ("firing", True),
        ("seen_in", True),
        ("value_and_grad", False),
        ("rounding", False),
        ("seed", False),
        ("unroll", False),
    ],
)
def test_what_counts(name, is_odd):
    assert odd(name) is is_odd
