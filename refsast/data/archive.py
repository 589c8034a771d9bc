"""Where the recordings of a split are: a folder, or the official zip archive, read in place.

Rule 1: a recording is SPLIT/DIGIT/NUMBER.bin, whether on disk or inside SPLIT.zip.
Rule 2: the order is by rank within the class, then by digit: 0 1 2 ... 9 0 1 2 ... 9.
Rule 3: files that do not end in .bin are nobody's business; a .bin with another name is an error.
"""

import os
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from refsast.data.binning import check_count
from refsast.files import DAMAGE

SPLITS = ("Train", "Test")
CLASSES = 10


@dataclass(frozen=True)
class Recording:
    """One recording of a split, not read yet.

    Attributes
    ----------
    digit : int
        Its class, 0 to 9.
    number : int
        Its number in MNIST.
    name : str
        ``SPLIT/DIGIT/NUMBER.bin``: the same in a folder and in a zip.
    """

    digit: int
    number: int
    name: str


@dataclass(frozen=True)
class Archive:
    """The recordings of one split and the way to their bytes.

    Attributes
    ----------
    place : str
        The folder or zip file, for messages.
    recordings : tuple of Recording
        In the order of the data set.
    read : callable
        ``read(recording) -> bytes``.
    """

    place: str
    recordings: tuple[Recording, ...]
    read: Callable[[Recording], bytes]


@contextmanager
def open_archive(root: str | os.PathLike[str], split: str) -> Iterator[Archive]:
    """Open the recordings of a split, wherever they are.

    Parameters
    ----------
    root : path
        A folder with ``SPLIT/`` in it, or with ``SPLIT.zip`` in it, or such a
        zip file itself. Where both are there the folder is taken.
    split : str
        ``"Train"`` or ``"Test"``.

    Yields
    ------
    Archive
        Its recordings in the order of the data set, readable within the context.

    Raises
    ------
    ValueError
        If the split is unknown, there is nothing to open, nothing in it, a
        ``.bin`` in it is not named by its class and number, or a zip is damaged.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    root = Path(root)
    if (root / split).is_dir():
        names = [path.relative_to(root).as_posix() for path in (root / split).rglob("*.bin")]
        place = str(root / split)
        yield Archive(place, _recordings(names, place), lambda r: (root / r.name).read_bytes())
        return
    path = root if root.is_file() else root / f"{split}.zip"
    if not path.is_file():
        raise ValueError(f"root must hold {split}/ or {split}.zip, or be such a zip, got {root}")
    with _undamaged(path):
        archive = zipfile.ZipFile(path)
    with archive:
        names = [name for name in archive.namelist() if _belongs(name, split, path)]
        yield Archive(str(path), _recordings(names, str(path)), partial(_unzip, archive, path))


def _belongs(name: str, split: str, path: Path) -> bool:
    """Whether an entry of a zip is of the split; a recording of neither split is damage."""
    places = ("__MACOSX/", *(f"{known}/" for known in SPLITS))  # the first: what macOS adds
    if name.endswith(".bin") and not name.startswith(places):
        raise ValueError(f"root must hold recordings of {SPLITS}, got {name[:80]!r} in {path}")
    return name.startswith(f"{split}/")


@contextmanager
def _undamaged(path: Path) -> Iterator[None]:
    """Say in one way what zipfile says in many."""
    try:
        yield
    except DAMAGE as error:
        raise ValueError(
            f"root must hold an undamaged zip, got {path}: {str(error)[:120]}"
        ) from error


def _unzip(archive: zipfile.ZipFile, path: Path, recording: Recording) -> bytes:
    """The bytes of a recording in a zip, whose checksum is checked."""
    with _undamaged(path):
        return archive.read(recording.name)


def first_of_every_class(archive: Archive, per_class: int | None) -> tuple[Recording, ...]:
    """Return the first recordings of every class, by number.

    Parameters
    ----------
    archive : Archive
        An open archive.
    per_class : int or None
        How many of each of the ten classes; None for all there are.

    Returns
    -------
    tuple of Recording
        In the order of the data set: those for k are the first of those for k + 1.

    Raises
    ------
    ValueError
        If a class has fewer, or `per_class` is no positive integer.
    """
    if per_class is None:
        return archive.recordings
    check_count("per_class", per_class)
    for digit in range(CLASSES):
        found = sum(recording.digit == digit for recording in archive.recordings)
        if found < per_class:
            raise ValueError(
                f"per_class must be at most the recordings of class {digit} in "
                f"{archive.place}, {found}, got {per_class}"
            )
    return archive.recordings[: CLASSES * per_class]


def _recordings(names: list[str], place: str) -> tuple[Recording, ...]:
    """The recordings among the names, in the order of the data set."""
    classes: dict[int, list[Recording]] = defaultdict(list)
    for name in names:
        if name.endswith(".bin"):
            recording = _recording(name, place)
            classes[recording.digit].append(recording)
    if not classes:
        raise ValueError(f"root must hold recordings DIGIT/NUMBER.bin, got none in {place}")
    ranked = [
        (rank, digit, recording)
        for digit, members in classes.items()
        for rank, recording in enumerate(sorted(members, key=lambda r: (r.number, r.name)))
    ]
    return tuple(recording for _, _, recording in sorted(ranked, key=lambda r: r[:2]))


def _recording(name: str, place: str) -> Recording:
    """The recording of that name, SPLIT/DIGIT/NUMBER.bin."""
    path = PurePosixPath(name)
    digit, number = path.parent.name, path.stem
    well_named = len(path.parts) == 3 and digit in set("0123456789")
    if not (well_named and number.isascii() and number.isdigit()):
        raise ValueError(f"recordings must be named DIGIT/NUMBER.bin, got {name} in {place}")
    return Recording(int(digit), int(number), name)
