import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsast.data import Events, encode_events, parse_events, read_events, write_events
from refsast.data.events import make_events
from tests.data.event_strategies import files, recordings, tokens

FIELDS = ("t", "x", "y", "p")


def same(a, b):
    return all(np.array_equal(getattr(a, f), getattr(b, f)) for f in FIELDS)


def one(t=0, x=0, y=0, p=0):
    return make_events(*(np.array([v]) for v in (t, x, y, p)))


def five_bytes(t, x, y, p):
    """The format once more, from its description, by integer arithmetic alone."""
    return (x << 32 | y << 24 | p << 23 | t).to_bytes(5, "big")


@given(recordings())
def test_the_bytes_are_those_of_the_description(events):
    rows = zip(*(getattr(events, f).tolist() for f in FIELDS), strict=True)

    assert encode_events(events) == b"".join(five_bytes(*row) for row in rows)


@given(recordings())
def test_reading_undoes_writing(events):
    read = parse_events(encode_events(events))

    assert same(read, events)
    assert [getattr(read, f).dtype for f in FIELDS] == [np.int64, np.int16, np.int16, np.uint8]


@given(st.binary(max_size=60) | files())
def test_any_bytes_are_events_or_a_value_error(buffer):
    try:
        events = parse_events(buffer)
    except ValueError:
        return
    assert len(buffer) % 5 == 0
    assert (np.diff(events.t) >= 0).all()
    assert max(events.x.max(initial=0), events.y.max(initial=0)) < 34
    assert len(events) + buffer[1::5].count(240) == len(buffer) // 5


@given(files())
def test_what_is_read_without_markers_is_written_back_unchanged(buffer):
    try:
        events = parse_events(buffer, size=(240, 256))
    except ValueError:
        return
    if 240 not in buffer[1::5]:
        assert encode_events(events) == buffer


@given(tokens)
def test_every_marker_adds_8192_us_to_all_later_times(stream):
    buffer, expected, late, last = b"", [], 0, 0
    for marker, t, x, y, p in stream:
        if marker:
            buffer += five_bytes(t, x, 240, p)
            late += 8192
        elif t + late >= last:
            buffer += five_bytes(t, x, y, p)
            expected.append((t + late, x, y, p))
            last = t + late
    events = parse_events(buffer)

    assert list(zip(*(getattr(events, f).tolist() for f in FIELDS), strict=True)) == expected


def test_markers_alone_are_an_empty_recording():
    assert len(parse_events(five_bytes(5, 0, 240, 1) * 3)) == 0


def test_an_empty_file_is_an_empty_recording(tmp_path):
    (tmp_path / "empty.bin").touch()

    assert len(read_events(tmp_path / "empty.bin")) == 0


BAD = {
    "must hold events of 5 bytes each, got 7 bytes": b"1234567",
    "x = 34, y = 3 at event 1": five_bytes(0, 0, 0, 0) + five_bytes(0, 34, 3, 0),
    "x = 3, y = 34 at event 0": five_bytes(0, 3, 34, 0),
    "in time order, got 8 us after 9 us at event 1": five_bytes(9, 0, 0, 0)
    + five_bytes(8, 0, 0, 1),
}


@pytest.mark.parametrize("says", BAD)
def test_a_bad_file_is_named_in_one_line(tmp_path, says):
    path = tmp_path / "00007.bin"
    path.write_bytes(BAD[says])

    with pytest.raises(ValueError, match=r"00007\.bin") as caught:
        read_events(path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


AEDAT = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n"
FOREIGN = {
    "got AEDAT 3.1: convert": AEDAT,
    "got AEDAT 2.0: convert": b"#!AER-DAT2.0\r\n# This is a raw AE data file\r\n",
    "got AEDAT 4.0: convert": b"#!AER-DAT4.0\r\n" + bytes(40),
    "got AEDAT: convert": b"#!AER-DAT",
    "got a file of a Prophesee camera": b"% Date 2019-01-01 10:00:00\n% Version 2\n",
    "got an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(8),
    "got an array of NumPy": b"\x93NUMPY\x01\x00",
}


@pytest.mark.parametrize("padding", range(5))
@pytest.mark.parametrize("says", FOREIGN)
def test_a_header_is_named_whatever_the_number_of_bytes(says, padding):
    with pytest.raises(ValueError, match="40-bit format") as caught:
        parse_events(FOREIGN[says] + bytes(padding), size=(128, 128))
    assert says in str(caught.value)


@pytest.mark.parametrize("seed", range(10))
def test_events_of_other_widths_are_named(seed):
    rng = np.random.default_rng(seed)
    n = 40 + seed
    t, x, y, p = (
        np.sort(rng.integers(0, 300_000, n)),
        *rng.integers(0, 34, (2, n)),
        rng.integers(0, 2, n),
    )
    words = np.stack([t, x | y << 9 | p << 18], axis=1).astype("<u4").tobytes()
    wide = np.empty(n, [("x", ">u2"), ("y", ">u2"), ("t", ">u8")])
    wide["x"], wide["y"], wide["t"] = (
        x,
        y,
        p.astype(np.uint64) << np.uint64(63) | t.astype(np.uint64),
    )

    for buffer, says in (
        (words, "ATIS in little-endian words, 8"),
        (wide.tobytes(), "96-bit variant, 12"),
    ):
        with pytest.raises(ValueError, match=says):
            parse_events(buffer)


@pytest.mark.parametrize("seed", range(10))
def test_a_clock_that_starts_over_is_named(seed):
    t = np.sort(np.random.default_rng(seed).integers(0, 12_000_000, 200))
    buffer = b"".join(five_bytes(int(k) & (1 << 23) - 1, 1, 1, 1) for k in t)
    i = int((t >= 1 << 23).argmax())

    with pytest.raises(
        ValueError, match="a clock of 23 bits starts over every 8388608 us"
    ) as caught:
        parse_events(buffer)
    assert f"at event {i}:" in str(caught.value)


@pytest.mark.parametrize("back", [1, 1000, 1 << 21])
def test_events_out_of_order_are_no_clock_that_starts_over(back):
    with pytest.raises(ValueError, match="in time order") as caught:
        parse_events(five_bytes(5_000_000, 0, 0, 0) + five_bytes(5_000_000 - back, 0, 0, 0))
    assert "starts over" not in str(caught.value)


def test_an_event_outside_one_sensor_is_inside_a_larger_one():
    buffer = five_bytes(1, 127, 100, 1)

    assert parse_events(buffer, size=(128, 128)).x == [127]
    with pytest.raises(ValueError, match="128 x 127"):
        parse_events(buffer, size=(128, 127))


UNWRITABLE = {
    "t must be below 8388608 us": one(t=2**23),
    "row 240|240, which is the overflow marker": one(y=240),
    "256 x 256": one(x=256),
    "negative|in time order": one(t=-1),
    "polarities 0 or 1": one(p=2),
}


@pytest.mark.parametrize("says", UNWRITABLE)
def test_what_the_format_cannot_hold_is_refused_before_writing(tmp_path, says):
    with pytest.raises(ValueError, match=says):
        write_events(tmp_path / "a.bin", UNWRITABLE[says])
    assert not (tmp_path / "a.bin").exists()


@pytest.mark.parametrize(
    "event", [one(t=2**23 - 1), one(y=239), one(y=241), one(x=255), one(y=255)]
)
def test_the_limits_of_the_format_can_be_written(event):
    assert len(encode_events(event)) == 5


def test_fields_of_different_lengths_are_refused():
    t = np.zeros(2, np.int64)

    with pytest.raises(ValueError, match=r"x must have shape \(2,\), got \(1,\)"):
        Events(t, np.zeros(1, np.int16), t.astype(np.int16), t.astype(np.uint8))
    with pytest.raises(ValueError, match="p must hold integers"):
        Events(t, t.astype(np.int16), t.astype(np.int16), np.zeros(2))


def test_every_real_recording_survives_the_round_trip(nmnist):
    for path in sorted(nmnist.glob("Train/*/*.bin"))[:50]:
        assert encode_events(read_events(path)) == path.read_bytes()
