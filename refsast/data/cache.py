"""A cache of binned recordings, which can be lost or damaged without harm.

Rule 1: the file's name is the hash of all that its content depends on.
Rule 2: it is written under another name and renamed when whole, so half a file is never seen.
Rule 3: what does not match its checksum is treated as absent, never as data.
Rule 4: it holds plain numbers, little-endian; nothing is ever unpickled::

            header   what it is, steps, cells, recordings, ones; SHA-256 of the rest and of these
            index    (ones,) of `index_type(cells)`, then zeros up to a multiple of eight bytes
            starts   (recordings * steps + 1,) int64
            labels   (recordings,) int64

Rule 5: it is written as it comes and mapped when opened, so a set need never be in memory.
        Nobody may cut a file that is mapped; one that is replaced stays as it was for its readers.
"""

import hashlib
import os
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from refsast.files import DAMAGE_ERRORS, arrays_digest, open_atomic
from refsast.spikes import Spikes, index_type, join_spikes, row_starts

SpikeSet: TypeAlias = tuple[Spikes, NDArray[np.int64]]

HEADER = struct.Struct("<16s4q32s")
MAGIC = b"refsast spikes 1"
BLOCK = 1 << 20  # bytes read at once to verify


class _Counts(NamedTuple):
    """What fixes the layout of a file."""

    steps: int
    cells: int
    n: int
    ones: int


def digest(x: NDArray | Spikes, y: NDArray) -> str:
    """Return the SHA-256 of a data set, for the record of a run.

    Parameters
    ----------
    x : array or Spikes
        Inputs, of any shape and type; where they are stored does not matter, but how does: an
        array and the `Spikes` of the same numbers have different digests.
    y : array
        Labels, of any shape and type.

    Returns
    -------
    str
        64 hexadecimal digits. Equal only if shapes, types and bytes are.
    """
    if isinstance(x, Spikes):
        counts = np.array([x.steps, x.cells], np.int64)
        return arrays_digest({"counts": counts, "starts": x.starts, "index": x.index, "y": y})
    return arrays_digest({"x": x, "y": y})


def load_or_build(
    path: Path | None, make: Callable[[], Iterable[Spikes]], y: NDArray[np.int64]
) -> SpikeSet:
    """Return a data set from its file, made and written if it is not there; without, from memory.

    Parameters
    ----------
    path : Path or None
        The file, named by all that its content depends on.
    make : callable
        Returns the recordings in parts, in order. Called only when they are needed.
    y : (n,) array of int64
        Their labels.

    Returns
    -------
    x : Spikes
        Mapped from the file where there is one.
    y : (n,) array of int64
        The labels.

    Raises
    ------
    ValueError
        If what was written is not what is read.
    """
    if path is None:
        return join_spikes(list(make())), y
    found = fetch(path)
    if found is None:
        store(path, make(), y)
        found = fetch(path)
    if found is None:
        raise ValueError(f"{path} must hold what was written to it, got something else")
    return found


def store(path: Path, parts: Iterable[Spikes], y: NDArray[np.int64]) -> None:
    """Write a data set part by part; only the size of every row is held in memory.

    Parameters
    ----------
    path : Path
        The file; its folder is made if it is not there.
    parts : iterable of Spikes
        At least one, all of the same steps and cells.
    y : (n,) array of int64
        Labels of all recordings.

    Raises
    ------
    ValueError
        If there are not as many labels as recordings, or the parts differ in kind.
    OSError
        If the file cannot be written; an older one stays as it was.
    """
    sizes: list[NDArray] = []
    kinds: set[tuple[int, int]] = set()
    check = hashlib.sha256()
    with open_atomic(path) as file:
        file.write(bytes(HEADER.size))
        for part in parts:
            _put(file, check, part.index, index_type(part.cells))
            sizes.append(np.diff(part.starts))
            kinds.add((part.steps, part.cells))
        if len(kinds) != 1:
            raise ValueError(f"parts must be of one number of steps and of cells, got {kinds}")
        starts = row_starts(np.concatenate(sizes))
        ((steps, cells),) = kinds
        counts = _Counts(steps, cells, len(y), int(starts[-1]))
        if counts.n * counts.steps + 1 != len(starts):
            raise ValueError(f"y must have one label per recording, got {len(y)}")
        _put(file, check, np.zeros(_padding(counts), np.uint8), np.uint8)
        _put(file, check, starts, np.int64)
        _put(file, check, y, np.int64)
        check.update(repr(counts).encode())
        file.seek(0)
        file.write(HEADER.pack(MAGIC, *counts, check.digest()))


def fetch(path: Path) -> SpikeSet | None:
    """Return what `store` wrote there, mapped and read-only, or None.

    Parameters
    ----------
    path : Path
        The file, which is read once, a megabyte at a time, to verify it.

    Returns
    -------
    (x, y) or None
        None if the file is absent, damaged, or not one of ours. The labels are in memory.
    """
    try:
        with path.open("rb") as file:
            counts = _verified(file)
        if counts is None:
            return None
        kind, start = _index_dtype(counts), _starts_at(counts)
        rows = counts.n * counts.steps + 1
        index = _mapped(path, kind, HEADER.size, counts.ones)
        starts = _mapped(path, np.dtype("<i8"), start, rows)
        y = np.fromfile(path, "<i8", counts.n, offset=start + 8 * rows)
        return Spikes(counts.steps, counts.cells, starts, index), y.astype(np.int64)
    except DAMAGE_ERRORS:
        return None


def _mapped(path: Path, kind: np.dtype, offset: int, n: int) -> NDArray:
    """Numbers in a file; there is no mapping of none."""
    if n == 0:
        return np.zeros(0, kind)
    return np.memmap(path, kind, "r", offset, (n,))


def _put(file: BinaryIO, check: "hashlib._Hash", numbers: NDArray, kind: type) -> None:
    """Write numbers, little-endian, and add them to the checksum."""
    content = np.ascontiguousarray(numbers, np.dtype(kind).newbyteorder("<")).data
    file.write(content)
    check.update(content)


def _verified(file: BinaryIO) -> _Counts | None:
    """What the header says, if the file is of that length and has the checksum."""
    magic, *numbers, expected = HEADER.unpack(file.read(HEADER.size))
    counts = _Counts(*numbers)
    size = os.fstat(file.fileno()).st_size
    if magic != MAGIC or min(counts) < 0 or not counts.cells or size != _size(counts):
        return None
    check, block = hashlib.sha256(), bytearray(BLOCK)
    while got := file.readinto(block):  # pyright: ignore[reportAttributeAccessIssue]
        check.update(memoryview(block)[:got])
    check.update(repr(counts).encode())
    return counts if check.digest() == expected else None


def _index_dtype(counts: _Counts) -> np.dtype:
    """How an index is stored."""
    return np.dtype(index_type(counts.cells)).newbyteorder("<")


def _padding(counts: _Counts) -> int:
    """Bytes that put what follows the index at a multiple of eight."""
    return -counts.ones * _index_dtype(counts).itemsize % 8


def _starts_at(counts: _Counts) -> int:
    """Where in the file the starts of the rows begin."""
    return HEADER.size + counts.ones * _index_dtype(counts).itemsize + _padding(counts)


def _size(counts: _Counts) -> int:
    """The length of the whole file."""
    return _starts_at(counts) + 8 * (counts.n * counts.steps + 1 + counts.n)
