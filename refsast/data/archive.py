"""Where the recordings of a split are: in a folder, or in the official zip archive.

Rule 1: a recording is SPLIT/DIGIT/NUMBER.bin, whether on disk or inside SPLIT.zip.
Rule 2: the order is by rank within the class, then by digit: 0 1 2 ... 9 0 1 2 ... 9.
Rule 3: a recording may be read from several threads at once.
Rule 4: whether a recording is still the same is told without reading it: in a folder by inode,
        size and times of change, in a zip by the size and CRC-32 that its directory states.
Rule 5: files that do not end in .bin are nobody's business; a .bin with another name is an error.
"""

import os
import re
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from operator import attrgetter, itemgetter
from pathlib import Path
from threading import Lock
from typing import NoReturn

from refsast.data.binning import validate_count
from refsast.files import DAMAGE_ERRORS

SPLITS = ("Train", "Test")
CLASSES = 10
RECORDING_NAME = re.compile(r"[^/]+/([0-9])/([0-9]+)\.bin")


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
    location : str
        The folder or zip file, for messages.
    recordings : tuple of Recording
        In the order of the data set.
    read : callable
        ``read(recording) -> bytes``.
    version : callable
        ``version(recording) -> str``, which changes when the recording does.
    """

    location: str
    recordings: tuple[Recording, ...]
    read: Callable[[Recording], bytes]
    version: Callable[[Recording], str]


@contextmanager
def open_archive(root: str | os.PathLike[str], split: str) -> Iterator[Archive]:
    """Open the recordings of a split, wherever they are; they can be read within the context.

    `root` holds ``SPLIT/`` or ``SPLIT.zip``, or is such a zip file; of the first two the folder is
    taken. Raises ValueError if the split is unknown, there is nothing to open, nothing in it, a
    ``.bin`` in it is not named by its class and number, or a zip is damaged.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    root = Path(root)
    if (root / split).is_dir():
        location = str(root / split)
        recordings = _sort_recordings(_list_files(root, split), location)
        read, version = partial(_read, str(root)), partial(_stat, str(root))
        yield Archive(location, recordings, read, version)
        return
    path = root if root.is_file() else root / f"{split}.zip"
    if not path.is_file():
        raise ValueError(f"root must hold {split}/ or {split}.zip, or be such a zip, got {root}")
    with _report_damage(path):
        archive = zipfile.ZipFile(path)
    with archive:
        names = [name for name in archive.namelist() if _is_in_split(name, split, path)]
        recordings = _sort_recordings(names, str(path))
        unzip, crc = partial(_unzip, archive, Lock(), path), partial(_crc, archive)
        yield Archive(str(path), recordings, unzip, crc)


def _list_files(root: Path, split: str) -> Iterator[str]:
    """The names of the files in the folder of a split, at any depth."""
    for folder, _, files in os.walk(root / split, onerror=_raise):
        within = Path(folder).relative_to(root).as_posix()
        yield from (f"{within}/{name}" for name in files)


def _raise(error: OSError) -> NoReturn:
    """A folder that cannot be read is not an empty one."""
    raise error


def _read(root: str, recording: Recording) -> bytes:
    """The bytes of a file, which is small."""
    with open(f"{root}/{recording.name}", "rb", buffering=0) as file:
        return file.read()


def _stat(root: str, recording: Recording) -> str:
    """The facts about a file that change with its content."""
    s = os.stat(f"{root}/{recording.name}")
    return f"{s.st_ino} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns}"


def _crc(archive: zipfile.ZipFile, recording: Recording) -> str:
    """Size and checksum of a recording, as the directory of its zip states them."""
    entry = archive.getinfo(recording.name)
    return f"{entry.file_size} {entry.CRC:08x}"


def _is_in_split(name: str, split: str, path: Path) -> bool:
    """Whether an entry of a zip is in the split; a recording in neither split is damage."""
    places = ("__MACOSX/", *(f"{known}/" for known in SPLITS))  # the first: what macOS adds
    if name.endswith(".bin") and not name.startswith(places):
        raise ValueError(f"root must hold recordings of {SPLITS}, got {name[:80]!r} in {path}")
    return name.startswith(f"{split}/")


@contextmanager
def _report_damage(path: Path) -> Iterator[None]:
    """Turn the many errors of zipfile into one."""
    try:
        yield
    except DAMAGE_ERRORS as error:
        raise ValueError(
            f"root must hold an undamaged zip, got {path}: {str(error)[:120]}"
        ) from error


def _unzip(archive: zipfile.ZipFile, lock: Lock, path: Path, recording: Recording) -> bytes:
    """The bytes of a recording in a zip, whose checksum is checked; inflated without the lock."""
    with _report_damage(path):
        with lock:  # for the count of open entries; the file's position has zipfile's own lock
            entry = archive.open(recording.name)
        try:
            return entry.read()
        finally:
            with lock:
                entry.close()


def select_per_class(archive: Archive, per_class: int | None) -> tuple[Recording, ...]:
    """Return the first recordings of every class, by number; all for None.

    In the order of the data set, so those for k are the first of those for k + 1. Raises ValueError
    if a class has fewer, or `per_class` is no positive integer.
    """
    if per_class is None:
        return archive.recordings
    validate_count("per_class", per_class)
    for digit in range(CLASSES):
        found = sum(recording.digit == digit for recording in archive.recordings)
        if found < per_class:
            raise ValueError(
                f"per_class must be at most the recordings of class {digit} in "
                f"{archive.location}, {found}, got {per_class}"
            )
    return archive.recordings[: CLASSES * per_class]


def _sort_recordings(names: Iterable[str], location: str) -> tuple[Recording, ...]:
    """The recordings among the names, in the order of the data set."""
    classes: dict[int, list[Recording]] = defaultdict(list)
    for name in names:
        if name.endswith(".bin"):
            recording = _parse_name(name, location)
            classes[recording.digit].append(recording)
    if not classes:
        raise ValueError(f"root must hold recordings DIGIT/NUMBER.bin, got none in {location}")
    ranked = [
        (rank, digit, recording)
        for digit, members in classes.items()
        for rank, recording in enumerate(sorted(members, key=attrgetter("number", "name")))
    ]
    ranked.sort(key=itemgetter(0, 1))
    return tuple(recording for _, _, recording in ranked)


def _parse_name(name: str, location: str) -> Recording:
    """The recording of that name, SPLIT/DIGIT/NUMBER.bin."""
    found = RECORDING_NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"recordings must be named DIGIT/NUMBER.bin, got {name} in {location}")
    return Recording(int(found[1]), int(found[2]), name)
