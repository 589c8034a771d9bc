"""Faults of what is done to a gradient at the end: factors, clipping, a penalty on weights."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.compare import Examination
from refsast.crosscheck.diagnose.faults.fault import Change, Fault
from refsast.crosscheck.diagnose.misfit import allowed_distance, vanishes
from refsast.crosscheck.general.plan import Plan
from refsast.model.params import flatten, layer_arrays, param_arrays, replace_arrays

Names = tuple[str, ...]  # of arrays of gradients, such as ``grads[0].leak``


def grads_by_name(answer: Answer) -> dict[str, Array]:
    """Return the gradients in parameters by name, in the order of the flat vector."""
    return {
        f"grads[{i}].{name}": array
        for i, layer in enumerate(answer.grads)
        for name, array in layer_arrays(layer).items()
    }


def _finish(change: Callable[[Case, Answer], Answer]) -> Change:
    def apply(case: Case, plan: Plan, i: int, value: float) -> Plan:
        inner = plan.finish
        return replace(
            plan, finish=lambda case, answer, parts: change(case, inner(case, answer, parts))
        )

    return apply


def _multiply(factor: Callable[[Case], float], names: Names | None) -> Change:
    """Some arrays multiplied by a number; with None all of them, and the input's gradient."""

    def change(case: Case, answer: Answer) -> Answer:
        by = factor(case)
        arrays = [
            by * array if names is None or name in names else array
            for name, array in grads_by_name(answer).items()
        ]
        x = answer.x if names is not None or answer.x is None else by * answer.x
        return replace(answer, grads=replace_arrays(answer.grads, arrays), x=x)

    return _finish(change)


SIZES: dict[str, Callable[[Case], float]] = {
    "the number of steps": lambda c: float(len(c.x)),
    "the number of recordings": lambda c: float(len(c.y)),
    "the number of steps times recordings": lambda c: float(len(c.x) * len(c.y)),
}


def factor_faults(exam: Examination, candidate: Answer) -> Iterator[Fault]:
    """Yield what multiplies arrays of a candidate such that they are those that were answered."""
    factors = _factors(exam, candidate)
    if factors is None:
        return
    wrong = {name: c for name, c in factors.items() if c is not None and abs(c - 1.0) > 1e-6}
    values = list(wrong.values())
    if not wrong or np.ptp(values) > 1e-6 * max(map(abs, values)):
        return
    c = float(np.median(values))
    free = {name for name, each in factors.items() if each is None}  # zeros are any factor's
    everything = set(wrong) | free == set(factors)
    names = None if everything else tuple(wrong)
    what = "gradient" if names is None else ", ".join(names)
    joined = f"with {what} multiplied by " if names else "multiplied by "
    # Of a whole layer an adjoint may be what is multiplied.
    layers = {name: name[: name.index("]")] for name in factors}
    untouched = {layers[name] for name in factors if name not in wrong and name not in free}
    fault = partial(
        Fault, layered=False, backward=True,
        placed=names is not None and all(layers[name] in untouched for name in names),
    )  # fmt: skip
    if c == 0.0:
        says = f"with zeros for {', '.join(names)}" if names else "multiplied by zero"
        yield fault(f"no {what}", says, _multiply(lambda _: 0.0, names))
        return
    for words, factor in list_factors():
        if abs(factor(exam.case) - c) <= 1e-6 * abs(c) and factor(exam.case) != 1.0:
            yield fault(f"{what} multiplied by {words}", joined + words, _multiply(factor, names))
    by = f"{c:.6g}"
    yield fault(f"{what} multiplied by {by}", joined + by, _multiply(lambda _: c, names))


def list_factors() -> Iterator[tuple[str, Callable[[Case], float]]]:
    """Yield the sizes of a case and one over each, with their words."""
    for words, size in SIZES.items():
        yield words, size
        yield f"one over {words}", partial(_invert, size)


def _invert(size: Callable[[Case], float], case: Case) -> float:
    return 1.0 / size(case)


def _factors(exam: Examination, candidate: Answer) -> dict[str, float | None] | None:
    """By what each array is multiplied; None for zeros. None in all: some array is no multiple."""
    found: dict[str, float | None] = {}
    got, tolerance = (
        grads_by_name(exam.got),
        dict(zip(grads_by_name(exam.got), param_arrays(exam.tolerance.grads), strict=True)),
    )
    for name, want in grads_by_name(candidate).items():
        if vanishes(want, tolerance[name]):
            if not vanishes(got[name], tolerance[name]):
                return None
            found[name] = None
            continue
        c = float(np.vdot(got[name], want)) / float(np.vdot(want, want))
        c = 0.0 if not np.any(got[name]) else c
        near = allowed_distance(exam.dtype, want, tolerance[name])
        if np.linalg.norm(got[name] - c * want) > near * max(1.0, abs(c)):
            return None
        found[name] = 1.0 if abs(c - 1.0) * np.linalg.norm(want) <= near else c
    return found


def late_faults(exam: Examination, candidate: Answer) -> Iterator[Fault]:
    """Yield clipping and penalties with the numbers that fit an answer best."""
    got = flatten(exam.got.grads)
    norm, peak = float(np.linalg.norm(got)), float(abs(got).max(initial=0.0))
    if norm == 0.0:
        return
    yield Fault(
        "clipped by norm", f"clipped to a norm of {norm:.6g}", _clip_norm(norm),
        layered=False, backward=True,
    )  # fmt: skip
    yield Fault(
        "clipped by value", f"with every entry clipped to {peak:.6g}", _clip_value(peak),
        layered=False, backward=True,
    )  # fmt: skip
    w = flatten(exam.case.params)
    decay = float((got - flatten(candidate.grads)) @ w) / max(float(w @ w), 1e-300)
    yield Fault(
        "weight decay", f"with {decay:.6g} times the parameters added (weight decay)",
        _decay(decay), layered=False, backward=True,
    )  # fmt: skip


def _clip_norm(limit: float) -> Change:
    def change(case: Case, answer: Answer) -> Answer:
        norm = float(np.linalg.norm(flatten(answer.grads)))
        by = limit / norm if norm > limit else 1.0
        arrays = [by * a for a in param_arrays(answer.grads)]
        return replace(answer, grads=replace_arrays(answer.grads, arrays))

    return _finish(change)


def _clip_value(limit: float) -> Change:
    def change(case: Case, answer: Answer) -> Answer:
        arrays = [np.clip(a, -limit, limit) for a in param_arrays(answer.grads)]
        return replace(answer, grads=replace_arrays(answer.grads, arrays))

    return _finish(change)


def _decay(by: float) -> Change:
    def change(case: Case, answer: Answer) -> Answer:
        pairs: Any = zip(param_arrays(answer.grads), param_arrays(case.params), strict=True)
        return replace(answer, grads=replace_arrays(answer.grads, [g + by * w for g, w in pairs]))

    return _finish(change)
