"""What a notebook must keep to, as functions from its cells to the list of what is wrong."""

import ast
import json
import re
import sys
from importlib import import_module
from typing import NamedTuple, TypeAlias

import refsast


class Cell(NamedTuple):
    kind: str
    source: str
    tags: tuple[str, ...] = ()


Cells: TypeAlias = list[Cell]

LONGEST = 15  # lines of a function
EXERCISES = 3
LARGEST = 200_000  # bytes of a built notebook
NETWORK = {"ftplib", "http", "imaplib", "poplib", "smtplib", "socket", "ssl", "urllib", "xmlrpc"}
OURS = {"refsast", "proofs_check"}
ALLOWED = (OURS | {"numpy", "matplotlib"} | set(sys.stdlib_module_names)) - NETWORK
PACKAGES = {
    f"refsast.{name}" for name in ("autodiff", "data", "deploy", "gradient", "model", "optim")
}
FOLDED = {"source_hidden": True, "outputs_hidden": True}
PATH = re.compile(
    r"(?<![\w/.:])/(?:home|root|work|tmp|usr|Users|opt|var|mnt|srv)/|[A-Z]:\\\\?Users"
)
ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")


def code(cells: Cells) -> list[ast.Module]:
    return [ast.parse(cell.source) for cell in cells if cell.kind == "code"]


def long_functions(cells: Cells) -> list[str]:
    """Functions and methods of more than fifteen lines, decorators and docstrings included."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return [
        getattr(node, "name", "lambda")
        for tree in code(cells)
        for node in ast.walk(tree)
        if isinstance(node, kinds) and node.end_lineno - first_line(node) + 1 > LONGEST
    ]


def first_line(node: ast.AST) -> int:
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])


def unchecked_figures(cells: Cells) -> list[int]:
    """Numbers of the code cells that show a figure with no assertion of its own.

    That stands in the cell itself or in the next one, unless that shows another figure.
    """
    trees = code(cells)
    wrong = []
    for i, tree in enumerate(trees):
        later = [t for t in trees[i + 1 : i + 2] if not shows(t)]
        if shows(tree) and not any(asserts(t) for t in [tree, *later]):
            wrong.append(i)
    return wrong


def shows(tree: ast.Module) -> bool:
    """Whether a cell shows a figure: calls ``show`` or ``display``, or ends with one."""
    called = {name_of_call(node) for node in ast.walk(tree)}
    last = tree.body[-1] if tree.body else None
    bare = isinstance(last, ast.Expr) and not isinstance(last.value, ast.Constant)
    bare = bare and name_of_call(last.value) != "print"
    return bool(called & {"show", "display", "subplots", "figure"}) or bare


def name_of_call(node: ast.AST) -> str:
    """The name of what is called, without what stands before the dot; empty for no call."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def asserts(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.Assert) for node in ast.walk(tree))


def unfit_exercises(cells: Cells) -> list[str]:
    """What is wrong with the exercises at the end: three, each with solutions that assert."""
    starts = [i for i, cell in enumerate(cells) if cell.source.startswith("### Exercise ")]
    wrong = []
    titles = [cells[i].source.splitlines()[0] for i in starts]
    if titles != [f"### Exercise {k}" for k in range(1, EXERCISES + 1)]:
        wrong.append(f"exercises are {titles}")
    if not any("## Exercises" in c.source.splitlines() for c in cells[: min(starts, default=0)]):
        wrong.append("no heading '## Exercises' before them")
    for title, start, stop in zip(titles, starts, [*starts, len(cells)][1:], strict=True):
        solution = [c for c in cells[start:stop] if "solution" in c.tags]
        if not any(asserts(tree) for tree in code(solution)):
            wrong.append(f"{title} has no solution that asserts something")
    first = starts[0] if starts else len(cells)
    wrong += [
        f"cell {i} is tagged {tag}"
        for i, cell in enumerate(cells)
        for tag in cell.tags
        if tag != "solution" or i < first or cell.kind != "code"
    ]
    return wrong


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


def private_names(cells: Cells) -> list[str]:
    """Names of refsast and proofs_check that a notebook uses and that are no promise."""
    trees = code(cells)
    modules: dict[str, str] = {}  # what a name in the notebook stands for
    used: list[str] = []
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.split(".")[0]
                if root in OURS:
                    modules[alias.asname or root] = alias.name if alias.asname else root
                    used.append(alias.name)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OURS:
            used += [f"{node.module}.{alias.name}" for alias in node.names]
            modules |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    for node in (node for tree in trees for node in ast.walk(tree)):
        chain = dotted(node).split(".")
        if chain[0] in modules:
            used.append(".".join([modules[chain[0]], *chain[1:]]))
    return sorted({name for name in used if not is_public(name)})


def dotted(node: ast.AST) -> str:
    """``a.b.c`` for an attribute of an attribute of a name; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    inner = dotted(node.value) if isinstance(node, ast.Attribute) else ""
    return f"{inner}.{node.attr}" if inner else ""


def is_public(name: str) -> bool:
    """Whether a dotted name is a promise, or an attribute of one."""
    parts = name.split(".")
    if any(part.startswith("_") for part in parts):
        return False
    if parts[0] == "proofs_check" or len(parts) == 1:
        return True
    if parts[1] in refsast.__all__:
        return True
    package = ".".join(parts[:2])
    return package in PACKAGES and (len(parts) == 2 or parts[2] in import_module(package).__all__)


def stale(source: Cells, built: Cells) -> list[int]:
    """Numbers of the cells in which a built notebook differs from its source."""
    nothing = [Cell("", "")] * max(len(source), len(built))
    pad = [*source, *nothing], [*built, *nothing]
    return [i for i in range(len(nothing)) if pad[0][i] != pad[1][i]]


def unfit_outputs(notebook: dict) -> list[str]:
    """What outputs and metadata must not hold: errors, paths, addresses, missing results, times."""
    wrong = []
    for i, cell in enumerate(notebook["cells"]):
        solution = {"tags": ["solution", "hide-cell"], "jupyter": FOLDED}
        tagged = "solution" in cell["metadata"].get("tags", [])
        if cell["metadata"] != (solution if tagged else {}):
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
