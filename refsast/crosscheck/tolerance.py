"""How far each number of an answer may be from the right one, in its type.

Rule 1: every tolerance is measured, by runs with random errors (`gradient.noise`), never a constant
        of our choosing. Only what the number format cannot hold is forgiven: `UNDERFLOW`.
Rule 2: an array that rounding may move by more than `MAX_SHARE` of it is wrong beyond the error
        bound, else undecided; in single precision it agrees where half of its digits are right.
"""

from collections.abc import Callable, Container, Mapping
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array
from refsast.autodiff.summation import DEVIATIONS
from refsast.crosscheck.case import Answer, Case
from refsast.gradient.noise import REPEATS, rounding_noise
from refsast.gradient.noise_run import Run
from refsast.gradient.rounding import ErrorBounds, error_bounds
from refsast.model.network import describe_extension
from refsast.model.params import Params, layer_arrays, replace_arrays
from refsast.model.params import param_arrays as all_arrays

FACTOR = DEVIATIONS
COARSE = 4.0  # of the bound: as of ``k s (1 - s)``, the usual derivative of a logistic spike
ROUNDING_FACTOR = 32.0  # in units of the error bound, which is an upper fence
MAX_SHARE = 1e-3  # of an array's norm: with a larger tolerance it cannot agree
MAX_FENCE = 0.1  # of an array's norm: a larger bound, to first order, says nothing
# In multiples of the smallest normal number; what is smaller loses its precision, then itself.
UNDERFLOW = 4096.0
Bounds: TypeAlias = Answer | ErrorBounds
# ``(unit, inputs, repeats)``: how errors of `unit` move each number; that of the input where asked.
Draw: TypeAlias = Callable[[float, bool, int], ErrorBounds]
VAST = 1e150  # the tolerance of what is not compared
DOUBT = 32.0  # by this much others are looked at less sharply where some array is not compared
STAGES = ("loss", "states", "adjoints", "parameter gradients", "input gradient")


def measure_noise(
    dtype: np.dtype,
    draw: Draw,
    *,
    stages: Container[str] = STAGES,
    repeats: int = REPEATS,
    factor: float = 1.0,
) -> ErrorBounds:
    """Return how far rounding in `dtype` moves each number: a factor of `FACTOR` deviations.

    Only `stages` are asked about. The errors are drawn alike at every call.
    """
    inputs = "input gradient" in stages
    unit = 0.5 * FACTOR * float(np.finfo(dtype).eps)
    floor = UNDERFLOW * float(np.finfo(dtype).tiny)
    noise = draw(unit, inputs, repeats)
    return map_bounds(lambda a: np.where(a < VAST, factor * a, VAST) + floor, noise)


def draw_noise(run: Run, unit: float, inputs: bool, repeats: int) -> ErrorBounds:
    """Return how errors of `unit` move each number of a run of dense LIF layers."""
    rng = np.random.default_rng(0)
    with np.errstate(over="ignore", invalid="ignore"):  # a run that overflows is not resolved
        return rounding_noise(run, unit=unit, rng=rng, inputs=inputs, repeats=repeats)


def sharpen(noise: ErrorBounds, right: Answer, dtype: np.dtype) -> ErrorBounds:
    """Return the tolerance of an answer that agrees: the noise, cut where it is too large to tell.

    What is as near as that is right, whatever rounding might have done to it. Not in float64, in
    which the right answer itself is no better known.
    """
    if dtype == np.float64:
        return noise
    share = float(np.sqrt(np.finfo(dtype).eps))

    def cut(near: Array, want: Array) -> Array:
        size = norm(want)
        if norm(near) <= MAX_SHARE * size or share * size < np.finfo(np.float64).tiny:
            return near
        return cut_to_norm(near, share * size)

    return map_bounds(cut, noise, right)


def loosen(
    case: Case, right: Answer, dtype: np.dtype, noise: ErrorBounds, *, stages: Container[str]
) -> ErrorBounds:
    """Return the tolerance beyond which an answer is wrong: the noise, more where it is vague.

    Where errors move an array so far they are not small, and what few runs showed says little of
    another run: of this array no more than the bound does, of all others less.
    """
    if not is_vague(noise, right, stages):
        return noise
    plain = not describe_extension(case.network)
    fence = _error_fence(case, right, dtype) if plain else map_bounds(lambda a: DOUBT * a, noise)
    noise = map_bounds(lambda near, limit: np.minimum(DOUBT * near, limit), noise, fence)

    def widen(near: Array, limit: Array, want: Array) -> Array:
        if not 0.0 < MAX_SHARE * norm(want) < norm(near):
            return near
        return limit if norm(limit) <= MAX_FENCE * norm(want) else np.full(near.shape, VAST)

    return map_bounds(widen, noise, fence, right)


def cut_to_norm(sizes: Array, limit: float) -> Array:
    """Return magnitudes, the largest cut to one level, so that their Euclidean norm is `limit`."""
    rising = np.sort(sizes, axis=None) / limit
    with np.errstate(over="ignore", invalid="ignore"):
        below = np.concatenate([[0.0], np.cumsum(rising**2)[:-1]])  # of those that stay
        levels = np.sqrt(np.maximum(1.0 - below, 0.0) / np.arange(rising.size, 0, -1))
    cut = np.flatnonzero(levels < rising)
    return np.minimum(sizes, levels[cut[0]] * limit) if cut.size else sizes


def is_vague(noise: ErrorBounds, right: Answer, stages: Container[str] = STAGES) -> bool:
    """Return whether rounding moves some array of the stages by more than `MAX_SHARE` of it."""
    sides = (
        (stage_arrays(side, stage) for side in (noise, right))
        for stage in STAGES
        if stage in stages
    )
    # Potentials that rounding moves far tell that it may move all that follows from them.
    potentials = zip(noise.u, right.u or (), strict=True)
    return any(share > MAX_SHARE for pair in sides for _, share in tolerance_shares(*pair)) or any(
        norm(near) > MAX_SHARE * norm(u) > 0.0 for near, u in potentials
    )


def _error_fence(case: Case, right: Answer, dtype: np.dtype) -> ErrorBounds:
    """The bound of the errors to first order, which no tolerance exceeds."""
    bounds = error_bounds(
        case.network, case.params, case.x, case.y, right.u or (), right.s or (),
        synapse=case.synapse, hard=case.hard, coarse=COARSE,
        unit=0.5 * ROUNDING_FACTOR * float(np.finfo(dtype).eps),
    )  # fmt: skip
    # The bound counts one rounding per sum; one after the other they are as many as terms.
    longest = max(len(case.x) * len(case.y), *case.network.sizes)
    return map_bounds(
        lambda a: absolute_tolerance(a, dtype, ROUNDING_FACTOR * np.sqrt(longest)), bounds
    )


def map_bounds(change: Callable[..., Array], first: Bounds, *others: Bounds) -> ErrorBounds:
    """Apply a function to every array of error bounds, together with those of others."""
    sides = (first, *others)
    loss = float(change(*(np.asarray(side.loss) for side in sides)))
    u, s, adjoints = (
        tuple(map(change, *(getattr(side, name) for side in sides)))
        for name in ("u", "s", "adjoints")
    )
    grads = replace_arrays(first.grads, map(change, *(all_arrays(side.grads) for side in sides)))
    return ErrorBounds(loss, u, s, adjoints, grads, change(*(side.x for side in sides)))


def tolerance_shares(
    tolerance: Mapping[str, Array], want: Mapping[str, Array]
) -> tuple[tuple[str, float], ...]:
    """Return the tolerance of each array over the array, of their Euclidean norms.

    An array of zeros has the norm of all arrays together; where all are zero there is no share.
    """
    norms = {name: (norm(tolerance[name]), norm(array)) for name, array in want.items()}
    whole = float(np.hypot.reduce([size for _, size in norms.values()]))
    return tuple(
        (name, near / (size or whole) if whole > 0.0 else 0.0)
        for name, (near, size) in norms.items()
    )


def norm(array: Array) -> float:
    """Return the Euclidean norm, whose squares may underflow or overflow."""
    peak = float(abs(array).max(initial=0.0))
    return peak * float(np.linalg.norm(array / peak)) if 0.0 < peak < np.inf else peak


def absolute_tolerance(bound: Array, dtype: np.dtype, roundings: float) -> Array:
    """Return the tolerance for an error bound in units of one rounding of `dtype`."""
    info = np.finfo(dtype)
    return 0.5 * roundings * float(info.eps) * bound + UNDERFLOW * float(info.tiny)


def stage_arrays(answer: Bounds, stage: str) -> dict[str, Array]:
    """Return the arrays of a stage that an answer has, by name."""
    if stage == "loss":
        return {"loss": np.asarray(answer.loss)}
    if stage == "parameter gradients":
        return param_arrays(answer.grads)
    if stage == "input gradient":
        return {} if answer.x is None else {"x": answer.x}
    names = ("u", "s") if stage == "states" else ("adjoints",)
    return {
        f"{name}[{i}]": array
        for name in names
        for i, array in enumerate(getattr(answer, name) or ())
    }


def param_arrays(params: Params, name: str = "grads") -> dict[str, Array]:
    """Return the arrays of parameters by name, such as ``grads[0].w``."""
    return {
        f"{name}[{i}].{part}": array
        for i, layer in enumerate(params)
        for part, array in layer_arrays(layer).items()
    }
