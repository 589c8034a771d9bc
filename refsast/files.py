"""Files that are whole or not there, and archives of arrays that know when they are damaged."""

import hashlib
import io
import os
import secrets
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

DIGEST_KEY = "sha256"  # the entry of an archive that holds the digest of all others


def write_atomic(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that a reader, or a kill, meets the old content or the new, never less.

    Parameters
    ----------
    path : path
        The file; its folder is made if it is not there.
    content : bytes
        All of it.

    Raises
    ------
    ValueError
        If the file cannot be written; an older one stays as it was.
    """
    try:
        with open_atomic(path) as file:
            file.write(content)
    except OSError as error:
        raise ValueError(f"{path} must be writable, got {error.strerror}") from error


@contextmanager
def open_atomic(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name when the context ends without an error.

    Parameters
    ----------
    path : path
        The file; its folder is made if it is not there.

    Yields
    ------
    file
        Open under another name, for writing in any order.

    Raises
    ------
    OSError
        If the file cannot be written; an older one stays as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        if temporary.is_file():
            temporary.unlink()
        raise


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, NDArray]) -> None:
    """Write arrays as an ``.npz`` archive with a digest of them all.

    Parameters
    ----------
    path : path
        The file; written whole or not at all.
    arrays : mapping of ndarray
        By name, of any dtype but object.

    Raises
    ------
    ValueError
        If the file cannot be written, or an array holds objects.
    """
    write_npz(path, {**arrays, DIGEST_KEY: np.array(arrays_digest(arrays))})


def write_npz(path: str | os.PathLike[str], arrays: Mapping[str, NDArray]) -> None:
    """Write arrays as an ``.npz`` archive; the same arrays give the same bytes.

    Parameters
    ----------
    path : path
        The file; written whole or not at all.
    arrays : mapping of ndarray
        By name, of any dtype but object.

    Raises
    ------
    ValueError
        If the file cannot be written, or an array holds objects.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)  # pyright: ignore[reportArgumentType]
    write_atomic(path, buffer.getvalue())


def read_arrays(path: str | os.PathLike[str]) -> dict[str, NDArray]:
    """Return what `write_arrays` wrote, to the bit; nothing is ever unpickled.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    dict of ndarray
        By name.

    Raises
    ------
    ValueError
        If the file is missing, damaged, or not one of ours.
    """
    arrays = read_npz(path)
    if str(arrays.pop(DIGEST_KEY, "")) != arrays_digest(arrays):
        raise ValueError(f"{path} must be an undamaged archive of arrays, got another digest")
    return arrays


def read_npz(path: str | os.PathLike[str]) -> dict[str, NDArray]:
    """Return the arrays of anybody's ``.npz`` archive; nothing is ever unpickled.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    dict of ndarray
        By name.

    Raises
    ------
    ValueError
        If the file is missing or damaged, or an array holds objects.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{path} must be readable, got {error.strerror}") from error
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except DAMAGE_ERRORS as error:
        raise ValueError(f"{path} must be an undamaged archive of arrays, got {error}") from error


# What NumPy and zipfile raise on bytes that are not what they should be.
DAMAGE_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    SyntaxError,
    MemoryError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


def arrays_digest(arrays: Mapping[str, NDArray]) -> str:
    """The SHA-256 of all arrays, with their names, types and shapes."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype} {array.shape} ".encode())
        total.update(array.data)
    return total.hexdigest()
