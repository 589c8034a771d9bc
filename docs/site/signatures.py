"""Signatures as the code has them: ``params: Params``, not what the name `Params` stands for."""

import ast
import sys
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path

from sphinx.application import Sphinx


def read_signature(thing: object) -> tuple[str, str | None] | None:
    """Return the arguments and the result of a function or a record, as written; else nothing."""
    name = getattr(thing, "__qualname__", "").rpartition("<locals>.")[2]
    node = _definitions(getattr(thing, "__module__", None) or "").get(name)
    if isinstance(node, ast.ClassDef):
        return (_fields(node), None) if is_dataclass(thing) else None
    return function_signature(node) if isinstance(node, ast.FunctionDef) else None


def function_signature(function: ast.FunctionDef) -> tuple[str, str | None]:
    """Return the arguments and the result of a function; without what Hypothesis hands it."""
    arguments, result = function.args, function.returns
    if any(ast.unparse(each).endswith("composite") for each in function.decorator_list):
        arguments.args, result = arguments.args[1:], None
    return f"({ast.unparse(arguments)})", ast.unparse(result) if result else None


@cache
def _definitions(module: str) -> dict[str, ast.AST]:
    """What the file of a module defines at its top, by name."""
    if module.split(".")[0] not in ("refsast", "proofs_check"):
        return {}
    path = Path(str(sys.modules[module].__file__))
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}


def _fields(record: ast.ClassDef) -> str:
    """The fields of a record as arguments."""
    fields = (node for node in record.body if isinstance(node, ast.AnnAssign))
    return f"({', '.join(map(_argument, fields))})"


def _argument(field: ast.AnnAssign) -> str:
    """A field of a record as an argument."""
    default = field.value
    if isinstance(default, ast.Call) and ast.unparse(default.func) == "field":
        given = {word.arg: ast.unparse(word.value) for word in default.keywords}
        text = given.get("default") or given.get("default_factory", "") + "()"
    else:
        text = ast.unparse(default) if default else ""
    return f"{ast.unparse(field.target)}: {ast.unparse(field.annotation)}" + (
        f" = {text}" if text.strip("()") else ""
    )


def write_signature(app: Sphinx, what: str, name: str, thing: object, *others) -> tuple | None:
    """Answer Sphinx's question how a signature reads."""
    return read_signature(thing)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect it."""
    app.connect("autodoc-process-signature", write_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
