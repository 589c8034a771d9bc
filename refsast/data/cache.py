"""A cache of binned recordings, which can be lost or damaged without harm.

Rule 1: the file's name is the hash of all that its content depends on.
Rule 2: it is written under another name and renamed when whole, so half a file is never seen.
Rule 3: what does not match its checksum is treated as absent, never as data.
Rule 4: it holds plain ``.npy`` arrays one after the other, as `numpy.save` appends them to an open
        file and `numpy.load` reads them back; nothing is ever unpickled::

            index    (ones,) of `index_type(cells)`, then zeros up to a multiple of eight bytes
            starts   (recordings * steps + 1,) int64
            labels   (recordings,) int64
            counts   (2,) int64: steps, cells
            check    (32,) uint8: SHA-256 of all bytes before these

Rule 5: it is written as it comes and mapped when opened, so a set need never be in memory.
        Nobody may cut a file that is mapped; one that is replaced stays as it was for its readers.
"""

import hashlib
import os
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
from numpy.lib import format as npy
from numpy.typing import ArrayLike, NDArray

from refsast.files import DAMAGE_ERRORS, arrays_digest, open_atomic
from refsast.spikes import Spikes, index_type, join_spikes, row_starts

SpikeSet: TypeAlias = tuple[Spikes, NDArray[np.int64]]

CHECK_BYTES = hashlib.sha256().digest_size


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

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast import data
    >>> x, y = rs.synthetic_digits(2, np.random.default_rng(0), steps=2)
    >>> data.digest(x, y) == data.digest(x.copy(), y)
    True
    """
    if isinstance(x, Spikes):
        counts = np.array([x.steps, x.cells], np.int64)
        return arrays_digest({"counts": counts, "starts": x.starts, "index": x.index, "y": y})
    return arrays_digest({"x": x, "y": y})


def load_or_build(
    path: Path | None, build: Callable[[], Iterable[Spikes]], y: NDArray[np.int64]
) -> SpikeSet:
    """Return a data set from its file, which is made if it is absent; without a path, from memory.

    `build` returns the recordings in parts, in order, and is called only if they are needed.
    Raises ValueError if what was written is not what is read.
    """
    if path is None:
        return join_spikes(list(build())), y
    found = fetch(path)
    if found is None:
        store(path, build(), y)
        found = fetch(path)
    if found is None:
        raise ValueError(f"{path} must hold what was written to it, got something else")
    return found


def store(path: Path, parts: Iterable[Spikes], y: NDArray[np.int64]) -> None:
    """Write a data set part by part; only the size of every row is held in memory.

    Raises ValueError if there are not as many labels as recordings, or the parts differ in steps or
    cells; OSError if the file cannot be written. An older file stays as it was then.
    """
    sizes: list[NDArray] = []
    kinds: set[tuple[int, int]] = set()
    with open_atomic(path) as file:
        # The header's place; it is written again when type and length are known.
        file.write(_index_header(np.uint16, 0))
        for part in parts:
            kinds.add((part.steps, part.cells))
            sizes.append(np.diff(part.starts))
            file.write(_little_endian(part.index, index_type(part.cells)).data)
        if len(kinds) != 1:
            raise ValueError(f"parts must be of one number of steps and of cells, got {kinds}")
        ((steps, cells),) = kinds
        starts = row_starts(np.concatenate(sizes))
        if len(y) * steps + 1 != len(starts):
            raise ValueError(f"y must have one label per recording, got {len(y)}")
        file.write(bytes(-file.tell() % 8))  # so that the 64-bit numbers that follow are aligned
        end = file.tell()
        for numbers in (starts, y, [steps, cells]):
            np.save(file, _little_endian(numbers, np.int64))
        np.save(file, np.zeros(CHECK_BYTES, np.uint8))
        kind = index_type(cells)
        file.seek(0)
        header = _index_header(kind, 0)
        file.write(_index_header(kind, (end - len(header)) // np.dtype(kind).itemsize))
        file.flush()
        # Read back rather than added up on the way: the header, which came last, comes first.
        checksum = _checksum(np.memmap(file.name, mode="r"))
        file.seek(-CHECK_BYTES, os.SEEK_END)
        file.write(checksum)


def fetch(path: Path) -> SpikeSet | None:
    """Return what `store` wrote, mapped and read-only, with the labels in memory.

    None if the file is absent, damaged, or not one of ours; all of it is read once to verify it.
    """
    try:
        content = np.memmap(path, mode="r")  # an empty file cannot be mapped: ValueError
        if _checksum(content) != content[-CHECK_BYTES:].tobytes():
            return None
        with path.open("rb") as file:
            index, starts, labels, (steps, cells), _ = (_map_next(file, content) for _ in range(5))
        if len(starts) != len(labels) * steps + 1 or starts[-1] > len(index):
            return None
        return Spikes(int(steps), int(cells), starts, index[: starts[-1]]), labels.astype(np.int64)
    except DAMAGE_ERRORS:
        return None


def _checksum(content: NDArray[np.uint8]) -> bytes:
    """The SHA-256 of all bytes of a file but those that hold it."""
    return hashlib.sha256(content[:-CHECK_BYTES].data).digest()


def _map_next(file: BinaryIO, content: NDArray[np.uint8]) -> NDArray:
    """The next array in a file of several, as a part of the whole file's map."""
    npy.read_magic(file)
    (n,), _, kind = npy.read_array_header_1_0(file)
    start = file.tell()
    file.seek(n * kind.itemsize, os.SEEK_CUR)
    return content[start : file.tell()].view(kind)


def _index_header(kind: type, n: int) -> bytes:
    """What `numpy.save` writes before `n` numbers; NumPy makes it equally long for every `n`."""
    buffer = BytesIO()
    descr = np.dtype(kind).newbyteorder("<").str
    npy.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": (n,)})
    return buffer.getvalue()


def _little_endian(numbers: ArrayLike, kind: type) -> NDArray:
    return np.ascontiguousarray(numbers, np.dtype(kind).newbyteorder("<"))
