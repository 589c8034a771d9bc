"""Means over seeds of a table that has a line per run, as Markdown, and their figure.

``python -m tools.seed_means TABLE.csv [--columns "hard;8 bits"] [--against ARM] [--figure FILE]``:
an arm is what a run's name says before its hash; a mean has its 95 % interval by Student's t. With
``--against``, a second table of differences from that arm, paired by seed. The figure shows the
columns arm by arm. Where a run has a line for each value of a column, ``--by COLUMN`` makes columns
of them: "certified %, 8 bits".
"""

import argparse
import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from refsast.experiment.compare import Mean, estimate_mean
from refsast.experiment.html_document import encode_png
from refsast.files import write_atomic

RUN = re.compile(r"(?P<arm>.+)-[0-9a-f]{6}-seed(?P<seed>\d+)")
Table = Mapping[str, Mapping[int, Mapping[str, float]]]  # arm, seed, column


def read_table(path: Path, by: str | None = None) -> Table:
    """Return the numbers of a table; raise where a run's name has no arm and seed."""
    found: dict[str, dict[int, dict[str, float]]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            name = row.pop("run", "")
            parts = RUN.fullmatch(name)
            if parts is None:
                raise ValueError(f"run must be named ARM-hash-seedN, got {name}")
            if by is not None and by not in row:
                raise ValueError(f"by must be one of {', '.join(row)}, got {by}")
            end = "" if by is None else f", {row.pop(by)} {by}"
            values = {k + end: float(v) for k, v in row.items() if _is_number(v)}
            found.setdefault(parts["arm"], {}).setdefault(int(parts["seed"]), {}).update(values)
    return found


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def find_means(table: Table, arm: str, column: str, against: str | None) -> Mean:
    """Return the mean of an arm's column, or of its paired differences from another arm's."""
    own = {seed: row[column] for seed, row in table[arm].items() if column in row}
    if against is not None:
        others = table[against]
        own = {s: v - others[s][column] for s, v in own.items() if column in others.get(s, {})}
    return estimate_mean(np.array(list(own.values())))


def format_table(table: Table, columns: Sequence[str], against: str | None = None) -> str:
    """Return the means of all arms as Markdown."""
    seeds = "/".join(str(n) for n in sorted({len(rows) for rows in table.values()}))
    title = f"less {_name_arm(against)}" if against else f"mean of {seeds} seeds"
    lines = [f"| {title} | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for arm in table:
        if arm != against:
            cells = [_format_mean(find_means(table, arm, c, against), against) for c in columns]
            lines.append(f"| {_name_arm(arm)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _name_arm(arm: str) -> str:
    """What a run's file calls its arm, as `refsast compare` does."""
    return arm.replace("sast-", "SAST, ").replace("-", " ")


def _format_mean(mean: Mean, against: str | None) -> str:
    sign = "+" if against else ""
    half = f" ± {mean.half_width:.1f}" if mean.has_interval else ""
    return f"{mean.value:{sign}.1f}{half}"


def draw_means(table: Table, columns: Sequence[str]) -> Figure:
    """Return a figure of the means, column by column, a bar for each arm."""
    figure = Figure(figsize=(1.6 + 1.3 * len(columns), 3.6), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(table)
    for k, arm in enumerate(table):
        means = [find_means(table, arm, column, None) for column in columns]
        at = np.arange(len(columns)) + (k - 0.5 * (len(table) - 1)) * width
        spread = [mean.half_width if mean.has_interval else 0.0 for mean in means]
        axes.bar(at, [m.value for m in means], width, yerr=spread, label=_name_arm(arm))
    axes.set_xticks(np.arange(len(columns)), columns)
    axes.set_ylabel("accuracy, %")
    axes.set_ylim(0.0, 100.0)
    axes.legend(ncols=3, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, 1.25))
    return figure


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("--columns", default="smooth;hard;gap;8 bits;4 bits", help="separated by ;")
    parser.add_argument("--against")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--by")
    args = parser.parse_args()
    try:
        table, columns = read_table(args.table, args.by), args.columns.split(";")
        known = {name for rows in table.values() for row in rows.values() for name in row}
        if missing := [name for name in columns if name not in known]:
            raise ValueError(f"columns must be of {', '.join(sorted(known))}, got {missing[0]}")
        if args.against not in (None, *table):
            raise ValueError(f"against must be one of {', '.join(table)}, got {args.against}")
    except (OSError, ValueError) as error:
        parser.error(str(error))
    print(format_table(table, columns))
    if args.against:
        print(f"\n{format_table(table, columns, args.against)}")
    if args.figure:
        write_atomic(args.figure, encode_png(draw_means(table, columns), dpi=110))


if __name__ == "__main__":
    main()
