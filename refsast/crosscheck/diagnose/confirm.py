"""Does a cause hold on other questions than those that it was found from?

A setting that only happens to give the numbers of a case is a false cause. It is asked about the
same network with other weights, and with more steps, and has to give those numbers, too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from refsast.crosscheck.case import Case, Gradient
from refsast.crosscheck.diagnose.knobs.program import solve_settings
from refsast.crosscheck.diagnose.misfit import misfit
from refsast.crosscheck.diagnose.observations import observe_inputs
from refsast.model.params import map_params

SPREAD = 0.2  # relative: how far other weights are from those of the case
MORE_STEPS = 4
LOUDER = 2.0  # weights of a network that fires
# Fitted to what lies between two numbers of the case: on another question it may be off.
BETWEEN = ("window",)


def keep_confirmed(gradient: Gradient, case: Case, settings: Sequence[dict]) -> list[dict]:
    """Return the settings that hold on other questions; those that no question can tell stay."""
    kept = list(settings)
    for other in _other_questions(case):
        asked = [s for s in kept if not any(name in BETWEEN for name, _ in s)]
        if not asked:
            break
        try:
            exam = observe_inputs(gradient, other, None)
        except ValueError:  # a module of a fixed number of steps
            continue
        with np.errstate(all="ignore"):
            answers = solve_settings(exam.case, asked)
        wrong = [s for s, a in zip(asked, answers, strict=True) if misfit(exam, a) > 1.0]
        kept = [s for s in kept if s not in wrong]
    return kept


def _other_questions(case: Case) -> Iterator[Case]:
    rng = np.random.default_rng(0)
    params = map_params(lambda a: a * rng.uniform(1.0 - SPREAD, 1.0 + SPREAD, a.shape), case.params)
    yield replace(case, params=params)
    more = np.concatenate([case.x, case.x[::-1][:MORE_STEPS]])
    yield replace(case, params=params, x=more)
    # In a network that hardly fires many causes give the same numbers: one that fires, too.
    yield replace(case, params=map_params(lambda a: LOUDER * a, params), x=abs(more) + 0.5)
