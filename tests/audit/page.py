"""The page of the audit."""

from collections.abc import Sequence

from tests.audit.mode_rows import Row

TITLE = "# Other libraries, checked"
TEXT = """
Written by `make peers` (`python -m tests.audit`). Each mode of each library is one implementation,
made by `refsast.crosscheck.adapters`, and is put to `rs.check` on {cases} drawn networks: loss,
spikes, potentials and adjoints as far as the library shows them, gradients of all parameters and of
the input. "Worst error" is the largest of all entries in all cases that agree, in units of the
tolerance, which is computed from the rounding errors of each case (above 1: disagrees). "Too large
by" is the range of the norm of the gradient over that of the right one. The cause is what the check
found by itself, in how many cases; "unknown" is said where nothing that it knows gives the same
numbers. A mode that is wrong here may be what its authors intend: a detached reset is a choice, but
the result is not the gradient of the loss.
"""
HEAD = (
    "| library | mode | agree | worst error | too large by | cause |",
    "|---|---|---|---|---|---|",
)


def page(rows: Sequence[Row], cases: int) -> str:
    """Return the page in Markdown.

    Parameters
    ----------
    rows : sequence of Row
        One per mode.
    cases : int
        How many cases each was asked.

    Returns
    -------
    str
        All of it.
    """
    return "\n".join((TITLE, TEXT.format(cases=cases), *HEAD, *map(line, rows), ""))


def line(row: Row) -> str:
    """Return one line of the table."""
    mode = row.mode
    if not row.version:
        return f"| {mode.package} | {mode.description} | not installed | | | |"
    agree = f"{row.agreeing} of {len(row.reports)}"
    worst = f"{row.worst:.2g}" if row.agreeing else ""
    factors, causes = row.factors, row.causes
    off = f"{factors[0]:.3g} to {factors[-1]:.3g}" if factors else ""
    why = ", ".join(f"{name} ({times})" for name, times in causes.most_common())
    return (
        f"| {mode.package} {row.version} | {mode.description} | {agree} | {worst} | {off} | {why} |"
    )
