"""AEDAT 3.1 and the archive of DVS128 Gesture, written from their published description.

Nothing here is shared with the reader: numbers are packed one by one by `struct`.
"""

import io
import struct
import tarfile

HEADER = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n"
SPECIAL, POLARITY, FRAME = 0, 1, 2


def packet(events, *, kind=POLARITY, overflow=0, size=8, valid=None):
    """One packet: a header of 28 bytes, and (t, x, y, p) or (t, x, y, p, valid) of 8 bytes each."""
    body = b""
    for t, x, y, p, *mark in events:
        body += struct.pack("<I", (x << 17) + (y << 2) + (p << 1) + (mark[0] if mark else 1))
        body += struct.pack("<i", t)
    n = len(body) // size
    head = struct.pack("<h", kind) + struct.pack("<h", 1) + struct.pack("<i", size)
    head += struct.pack("<i", 4) + struct.pack("<i", overflow)
    head += struct.pack("<i", n) + struct.pack("<i", n) + struct.pack("<i", n)
    return head + body


def aedat(*packets):
    return HEADER + b"".join(packets)


def beat(label, start, end):
    """A few events of a gesture, which its label tells apart: one every 100 ms."""
    return [(t, 8 * label, 120 - 8 * label, label % 2) for t in range(start, end, 100_000)]


def table(*rows):
    lines = ["class,startTime_usec,endTime_usec", *(",".join(map(str, row)) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


SECOND = 1_000_000
# (official class, start, end): all eleven, two seconds each, class 8 twice as in the archive.
ROWS = [
    (label, (3 * k + 1) * SECOND, (3 * k + 3) * SECOND)
    for k, label in enumerate([*range(1, 12), 8])
]


def trial(rows=ROWS):
    """Recording and table of one trial."""
    packets = [packet(beat(*row)) for row in rows]
    packets.insert(1, packet([(5, 0, 0, 0)], kind=SPECIAL))
    return aedat(*packets), table(*rows)


def files():
    """The files of a small archive: three trials of two people to train, one of another to test."""
    out = {}
    for name in ("user01_lab", "user01_led", "user02_lab", "user24_natural"):
        out[f"{name}.aedat"], out[f"{name}_labels.csv"] = trial()
    out["trials_to_train.txt"] = b"user01_lab.aedat\nuser01_led.aedat\nuser02_lab.aedat\n\n"
    out["trials_to_test.txt"] = b"user24_natural.aedat\n"
    out["README.txt"] = b"DVS128 Gesture\n"
    return out


def write_archive(path, contents):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"DvsGesture/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path
