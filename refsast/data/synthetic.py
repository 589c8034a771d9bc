"""Synthetic N-MNIST: digits of a simulated hand, seen by a simulated event camera.

Rule 1: what comes out has the shapes, types and order of `load_nmnist`.
Rule 2: recording i has its own random stream: the first n of n + 1 are the same recordings.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from refsast.data.archive import CLASSES, SPLITS
from refsast.data.binning import DURATION, STEPS, bin_events, check_count, check_steps
from refsast.data.camera import CANVAS, Camera, record
from refsast.data.events import SIZE, Events, write_events
from refsast.data.hand import Hand, write_digit
from refsast.data.nmnist import Dataset

CHUNK = 32  # recordings made together: enough for speed, few enough for the cache

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
    progress: Callable[[Sequence[int]], Iterable[int]] = iter,
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
    """
    check_steps(steps, duration)
    check_count("n", n)
    x = np.empty((steps, n, 2 * SIZE[0] * SIZE[1]), np.uint8)
    y = np.arange(n) % CLASSES
    for i, events in zip(progress(range(n)), _stream(y.tolist(), rng, hand, camera), strict=True):
        x[:, i] = bin_events(events, steps=steps, duration=duration)
    return x, y


def synthetic_events(
    digit: int, rng: np.random.Generator, *, hand: Hand = HAND, camera: Camera = CAMERA
) -> Events:
    """Return one synthetic recording.

    Parameters
    ----------
    digit : int
        What it shows, 0 to 9.
    rng : numpy.random.Generator
        Draws everything else.
    hand : Hand
        How much the handwriting varies.
    camera : Camera
        What records it.

    Returns
    -------
    Events
        About four thousand events in about 308 ms.

    Raises
    ------
    ValueError
        If `digit` is none of the ten.
    """
    if digit not in range(CLASSES):
        raise ValueError(f"digit must be one of 0 to 9, got {digit}")
    return record([write_digit(digit, rng, hand, CANVAS)], [rng], camera)[0]


def write_synthetic(
    root: str | os.PathLike[str],
    split: str,
    n: int,
    rng: np.random.Generator,
    *,
    hand: Hand = HAND,
    camera: Camera = CAMERA,
    progress: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> None:
    """Write synthetic recordings as files, laid out like the official archive.

    ``load_nmnist(root, split, ...)`` then returns what `synthetic_digits`
    returns for an equal generator.

    Parameters
    ----------
    root : path
        A folder, made if it is not there; ``SPLIT/DIGIT/NUMBER.bin`` are written in it.
    split : str
        ``"Train"`` or ``"Test"``. Must not be there yet.
    n : int
        Number of recordings. Positive.
    rng : numpy.random.Generator
        Spawns one stream for each recording.
    hand : Hand
        How much the handwriting varies.
    camera : Camera
        What records it.
    progress : callable, optional
        Wraps the sequence of recordings' indices as they are made, such as ``tqdm``.

    Raises
    ------
    ValueError
        If the split is unknown or already there, or `n` is not positive.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    check_count("n", n)
    folder = Path(root) / split
    if folder.exists():
        raise ValueError(f"root must not hold {split} yet, got {root}")
    digits = [i % CLASSES for i in range(n)]
    part = folder.with_name(f".{split}.part")  # renamed when whole: half a set is never seen
    shutil.rmtree(part, ignore_errors=True)
    try:
        for i, events in zip(progress(range(n)), _stream(digits, rng, hand, camera), strict=True):
            write_events(part / str(digits[i]) / f"{i + 1:05d}.bin", events)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _stream(
    digits: Sequence[int], rng: np.random.Generator, hand: Hand, camera: Camera
) -> Iterator[Events]:
    """The recordings of these digits, each from its own child of `rng`."""
    for start in range(0, len(digits), CHUNK):
        chunk = digits[start : start + CHUNK]
        rngs = rng.spawn(len(chunk))
        ink = [write_digit(d, r, hand, CANVAS) for d, r in zip(chunk, rngs, strict=True)]
        yield from record(ink, rngs, camera)
