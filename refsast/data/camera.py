"""A simulated event camera that looks at a still picture and moves its eye.

Rule 1: a pixel fires when the logarithm of its light has moved by its threshold, and then forgets.
Rule 2: every number that was tuned stands in `Camera` or in `PATH`, with its source.
Rule 3: all arithmetic is per pixel, so a recording does not depend on those made together with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from refsast.data.events import SIZE, Events, make_events
from refsast.data.handwriting import Floats, catmull_rom

CANVAS = 44  # side of the picture, so that no saccade shows its border

# Where the middle of the digit is, (x, y) in pixels, every 10 ms. Read off 700 recordings of
# N-MNIST: the middle between the mean ON and the mean OFF event of every 5 ms.
PATH = np.array(
    [
        (14.40, 15.25), (14.40, 15.42), (14.38, 15.78), (14.33, 16.40), (14.31, 17.30),
        (14.45, 18.45), (15.05, 19.60), (15.85, 20.30), (16.15, 20.45), (16.20, 20.40),
        (16.28, 20.30), (16.45, 20.25), (16.68, 20.20), (17.00, 19.95), (17.50, 19.15),
        (17.95, 18.05), (18.38, 16.95), (18.85, 16.05), (19.15, 15.75), (19.35, 15.70),
        (19.65, 15.68), (19.85, 15.65), (19.90, 15.60), (19.75, 15.50), (18.95, 15.48),
        (18.10, 15.48), (17.15, 15.45), (16.20, 15.40), (15.55, 15.35), (15.10, 15.35),
        (14.90, 15.35), (14.85, 15.40),
    ]
)  # fmt: skip
KNOT_SPACING = 10_000  # microseconds between the knots of PATH


@dataclass(frozen=True)
class Camera:
    """What fixes the camera. Tuned to the figures of N-MNIST in `docs/data.md`.

    Attributes
    ----------
    paper, ink : float
        Light of bare and of fully inked paper, in any one unit. Only their
        ratio matters. In N-MNIST the leading edge of a digit is OFF, so ink is
        the darker of the two.
    threshold : float
        Median change of log light at which a pixel fires. Positive.
    mismatch : float
        Spread of the logarithm of the threshold from pixel to pixel.
    off_ratio : float
        Threshold of OFF over threshold of ON.
    refractory : int
        How long a pixel is blind after an event, in microseconds. However
        short, a pixel fires at most once in a step.
    step : int
        Step of the simulation, in microseconds; a divisor of 310,000.
    noise_rate : float
        Noise events per pixel and second.
    noise_on : float
        Share of them that are ON: pixels leak towards brighter.
    lag : float
        Spread of the start of the motion, in microseconds.
    duration : float
        Mean length of a recording, in microseconds.
    duration_spread : float
        Spread of the length, in microseconds.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import data
    >>> camera = data.Camera(noise_rate=0.0)
    >>> noisy, clean = (
    ...     data.synthetic_events(7, np.random.default_rng(0), camera=kind)
    ...     for kind in (data.Camera(), camera)
    ... )
    >>> len(clean.t) < len(noisy.t)
    True
    """

    paper: float = 1.0
    ink: float = 0.2
    threshold: float = 0.22
    mismatch: float = 0.25
    off_ratio: float = 0.97
    refractory: int = 1_500
    step: int = 1_000
    noise_rate: float = 0.48
    noise_on: float = 0.9
    lag: float = 2_100.0
    duration: float = 308_000.0
    duration_spread: float = 2_500.0

    def __post_init__(self) -> None:
        for name in ("paper", "ink", "threshold", "off_ratio", "step", "duration"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("mismatch", "refractory", "noise_rate", "lag", "duration_spread"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if not 0.0 <= self.noise_on <= 1.0:
            raise ValueError(f"noise_on must lie in [0, 1], got {self.noise_on}")
        if (len(PATH) - 1) * KNOT_SPACING % self.step:
            raise ValueError(
                f"step must divide {(len(PATH) - 1) * KNOT_SPACING} us, got {self.step}"
            )


def record(
    ink: Sequence[Floats], rngs: Sequence[np.random.Generator], camera: Camera
) -> list[Events]:
    """Return what the camera reports of some pictures, one recording of 34 x 34 pixels each.

    Each picture is a (44, 44) array, from 0 for paper to 1 for ink, and has its own generator,
    which draws its pixels' thresholds and its noise. Noise events disregard the refractory period.
    """
    light = np.log(camera.paper + (camera.ink - camera.paper) * np.stack(ink)).astype(np.float32)
    draws = [rng.normal(size=SIZE).astype(np.float32) for rng in rngs]
    on = np.float32(camera.threshold) * np.exp(np.float32(camera.mismatch) * np.stack(draws))
    which, t, pixel, p = _threshold_crossings(_move_batch_last(light), _move_batch_last(on), camera)
    order = np.argsort(which.astype(np.uint16), kind="stable")  # 16 bits are sorted by counting
    bounds = np.searchsorted(which[order], np.arange(len(ink) + 1))
    parts = [order[a:b] for a, b in pairwise(bounds)]
    return [
        _assemble_events(t[i], pixel[i], p[i], rng, camera)
        for i, rng in zip(parts, rngs, strict=True)
    ]


def _move_batch_last(x: Floats) -> Floats:
    """The same numbers, one pixel of all recordings side by side, for long vector operations."""
    return np.ascontiguousarray(np.moveaxis(x, 0, -1))


def _threshold_crossings(
    light: Floats, on: Floats, camera: Camera
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """All threshold crossings: recording (the last axis), time, pixel and polarity."""
    step, n = camera.step, on.shape[-1]
    up, down = on.ravel(), (on * np.float32(camera.off_ratio)).ravel()
    path, fall = _digit_path(step), -down
    before = _shift_and_blur(light, path[0]).ravel()
    held = before.copy()  # the log light that each pixel compares with
    ready = np.zeros(before.shape, np.float32)  # when its blindness after an event ends
    blind = np.zeros(0, np.intp)
    found = []
    for k, place in enumerate(path[1:]):
        now = _shift_and_blur(light, place).ravel()
        change = now - held
        # i: the pixels that fire in this step, numbered over all recordings.
        i = np.flatnonzero((change >= up) | (change <= fall))
        i = i[ready[i] <= step * (k + 1)]
        polarity = change[i] > 0
        excess = np.abs(change[i]) - np.where(polarity, up[i], down[i])
        moved = np.abs(now[i] - before[i])
        # Light is linear within a step; who was blind at the crossing fires when it sees again.
        part = 1.0 - np.minimum(excess, moved) / np.where(moved == 0.0, 1.0, moved)
        t = np.maximum(step * (k + part), ready[i])
        ready[i] = t + camera.refractory
        held[i] = now[i]
        # A blind pixel does not compare: it holds the newest light until it sees again.
        blind = np.concatenate([blind, i])
        blind = blind[ready[blind] > step * (k + 1)]
        held[blind] = now[blind]
        found.append((i % n, t, i // n, polarity))
        before = now
    which, t, pixel, p = (np.concatenate(column) for column in zip(*found, strict=True))
    return which, t, pixel, p


def _digit_path(step: int) -> NDArray[np.float64]:
    """Where the middle of the digit is at every step of the simulation, (x, y) in pixels."""
    fine = catmull_rom(PATH, 10)
    at = np.arange(0, (len(PATH) - 1) * KNOT_SPACING + 1, step) / (KNOT_SPACING / 10)
    knots = np.arange(len(fine))
    return np.stack([np.interp(at, knots, fine[:, i]) for i in (0, 1)], axis=1)


def _shift_and_blur(light: Floats, place: NDArray[np.float64]) -> Floats:
    """The pictures shifted so that their middle is at `place`, blurred by a quadratic B-spline.

    The blur of a quadratic spline hardly depends on the shift; linear interpolation is sharp
    at whole pixels only, and all recordings would flicker with it in step.
    """
    h, w = SIZE
    column, row = 0.5 * (CANVAS - 1) - place
    i, j = round(row) - 1, round(column) - 1
    a, b = _spline_weights(row - i - 1), _spline_weights(column - j - 1)
    rows = _weighted_sum(a, [light[i + k : i + k + h, j : j + w + 2] for k in range(3)])
    return _weighted_sum(b, [rows[:, k : k + w] for k in range(3)])


def _weighted_sum(weights: Floats, bands: list[Floats]) -> Floats:
    """The weighted sum of three bands, from left to right."""
    total = weights[0] * bands[0]
    for weight, band in zip(weights[1:], bands[1:], strict=True):
        total += weight * band
    return total


def _spline_weights(offset: float) -> Floats:
    """Weights of the three nearest pixels, `offset` from the middle one in [-1/2, 1/2]."""
    weights = (0.5 * (0.5 - offset) ** 2, 0.75 - offset**2, 0.5 * (0.5 + offset) ** 2)
    return np.array(weights, np.float32)


def _assemble_events(
    t: NDArray, pixel: NDArray, p: NDArray, rng: np.random.Generator, camera: Camera
) -> Events:
    """Shift the events of one recording in time, add noise, cut to its length and sort."""
    # The order of the draws is part of what a seed means: new ones go to the end.
    length = camera.duration + camera.duration_spread * rng.normal()
    pixels = SIZE[0] * SIZE[1]
    n = rng.poisson(camera.noise_rate * pixels * length * 1e-6)
    t = np.concatenate([t + camera.lag * rng.normal(), rng.uniform(0.0, length, n)])
    pixel = np.concatenate([pixel, rng.integers(0, pixels, n)])
    p = np.concatenate([p, rng.random(n) < camera.noise_on])
    t = t.astype(np.int64)
    order = stable_argsort(t)
    order = order[(t[order] >= 0) & (t[order] < length)]
    return make_events(t[order], pixel[order] % SIZE[1], pixel[order] // SIZE[1], p[order])


def stable_argsort(t: NDArray[np.int64]) -> NDArray[np.int64]:
    """What a stable argsort gives, faster: index and time are one number, so none are equal."""
    bits = len(t).bit_length()
    return np.sort(t << bits | np.arange(len(t))) & ((1 << bits) - 1)
