"""``python -m tests.bench``: time gradients, here and elsewhere; write the page and its figures."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from refsast.files import write_atomic
from tests.bench.figures import bars, png, scaling
from tests.bench.report import TITLES, comparison, memory, page
from tests.bench.sections import QUICK, SECTIONS, Results, machine, tasks
from tests.bench.timing import workers


def parser() -> argparse.ArgumentParser:
    """Return what the command line takes."""
    found = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__.split(": ")[1]
    )
    found.add_argument("--quick", action="store_true", help=f"{' and '.join(QUICK)} only: a minute")
    found.add_argument("--only", metavar="NAME", help=f"one of {', '.join(SECTIONS)}")
    found.add_argument("--rounds", type=int, default=20, help="turns for everybody (20)")
    found.add_argument("--out", type=Path, help="folder (docs; runs/bench with --quick or --only)")
    found.add_argument("--json", type=Path, help="also write every single time there")
    return found


def sections(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the sections that were asked for."""
    if options.rounds < 1:
        raise ValueError(f"--rounds must be positive, got {options.rounds}")
    if options.only is not None and options.only not in SECTIONS:
        raise ValueError(f"--only must be one of {', '.join(SECTIONS)}, got {options.only}")
    if options.only is not None:
        return (options.only,)
    return QUICK if options.quick else SECTIONS


def run(names: tuple[str, ...], rounds: int, *, quick: bool) -> Results:
    """Do all that was asked for, with a bar."""
    results = Results(machine=machine())
    with workers() as here, tqdm(tasks(names, rounds, quick=quick), unit="part") as bar:
        for title, task in bar:
            bar.set_description(title)
            task(here, results)
        results.machine["turns disturbed by other programs"] = f"{here.disturbed} of {here.turns}"
    return results


def write(results: Results, out: Path) -> None:
    """Write the page, and the figures for which there are numbers."""
    reference = results.tables.get("reference", {})
    if "floor" in reference and reference["floor"].seconds:
        write_atomic(out / "figures" / "benchmark.png", png(bars(reference)))
    if results.sweeps:
        write_atomic(out / "figures" / "scaling.png", png(scaling(results)))
    write_atomic(out / "benchmarks.md", page(results).encode())


def show(results: Results) -> None:
    """Print the tables."""
    for name, timings in results.tables.items():
        print(f"{TITLES[name]}\n{comparison(timings)}")
    for name, peaks in results.memory.items():
        print(f"Memory: {TITLES[name].lower()}\n{memory(peaks)}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    options = parser().parse_args(arguments)
    try:
        names = sections(options)
        part = options.quick or options.only is not None
        out = options.out or Path("runs/bench" if part else "docs")
        results = run(names, options.rounds, quick=options.quick)
        show(results)
        write(results, out)
        if options.json is not None:
            write_atomic(options.json, json.dumps(asdict(results), indent=1).encode())
    except ValueError as error:
        print(f"tests.bench: {error}", file=sys.stderr)
        return 2
    print(f"written to {os.fspath(out)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
