"""What an implementation answers to small parts of a case: the numbers that a cause must explain.

Losses of single recordings and of few steps tell forward faults from each other, whatever is wrong
on the way back; gradients of one, two and six steps tell the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from refsast.arrays import Array, Integers
from refsast.crosscheck.case import Answer, Case, ask, take_one
from refsast.crosscheck.compare import cast_case
from refsast.crosscheck.diagnose.knobs.dials import (
    WHOLE,
    Dials,
    Key,
    mask_settings,
    pick_settings,
    put_settings,
)
from refsast.crosscheck.diagnose.knobs.forward import START_FIRST
from refsast.crosscheck.diagnose.knobs.losses import weigh_alone
from refsast.crosscheck.diagnose.knobs.normalisation import OVER_RECORDINGS
from refsast.crosscheck.diagnose.knobs.penalties import PENALTIES, SQUARED_RATES
from refsast.crosscheck.diagnose.knobs.program import mean_loss, run_forward, scale_losses
from refsast.crosscheck.diagnose.knobs.questions import ask_otherwise
from refsast.crosscheck.diagnose.knobs.recordings import CARRIES
from refsast.crosscheck.diagnose.knobs.resets import FIRST_RESETS
from refsast.crosscheck.implementation import Gradient
from refsast.model.params import Params, layer_arrays

STEPS, RECORDINGS, INPUTS = (1, 2, 3, 6), 4, 48


@dataclass(frozen=True, eq=False)
class Sample:
    """A part of a case, and what was answered."""

    case: Case
    got: Answer


@dataclass(frozen=True, eq=False)
class Samples:
    """All that was asked.

    Attributes
    ----------
    parts : tuple of Sample
        Of growing numbers of steps; all recordings that are used.
    losses : tuple of array
        For each part the losses of its single recordings, then that of all of them; of one
        recording, one number.
    dtype : numpy.dtype
        What the implementation computes in.
    single : tuple of Sample
        One recording of the largest part.
    """

    parts: tuple[Sample, ...]
    losses: tuple[Array, ...]
    dtype: np.dtype
    single: tuple[Sample, ...] = ()

    @property
    def all(self) -> tuple[Sample, ...]:
        """All samples whose gradients have to be explained; the largest part comes last."""
        return (*self.single, *self.parts)


def take_samples(gradient: Gradient, case: Case, dtype: np.dtype) -> Samples:
    """Ask about parts of a case; of all of it alone where it cannot be asked about fewer steps."""
    steps = sorted({min(t, len(case.x)) for t in STEPS})
    # A recording alone may have no loss; nor may a step, of which none is left to read.
    for first, alone in product(range(len(steps)), (True, False)):
        try:
            return _take(gradient, case, dtype, steps[first:], RECORDINGS, alone=alone)
        except ValueError:
            continue
    return _take(gradient, case, dtype, [len(case.x)], None)


def take_larger_samples(
    gradient: Gradient, case: Case, dtype: np.dtype, steps: list[int], recordings: int
) -> Samples:
    """Ask about longer parts, all recordings at once."""
    x, y = case.x[:, :recordings], case.y[:recordings]
    kept = _active_inputs(x)
    parts = [_ask_narrow(gradient, replace(case, x=x[:t], y=y), kept, dtype) for t in steps]
    return Samples(tuple(parts), tuple(np.array([part.got.loss]) for part in parts), dtype)


def _take(
    gradient: Gradient, case: Case, dtype: np.dtype, steps: list[int], recordings: int | None,
    *, alone: bool = False,
) -> Samples:  # fmt: skip
    x, y = case.x[:, :recordings], case.y[:recordings]
    kept = _active_inputs(x)
    parts, losses, lone = [], [], None
    for t in steps:
        part = replace(case, x=x[:t], y=y)
        sample = _ask_narrow(gradient, part, kept, dtype)
        single: list[float] = []
        if alone and len(y) > 1:
            for b in range(len(y)):
                one = take_one(part, b)
                found = _ask_narrow(gradient, one, kept, dtype)
                single.append(found.got.loss)
                lone = found if b == 0 else lone
        parts.append(sample)
        losses.append(np.array([*single, sample.got.loss]))
    return Samples(tuple(parts), tuple(losses), dtype, () if lone is None else (lone,))


def _active_inputs(x: Array) -> Integers:
    activity = abs(x).sum(axis=(0, 1))
    return np.sort(np.argsort(-activity, kind="stable")[:INPUTS])


def _ask_narrow(gradient: Gradient, case: Case, kept: Integers, dtype: np.dtype) -> Sample:
    """Ask with some inputs only; what is silenced is cut off question and answer."""
    x = np.zeros_like(case.x)
    x[..., kept] = case.x[..., kept]
    got, _ = ask(gradient, replace(case, x=x))
    network = replace(case.network, sizes=(len(kept), *case.network.sizes[1:]))
    narrow = replace(
        case, network=network, params=_select_columns(case.params, kept), x=case.x[..., kept]
    )
    got = replace(got, grads=_select_columns(got.grads, kept), x=None)
    return Sample(cast_case(narrow, dtype), got)


def _select_columns(params: Params, kept: Integers) -> Params:
    return (replace(params[0], w=params[0].w[:, kept]), *params[1:])


def relative_limit(dtype: np.dtype) -> float:
    """Return the relative distance at which two arrays count as one.

    Numbers of single precision have lost more of their digits on the way.
    """
    eps = float(np.finfo(dtype).eps)
    return eps**0.6 if eps < 1e-10 else eps**0.5


def loss_vector(samples: Samples, which: Sequence[int] | None = None) -> Array:
    """Return all losses that were answered, or those of some parts."""
    parts = range(len(samples.parts)) if which is None else which
    return np.concatenate([samples.losses[k] for k in parts])


def loss_errors(
    samples: Samples,
    dials: Dials,
    question: str | None = None,
    which: Sequence[int] | None = None,
) -> Array:
    """Return errors (K, N) of the losses of parts, in units of what is allowed."""
    peak, limit = abs(loss_vector(samples)).max(), relative_limit(samples.dtype)
    want = loss_vector(samples, which)
    allowed = limit * abs(want) + 1e-3 * limit * peak
    gap = predict_losses(samples, dials, question, which) - want
    # Where nothing is allowed, as with the loss of one class, only what is equal has no error.
    errors = np.where(gap == 0.0, 0.0, np.inf)
    return np.divide(gap, allowed, out=errors, where=allowed > 0.0)


def predict_losses(
    samples: Samples,
    dials: Dials,
    question: str | None = None,
    which: Sequence[int] | None = None,
) -> Array:
    """Return what each setting answers to the same questions, shape (K, N).

    With another question in place of the right one, single recordings are asked one by one.
    """
    found, couples = [], mask_settings(dials, batch_keys(samples.parts[-1].case))
    for k in range(len(samples.parts)) if which is None else which:
        case, given = samples.parts[k].case, samples.losses[k]
        if question is not None:
            alone = [take_one(case, b) for b in range(len(given) - 1)]
            cases = [ask_otherwise(each, question) for each in (*alone, case)]
            found += [mean_loss(each, dials, run_forward(each, dials))[:, None] for each in cases]
            continue
        run = run_forward(case, dials)
        if len(given) > 1:
            alone = run.readout.losses * weigh_alone(case, dials, case.y)
            alone = scale_losses(case, dials, alone, 1)
            found.append(_put_single_losses(case, dials, alone) if couples.any() else alone)
        found.append(mean_loss(case, dials, run)[:, None])
    size = max(len(f) for f in found)
    return np.concatenate([np.broadcast_to(f, (size, f.shape[1])) for f in found], axis=1)


def batch_keys(case: Case) -> list[Key]:
    """Return the knobs by which a recording's loss depends on the others of its batch."""
    layers = range(len(case.network.neurons))
    names = (*OVER_RECORDINGS, START_FIRST, FIRST_RESETS)
    found = [(name, layer) for name in names for layer in layers]
    penalties = [name for name in PENALTIES if name.startswith(SQUARED_RATES)]
    found += [(name, layer) for name in penalties for layer in (WHOLE, *layers)]
    return [*found, *((name, WHOLE) for name in CARRIES)]


def _put_single_losses(case: Case, dials: Dials, alone: Array) -> Array:
    """Losses (K, batch) of single recordings, asked one by one where one depends on others."""
    which = mask_settings(dials, batch_keys(case))
    own, ones = pick_settings(dials, which), [take_one(case, b) for b in range(len(case.y))]
    found = [mean_loss(one, own, run_forward(one, own)) for one in ones]
    exact = np.stack([np.broadcast_to(each, int(which.sum())) for each in found], axis=1)
    return put_settings(alone, exact, which, 0)


def answer_arrays(sample: Sample, level: int) -> dict[str, Array]:
    """Return the gradients of a level that were answered."""
    return layer_arrays(sample.got.grads[level])
