"""A cache of binned recordings, which can be lost or damaged without harm.

Rule 1: the file's name is the hash of all that its content depends on.
Rule 2: it is written under another name and renamed when whole, so half a file is never seen.
Rule 3: what does not match its checksum is treated as absent, never as data.
Rule 4: it holds plain arrays; nothing is ever unpickled.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refsast.files import digest_of, read_arrays, write_arrays


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
    return digest_of({"x": x, "y": y})


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
    packed = np.packbits(x, axis=-1)
    write_arrays(path, {"packed": packed, "shape": np.array(x.shape), "y": y})


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
        arrays = read_arrays(path)
        return np.unpackbits(arrays["packed"], axis=-1, count=int(arrays["shape"][-1])), arrays["y"]
    except (ValueError, KeyError):
        return None
