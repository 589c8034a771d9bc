"""Events of an event camera, and the 40-bit format in which N-MNIST stores them.

An event is five bytes, big-endian, and a file is nothing but events in time order::

    bits 39-32  x           bit  23    polarity: 0 OFF (darker), 1 ON (brighter)
    bits 31-24  y           bits 22-0  time in microseconds

An event with y = 240 is no event but a marker: 8192 microseconds are added to
all later times and the marker is dropped. No room is left for a header, a
sensor size or a checksum, so all that can be checked is checked here.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refsast.data.foreign_formats import recognize_header, recognize_layout
from refsast.files import write_atomic

SIZE = (34, 34)  # height and width of an N-MNIST recording, in pixels
EVENT_BYTES = 5
MARKER_Y = 240
MARKER_STEP = 1 << 13  # microseconds
TIME_LIMIT = 1 << 23  # microseconds, the first time that does not fit
COORDINATE_LIMIT = 1 << 8


@dataclass(frozen=True, eq=False)
class Events:
    """Events in time order, one array per field, all of one length.

    Attributes
    ----------
    t : (n,) array of int64
        Times, in microseconds from the start of the recording. Never decreasing.
    x, y : (n,) array of int16
        Column and row, in pixels from the upper left corner.
    p : (n,) array of uint8
        Polarity: 1 where the pixel became brighter (ON), 0 where darker (OFF).

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> t, x, y, p = np.array([[0, 7], [1, 2], [3, 4], [1, 0]])
    >>> events = rs.Events(t, x, y, p)
    >>> rs.bin_events(events, steps=2, duration=10).sum(axis=1)
    array([1, 1], dtype=uint64)
    """

    t: NDArray[np.int64]
    x: NDArray[np.int16]
    y: NDArray[np.int16]
    p: NDArray[np.uint8]

    def __post_init__(self) -> None:
        for name in ("t", "x", "y", "p"):
            field = getattr(self, name)
            if field.dtype.kind not in "iu":
                raise ValueError(f"{name} must hold integers, got dtype {field.dtype}")
            if field.shape != (self.t.size,):
                raise ValueError(f"{name} must have shape ({self.t.size},), got {field.shape}")

    def __len__(self) -> int:
        """Return the number of events."""
        return self.t.size


def make_events(t: NDArray, x: NDArray, y: NDArray, p: NDArray) -> Events:
    """Return the record of these fields, converted to the types that `Events` promises."""
    return Events(t.astype(np.int64), x.astype(np.int16), y.astype(np.int16), p.astype(np.uint8))


def take(events: Events, which: NDArray | slice) -> Events:
    """Return the events picked by a mask, or by indices that keep the time order."""
    return Events(events.t[which], events.x[which], events.y[which], events.p[which])


def cut_window(events: Events, start: int, end: int) -> Events:
    """Return the events from `start` on and before `end`, with times from `start`."""
    part = take(events, slice(*np.searchsorted(events.t, (start, end))))
    return replace(part, t=part.t - start)


def validate_events(
    events: Events, *, size: tuple[int, int] = SIZE, name: str = "events"
) -> Events:
    """Return `events` if they are in order and on the sensor; `name` is for the message.

    Raises ValueError if a time is negative or smaller than the one before it, an event lies outside
    the sensor, or a polarity is neither 0 nor 1.
    """
    height, width = size
    if not (height >= 1 and width >= 1):
        raise ValueError(f"size must be at least (1, 1), got {size}")
    outside = (events.x < 0) | (events.x >= width) | (events.y < 0) | (events.y >= height)
    if outside.any():
        i = int(outside.argmax())
        raise ValueError(
            f"{name} must lie on a sensor of {height} x {width} pixels (height x width), "
            f"got x = {events.x[i]}, y = {events.y[i]} at event {i}"
        )
    backwards = np.diff(events.t, prepend=0) < 0
    if backwards.any():
        i = int(backwards.argmax())
        before = events.t[i - 1] if i else 0
        raise ValueError(
            f"{name} must be in time order, got {events.t[i]} us after {before} us at event {i}"
        )
    if ((events.p < 0) | (events.p > 1)).any():
        raise ValueError(f"{name} must have polarities 0 or 1, got {events.p.max()}")
    return events


def parse_events(buffer: bytes, *, size: tuple[int, int] = SIZE, name: str = "buffer") -> Events:
    """Return the events that `buffer` encodes.

    Parameters
    ----------
    buffer : bytes
        Events of five bytes each. Empty bytes are a valid, empty recording.
    size : (int, int)
        Height and width of the sensor, in pixels.
    name : str
        What the messages call the recording, such as its file.

    Returns
    -------
    Events
        The events, overflow markers applied and dropped.

    Raises
    ------
    ValueError
        If the number of bytes is no multiple of five, an event lies outside
        the sensor, or the times, markers applied, ever decrease. A header of
        AEDAT and other formats is named, and so is a clock that wrapped.

    References
    ----------
    Orchard et al., "Converting Static Image Datasets to Spiking Neuromorphic
    Datasets Using Saccades", Frontiers in Neuroscience 9:437, 2015.

    Examples
    --------
    >>> parse_events(bytes([3, 4, 0x80, 1, 0])).t
    array([256])
    """
    if header := recognize_header(buffer):
        raise ValueError(
            f"{name} must be in the 40-bit format of N-MNIST, got {header}: convert it first"
        )
    try:
        return _parse_plain(buffer, size, name)
    except ValueError:
        if layout := recognize_layout(buffer, size):
            wanted = f"{name} must be in the 40-bit format of N-MNIST"
            raise ValueError(f"{wanted}, got what seem to be {layout}: convert them") from None
        raise


def _parse_plain(buffer: bytes, size: tuple[int, int], name: str) -> Events:
    """The events of a buffer without a header; errors as `parse_events`."""
    if len(buffer) % EVENT_BYTES:
        raise ValueError(f"{name} must hold events of 5 bytes each, got {len(buffer)} bytes")
    x, y, high, middle, low = np.frombuffer(buffer, np.uint8).reshape(-1, EVENT_BYTES).T
    t = (high & 0x7F).astype(np.int64) << 16 | middle.astype(np.int64) << 8 | low
    marker = y == MARKER_Y
    t += MARKER_STEP * np.cumsum(marker)
    events = take(make_events(t, x, y, high >> 7), ~marker)
    wrapped = np.diff(events.t) < -(TIME_LIMIT // 2)
    if wrapped.any():
        i = int(wrapped.argmax()) + 1
        raise ValueError(
            f"{name} must be in time order, got {events.t[i]} us after {events.t[i - 1]} us at "
            f"event {i}: a clock of 23 bits starts over every {TIME_LIMIT} us (8.4 s); cut the "
            "recording there, or write overflow markers"
        )
    return validate_events(events, size=size, name=name)


def read_events(path: str | os.PathLike[str], *, size: tuple[int, int] = SIZE) -> Events:
    """Return the events in a file.

    Parameters
    ----------
    path : path
        A file in the 40-bit format. An empty file is a valid, empty recording.
    size : (int, int)
        Height and width of the sensor, in pixels; (128, 128) for the DVS128.

    Returns
    -------
    Events
        The events, overflow markers applied and dropped.

    Raises
    ------
    ValueError
        As `parse_events`, the message naming the file.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast import data
    >>> from tempfile import TemporaryDirectory
    >>> from pathlib import Path
    >>> events = data.synthetic_events(7, np.random.default_rng(0))
    >>> with TemporaryDirectory() as folder:
    ...     rs.write_events(Path(folder, "seven.bin"), events)
    ...     again = rs.read_events(Path(folder, "seven.bin"))
    >>> bool(np.array_equal(again.t, events.t))
    True
    """
    return parse_events(Path(path).read_bytes(), size=size, name=str(path))


def encode_events(events: Events) -> bytes:
    """Return the bytes from which `parse_events` returns `events`.

    Parameters
    ----------
    events : Events
        The recording. May be empty.

    Returns
    -------
    bytes
        Five bytes per event, without overflow markers.

    Raises
    ------
    ValueError
        If the format cannot hold the events: a time of 2**23 microseconds or
        more, a coordinate above 255, an event in row 240 (it would read as a
        marker), or whatever `validate_events` refuses.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast import data
    >>> t, x, y, p = np.array([[0, 7], [1, 2], [3, 4], [1, 0]])
    >>> events = rs.Events(t, x, y, p)
    >>> data.encode_events(events).hex(" ", 5)
    '0103800000 0204000007'
    """
    validate_events(events, size=(COORDINATE_LIMIT, COORDINATE_LIMIT))
    if (events.y == MARKER_Y).any():
        raise ValueError(
            f"y must not be {MARKER_Y}, which is the overflow marker, got such an event"
        )
    if (events.t >= TIME_LIMIT).any():
        raise ValueError(f"t must be below {TIME_LIMIT} us, got {events.t.max()}")
    high = events.p.astype(np.int64) << 7 | events.t >> 16
    fields = (events.x, events.y, high, events.t >> 8 & 0xFF, events.t & 0xFF)
    return np.stack([field.astype(np.uint8) for field in fields], axis=1).tobytes()


def write_events(path: str | os.PathLike[str], events: Events) -> None:
    """Write a recording in the 40-bit format.

    Parameters
    ----------
    path : path
        The file, overwritten as a whole if it exists.
    events : Events
        The recording. May be empty.

    Raises
    ------
    ValueError
        As `encode_events`; nothing is written then.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast import data
    >>> from tempfile import TemporaryDirectory
    >>> from pathlib import Path
    >>> events = data.synthetic_events(7, np.random.default_rng(0))
    >>> with TemporaryDirectory() as folder:
    ...     rs.write_events(Path(folder, "seven.bin"), events)
    ...     size = Path(folder, "seven.bin").stat().st_size
    >>> size == 5 * len(events.t)  # 40 bits per event
    True
    """
    write_atomic(path, encode_events(events))
