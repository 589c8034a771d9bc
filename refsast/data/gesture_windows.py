"""DVS128 Gesture: gestures as an event camera saw them, cut, pooled, binned and stacked."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refsast.data.aedat import parse_aedat
from refsast.data.batch import bin_spikes
from refsast.data.binning import validate_count, validate_steps
from refsast.data.cache import SpikeSet, fetch, load_or_build
from refsast.data.dvs_gesture import DVS128, GESTURE_DURATION, POOLED, pool
from refsast.data.events import Events, cut_window
from refsast.data.gesture_archive import (
    Gesture,
    Trial,
    find_archive,
    list_files,
    read_contents,
    read_trials,
)
from refsast.data.gesture_paths import GESTURES
from refsast.data.nmnist import Dataset
from refsast.spikes import Spikes, join_spikes

WINDOWS_VERSION = 1  # part of the cache's key: to be raised when the specification changes

Progress = Callable[[Sequence[str]], Iterable[str]]


def load_dvs_gesture(
    root: str | os.PathLike[str],
    split: str,
    *,
    steps: int,
    per_class: int | None = None,
    duration: int = GESTURE_DURATION,
    cache: str | os.PathLike[str] | None = None,
    progress: Progress = iter,
) -> Dataset:
    """Return the gestures of a split of DVS128 Gesture in windows, pooled and binned.

    Every labelled gesture is cut into as many windows as fit into it, one after the other; one that
    is shorter than a window is a window by itself. The order is by rank within the class, then by
    class (0 1 ... 10 0 1 ...), as far as there are as many of each.

    Parameters
    ----------
    root : path
        The official ``DvsGesture.tar.gz``, which is read without unpacking, or a folder that holds
        it, or one that holds what was in it.
    split : str
        ``"Train"`` (users 1 to 23) or ``"Test"`` (24 to 29), as the archive's lists have it.
    steps : int
        Number of time steps per window. Positive.
    per_class : int, optional
        How many windows of each of the eleven classes; all by default.
    duration : int
        Length of a window, in microseconds.
    cache : path, optional
        A folder for the binned result, keyed by the binning and by the archive's name, size and
        times of change.
    progress : callable, optional
        Wraps the sequence of trials' names as they are read, such as ``tqdm``.

    Returns
    -------
    x : (steps, n, 2*32*32) array of uint8
        Zeros and ones, as `bin_events` specifies, of 128 x 128 pixels pooled to 32 x 32.
    y : (n,) array of int64
        Classes, the official numbers less one: places in ``refsast.data.GESTURES``.

    Raises
    ------
    ValueError
        If the split is unknown, the archive is missing, damaged or lacks a file, a label is wrong,
        a window has no event, or a class has fewer than `per_class`; the message names it.

    References
    ----------
    Amir et al., "A Low Power, Fully Event-Based Gesture Recognition System", CVPR 2017.

    Examples
    --------
    >>> import refsast as rs
    >>> rs.load_dvs_gesture("/nowhere", "Train", steps=10)
    Traceback (most recent call last):
    ValueError: root must hold DvsGesture.tar.gz, or be it, or what was in it, got /nowhere
    """
    x, y = load_dvs_gesture_spikes(
        root,
        split,
        steps=steps,
        per_class=per_class,
        duration=duration,
        cache=cache,
        progress=progress,
    )
    return np.asarray(x.dense(), np.uint8), y


def load_dvs_gesture_spikes(
    root: str | os.PathLike[str],
    split: str,
    *,
    steps: int,
    per_class: int | None = None,
    duration: int = GESTURE_DURATION,
    cache: str | os.PathLike[str] | None = None,
    progress: Progress = iter,
) -> SpikeSet:
    """Return the windows of `load_dvs_gesture` as the places of their ones, with their labels.

    Parameters
    ----------
    root, split, steps, per_class, duration, cache, progress
        As for `load_dvs_gesture`.

    Returns
    -------
    x : Spikes
        Of shape (steps, n, 2*32*32).
    y : (n,) array of int64
        Classes, the official numbers less one.

    Raises
    ------
    ValueError
        As `load_dvs_gesture`.

    Examples
    --------
    >>> import refsast as rs
    >>> rs.load_dvs_gesture_spikes("/nowhere", "Verify", steps=10)
    Traceback (most recent call last):
    ValueError: root must hold DvsGesture.tar.gz, or be it, or what was in it, got /nowhere
    """
    x, y, _ = load_windows(
        root,
        split,
        steps=steps,
        per_class=per_class,
        duration=duration,
        cache=cache,
        progress=progress,
    )
    return x, y


def load_windows(
    root: str | os.PathLike[str],
    split: str,
    *,
    steps: int,
    per_class: int | None = None,
    duration: int = GESTURE_DURATION,
    cache: str | os.PathLike[str] | None = None,
    progress: Progress = iter,
) -> tuple[Spikes, NDArray[np.int64], NDArray[np.int64]]:
    """Return what `load_dvs_gesture_spikes` does, and the number of every window's person."""
    validate_steps(steps, duration)
    if per_class is not None:
        validate_count("per_class", per_class)
    path = find_archive(root)
    file = None
    if cache is not None:
        key = f"{WINDOWS_VERSION} {steps} {duration} {POOLED} {split} {_versions(path)}"
        file = Path(cache) / f"dvs-gesture-{hashlib.sha256(key.encode()).hexdigest()}.spikes"
    found = None if file is None else fetch(file)
    if found is None:
        x, codes = _read_windows(path, split, steps, duration, progress)
        found = load_or_build(file, lambda: [x], codes)
    x, codes = found
    people, y = np.divmod(codes, len(GESTURES))
    if per_class is not None:
        first = _select_per_class(y, per_class, path)
        x, y, people = x[:, first], y[first], people[first]
    return x, y, people


def _versions(path: Path) -> str:
    """The facts about the archive, or the files of a folder, that change with their content."""
    stats = [(str(each), each.stat()) for each in list_files(path)]
    return repr([(name, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for name, s in stats])


def _read_windows(
    path: Path, split: str, steps: int, duration: int, progress: Progress
) -> tuple[Spikes, NDArray[np.int64]]:
    """All windows in the order of the data set, and their codes: 11 times the user, plus class."""
    trials = {trial.name: trial for trial in read_trials(path, split)}
    parts: dict[str, Spikes] = {}
    contents = read_contents(path, trials)
    for _, (trial, content) in zip(progress(list(trials)), contents, strict=False):
        name = f"{trial.name}.aedat in {path}"
        events = pool(parse_aedat(content, size=DVS128, name=name), DVS128[0] // POOLED)
        cut = [w for g in trial.gestures for w in _cut_windows(events, g, duration, name)]
        parts[trial.name] = bin_spikes(cut, steps=steps, duration=duration, size=(POOLED, POOLED))
    if missing := trials.keys() - parts.keys():
        raise ValueError(f"progress must yield all items, got none for {min(missing)}")
    codes = np.array(
        [c for trial in trials.values() for c in _window_codes(trial, duration)], np.int64
    )
    order = _rank_order(codes % len(GESTURES))
    return join_spikes([parts[name] for name in trials])[:, order], codes[order]


def _count_windows(gesture: Gesture, duration: int) -> int:
    return max(1, (gesture.end - gesture.start) // duration)


def _window_codes(trial: Trial, duration: int) -> list[int]:
    """One code for every window of a trial."""
    return [
        len(GESTURES) * trial.user + gesture.label
        for gesture in trial.gestures
        for _ in range(_count_windows(gesture, duration))
    ]


def _cut_windows(events: Events, gesture: Gesture, duration: int, name: str) -> list[Events]:
    """The windows of a gesture, times from the start of each; none may be without events."""
    windows = []
    for k in range(_count_windows(gesture, duration)):
        start = gesture.start + k * duration
        window = cut_window(events, start, min(start + duration, gesture.end))
        if not len(window.t):
            wanted = f"{name} must hold events of class {gesture.label + 1}"
            raise ValueError(f"{wanted}, got none from {start} us")
        windows.append(window)
    return windows


def _rank_order(y: NDArray[np.int64]) -> NDArray[np.intp]:
    """The order by rank within the class, then by class."""
    seen: Counter[int] = Counter()
    ranks = []
    for label in y.tolist():
        ranks.append(seen[label])
        seen[label] += 1
    return np.lexsort((y, ranks))


def _select_per_class(y: NDArray[np.int64], per_class: int, path: Path) -> NDArray[np.intp]:
    """Which windows are the first of every class."""
    members = [np.flatnonzero(y == label) for label in range(len(GESTURES))]
    for label, found in enumerate(members):
        if len(found) < per_class:
            raise ValueError(
                f"per_class must be at most the windows of class {label + 1} in {path}, "
                f"{len(found)}, got {per_class}"
            )
    return np.sort(np.concatenate([found[:per_class] for found in members]))
