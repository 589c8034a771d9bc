"""Are adjoints of a layer wrong, or what is made of them? Asked by inputs that change none of them.

Rule 1: where some inputs of a layer have weights of zero, what they are changes no adjoint; and the
        gradient of these weights is ``sum_t delta_t a_t'``, linear in the adjoints. With as many
        inputs as there are adjoints, they are known.
Rule 2: adjoints are wrong only where one error of theirs explains all such gradients, and those of
        the bias or of V, and is no weight of a step, a recording or a neuron in the sums, which
        looks the same.
Rule 3: what is made of adjoints where they are summed looks like a wrong adjoint, unless the layer
        below was given the wrong one.
Rule 4: such inputs are numbers in x, of the first layer; of another, spikes of neurons below with
        other weights.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import Array
from refsast.crosscheck.case import Answer, Case, ask, truncate_case
from refsast.crosscheck.compare import cast_case, solve_case
from refsast.crosscheck.diagnose.knobs.backward import backward_layer
from refsast.crosscheck.diagnose.knobs.dials import Dials, shift_steps
from refsast.crosscheck.diagnose.knobs.program import run_forward
from refsast.crosscheck.diagnose.localise import Location
from refsast.crosscheck.implementation import Gradient
from refsast.model.learned import resolve
from refsast.model.network import describe_extension
from refsast.model.params import Layer

SAME = {"float64": 1e-7, "float32": 1e-3}  # of an error: what two sums of it may differ by
WRONG = {"float64": 1e-9, "float32": 1e-4}  # of a gradient: a smaller error is none
MOST_ROWS = 24  # adjoints of one neuron that are asked for together
MOST_ASKED = 60
STEPS, RECORDINGS = (24, 12, 8, 6, 4, 3, 2, 1), (2, 1, 3)  # of shorter questions
DRIVES = (1.0, 4.0)  # what the weights are multiplied by that stay
AMPLE = 2  # times as many equations as adjoints
LARGEST_CONDITION = 1e4
PARALLEL = 1e-4  # one minus a cosine
MOST_QUESTIONS = 8
HOW = "by inputs of no weight"


@dataclass(frozen=True, eq=False)
class Sums:
    """What is summed in place of adjoints.

    Attributes
    ----------
    right : (rows, n) array
        The adjoints of each step and recording, from the first step.
    errors : (rows, n) array
        By how much what is summed is off.
    wrong : (rows,) array of bool
        Where it is.
    fits : bool
        Whether these errors explain the gradients of the weights, of the bias and of V.
    told : bool
        Whether there is a bias or V, which tells adjoints from sums of W.
    rest_wrong : bool
        Whether the gradient of the weights that are not zero is wrong.
    last : Answer
        What was answered to the last question.
    dtype : str
        What it was computed in.
    """

    right: Array
    errors: Array
    wrong: NDArray[np.bool_]
    fits: bool
    told: bool
    rest_wrong: bool
    last: Answer
    dtype: str

    @property
    def like_weights(self) -> bool:
        """Whether weights of steps and recordings, or of neurons, in the sums look the same."""
        errors, right = self.errors[self.wrong], self.right[self.wrong]
        return _are_parallel(errors, right) or _are_parallel(errors.T, right.T)


def probe_adjoints(gradient: Gradient, case: Case, top: int) -> Location:
    """Return where gradients of a layer become wrong; those of layers above are right."""
    tried = f"gradients of layer {top + 1} are wrong, and of all below"
    follows = top > 0 and not describe_extension(case.network)
    clean, shown = False, False
    for asked in islice(_questions(case, top), MOST_QUESTIONS):
        found = _ask_sums(gradient, asked, top)
        if found is None:
            continue
        if not found.wrong.any():
            clean = clean or found.rest_wrong
            continue
        shown = True
        if not follows or (found.told and not found.fits):
            break  # sums are wrong, and perhaps adjoints, too; or nothing tells them apart
        if found.told and not found.like_weights and (below := _follow(asked, found, top)):
            # At which step, other numbers of the question decide, too.
            return Location(below, top, how=HOW)
    if clean and not shown:
        return Location("gradient", top, how=f"adjoints are right, {HOW}")
    either = f"; adjoint of layer {top + 1}, or sums over steps" if shown else ""
    return Location("not known", how=f"{tried}{either}; tried inputs of no weight")


def _are_parallel(a: Array, b: Array) -> bool:
    """Whether each row of an array that is not zero is a multiple of that of another."""
    sizes = np.linalg.norm(a, axis=1)
    products = abs((a * b).sum(axis=1))
    parallel = products >= (1.0 - PARALLEL) * sizes * np.linalg.norm(b, axis=1)
    return bool(parallel[sizes > PARALLEL * sizes.max()].all())


def _questions(case: Case, top: int) -> Iterator[list[tuple[Case, slice]]]:
    """Yield the cases to be asked together, and which inputs have no weight there."""
    for short in _shorten(case):
        for drive in DRIVES:
            asked = list(_random_cases(short, top, drive))
            if asked:
                yield asked


def _shorten(case: Case) -> Iterator[Case]:
    """Yield the case, or its first steps and recordings, with no more rows than can be told."""
    if case.x[..., 0].size <= MOST_ROWS:
        yield case
    for steps in (n for n in STEPS if n < len(case.x)):
        for batch in (b for b in RECORDINGS if b <= len(case.y) and b * steps <= MOST_ROWS):
            yield truncate_case(case, steps, batch)


def ask_both(gradient: Gradient, case: Case) -> tuple[Answer, Answer, str] | None:
    """Return what is answered, what is right, and the dtype; None where it cannot be asked."""
    try:
        got, dtype = ask(gradient, case)
    except ValueError:
        return None
    return got, solve_case(cast_case(case, dtype)), dtype.name


def _ask_sums(gradient: Gradient, asked: Sequence[tuple[Case, slice]], top: int) -> Sums | None:
    """What is summed in a layer's gradients; None where it cannot be asked, or not be told."""
    inputs, gaps, rights, off, last = [], [], [], [], None
    for changed, free in asked:
        last = ask_both(gradient, changed)
        if last is None:
            return None
        got, right, dtype = last
        a = changed.x if top == 0 else _spikes(right, top - 1)
        inputs.append(_as_rows(a)[:, free].T)
        w, gap = right.grads[top].w, got.grads[top].w - right.grads[top].w
        gaps.append(gap[:, free].T)
        rights.append(w[:, free].T)
        off.append(np.linalg.norm(gap[:, free.stop :]) > WRONG[dtype] * np.linalg.norm(w))
    if last is None:
        return None
    got, right, dtype = last
    a, gap, want = map(np.concatenate, (inputs, gaps, rights))
    if len(a) < a.shape[1] or not np.linalg.cond(a) <= LARGEST_CONDITION:
        return None
    errors, adjoints = (np.linalg.lstsq(a, b)[0] for b in (gap, want))
    others = list(_other_terms(errors, got, right, top))
    fits = all(
        np.linalg.norm(sums - gap)
        <= SAME[dtype] * np.linalg.norm(gap) + WRONG[dtype] * np.linalg.norm(want)
        for sums, gap, want in ((a @ errors, gap, want), *others)
    )
    wrong = abs(errors).max(axis=1) > WRONG[dtype] * abs(adjoints).max()
    return Sums(adjoints, errors, wrong, fits, bool(others), all(off), got, dtype)


def _follow(asked: Sequence[tuple[Case, slice]], sums: Sums, top: int) -> str:
    """What is wrong, by the layer below: "adjoint" if its gradient follows from what was summed.

    "gradient" if it is right, so that what is passed on is, too; "" where neither is so: something
    may be made of adjoints where they are summed, or passed on. There is a layer below.
    """
    case = asked[-1][0]
    run = run_forward(case, Dials({})).layers[top - 1]
    got = sums.last.grads[top - 1].w

    def pass_on(adjoints: Array) -> Array:
        received = adjoints.reshape(*case.x.shape[:2], -1)[:, None] @ case.params[top].w
        return backward_layer(case, top - 1, Dials({}), run, received).arrays["w"][0]

    right, wrong = (pass_on(each) for each in (sums.right, sums.right + sums.errors))
    apart = np.linalg.norm(wrong - right)
    near = SAME[sums.dtype] * apart + WRONG[sums.dtype] * np.linalg.norm(right)
    if not apart > 10.0 * near:
        return ""
    if np.linalg.norm(got - wrong) <= near:
        return "adjoint"
    return "gradient" if np.linalg.norm(got - right) <= near else ""


def _as_rows(signal: Array) -> Array:
    """Steps and recordings as one axis."""
    return signal.reshape(-1, signal.shape[-1])


def _spikes(answer: Answer, layer: int) -> Array:
    assert answer.s is not None
    return answer.s[layer]


def _other_terms(
    errors: Array, got: Answer, right: Answer, top: int
) -> Iterator[tuple[Array, Array, Array]]:
    """Yield the errors of the gradients in b and V, as adjoints say and as they are, and these."""
    own, want, s = got.grads[top], right.grads[top], _spikes(right, top)
    if own.b is not None and want.b is not None:
        yield errors.sum(axis=0), own.b - want.b, want.b
    if own.v is not None and want.v is not None:
        before = _as_rows(shift_steps(s, 1))
        yield errors.T @ before, own.v - want.v, want.v


def _silence(case: Case, top: int, count: int, drive: float) -> tuple[Layer, ...]:
    """The parameters with no weight of the first inputs of a layer, the others multiplied."""
    w = drive * case.params[top].w
    w[:, :count] = 0.0
    return (*case.params[:top], replace(case.params[top], w=w), *case.params[top + 1 :])


def _random_cases(case: Case, top: int, drive: float) -> Iterator[tuple[Case, slice]]:
    """Yield cases with other numbers in all inputs of a layer but one, which have no weight.

    None where there is one input only, or too much would have to be asked.
    """
    rng, many = np.random.default_rng(0), case.params[top].w.shape[1] - 1
    count = -(-AMPLE * case.x[..., 0].size // max(many, 1))
    if many == 0 or count > MOST_ASKED:
        return
    silent = replace(case, params=_silence(case, top, many, drive))
    for _ in range(count):
        if top == 0:
            x = case.x.copy()
            x[..., :many] = rng.standard_normal(x[..., :many].shape)
            yield replace(silent, x=x), slice(0, many)
        else:
            below = _change_neurons(case, top - 1, rng)
            params = (*case.params[: top - 1], below, *silent.params[top:])
            yield replace(case, params=params), slice(0, many)


def _change_neurons(case: Case, index: int, rng: np.random.Generator) -> Layer:
    """A layer with other weights of all neurons but the last, which hears none of them."""
    old, w = case.params[index], case.params[index].w.copy()
    given, n_in = case.network.neurons[index].threshold, w.shape[1]
    theta = np.broadcast_to(resolve(given, old.threshold, w.dtype), len(w))
    size = float(np.sqrt((case.x**2).mean())) if index == 0 else 0.5
    spread = 2.0 * theta / (size * np.sqrt(n_in) + 1e-300)
    w[:-1] = spread[:-1, None] * rng.standard_normal(w[:-1].shape)
    b, v = old.b, old.v
    if b is not None:
        b = np.append(theta[:-1] * rng.standard_normal(len(b) - 1), b[-1])
    if v is not None:
        v = v.copy()
        v[-1, :-1] = 0.0
    return replace(old, w=w, b=b, v=v)
