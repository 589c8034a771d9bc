"""Synthetic recordings as files, laid out like the official archive."""

import os
import shutil
from pathlib import Path

import numpy as np

from refsast.data.archive import CLASSES, SPLITS
from refsast.data.binning import validate_count
from refsast.data.camera import Camera
from refsast.data.events import write_events
from refsast.data.handwriting import Hand
from refsast.data.synthetic import CAMERA, HAND, Progress, generate_events


def write_synthetic(
    root: str | os.PathLike[str],
    split: str,
    n: int,
    rng: np.random.Generator,
    *,
    hand: Hand = HAND,
    camera: Camera = CAMERA,
    progress: Progress = iter,
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
    n, rng, hand, camera, progress
        As for `synthetic_digits`.

    Raises
    ------
    ValueError
        If the split is unknown or already there, or `n` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast import data
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as root:
    ...     data.write_synthetic(root, "Train", 10, np.random.default_rng(0))
    ...     y = rs.load_nmnist(root, "Train", steps=2)[1]
    >>> np.unique(y)
    array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    validate_count("n", n)
    folder = Path(root) / split
    if folder.exists():
        raise ValueError(f"root must not hold {split} yet, got {root}")
    digits = [i % CLASSES for i in range(n)]
    part = folder.with_name(f".{split}.part")  # renamed when whole: half a set is never seen
    shutil.rmtree(part, ignore_errors=True)
    try:
        for i, events in zip(
            progress(range(n)), generate_events(digits, rng, hand, camera), strict=True
        ):
            write_events(part / str(digits[i]) / f"{i + 1:05d}.bin", events)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
