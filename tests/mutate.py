"""Flip one sign, drop one term, swap one operator: some test must turn red.

    python tests/mutate.py [--json FILE] [--jobs N] [--only PATH] [--bounds]

Each mutant is a copy of the package with one change in one of the functions below, on which only
the tests named beside it are run, with few examples. A mutant that they pass survives. Children are
forked from a process that has imported everything but the package, so a mutant costs its tests.

A bound of the theorems is made smaller as well: halved, and each of its terms dropped or halved. Of
these mutants those tests must take notice that know instances and no formula.
"""

import argparse
import ast
import compileall
import copy
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis.extra.numpy  # noqa: F401  (imported before the fork)
import pytest
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import refsast  # noqa: E402, F401  (for what it imports in turn; each child imports its own copy)
from tests.equivalent import EQUIVALENT  # noqa: E402
from tests.targets import TARGETS, Target  # noqa: E402

PARTS = ("refsast", "proofs_check", "tests")  # each child imports its own copy of them

for name in [name for name in sys.modules if name.split(".")[0] in PARTS]:
    del sys.modules[name]

TIMEOUT = 120.0  # seconds; a mutant that hangs is caught


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


def mutants(target: Target) -> Iterator[Mutant]:
    """Yield every single change of the watched functions of a file."""
    lines = (ROOT / target.path).read_text().splitlines()
    tree = ast.parse("\n".join(lines))
    require_targets(tree, target)
    for place in find_targets(tree, target.names):
        pairs = [(old, new) for old in expressions(place) for new in replacements(old)]
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


def run_tests(folder: str, tests: tuple[str, ...]) -> None:
    """Run tests in a copy of the project; the exit code of this process is pytest's."""
    os.chdir(folder)
    sys.path[:] = [folder, *(p for p in sys.path if Path(p or ".").resolve() != ROOT)]
    sys.dont_write_bytecode = True
    sys.stdout = sys.stderr = open("output.txt", "w")  # noqa: SIM115  (closed by the exit)
    options = [
        "-x",
        "-q",
        "--assert=plain",
        "--tb=no",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:doctest",
        "-o",
        "addopts=",
    ]
    profile = ["--hypothesis-profile=mutation", "--rootdir", folder]
    code = int(pytest.main([*options, *profile, *tests]))
    sys.stdout.flush()
    os._exit(code)


def template() -> str:
    """Return a compiled copy of the package and its tests, from which mutants are made."""
    folder = tempfile.mkdtemp(prefix="mutants-")
    for part in PARTS:
        shutil.copytree(ROOT / part, Path(folder) / part)
        compileall.compile_dir(Path(folder) / part, quiet=2)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def start(whole: str, mutant: Mutant | None, tests: tuple[str, ...]):
    """Return a process that runs the tests on the mutant, and the folder it runs in."""
    folder = tempfile.mkdtemp(prefix="mutant-")
    shutil.copytree(whole, folder, dirs_exist_ok=True)
    if mutant is not None:
        (Path(folder) / mutant.path).write_text(mutant.text)
    process = multiprocessing.get_context("fork").Process(target=run_tests, args=(folder, tests))
    process.start()
    return process, folder, time.monotonic()


def outcomes(work: list[tuple[Mutant | None, tuple[str, ...]]], jobs: int) -> list[bool]:
    """Return, for each piece of work, whether a test failed or the time ran out."""
    caught: list[bool] = [False] * len(work)
    running, todo, whole = {}, list(enumerate(work)), template()
    with tqdm(total=len(work), unit="mutant") as bar:
        while running or todo:
            while todo and len(running) < jobs:
                i, piece = todo.pop(0)
                running[i] = start(whole, *piece)
            for i, (process, folder, since) in list(running.items()):
                process.join(0.02)
                if process.is_alive() and time.monotonic() - since < TIMEOUT:
                    continue
                process.kill()
                process.join()
                caught[i] = process.exitcode != 0
                mutant = work[i][0]
                if caught[i] and mutant is None:
                    tqdm.write((Path(folder) / "output.txt").read_text())
                if mutant is not None and not caught[i] and mutant.key not in EQUIVALENT:
                    tqdm.write(f"survived: {mutant.path}:{mutant.line}: {mutant.change}")
                shutil.rmtree(folder, ignore_errors=True)
                del running[i]
                bar.update()
    shutil.rmtree(whole)
    return caught


def main() -> None:
    """Try every mutant, and say which survive."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write every outcome there")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time")
    parser.add_argument("--only", default="", help="only files whose path contains this")
    parser.add_argument("--bounds", action="store_true", help="only bounds that are made smaller")
    options = parser.parse_args()
    targets = [t for t in TARGETS if options.only in t.path and t.bounds >= options.bounds]

    if any(outcomes([(None, t.tests) for t in targets], options.jobs)):
        sys.exit("the tests must pass on the package as it is")
    work = [(m, t.tests) for t in targets for m in mutants(t)]
    since = time.monotonic()
    results = list(zip(work, outcomes(work, options.jobs), strict=True))

    survivors = []
    for target in targets:
        mine = [
            (m, c) for (m, tests), c in results if (m.path, tests) == (target.path, target.tests)
        ]
        real = [(m, c) for m, c in mine if c or m.key not in EQUIVALENT]
        caught, same = sum(c for _, c in real), len(mine) - len(real)
        what = "bounds made smaller" if target.bounds else "mutants"
        print(f"{target.path}: {caught}/{len(real)} {what} caught, {same} equivalent")
        survivors += [m for m, c in real if not c]
    print(f"{len(work)} mutants in {time.monotonic() - since:.0f} s, {len(survivors)} survived")
    if options.json:
        rows = [[m.path, m.line, m.change, c] for (m, _), c in results]
        options.json.write_text(json.dumps(rows, indent=1))
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
