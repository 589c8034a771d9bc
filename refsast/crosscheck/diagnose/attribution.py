"""Why is it wrong? A cause is a setting of knobs, or a fault of the table, that gives its numbers.

Rule 1: only what explains every number that was answered, of the whole case, to rounding, is a
        cause. Nothing unexplained is presented as a near one.
Rule 2: several settings that give the same numbers are all named; which it is, this case cannot
        tell.
Rule 3: where there is no cause, what was established on the way is said.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.compare import Examination, cosine_and_ratio
from refsast.crosscheck.diagnose.confirm import confirm_settings
from refsast.crosscheck.diagnose.knobs.backward import BEFORE_LIMIT
from refsast.crosscheck.diagnose.knobs.dials import WHOLE
from refsast.crosscheck.diagnose.knobs.explain import drop_idle, explain_whole_case
from refsast.crosscheck.diagnose.knobs.finish import CELL
from refsast.crosscheck.diagnose.knobs.finish_whole import STORED
from refsast.crosscheck.diagnose.knobs.late import (
    batch_settings,
    clip_settings,
    larger_samples,
    late_settings,
    lose_last_step,
    resize_settings,
    rounding_settings,
    scale_layers,
    share_numbers,
)
from refsast.crosscheck.diagnose.knobs.near_numbers import sharpen_numbers
from refsast.crosscheck.diagnose.knobs.plainness import (
    cost_of,
    count_numbers,
    free_values,
    has_few_fits,
    is_factor_of_all,
    rank_setting,
)
from refsast.crosscheck.diagnose.knobs.program import solve_settings
from refsast.crosscheck.diagnose.knobs.samples import (
    Samples,
    relative_limit,
    take_samples,
)
from refsast.crosscheck.diagnose.knobs.search import Found, find_settings
from refsast.crosscheck.diagnose.knobs.weights import BACKWARD_ENTRY
from refsast.crosscheck.diagnose.knobs.words import parts_of
from refsast.crosscheck.diagnose.knobs.work import SECOND
from refsast.crosscheck.diagnose.misfit import explains, explains_states, fits_fault, misfit
from refsast.crosscheck.diagnose.observations import Observations
from refsast.model.params import flatten

UNKNOWN = "unknown"
EQUAL = 0.01  # costs that differ by less are equal
MAX_NAMED = 3  # causes of the same numbers, of which so many are named
# A case has to have so many numbers for each value that is fitted freely, and so many more.
NUMBERS_PER_VALUE, NUMBERS_BESIDE = 3, 4
TOO_FEW = "too few numbers in this case to tell causes apart; take a wider network, more steps"
LIMITS = ("potential at least", "potential at most")
NOT_STATES = "the reference {} has the same loss and gradients, but not the states handed over"

# What gives the whole answers to a case of all causes of the same numbers, the plainest first; none
# to a case of another kind of network.
Explanation: TypeAlias = Callable[[Case], list[Answer]]


@dataclass(frozen=True)
class Cause:
    """A known-wrong implementation that gives the same numbers; or that none was found."""

    name: str  # what is wrong, in a few words; several faults at once are joined by " + "
    says: str  # what completes "your gradient is the reference ..."
    cosine: float  # of the angle between the given gradient and the candidate's
    ratio: float  # of their norms
    exact: bool = True  # all numbers agree to rounding; else no cause is known
    others: tuple[str, ...] = ()  # what gives the same numbers on this case

    def __str__(self) -> str:
        if not self.exact:
            return "no known cause fits" + (f"; {self.says}" if self.says else "")
        figures = f"{_format_cosine(self.cosine)}, ratio {self.ratio:.4f}"
        whole = f"your gradient is the reference {self.says} ({figures})"
        if self.others:
            whole += "; the same numbers on this case: " + "; or ".join(self.others)
        return whole


def _format_cosine(cosine: float) -> str:
    """A cosine with the digits that count."""
    short = 1.0 - cosine
    return f"cosine 1 - {abs(short):.0e}" if 0.0 < abs(short) < 1e-4 else f"cosine {cosine:.4f}"


def attribute(observations: Observations) -> tuple[Explanation | None, Cause]:
    """Return what explains a wrong implementation's answers, and in words.

    The explanation is None where nothing does; the cause then says what was established.
    """
    whole, samples = observations.whole, observations.samples
    rounded = [(s, _solve_quietly(whole.case, s)) for s in rounding_settings(whole)]
    if rounded:
        return _name_cause(whole, samples, rounded)
    found = find_settings(samples)
    cause, refuted_by = _setting_cause(observations, samples, found.settings)
    if cause is None and refuted_by is not None:
        cause = _second_cause(observations, refuted_by)
    if cause is None:
        cause = _late_cause(observations, found)
    if cause is not None:
        return cause
    cosine, ratio = cosine_and_ratio(flatten(whole.got.grads), flatten(whole.right.grads))
    return None, Cause(UNKNOWN, _established(whole, found), cosine, ratio, exact=False)


def _late_cause(
    observations: Observations, found: Found
) -> tuple[Explanation | None, Cause] | None:
    """What explains the whole case where the small parts show nothing, or too little."""
    whole, samples, gradient = observations.whole, observations.samples, observations.gradient
    case = whole.case
    sized = [s for setting in found.settings for s in resize_settings(case, setting)]
    if (cause := _setting_cause(observations, samples, sized)[0]) is not None:
        return cause
    if misfit(whole, whole.right) <= 1.0:
        return None
    try:
        # Of small parts some are clipped, and some are not: no one setting explains both.
        late = clip_settings(case, whole.got)
        if found.settings == ({},):
            late += late_settings(gradient, case, whole.dtype)
            late += batch_settings(samples)
        cause = _setting_cause(observations, samples, late)[0]
        if cause is not None or not found.settings:
            return cause
        larger = larger_samples(gradient, case, whole.dtype)
    except ValueError:  # a module of a fixed number of steps, or of recordings
        return None
    for rarely in (False, True):
        settings = find_settings(larger, SECOND, rarely=rarely).settings
        cause, refuted_by = _setting_cause(observations, larger, settings)
        if cause is not None or refuted_by is None:
            return cause
    return None


def _second_cause(
    observations: Observations, case: Case
) -> tuple[Explanation | None, Cause] | None:
    """What explains the question that refuted the first causes, and the whole case, too."""
    try:
        samples = take_samples(observations.gradient, case, observations.whole.dtype)
    except ValueError:
        return None
    return _setting_cause(
        observations, samples, find_settings(samples, SECOND, rarely=True).settings
    )[0]


def _setting_cause(
    observations: Observations, samples: Samples, settings: Sequence[dict]
) -> tuple[tuple[Explanation | None, Cause] | None, Case | None]:
    """The plainest settings that explain the whole case, and hold on others; what refutes them."""
    whole = observations.whole
    case = whole.case
    exact: list[tuple[dict, Answer]] = []
    limited = [s for s in settings if whole.got.adjoints and {n for n, _ in s} & {*LIMITS}]
    alike = [
        other
        for s in settings
        for other in share_numbers(s) + lose_last_step(case, s) + scale_layers(case, s)
    ]
    for setting in (*settings, *alike, *({**s, (BEFORE_LIMIT, WHOLE): 1.0} for s in limited)):
        answer = _solve_quietly(case, setting)
        if setting and misfit(whole, answer) > 1.0:
            setting = explain_whole_case(case, whole.got, relative_limit(whole.dtype), setting)
            answer = _solve_quietly(case, setting)
        if setting and explains(whole, answer):
            exact.append((setting, answer))
    sharp = [(sharpen_numbers(whole, pair[0]), pair) for pair in exact]
    exact = [p if s is p[0] else (s, _solve_quietly(case, s)) for s, p in sharp]
    exact = [pair for k, pair in enumerate(exact) if pair[0] not in [s for s, _ in exact[:k]]]
    # A part without effect is no cause, unless other questions refute the setting without it.
    shorter = [(setting, drop_idle(whole, setting)) for setting, _ in exact]
    exact += [(s, _solve_quietly(case, s)) for _, s in shorter if s is not None]
    exact = [pair for pair in exact if _are_numbers_told(whole, *pair)]
    found = [setting for setting, _ in exact]
    kept, refuted_by = confirm_settings(observations.gradient, case, found)
    idle = [setting for setting, rest in shorter if rest in kept]
    exact = [pair for pair in exact if pair[0] in kept and pair[0] not in idle]
    return (_name_cause(whole, samples, exact) if exact else None), refuted_by


def _are_numbers_told(whole: Examination, setting: dict, answer: Answer) -> bool:
    """Whether fitted numbers are few, and as exact as what is wrong tells them to be."""
    if not free_values(whole.case, setting):
        return True
    share = relative_limit(whole.dtype) ** 0.75
    return has_few_fits(whole.case, setting) and fits_fault(whole, answer, share)


def _name_cause(
    whole: Examination, samples: Samples, exact: list[tuple[dict, Answer]]
) -> tuple[Explanation | None, Cause]:
    """The plainest of the settings that explain everything, in words."""
    case = whole.case
    exact = sorted(exact, key=lambda pair: rank_setting(case, pair[0]))
    known, exact = exact, _keep_of_states(whole, exact)
    if not exact:
        return None, Cause(UNKNOWN, NOT_STATES.format(_says(case, known[0][0])), 1.0, 1.0, False)
    setting, answer = exact[0]
    numbers = count_numbers(samples)
    free = free_values(case, setting)
    if free and numbers < NUMBERS_PER_VALUE * free + NUMBERS_BESIDE:
        return None, Cause(UNKNOWN, TOO_FEW, 1.0, 1.0, exact=False)
    # Less plain settings of the same numbers count for the place, but are not named.
    least = cost_of(case, setting) + EQUAL
    most = len(_names(setting))
    plain = [s for s, _ in exact if cost_of(case, s) <= least and len(_names(s)) <= most]
    named = [other for other in plain if other is setting or not is_factor_of_all(case, other)]
    texts = list(dict.fromkeys(_says(case, other) for other in named))
    cosine, ratio = cosine_and_ratio(flatten(whole.got.grads), flatten(answer.grads))
    name = " + ".join(part.name for part in parts_of(case, setting))
    cause = Cause(name, texts[0], cosine, ratio, others=tuple(texts[1:MAX_NAMED]))
    return _explain_settings(case, [other for other, _ in exact]), cause


def _keep_of_states(
    whole: Examination, exact: list[tuple[dict, Answer]]
) -> list[tuple[dict, Answer]]:
    """The settings that give the states that were handed over, too, or do if these are changed."""
    found = [pair for pair in exact if explains_states(whole, pair[1])]
    if found:
        return found
    stored = [{**setting, (name, WHOLE): 1.0} for setting, _ in exact for name in STORED]
    answers = [(setting, _solve_quietly(whole.case, setting)) for setting in stored]
    return [pair for pair in answers if explains_states(whole, pair[1])]


def _solve_quietly(case: Case, setting: dict) -> Answer:
    with np.errstate(all="ignore"):
        return solve_settings(case, [setting])[0]


def _names(setting: dict) -> set[str]:
    """What is turned, in whatever layers."""
    return {name for name, _ in setting}


def _says(case: Case, setting: dict) -> str:
    return " and ".join(part.says for part in parts_of(case, setting))


def _explain_settings(case: Case, settings: list[dict]) -> Explanation:
    cells = any(
        CELL.fullmatch(name) or BACKWARD_ENTRY.fullmatch(name)
        for setting in settings
        for name, _ in setting
    )

    def explain(asked: Case) -> list[Answer]:
        alike = (
            len(asked.network.sizes) == len(case.network.sizes)
            and (not cells or asked.network.sizes == case.network.sizes)  # a cell is of these sizes
            and asked.network.readout == case.network.readout
            and asked.network.neurons == case.network.neurons
        )
        return solve_settings(asked, settings) if alike else []

    return explain


def _established(whole: Examination, found: Found | None) -> str:
    """What is known without a cause: which arrays agree, and by which factor others are off."""
    wrong, right = [], []
    for stage in whole.stages:
        for name, errors in stage.errors:
            (right if errors.max(initial=0.0) <= 1.0 else wrong).append(name)
    says = []
    if "loss" in right:
        says.append("the loss is right")
    grads = [name for name in right if name.startswith("grads")]
    if grads:
        says.append(f"{', '.join(grads)} agree{'s' if len(grads) == 1 else ''}")
    if "loss" in wrong and found is not None and found.explained:
        levels = ", ".join(f"grads[{i}]" for i in sorted(found.explained))
        says.append(f"the loss and {levels} would be explained")
    if found is not None and found.stopped:
        says.append("not all was tried: the search ended where it costs too much")
    return ", ".join(says)
