"""Another question in place of the one that was asked: input, labels or weights changed.

Rule 1: a question is a setting's knob of the whole network; `ask_otherwise` gives the case that an
        implementation with this mistake computes, right in all else.
Rule 2: what only moves entries of the input is a function of an array of positions, so that the
        way back of its gradient follows; zeros come in at position -1.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import Array, Integers
from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.compare import cast_case
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Setting, shift_steps
from refsast.crosscheck.diagnose.knobs.other_parameters import PARAMETERS
from refsast.crosscheck.diagnose.knobs.precision import ROUNDINGS, WEIGHT_ROUNDINGS
from refsast.model.params import Params, map_params, param_arrays


def _swap_axes(at: Integers) -> Integers:
    """Read as (batch, time, n) what is (time, batch, n)."""
    return at.reshape(at.shape[1], at.shape[0], at.shape[2]).swapaxes(0, 1)


def _read_flat(at: Integers) -> Integers:
    """Made (batch, time, n), and read as (time, batch, n) as it lies in memory."""
    return at.swapaxes(0, 1).reshape(at.shape)


def _add_silent(at: Integers) -> Integers:
    return np.concatenate([at, np.full_like(at[:, :1], -1)], axis=1)


def _pad_steps(at: Integers, unit: int) -> Integers:
    """Silent steps at the end, up to a multiple of so many."""
    missing = -len(at) % unit
    return np.concatenate([at, np.full((missing, *at.shape[1:]), -1)])


def _keep_steps(at: Integers, kept: NDArray[np.bool_]) -> Integers:
    return np.where(kept.reshape(-1, 1, 1), at, -1)


def _repeat(at: Integers, axis: int, which: int) -> Integers:
    return np.repeat(np.take(at, [which], axis=axis), at.shape[axis], axis=axis)


PADDED = (8, 10, 16, 32, 64, 100)
MOVES: Mapping[str, Callable[[Integers], Integers]] = {
    "first step repeated": lambda at: _repeat(at, 0, 0),
    "last step repeated": lambda at: _repeat(at, 0, -1),
    "first step left out": lambda at: at[1:] if len(at) > 1 else at,
    "each step twice": lambda at: at[np.arange(len(at)) // 2],
    "steps rolled": lambda at: np.roll(at, 1, axis=0),
    "steps rolled back": lambda at: np.roll(at, -1, axis=0),
    "steps and recordings exchanged": _swap_axes,
    "steps and recordings exchanged, then reshaped": _read_flat,
    **{f"steps padded to a multiple of {m}": lambda at, m=m: _pad_steps(at, m) for m in PADDED},
    "first recording repeated": lambda at: _repeat(at, 1, 0),
    "recordings reversed": lambda at: at[:, ::-1],
    "recordings rolled": lambda at: np.roll(at, 1, axis=1),
    "recordings rolled back": lambda at: np.roll(at, -1, axis=1),
    "silent recording added": _add_silent,
    "input of the first step alone": lambda at: _keep_steps(at, np.arange(len(at)) == 0),
    "input of the last step left out": lambda at: _keep_steps(at, np.arange(len(at)) < len(at) - 1),
    "input at odd steps alone": lambda at: _keep_steps(at, np.arange(len(at)) % 2 == 0),
    "steps sorted as text": lambda at: at[sorted(range(len(at)), key=str)],
    "inputs in reversed order": lambda at: at[..., ::-1],
    "inputs one place further": lambda at: np.roll(at, 1, axis=-1),
    "inputs one place back": lambda at: np.roll(at, -1, axis=-1),
}
# Which recordings are in the batch, with their labels.
BATCHES: Mapping[str, Callable[[Integers], Integers]] = {
    "first recording twice": lambda b: np.append(b, b[0]),
    "last recording twice": lambda b: np.append(b, b[-1]),
    "every second recording left out": lambda b: b[::2],
    "every second recording alone": lambda b: b[1::2] if len(b) > 1 else b,
    "first half of the batch alone": lambda b: b[: max(1, len(b) // 2)],
    "last half of the batch alone": lambda b: b[len(b) // 2 :],
    "first recording alone": lambda b: b[:1],
    "last recording alone": lambda b: b[-1:],
}
# Where each label is taken from; the input stays where it is.
LABEL_MOVES: Mapping[str, Callable[[Integers], Integers]] = {
    "labels in reversed order": lambda at: at[::-1],
    "labels one recording further": lambda at: np.roll(at, 1),
    "labels one recording back": lambda at: np.roll(at, -1),
    "first label for all": lambda at: np.zeros_like(at),
    "last label for all": lambda at: np.full_like(at, len(at) - 1),
}


def _standardise(axes: tuple[int, ...] | None, plus: float, fewer: int = 0) -> Callable:
    """The input minus its mean, over its deviation, with what keeps that from zero.

    `fewer` is what is taken off the number of values that squares are averaged over.
    """

    def change(x: Array) -> Array:
        mean, of = x.mean(axis=axes, keepdims=True), x.size // x.mean(axis=axes).size
        spread = x.std(axis=axes, keepdims=True, ddof=fewer if of > fewer else 0) + plus
        return (x - mean) / np.where(spread == 0.0, 1.0, spread)

    return change


def _stretch(x: Array, axes: tuple[int, ...] | None = None) -> Array:
    low, high = x.min(axis=axes, keepdims=True), x.max(axis=axes, keepdims=True)
    return (x - low) / np.where(high > low, high - low, 1.0)


def _average_pairs(x: Array) -> Array:
    found, whole = x.copy(), len(x) // 2 * 2
    found[0:whole:2] = found[1:whole:2] = 0.5 * (x[0:whole:2] + x[1:whole:2])
    return found


AXES: Mapping[str, tuple[int, ...] | None] = {
    "": None,
    ", each channel": (0, 1),
    ", each recording": (0, 2),
    ", each step of a recording": (2,),
}


# What a deviation is called; of PyTorch squares are averaged over one value fewer.
DEVIATIONS: Mapping[str, float] = {
    "": 0.0,
    " (deviation + 1e-8)": 1e-8,
    " (deviation + 1e-5)": 1e-5,
}
UNBIASED = ", squares averaged over n - 1"
VALUES: Mapping[str, Callable[[Array], Array]] = {
    "input binary": lambda x: (x > 0.0).astype(np.float64),
    "input at least 1/2 is one": lambda x: (x >= 0.5).astype(np.float64),
    "signs of the input": np.sign,
    "absolute input": abs,
    "input at least zero": lambda x: np.maximum(x, 0.0),
    "input within 0 and 1": lambda x: np.clip(x, 0.0, 1.0),
    "input over its largest": lambda x: x / (float(abs(x).max(initial=0.0)) or 1.0),
    **{
        f"input standardised{words}{of}": _standardise(axes, plus)
        for words, axes in AXES.items()
        for of, plus in DEVIATIONS.items()
    },
    **{
        f"input standardised{words}{of}{UNBIASED}": _standardise(axes, plus, 1)
        for words, axes in AXES.items()
        for of, plus in DEVIATIONS.items()
    },
    "input centred": lambda x: x - x.mean(),
    "input centred, each channel": lambda x: x - x.mean(axis=(0, 1)),
    "input stretched to 0 and 1": _stretch,
    "input stretched to 0 and 1, each channel": lambda x: _stretch(x, (0, 1)),
    "input of the step before added": lambda x: x + shift_steps(x, 1),
    "input averaged over each two steps": _average_pairs,
    "input over its norm, each recording": lambda x: (
        x / np.maximum(np.sqrt((x**2).sum(axis=(0, 2), keepdims=True)), 1e-300)
    ),
    "input rounded to integers": np.round,
    "input cut to integers": np.trunc,
    "input doubled, minus 1": lambda x: 2.0 * x - 1.0,
    "one minus the input": lambda x: 1.0 - x,
    "input over 255": lambda x: x / 255.0,
    "square root of the input": lambda x: np.sqrt(abs(x)),
    "squared input": np.square,
    "ln(1 + input)": lambda x: np.log1p(abs(x)),
    "tanh of the input": np.tanh,
    "logistic function of the input": lambda x: 0.5 * (1.0 + np.tanh(0.5 * x)),
    "input within -1 and 1": lambda x: np.clip(x, -1.0, 1.0),
    "input summed up over time": lambda x: np.cumsum(x, axis=0),
    "differences of the input": lambda x: np.diff(x, axis=0, prepend=0.0),
    "mean input at every step": lambda x: np.broadcast_to(x.mean(axis=0), x.shape).copy(),
    **{f"input in {name}": change for name, change in ROUNDINGS.items()},
}
SINGLE = "single precision inside"  # what rounding does on the way is not computed
QUESTIONS = (*MOVES, *BATCHES, *LABEL_MOVES, *VALUES, *PARAMETERS, *WEIGHT_ROUNDINGS, SINGLE)


def question_of(setting: Setting) -> str | None:
    """Return the name of the question that a setting asks in place of the right one, if any."""
    return next((name for name, at in setting if at == WHOLE and name in QUESTIONS), None)


def possible_questions(case: Case) -> list[str]:
    """Return the questions that differ from a case's own."""
    found = []
    for name in QUESTIONS[:-1]:
        other = ask_otherwise(case, name)
        alike = other.x.shape == case.x.shape and np.array_equal(other.x, case.x)
        labels = np.array_equal(other.y, case.y)
        same = map(np.array_equal, param_arrays(other.params), param_arrays(case.params))
        if not alike or not labels or not all(same):
            found.append(name)
    return found


def ask_otherwise(case: Case, name: str | None) -> Case:
    """Return the case that is computed by mistake; the case itself where there is none."""
    if name is None:
        return case
    if name in MOVES:
        at = MOVES[name](_positions(case.x))
        x = np.where(at < 0, 0.0, case.x.ravel()[at])
        more = at.shape[1] - len(case.y)
        return replace(case, x=x, y=np.append(case.y, np.zeros(more, np.int64)))
    if name in BATCHES:
        kept = BATCHES[name](np.arange(len(case.y)))
        return replace(case, x=case.x[:, kept], y=case.y[kept])
    if name in LABEL_MOVES:
        return replace(case, y=case.y[LABEL_MOVES[name](np.arange(len(case.y)))])
    if name in VALUES:
        return replace(case, x=VALUES[name](case.x))
    if name in PARAMETERS:
        return replace(case, params=_change_spiking(case, PARAMETERS[name][0], case.params))
    if name in WEIGHT_ROUNDINGS:
        return replace(case, params=map_params(WEIGHT_ROUNDINGS[name], case.params))
    return case if name != SINGLE else cast_case(case, np.dtype(np.float32))


def _change_spiking(case: Case, change: Callable[[Params], Params], params: Params) -> Params:
    """Parameters with those of spiking layers changed."""
    spiking = len(case.network.neurons)
    return (*change(params[:spiking]), *params[spiking:])


def _positions(x: Array) -> Integers:
    return np.arange(x.size).reshape(x.shape)


def restore_answer(case: Case, name: str | None, answer: Answer) -> Answer:
    """Return an answer to `ask_otherwise` in the shapes of the case that was asked.

    Steps that were left out are the first; steps and recordings that were added are the last.
    """
    if name is not None and name in PARAMETERS:
        own = case.params[: len(case.network.neurons)]
        back = partial(PARAMETERS[name][1], own)
        return replace(answer, grads=_change_spiking(case, back, answer.grads))
    if name is None or name not in {*MOVES, *BATCHES}:
        return answer
    assert answer.u is not None
    assert answer.s is not None
    assert answer.adjoints is not None
    assert answer.x is not None
    steps, batch = len(case.x), len(case.y)
    missing = max(0, steps - len(answer.u[0]))
    kept = BATCHES[name](np.arange(batch)) if name in BATCHES else np.arange(batch)

    def fit(array: Array) -> Array:
        found = np.zeros((steps, batch, array.shape[2]))
        found[missing:, kept] = array[:steps, : len(kept)]
        return found

    u, s, adjoints = (tuple(map(fit, part)) for part in (answer.u, answer.s, answer.adjoints))
    at = _positions(case.x)
    at = at[:, kept] if name in BATCHES else MOVES[name](at)
    below = np.zeros(case.x.size)
    np.add.at(below, at[at >= 0], answer.x[at >= 0])
    return replace(answer, u=u, s=s, adjoints=adjoints, x=below.reshape(case.x.shape))
