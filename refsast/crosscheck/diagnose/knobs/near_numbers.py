"""Numbers of a setting as near as single precision tells them: named, or of more digits.

Rule 1: what single precision answers fits numbers next to the right one as well, of a few digits,
        or fitted; one that has a name and fits no worse stands for them.
Rule 2: a number of few digits stays only where a fitted one fits no better.
"""

from collections.abc import Iterator

import numpy as np

from refsast.crosscheck.case import Case
from refsast.crosscheck.compare import Examination
from refsast.crosscheck.diagnose.knobs.dials import Setting
from refsast.crosscheck.diagnose.knobs.fit import Group, apply_values, refine
from refsast.crosscheck.diagnose.knobs.plainness import known_knobs, symbols
from refsast.crosscheck.diagnose.knobs.program import solve_settings
from refsast.crosscheck.diagnose.misfit import misfit, relative_limit
from refsast.model.params import flatten

SINGLE = 1e-6  # a relative limit above it is that of single precision
NEAR = 3e-4  # relative: how near a number is that may stand for another
ROUNDED, NOISE = 0.05, 0.01  # misfits that rounding alone may have, and that it often has
BETTER, WORSE = 0.3, 2.0  # of a misfit, where another number fits better, or no worse
MOST = 6  # numbers of a setting


def sharpen_numbers(whole: Examination, setting: dict) -> dict:
    """Return a setting that explains a case, its numbers named, or fitted where that is better.

    In double precision numbers are known well enough.
    """
    keys = list(_fitted(whole.case, setting))
    if relative_limit(whole.dtype) < SINGLE or not 0 < len(keys) <= MOST:
        return setting
    worst = _misfit(whole, setting)
    named = {key: _nearest(whole.case, key, setting[key]) for key in keys}
    for keys_named in (keys, *([key] for key in keys)):
        tried = {**setting, **{key: named[key] for key in keys_named}}
        if tried == setting:
            continue
        error = _misfit(whole, tried)
        if error <= BETTER * worst or error <= min(ROUNDED, max(WORSE * worst, NOISE)):
            setting, worst = tried, error
    if worst <= ROUNDED:
        return setting
    finer = _refine(whole, setting, keys)
    return finer if _misfit(whole, finer) <= BETTER * worst else setting


def _fitted(case: Case, setting: Setting) -> Iterator[tuple[str, int]]:
    """The knobs of a setting whose numbers may be any."""
    knobs = known_knobs(case)
    for key, value in setting.items():
        if key in knobs and knobs[key].smooth and value not in (0.0, 1.0, -1.0):
            yield key


def _nearest(case: Case, key: tuple[str, int], value: float) -> float:
    """The number that has a name next to a value, or zero; the value where there is none."""
    right = known_knobs(case)[key].right
    if abs(value) <= NEAR * abs(right) < np.inf:
        return 0.0
    numbers = [n for n in symbols(case, key[1]).values() if n not in (0.0, 1.0, right)]
    near = min(numbers, key=lambda n: abs(n - value), default=value)
    return near if abs(near - value) <= NEAR * abs(value) else value


def _misfit(whole: Examination, setting: Setting) -> float:
    with np.errstate(all="ignore"):
        return misfit(whole, solve_settings(whole.case, [setting])[0])


def _refine(whole: Examination, setting: dict, keys: list[tuple[str, int]]) -> dict:
    """A setting with its numbers fitted to loss and gradients, those alike at once."""
    case, knobs = whole.case, known_knobs(whole.case)
    same: dict[tuple[str, float], list] = {}
    for key in keys:
        same.setdefault((key[0], setting[key]), []).append(knobs[key])
    groups = tuple(Group(tuple(each)) for each in same.values())
    want = np.append(flatten(whole.got.grads), whole.got.loss)
    allowed = relative_limit(whole.dtype) * (abs(want) + np.linalg.norm(want) / want.size**0.5)

    def run(settings):
        answers = solve_settings(case, settings)
        rows = [np.append(flatten(a.grads), a.loss) for a in answers]
        return 1e3 * (np.array(rows) - want) / np.maximum(allowed, 1e-300)

    start = np.array([[setting[group.keys[0]] for group in groups]])
    with np.errstate(all="ignore"):
        values, _ = refine(run, [setting], [groups], start, iterations=4)
    return apply_values(setting, groups, values[0])
