"""Forward first: which settings explain the losses, or losses and gradients together?"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.adjoints import GATE_AFTER, HARD_BACKWARD
from refsast.crosscheck.diagnose.knobs.backward_inventory import backward_knobs
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Dials, stack_settings
from refsast.crosscheck.diagnose.knobs.explain import (
    explains_losses,
    explains_whole,
    free_groups,
)
from refsast.crosscheck.diagnose.knobs.fit import (
    Residuals,
    apply_values,
    group_layers,
    misfits,
    refine,
)
from refsast.crosscheck.diagnose.knobs.forward_searches import (
    forward_search,
    history_search,
    rare_search,
    rounded_search,
    try_values_alone,
)
from refsast.crosscheck.diagnose.knobs.history_inventory import adaptations
from refsast.crosscheck.diagnose.knobs.inventory import forward_knobs
from refsast.crosscheck.diagnose.knobs.levels import joint_errors
from refsast.crosscheck.diagnose.knobs.matching import try_candidates
from refsast.crosscheck.diagnose.knobs.plainness import keep_plainest
from refsast.crosscheck.diagnose.knobs.program import mean_loss, run_forward
from refsast.crosscheck.diagnose.knobs.questions import (
    ask_otherwise,
    possible_questions,
    question_of,
)
from refsast.crosscheck.diagnose.knobs.rare_inventory import rare_backward
from refsast.crosscheck.diagnose.knobs.samples import (
    Samples,
    loss_errors,
    loss_vector,
    relative_limit,
)
from refsast.crosscheck.diagnose.knobs.stages import (
    Questions,
    Search,
    search_stages,
)
from refsast.crosscheck.diagnose.knobs.work import (
    CALL,
    Meter,
    OutOfWork,
    meter_runs,
    start_meter,
)

# What is seldom turned, and in all layers where it is: one of them may show nothing.
EVERYWHERE = (HARD_BACKWARD, GATE_AFTER)
JOINT = 7e6  # elements that a search through losses and gradients together may compute
HISTORY = 1.2e7  # and one through knobs that are seldom and dear


def explain_losses(samples: Samples, meter: Meter, rarely: bool) -> list[dict]:
    """Settings of forward knobs that explain all losses; `rarely` turned ones, too, or at need."""
    case = samples.parts[-1].case
    questions = _loss_questions(samples, meter, range(len(samples.parts)))
    if questions.fits([{}]):
        return [{}]
    search = forward_search(case)
    found = search_stages(questions, search, {}, depth=1) + _explain_questions(samples, meter)
    if rarely or not found:
        found = found + search_stages(questions, rare_search(case), {}, depth=1)
    return keep_plainest(case, found)


def explain_losses_by_pairs(samples: Samples, meter: Meter) -> list[dict]:
    """Settings of two forward knobs that explain all losses."""
    case, parts = samples.parts[-1].case, range(len(samples.parts))
    questions = _loss_questions(samples, meter, parts)
    found = search_stages(questions, forward_search(case), {}, depth=2)
    return keep_plainest(case, found)


def explain_by_history(samples: Samples) -> list[dict]:
    """Settings of knobs that are seldom and dear that explain all losses; it has its own work."""
    case, parts = samples.parts[-1].case, range(len(samples.parts))
    questions = _loss_questions(samples, start_meter(HISTORY), parts)
    found: list[dict] = []
    with suppress(OutOfWork):
        for search in (rare_search(case), history_search(case)):
            found += search_stages(questions, search, {}, depth=1)
        found = found or _try_adaptations(case, questions)
    return keep_plainest(case, found)


def explain_beside_questions(samples: Samples) -> list[dict]:
    """Settings of another question and one knob more that explain all losses; its work is its own.

    Values that are tried alone: a fitted one would fit by chance, of so many.
    """
    case, parts = samples.parts[-1].case, range(len(samples.parts))
    meter, found = start_meter(HISTORY), []
    search = try_values_alone(forward_search(case))
    # One loss of each part says enough at first: recordings alone are asked one by one.
    whole = replace(samples, losses=tuple(losses[-1:] for losses in samples.losses))
    with suppress(OutOfWork):
        for name in possible_questions(case):
            asked = _loss_questions(whole, meter, parts, name)
            asked = replace(asked, whole=_loss_residuals(samples, meter, parts, name))
            settings = search_stages(asked, search, {}, depth=1)
            found += [{**setting, (name, WHOLE): 1.0} for setting in settings]
    return keep_plainest(case, found)


def sharpen(samples: Samples, hypotheses: list[dict], meter: Meter) -> list[dict]:
    """Settings with free values fitted to gradients, too, where all of these are explained then."""
    run = _joint_residuals(samples, meter, range(len(samples.parts)))
    found = []
    for hypothesis in hypotheses:
        groups = free_groups(samples.parts[-1].case, hypothesis)
        if groups and question_of(hypothesis) is None:
            start = np.array([[hypothesis[group.keys[0]] for group in groups]])
            values, worst = refine(run, [hypothesis], [groups], start, iterations=4)
            if worst[0] <= 1.0:
                hypothesis = apply_values(hypothesis, groups, values[0])
        found.append(hypothesis)
    return found


def _explain_questions(samples: Samples, meter: Meter) -> list[dict]:
    """Other questions in place of the right one that explain all losses."""
    case, got = samples.parts[-1].case, samples.losses[-1][-1]
    limit = 2.0 * relative_limit(samples.dtype) * abs(loss_vector(samples)).max()
    size, calls = _sizes([case])
    found = []
    for name in possible_questions(case):
        meter(CALL * calls + size)
        asked = ask_otherwise(case, name)
        with np.errstate(all="ignore"):
            loss = mean_loss(asked, Dials({}), run_forward(asked, Dials({})))[0]
        if abs(loss - got) <= limit:
            whole = _loss_residuals(samples, meter, range(len(samples.parts)), name)
            found += [{(name, WHOLE): 1.0}] if misfits(whole([{}]))[0] <= 1.0 else []
    return found


def _loss_questions(
    samples: Samples, meter: Meter, parts: Sequence[int], question: str | None = None
) -> Questions:
    each = [_loss_residuals(samples, meter, [k], question) for k in parts]
    return Questions(each, _loss_residuals(samples, meter, parts, question))


def _loss_residuals(
    samples: Samples, meter: Meter, which: Sequence[int], question: str | None = None
) -> Residuals:
    cases = [samples.parts[k].case for k in which]
    return meter_runs(
        lambda part: loss_errors(samples, stack_settings(part), question, which),
        meter, *_sizes(cases),
    )  # fmt: skip


def _sizes(cases: Sequence[Case]) -> tuple[int, int]:
    """Elements of all potentials and inputs, and steps times layers, of several cases."""
    size = sum(case.x[..., 0].size * sum(case.network.sizes) for case in cases)
    return size, sum(len(case.x) * len(case.params) for case in cases)


def _try_adaptations(case: Case, questions: Questions) -> list[dict]:
    """Adaptations of two numbers, by how much a spike raises a threshold, and for how long."""
    # All questions at once: a trace of one spike does not tell how much of it is kept.
    return try_candidates(questions.whole, adaptations(case)) if len(case.x) > 2 else []


def explain_jointly(samples: Samples, meter: Meter) -> list[dict]:
    """Return settings of one forward knob that explain losses and gradients together.

    It may spend a part of the work only, so that some is left for other searches.
    """
    case = samples.parts[-1].case
    for fine in (False, True) if case.hard else (False,):
        questions = _joint_questions(samples, start_meter(JOINT, meter))
        try:
            found = search_stages(questions, forward_search(case, fine), {}, depth=1)
        except OutOfWork:
            continue
        if found:
            return keep_plainest(case, found)
    if samples.dtype == np.float64:
        return []
    with suppress(OutOfWork):
        questions = _joint_questions(samples, start_meter(JOINT, meter))
        return keep_plainest(case, search_stages(questions, rounded_search(case), {}, depth=1))
    return []


def explain_everywhere(samples: Samples, hypotheses: list[dict], meter: Meter) -> list[dict]:
    """Return settings with one backward knob in all layers, which a level alone may not show."""
    case, spiking = samples.parts[-1].case, len(samples.parts[-1].case.network.neurons)
    knobs = [knob for level in range(len(case.params)) for knob in backward_knobs(case, level)]
    rare = [knob for level in range(spiking) for knob in rare_backward(case, level)]
    every = group_layers([*(k for k in rare if k.name in EVERYWHERE), *knobs], spiking)
    groups = [g for g in every if len(g.knobs) > 1 or WHOLE in {k.layer for k in g.knobs}]
    search = Search(groups, lambda base: (), lambda found: keep_plainest(case, found))
    forth = {knob.key for knob in forward_knobs(case)}
    found: list[dict] = []
    for base in [h for h in hypotheses if question_of(h) is None][:2]:
        forward = {key: v for key, v in base.items() if key in forth}
        found += search_stages(_joint_questions(samples, meter), search, forward, depth=1)
    return keep_plainest(case, found)


def explain_questions_jointly(samples: Samples, meter: Meter) -> list[dict]:
    """Return other questions that explain losses and gradients, where losses alone do not tell."""
    size, calls = _sizes([samples.parts[0].case])  # most are wrong there
    found = []
    for name in possible_questions(samples.parts[-1].case):
        meter(3 * (CALL * calls + size))
        setting = {(name, WHOLE): 1.0}
        if explains_whole(samples, setting) and explains_losses(samples, setting):
            found.append(setting)
    return found


def _joint_questions(samples: Samples, meter: Meter) -> Questions:
    parts = range(len(samples.parts))
    each = [_joint_residuals(samples, meter, [k]) for k in parts]
    return Questions(each, _joint_residuals(samples, meter, parts))


def _joint_residuals(samples: Samples, meter: Meter, which: Sequence[int]) -> Residuals:
    size, calls = _sizes([samples.parts[k].case for k in which])
    return meter_runs(lambda part: joint_errors(samples, which, part), meter, 3 * size, 3 * calls)
