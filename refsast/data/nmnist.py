"""N-MNIST: handwritten digits as an event camera saw them, binned and stacked."""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refsast.data.archive import Archive, Recording, first_of_every_class, open_archive
from refsast.data.binning import DURATION, bin_events, check_steps
from refsast.data.cache import fetch, store
from refsast.data.events import SIZE, parse_events

BINNING_VERSION = 1  # part of the cache's key: to be raised when the specification changes

Dataset = tuple[NDArray[np.uint8], NDArray[np.int64]]
Progress = Callable[[Sequence[Recording]], Iterable[Recording]]


def load_nmnist(
    root: str | os.PathLike[str],
    split: str,
    *,
    steps: int,
    per_class: int | None = None,
    duration: int = DURATION,
    cache: str | os.PathLike[str] | None = None,
    progress: Progress = iter,
) -> Dataset:
    """Return the recordings of a split, binned, with their labels.

    The order is by rank within the class, then by digit (0 1 ... 9 0 1 ...), so
    the first k of every class are also the first 10 k of all.

    Parameters
    ----------
    root : path
        A folder that holds ``SPLIT/DIGIT/NUMBER.bin``, or the official
        ``SPLIT.zip``, or such a zip itself, which is read without unpacking.
        Files that do not end in ``.bin`` are ignored.
    split : str
        ``"Train"`` or ``"Test"``.
    steps : int
        Number of time steps. Positive.
    per_class : int, optional
        How many recordings of each of the ten classes; all by default.
    duration : int
        Length of all steps together, in microseconds.
    cache : path, optional
        A folder for the binned result, keyed by the content of the recordings
        and the binning. A damaged file in it is rebuilt.
    progress : callable, optional
        Wraps the sequence of recordings as they are read, such as ``tqdm``.

    Returns
    -------
    x : (steps, n, 2*34*34) array of uint8
        Zeros and ones, as `bin_events` specifies.
    y : (n,) array of int64
        The digits.

    Raises
    ------
    ValueError
        If the split is unknown, a folder is missing or empty, a class has fewer
        than `per_class` recordings, or a recording is empty or malformed; the
        message names it.

    References
    ----------
    Orchard et al., "Converting Static Image Datasets to Spiking Neuromorphic
    Datasets Using Saccades", Frontiers in Neuroscience 9:437, 2015.
    """
    check_steps(steps, duration)
    with open_archive(root, split) as archive:
        chosen = first_of_every_class(archive, per_class)
        if cache is None:
            return _bin(archive, chosen, steps, duration, progress)
        path = Path(cache) / f"nmnist-{_key(archive, chosen, steps, duration)}.npz"
        found = fetch(path)
        if found is None:
            found = _bin(archive, chosen, steps, duration, progress)
            store(path, *found)
        return found


def split(
    x: NDArray, y: NDArray[np.int64], *, fraction: float, rng: np.random.Generator
) -> tuple[tuple[NDArray, NDArray[np.int64]], tuple[NDArray, NDArray[np.int64]]]:
    """Split a data set in two, each class in the same proportion.

    Parameters
    ----------
    x : (time, n, cells) array
        Inputs.
    y : (n,) array of int
        Labels.
    fraction : float
        Share of every class that goes to the first part, in (0, 1), rounded to
        the nearest number of recordings.
    rng : numpy.random.Generator
        Draws which ones.

    Returns
    -------
    (x1, y1), (x2, y2)
        The two parts. Each keeps the order of `x`; together they are all of it.

    Raises
    ------
    ValueError
        If `fraction` is outside (0, 1), the lengths differ, or a part is empty.
    """
    if not 0.0 < fraction < 1.0:
        raise ValueError(f"fraction must lie in (0, 1), got {fraction}")
    if x.ndim < 2 or y.shape != x.shape[1:2]:
        raise ValueError(f"y must have one label per recording of x, got {y.shape} for {x.shape}")
    first = np.zeros(y.size, bool)
    for label in np.unique(y):
        members = rng.permutation(np.flatnonzero(y == label))
        first[members[: int(fraction * members.size + 0.5)]] = True
    if first.all() or not first.any():
        raise ValueError(f"fraction must leave recordings in both parts, got {fraction}")
    return (x[:, first], y[first]), (x[:, ~first], y[~first])


def _bin(
    archive: Archive, chosen: Sequence[Recording], steps: int, duration: int, progress: Progress
) -> Dataset:
    """Read and bin the chosen recordings."""
    x = np.empty((steps, len(chosen), 2 * SIZE[0] * SIZE[1]), np.uint8)
    for i, recording in enumerate(progress(chosen)):
        name = f"{recording.name} in {archive.place}"
        events = parse_events(archive.read(recording), name=name)
        if not len(events):
            raise ValueError(f"{name} must hold events, got an empty recording")
        x[:, i] = bin_events(events, steps=steps, duration=duration)
    return x, np.array([recording.digit for recording in chosen], np.int64)


def _key(archive: Archive, chosen: Sequence[Recording], steps: int, duration: int) -> str:
    """The hash of all that the binned recordings depend on."""
    h = hashlib.sha256(f"{BINNING_VERSION} {steps} {duration} {SIZE}".encode())
    for recording in chosen:
        content = archive.read(recording)
        h.update(f"\n{recording.name} {len(content)}\n".encode())
        h.update(content)
    return h.hexdigest()
