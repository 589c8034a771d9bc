"""Synthetic DVS128 Gesture: a drawn person gestures before a simulated event camera.

Rule 1: every eleven recordings are one person, who makes each gesture once: no person is in two
        sets that are drawn from different generators, nor in two blocks of eleven of one.
Rule 2: every person has a random stream, and a child of it for each gesture: the first n of n + 1
        are the same recordings.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refsast.data.batch import bin_spikes
from refsast.data.binning import STEPS, validate_count, validate_steps
from refsast.data.cache import SpikeSet
from refsast.data.dvs_gesture import GESTURE_DURATION, POOLED, pool
from refsast.data.events import Events
from refsast.data.gesture_paths import GESTURES, draw_manner, hand_paths
from refsast.data.nmnist import Dataset
from refsast.data.person import Person, draw_person, draw_sway, pose, render
from refsast.data.synthetic import describe_seeds, load_or_make
from refsast.data.video_camera import VideoCamera, record_video
from refsast.data.workers import track_progress, worker_count
from refsast.spikes import Spikes
from refsast.workers import map_in_order, processes

SYNTHETIC_GESTURES_VERSION = 2  # part of the cache's key: to be raised when an event changes
PIXELS = 64  # side of the simulated sensor, half of a DVS128's: a quarter of its pixels
PEOPLE = 4  # made together

Progress = Callable[[Sequence[int]], Iterable[int]]
Chunk = tuple[int, Sequence[np.random.Generator]]  # how many recordings, of which people

VIDEO_CAMERA = VideoCamera()


def synthetic_gestures(
    n: int,
    rng: np.random.Generator,
    *,
    steps: int = STEPS,
    duration: int = GESTURE_DURATION,
    camera: VideoCamera = VIDEO_CAMERA,
    progress: Progress = iter,
) -> Dataset:
    """Return synthetic recordings of gestures, pooled and binned, with their labels.

    Parameters
    ----------
    n : int
        Number of recordings. Positive. Labels run 0 1 ... 10 0 1 ..., unshuffled; each such round
        is one person, drawn anew.
    rng : numpy.random.Generator
        Spawns one stream for each person; must be able to, as those of
        `numpy.random.default_rng` are.
    steps : int
        Number of time steps. Positive.
    duration : int
        Length of all steps together, in microseconds.
    camera : VideoCamera
        What records them.
    progress : callable, optional
        Wraps the sequence of recordings' indices as they are made, such as ``tqdm``.

    Returns
    -------
    x : (steps, n, 2*32*32) array of uint8
        Zeros and ones, as `bin_events` specifies, of 64 x 64 pixels pooled to 32 x 32.
    y : (n,) array of int64
        Places in ``refsast.data.GESTURES``.

    Raises
    ------
    ValueError
        If `n`, `steps` or `duration` is not a positive integer.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> x, y = rs.synthetic_gestures(2, np.random.default_rng(0), steps=5)
    >>> x.shape, np.unique(x)
    ((5, 2, 2048), array([0, 1], dtype=uint8))
    """
    x, y = synthetic_gesture_spikes(
        n, rng, steps=steps, duration=duration, camera=camera, progress=progress
    )
    return np.asarray(x.dense(), np.uint8), y


def synthetic_gesture_spikes(
    n: int,
    rng: np.random.Generator,
    *,
    steps: int = STEPS,
    duration: int = GESTURE_DURATION,
    camera: VideoCamera = VIDEO_CAMERA,
    cache: str | os.PathLike[str] | None = None,
    jobs: int | None = 1,
    progress: Progress = iter,
) -> SpikeSet:
    """Return the recordings of `synthetic_gestures` as the places of their ones, with their labels.

    Parameters
    ----------
    n, rng, steps, duration, camera
        As for `synthetic_gestures`.
    cache, jobs, progress
        As for `synthetic_spikes`.

    Returns
    -------
    x : Spikes
        Of shape (steps, n, 2*32*32); the same whatever `jobs`.
    y : (n,) array of int64
        Places in ``refsast.data.GESTURES``.

    Raises
    ------
    ValueError
        If `n`, `steps`, `duration` or `jobs` is not a positive integer, or there is a
        cache and what `rng` will spawn cannot be told.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> x, y = rs.synthetic_gesture_spikes(2, np.random.default_rng(0), steps=5)
    >>> x.shape
    (5, 2, 2048)
    """
    validate_steps(steps, duration)
    validate_count("n", n)
    round_ = len(GESTURES)
    people, block = -(-n // round_), PEOPLE * round_
    workers = min(worker_count(jobs), -(-n // block))
    y = np.arange(n) % round_
    path = None
    if cache is not None:
        versions = (SYNTHETIC_GESTURES_VERSION, np.__version__)
        parts = (versions, n, describe_seeds(rng), steps, duration, PIXELS, POOLED, camera)
        key = hashlib.sha256(repr(parts).encode()).hexdigest()
        path = Path(cache) / f"synthetic-gestures-{key}.spikes"
    work = partial(_bin_chunk, steps, duration, camera)

    def make() -> Iterator[Spikes]:
        parts = map_in_order(work, _make_chunks(n, rng), jobs=workers, pool=processes)
        return track_progress(parts, range(n), block, progress)

    return load_or_make(path, make, y, rng, children=people)


def synthetic_gesture_recordings(
    n: int,
    rng: np.random.Generator,
    *,
    duration: int = GESTURE_DURATION,
    camera: VideoCamera = VIDEO_CAMERA,
) -> tuple[list[Events], NDArray[np.int64]]:
    """Return the recordings that `synthetic_gesture_spikes` pools and bins, with their labels.

    Parameters
    ----------
    n, rng, duration, camera
        As for `synthetic_gestures`.

    Returns
    -------
    recordings : list of Events
        Of 64 x 64 pixels, person after person; some hundred kilobytes each.
    y : (n,) array of int64
        Places in ``refsast.data.GESTURES``.

    Raises
    ------
    ValueError
        If `n` or `duration` is not a positive integer.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast import data
    >>> events, y = data.synthetic_gesture_recordings(2, np.random.default_rng(0))
    >>> small = [data.pool(each, 2, size=(64, 64)) for each in events]
    >>> same, _ = rs.synthetic_gesture_spikes(2, np.random.default_rng(0), steps=5)
    >>> found = rs.bin_spikes(small, steps=5, duration=500_000, size=(32, 32))
    >>> bool((found.index == same.index).all())
    True
    """
    validate_count("n", n)
    validate_count("duration", duration)
    chunks = _make_chunks(n, rng)
    events = [each for chunk in chunks for each in _record_chunk(duration, camera, chunk)]
    return events, np.arange(n) % len(GESTURES)


def synthetic_gesture(
    name: str,
    rng: np.random.Generator,
    *,
    person: Person | None = None,
    duration: int = GESTURE_DURATION,
    camera: VideoCamera = VIDEO_CAMERA,
) -> Events:
    """Return one synthetic recording of 64 x 64 pixels.

    Parameters
    ----------
    name : str
        One of ``refsast.data.GESTURES``.
    rng : numpy.random.Generator
        Draws everything else.
    person : Person, optional
        Who makes it, see `refsast.data.person`; drawn from `rng` by default.
    duration : int
        In microseconds. Positive.
    camera : VideoCamera
        What records it.

    Returns
    -------
    Events
        The recording, of some 7,000 to 40,000 events in 500 ms.

    Raises
    ------
    ValueError
        If there is no gesture of that name, or `duration` is no positive integer.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import data
    >>> events = data.synthetic_gesture("arm roll", np.random.default_rng(0))
    >>> len(events.t) > 1000, int(events.x.max()) < 64
    (True, True)
    """
    if name not in GESTURES:
        raise ValueError(f"name must be one of {', '.join(GESTURES)}, got {name!r}")
    validate_count("duration", duration)
    person = draw_person(rng) if person is None else person
    t = np.arange(duration // camera.step + 2, dtype=np.float64) * (1e-6 * camera.step)
    right, left = hand_paths(name, draw_manner(name, t, person.pace, rng))
    parts = pose(person, right, left, draw_sway(person, right, left, t, rng), t)
    light, speed = render(parts, PIXELS, camera.softness)
    return record_video(light, speed, duration, rng, camera)


def _make_chunks(n: int, rng: np.random.Generator) -> Iterator[Chunk]:
    """How many recordings, and the stream of each of the people in them."""
    round_ = len(GESTURES)
    for start in range(0, n, PEOPLE * round_):
        count = min(PEOPLE * round_, n - start)
        yield count, rng.spawn(-(-count // round_))


def _record_chunk(duration: int, camera: VideoCamera, chunk: Chunk) -> Iterator[Events]:
    """The recordings of some people, one after the other."""
    count, rngs = chunk
    for rng in rngs:
        person, names = draw_person(rng), GESTURES[:count]
        count -= len(names)
        for name, child in zip(names, rng.spawn(len(names)), strict=True):
            yield synthetic_gesture(name, child, person=person, duration=duration, camera=camera)


def _bin_chunk(steps: int, duration: int, camera: VideoCamera, chunk: Chunk) -> Spikes:
    """The recordings of some people, pooled and binned."""
    made = [
        pool(events, PIXELS // POOLED, size=(PIXELS, PIXELS))
        for events in _record_chunk(duration, camera, chunk)
    ]
    return bin_spikes(made, steps=steps, duration=duration, size=(POOLED, POOLED))
