"""Two answers held against each other: entry by entry, in units of what rounding may do.

Rule 1: relative to a computed yardstick (`gradient.rounding`), never to a floor of our choosing.
        Only what the number format cannot hold is forgiven: `UNDERFLOW`.
Rule 2: one number decides, the largest error over tolerance: above 1 the two disagree.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Answer, Case, cast_params
from refsast.gradient.rounding import ErrorBounds, error_bounds
from refsast.model.params import Params, layer_arrays, map_params

# Roundings that two right answers may be apart. Measured over 400 drawn networks of up to 30 steps,
# float64 and float32, another order of summation: at most 2.7.
ROUNDING_FACTOR = 32.0
# In multiples of the smallest normal number; what is smaller loses its precision, then itself.
UNDERFLOW = 4096.0
COARSE = 4.0  # as of ``k s (1 - s)``, the usual derivative of a logistic spike


@dataclass(frozen=True)
class Entry:
    """One number of an answer.

    Attributes
    ----------
    name : str
        Of the array, as Python spells it: ``grads[0].w``.
    index : tuple of int
        Where in the array.
    got, want, tolerance : float
        What was said, what is right, and how far they may be apart.
    """

    name: str
    index: tuple[int, ...]
    got: float
    want: float
    tolerance: float

    def __str__(self) -> str:
        where = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        return f"{self.name}{where} is {self.got:.12g}, should be {self.want:.12g}"


@dataclass(frozen=True, eq=False)
class Stage:
    """One kind of numbers, compared.

    Attributes
    ----------
    name : str
        "loss", "states", "adjoints", "parameter gradients" or "input gradient".
    error : float
        Largest error over tolerance. At most 1: agrees.
    worst : Entry
        Where that is.
    cosine : float
        Of the angle between all numbers got and all wanted; 1 where both are zero.
    ratio : float
        Of their Euclidean norms, got over wanted.
    errors : tuple of (str, ndarray)
        Error over tolerance, entry by entry, of each array by its name.
    """

    name: str
    error: float
    worst: Entry
    cosine: float
    ratio: float
    errors: tuple[tuple[str, Array], ...]

    @property
    def agrees(self) -> bool:
        """Whether all entries are within their tolerance."""
        return self.error <= 1.0


STAGES = ("loss", "states", "adjoints", "parameter gradients", "input gradient")


def stage_arrays(answer: Answer | ErrorBounds, stage: str) -> Iterator[tuple[str, Array]]:
    """Yield the arrays of a stage that an answer has, with their names."""
    if stage == "loss":
        yield "loss", np.asarray(answer.loss)
    elif stage == "states":
        for name in ("u", "s"):
            yield from _layer_arrays(name, getattr(answer, name))
    elif stage == "adjoints":
        yield from _layer_arrays("adjoints", answer.adjoints)
    elif stage == "parameter gradients":
        yield from param_arrays(answer.grads, "grads")
    elif answer.x is not None:
        yield "x", answer.x


def _layer_arrays(name: str, arrays: tuple[Array, ...] | None) -> Iterator[tuple[str, Array]]:
    return ((f"{name}[{i}]", a) for i, a in enumerate(arrays or ()))


def param_arrays(params: Params, name: str) -> Iterator[tuple[str, Array]]:
    """Yield the arrays of parameters with their names."""
    for i, layer in enumerate(params):
        for part, array in layer_arrays(layer).items():
            yield f"{name}[{i}].{part}", array


def cast_case(case: Case, dtype: np.dtype) -> Case:
    """Return the case as an implementation sees it that rounds its input to `dtype` first."""
    with np.errstate(over="ignore"):
        params, x = cast_params(case.params, dtype), case.x.astype(dtype)
    return replace(case, params=cast_params(params, np.float64), x=x.astype(np.float64))


def tolerances(case: Case, right: Answer, dtype: np.dtype) -> ErrorBounds:
    """Return how far each number of a right answer in `dtype` may be from the exact one.

    Parameters
    ----------
    case : Case
        The question, as `cast_case` the dtype.
    right : Answer
        Of `solve`, with its states.
    dtype : numpy.dtype
        What the other side computed in.
    """
    us, ss = right.u or (), right.s or ()
    info = np.finfo(dtype)
    unit, floor = 0.5 * ROUNDING_FACTOR * float(info.eps), UNDERFLOW * float(info.tiny)
    found = error_bounds(
        case.network, case.params, case.x, case.y, us, ss,
        synapse=case.synapse, hard=case.hard, coarse=COARSE, unit=unit,
    )  # fmt: skip

    def scaled(array: Array) -> Array:
        return unit * array + floor

    def each(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(map(scaled, arrays))

    return ErrorBounds(
        float(scaled(np.asarray(found.loss))),
        each(found.u),
        each(found.s),
        each(found.adjoints),
        map_params(scaled, found.grads),
        scaled(found.x),
    )


def compare_answers(got: Answer, want: Answer, tolerance: ErrorBounds) -> tuple[Stage, ...]:
    """Return the stages that `got` says something of, in the order of the computation."""
    stages = []
    for name in STAGES:
        gots, wants = dict(stage_arrays(got, name)), dict(stage_arrays(want, name))
        allowed = dict(stage_arrays(tolerance, name))
        if gots:
            stages.append(_compare_stage(name, gots, wants, allowed))
    return tuple(stages)


def _compare_stage(
    name: str, got: dict[str, Array], want: dict[str, Array], allowed: dict[str, Array]
) -> Stage:
    with np.errstate(over="ignore"):  # infinitely wrong
        errors = {k: abs(got[k] - want[k]) / allowed[k] for k in got}
    worst = max(errors, key=lambda k: errors[k].max(initial=0.0))
    flat = int(errors[worst].argmax())
    index = tuple(int(i) for i in np.unravel_index(flat, got[worst].shape))
    entry = Entry(worst, index, *(float(side[worst][index]) for side in (got, want, allowed)))
    g, w = (np.concatenate([side[k].ravel() for k in got]) for side in (got, want))
    cosine, ratio = cosine_and_ratio(g, w)
    return Stage(name, float(errors[worst][index]), entry, cosine, ratio, tuple(errors.items()))


def cosine_and_ratio(got: Array, want: Array) -> tuple[float, float]:
    """Return the cosine between two arrays and the ratio of their norms; two zeros are equal."""
    sizes = [abs(v).max(initial=0.0) for v in (got, want)]
    if 0.0 in sizes:
        return (1.0, 1.0) if sizes[0] == sizes[1] else (0.0, np.inf if sizes[1] == 0.0 else 0.0)
    g, w = got.ravel() / sizes[0], want.ravel() / sizes[1]  # so that squares do not underflow
    norms = float(np.linalg.norm(g)), float(np.linalg.norm(w))
    with np.errstate(over="ignore"):
        ratio = norms[0] / norms[1] * (sizes[0] / sizes[1])
    return float(g @ w) / (norms[0] * norms[1]), float(ratio)
