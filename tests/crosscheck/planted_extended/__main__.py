"""The program: ``python -m tests.crosscheck.planted_extended --networks 50 --out FOLDER``.

A row per network is added to FOLDER/rows.jsonl as it is judged; rows that are there are not asked
again. The table counts, by kind, what was detected, causes and places.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tests.crosscheck.planted_extended.connection_kinds import connection_kinds
from tests.crosscheck.planted_extended.judge import Row, judge
from tests.crosscheck.planted_extended.kind import DTYPES, Kind
from tests.crosscheck.planted_extended.learned_kinds import learned_kinds
from tests.crosscheck.planted_extended.loss_kinds import loss_kinds
from tests.crosscheck.planted_extended.neuron_kinds import neuron_kinds

CAUSES = ("true", "same numbers", "unknown", "FALSE")
PLACES = ("right", "not known", "WRONG")


def list_kinds() -> tuple[Kind, ...]:
    """Return all kinds of faults."""
    return (*connection_kinds(), *neuron_kinds(), *learned_kinds(), *loss_kinds())


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file, none if it is not there; a line that was cut off is none."""
    found = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            found.append(Row(**json.loads(line)))
        except ValueError:
            continue
    return found


def format_table(rows: Sequence[Row]) -> str:
    """Return the counts by kind and of all, as a table of Markdown."""
    head = ("kind", "networks", "detected", *CAUSES, *PLACES, "no effect", "seconds")
    lines = [head, ("---",) * len(head)]
    kinds = dict.fromkeys(row.kind for row in rows)
    for name in (*kinds, "all"):
        own = [row for row in rows if name in (row.kind, "all")]
        causes, places = Counter(r.cause for r in own), Counter(r.place for r in own)
        cells = (
            name, len(own), sum(r.detected for r in own), *(causes[c] for c in CAUSES),
            *(places[p] for p in PLACES), sum(r.unshown for r in own),
            f"{np.median([r.seconds for r in own]):.1f}",
        )  # fmt: skip
        lines.append(tuple(map(str, cells)))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def run(names: Iterable[str], networks: int, out: Path, dtype: str) -> list[Row]:
    """Judge what is not yet in the folder, and return all rows of these kinds."""
    kinds = {kind.name: kind for kind in list_kinds()}
    out.mkdir(parents=True, exist_ok=True)
    path = out / "rows.jsonl"
    asked = [(name, n) for n in range(networks) for name in names]
    done = {(row.kind, row.network): row for row in read_rows(path) if row.dtype == dtype}
    todo = [each for each in asked if each not in done]
    with path.open("a") as file:
        for name, n in tqdm(todo, mininterval=5.0):
            row = judge(kinds[name], n, dtype=dtype)
            done[name, n] = row
            file.write(json.dumps(asdict(row)) + "\n")
            file.flush()
    return [done[name, n] for name in names for n in range(networks)]


def main() -> None:
    """Read the command line, judge, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=3, help="of each kind")
    parser.add_argument("--out", type=Path, required=True, help="folder of the rows")
    parser.add_argument("--dtype", choices=tuple(DTYPES), default="float64")
    parser.add_argument("--kinds", nargs="*", help="only kinds with one of these words")
    parser.add_argument("--all-rows", action="store_true", help="print rows that are not true")
    args = parser.parse_args()
    names = [
        kind.name
        for kind in list_kinds()
        if not args.kinds or any(word in kind.name for word in args.kinds)
    ]
    rows = run(names, args.networks, args.out, args.dtype)
    for row in rows if args.all_rows else ():
        if row.cause != "true" or row.place == "WRONG" or not row.detected:
            print(f"{row.cause}, {row.place}: {row.kind} {row.network}\n  planted: {row.planted}")
            print(f"  says: {row.says}\n  first: {row.first}, true: {row.truth}\n  {row.text}")
    print(format_table(rows))


if __name__ == "__main__":
    main()
