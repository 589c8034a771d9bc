"""Files of event cameras that are not in the 40-bit format, told apart so that errors name them.

Rule 1: a header is looked for before anything is parsed; a format without one only where parsing
        has failed, since any bytes may be events.
"""

import re

import numpy as np
from numpy.typing import NDArray

HEADERS = (
    (b"#!AER-DAT", "AEDAT"),
    (b"% Date ", "a file of a Prophesee camera (DAT or RAW)"),
    (b"% evt ", "a file of a Prophesee camera (RAW)"),
    (b"% Version", "a file of a Prophesee camera (DAT)"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x93NUMPY", "an array of NumPy (.npy)"),
)
VERSION_LENGTH = 8  # of "3.1" and the like; longer is no version


def recognize_header(buffer: bytes) -> str | None:
    r"""Return the name of the format whose header a file begins with, or None.

    Examples
    --------
    >>> recognize_header(b"#!AER-DAT3.1\r\n#Format: RAW\r\n")
    'AEDAT 3.1'
    """
    name = next((name for start, name in HEADERS if buffer.startswith(start)), None)
    if name != "AEDAT":
        return name
    line = buffer[len(HEADERS[0][0]) :].split(b"\n", 1)[0].strip()
    version = line[:VERSION_LENGTH].decode("latin-1")
    return f"AEDAT {version}" if re.fullmatch(r"\d+(\.\d+)*", version) else "AEDAT"


def recognize_layout(buffer: bytes, size: tuple[int, int]) -> str | None:
    """Return what events without a header seem to be, if all of them make sense as that.

    `size` is the height and width that they must lie on.
    """
    for width, name, read in LAYOUTS:
        if buffer and len(buffer) % width == 0:
            t, x, y = read(buffer)
            inside = (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])
            if inside.all() and (np.diff(t) >= 0).all():
                return f"{name}, {width} bytes each"
    return None


def _read_words(buffer: bytes) -> tuple[NDArray, NDArray, NDArray]:
    """Little-endian words: time, then x in bits 0 to 8, y in bits 9 to 16, polarity in bit 18."""
    t, address = np.frombuffer(buffer, "<u4").reshape(-1, 2).T.astype(np.int64)
    return t, address & 0x1FF, address >> 9 & 0xFF


def _read_wide(buffer: bytes) -> tuple[NDArray, NDArray, NDArray]:
    """Big-endian: x and y of 16 bits, polarity in the highest bit of 64, time in the others."""
    events = np.frombuffer(buffer, [("x", ">u2"), ("y", ">u2"), ("t", ">u8")])
    t = (events["t"] & np.uint64(2**63 - 1)).astype(np.int64)
    return t, events["x"].astype(np.int64), events["y"].astype(np.int64)


LAYOUTS = (
    (8, "events of an ATIS in little-endian words", _read_words),
    (12, "events of the 96-bit variant", _read_wide),
)
