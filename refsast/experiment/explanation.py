"""What a comparison shows, in sentences that its own figures support, and no more than that."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from refsast.data.archive import CLASSES
from refsast.experiment.compare import BASELINE, LONGER, Mean, estimate_mean, name_sast
from refsast.experiment.outcome import (
    Outcome,
    last_values,
    list_arms,
    mean_difference,
    mean_of_arm,
)
from refsast.experiment.presets import PAPER
from refsast.experiment.tables import format_mean

SWAP = (
    "Smooth is the accuracy with the smooth spikes of the training; hard is the accuracy when "
    "every spike becomes 0 or 1 and nothing else changes; the gap is what this swap costs."
)


def list_sast_arms(record: Mapping) -> list[str]:
    """Return the arms that are SAST, and not a baseline or another control."""
    return [arm for arm, s in record["settings"].items() if s["rho"] and arm == name_sast(s["rho"])]


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
    sast = list_sast_arms(record)
    shown = [arm for arm in (BASELINE, LONGER, *sast[:1]) if arm in list_arms(outcomes)]
    said = [SWAP, *_explain_gaps(outcomes, sast)]
    if len(sast) == 1:
        said += _explain_budget(record, outcomes, sast[0])
        said += _explain_thresholds(outcomes, sast[0])
    said += explain_silence(outcomes, shown)
    said += _explain_gain(record)
    return said + _explain_limits(record, outcomes)


def _name_in_text(arm: str) -> str:
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
    start = f"The baseline's gap is {format_mean(baseline)} points"
    if baseline.includes(0.0):
        start += " (its interval includes zero: no gap is shown that could be closed)"
    if len(known) > 1:
        values = [gap.value for gap in known.values()]
        return [
            f"{start}, those of the {len(known)} SAST arms go from {min(values):.1f} to "
            f"{max(values):.1f}. None of these arms is picked out here: the best of several on the "
            "same recordings looks better than it is."
        ]
    arm, gap = next(iter(known.items()))
    less = _weigh_difference(mean_difference(outcomes, BASELINE, arm, "gap"))
    return [
        f"{start}, that of {_name_in_text(arm)} {format_mean(gap)}{f': {less}' if less else ''}."
    ]


def _weigh_difference(difference: Mean | None, words: tuple[str, str] = ("less", "more")) -> str:
    """How much less or more, and whether the seeds tell that from nothing."""
    if difference is None:
        return ""
    size = Mean(abs(difference.value), difference.half_width)
    word = words[0] if difference.value >= 0.0 else words[1]
    text = f"{format_mean(size)} points {word} (paired by seed)"
    if difference.includes(0.0):
        text += "; that interval includes zero: these seeds do not tell the two apart"
    return text


def _explain_budget(record: Mapping, outcomes: Sequence[Outcome], arm: str) -> list[str]:
    """How SAST stands against the baseline that takes as many gradients."""
    hard = mean_of_arm(outcomes, LONGER, "hard")
    gap = mean_of_arm(outcomes, LONGER, "gap")
    if hard is None or gap is None:
        return []
    difference = mean_difference(outcomes, arm, LONGER, "hard")
    against = _weigh_difference(difference, ("higher", "lower"))
    text = (
        f"{_compare_budgets(record, arm)} It then reads {format_mean(hard)} % with hard "
        f"spikes, a gap of {format_mean(gap)} points"
    )
    return [
        f"{text}; the hard accuracy of {_name_in_text(arm)} is {against}."
        if against
        else f"{text}."
    ]


def _compare_budgets(record: Mapping, arm: str) -> str:
    """How many gradients SAST and the longer baseline took, as far as that is recorded."""
    runs = [run for run in record["runs"] if "evaluations" in run]
    spent = {run["arm"]: run["evaluations"] for run in runs}
    if not {LONGER, arm} <= set(spent):
        return "The baseline was trained for twice the epochs, too."
    ours, theirs = spent[arm], spent[LONGER]
    if abs(ours - theirs) <= 0.02 * ours:
        return f"With twice the epochs the baseline takes as many gradients as SAST ({theirs})."
    return f"With twice the epochs the baseline took {theirs} gradients, SAST {ours}."


def _explain_thresholds(outcomes: Sequence[Outcome], arm: str) -> list[str]:
    """What re-tuned thresholds do without SAST."""
    retuned = last_values(outcomes, BASELINE, "retuned")
    ours = last_values(outcomes, arm, "hard")
    both = [seed for seed in retuned if seed in ours]
    if not both:
        return []
    mean = estimate_mean(np.array(list(retuned.values())))
    difference = estimate_mean(np.array([ours[seed] - retuned[seed] for seed in both]))
    against = _weigh_difference(difference, ("higher", "lower"))
    return [
        "Thresholds re-tuned: after the training all thresholds are multiplied by one factor, "
        f"chosen on the training recordings. The baseline then reads {format_mean(mean)} % "
        f"with hard spikes; {_name_in_text(arm)}, not re-tuned, is {against}."
    ]


def explain_silence(outcomes: Sequence[Outcome], arms: Sequence[str]) -> list[str]:
    """Return in how many recordings no output neuron fires; nothing if the record lacks that."""
    silent, shared = (_list_means(outcomes, arms, name) for name in ("silent", "hard_shared"))
    if not silent:
        return []
    text = (
        f"Recordings in which no output neuron fires with hard spikes: {silent}. All classes then "
        "have the same logit, and the first one is answered."
    )
    if shared:
        text += f" If a tie of k classes counts 1/k, the hard accuracy is: {shared}."
    return [text]


def _list_means(outcomes: Sequence[Outcome], arms: Sequence[str], measure: str) -> str:
    """A measure in per cent of some arms, of those that have it."""
    means = {arm: mean_of_arm(outcomes, arm, measure) for arm in arms}
    known = {arm: mean for arm, mean in means.items() if mean is not None}
    return ", ".join(f"{_name_in_text(arm)} {format_mean(mean)} %" for arm, mean in known.items())


def _explain_gain(record: Mapping) -> list[str]:
    """That a smaller gain does better; for the setting in which that was measured."""
    # It was measured on synthetic digits.
    if "N-MNIST" in record["recordings"] or _count_classes(record) != CLASSES:
        return []
    setting, paper = next(iter(record["settings"].values())), asdict(PAPER)
    same = ("steps", "slope", "leak", "threshold", "gain", "scale")
    if any(setting.get(k) != paper[k] for k in same) or setting["hidden"] != list(paper["hidden"]):
        return []
    return [
        f"The readout's gain is {PAPER.gain:g} here, chosen because it shows the gap: with so "
        "steep a readout the smooth loss is small while output neurons stay below threshold. "
        "Where the gain can be chosen, a modest one does better than SAST: on other recordings of "
        "this kind, at the same budget, ten seeds read 94.7 % with hard spikes at a gain of 10 "
        f"without SAST, 92.0 % at gain {PAPER.gain:g} with SAST (docs/transfer_gap.md)."
    ]


def _explain_limits(record: Mapping, outcomes: Sequence[Outcome]) -> list[str]:
    """What is to be kept in mind: seeds, chance, runs that diverged, validation."""
    said, n = [], len({o.seed for o in outcomes})
    if n < 3:
        count = "Only one seed was" if n == 1 else "Only two seeds were"
        said.append(f"{count} run: too few for an interval; other seeds may give other figures.")
    said += explain_chance(record, outcomes)
    if lost := sum(o.diverged is not None for o in outcomes):
        said.append(f"{lost} of {len(outcomes)} runs diverged and are left out of the means.")
    if "to validate" in record["recordings"]:
        said.append("The figures are of validation recordings, on which settings are chosen.")
    return said


def explain_chance(record: Mapping, outcomes: Sequence[Outcome]) -> list[str]:
    """Return which arms have hardly learned, by their smooth accuracy; nothing if all have."""
    smooth = {arm: mean_of_arm(outcomes, arm, "smooth") for arm in list_arms(outcomes)}
    chance = 100.0 / _count_classes(record)
    low = [arm for arm, mean in smooth.items() if mean and _is_near_chance(mean, chance)]
    if not low:
        return []
    return [
        f"Below {2.0 * chance:.0f} % with smooth spikes, or not told from chance ({chance:.0f} %) "
        f"by the interval: {'; '.join(low)}. What has hardly learned has no gap to speak of."
    ]


def _is_near_chance(accuracy: Mean, chance: float) -> bool:
    """Whether an accuracy is less than twice that of a guess, or may be that of a guess."""
    lowest = accuracy.value - accuracy.half_width if accuracy.has_interval else accuracy.value
    return accuracy.value < 2.0 * chance or lowest <= chance


def _count_classes(record: Mapping) -> int:
    """How many classes the recordings have; older records are of digits and do not say so."""
    found = (setting.get("classes", CLASSES) for setting in record["settings"].values())
    return max(found, default=CLASSES)
