r"""AEDAT 3.1: events in packets, as jAER's successors write them and DVS128 Gesture is published.

A file is a text header, from ``#!AER-DAT3.1\r\n`` to ``#!END-HEADER\r\n``, then packets. All
numbers are little-endian. A packet is a header of 28 bytes, then `number` events of `size` bytes::

    int16 type, source        int32 size, time offset, time overflow, capacity, number, valid

An event of type 1, polarity, is a uint32 and an int32 of time, in microseconds::

    bit 0  valid        bit 1  polarity, 1 for ON        bits 2-16  y        bits 17-31  x

The time overflow of its packet counts how often those 31 bits of time had started over. Packets of
other types (special events, frames, inertial measurements) are passed over.

References
----------
iniVation, "File formats", AEDAT 3.1; libcaer, ``events/common.h`` and ``events/polarity.h``.
"""

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from refsast.data.events import Events, make_events, take, validate_events
from refsast.data.foreign_formats import recognize_header

START, END = b"#!AER-DAT3.1\r\n", b"#!END-HEADER\r\n"
PACKET = struct.Struct("<hhiiiiii")
POLARITY_TYPE, POLARITY_SIZE = 1, 8
TIME_BITS = 31
COORDINATE = 0x7FFF


def parse_aedat(buffer: bytes, *, size: tuple[int, int], name: str = "buffer") -> Events:
    r"""Return the polarity events that an AEDAT 3.1 file holds.

    Parameters
    ----------
    buffer : bytes
        The whole file. One without packets is a valid, empty recording.
    size : (int, int)
        Height and width of the sensor, in pixels.
    name : str
        What the messages call the recording, such as its file.

    Returns
    -------
    Events
        In time order, those that are marked invalid left out. Times are as in the file, not from
        the start of the recording.

    Raises
    ------
    ValueError
        If the file is of another format, its header or a packet is cut, or an event lies outside
        the sensor.

    Examples
    --------
    >>> import struct
    >>> header = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#!END-HEADER\r\n"
    >>> event = struct.pack("<Ii", 3 << 17 | 4 << 2 | 1 << 1 | 1, 250)  # ON at (3, 4)
    >>> packet = struct.pack("<hhiiiiii", 1, 0, 8, 4, 0, 1, 1, 1) + event
    >>> events = parse_aedat(header + packet, size=(128, 128))
    >>> events.t, events.x, events.y, events.p
    (array([250]), array([3], dtype=int16), array([4], dtype=int16), array([1], dtype=uint8))
    """
    if not buffer.startswith(START):
        got = recognize_header(buffer) or f"{buffer[:12]!r}"
        raise ValueError(f"{name} must be in the format AEDAT 3.1, got {got}")
    first = buffer.find(END) + len(END)
    if first < len(START):
        raise ValueError(f"{name} must have a header that ends, got {len(buffer)} bytes of it")
    words, times = [np.zeros(0, np.uint32)], [np.zeros(0, np.int64)]
    for overflow, events in _polarity_packets(buffer, first, name):
        words.append(events["word"])
        times.append(events["t"] | np.int64(overflow << TIME_BITS))
    word, t = np.concatenate(words), np.concatenate(times)
    found = make_events(t, word >> 17, word >> 2 & COORDINATE, word >> 1 & 1)
    found = take(found, (word & 1).astype(bool))
    if (np.diff(found.t) < 0).any():  # order is promised within a packet only
        found = take(found, np.argsort(found.t, kind="stable"))
    return validate_events(found, size=size, name=name)


def _polarity_packets(buffer: bytes, at: int, name: str) -> Iterator[tuple[int, NDArray]]:
    """The events of every packet of polarity events, and how often time had started over."""
    kind = np.dtype([("word", "<u4"), ("t", "<i4")])
    while at < len(buffer):
        rest = len(buffer) - at
        if rest < PACKET.size:
            raise ValueError(f"{name} must end with a whole packet, got {rest} bytes of a header")
        event_type, _, size, _, overflow, _, number, _ = PACKET.unpack_from(buffer, at)
        if min(event_type, overflow, number) < 0 or size < 1:
            raise ValueError(f"{name} must hold packets, got none at byte {at}")
        if event_type == POLARITY_TYPE and size != POLARITY_SIZE:
            wanted = f"{name} must have polarity events of {POLARITY_SIZE} bytes"
            raise ValueError(f"{wanted}, got {size} at byte {at}")
        at += PACKET.size
        if at + size * number > len(buffer):
            raise ValueError(
                f"{name} must end with a whole packet, got {len(buffer) - at} of the "
                f"{size * number} bytes of its events"
            )
        if event_type == POLARITY_TYPE:
            yield overflow, np.frombuffer(buffer, kind, number, at)
        at += size * number
