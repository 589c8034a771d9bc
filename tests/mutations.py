"""What may be wrong in a function, one small error each: another operator, a term dropped."""

import ast
import copy
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.targets import Target

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Mutant:
    """One change, as it is written in the report, and the text of the file with it."""

    path: str
    line: int
    code: str
    change: str
    text: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What an equivalent mutant is known by, wherever its line has moved."""
        return self.path, self.code, self.change


SWAPS = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.Lt: (ast.GtE,),
    ast.LtE: (ast.Gt, ast.Lt),
    ast.Gt: (ast.LtE,),
    ast.GtE: (ast.Lt, ast.Gt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
}


UFUNCS = {"add": "subtract", "subtract": "add", "multiply": "divide", "divide": "multiply"}


def replacements(node: ast.expr) -> Iterator[ast.expr]:
    """Yield what may stand in place of an expression: one small error each."""
    if isinstance(node, ast.BinOp):
        for other in SWAPS.get(type(node.op), ()):
            yield ast.BinOp(node.left, other(), node.right)
        if isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div):
            yield node.left
        if isinstance(node.op, ast.Add | ast.Mult):
            yield node.right
        if isinstance(node.op, ast.Sub):
            yield ast.UnaryOp(ast.USub(), node.right)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield node.operand
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in SWAPS.get(type(node.ops[0]), ()):
            yield ast.Compare(node.left, [other()], node.comparators)
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield node.value
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield ast.Constant(2 * node.value if node.value else type(node.value)(1))
    if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "reversed":
        yield node.args[0]
    if isinstance(node, ast.Name) and node.id in UFUNCS:
        yield ast.Name(UFUNCS[node.id])
    if isinstance(node, ast.Attribute) and node.attr in UFUNCS:
        yield ast.Attribute(node.value, UFUNCS[node.attr])


def smaller_bounds(place: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield what a bound is made of with something smaller: a term dropped or halved, or all."""

    def half(node: ast.expr) -> ast.expr:
        return ast.BinOp(ast.Constant(0.5), ast.Mult(), node)

    slices = [s.slice for s in ast.walk(place) if isinstance(s, ast.Subscript)]
    indices = {id(node) for s in slices for node in ast.walk(s)}
    for node in ast.walk(place):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and id(node) not in indices:
            yield node, node.left
            yield node, node.right
            yield node, ast.BinOp(half(node.left), ast.Add(), node.right)
            yield node, ast.BinOp(node.left, ast.Add(), half(node.right))
        if isinstance(node, ast.Return | ast.Lambda):
            value = node.value if isinstance(node, ast.Return) else node.body
            made = getattr(getattr(value, "func", None), "id", "")
            if isinstance(value, ast.BinOp | ast.Call) and made != "tuple":
                yield value, half(value)


def find_targets(tree: ast.Module, names: tuple[str, ...]) -> Iterator[ast.AST]:
    """Yield the functions and tables of these names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in names:
            yield node
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", None) in names:
            yield node


def require_targets(tree: ast.Module, target: Target) -> None:
    """Exit where a name is not in the file any more: nothing would be mutated, in silence."""
    found = {
        getattr(node, "name", getattr(getattr(node, "target", None), "id", None))
        for node in find_targets(tree, target.names)
    }
    if missing := set(target.names) - found:
        sys.exit(f"{target.path} must define what targets.py names, got no {sorted(missing)}")


def expressions(node: ast.AST) -> Iterator[ast.expr]:
    """Yield all expressions below a node, apart from annotations and errors."""
    if isinstance(node, ast.Raise | ast.arguments):
        return
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                if isinstance(child, ast.expr):
                    yield child
                yield from expressions(child)


def statements(node: ast.AST) -> Iterator[tuple[ast.stmt, ast.stmt]]:
    """Yield every ``x += y`` with what may stand in its place: the term dropped, or its sign."""
    for old in ast.walk(node):
        if isinstance(old, ast.AugAssign) and isinstance(old.op, ast.Add):
            yield old, ast.AugAssign(old.target, ast.Sub(), old.value)
            yield old, ast.Pass()


def mutants(
    target: Target, replace: Callable[[ast.expr], Iterator[ast.expr]] = replacements
) -> Iterator[Mutant]:
    """Yield every single change of the watched functions of a file."""
    lines = (ROOT / target.path).read_text().splitlines()
    tree = ast.parse("\n".join(lines))
    require_targets(tree, target)
    for place in find_targets(tree, target.names):
        pairs = [(old, new) for old in expressions(place) for new in replace(old)]
        changes = smaller_bounds(place) if target.bounds else (*pairs, *statements(place))
        for old, new in changes:
            before, after = ast.unparse(old), ast.unparse(ast.fix_missing_locations(new))
            if before != after:
                text = ast.unparse(swap_node(tree, old, new))
                code = lines[old.lineno - 1].strip()
                yield Mutant(target.path, old.lineno, code, f"{before}  ->  {after}", text)


def swap_node(tree: ast.Module, old: ast.AST, new: ast.AST) -> ast.Module:
    """Return a copy of the tree with one node replaced."""
    copied = copy.deepcopy(tree, {id(old): copy.deepcopy(new)})  # a memo with the answer in it
    return ast.fix_missing_locations(copied)
