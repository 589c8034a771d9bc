"""A table on disk that is whole after each row."""

import csv
from collections.abc import Mapping, Sequence
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
