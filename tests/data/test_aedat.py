"""AEDAT 3.1: what an independent writer wrote is read, and what is cut is named."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsast.data import parse_aedat
from tests.data.gesture_files import FRAME, HEADER, SPECIAL, aedat, packet

SENSOR = (128, 128)
pixels = st.integers(0, 127)
times = st.integers(0, 2**31 - 1)
events = st.tuples(times, pixels, pixels, st.integers(0, 1))


@given(st.lists(events, max_size=12).map(sorted), st.integers(0, 3), st.integers(0, 12))
def test_what_was_written_is_read(rows, overflow, cut):
    parts = packet(rows[:cut], overflow=overflow), packet(rows[cut:], overflow=overflow)
    found = parse_aedat(aedat(*parts), size=SENSOR)

    want = [(t + overflow * 2**31, x, y, p) for t, x, y, p in rows]
    got = list(zip(*(c.tolist() for c in (found.t, found.x, found.y, found.p)), strict=True))
    assert got == want


def test_invalid_events_and_other_packets_are_passed_over():
    first = packet([(1, 2, 3, 1), (2, 9, 9, 0, 0)])
    other = packet([(3, 5, 5, 1)], kind=SPECIAL), packet([(4, 6, 6, 1)], kind=FRAME, size=4)
    found = parse_aedat(aedat(first, *other, packet([(7, 4, 5, 0)])), size=SENSOR)

    assert found.t.tolist() == [1, 7]
    assert found.x.tolist() == [2, 4]


def test_packets_out_of_order_are_put_in_order():
    found = parse_aedat(aedat(packet([(9, 1, 0, 1)]), packet([(4, 2, 0, 1)])), size=SENSOR)

    assert found.t.tolist() == [4, 9]
    assert found.x.tolist() == [2, 1]


def test_time_that_starts_over_goes_on():
    late = packet([(2**31 - 1, 1, 1, 1)]), packet([(0, 1, 1, 0)], overflow=1)

    assert np.diff(parse_aedat(aedat(*late), size=SENSOR).t).tolist() == [1]


WHOLE = aedat(packet([(1, 2, 3, 1), (2, 3, 4, 0)]))
DAMAGED = {
    "another version": (b"#!AER-DAT2.0\r\n", "a must be in the format AEDAT 3.1, got AEDAT 2.0"),
    "something else": (bytes(40), "a must be in the format AEDAT 3.1, got b"),
    "no end of the header": (HEADER[:-9], "a must have a header that ends"),
    "a cut packet": (WHOLE[:-3], "a must end with a whole packet, got 13 of the 16 bytes"),
    "a cut packet's header": (WHOLE + bytes(9), "a must end with a whole packet, got 9 bytes of"),
    "no packet": (WHOLE + b"\xff" * 28, f"a must hold packets, got none at byte {len(WHOLE)}"),
    "another size": (aedat(packet([(1, 2, 3, 1)], size=4)), "polarity events of 8 bytes, got 4"),
    "off the sensor": (aedat(packet([(1, 128, 3, 1)])), "a must lie on a sensor of 128 x 128"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_named(name):
    content, words = DAMAGED[name]
    with pytest.raises(ValueError, match=r"^a must") as error:
        parse_aedat(content, size=SENSOR, name="a")

    assert words in str(error.value)
    assert "\n" not in str(error.value)
