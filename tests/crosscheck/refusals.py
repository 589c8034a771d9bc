"""Every refusal of the adapters as it is written: what is raised, where, and its words."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ADAPTERS = Path(__file__).resolve().parents[2] / "refsast/crosscheck/adapters"
ERRORS = ("ValueError", "Unsupported", "NoExactConversion", "refuse_case")


@dataclass(frozen=True)
class Refusal:
    """One place where an adapter raises."""

    file: str
    line: int
    error: str
    text: str  # with {} for what is filled in, and names of constants in braces

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


def list_refusals(folder: Path = ADAPTERS) -> list[Refusal]:
    """Return all refusals, in the order of files and lines."""
    return [each for path in sorted(folder.glob("*.py")) for each in _of_file(path)]


def _of_file(path: Path) -> Iterator[Refusal]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        known = _assigned_texts(function)
        for node in ast.walk(function):
            made = node.exc if isinstance(node, ast.Raise) else getattr(node, "value", None)
            if not isinstance(node, ast.Raise | ast.Return) or not isinstance(made, ast.Call):
                continue
            name = getattr(made.func, "id", "")
            if name in ERRORS and made.args:
                yield Refusal(path.name, node.lineno, name, _spell(made.args[0], known))


def _assigned_texts(function: ast.FunctionDef) -> dict[str, str]:
    """Texts that a function puts together first."""
    known: dict[str, str] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            text = _spell(node.value, known)
            if text.strip("{}"):
                known[node.targets[0].id] = text
    return known


def _spell(node: ast.AST, known: dict[str, str]) -> str:
    """A text as far as it is written down."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_spell(part, known) for part in parts)
        case ast.FormattedValue(value=ast.Name(id=name)):
            return known.get(name, f"{{{name}}}")
        case ast.BinOp(left=left, right=right):
            return _spell(left, known) + _spell(right, known)
        case ast.Name(id=name):
            return known.get(name, f"{{{name}}}")
        case ast.IfExp(body=body):
            return _spell(body, known)
    return "{}"
