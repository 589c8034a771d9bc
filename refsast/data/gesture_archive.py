"""What is in the official archive of DVS128 Gesture: trials, their labels and the split.

Rule 1: a trial is ``userNN_LIGHT.aedat`` and beside it ``userNN_LIGHT_labels.csv``; it belongs to
        the split in whose list, ``trials_to_train.txt`` or ``trials_to_test.txt``, it stands.
Rule 2: the archive is read from its start to its end, as its compression demands, twice: for the
        small files, then for the recordings. Nothing is unpacked to a disk.
Rule 3: what is damaged is named: a file that is cut, one of a pair that is missing, a wrong label.
"""

import lzma
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from refsast.data.archive import SPLITS
from refsast.data.gesture_paths import GESTURES

ARCHIVE = "DvsGesture.tar.gz"
LISTS = dict(zip(SPLITS, ("trials_to_train.txt", "trials_to_test.txt"), strict=True))
TRIAL_NAME = re.compile(r"user([0-9]+)_\w+")
RECORDING, LABELS = ".aedat", "_labels.csv"
COLUMNS = "class,startTime_usec,endTime_usec"

Entries = Iterator[tuple[str, bytes]]


@dataclass(frozen=True)
class Gesture:
    """One gesture in a recording: its label, 0 to 10, and when it is made, in microseconds."""

    label: int
    start: int
    end: int


@dataclass(frozen=True)
class Trial:
    """One recording of one person in one light.

    Attributes
    ----------
    name : str
        ``userNN_LIGHT``.
    user : int
        The person's number.
    gestures : tuple of Gesture
        In the order of their table.
    """

    name: str
    user: int
    gestures: tuple[Gesture, ...]


def find_archive(root: str | os.PathLike[str]) -> Path:
    """Return the archive: `root` itself, or in that folder; or the folder of what was unpacked.

    Raises ValueError if there is none.
    """
    root = Path(root)
    for path in (root, root / ARCHIVE):
        if path.is_file():
            return path
    if root.is_dir() and any(root.rglob(LISTS["Train"])):
        return root
    raise ValueError(f"root must hold {ARCHIVE}, or be it, or what was in it, got {root}")


def list_files(path: Path) -> list[Path]:
    """Return the archive, or the files of an unpacked one, without what else lies beside them."""
    if path.is_file():
        return [path]
    ours = (RECORDING, ".csv", ".txt")
    found = (each for each in path.rglob("*") if each.name.endswith(ours) and each.is_file())
    return sorted(each for each in found if not each.name.startswith("."))


def read_trials(path: Path, split: str) -> tuple[Trial, ...]:
    """Return the trials of a split, in the order of its list, none of them read yet.

    Raises ValueError if the split is unknown, the archive is damaged or lacks a file, a person is
    in both splits, or a table of labels is wrong; the message names what.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    texts: dict[str, str] = {}
    recordings = set()
    for name, content in _entries(path, lambda name: name.endswith((".csv", ".txt"))):
        if name.endswith(RECORDING):
            recordings.add(name.removesuffix(RECORDING))
        elif name.endswith(LABELS) or name in LISTS.values():
            texts[name] = content.decode("latin-1")
    tables = {name.removesuffix(LABELS) for name in texts if name.endswith(LABELS)}
    for trial in sorted(recordings ^ tables):
        there, missing = (RECORDING, LABELS) if trial in recordings else (LABELS, RECORDING)
        raise ValueError(f"{path} must hold {trial}{missing}, got {trial}{there} alone")
    lists = {each: _read_list(path, texts, name) for each, name in LISTS.items()}
    users = {each: {_user(path, trial) for trial in trials} for each, trials in lists.items()}
    if both := users["Train"] & users["Test"]:
        raise ValueError(f"{path} must have nobody in both splits, got user {min(both)}")
    if missing := sorted(set(lists[split]) - recordings):
        raise ValueError(f"{path} must hold {missing[0]}{RECORDING}, which {LISTS[split]} names")
    return tuple(
        Trial(name, _user(path, name), _read_labels(texts[name + LABELS], f"{name}{LABELS}"))
        for name in lists[split]
    )


def read_contents(path: Path, trials: Mapping[str, Trial]) -> Iterator[tuple[Trial, bytes]]:
    """Yield each of these trials, by name, with its recording, in the order of the archive."""
    wanted = {name + RECORDING for name in trials}
    for name, content in _entries(path, wanted.__contains__):
        if name in wanted:
            yield trials[name.removesuffix(RECORDING)], content


def _entries(path: Path, wanted: Callable[[str], bool]) -> Entries:
    """The name of every file, without its folder, and what is in it if it is wanted."""
    if path.is_dir():
        for each in list_files(path):
            yield each.name, each.read_bytes() if wanted(each.name) else b""
        return
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.rsplit("/", 1)[-1]
                if not member.isfile() or name.startswith("."):  # macOS adds such
                    continue
                file = archive.extractfile(member) if wanted(name) else None
                yield name, b"" if file is None else file.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        said = (str(error).splitlines() or ["nothing"])[0][:120]
        raise ValueError(f"{path} must be an undamaged archive, got: {said}") from error


def _read_list(path: Path, texts: Mapping[str, str], name: str) -> list[str]:
    """The names of the trials in a list."""
    if name not in texts:
        raise ValueError(f"{path} must hold {name}, got none")
    trials = [line.strip().removesuffix(RECORDING) for line in texts[name].split()]
    if not trials or len(set(trials)) < len(trials):
        raise ValueError(f"{name} must name trials, each once, got {len(trials)}")
    return trials


def _user(path: Path, trial: str) -> int:
    """The number of the person of a trial."""
    found = TRIAL_NAME.fullmatch(trial)
    if found is None:
        raise ValueError(f"trials must be named userNN_LIGHT, got {trial!r} in {path}")
    return int(found[1])


def _read_labels(text: str, name: str) -> tuple[Gesture, ...]:
    """The gestures of a table; official classes are 1 to 11."""
    head, *rows = text.split() or [""]
    if head != COLUMNS or not rows:
        raise ValueError(f"{name} must be a table of {COLUMNS}, got {text[:40]!r}")
    gestures = []
    for row in rows:
        numbers = row.split(",")
        if len(numbers) != 3 or not all(re.fullmatch("[0-9]+", each) for each in numbers):
            raise ValueError(f"{name} must have rows of three integers, got {row[:40]!r}")
        label, start, end = map(int, numbers)
        if not 1 <= label <= len(GESTURES):
            raise ValueError(f"{name} must have classes 1 to {len(GESTURES)}, got {label}")
        if not start < end:
            raise ValueError(f"{name} must have gestures that end after they start, got {row}")
        gestures.append(Gesture(label - 1, start, end))
    return tuple(gestures)
