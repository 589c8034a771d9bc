"""The attack: make measured/bound as large as an adversary can.

Rule 1: four ways, one after the other, each from the best instance so far: random draws; gradient
        ascent on the logarithm of the ratio, by the library's own exact gradients, through the run,
        its gradient and the norms in the bound; random moves of one array; Hypothesis, told by
        `target` which way is better.
Rule 2: a gradient step only proposes an instance; `check_claim` on plain arrays judges it.
Rule 3: seeded, and limited in evaluations; the limit in seconds is for safety only.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TypeVar

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings, target
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import refsast as rs
from proofs_check.claim import Claim, ClaimResult, Side, bound_share, check_claim, side_parts
from proofs_check.draws import RandomSource, Trial
from refsast.arrays import Array
from refsast.autodiff import value_and_grad
from refsast.autodiff.tape import primal

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class CheckedInstance:
    """An instance, and how much of the bound it uses.

    Attributes
    ----------
    instance : object
        What the claim was checked on.
    result : ClaimResult
        What came of it.
    way : str
        How it was found.
    """

    instance: object
    result: ClaimResult
    way: str

    @property
    def ratio(self) -> float:
        """Share of the bound that is used; -1 if the claim is silent, inf if it is refuted."""
        if not self.result.applies:
            return -1.0
        return np.inf if self.result.refuted else self.result.ratio


@dataclass(frozen=True)
class HypothesisSource:
    """A source that asks Hypothesis."""

    draw: Callable[[st.SearchStrategy], object]

    def choice(self, options: Sequence[T]) -> T:
        """Return one of them, the first where Hypothesis shrinks."""
        return self.draw(st.sampled_from(options))  # pyright: ignore[reportReturnType]

    def number(self, low: float, high: float) -> float:
        """Return a number between the two."""
        return self.draw(st.floats(low, high))  # pyright: ignore[reportReturnType]

    def array(self, *shape: int) -> Array:
        """Return numbers from -3 to 3, none so small that its square is lost."""
        sizes = st.floats(-3.0, 3.0).map(lambda a: a if abs(a) > 1e-9 else 0.0)
        return self.draw(hnp.arrays(np.float64, shape, elements=sizes))  # pyright: ignore


def check_instance(claim: Claim, instance: object, way: str) -> CheckedInstance:
    """Check a claim on an instance that was found somehow."""
    return CheckedInstance(instance, check_claim(claim, instance), way)


def attack(
    trial: Trial,
    rng: np.random.Generator,
    *,
    effort: int = 100,
    seconds: float = 60.0,
    starts: Sequence[CheckedInstance] = (),
) -> CheckedInstance:
    """Return the instance found that uses most of a bound, refutations first (THEORY 8).

    Parameters
    ----------
    trial : Trial
        The claim to attack, and how its instances are drawn.
    rng : numpy.random.Generator
        Advanced.
    effort : int
        Evaluations that each way may use, up to a small factor. Positive.
    seconds : float
        After that many, no other way is started.
    starts : sequence of CheckedInstance
        Where to begin; without any, drawn.
    """
    until, source = time.monotonic() + seconds, RandomSource(rng)
    drawn = starts or [
        check_instance(trial.claim, trial.draw(source), "draw") for _ in range(effort)
    ]
    best = sorted(drawn, key=lambda found: -found.ratio)[:3]
    ways = (
        *(lambda b=b: climb_gradient(trial, b, effort // 3, until) for b in best),
        lambda: perturb(trial, _best(best), rng, effort, until),
        lambda: guide_hypothesis(trial, int(rng.integers(2**32)), effort),
        lambda: climb_gradient(trial, _best(best), effort // 3, until),
    )
    for way in ways:
        if time.monotonic() < until:
            best.append(way())
    return _best(best)


def _best(found: Sequence[CheckedInstance]) -> CheckedInstance:
    """The one with the largest ratio, the first of equals."""
    return max(found, key=lambda f: f.ratio)


def climb_gradient(
    trial: Trial, start: CheckedInstance, steps: int, until: float
) -> CheckedInstance:
    """Ascend the logarithm of the ratio, with steps that grow while they gain and shrink else."""
    best, size = start, 0.03
    for _ in range(steps):
        if not 0.0 < best.ratio < np.inf or time.monotonic() > until:
            break
        slope = _log_ratio_gradient(trial.claim, best.instance)
        if slope is None:
            break
        while size > 1e-6:  # backtracking: the slope is that of one entry, and another may be worse
            arrays = _move_uphill(best.instance, slope, size)
            tried = _check_proposal(trial, best, arrays, "gradient ascent")
            if tried.ratio > best.ratio:
                best, size = tried, 2.0 * size
                break
            size *= 0.3
        else:
            break
    return best


def _log_ratio_gradient(claim: Claim, instance: object) -> list[Array] | None:
    """The exact gradient of log(measured/bound) at the worst entry; None where it has none."""
    arrays = list(float_arrays(instance))

    def gain(*nodes: Array) -> Array:
        at = replace_floats(instance, nodes)
        measured, bound = _worst_entry(claim.measure(at), claim.bound(at))
        return np.log(measured) - np.log(bound)

    try:
        grads = value_and_grad(gain, *arrays)[1]
    except (TypeError, ValueError, AttributeError):  # an operation that the tape has no rule for
        return None
    return list(grads) if all(np.isfinite(g).all() for g in grads) else None


def _worst_entry(measured: Side, bound: Side) -> tuple[Array, Array]:
    """The two sides at the entry that comes closest to its bound, as nodes."""
    pairs = zip(side_parts(measured), side_parts(bound), strict=True)
    whole = [(m + 0.0 * b, b + 0.0 * m) for m, b in pairs]  # broadcast, which keeps nodes nodes
    ratios = [bound_share(primal(m), primal(b), 0.0) for m, b in whole]
    part = int(np.argmax([r.max() for r in ratios]))
    at = int(np.argmax(ratios[part]))
    m, b = (np.reshape(side, (-1,))[at] for side in whole[part])
    return m, b


def _move_uphill(instance: object, slope: Sequence[Array], size: float) -> list[Array]:
    """The arrays of the instance, moved uphill by a share of their size."""
    moved = []
    for array, grad in zip(float_arrays(instance), slope, strict=True):
        norm = float(np.linalg.norm(grad))
        reach = size * (float(np.linalg.norm(array)) + 0.1)
        moved.append(array + (reach / norm) * grad if norm > 0.0 else array)
    return moved


def _check_proposal(
    trial: Trial, base: CheckedInstance, arrays: Sequence[Array], way: str
) -> CheckedInstance:
    """Check the instance with other arrays; `base` itself where they are none of its kind."""
    try:
        instance = trial.refit(replace_floats(base.instance, arrays))
        return check_instance(trial.claim, instance, way)
    except ValueError:  # refused by validation, such as a Hessian that is not symmetric
        return base


def perturb(
    trial: Trial, start: CheckedInstance, rng: np.random.Generator, evaluations: int, until: float
) -> CheckedInstance:
    """Move one array at random, by a size that adapts, and keep what is better."""
    best, size = start, 0.3
    for _ in range(evaluations):
        if best.ratio == np.inf or time.monotonic() > until:
            break
        arrays = list(float_arrays(best.instance))
        i = int(rng.integers(len(arrays)))
        scale = size * (np.abs(arrays[i]).max(initial=0.0) + 0.1)
        arrays[i] = arrays[i] + scale * rng.standard_normal(arrays[i].shape)
        tried = _check_proposal(trial, best, arrays, "random moves")
        better = tried.ratio > best.ratio
        best, size = (tried, min(2.0 * size, 3.0)) if better else (best, max(0.9 * size, 1e-4))
    return best


def guide_hypothesis(trial: Trial, number: int, evaluations: int) -> CheckedInstance:
    """Let Hypothesis look, with the ratio as its target."""
    seen: list[CheckedInstance] = []

    @seed(number)
    @settings(
        max_examples=evaluations,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.target),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.data())
    def look(data: st.DataObject) -> None:
        instance = trial.draw(HypothesisSource(data.draw))
        found = check_instance(trial.claim, instance, "Hypothesis")
        seen.append(found)
        # Hypothesis wants finite targets; silent instances have the ratio -1.
        target(max(np.log10(max(min(found.ratio, 1e6), 1e-12)), -12.0))

    look()
    return _best(seen)


def float_arrays(thing: object) -> Iterator[Array]:
    """Yield the arrays of floating-point numbers in a record, in the order of its fields."""
    if isinstance(thing, np.ndarray):
        if thing.dtype == np.float64:
            yield thing
    elif isinstance(thing, tuple):
        for item in thing:
            yield from float_arrays(item)
    elif is_dataclass(thing) and not isinstance(thing, rs.Network | rs.LIF):
        for field in fields(thing):
            yield from float_arrays(getattr(thing, field.name))


def replace_floats(thing: object, arrays: Sequence[Array]) -> object:
    """Return the record with other arrays, in the order of `float_arrays`."""
    rest = iter(arrays)

    def rebuild(part: object) -> object:
        if isinstance(part, np.ndarray):
            return next(rest) if part.dtype == np.float64 else part
        if isinstance(part, tuple):
            return tuple(map(rebuild, part))
        if is_dataclass(part) and not isinstance(part, type | rs.Network | rs.LIF):
            return replace(part, **{f.name: rebuild(getattr(part, f.name)) for f in fields(part)})
        return part

    return rebuild(thing)
