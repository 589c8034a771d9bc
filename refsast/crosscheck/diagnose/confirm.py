"""Does a cause hold on other questions than those that it was found from?

A setting that only happens to give the numbers of a case is a false cause. It is asked about the
same network with other input, with more steps and other weights, and with other labels, and has to
give those numbers, too.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.compare import Examination, examine
from refsast.crosscheck.diagnose.knobs.plainness import free_values
from refsast.crosscheck.diagnose.knobs.program import solve_settings
from refsast.crosscheck.diagnose.knobs.weights import BACKWARD_ENTRY
from refsast.crosscheck.diagnose.misfit import fits_fault, misfit, relative_limit
from refsast.crosscheck.implementation import Gradient
from refsast.model.params import flatten
from refsast.model.vector import keep_in_range, unflatten

T = TypeVar("T")
MORE_STEPS = 4
# A fitted value is less exact on another question, a false cause is further off: this relative
# distance, or this many roundings, are the same numbers.
NEAR, SLACK = 1e-5, 10.0
OF_FAULT = 1e-3  # and of what is wrong this share
OTHER_WEIGHTS = (0.8, 1.25)  # times the right ones
LOUDER = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # inputs of a network with a silent layer


def confirm_settings(
    gradient: Gradient, case: Case, settings: Sequence[dict]
) -> tuple[list[dict], Case | None]:
    """Return the settings that hold on other questions, and a question that refuted the last.

    Settings that no question can tell stay; None: some setting held on all of them. Louder input is
    asked, too, until every layer has fired: what is done with spikes shows where there are some.
    """
    if not settings:
        return [], None
    kept, alive, spiking = list(settings), False, len(case.network.neurons)
    for other, exam in ask_others(
        partial(examine, gradient), case, lambda exam: (exam.got, exam.right.s or ())
    ):
        alive = alive or reaches_layers(exam.got, spiking)
        asked = [s for s in kept if other.params is case.params or not _is_of_weights(s)]
        held = _hold(exam, asked)
        kept = [s for s in kept if s in held or s not in asked]
        if not kept:
            return [], exam.case
    return [s for s in kept if alive or _says_zero(s, spiking)], None


def ask_others(
    ask: Callable[[Case], T], case: Case, seen: Callable[[T], tuple[Answer, Sequence[Array]]]
) -> Iterator[tuple[Case, T]]:
    """Ask other questions, louder ones until every layer has fired and a gradient reached some.

    `seen` is the answer in what was asked, and the right spikes. What is not taken is left out.
    """
    alive, fired, spiking = False, set[int](), len(case.network.neurons)
    for other, louder in other_questions(case):
        if louder and alive and len(fired) == spiking:
            return
        found = ask_as_taken(ask, other, case)
        if found is None:
            continue
        answer, spikes = seen(found)
        alive = alive or reaches_layers(answer, spiking)
        fired |= {i for i, s in enumerate(spikes) if s.any()}
        yield other, found


def reaches_layers(answer: Answer, spiking: int) -> bool:
    """Whether a gradient reaches some spiking layer: what is computed there shows."""
    return any(layer.w.any() for layer in answer.grads[:spiking])


def ask_as_taken(ask: Callable[[Case], T], other: Case, case: Case) -> T | None:
    """Ask another question than a case, as it is, or of as many steps and recordings as the case.

    A module may have a fixed number of either, and show one image at each step. None: nothing of
    it is taken.
    """
    steps = len(case.x)
    for batch in dict.fromkeys((len(other.y), len(case.y))):
        x, y = other.x[:, :batch], other.y[:batch]
        shorter = [x[:steps]] if len(x) > steps else []
        for taken in (x, *shorter, np.repeat(x[:1], steps, axis=0)):
            try:
                return ask(replace(other, x=taken, y=y))
            except ValueError:
                continue
    return None


def _hold(exam: Examination, settings: list[dict]) -> list[dict]:
    """The settings that give the numbers of an examination."""
    limit = NEAR / relative_limit(exam.dtype) + SLACK
    with np.errstate(all="ignore"):
        answers = solve_settings(exam.case, settings)
        return [
            s
            for s, a in zip(settings, answers, strict=True)
            if misfit(exam, a) <= limit
            and (not free_values(exam.case, s) or fits_fault(exam, a, OF_FAULT))
        ]


def _is_of_weights(setting: dict) -> bool:
    """Whether a setting holds for these weights only: a matrix that was fitted in their place."""
    return any(BACKWARD_ENTRY.fullmatch(name) for name, _ in setting)


def _says_zero(setting: dict, spiking: int) -> bool:
    """Whether a setting may be told from others where no gradient reaches any layer."""
    return all(value == 0.0 or not 0 <= layer < spiking for (_, layer), value in setting.items())


def other_questions(case: Case) -> Iterator[tuple[Case, bool]]:
    """Yield other questions than a case, and whether each is for a layer that is silent till then.

    The input in another order, with more steps and one recording more, and so that more fires;
    then louder and louder.
    """
    rng = np.random.default_rng(0)
    x = rng.permutation(case.x.ravel()).reshape(case.x.shape)
    yield replace(case, x=x), False
    w = flatten(case.params)
    w = keep_in_range(case.network, w * rng.uniform(*OTHER_WEIGHTS, w.shape))
    params = unflatten(case.network, w)
    # Labels in which another order is not another numbering of classes, too.
    classes = case.network.classes
    y = np.random.default_rng(12).integers(0, classes, len(case.y) + 1)
    longer = np.concatenate([x, case.x[::-1][:MORE_STEPS]])
    longer = np.concatenate([longer, longer[::-1, :1]], axis=1)
    yield replace(case, x=longer, params=params, y=y), False
    y = np.roll(case.y, 1)
    y[0] = (y[0] + 1) % classes
    yield replace(case, x=2.0 * abs(x) + rng.integers(0, 2, x.shape), y=y), False
    noise = np.random.default_rng(1).uniform(-1.0, 2.0, case.x.shape)
    for factor in LOUDER:
        yield replace(case, x=factor * noise), True
