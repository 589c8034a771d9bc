"""A table on disk that is whole after each row."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from pathlib import Path

from refsast.files import write_atomic


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as a CSV file, in the place of an older one; columns as they first occur."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, text.getvalue().encode())


def write_as_measured(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write the table after each of its rows, which take long, and print the row."""
    done: list[Mapping[str, object]] = []
    for row in rows:
        done.append(row)
        write_table(path, done)
        print(row, flush=True)
