"""A simulated event camera that looks at pictures that follow one another.

Rule 1: a pixel fires whenever the logarithm of its light has moved by its threshold from where it
        last fired; between two pictures light is linear, so it may fire several times.
Rule 2: every number that was tuned stands in `VideoCamera`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refsast.data.camera import stable_argsort
from refsast.data.events import Events, make_events
from refsast.data.handwriting import Floats


@dataclass(frozen=True)
class VideoCamera:
    """What fixes the camera. Tuned to the figures of ten gestures in `docs/data.md`.

    Attributes
    ----------
    threshold : float
        Median change of log light at which a pixel fires. Positive.
    mismatch : float
        Spread of the logarithm of the threshold from pixel to pixel.
    off_ratio : float
        Threshold of OFF over threshold of ON. Positive.
    softness : float
        Width of an edge, in pixels. Positive.
    step : int
        Time from picture to picture, in microseconds. Positive.
    noise_rate : float
        Noise events per pixel and second.
    texture_rate : float
        Events per pixel and second more where something other than the wall is seen: cloth and
        skin are not as even as they are drawn.
    motion_rate : float
        Events per pixel more for every pixel of a sensor of 128 x 128 by which what is seen moves:
        folds and fingers that are not drawn.
    noise_on : float
        Share of noise events that are ON.
    scatter : float
        Share of all events that come elsewhere: shadows and reflections on the wall. In [0, 1].
    scatter_width : float
        How far from where they belong, in pixels of a sensor of 128 x 128: the standard deviation
        of column and row.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import data
    >>> quiet = data.VideoCamera(noise_rate=0.0, texture_rate=0.0, motion_rate=0.0)
    >>> noisy, clean = (
    ...     data.synthetic_gesture("hand clap", np.random.default_rng(0), camera=camera)
    ...     for camera in (data.VideoCamera(), quiet)
    ... )
    >>> len(clean.t) < len(noisy.t)
    True
    """

    threshold: float = 0.12
    mismatch: float = 0.25
    off_ratio: float = 0.97
    softness: float = 1.0
    step: int = 10_000
    noise_rate: float = 0.1
    texture_rate: float = 5.0
    motion_rate: float = 0.3
    noise_on: float = 0.4
    scatter: float = 0.12
    scatter_width: float = 20.0

    def __post_init__(self) -> None:
        for name in ("threshold", "off_ratio", "softness", "step"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("mismatch", "noise_rate", "texture_rate", "motion_rate", "scatter_width"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("noise_on", "scatter"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")


def record_video(
    light: Floats, speed: Floats, duration: int, rng: np.random.Generator, camera: VideoCamera
) -> Events:
    """Return what the camera reports of pictures, (time, height, width), of log light.

    Picture k is that of time ``k * camera.step``; 0 is the wall. `speed`, of the same shape, is how
    fast what a pixel sees moves, in pixels of a sensor of 128 x 128 per second. What comes at
    `duration` or later is cut off. `rng` draws thresholds and noise.
    """
    # The order of the draws is part of what a seed means: new ones go to the end.
    time, *size = light.shape
    pixels = size[0] * size[1]
    draw = rng.normal(size=size).astype(np.float32)
    up = (np.float32(camera.threshold) * np.exp(np.float32(camera.mismatch) * draw)).ravel()
    t, pixel, p = _crossings(light.reshape(time, -1), up, up * np.float32(camera.off_ratio))
    noisy = _draw_noise(light, speed, rng, camera)
    n = len(noisy)
    t = np.concatenate([t, noisy // pixels + rng.random(n)])
    t = (camera.step * t).astype(np.int64)
    pixel = np.concatenate([pixel, noisy % pixels])
    p = np.concatenate([p, rng.random(n) < camera.noise_on])
    y, x = np.divmod(pixel, size[1])
    _scatter((y, x), size, rng, camera)
    order = stable_argsort(t)
    order = order[: np.searchsorted(t[order], duration)]
    return make_events(t[order], x[order], y[order], p[order])


def _draw_noise(
    light: Floats, speed: Floats, rng: np.random.Generator, camera: VideoCamera
) -> NDArray[np.intp]:
    """Where events come that no edge makes: places in all pictures but the last, raveled."""
    rate = camera.noise_rate + camera.texture_rate * (light[:-1] != 0.0)
    total = np.cumsum(rate + camera.motion_rate * speed[:-1])
    n = rng.poisson(1e-6 * camera.step * total[-1])
    # The pixel whose share of the summed rate holds a number drawn from all of it.
    place = np.searchsorted(total, rng.random(n) * total[-1], "right")
    return np.minimum(place, total.size - 1)


def _scatter(
    places: tuple[NDArray[np.intp], ...],
    size: list[int],
    rng: np.random.Generator,
    camera: VideoCamera,
) -> None:
    """Move a share of all events, given row and column, in place; what would leave comes in."""
    moved = np.flatnonzero(rng.random(len(places[0])) < camera.scatter)
    for place, side in zip(places, size, strict=True):
        off = rng.normal(0.0, camera.scatter_width * side / 128, len(moved))
        place[moved] = (place[moved] + np.rint(off).astype(np.intp)) % side


def _crossings(
    light: Floats, up: Floats, down: Floats
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.bool_]]:
    """All threshold crossings: time in steps, pixel and polarity."""
    least = np.minimum(up, down)
    moving = np.flatnonzero(np.ptp(light, axis=0) >= least)  # all others never fire
    light, up, down, least = light[:, moving], up[moving], down[moving], least[moving]
    held = light[0].copy()  # the log light that each pixel compares with
    found = []
    for k in range(1, len(light)):
        change = light[k] - held
        i = (np.abs(change) >= least).nonzero()[0]
        threshold = np.where(change[i] > 0, up[i], -down[i])
        count = np.floor(change[i] / threshold)
        found.append((i, held[i], threshold, count))
        held[i] += count * threshold
    k = np.repeat(np.arange(1, len(light)), [len(i) for i, *_ in found])
    i, start, threshold, count = (np.concatenate(column) for column in zip(*found, strict=True))
    count = count.astype(np.intp)
    each = np.repeat(np.arange(len(count)), count)
    rank = np.arange(len(each)) - np.repeat(np.cumsum(count) - count, count) + 1
    before, after = light[k - 1, i], light[k, i]
    level = start[each] + rank * threshold[each]
    # A pixel that fires has moved, but may have passed the level before this step, by rounding.
    rise = np.where(after == before, np.float32(1.0), after - before)[each]
    part = np.clip((level - before[each]) / rise, 0.0, 1.0)
    return k[each] - 1 + part, moving[i[each]], threshold[each] > 0
