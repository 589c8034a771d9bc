"""The reference: an entry for every public name, in the order of the table of docs/names.md."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import GenericAlias, ModuleType

from sphinx.ext.napoleon import Config, NumpyDocstring

import refsast as rs
from signatures import function_signature

# Modules with public names beside those of `refsast` itself, and what the page is called.
MODULES = {
    "refsast.autodiff": "Derivatives of array programs",
    "refsast.data": "Recordings: all of it",
    "refsast.testing": "Property tests",
    "refsast.crosscheck.conventions": "Conventions of libraries",
    "refsast.crosscheck.golden.reader": "Golden vectors: to read",
    "refsast.crosscheck.golden.comparison": "Golden vectors: to compare",
    "proofs_check.claim": "Claims",
}
# Their files are read, not imported: each needs its framework.
ADAPTERS = ("torch", "jax", "snntorch", "spikingjelly", "norse", "sinabs", "nir")
ROW = re.compile(r"^\| (?!what)([^|-][^|]*) \| (.*) \|$", flags=re.M)
DIRECTIVES = (
    (lambda thing: isinstance(thing, type) and not isinstance(thing, GenericAlias), "autoclass"),
    (inspect.isroutine, "autofunction"),
)


def reference_pages(root: Path) -> Iterator[tuple[str, str]]:
    """Each page of the reference: where it stands, and its text."""
    table = ROW.findall((root / "docs/names.md").read_text(encoding="utf-8"))
    for what, cell in table:
        if names := _names(cell):
            slug = re.sub(r"\W+", "-", what.lower()).strip("-")
            parts = "\n".join(map(_entries, names))
            yield f"reference/{slug}.rst", f"{_heading(what[0].upper() + what[1:])}{parts}"
    for module, what in MODULES.items():
        yield f"reference/{module}.rst", _module_page(module, what)
    yield "reference/adapters.rst", _adapter_page(root)


def _names(cell: str) -> list[str]:
    """The names of `refsast` that a cell mentions, once each: of a module's, the module."""
    return list(dict.fromkeys(re.findall(r"`rs\.(\w+)", cell)))


def _heading(text: str, line: str = "=") -> str:
    """A heading."""
    return f"{text}\n{line * len(text)}\n\n"


def _entries(name: str) -> str:
    """The entry of a name of `refsast`, or of all names of a module."""
    thing = getattr(rs, name)
    if not inspect.ismodule(thing):
        return _entry(f"refsast.{name}", thing)
    intro = _summary(thing)
    parts = [
        _entry(f"refsast.{name}.{part}", getattr(thing, part))
        for part in public_names(thing)
        if getattr(rs, part, None) is not getattr(thing, part)  # it has an entry of its own
    ]
    head = f"{_heading(f'refsast.{name}', '-')}.. py:module:: refsast.{name}\n\n"
    return "\n".join([head, intro, "", *parts])


def _summary(module: ModuleType) -> str:
    """The first sentence of a module's docstring, as text without markup."""
    first = inspect.getdoc(module) or ""
    return (
        re.sub(r"([*|_])", r"\\\1", first.split("\n\n")[0]).replace("`", "``").replace("````", "``")
    )


def _entry(full: str, thing: object) -> str:
    """One entry, by autodoc."""
    for is_kind, directive in DIRECTIVES:
        if is_kind(thing):
            return f".. {directive}:: {full}\n"
    if isinstance(thing, GenericAlias):
        return f".. py:type:: {full}\n   :canonical: {thing}\n"
    value = ", ".join(map(repr, thing)) if isinstance(thing, Mapping) else repr(thing)
    module, _, name = full.rpartition(".")
    head = f".. py:data:: {name}\n   :module: {module}\n\n"
    return f"{head}   {'Keys: ' * isinstance(thing, Mapping)}``{value}``\n"


def public_names(module: ModuleType) -> list[str]:
    """The names that a module promises: its ``__all__``, or what it defines without underscore."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    kinds = (inspect.isclass, inspect.isfunction)
    return [
        name
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and any(is_kind(thing) for is_kind in kinds)
        and thing.__module__ == module.__name__
    ]


def _module_page(name: str, what: str) -> str:
    """The page of a module; what `refsast` itself offers is only pointed to."""
    module = importlib.import_module(name)
    names = public_names(module)
    here = [part for part in names if part not in rs.__all__]
    aliases = [part for part in names if part in rs.__all__]
    also = ", ".join(f":py:obj:`refsast.{part}`" for part in aliases)
    return "\n".join(
        [
            f"{_heading(what)}.. py:module:: {name}\n\n``{name}``. {_summary(module)}",
            f"\nAlso here: {also}.\n" if aliases else "",
            *(_entry(f"{name}.{part}", getattr(module, part)) for part in here),
        ]
    )


def _adapter_page(root: Path) -> str:
    """The page of the adapters, from their source."""
    parts = [_heading("Adapters to other libraries")]
    parts.append("Each is imported only when asked for, and needs its library.\n")
    for name in ADAPTERS:
        path = root / "refsast/crosscheck/adapters" / f"{name}.py"
        tree = ast.parse(path.read_text(encoding="utf-8"))
        module = f"refsast.crosscheck.adapters.{name}"
        parts += [_heading(module, "-"), f".. py:module:: {module}\n"]
        parts += [_read_function(f) for f in tree.body if isinstance(f, ast.FunctionDef)]
    return "\n".join(parts)


def _read_function(function: ast.FunctionDef) -> str:
    """The entry of a function from its source; nothing where it is private."""
    says = ast.get_docstring(function)
    if function.name.startswith("_") or says is None:
        return ""
    arguments, result = function_signature(function)
    signature = f"{function.name}{arguments}" + (f" -> {result}" if result else "")
    body = str(NumpyDocstring(says, Config(napoleon_use_rtype=False)))
    return f".. py:function:: {signature}\n\n" + _indent(body) + "\n"


def _indent(text: str) -> str:
    """Text as the content of a directive."""
    return "\n".join(f"   {line}" if line else "" for line in text.splitlines())
