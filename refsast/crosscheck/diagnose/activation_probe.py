"""Where is a loss wrong? What layers were given is read off the gradients of their weights.

Rule 1: of one step and one recording the gradient in W is ``delta a'``: every row of it is what the
        layer was given, times a number. Of two steps, where that of the first is known, so is what
        is left of every row without its part along it, of what was given at the second.
Rule 2: numbers that are off by a factor are not told from weights that are; then nothing is said.
Rule 3: a state is blamed only where losses of all labels are those of one softmax; else the loss is
        wrong, too, or alone.
"""

from dataclasses import replace

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Answer, Case, ask, take_singles, truncate_case
from refsast.crosscheck.diagnose.adjoint_probe import ask_both
from refsast.crosscheck.diagnose.localise import Location
from refsast.crosscheck.implementation import Gradient

NEAR = {"float64": 1e-8, "float32": 1e-5}  # of two directions, and of two losses
FAR = {"float64": 1e-7, "float32": 1e-3}
FLOOR = {"float64": 1e-12, "float32": 1e-5}  # of a gradient: what is less is rounding
MOST_RECORDINGS = 3
HOW = "by what gradients of {} hold of it"


def probe_activations(gradient: Gradient, case: Case) -> Location | None:
    """Return where a loss becomes wrong, of one or two steps; None where that is not told."""
    for steps in (1, 2)[: len(case.x)]:
        for one in take_singles(truncate_case(case, steps), MOST_RECORDINGS):
            asked = ask_both(gradient, one)
            if asked is None:
                return None
            got, right, dtype = asked
            if abs(got.loss - right.loss) > FAR[dtype] * abs(right.loss):
                return _read_answer(gradient, case, one, asked)
    return None


def _read_answer(
    gradient: Gradient, case: Case, one: Case, asked: tuple[Answer, Answer, str]
) -> Location | None:
    """The place, from the shortest question whose loss is wrong."""
    depth, steps = len(case.network.neurons), len(one.x)
    how = HOW.format("one step" if steps == 1 else "two steps")
    step = 0 if steps == 1 else None  # of two, the first may be off by less than a loss shows
    wrong = _first_wrong_level(one, *asked)
    if wrong is None or (softmax := _is_softmax(gradient, one)) is None:
        return None
    if wrong < depth and _read_level(one, wrong + 1, asked) is not False:
        return None  # what it passes on is right, or not told: sums may be wrong, and another thing
    if wrong == 0:
        return Location("state", 0, step, how=how) if softmax else None
    if wrong <= depth:  # the readout weighs its steps, which are not told from spikes
        told = softmax and (wrong < depth or steps == 1)
        to = f"layer {wrong + 1}" if wrong < depth else "the readout"
        at = "" if step is None else ", step 1"
        what = f"state of layer {wrong}{at}, or what is passed on to {to}, or sums of its weights"
        return Location("not known", how=f"{what}, {how}") if told else None
    affine = case.network.readout.n_out is not None
    if not affine and (softmax or depth == 1):
        return None  # the spikes of the last layer are not read
    if steps == 1 and len(case.x) > 1:  # states may be wrong later on
        (two,) = take_singles(truncate_case(case, 2), 1)
        both = ask_both(gradient, two)
        if both is None or _first_wrong_level(two, *both) != depth + 1:
            return None
    return Location("loss or readout", how=f"states are right, {how}")


def _is_softmax(gradient: Gradient, one: Case) -> bool | None:
    """Whether the losses of all labels of a recording are those of one softmax."""
    total, dtype = 0.0, "float64"
    for label in range(one.network.classes):
        try:
            got, given = ask(gradient, replace(one, y=np.array([label])))
        except ValueError:
            return None
        total, dtype = total + float(np.exp(-got.loss)), given.name
    return abs(total - 1.0) <= FAR[dtype]


def _first_wrong_level(one: Case, got: Answer, right: Answer, dtype: str) -> int | None:
    """The first level that was given something else; that after all where none was; None: untold.

    Level l is that of the weights of layer l, that of the readout the last one.
    """
    for level, (own, want) in enumerate(zip(got.grads, right.grads, strict=True)):
        first = _first_of_two(one, right, level)
        weights = _compare_rows(own.w, want.w, first, dtype)
        if weights is not True:
            return level if weights is False else None
        if own.b is not None and want.b is not None:
            first = None if first is None else np.append(first, [[1.0]], axis=1)
            whole, right_whole = (np.append(g, b[:, None], axis=1) for g, b in (
                (own.w, own.b), (want.w, want.b)))  # fmt: skip
            if _compare_rows(whole, right_whole, first, dtype) is not True:
                return None
    return len(one.network.neurons) + 1


def _read_level(one: Case, level: int, asked: tuple[Answer, Answer, str]) -> bool | None:
    """Whether a level was given what is right at the one step, or the second; None: untold."""
    got, right, dtype = asked
    if level >= len(got.grads):
        return None
    first = _first_of_two(one, right, level)
    return _compare_rows(got.grads[level].w, right.grads[level].w, first, dtype)


def _first_of_two(one: Case, right: Answer, level: int) -> Array | None:
    """What a layer was given at the first of two steps; None: of one, or of the readout."""
    assert right.s is not None
    if len(one.x) != 2 or level >= len(one.network.neurons):
        return None
    return one.x[:1, 0] if level == 0 else right.s[level - 1][:1, 0]


def _compare_rows(got: Array, want: Array, known: Array | None, dtype: str) -> bool | None:
    """Whether the rows of a gradient are multiples of the right ones, but for a known one.

    None where they are no multiples of each other, or too small or short to tell.
    """
    least = FLOOR[dtype] * float(max(np.linalg.norm(got), np.linalg.norm(want)))
    spare = 3 if known is not None and known.any() else 2
    if known is not None and known.any():
        unit = known / np.linalg.norm(known)
        got, want = (rows - (rows @ unit.T) @ unit for rows in (got, want))
    largest, wanted = (rows[np.linalg.norm(rows, axis=1).argmax()] for rows in (got, want))
    sizes = [float(np.linalg.norm(row)) for row in (largest, wanted)]
    if got.shape[1] < spare or not min(sizes) > least:
        return None

    def gap(rows: Array, row: Array) -> float:
        unit = row / np.linalg.norm(row)
        return float(np.linalg.norm(rows - np.outer(rows @ unit, unit)))

    near, far = (limit[dtype] * float(np.linalg.norm(got)) + least for limit in (NEAR, FAR))
    if gap(got, largest) > near or near < gap(got, wanted) <= far:
        return None
    return gap(got, wanted) <= near
