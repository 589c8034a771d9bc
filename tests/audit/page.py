"""The page of the audit."""

import re
from collections.abc import Sequence

from refsast.model.params import flatten
from tests.audit.mode_rows import Row

TITLE = "# Other libraries, checked"
TEXT = """
Written by `make peers` (`python -m tests.audit`).

{summary}

"Agree" and "disagree" count modes; one that disagrees in any case disagrees. "Not read" are those
that an adapter refuses, with its reason: nothing is said of them.

## Dense layers of leaky integrate-and-fire neurons

Each mode of each library is one implementation,
made by `refsast.crosscheck.adapters`, and is put to `rs.check` on {cases} drawn networks: loss,
spikes, potentials and adjoints as far as the library shows them, gradients of all parameters and of
the input. "Worst error" is the largest of all entries in all cases that agree, in units of the
tolerance, which is computed from the rounding errors of each case (above 1: disagrees). "Too large
by" is the range of the norm of the gradient over that of the right one. The cause is what the check
found by itself, in how many cases; "unknown" is said where nothing that it knows gives the same
numbers. A mode that is wrong here may be what its authors intend: a detached reset is a choice, but
the result is not the gradient of the loss.
"""
NETWORK_TEXT = """
## Other cells, connections and losses

Modules as people write them, with the library's own cells, layers and losses; an adapter reads the
network from each, for {cases} seeds of weights and inputs. snnTorch is asked about everything but
the detached reset, unless the line says otherwise, and losses whether they are what their names
say. Spikes are hard forward in snnTorch and Norse; in SpikingJelly and Sinabs they are smooth where
"hard" or `SingleSpike` does not stand.
"""
TUTORIAL_TEXT = """
## Their own tutorials, at their own size

The networks of the libraries' tutorials and examples as these have them, and 784-1000-10 of other
cells; four images of which one pixel in five is lit (the last two lines: random numbers), weights
not trained. What a user adds to the module is `case_of`, `wrap` and `rs.check`, three lines, and
the loss. Seconds are those of one call, from the module to the verdict.
"""
WHY_TEXT = """
## Why they disagree

Read by hand in the sources of the released versions; the column "cause" above is the check's own.
"""
STATED = "detach_reset=True"  # an option by which a library states its choice
UNEXPLAINED = "not explained"
HEAD = (
    "| library | mode | agree | worst error | too large by | cause |",
    "|---|---|---|---|---|---|",
)
TUTORIAL_HEAD = (" parameters | seconds |", "---|---|")


def page(
    rows: Sequence[Row],
    cases: int,
    others: Sequence[Row] = (),
    seeds: int = 0,
    tutorials: Sequence[Row] = (),
) -> str:
    """Return the page in Markdown.

    Parameters
    ----------
    rows, others : sequence of Row
        One per mode: of dense layers, and beyond them.
    cases, seeds : int
        How many cases each of them was asked.
    tutorials : sequence of Row
        One per network of a tutorial.

    Returns
    -------
    str
        All of it.
    """
    text = TEXT.format(cases=cases, summary="\n".join(summary_lines([*rows, *others])))
    parts = [TITLE, text, *HEAD, *map(line, rows)]
    if others:
        parts += [NETWORK_TEXT.format(cases=seeds), *HEAD, *map(line, others)]
    if tutorials:
        heads = [each + more for each, more in zip(HEAD, TUTORIAL_HEAD, strict=True)]
        parts += [TUTORIAL_TEXT, *heads, *map(tutorial_line, tutorials)]
    return "\n".join([*parts, WHY_TEXT, *reason_lines([*rows, *others, *tutorials]), ""])


def summary_lines(rows: Sequence[Row]) -> list[str]:
    """Return a table of how many modes of each library agree, disagree and are not read."""
    lines = [
        "| library | modes | agree | disagree | undecided | not read |",
        "|---|---|---|---|---|---|",
    ]
    for package in dict.fromkeys(row.mode.package for row in rows):
        own = [row.outcome for row in rows if row.mode.package == package]
        counts = [own.count(name) for name in ("agree", "disagree", "undecided", "not read")]
        lines.append(f"| {package} | {len(own)} | {' | '.join(map(str, counts))} |")
    return lines


def reason_lines(rows: Sequence[Row]) -> list[str]:
    """Return why each mode disagrees: by choice, by the sentence of its note, or not explained."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.outcome == "disagree":
            stated = "Asked for by its option." if STATED in row.mode.description else UNEXPLAINED
            key = row.mode.package, row.mode.note or stated
            groups.setdefault(key, []).append(row.mode.description)
    return [
        f"- {package}, {'; '.join(modes)}: {reason}" for (package, reason), modes in groups.items()
    ]


def line(row: Row) -> str:
    """Return one line of the table."""
    mode = row.mode
    if not row.version:
        return f"| {mode.package} | {mode.description} | not installed | | | |"
    if row.refusal:
        name = f"{mode.package} {row.version}"
        return f"| {name} | {mode.description} | not read | | | {_shorten_refusal(row)} |"
    agree = f"{row.agreeing} of {len(row.reports)}"
    worst = f"{row.worst:.2g}" if row.agreeing else ""
    factors, causes = row.factors, row.causes
    off = f"{factors[0]:.3g} to {factors[-1]:.3g}" if factors else ""
    why = ", ".join(f"{name} ({times})" for name, times in causes.most_common())
    why = why.replace("|", r"\|")  # no end of a cell
    return (
        f"| {mode.package} {row.version} | {mode.description} | {agree} | {worst} | {off} | {why} |"
    )


def tutorial_line(row: Row) -> str:
    """Return one line of the table of tutorials."""
    if not row.reports:
        return f"{line(row)} | |"
    parameters = flatten(row.reports[0].case.params).size
    return f"{line(row)} {parameters:,} | {row.seconds:.0f} |"


def _shorten_refusal(row: Row) -> str:
    """A refusal without the way out, which is for whoever asks."""
    return re.split(r"[:;] (?:put|write|check)", row.refusal)[0]
