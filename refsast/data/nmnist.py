"""N-MNIST: handwritten digits as an event camera saw them, binned and stacked."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refsast.data.archive import Archive, Recording, open_archive, select_per_class
from refsast.data.batch import bin_files
from refsast.data.binning import DURATION, validate_steps
from refsast.data.cache import SpikeSet, load_or_build
from refsast.data.events import SIZE
from refsast.data.workers import track_progress, worker_count
from refsast.spikes import Spikes
from refsast.workers import map_in_order, threads

BINNING_VERSION = 2  # part of the cache's key: to be raised when the specification changes
CHUNK = 32  # recordings binned together: enough for speed, few enough for the processor's cache

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
    jobs: int | None = None,
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
        A folder for the binned result, keyed by the binning and by what tells one
        version of a recording from another without reading it (see `archive`). A
        damaged file in it is rebuilt.
    jobs : int, optional
        Threads that read, unzip and bin; as many as there are cores by default.
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

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast import data
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as root:
    ...     data.write_synthetic(root, "Test", 10, np.random.default_rng(0))
    ...     x, y = rs.load_nmnist(root, "Test", steps=5)
    >>> x.shape, y.shape
    ((5, 10, 2312), (10,))
    """
    x, y = load_nmnist_spikes(
        root,
        split,
        steps=steps,
        per_class=per_class,
        duration=duration,
        cache=cache,
        jobs=jobs,
        progress=progress,
    )
    return np.asarray(x.dense(), np.uint8), y


def load_nmnist_spikes(
    root: str | os.PathLike[str],
    split: str,
    *,
    steps: int,
    per_class: int | None = None,
    duration: int = DURATION,
    cache: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    progress: Progress = iter,
) -> SpikeSet:
    """Return the recordings of a split, binned, as the places of their ones, with their labels.

    The arrays of `load_nmnist` are twenty times as large.

    Parameters
    ----------
    root, split, steps, per_class, duration
        As for `load_nmnist`.
    cache : path, optional
        A folder for the binned result, which is written there as it is made and mapped from its
        file rather than held in memory.
    jobs, progress
        As for `load_nmnist`.

    Returns
    -------
    x : Spikes
        Of shape (steps, n, 2*34*34), as `bin_events` specifies.
    y : (n,) array of int64
        The digits.

    Raises
    ------
    ValueError
        As `load_nmnist`.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast import data
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as root:
    ...     data.write_synthetic(root, "Test", 10, np.random.default_rng(0))
    ...     x, y = rs.load_nmnist_spikes(root, "Test", steps=5)
    >>> x.shape, y.shape
    ((5, 10, 2312), (10,))
    """
    validate_steps(steps, duration)
    workers = worker_count(jobs)
    with open_archive(root, split) as archive:
        chosen = select_per_class(archive, per_class)
        y = np.array([recording.digit for recording in chosen], np.int64)
        path = None
        if cache is not None:
            path = Path(cache) / f"nmnist-{_cache_key(archive, chosen, steps, duration)}.spikes"
        read = partial(_read_chunk, archive, steps, duration)
        chunks = [chosen[i : i + CHUNK] for i in range(0, len(chosen), CHUNK)]

        def build() -> Iterator[Spikes]:
            parts = map_in_order(read, chunks, jobs=min(workers, len(chunks)), pool=threads)
            return track_progress(parts, chosen, CHUNK, progress)

        return load_or_build(path, build, y)


def _read_chunk(archive: Archive, steps: int, duration: int, chunk: Sequence[Recording]) -> Spikes:
    """Read and bin some recordings."""
    names = [f"{recording.name} in {archive.location}" for recording in chunk]
    contents = [archive.read(recording) for recording in chunk]
    return bin_files(contents, names, steps=steps, duration=duration)


def _cache_key(archive: Archive, chosen: Sequence[Recording], steps: int, duration: int) -> str:
    """The hash of all that the binned recordings depend on; none of them is read for it."""
    h = hashlib.sha256(f"{BINNING_VERSION} {steps} {duration} {SIZE}".encode())
    for recording in chosen:
        h.update(f"\n{recording.name} {archive.version(recording)}".encode())
    return h.hexdigest()
