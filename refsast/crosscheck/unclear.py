"""What rounding decides: recordings that are left out, and arrays that tell too little; names.

Rule 1: an exact tie is clear, because every implementation computes it exactly; one that rounding
        made is not. Extended precision tells the two apart.
"""

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case, cast_params, select_recordings
from refsast.crosscheck.compare import Examination, examine
from refsast.crosscheck.implementation import Gradient
from refsast.crosscheck.near_ties import find_close_maxima, has_maxima
from refsast.crosscheck.tolerance import MAX_SHARE
from refsast.crosscheck.variants import reference_variant, unroll_variant
from refsast.model.glif_step import thresholds
from refsast.model.network import describe_extension, replace_spikes
from refsast.model.params import Params
from refsast.model.spike import first_derivative, heaviside
from refsast.model.unroll import unroll

# What noise may make of a spike, over what was seen and what is so to first order.
BEYOND_NOISE = 16.0
NAMED = 3  # arrays that a reason names


def unclear_recordings(exam: Examination) -> tuple[int, ...]:
    """Return the recordings in which rounding decides what a spike or a maximum is.

    Of hard spikes, those with a potential within rounding of its threshold.
    """
    close = find_close_maxima(exam.case, exam.tolerance, exam.dtype)
    fired = _close_to_threshold(exam) if exam.case.hard else _beyond_noise(exam)
    return tuple(map(int, np.flatnonzero(np.logical_or(close, fired))))


def _beyond_noise(exam: Examination) -> Array:
    """In which recordings a potential's noise may move its smooth spike further than was seen.

    Where a network is chaotic, and a spike zero but near a potential, the few runs with errors may
    all have missed what another rounding makes it: nothing is known of what follows. (batch,)
    """
    unclear = np.zeros(len(exam.case.y), bool)
    unit = float(np.finfo(exam.dtype).eps)
    layers = zip(exam.case.network.neurons, exam.case.params, exam.right.u or (),
                 exam.right.s or (), exam.noise.u, exam.noise.s, strict=False)  # fmt: skip
    for neuron, layer, u, s, near, seen in layers:
        above = u - thresholds(neuron, layer, s)
        low, fired, high = (neuron.spike(above + way * near) for way in (-1.0, 0.0, 1.0))
        moved = np.maximum(abs(high - fired), abs(fired - low))
        linear = abs(first_derivative(neuron.spike)(above)) * near
        limit = BEYOND_NOISE * np.maximum(np.maximum(seen, linear), unit)
        unclear |= (moved > limit).any(axis=(0, 2))
    return unclear


def _close_to_threshold(exam: Examination) -> Array:
    """In which recordings rounding decides whether a hard spike fires, (batch,)."""
    case, right = exam.case, exam.right
    unclear = np.zeros(len(case.y), bool)
    layers = [
        (u, thresholds(neuron, layer, s), near)
        for neuron, layer, u, s, near in zip(
            case.network.neurons, case.params, right.u or (), right.s or (), exam.tolerance.u,
            strict=False,
        )
    ]  # fmt: skip
    if not any((abs(u - threshold) <= near).any() for u, threshold, near in layers):
        return unclear
    params, x = cast_params(case.params, np.longdouble), case.x.astype(np.longdouble)
    exact = run_potentials(case, params, x)  # pyright: ignore[reportArgumentType]
    for (u, threshold, near), precise in zip(layers, exact, strict=True):
        tie = precise == threshold
        unclear |= ((abs(u - threshold) <= near) & ~tie).any(axis=(0, 2))
    return unclear


def run_potentials(case: Case, params: Params, x: Array) -> list[Array]:
    """Return the potentials of a case in any precision, (time, batch, n) per layer."""
    network = case.network
    if describe_extension(network):
        network = replace_spikes(network, lambda _: heaviside) if case.hard else network
        return list(unroll(network, params, x).u)
    us = unroll_variant(case, reference_variant(case), params, x)[0]
    return [np.stack(u) for u in us]


def examine_clear(gradient: Gradient, case: Case) -> tuple[Examination, tuple[int, ...]]:
    """Examine, without the recordings in which rounding decides; return which were left out.

    Only where the answer to all of them is wrong: else there is nothing to leave out. Where none
    would be left, or the implementation cannot be asked about fewer, all are kept, and named.
    """
    exam = examine(gradient, case)
    if not exam.wrong or not (unclear := unclear_recordings(exam)):
        return exam, ()
    if len(unclear) == len(case.y):
        return exam, unclear
    kept = np.delete(np.arange(len(case.y)), unclear)
    try:
        return examine(gradient, select_recordings(case, kept)), unclear
    except ValueError:
        return exam, unclear


def name_unclear(case: Case) -> str:
    """Return what rounding decides in a recording of a case."""
    maximum = ["a maximum that rounding decides"] if has_maxima(case.network) else []
    hard = ["a hard potential within rounding of the threshold"] if case.hard else []
    far = [] if case.hard else ["a potential that rounding moves too far to tell whether it fires"]
    return " or ".join([*hard, *maximum, *far])


def name_vague(exam: Examination) -> str:
    """Return the arrays that rounding moves too far, of a few the names."""
    shares = [each for stage in exam.stages for each in stage.shares if each[1] > MAX_SHARE]
    names = [name for name, _ in sorted(shares, key=lambda each: -each[1])]
    rest = f" and {len(names) - NAMED} more arrays" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + rest
