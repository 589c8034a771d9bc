"""What a comparison shows, in sentences that its own figures support, and no more than that."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from refsast.data.archive import CLASSES
from refsast.experiment.compare import BASELINE, LONGER, Mean, estimate_mean
from refsast.experiment.outcome import (
    Outcome,
    excludes_zero,
    format_mean,
    last_values,
    list_arms,
    mean_difference,
    mean_of_arm,
)
from refsast.experiment.presets import PAPER

SWAP = (
    "Smooth is the accuracy with the smooth spikes of the training; hard is the accuracy when "
    "every spike becomes 0 or 1 and nothing else changes; the gap is what this swap costs."
)
CHANCE = 100.0 / CLASSES  # per cent


def sast_arms(record: Mapping) -> list[str]:
    """Return the arms that are SAST, and not a baseline or another control."""
    settings = record["settings"].items()
    return [arm for arm, s in settings if s["rho"] > 0.0 and arm == f"SAST, rho {s['rho']:g}"]


def explain_comparison(record: Mapping, outcomes: Sequence[Outcome]) -> list[str]:
    """Return what is seen, in a few sentences.

    Parameters
    ----------
    record : dict
        Of a comparison, of any version.
    outcomes : sequence of Outcome
        Its runs.

    Returns
    -------
    list of str
        What the words mean, the gaps, the controls, and what limits all that.
    """
    sast = sast_arms(record)
    shown = [arm for arm in (BASELINE, LONGER, *sast[:1]) if arm in list_arms(outcomes)]
    said = [SWAP, *_explain_gaps(outcomes, sast)]
    if len(sast) == 1:
        said += _explain_budget(record, outcomes, sast[0])
        said += _explain_thresholds(outcomes, sast[0])
    said += explain_silence(outcomes, shown)
    said += _explain_gain(record)
    return said + _explain_limits(record, outcomes)


def _name(arm: str) -> str:
    """The name of an arm within a sentence: SAST (rho 0.3)."""
    head, comma, rest = arm.partition(", ")
    return f"{head} ({rest})" if comma else arm


def _explain_gaps(outcomes: Sequence[Outcome], sast: Sequence[str]) -> list[str]:
    """What the swap costs the baseline, and what SAST leaves of that."""
    baseline = mean_of_arm(outcomes, BASELINE, "gap")
    gaps = {arm: mean_of_arm(outcomes, arm, "gap") for arm in sast}
    known = {arm: gap for arm, gap in gaps.items() if gap is not None}
    if baseline is None or not known:
        return []
    start = f"The baseline loses {format_mean(baseline)} points in the swap"
    if baseline.has_interval and not excludes_zero(baseline):
        start += " (its interval includes zero: no gap is shown that could be closed)"
    if len(known) > 1:
        values = [gap.value for gap in known.values()]
        return [
            f"{start}; the {len(known)} SAST arms lose from {min(values):.1f} to "
            f"{max(values):.1f}. None of these arms is picked out here: the best of several on the "
            "same recordings looks better than it is."
        ]
    arm, gap = next(iter(known.items()))
    difference = mean_difference(outcomes, BASELINE, arm, "gap")
    return [f"{start}; {_name(arm)} loses {format_mean(gap)}{_weigh_difference(difference)}."]


def _weigh_difference(difference: Mean | None, words: tuple[str, str] = ("less", "more")) -> str:
    """How much less or more, and whether the seeds tell that from nothing."""
    if difference is None:
        return ""
    size = Mean(abs(difference.value), difference.half_width)
    word = words[0] if difference.value >= 0.0 else words[1]
    text = f", {format_mean(size)} points {word} (paired by seed)"
    if difference.has_interval and not excludes_zero(difference):
        text += "; that interval includes zero: these seeds do not tell the two apart"
    return text


def _explain_budget(record: Mapping, outcomes: Sequence[Outcome], arm: str) -> list[str]:
    """How SAST stands against the baseline that takes as many gradients."""
    hard = mean_of_arm(outcomes, LONGER, "hard")
    gap = mean_of_arm(outcomes, LONGER, "gap")
    if hard is None or gap is None:
        return []
    spent = {run["arm"]: run.get("evaluations") for run in record["runs"] if "evaluations" in run}
    counts = f" ({spent[LONGER]} and {spent[arm]})" if {LONGER, arm} <= set(spent) else ""
    difference = mean_difference(outcomes, arm, LONGER, "hard")
    against = _weigh_difference(difference, ("higher", "lower")).removeprefix(", ")
    text = (
        f"SAST takes two gradients per step. The baseline with twice the epochs spends as "
        f"many{counts}: it reads {format_mean(hard, ' %')} with hard spikes, a gap of "
        f"{format_mean(gap)} points"
    )
    return [f"{text}; the hard accuracy of {_name(arm)} is {against}." if against else f"{text}."]


def _explain_thresholds(outcomes: Sequence[Outcome], arm: str) -> list[str]:
    """What re-tuned thresholds do without SAST."""
    retuned = last_values(outcomes, BASELINE, "retuned")
    ours = last_values(outcomes, arm, "hard")
    both = [seed for seed in retuned if seed in ours]
    if not both:
        return []
    mean = estimate_mean(np.array(list(retuned.values())))
    difference = estimate_mean(np.array([ours[seed] - retuned[seed] for seed in both]))
    against = _weigh_difference(difference, ("higher", "lower")).removeprefix(", ")
    return [
        "A control: after the training all thresholds are multiplied by one factor, chosen on the "
        f"training recordings. The baseline then reads {format_mean(mean, ' %')} with hard spikes; "
        f"{_name(arm)}, not re-tuned, is {against}."
    ]


def explain_silence(outcomes: Sequence[Outcome], arms: Sequence[str]) -> list[str]:
    """Return in how many recordings no output neuron fires; nothing if the record lacks that."""
    means = {arm: mean_of_arm(outcomes, arm, "silent") for arm in arms}
    known = [f"{_name(arm)} {format_mean(m, ' %')}" for arm, m in means.items() if m is not None]
    if not known:
        return []
    return [
        f"Recordings in which no output neuron fires with hard spikes: {', '.join(known)}. All "
        "classes then have the same logit, and the first one is answered."
    ]


def _explain_gain(record: Mapping) -> list[str]:
    """That a smaller gain does it, too; for the setting in which that was measured."""
    setting, paper = next(iter(record["settings"].values())), asdict(PAPER)
    same = ("steps", "slope", "leak", "threshold", "gain", "scale")
    if any(setting.get(k) != paper[k] for k in same) or setting["hidden"] != list(paper["hidden"]):
        return []
    return [
        f"The readout's gain is {PAPER.gain:g} here, chosen because it shows the gap: with so "
        "steep a readout the smooth loss is small while output neurons stay below threshold. With "
        "a gain of 10 this baseline lost about one point when that was measured "
        "(docs/transfer_gap.md): where the gain can be chosen, a modest one does it, too."
    ]


def _explain_limits(record: Mapping, outcomes: Sequence[Outcome]) -> list[str]:
    """What is to be kept in mind: seeds, chance, runs that diverged, validation."""
    said, n = [], len({o.seed for o in outcomes})
    if n < 3:
        count = "Only one seed was" if n == 1 else "Only two seeds were"
        said.append(f"{count} run: too few for an interval; other seeds may give other figures.")
    smooth = {arm: mean_of_arm(outcomes, arm, "smooth") for arm in list_arms(outcomes)}
    low = [arm for arm, mean in smooth.items() if mean and mean.value < 2.0 * CHANCE]
    if low:
        said.append(
            f"Below {2.0 * CHANCE:.0f} % with smooth spikes, where chance is {CHANCE:.0f} %: "
            f"{'; '.join(low)}. What has hardly learned has no gap to speak of."
        )
    if lost := sum(o.diverged is not None for o in outcomes):
        said.append(f"{lost} of {len(outcomes)} runs diverged and are left out of the means.")
    if "to validate" in record["recordings"]:
        said.append("The figures are of validation recordings, on which settings are chosen.")
    return said
