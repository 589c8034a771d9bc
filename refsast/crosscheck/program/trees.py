"""Arrays in nested containers, and the names by which Python reaches them: ``grads["w"][0]``."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeAlias

# Arrays in mappings, sequences and frozen records, in any depth; None stands for nothing.
Tree: TypeAlias = Any


def leaves(tree: Tree, name: str) -> dict[str, Any]:
    """Return what is in a tree, by the name that leads to it."""
    return {path: leaf for path, leaf in _walk(tree, name) if leaf is not None}


def _walk(tree: Tree, name: str) -> Iterator[tuple[str, Any]]:
    """All leaves, in order."""
    if not is_branch(tree):
        yield name, tree
        return
    for path, branch in branches(tree, name):
        yield from _walk(branch, path)


def is_branch(tree: Tree) -> bool:
    """Whether it contains others: a container, but no list of numbers, which is an array."""
    return is_container(tree) and not _is_numbers(tree)


def is_container(tree: Tree) -> bool:
    """Whether it is a mapping, a sequence or a record."""
    record = is_dataclass(tree) and not isinstance(tree, type)
    return isinstance(tree, Mapping | list | tuple) or record


def _is_numbers(tree: Tree) -> bool:
    """Whether it is one array, written as a list of Python's numbers."""
    if isinstance(tree, list | tuple):
        return len(tree) > 0 and all(map(_is_numbers, tree))
    return isinstance(tree, int | float)


def branches(tree: Tree, name: str) -> Iterator[tuple[str, Tree]]:
    """Yield what a container holds, one level down, with the names that lead there."""
    if isinstance(tree, Mapping):
        yield from ((f"{name}[{_quote(key)}]", value) for key, value in tree.items())
    elif isinstance(tree, list | tuple):
        yield from ((f"{name}[{i}]", value) for i, value in enumerate(tree))
    elif is_dataclass(tree) and not isinstance(tree, type):
        yield from ((f"{name}.{f.name}", getattr(tree, f.name)) for f in fields(tree))


def _quote(key: object) -> str:
    """A key as it is written in code."""
    return f'"{key}"' if isinstance(key, str) else repr(key)


def map_leaves(change: Callable[[str, Any], Any], tree: Tree, name: str) -> Tree:
    """Return the tree with ``change(name, leaf)`` in place of each leaf; None stays."""
    if tree is None:
        return None
    if not is_branch(tree):
        return change(name, tree)
    changed = [map_leaves(change, branch, path) for path, branch in branches(tree, name)]
    if isinstance(tree, Mapping):
        return dict(zip(tree, changed, strict=True))
    if isinstance(tree, list | tuple):
        return tuple(changed) if type(tree) is tuple else _like(tree, changed)
    return replace(tree, **dict(zip((f.name for f in fields(tree)), changed, strict=True)))


def _like(tree: Tree, changed: list[Any]) -> Tree:
    """A list, or a named tuple."""
    return type(tree)(*changed) if isinstance(tree, tuple) else changed


def fill(tree: Tree, values: Mapping[str, Any], name: str) -> Tree:
    """Return the tree with other leaves, by their names."""
    return map_leaves(lambda path, _: values[path], tree, name)
