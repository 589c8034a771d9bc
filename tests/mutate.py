"""Flip one sign, drop one term, swap one operator: some test must turn red.

    python tests/mutate.py [--json FILE] [--jobs N] [--only PATH] [--bounds]

Each mutant is a copy of the package with one change in one of the functions below, on which only
the tests named beside it are run, with few examples. A mutant that they pass survives. Children are
forked from a process that has imported everything but the package, so a mutant costs its tests.

A bound of the theorems is made smaller as well: halved, and each of its terms dropped or halved. Of
these mutants those tests must take notice that know instances and no formula.
"""

import argparse
import compileall
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import hypothesis.extra.numpy  # noqa: F401  (imported before the fork)
import pytest
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import refsast  # noqa: E402, F401  (for what it imports in turn; each child imports its own copy)
from tests.equivalent import EQUIVALENT  # noqa: E402
from tests.mutations import Mutant, mutants  # noqa: E402
from tests.targets import TARGETS  # noqa: E402

PARTS = ("refsast", "proofs_check", "tests")  # each child imports its own copy of them

for name in [name for name in sys.modules if name.split(".")[0] in PARTS]:
    del sys.modules[name]

TIMEOUT = 120.0  # seconds; a mutant that hangs is caught


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
