"""A black box as a vector field: its gradients on lines and on a loop around a point.

Rule 1: the box is called through a `Question` alone; nothing here differentiates anything.
Rule 2: of each gradient only its products with a few directions are kept, so that a network of any
        size costs a bounded number of calls and little memory.
Rule 3: rounding is measured, as the residual of a polynomial or of a few harmonics, and not only
        computed from the dtype: numbers computed in single precision may come back in double.
Rule 4: where rounding does the same at every point it leaves no residual, so it is computed: p - y
        of a confident network loses as many digits as the loss is smaller than 1, and a loss that
        does not move, or moves in jumps, says nothing of its slope.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.integrability.question import Question

LINES, PLANE = 3, 2  # directions of the lines, and of the plane of the loop
STEPS = 5  # to either side, along a line
POINTS = 20  # on the loop
# Lengths are in units over which the gradient changes by its own size. Rounding error shrinks with
# step length; the error from kinks (jumps in a surrogate's second derivative) grows.
REACH = 400.0  # of a line to either side, in square roots of the rounding unit
LONGEST = 0.03  # at most this long
WIDEST = 0.01  # radius of the loop, at most
LARGEST_EPS = 2e-3  # with more rounding in a gradient than this, no test can fail or hold
SINGLE = float(np.finfo(np.float32).eps)
FAINT = 32.0  # roundings
STILL_STEPS, STILL_BATCH = 12, 3  # asked for, at most, of a box whose loss stands still
STEEPEST = 1e-3  # the shortest such unit, relative to the parameters
CALLS = 2 * LINES * STEPS + POINTS + 4  # the point itself three times, and one nearby

WHY_STILL = "spikes are hard, or it has fewer digits than its gradient"

ABSCISSAE = np.arange(-STEPS, STEPS + 1) / STEPS
ANGLES = 2.0 * np.pi * np.arange(POINTS) / POINTS


@dataclass(frozen=True, eq=False)
class Sample:
    """One answer of the black box.

    Attributes
    ----------
    loss : float
        The loss.
    products : (n,) array
        Products of the gradient with every direction.
    size : (n,) array
        Square root of the sum of the squared terms of each product: the scale of its rounding.
    """

    loss: float
    products: Array
    size: Array


@dataclass(frozen=True, eq=False)
class Field:
    """The samples around a point.

    Attributes
    ----------
    centre : Sample
        At the point itself.
    lines : tuple of tuple of Sample
        For each of the first directions d the samples at ``w + h t d``, t as in `ABSCISSAE`.
    loop : tuple of Sample
        At ``w + r (cos a d + sin a e)``, d and e the last two directions, a as in `ANGLES`.
    step : float
        h, in units of the directions.
    radius : float
        r, in lengths over which the gradient changes by its own size.
    eps : float
        Rounding of one number that comes back, relative; more than that of the format where the
        loss is below 1.
    asked : str
        About what, in words, where it is not the whole case.
    """

    centre: Sample
    lines: tuple[tuple[Sample, ...], ...]
    loop: tuple[Sample, ...]
    step: float
    radius: float
    eps: float
    asked: str = ""


@dataclass(frozen=True)
class Discrepancy:
    """Two different answers to one question.

    Attributes
    ----------
    apart : float
        How far the two gradients are from each other, relative to the larger.
    loss : float
        How far the two losses are.
    later : bool
        Whether the box answered the same twice in a row, and differently after other questions.
    """

    apart: float
    loss: float
    later: bool


@dataclass(frozen=True)
class Blank:
    """Nothing can be measured here.

    Attributes
    ----------
    reason : str
        Why, in words.
    """

    reason: str


def sample_field(question: Question, rng: np.random.Generator) -> Field | Discrepancy | Blank:
    """Sample a black box around its parameters.

    By `CALLS` calls, and three more where the loss stands still.

    A Discrepancy if the same question got two answers, a Blank if no answer would tell anything.
    `rng` draws the directions; errors as `ask`.
    """
    w, call = np.concatenate([a.ravel() for a in question.arrays]), question.call
    directions = _directions(question.arrays, rng)

    def sample(point: Array) -> Sample:
        loss, g, _ = call(point)
        return _project(loss, g, directions)

    loss, g, dtype_eps = call(w)
    if differ := _discrepancy(loss, g, *call(w)[:2], later=False):
        return differ
    # Each p - y is rounded like numbers of size 1, and is about as large as the loss.
    lost = 1.0 / float(np.clip(abs(loss), dtype_eps, 1.0))
    # A finite difference: its best step is about the cube root of the rounding.
    step = (dtype_eps * lost) ** (1 / 3)
    near_loss, nearby, _ = call(w + step * directions[0])
    digits = max(dtype_eps, spacing(nearby))
    if blank := _find_nothing(loss, near_loss, digits):
        return blank
    time, batch = question.shape[:2]
    if near_loss == loss and (time > STILL_STEPS or batch > STILL_BATCH):
        return _sample_small(question, rng)
    eps = digits * lost
    unit = _length_scale(g, nearby, step)
    reach, radius = (unit * min(limit, REACH * eps**0.5) for limit in (LONGEST, WIDEST))
    centre = _project(loss, g, directions)
    lines = tuple(_sample_line(sample, centre, w, reach * d) for d in directions[:LINES])
    plane = radius * directions[LINES:]
    loop = tuple(sample(w + np.cos(a) * plane[0] + np.sin(a) * plane[1]) for a in ANGLES)
    differ = _discrepancy(loss, g, *call(w)[:2], later=True)
    return differ or Field(centre, lines, loop, reach, radius / unit, eps)


def _find_nothing(loss: float, nearby: float, digits: float) -> Blank | None:
    """Why a loss so small tells nothing; None where it is large enough."""
    # A loss of single precision may come with a gradient of as few digits, whatever that shows.
    digits = max(digits, min(SINGLE, spacing(np.array([loss, nearby]))))
    if abs(loss) >= digits / LARGEST_EPS:
        return None
    zero = "zero to rounding here" if abs(loss) < FAINT * digits else "small for its precision"
    return Blank(
        f"the loss is {zero} ({loss:.1e}; numbers of size 1 are rounded by {digits:.0e}), so its "
        "gradient may be nothing but rounding"
    )


def _sample_small(question: Question, rng: np.random.Generator) -> Field | Discrepancy | Blank:
    """Sample the first steps and recordings only, which is quick and shows as much."""
    small = question.first(STILL_STEPS, STILL_BATCH)
    time, batch = small.shape[:2]
    try:
        found = sample_field(small, rng)
    except ValueError as error:  # the box has one size of input
        return Blank(f"the loss stands still: {WHY_STILL}; and of fewer recordings: {error}")
    asked = f"asked about the first {time} steps of {batch} recordings, since the loss stands still"
    return replace(found, asked=asked) if isinstance(found, Field) else found


def _sample_line(
    sample: Callable[[Array], Sample], centre: Sample, w: Array, reach: Array
) -> tuple[Sample, ...]:
    """Samples along a line through the centre, which is already sampled."""
    return tuple(sample(w + t * reach) if t else centre for t in ABSCISSAE)


def _directions(arrays: Sequence[Array], rng: np.random.Generator) -> Array:
    """Random directions (n, p), in each weight and bias array as large as the array itself.

    So a step of one changes parameters by their own size, and a bias counts beside many weights.
    """
    whole = np.concatenate([a.ravel() for a in arrays])
    overall = float(np.sqrt(np.mean(whole**2))) or 1.0  # for arrays of zeros
    scales = [float(np.sqrt(np.mean(a**2))) or overall for a in arrays]
    spread = np.concatenate([np.full(a.size, s) for a, s in zip(arrays, scales, strict=True)])
    return rng.standard_normal((LINES + PLANE, spread.size)) * spread


def _project(loss: float, g: Array, directions: Array) -> Sample:
    """Products and their sizes."""
    return Sample(loss, directions @ g, np.sqrt(directions**2 @ g**2))


def _length_scale(g: Array, nearby: Array, step: float) -> float:
    """The part of a direction over which the gradient changes by its own size; at most 1."""
    change, size = np.linalg.norm(nearby - g), np.linalg.norm(g)
    return float(max(STEEPEST, min(1.0, step * size / change))) if change > 0.0 else 1.0


def spacing(values: Array) -> float:
    """Return the relative spacing of the floating-point format in use, by the last binary digits.

    It is 2.2e-16 in general, 1.2e-7 for numbers that were single, 0.008 for any with fewer digits;
    2.2e-16 for zeros and powers of two, which show no format.

    Examples
    --------
    >>> spacing(np.array([0.3, 0.7])), spacing(np.array([0.3, 0.7], np.float32).astype(float))
    (2.220446049250313e-16, 1.1920928955078125e-07)
    """
    # All bits that any number has set, then the lowest of them among the 52 of the mantissa.
    digits = int(np.bitwise_or.reduce(values.astype(np.float64).view(np.int64).ravel()))
    digits &= 2**52 - 1
    unused = (digits & -digits).bit_length() - 1 if digits else 0
    return 2.0 ** -min(52, max(7, 52 - unused))


def _discrepancy(
    loss: float, g: Array, other_loss: float, other_g: Array, *, later: bool
) -> Discrepancy | None:
    """How two answers differ; None where they are equal to the last bit."""
    if loss == other_loss and np.array_equal(g, other_g):
        return None
    size = max(np.linalg.norm(g), np.linalg.norm(other_g))
    apart = float(np.linalg.norm(g - other_g) / size) if size > 0.0 else 0.0
    return Discrepancy(apart, abs(loss - other_loss), later)
