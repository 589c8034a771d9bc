"""The outcome of a comparison as rows: means, intervals, paired differences."""

import shutil
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from refsast.experiment.compare import (
    BASELINE,
    LONGER,
    Mean,
    Result,
    estimate_mean,
    final_measures,
    seed_differences,
)
from refsast.experiment.differences import holm, t_test_p


@dataclass(frozen=True)
class Row:
    """One arm of a comparison; accuracies in per cent, differences in points.

    Means are over the runs that did not diverge, those of differences over the seeds with which
    neither of the two did.

    Attributes
    ----------
    arm : str
        Its name.
    seeds : int
        How many runs.
    evaluations : int
        Gradients of a minibatch that one run took; 0 if all diverged.
    smooth, hard, gap : Mean
        On the held-out recordings, after the last epoch.
    retuned : Mean
        Hard accuracy after re-tuning the thresholds by one factor: a control.
    against_baseline, against_longer : Mean or None
        Hard accuracy less that of the baseline, and of the baseline with twice the epochs, seed by
        seed; None for those two themselves.
    p_longer : float or None
        Of no difference to the baseline with twice the epochs: paired t-test, corrected by Holm for
        all arms of the table but the two baselines. NaN where there is no test, see `t_test_p`.
    diverged : tuple of int
        After how many steps each of the runs diverged that did.
    chance : float
        Accuracy of a guess, in per cent.
    """

    arm: str
    seeds: int
    evaluations: int
    smooth: Mean
    hard: Mean
    gap: Mean
    retuned: Mean
    against_baseline: Mean | None
    against_longer: Mean | None
    p_longer: float | None
    diverged: tuple[int, ...]
    chance: float


def comparison_rows(results: Sequence[Result]) -> tuple[Row, ...]:
    """Return one row per arm, in the order in which the arms first appear."""
    names = tuple(dict.fromkeys(r.arm for r in results))
    others = [name for name in names if name not in (BASELINE, LONGER)] if LONGER in names else []
    p_values = holm([t_test_p(seed_differences(results, name, LONGER)) for name in others])
    p_longer = dict(zip(others, p_values, strict=True))
    return tuple(_make_row(results, names, name, p_longer.get(name)) for name in names)


def _make_row(
    results: Sequence[Result], names: Sequence[str], arm: str, p_longer: float | None
) -> Row:
    own = [r for r in results if r.arm == arm]
    whole = [r.run for r in own if r.diverged is None]

    def mean(measure: str) -> Mean:
        return estimate_mean(100.0 * final_measures(results, arm, measure))

    def difference(other: str) -> Mean | None:
        if arm in (BASELINE, LONGER) or other not in names:
            return None
        return estimate_mean(100.0 * seed_differences(results, arm, other))

    return Row(
        arm=arm,
        seeds=len(own),
        evaluations=whole[0].curve[-1].evaluations if whole else 0,
        smooth=mean("smooth"),
        hard=mean("hard"),
        gap=mean("gap"),
        retuned=mean("retuned"),
        against_baseline=difference(BASELINE),
        against_longer=difference(LONGER),
        p_longer=p_longer,
        diverged=tuple(sorted(r.diverged for r in own if r.diverged is not None)),
        chance=100.0 / own[0].run.network.classes,
    )


HEADINGS = (
    "arm",
    "seeds",
    "gradients",
    "smooth %",
    "hard %",
    "gap",
    "hard %, thresholds re-tuned",
    "hard vs baseline",
    "hard vs twice the epochs",
    "p vs twice the epochs (Holm)",
    "diverged",
)


def row_cells(row: Row) -> tuple[str, ...]:
    """Return a row as text, under `HEADINGS`."""
    differences = (row.against_baseline, row.against_longer)
    return (
        row.arm,
        str(row.seeds),
        str(row.evaluations) if row.evaluations else NO_VALUE,
        _format_accuracy(row.smooth, row.chance),
        _format_accuracy(row.hard, row.chance),
        format_mean(row.gap),
        _format_accuracy(row.retuned, row.chance),
        *("" if mean is None else format_mean(mean, sign="+") for mean in differences),
        format_p(row.p_longer),
        _format_diverged(row),
    )


NO_VALUE = "-"  # of a mean of nothing


def format_mean(mean: Mean, sign: str = "") -> str:
    """Return a mean with its interval, if it has one."""
    if np.isnan(mean.value):
        return NO_VALUE
    value = f"{round(mean.value, 1) + 0.0:{sign}.1f}"  # no minus before a zero
    return f"{value} ± {mean.half_width:.1f}" if mean.has_interval else value


def format_p(p: float | None) -> str:
    """Return a p-value as text, empty where there is none."""
    if p is None or np.isnan(p):
        return ""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def _format_accuracy(mean: Mean, chance: float) -> str:
    """A mean accuracy; what no interval tells from a guess is called so."""
    return format_mean(mean) + (" at chance" if mean.includes(chance) else "")


def _format_diverged(row: Row) -> str:
    """How many runs diverged, and when."""
    if not row.diverged:
        return ""
    steps = ", ".join(map(str, row.diverged))
    return f"{len(row.diverged)} of {row.seeds}, diverged at step {steps}"


def format_rows(table: Sequence[Row]) -> str:
    """Return the table as aligned lines of text, without the columns that are empty."""
    body = list(map(row_cells, table))
    filled = [i for i in range(len(HEADINGS)) if any(line[i] for line in body)]
    return fit_columns([[line[i] for i in filled] for line in (HEADINGS, *body)])


def fit_columns(lines: Sequence[Sequence[str]], words: Collection[int] = (0,)) -> str:
    """Return what `align_columns` does, made to fit the terminal.

    Where it is too narrow, headings are broken between words, and then columns move to further
    blocks, each with the first column; nothing else is broken. Where the output is no terminal it
    has no width, unless ``COLUMNS`` says so.
    """
    width = shutil.get_terminal_size(fallback=(10**6, 24)).columns
    headings = 1
    if len(align_columns(lines, words).splitlines()[1]) > width:
        above = _wrap_headings(lines)
        lines, headings = [*above, *lines[1:]], len(above)
    blocks, used = [[0]], width
    for i, cells in enumerate(list(zip(*lines, strict=True))[1:], 1):
        size = 2 + max(map(len, cells))
        if used + size > width:
            blocks.append([0])
            used = max(len(line[0]) for line in lines)
        blocks[-1].append(i)
        used += size
    return "\n\n".join(
        _align_block(lines, block, words, headings) for block in blocks[1:] or blocks
    )


def _align_block(
    lines: Sequence[Sequence[str]], block: Sequence[int], words: Collection[int], headings: int
) -> str:
    """Some of the columns, without the lines of headings that are empty for them."""
    chosen = [[line[i] for i in block] for line in lines]
    above = [line for line in chosen[:headings] if any(line)]
    left = [k for k, i in enumerate(block) if i in words]
    return align_columns([*above, *chosen[headings:]], left, len(above))


def _wrap_headings(lines: Sequence[Sequence[str]]) -> list[list[str]]:
    """The headings in several lines, hardly wider than what stands below them."""
    wrapped = [
        textwrap.wrap(cells[0], max(12, *map(len, cells[1:])), break_long_words=False)
        for cells in zip(*lines, strict=True)
    ]
    height = max(map(len, wrapped))
    return [list(row) for row in zip(*([""] * (height - len(h)) + h for h in wrapped), strict=True)]


def align_columns(
    lines: Sequence[Sequence[str]], words: Collection[int] = (0,), headings: int = 1
) -> str:
    """Return lines of headings and rows as aligned text, the columns of `words` to the left."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    filled = [
        "  ".join(
            cell.ljust(width) if i in words else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    rule = "-" * sum((w + 2 for w in widths), -2)
    return "\n".join([*filled[:headings], rule, *filled[headings:]])
