"""Signatures as the code has them: ``params: Params``, not what the name `Params` stands for."""

import ast
import inspect
import textwrap
from dataclasses import is_dataclass

from sphinx.application import Sphinx


def read_signature(thing: object) -> tuple[str, str | None] | None:
    """Return the arguments and the result of a function or a record, as written; else nothing."""
    if inspect.isclass(thing):
        if not is_dataclass(thing):
            return None
        return _fields(_parse(thing)), None
    if not inspect.isfunction(thing):
        return None
    return function_signature(_parse(thing))


def function_signature(function: ast.FunctionDef) -> tuple[str, str | None]:
    """Return the arguments and the result of a function."""
    arguments = ast.unparse(function.args)
    if "." in function.name or function.args.args[:1] and function.args.args[0].arg == "self":
        arguments = arguments.removeprefix("self").removeprefix(", ")
    return f"({arguments})", ast.unparse(function.returns) if function.returns else None


def _parse(thing: object) -> ast.AST:
    """The definition of a function or a class."""
    return ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]


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
