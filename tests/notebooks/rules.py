"""What a notebook must keep to, as functions from its text to the list of what is wrong."""

import ast
import json
import re
import sys
from typing import TypeAlias

Cells: TypeAlias = list[tuple[str, str]]  # (kind, source)

LONGEST = 5  # lines of a function
LARGEST = 200_000  # bytes of a built notebook
NETWORK = {"ftplib", "http", "imaplib", "poplib", "smtplib", "socket", "ssl", "urllib", "xmlrpc"}
ALLOWED = ({"refsast", "numpy", "matplotlib"} | set(sys.stdlib_module_names)) - NETWORK
PATH = re.compile(
    r"(?<![\w/.:])/(?:home|root|work|tmp|usr|Users|opt|var|mnt|srv)/|[A-Z]:\\\\?Users"
)
ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")


def code(cells: Cells) -> list[ast.Module]:
    return [ast.parse(source) for kind, source in cells if kind == "code"]


def long_functions(cells: Cells) -> list[str]:
    """Functions of more than five lines, decorators and docstrings included."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
    return [
        getattr(node, "name", "lambda")
        for tree in code(cells)
        for node in ast.walk(tree)
        if isinstance(node, kinds) and node.end_lineno - first_line(node) + 1 > LONGEST
    ]


def first_line(node: ast.AST) -> int:
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])


def unchecked_figures(cells: Cells) -> list[int]:
    """Numbers of the code cells that show a figure with no assertion in them or in the next one."""
    trees = code(cells)
    return [
        i
        for i, tree in enumerate(trees)
        if shows(tree) and not any(asserts(t) for t in trees[i : i + 2])
    ]


def shows(tree: ast.Module) -> bool:
    """Whether a cell shows a figure: calls ``show`` or ``display``, or ends with a figure."""
    called = {
        getattr(node.func, "attr", getattr(node.func, "id", ""))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    last = tree.body[-1] if tree.body else None
    bare = isinstance(last, ast.Expr) and not isinstance(last.value, ast.Constant)
    return bool(called & {"show", "display", "subplots", "figure"}) or bare


def asserts(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.Assert) for node in ast.walk(tree))


def foreign_imports(cells: Cells) -> list[str]:
    """Modules from elsewhere than refsast, numpy, matplotlib and the offline standard library."""
    names = []
    for tree in code(cells):
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names.append("." * node.level + (node.module or ""))
    return [name for name in names if name.split(".")[0] not in ALLOWED]


def stale(source: Cells, built: Cells) -> list[int]:
    """Numbers of the cells in which a built notebook differs from its source."""
    longest = max(len(source), len(built))
    pad = [*source, *[("", "")] * longest], [*built, *[("", "")] * longest]
    return [i for i in range(longest) if pad[0][i] != pad[1][i]]


def unfit_outputs(notebook: dict) -> list[str]:
    """What outputs and metadata must not hold: errors, paths, addresses, missing results, times."""
    wrong = []
    for i, cell in enumerate(notebook["cells"]):
        if cell["metadata"]:
            wrong.append(f"cell {i} has metadata")
        if cell["cell_type"] == "code" and cell["execution_count"] is None:
            wrong.append(f"cell {i} was not executed")
        for output in cell.get("outputs", []):
            said = {k: v for k, v in output.get("data", {}).items() if not k.startswith("image/")}
            text = json.dumps([said, output.get("text"), output.get("metadata")])
            if output["output_type"] == "error" or output.get("name") == "stderr":
                wrong.append(f"cell {i} complains")
            if PATH.search(text) or ADDRESS.search(text):
                wrong.append(f"cell {i} names a path or an address")
    return wrong
