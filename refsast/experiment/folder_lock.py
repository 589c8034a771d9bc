"""One process at a time writes into a folder."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK = ".lock"
FAR = 2**30  # the byte that is locked on Windows: beyond the text, so that others may read that


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Make a folder and hold it until the context ends; ValueError where another process does.

    The operating system frees the lock of a process that has ended, however it ended.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"out must be a folder to write in, got {folder}") from error
    path = folder / LOCK
    file = _open_and_lock(path)
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
        file.flush()
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file; the lock ends all the same
            path.unlink()
        file.close()


def _open_and_lock(path: Path) -> BinaryIO:
    """The lock file, open and locked."""
    while True:
        file = path.open("a+b")
        try:
            _lock(file)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().decode(errors="replace") or "another process"
            file.close()
            raise ValueError(
                f"out must be a folder that nothing else writes into, got {path.parent}, in use by "
                f"{holder}"
            ) from error
        # Its last holder may have removed the file between the two calls: then it locks nothing.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()


def _lock(file: BinaryIO) -> None:
    """Lock an open file; BlockingIOError where another process has done so."""
    if sys.platform != "win32":
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    file.seek(FAR)
    try:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError as error:
        raise BlockingIOError from error
