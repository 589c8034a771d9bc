"""A cache of binned recordings, which can be lost or damaged without harm.

Rule 1: the file's name is the hash of all that its content depends on.
Rule 2: it is written under another name and renamed when whole, so half a file is never seen.
Rule 3: what does not match its checksum is treated as absent, never as data.
Rule 4: it holds plain arrays; nothing is ever unpickled.
"""

import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refsast.data.archive import DAMAGE


def digest(x: NDArray, y: NDArray) -> str:
    """Return the SHA-256 of a data set, for the record of a run.

    Parameters
    ----------
    x, y : array
        Inputs and labels, of any shape and type.

    Returns
    -------
    str
        64 hexadecimal digits. Equal only if shapes, types and bytes are.
    """
    h = hashlib.sha256()
    for array in (x, y):
        h.update(f"{array.dtype.str}{array.shape}".encode())
        h.update(np.ascontiguousarray(array).data)
    return h.hexdigest()


def store(path: Path, x: NDArray[np.uint8], y: NDArray[np.int64]) -> None:
    """Write binary inputs and their labels, eight cells to the byte.

    Parameters
    ----------
    path : Path
        The file; its folder is made if it is not there.
    x : (time, n, cells) array of uint8
        Zeros and ones.
    y : (n,) array of int64
        Labels.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    packed, shape = np.packbits(x, axis=-1), np.array(x.shape)
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            check = np.array(_checksum(packed, shape, y))
            np.savez(file, packed=packed, shape=shape, y=y, check=check)
        os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def fetch(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]] | None:
    """Return what `store` wrote there, or None.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    (x, y) or None
        None if the file is absent, damaged, or not one of ours.
    """
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            packed, shape, y = file["packed"], file["shape"], file["y"]
            if str(file["check"]) != _checksum(packed, shape, y):
                return None
    except (*DAMAGE, ValueError, TypeError, AttributeError, SyntaxError, MemoryError):
        return None
    return np.unpackbits(packed, axis=-1, count=int(shape[-1])), y


def _checksum(packed: NDArray, shape: NDArray, y: NDArray) -> str:
    """The digest of all three arrays."""
    return digest(packed, y) + digest(shape, y)[:16]
