"""Another question in place of the one that was asked: input, labels or weights changed.

Rule 1: a question is a setting's knob of the whole network; `ask_otherwise` gives the case that an
        implementation with this mistake computes, right in all else.
Rule 2: what only moves entries of the input is a function of an array of positions, so that the
        way back of its gradient follows; zeros come in at position -1.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from refsast.arrays import Array, Integers
from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.compare import cast_case
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Setting
from refsast.crosscheck.diagnose.knobs.precision import ROUNDINGS, WEIGHT_ROUNDINGS
from refsast.model.params import map_params


def _swap_axes(at: Integers) -> Integers:
    """Read as (batch, time, n) what is (time, batch, n)."""
    return at.reshape(at.shape[1], at.shape[0], at.shape[2]).swapaxes(0, 1)


def _add_silent(at: Integers) -> Integers:
    return np.concatenate([at, np.full_like(at[:, :1], -1)], axis=1)


def _repeat(at: Integers, axis: int, which: int) -> Integers:
    return np.repeat(np.take(at, [which], axis=axis), at.shape[axis], axis=axis)


MOVES: Mapping[str, Callable[[Integers], Integers]] = {
    "first step repeated": lambda at: _repeat(at, 0, 0),
    "last step repeated": lambda at: _repeat(at, 0, -1),
    "first step left out": lambda at: at[1:] if len(at) > 1 else at,
    "steps rolled": lambda at: np.roll(at, 1, axis=0),
    "steps rolled back": lambda at: np.roll(at, -1, axis=0),
    "steps and recordings exchanged": _swap_axes,
    "first recording repeated": lambda at: _repeat(at, 1, 0),
    "recordings reversed": lambda at: at[:, ::-1],
    "recordings rolled": lambda at: np.roll(at, 1, axis=1),
    "recordings rolled back": lambda at: np.roll(at, -1, axis=1),
    "silent recording added": _add_silent,
    "inputs in reversed order": lambda at: at[..., ::-1],
    "inputs one place further": lambda at: np.roll(at, 1, axis=-1),
    "inputs one place back": lambda at: np.roll(at, -1, axis=-1),
}


def _standardise(x: Array) -> Array:
    spread = float(x.std())
    return (x - x.mean()) / spread if spread > 0.0 else x


VALUES: Mapping[str, Callable[[Array], Array]] = {
    "input binary": lambda x: (x > 0.0).astype(np.float64),
    "input at least 1/2 is one": lambda x: (x >= 0.5).astype(np.float64),
    "signs of the input": np.sign,
    "absolute input": abs,
    "input at least zero": lambda x: np.maximum(x, 0.0),
    "input within 0 and 1": lambda x: np.clip(x, 0.0, 1.0),
    "input over its largest": lambda x: x / (float(abs(x).max(initial=0.0)) or 1.0),
    "input standardised": _standardise,
    "mean input at every step": lambda x: np.broadcast_to(x.mean(axis=0), x.shape).copy(),
    **{f"input in {name}": change for name, change in ROUNDINGS.items()},
}
SINGLE = "single precision inside"  # what rounding does on the way is not computed
QUESTIONS = (*MOVES, *VALUES, *WEIGHT_ROUNDINGS, SINGLE)


def question_of(setting: Setting) -> str | None:
    """Return the name of the question that a setting asks in place of the right one, if any."""
    return next((name for name, at in setting if at == WHOLE and name in QUESTIONS), None)


def possible_questions(case: Case) -> list[str]:
    """Return the questions that differ from a case's own."""
    found = []
    for name in (*MOVES, *VALUES, *WEIGHT_ROUNDINGS):
        other = ask_otherwise(case, name)
        alike = other.x.shape == case.x.shape and np.array_equal(other.x, case.x)
        if not alike or other.params is not case.params:
            found.append(name)
    return found


def ask_otherwise(case: Case, name: str | None) -> Case:
    """Return the case that is computed by mistake; the case itself where there is none."""
    if name is None:
        return case
    if name in MOVES:
        at = MOVES[name](_positions(case.x))
        x = np.where(at < 0, 0.0, case.x.ravel()[at])
        y = np.append(case.y, np.zeros(at.shape[1] - len(case.y), np.int64))
        return replace(case, x=x, y=y)
    if name in VALUES:
        return replace(case, x=VALUES[name](case.x))
    if name in WEIGHT_ROUNDINGS:
        return replace(case, params=map_params(WEIGHT_ROUNDINGS[name], case.params))
    return case if name != SINGLE else cast_case(case, np.dtype(np.float32))


def _positions(x: Array) -> Integers:
    return np.arange(x.size).reshape(x.shape)


def restore_answer(case: Case, name: str | None, answer: Answer) -> Answer:
    """Return an answer to `ask_otherwise` in the shapes of the case that was asked.

    Steps that were left out are the first; recordings that were added are the last.
    """
    if name is None or name not in MOVES:
        return answer
    assert answer.u is not None
    assert answer.s is not None
    assert answer.adjoints is not None
    assert answer.x is not None
    batch, missing = len(case.y), len(case.x) - len(answer.u[0])

    def fit(array: Array) -> Array:
        return np.concatenate([np.zeros((missing, *array.shape[1:])), array])[:, :batch]

    u, s, adjoints = (tuple(map(fit, part)) for part in (answer.u, answer.s, answer.adjoints))
    at = MOVES[name](_positions(case.x))
    below = np.zeros(case.x.size)
    np.add.at(below, at[at >= 0], answer.x[at >= 0])
    return replace(answer, u=u, s=s, adjoints=adjoints, x=below.reshape(case.x.shape))
