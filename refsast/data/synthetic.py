"""Synthetic N-MNIST: digits of a simulated hand, seen by a simulated event camera.

Rule 1: what comes out has the shapes, types and order of `load_nmnist`.
Rule 2: recording i has its own random stream: the first n of n + 1 are the same recordings.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refsast.data.archive import CLASSES
from refsast.data.batch import bin_spikes
from refsast.data.binning import DURATION, STEPS, validate_count, validate_steps
from refsast.data.cache import SpikeSet, load_or_build
from refsast.data.camera import CANVAS, Camera, record
from refsast.data.events import SIZE, Events
from refsast.data.handwriting import Hand, render_digit
from refsast.data.nmnist import Dataset
from refsast.data.workers import track_progress, worker_count
from refsast.spikes import Spikes
from refsast.workers import map_in_order, processes

SYNTHETIC_VERSION = 1  # part of the cache's key: to be raised when hand or camera change an event
CHUNK = 64  # recordings made together: enough for speed, few enough for the processor's cache

Progress = Callable[[Sequence[int]], Iterable[int]]
Chunk = tuple[Sequence[int], Sequence[np.random.Generator]]

CAMERA = Camera()
HAND = Hand()


def synthetic_digits(
    n: int,
    rng: np.random.Generator,
    *,
    steps: int = STEPS,
    duration: int = DURATION,
    hand: Hand = HAND,
    camera: Camera = CAMERA,
    progress: Progress = iter,
) -> Dataset:
    """Return synthetic recordings, binned, with their labels.

    Parameters
    ----------
    n : int
        Number of recordings. Positive. Labels run 0 1 ... 9 0 1 ..., unshuffled.
    rng : numpy.random.Generator
        Spawns one stream for each recording; must be able to, as those of
        `numpy.random.default_rng` are.
    steps : int
        Number of time steps. Positive.
    duration : int
        Length of all steps together, in microseconds.
    hand : Hand
        How much the handwriting varies.
    camera : Camera
        What records it.
    progress : callable, optional
        Wraps the sequence of recordings' indices as they are made, such as ``tqdm``.

    Returns
    -------
    x : (steps, n, 2*34*34) array of uint8
        Zeros and ones, as `bin_events` specifies.
    y : (n,) array of int64
        The digits.

    Raises
    ------
    ValueError
        If `n`, `steps` or `duration` is not a positive integer.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> x, y = rs.synthetic_digits(3, np.random.default_rng(0), steps=5)
    >>> x.shape, np.unique(x)
    ((5, 3, 2312), array([0, 1], dtype=uint8))
    """
    x, y = synthetic_spikes(
        n, rng, steps=steps, duration=duration, hand=hand, camera=camera, progress=progress
    )
    return np.asarray(x.dense(), np.uint8), y


def synthetic_spikes(
    n: int,
    rng: np.random.Generator,
    *,
    steps: int = STEPS,
    duration: int = DURATION,
    hand: Hand = HAND,
    camera: Camera = CAMERA,
    cache: str | os.PathLike[str] | None = None,
    jobs: int | None = 1,
    progress: Progress = iter,
) -> SpikeSet:
    """Return the recordings of `synthetic_digits` as the places of their ones, with their labels.

    Parameters
    ----------
    n : int
        Number of recordings. Positive.
    rng : numpy.random.Generator
        As for `synthetic_digits`. It ends in the same state whether or not the
        recordings were in the cache.
    steps, duration, hand, camera
        As for `synthetic_digits`.
    cache : path, optional
        A folder for the result, which is written there as it is made and mapped from its
        file rather than held in memory. Keyed by all the arguments, what `rng` will
        spawn and the version of NumPy.
    jobs : int or None
        Processes that make them; None for as many as there are cores.
    progress : callable, optional
        As for `synthetic_digits`.

    Returns
    -------
    x : Spikes
        Of shape (steps, n, 2*34*34); the same whatever `jobs`.
    y : (n,) array of int64
        The digits.

    Raises
    ------
    ValueError
        If `n`, `steps`, `duration` or `jobs` is not a positive integer, or there is a
        cache and what `rng` will spawn cannot be told.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> x, y = rs.synthetic_spikes(3, np.random.default_rng(0), steps=5)
    >>> x.shape
    (5, 3, 2312)
    """
    validate_steps(steps, duration)
    validate_count("n", n)
    workers = min(worker_count(jobs), -(-n // CHUNK))
    y = np.arange(n) % CLASSES
    path = None
    if cache is not None:
        versions = (SYNTHETIC_VERSION, np.__version__)
        parts = (versions, n, *describe_seeds(rng), steps, duration, SIZE, hand, camera)
        path = Path(cache) / f"synthetic-{hashlib.sha256(repr(parts).encode()).hexdigest()}.spikes"
    work = partial(_bin_chunk, steps, duration, hand, camera)

    def make() -> Iterator[Spikes]:
        parts = map_in_order(work, _make_chunks(y.tolist(), rng), jobs=workers, pool=processes)
        return track_progress(parts, range(n), CHUNK, progress)

    return load_or_make(path, make, y, rng, children=n)


def load_or_make(
    path: Path | None,
    make: Callable[[], Iterator[Spikes]],
    y: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    children: int,
) -> SpikeSet:
    """Return a data set from its cache, or made by as many children of `rng`.

    Either way `rng` ends in the same state.
    """
    made = False

    def build() -> Iterator[Spikes]:
        nonlocal made
        made = True
        return make()

    found = load_or_build(path, build, y)
    if not made:
        _skip_children(children, rng)
    return found


def synthetic_events(
    digit: int, rng: np.random.Generator, *, hand: Hand = HAND, camera: Camera = CAMERA
) -> Events:
    """Return one synthetic recording, of about four thousand events in about 308 ms.

    Parameters
    ----------
    digit : int
        What it shows, 0 to 9.
    rng : numpy.random.Generator
        Draws everything else.
    hand, camera
        As for `synthetic_digits`.

    Returns
    -------
    Events
        The recording.

    Raises
    ------
    ValueError
        If `digit` is none of the ten.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import data
    >>> events = data.synthetic_events(7, np.random.default_rng(0))
    >>> len(events.t) > 1000, int(events.x.max()) < 34
    (True, True)
    """
    if digit not in range(CLASSES):
        raise ValueError(f"digit must be one of 0 to 9, got {digit}")
    return record([render_digit(digit, rng, hand, CANVAS)], [rng], camera)[0]


def synthetic_recordings(
    n: int, rng: np.random.Generator, *, hand: Hand = HAND, camera: Camera = CAMERA
) -> tuple[list[Events], NDArray[np.int64]]:
    """Return the recordings that `synthetic_spikes` bins, as events, with their labels.

    Parameters
    ----------
    n, rng, hand, camera
        As for `synthetic_digits`.

    Returns
    -------
    recordings : list of Events
        They need some thirty kilobytes each.
    y : (n,) array of int64
        The digits.

    Raises
    ------
    ValueError
        If `n` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast import data
    >>> events, y = data.synthetic_recordings(3, np.random.default_rng(0))
    >>> same, _ = rs.synthetic_spikes(3, np.random.default_rng(0), steps=5)
    >>> bool((rs.bin_spikes(events, steps=5, duration=300_000).index == same.index).all())
    True
    """
    validate_count("n", n)
    y = np.arange(n) % CLASSES
    return list(generate_events(y.tolist(), rng, hand, camera)), y


def generate_events(
    digits: Sequence[int], rng: np.random.Generator, hand: Hand, camera: Camera
) -> Iterator[Events]:
    """Yield the recordings of these digits, each from its own child of `rng`."""
    for chunk in _make_chunks(digits, rng):
        yield from _record_chunk(hand, camera, chunk)


def _make_chunks(digits: Sequence[int], rng: np.random.Generator) -> Iterator[Chunk]:
    """Some digits at a time, and a child of `rng` for each."""
    for start in range(0, len(digits), CHUNK):
        chunk = digits[start : start + CHUNK]
        yield chunk, rng.spawn(len(chunk))


def _record_chunk(hand: Hand, camera: Camera, chunk: Chunk) -> list[Events]:
    """What the camera reports of some digits."""
    digits, rngs = chunk
    ink = [render_digit(d, rng, hand, CANVAS) for d, rng in zip(digits, rngs, strict=True)]
    return record(ink, rngs, camera)


def _bin_chunk(steps: int, duration: int, hand: Hand, camera: Camera, chunk: Chunk) -> Spikes:
    """The same, binned."""
    return bin_spikes(_record_chunk(hand, camera, chunk), steps=steps, duration=duration)


def _skip_children(n: int, rng: np.random.Generator) -> None:
    """Leave `rng` as if it had spawned `n` children, in half the time."""
    for start in range(0, n, CHUNK):
        rng.bit_generator.seed_seq.spawn(min(CHUNK, n - start))  # pyright: ignore[reportAttributeAccessIssue]


def describe_seeds(rng: np.random.Generator) -> tuple[str, list[tuple[str, object]]]:
    """Return what fixes all that `rng` will spawn; ValueError if that cannot be told."""
    seeds = getattr(rng.bit_generator.seed_seq, "state", None)
    if seeds is None:
        raise ValueError(f"rng must come from a SeedSequence to be cached, got {rng!r}")
    # An entropy may be an array, whose repr leaves numbers out.
    spelled = sorted((name, np.asarray(value).tolist()) for name, value in seeds.items())
    return type(rng.bit_generator).__name__, spelled
