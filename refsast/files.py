"""Atomic writes, and archives of arrays with a digest."""

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
    """Write a file in one step: after a crash it holds the old content or the new, never less.

    Its folder is made if it is missing. A ValueError says so where the file cannot be written.
    """
    try:
        with open_atomic(path) as file:
            file.write(content)
    except OSError as error:
        raise ValueError(f"{path} must be writable, got {error.strerror}") from error


@contextmanager
def open_atomic(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` when the context ends without an error.

    Its folder is made if it is missing. Where an OSError is raised, an older file stays as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # else a power cut may leave the new name with no content
        temporary.replace(path)
    except BaseException:  # an interrupt, too, leaves no temporary file behind
        if temporary.is_file():
            temporary.unlink()
        raise


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of writers that were killed; nobody may be writing there."""
    for path in folder.glob(".*.part"):
        path.unlink(missing_ok=True)


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, NDArray]) -> None:
    """Write arrays, by name, as an ``.npz`` archive with a digest of them all."""
    write_npz(path, {**arrays, DIGEST_KEY: np.array(arrays_digest(arrays))})


def write_npz(path: str | os.PathLike[str], arrays: Mapping[str, NDArray]) -> None:
    """Write arrays, by name, as an ``.npz`` archive; the same arrays give the same bytes.

    A ValueError says so where the file cannot be written, or an array holds objects.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)  # pyright: ignore[reportArgumentType]
    write_atomic(path, buffer.getvalue())


def read_arrays(path: str | os.PathLike[str]) -> dict[str, NDArray]:
    """Return what `write_arrays` wrote, to the bit; raise ValueError where the digest differs."""
    arrays = read_npz(path)
    if str(arrays.pop(DIGEST_KEY, "")) != arrays_digest(arrays):
        raise ValueError(f"{path} must be an undamaged archive of arrays, got another digest")
    return arrays


def read_npz(path: str | os.PathLike[str]) -> dict[str, NDArray]:
    """Return the arrays of any ``.npz`` archive, by name; nothing is ever unpickled.

    A ValueError says so where the file is missing or damaged, or an array holds objects.
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


# All that NumPy and zipfile were seen to raise when they read damaged bytes.
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


def require_writable(path: Path | None) -> None:
    """Raise ValueError, before the work, where its result could not be written. Makes nothing."""
    if path is None:
        return
    parents = (folder for folder in path.absolute().parents if folder.exists())
    if path.is_dir() or not ((parent := next(parents)).is_dir() and os.access(parent, os.W_OK)):
        raise ValueError(f"{path} must be writable, got a folder, or a place where nothing can be")
