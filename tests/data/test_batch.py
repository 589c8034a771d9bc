import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsast.data import bin_events, bin_files, bin_spikes, encode_events, parse_events
from refsast.data.batch import _parse_together
from refsast.data.binning import column_index
from refsast.spikes import as_spikes
from tests.data.event_strategies import files, recordings, tokens
from tests.data.test_events import five_bytes

SIZE = (3, 4)
many = st.lists(recordings(SIZE, last=50, most=12), min_size=1, max_size=5)
steps, durations = st.integers(1, 7), st.integers(1, 60)


def same(a, b):
    return a.shape == b.shape and all(
        np.array_equal(getattr(a, f), getattr(b, f)) and getattr(a, f).dtype == getattr(b, f).dtype
        for f in ("starts", "index")
    )


def bin_each(parsed, **how):
    return as_spikes(np.stack([bin_events(e, **how) for e in parsed], axis=1))


@given(many, steps, durations)
def test_binning_many_is_binning_each(parsed, steps, duration):
    how = {"steps": steps, "duration": duration, "size": SIZE}

    assert same(bin_spikes(parsed, **how), bin_each(parsed, **how))


@given(many, steps, durations)
def test_from_bytes_it_is_the_same(parsed, steps, duration):
    parsed = [events for events in parsed if len(events)]
    how = {"steps": steps, "duration": duration, "size": SIZE}
    if parsed:
        found = bin_files([encode_events(e) for e in parsed], ["?"] * len(parsed), **how)

        assert same(found, bin_each(parsed, **how))


def content(stream):
    """Markers and events, each time being such that the order holds."""
    buffer, late, last = b"", 0, 0
    for marker, t, x, y, p in stream:
        if marker:
            buffer += five_bytes(t, x, 240, p)
            late += 8192
        elif t + late >= last:
            buffer += five_bytes(t, x, y, p)
            last = t + late
    return buffer


@given(st.lists(tokens.map(content), min_size=1, max_size=4), st.integers(1, 30))
def test_markers_of_a_recording_are_its_own(contents, steps):
    parsed = [parse_events(buffer) for buffer in contents]
    how = {"steps": steps, "duration": 60_000}
    if all(map(len, parsed)):
        assert same(bin_files(contents, ["?"] * len(contents), **how), bin_each(parsed, **how))
    else:
        with pytest.raises(ValueError, match="empty recording"):
            bin_files(contents, ["?"] * len(contents), **how)


@given(st.lists(st.binary(max_size=30) | files(6), min_size=1, max_size=3))
def test_any_bytes_are_what_they_are_one_by_one(contents):
    """Spikes or, word for word, the error."""
    names = [f"file {i}" for i in range(len(contents))]
    how = {"steps": 3, "duration": 2**22}
    expected = outcome(lambda: bin_each(map(parse, contents, names), **how))
    found = outcome(lambda: bin_files(contents, names, **how))

    assert found == expected if isinstance(expected, str) else same(found, expected)


def parse(buffer, name):
    events = parse_events(buffer, name=name)
    if not len(events):
        raise ValueError(f"{name} must hold events, got an empty recording")
    return events


def outcome(call):
    """What it returns, or what it says when it refuses."""
    try:
        return call()
    except ValueError as error:
        return str(error)


def assert_parsed_alike(contents, size):
    """A sweep that gives up, which costs time only, would hide behind the one-by-one."""
    batch = _parse_together(contents, size)
    parsed = [parse_events(buffer, size=size) for buffer in contents]

    assert batch.counts.tolist() == list(map(len, parsed))
    assert batch.t.tolist() == [t for events in parsed for t in events.t.tolist()]
    cells = (column_index(*(getattr(e, f).astype(int) for f in "xyp"), size) for e in parsed)
    assert batch.column.tolist() == [c for cell in cells for c in cell.tolist()]


@given(st.lists(recordings(SIZE), min_size=1, max_size=5))
def test_good_files_are_swept(parsed):
    contents = [encode_events(events) for events in parsed if len(events)]
    if contents:
        assert_parsed_alike(contents, SIZE)


@given(st.lists(tokens.map(content), min_size=1, max_size=4))
def test_files_with_markers_are_swept(contents):
    contents = [buffer for buffer in contents if len(parse_events(buffer))]
    if contents:
        assert_parsed_alike(contents, (34, 34))


GOOD = five_bytes(9, 1, 2, 1)
BAD = {
    "b must hold events, got an empty recording": b"",
    "b must hold events of 5 bytes each, got 7 bytes": b"1234567",
    "b must lie on a sensor .* got x = 34, y = 3 at event 0": five_bytes(0, 34, 3, 0),
    "b must lie on a sensor .* got x = 3, y = 34 at event 0": five_bytes(0, 3, 34, 0),
    "b must be in time order, got 8 us after 9 us at event 1": GOOD + five_bytes(8, 1, 2, 1),
    "b must hold events, got an empty": five_bytes(5, 0, 240, 1),
}


@pytest.mark.parametrize("says", BAD)
def test_among_good_files_the_bad_one_is_named(says):
    with pytest.raises(ValueError, match=says):
        bin_files([GOOD, BAD[says], GOOD], ["a", "b", "c"], steps=1, duration=10)


def test_a_recording_may_begin_before_the_one_before_it_ends():
    found = bin_files([GOOD, five_bytes(3, 1, 2, 1)], ["a", "b"], steps=10, duration=10)

    assert np.flatnonzero(np.diff(found.starts)).tolist() == [9, 13]


@pytest.mark.parametrize("steps", [1 << 8, 1 << 10, 1 << 19, 1 << 21])
def test_numbers_that_need_more_than_32_bits_have_them(steps):
    """Steps times duration, and rows times cells, on either side of 2**32."""
    content = five_bytes(2**22, 33, 33, 1) + five_bytes(2**23 - 1, 0, 0, 0)
    found = bin_files([content] * 2, "ab", steps=steps, duration=2**23)
    rows = np.flatnonzero(np.diff(found.starts))

    assert same(found, bin_spikes([parse_events(content)] * 2, steps=steps, duration=2**23))
    assert rows.tolist() == [steps // 2, steps - 1, steps + steps // 2, 2 * steps - 1]
    assert found.index.tolist() == [2311, 0] * 2


def test_no_recordings_are_no_rows():
    assert bin_spikes([], steps=3, duration=5).shape == (3, 0, 2312)
    assert bin_spikes([parse_events(b"")], steps=3, duration=5).starts.tolist() == [0, 0, 0, 0]


def test_real_recordings_are_binned_alike(nmnist):
    paths = sorted(nmnist.glob("Test/*/*.bin"))
    contents = [path.read_bytes() for path in paths]
    how = {"steps": 20, "duration": 300_000}

    assert same(
        bin_files(contents, list(map(str, paths)), **how),
        bin_each(map(parse_events, contents), **how),
    )
