"""Which settings of few knobs give the same numbers as an implementation?

Rule 1: forward first, from losses alone, since no fault on the way back changes them; then the
        readout; then layer by layer downwards, since no layer's gradient depends on faults below.
Rule 2: at each level the plainest first: nothing, what was found in the layer above, one knob, two,
        three. All settings that fit are kept, because the levels below may tell them apart.
Rule 3: where losses tell too little (hard spikes, spikes that hardly move it), losses and gradients
        are explained together.
Rule 4: a setting has to explain every number that was answered, to rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from refsast.crosscheck.diagnose.knobs.explain import (
    explain_apart,
    explain_bends,
    explains_levels,
    explains_losses,
    explains_whole,
    trim_setting,
    widen_setting,
)
from refsast.crosscheck.diagnose.knobs.other_parameters import PARAMETERS
from refsast.crosscheck.diagnose.knobs.plainness import cost_of, keep_plainest
from refsast.crosscheck.diagnose.knobs.questions import question_of
from refsast.crosscheck.diagnose.knobs.samples import Samples
from refsast.crosscheck.diagnose.knobs.search_backward import explain_level
from refsast.crosscheck.diagnose.knobs.search_forward import (
    explain_beside_questions,
    explain_by_history,
    explain_everywhere,
    explain_jointly,
    explain_losses,
    explain_losses_by_pairs,
    explain_questions_jointly,
    sharpen,
)
from refsast.crosscheck.diagnose.knobs.work import LIMIT, Meter, OutOfWork, start_meter

SELDOM = 3  # settings of knobs that are seldom and dear, beside the others
NEAR = 0.25  # by how much less plain settings may be whose places still count


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found.

    Attributes
    ----------
    settings : tuple of settings
        That explain all samples, the plainest first.
    explained : tuple of int
        Levels that some setting explained; the readout is the number of spiking layers.
    stopped : bool
        Whether the search ended because it had computed as much as it may.
    """

    settings: tuple[dict, ...]
    explained: tuple[int, ...] = ()
    stopped: bool = False


def find_settings(samples: Samples, limit: float = LIMIT, *, rarely: bool = False) -> Found:
    """Return the settings of few knobs that give the numbers that were answered.

    The search computes at most so many elements (`work`). Knobs that are seldom turned are tried
    where no other fits; `rarely`: beside the others.
    """
    explained: list[int] = []
    try:
        return Found(tuple(_find(samples, start_meter(limit), explained, rarely)), tuple(explained))
    except OutOfWork:
        return Found((), tuple(explained), stopped=True)


def _find(samples: Samples, meter: Meter, explained: list[int], rarely: bool) -> list[dict]:
    case, right = samples.parts[-1].case, explains_losses(samples, {})
    if case.hard and not right and (found := explain_jointly(samples, meter)):
        return _finish(samples, found)
    found = explain_losses(samples, meter, rarely)
    if moved := _explain_parameters(samples, found):
        explained += reversed(range(len(case.params)))
        return moved
    if not any(explains_levels(samples, setting) for setting in found):
        # What explains losses may be wrong where they tell little, as in single precision.
        history = [] if right else explain_by_history(samples)
        if known := [setting for setting in history if explains_levels(samples, setting)]:
            explained += reversed(range(len(case.params)))
            return _finish(samples, known)
        found = found or explain_beside_questions(samples)
        found = found or explain_losses_by_pairs(samples, meter)
        found = [*found, *[each for each in history if each not in found][:SELDOM]]
    hypotheses = sharpen(samples, found, meter)
    if moved := _explain_parameters(samples, hypotheses):
        explained += reversed(range(len(case.params)))
        return moved
    if hypotheses and (bent := explain_bends(samples, hypotheses)):
        explained += reversed(range(len(case.params)))
        return bent
    levels, start = list(reversed(range(len(case.params)))), hypotheses
    hypotheses, rest = _explain_levels(samples, start, levels, meter, explained, rarely)
    if rest and not right and (apart := explain_apart(samples, start)):
        explained += rest
        return apart
    if rest and not rarely and hypotheses != start:
        # What is usual explained a level, and is refuted below: what is seldom may explain both.
        seldom, left = _explain_levels(samples, start, levels, meter, [], True)
        if not left:
            explained += rest
            hypotheses, rest = seldom, left
    if rest and right and (found := explain_jointly(samples, meter)):
        return _finish(samples, found)
    if rest and right and (found := explain_questions_jointly(samples, meter)):
        return found
    if rest and (found := explain_everywhere(samples, hypotheses, meter)):
        return _finish(samples, found)
    if rest:
        hypotheses, rest = _explain_levels(
            samples, hypotheses, rest, meter, explained, rarely, deep=True
        )
    return [] if rest else _finish(samples, hypotheses)


def _explain_parameters(samples: Samples, settings: Sequence[dict]) -> list[dict]:
    """Settings with other parameters, which no level shows alone, that explain all gradients."""
    other = [setting for setting in settings if question_of(setting) in PARAMETERS]
    return [setting for setting in other if explains_whole(samples, setting)]


def _explain_levels(
    samples: Samples, hypotheses: list[dict], levels: list[int], meter: Meter,
    explained: list[int], rarely: bool, deep: bool = False,
) -> tuple[list[dict], list[int]]:  # fmt: skip
    """Settings that explain levels, from the highest down, and the levels that none explains."""
    for k, level in enumerate(levels if hypotheses else []):
        extended = explain_level(samples, hypotheses, level, meter, deep, rarely)
        if not extended:
            return hypotheses, levels[k:]
        hypotheses = extended
        explained.append(level)
    return hypotheses, [] if hypotheses else levels


def _finish(samples: Samples, hypotheses: list[dict]) -> list[dict]:
    """Settings in as many layers as they hold in, without those that are less plain."""
    if not hypotheses:
        return []
    case = samples.parts[-1].case
    hypotheses = [trim_setting(samples, hypothesis) for hypothesis in hypotheses]
    # What holds in all layers here may be refuted by other questions: both are kept.
    hypotheses += [widen_setting(samples, hypothesis) for hypothesis in hypotheses]
    least = min(cost_of(case, hypothesis) for hypothesis in hypotheses)
    ranked = keep_plainest(case, hypotheses)
    return [setting for setting in ranked if cost_of(case, setting) <= least + NEAR]
