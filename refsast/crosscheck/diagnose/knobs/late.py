"""What shows only in many steps, or in many recordings: blocks of steps, microbatches, burn-in.

Rule 1: the shortest question that is answered wrong tells the size: a gradient that is cut after
        each k steps is right for k steps, and wrong for k + 1.
Rule 2: where that says nothing, the search goes through longer questions.
"""

from collections.abc import Callable

import numpy as np

from refsast.arrays import NotFinite
from refsast.crosscheck.case import Answer, Case, ask, truncate_case
from refsast.crosscheck.compare import Examination, cast_case, examine_answer
from refsast.crosscheck.diagnose.knobs.batches import FILLED, HALVES
from refsast.crosscheck.diagnose.knobs.dials import WHOLE
from refsast.crosscheck.diagnose.knobs.explain import explains_losses
from refsast.crosscheck.diagnose.knobs.finish import BENDS, bend_size
from refsast.crosscheck.diagnose.knobs.finish_whole import GRADIENT_ROUNDINGS
from refsast.crosscheck.diagnose.knobs.fit import round_value
from refsast.crosscheck.diagnose.knobs.forward import LAST_LOST
from refsast.crosscheck.diagnose.knobs.losses import BY_FREQUENCY
from refsast.crosscheck.diagnose.knobs.plainness import known_knobs
from refsast.crosscheck.diagnose.knobs.program import solve_settings
from refsast.crosscheck.diagnose.knobs.questions import SINGLE
from refsast.crosscheck.diagnose.knobs.readout import ONE_UNREAD
from refsast.crosscheck.diagnose.knobs.samples import (
    Samples,
    relative_limit,
    take_larger_samples,
)
from refsast.crosscheck.diagnose.knobs.windows import MEMORY, WINDOWS
from refsast.crosscheck.implementation import Gradient
from refsast.model.params import flatten, param_arrays

SIZED = (
    "blocks",
    "blocks from the end",
    "carry blocks",
    "recurrent blocks",
    "state cut after step",
)
DOWNWARD = ("layer path", "drive path")
FACTORS = ("factor", "over steps", "over batch", "over classes")
MOST_COPIES = 2e7  # elements of an array of all windows that overlap
SHARES_UNREAD = (2, 3, 4, 5, 6, 8, 10, 20)
MOST_LIMITS = 4  # of norms that gradients may be clipped to
MOST_STEPS, MOST_RECORDINGS = 24, 16  # of the longer questions


def late_settings(gradient: Gradient, case: Case, dtype: np.dtype) -> list[dict]:
    """Return settings that the shortest wrong questions suggest; the samples showed nothing."""
    steps = _first_wrong_steps(gradient, case, dtype)
    if steps is None:
        return []
    found: list[dict] = [{("last steps alone", WHOLE): steps - 1.0}]
    knobs = known_knobs(case)
    layers = range(len(case.network.neurons))
    for name in SIZED:
        keys = [(name, layer) for layer in layers if (name, layer) in knobs]
        found += [dict.fromkeys(keys, steps - 1.0)] if keys else []
    if steps > 2 and steps * case.x[..., 0].size * max(case.network.sizes) <= MOST_COPIES:
        found.append({(MEMORY, layer): steps - 2.0 for layer in layers})
        found += [{(WINDOWS, WHOLE): steps - 1.0}] if len(layers) > 1 else []
    size = _first_wrong(
        lambda b: _is_right(gradient, truncate_case(case, len(case.x), b), dtype), len(case.y)
    )
    if size is not None:
        found.append({("microbatches", WHOLE): size - 1.0})
    return found


def batch_settings(samples: Samples) -> list[dict]:
    """Return settings of batches that only larger ones show, or of as many classes."""
    found = [{(name, WHOLE): 1.0} for name in (*FILLED, *HALVES, BY_FREQUENCY)]
    return [setting for setting in found if explains_losses(samples, setting)]


def larger_samples(gradient: Gradient, case: Case, dtype: np.dtype) -> Samples:
    """Return what is answered to longer questions, of more recordings."""
    first = _first_wrong_steps(gradient, case, dtype) or 1
    steps = sorted({first, min(max(2 * first, MOST_STEPS), len(case.x))})
    return take_larger_samples(gradient, case, dtype, steps, MOST_RECORDINGS)


def clip_settings(case: Case, got: Answer) -> list[dict]:
    """Return settings in which gradients are clipped, or brought to a norm, as they are answered.

    An array that was clipped has the limit for a norm, or for its largest entry.
    """
    arrays = [a for a in param_arrays(got.grads) if a.any()]
    found: list[dict] = []
    levels = range(len(case.params))
    if not arrays:
        return [{("layer factor", level): 0.0 for level in levels}]
    for name in BENDS:
        sizes = [bend_size(name, a) for a in arrays]
        for limit in sorted({round_value(size) for size in sizes}, reverse=True)[:MOST_LIMITS]:
            found.append({(name, level): limit for level in levels})
        found.append({(name, WHOLE): round_value(bend_size(name, flatten(got.grads)))})
    return found


def resize_settings(case: Case, setting: dict) -> list[dict]:
    """Return a setting with the numbers of steps or recordings in it at all other values."""
    whole, steps = len(case.network.neurons), len(case.x)
    names = {name for name, _ in setting}
    few = ("last step", "final potential", "first step unread", ONE_UNREAD)
    rest = {key: v for key, v in setting.items() if key[0] not in few}
    found: list[dict] = []
    if len(rest) < len(setting) or "first steps unread" in names:
        found += [{**rest, ("first steps unread", whole): float(c)} for c in range(1, steps)]
        # Of so few steps any share of them, one at least, is one.
        unread = {key: v for key, v in rest.items() if key[0] != "first steps unread"}
        found += [{**unread, (ONE_UNREAD, whole): float(c)} for c in SHARES_UNREAD]
    for name in (*SIZED, "last steps alone", "microbatches"):
        keys = [key for key in setting if key[0] == name]
        top = len(case.y) if name == "microbatches" else steps
        found += [{**setting, **dict.fromkeys(keys, float(k))} for k in range(1, top) if keys]
    bent = {name for name, at in setting if name in BENDS and at != WHOLE}
    for name in bent:
        limits = {v for (n, _), v in setting.items() if n == name}
        levels = range(len(case.params))
        found += [{**setting, **{(name, level): v for level in levels}} for v in limits]
    return found


def lose_last_step(case: Case, setting: dict) -> list[dict]:
    """Return a setting whose last step is not computed, where the readout does not read it.

    The two are of the same numbers, but for the states.
    """
    whole = len(case.network.neurons)
    key = ("last step unread", whole)
    rest = {k: v for k, v in setting.items() if k != key}
    lost = dict.fromkeys([(LAST_LOST, layer) for layer in range(whole)], 1.0)
    return [{**rest, **lost}] if key in setting else []


def scale_layers(case: Case, setting: dict) -> list[dict]:
    """Return a setting with factors of finished gradients in place of those on the way down.

    The two are of the same numbers, but for the adjoints.
    """
    whole, factor, found = len(case.network.neurons), 1.0, {}
    levels = {"gradient": (WHOLE, len(case.params)), "spikes": (whole, whole)}
    rest = {key: value for key, value in setting.items() if key[0] not in DOWNWARD}

    def turn(name: str, level: int, value: float) -> None:
        """Factors are multiplied, powers of sizes are added up."""
        is_factor, key = name == "layer factor", (name, level)
        old = found.get(key, rest.get(key, 1.0 if is_factor else 0.0))
        found[key] = old * value if is_factor else old + value

    for name, at in [*rest]:
        start, _, of = name.partition(" ")
        where, count = levels.get(start, (None, 0))
        if where == at and of in FACTORS:
            value = rest.pop((name, at))
            for level in range(count):
                turn(f"layer {of}", level, value)
    for layer in reversed(range(whole)):
        factor *= setting.get(("layer path", layer + 1), 1.0)
        factor *= setting.get(("drive path", layer), 1.0)
        if factor != 1.0:
            turn("layer factor", layer, factor)
    return [{**rest, **found}] if len(rest) < len(setting) else []


def share_numbers(setting: dict) -> list[dict]:
    """Return a setting with one number in all layers, each of those that it has there in turn.

    Of a number that is known between two bounds only, as of a window, layers show other bounds.
    """
    found: list[dict] = []
    for name in {name for name, _ in setting}:
        own = {at: v for (n, at), v in setting.items() if n == name and at != WHOLE}
        if len({*own.values()}) > 1:
            found += [{**setting, **{(name, at): v for at in own}} for v in sorted({*own.values()})]
    return found


def _first_wrong_steps(gradient: Gradient, case: Case, dtype: np.dtype) -> int | None:
    def right(steps: int) -> bool:
        return _is_right(gradient, truncate_case(case, steps), dtype)

    return _first_wrong(right, len(case.x))


def _is_right(gradient: Gradient, case: Case, dtype: np.dtype) -> bool:
    """Whether loss and gradients are those of the reference, to rounding."""
    try:
        got, _ = ask(gradient, case)
    except NotFinite:  # as of the mean of an empty half of a batch of one
        return False
    with np.errstate(all="ignore"):
        want = solve_settings(cast_case(case, dtype), [{}])[0]
    given, right = (np.append(flatten(each.grads), each.loss) for each in (got, want))
    gap = np.linalg.norm(given - right)
    return bool(gap <= relative_limit(dtype) * np.linalg.norm(right))


def _first_wrong(right: Callable[[int], bool], most: int) -> int | None:
    """Return the smallest size that is answered wrong, if those above it are, too."""
    if most < 1 or right(most):
        return None
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if right(middle) else (low, middle)
    return high


def rounding_settings(whole: Examination) -> tuple[dict, ...]:
    """Return the roundings of gradients that gave those that were answered, if any.

    All entries are numbers of the format, next to the right ones: whether an entry that lies
    between two of them was rounded up or down, other roundings on the way may decide.
    """
    got, right = flatten(whole.got.grads), flatten(whole.right.grads)
    if whole.dtype == np.float64 and np.array_equal(got.astype(np.float32), got):
        single = np.dtype(np.float32)
        if not examine_answer(whole.got, cast_case(whole.case, single), single).wrong:
            return ({(SINGLE, WHOLE): 1.0},)
    if "loss" in whole.wrong or not got.any():
        return ()
    slack = 8.0 * relative_limit(whole.dtype) * abs(right)
    found = []
    for name, rounding in GRADIENT_ROUNDINGS.items():
        lowest, highest = np.sort([rounding(right - slack), rounding(right + slack)], axis=0)
        if np.array_equal(rounding(got), got) and ((lowest <= got) & (got <= highest)).all():
            found.append({(name, WHOLE): 1.0})
    return tuple(found)
