"""The outcome of a comparison as rows: means, intervals, paired differences."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from refsast.experiment.compare import BASELINE, LONGER, Mean, Result, estimate_mean, final_measures


@dataclass(frozen=True)
class Row:
    """One arm of a comparison; accuracies in per cent, differences in points.

    Attributes
    ----------
    arm : str
        Its name.
    seeds : int
        How many runs.
    evaluations : int
        Gradients of a minibatch that one run took.
    smooth, hard, gap : Mean
        On the held-out recordings, after the last epoch.
    retuned : Mean
        Hard accuracy after re-tuning the thresholds by one factor: a control.
    against_baseline, against_longer : Mean or None
        Hard accuracy less that of the baseline, and of the baseline with twice the epochs, seed by
        seed; None for those two themselves.
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


def comparison_rows(results: Sequence[Result]) -> tuple[Row, ...]:
    """Return one row per arm, in the order in which the arms first appear."""
    names = tuple(dict.fromkeys(r.arm for r in results))
    return tuple(_make_row(results, names, name) for name in names)


def _make_row(results: Sequence[Result], names: Sequence[str], arm: str) -> Row:
    runs = [r.run for r in results if r.arm == arm]
    hard = final_measures(results, arm, "hard")

    def difference(other: str) -> Mean | None:
        if arm in (BASELINE, LONGER) or other not in names:
            return None
        return estimate_mean(100.0 * (hard - final_measures(results, other, "hard")))

    return Row(
        arm,
        len(runs),
        runs[0].curve[-1].evaluations,
        estimate_mean(100.0 * final_measures(results, arm, "smooth")),
        estimate_mean(100.0 * hard),
        estimate_mean(100.0 * final_measures(results, arm, "gap")),
        estimate_mean(100.0 * final_measures(results, arm, "retuned")),
        difference(BASELINE),
        difference(LONGER),
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
)


def row_cells(row: Row) -> tuple[str, ...]:
    """Return a row as text, under `HEADINGS`."""
    means = (row.smooth, row.hard, row.gap, row.retuned)
    differences = (row.against_baseline, row.against_longer)
    return (
        row.arm,
        str(row.seeds),
        str(row.evaluations),
        *(_format_mean(mean) for mean in means),
        *("" if mean is None else _format_mean(mean, sign="+") for mean in differences),
    )


def _format_mean(mean: Mean, sign: str = "") -> str:
    """A mean with its interval, if it has one."""
    value = f"{mean.value:{sign}.1f}"
    return f"{value} ± {mean.half_width:.1f}" if mean.has_interval else value


def format_rows(table: Sequence[Row]) -> str:
    """Return the table as aligned lines of text, without the columns that are empty."""
    body = list(map(row_cells, table))
    filled = [i for i in range(len(HEADINGS)) if any(line[i] for line in body)]
    return align_columns([[line[i] for i in filled] for line in (HEADINGS, *body)])


def align_columns(lines: Sequence[Sequence[str]], words: Collection[int] = (0,)) -> str:
    """Return headings and rows as aligned lines of text, the columns of `words` to the left."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    filled = [
        "  ".join(
            cell.ljust(width) if i in words else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([filled[0], "-" * sum((w + 2 for w in widths), -2), *filled[1:]])


def conclusion(table: Sequence[Row]) -> str:
    """Return in one sentence what the arm with the highest hard accuracy did to the gap."""
    baseline = next((row for row in table if row.arm == BASELINE), None)
    sast = [row for row in table if row.arm not in (BASELINE, LONGER)]
    if baseline is None or not sast:
        return "Nothing to compare: the baseline or every SAST arm is missing."
    best = max(sast, key=lambda row: row.hard.value)
    differences = [
        f"{_format_mean(mean, sign='+')} points against {arm}"
        for arm, mean in ((BASELINE, best.against_baseline), (LONGER, best.against_longer))
        if mean is not None
    ]
    spread = "95 % interval" if best.hard.has_interval else "no intervals: they need three seeds"
    return (
        f"{best.arm}: transfer gap {best.gap.value:.1f} points, the baseline's is "
        f"{baseline.gap.value:.1f}; hard accuracy {best.hard.value:.1f} %, that is "
        f"{' and '.join(differences)} (paired, {spread})."
    )
