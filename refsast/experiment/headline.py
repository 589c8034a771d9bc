"""What a comparison says in a few sentences; no arm is chosen by its result."""

from collections.abc import Sequence

from refsast.experiment.compare import BASELINE, LONGER, Mean, Result, is_sast
from refsast.experiment.tables import Row, comparison_rows, format_mean, format_p

NOTHING = "Nothing to compare: the baseline or every SAST arm is missing or diverged."


def conclusion(results: Sequence[Result], *, held_out: str = "test recordings") -> str:
    """Return what every SAST arm did to the gap and to hard accuracy, in a few sentences.

    `held_out` says what the accuracies were measured on; test recordings are not mentioned.
    """
    table = comparison_rows(results)
    sast_names = {r.arm for r in results if is_sast(r)}
    baseline = next((row for row in table if row.arm == BASELINE and row.hard.values), None)
    sast = [row for row in table if row.arm in sast_names and row.hard.values]
    if baseline is None or not sast:
        return " ".join([NOTHING, *_describe_divergence(table)])
    others = sum(row.arm not in (BASELINE, LONGER) for row in table)
    sentences = [f"{'; '.join(_describe_arm(row, baseline) for row in sast)} ({_method(sast)})."]
    if others > 1:
        corrected = any(format_p(row.p_longer) for row in table)
        how = f"p-values are corrected for all {others} by Holm" if corrected else "no p-values"
        sentences.append(
            f"{others} arms were looked at beside the baselines, none is chosen by its result; "
            f"{how}."
        )
    if held_out != "test recordings":
        sentences.append(f"Measured on {held_out}.")
    return " ".join([*sentences, *_describe_divergence(table)])


def _describe_arm(row: Row, baseline: Row) -> str:
    """How an arm stands beside the baselines."""
    differences = [
        f"{format_mean(mean, sign='+')} points against {arm}{_describe_p(p)}"
        for arm, mean, p in (
            (BASELINE, row.against_baseline, None),
            (LONGER, row.against_longer, row.p_longer),
        )
        if mean is not None and mean.values
    ]
    at_chance = ", at chance" if row.hard.includes(row.chance) else ""
    text = (
        f"{row.arm}: transfer gap {row.gap.value:.1f} points, the baseline's is "
        f"{baseline.gap.value:.1f}; hard accuracy {row.hard.value:.1f} %{at_chance}"
    )
    return f"{text}, that is {' and '.join(differences)}" if differences else text


def _describe_p(p: float | None) -> str:
    text = format_p(p)
    return f", p {text if text.startswith('<') else f'= {text}'}" if text else ""


def _method(rows: Sequence[Row]) -> str:
    """How the differences were made."""
    means: list[Mean] = [mean for row in rows if (mean := row.against_baseline) is not None]
    if any(mean.has_interval for mean in means):
        return "paired, 95 % interval; p of the paired t-test"
    return "paired, no intervals: they need three seeds"


def _describe_divergence(table: Sequence[Row]) -> list[str]:
    """A sentence if some runs diverged, none else."""
    diverged = sum(len(row.diverged) for row in table)
    runs = sum(row.seeds for row in table)
    if not diverged:
        return []
    return [f"{diverged} of {runs} runs diverged; means are over the others."]
