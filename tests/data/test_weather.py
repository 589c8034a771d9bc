"""Corruptions of recordings: what each changes, what it leaves, and that worse is worse."""

import numpy as np
import pytest

import refsast as rs
from refsast import data

EVENTS, DIGITS = data.synthetic_recordings(5, np.random.default_rng(0))
NAMES = ("t", "x", "y", "p")


def fields(events):
    return [getattr(events, name).tolist() for name in NAMES]


def corrupted(name, severity, seed=0):
    return list(data.corrupt_recordings(EVENTS, name, severity, seed=seed))


def as_set(events):
    return set(zip(*fields(events), strict=True))


@pytest.mark.parametrize("name", data.CORRUPTIONS)
def test_severity_zero_is_the_recording_and_no_severity_touches_it(name):
    before = [fields(events) for events in EVENTS]
    assert [fields(events) for events in corrupted(name, 0)] == before
    for severity in range(1, data.SEVERITIES + 1):
        assert [fields(events) for events in corrupted(name, severity)] != before
    assert [fields(events) for events in EVENTS] == before


@pytest.mark.parametrize("name", data.CORRUPTIONS)
def test_what_comes_out_can_be_binned_and_follows_from_the_seed(name):
    for severity in range(data.SEVERITIES + 1):
        events = corrupted(name, severity)
        assert data.bin_spikes(events, steps=20, duration=data.DURATION).shape == (20, 5, 2312)
        again, other = corrupted(name, severity), corrupted(name, severity, seed=1)
        assert [fields(e) for e in events] == [fields(e) for e in again]
        if severity and name != "other binning":  # which draws nothing
            assert [fields(e) for e in events] != [fields(e) for e in other]


@pytest.mark.parametrize("name", ["lost", "dead pixels", "cut"])
def test_worse_is_less_of_the_same(name):
    for severity in range(data.SEVERITIES):
        for more, less in zip(
            corrupted(name, severity), corrupted(name, severity + 1), strict=True
        ):
            assert as_set(less) < as_set(more)


@pytest.mark.parametrize("name", ["added", "hot pixels", "bursts"])
def test_worse_is_more_beside_the_recording(name):
    sizes = []
    for severity in range(data.SEVERITIES + 1):
        events = corrupted(name, severity)
        for old, new in zip(EVENTS, events, strict=True):
            assert as_set(old) <= as_set(new)
        sizes.append(sum(map(len, events)))
    assert sizes == sorted(set(sizes))


def test_shares_are_those_asked_for():
    rng = np.random.default_rng(1)
    (events,) = EVENTS[:1]
    flipped = data.flip_polarities(events, rng, probability=0.3)
    assert np.mean(flipped.p != events.p) == pytest.approx(0.3, abs=0.05)
    assert fields(flipped)[:3] == fields(events)[:3]

    dead = [data.silence_pixels(events, rng, share=0.5) for _ in range(50)]
    assert np.mean([len(each) for each in dead]) == pytest.approx(0.5 * len(events), rel=0.1)
    for each in dead[:3]:  # a pixel is silent as a whole
        heard = set(zip(each.x.tolist(), each.y.tolist(), strict=True))
        kept = [(x, y) in heard for x, y in zip(events.x.tolist(), events.y.tolist(), strict=True)]
        assert sum(kept) == len(each)

    none = data.Events(*(np.zeros(0, getattr(events, name).dtype) for name in NAMES))
    hot = data.heat_pixels(none, rng, share=0.1, duration=300_000)
    pixels = set(zip(hot.x.tolist(), hot.y.tolist(), strict=True))
    assert len(pixels) == pytest.approx(0.1 * 34 * 34, rel=0.3)
    assert len(hot) == pytest.approx(30 * len(pixels), rel=0.1)  # 100 per second for 0.3 seconds
    assert len(set(zip(*fields(hot)[1:], strict=True))) == len(pixels)  # of one polarity each


def test_a_shift_moves_all_that_stays_on_the_sensor():
    (events,) = EVENTS[:1]
    seen = set()
    for seed in range(12):
        moved = data.shift_pixels(events, np.random.default_rng(seed), distance=3)
        ways = {
            (dx, dy)
            for dx, dy in ((3, 0), (-3, 0), (0, 3), (0, -3))
            if {(t, x + dx, y + dy, p) for t, x, y, p in as_set(events)} >= as_set(moved)
        }
        on = [
            0 <= x + dx < 34 and 0 <= y + dy < 34
            for dx, dy in ways
            for x, y in zip(events.x.tolist(), events.y.tolist(), strict=True)
        ]
        assert len(ways) == 1
        assert len(moved) == sum(on)
        seen |= ways
    assert len(seen) == 4


def test_a_cut_is_one_span_of_time():
    (events,) = EVENTS[:1]
    cut = data.cut_span(events, np.random.default_rng(0), share=0.4, duration=300_000)
    gone = sorted({t for t, *_ in as_set(events) - as_set(cut)})
    assert gone[-1] - gone[0] == pytest.approx(0.4 * 300_000, rel=0.05)
    assert not ((cut.t >= gone[0]) & (cut.t <= gone[-1])).any()


def test_real_recordings_are_those_that_training_sees(nmnist):
    events = list(data.read_recordings(nmnist, "Test"))
    spikes, _ = rs.load_nmnist_spikes(nmnist, "Test", steps=5)
    ours = data.bin_spikes(events, steps=5, duration=data.DURATION)
    assert np.array_equal(ours.index, spikes.index)
    assert np.array_equal(ours.starts, spikes.starts)


BAD = {
    "a name": (lambda: corrupted("rain", 1), "name must be one of lost, added, .*, got 'rain'"),
    "a severity": (
        lambda: corrupted("lost", 6),
        "severity must be an integer from 0 to 5, got 6",
    ),
    "a share": (
        lambda: data.silence_pixels(EVENTS[0], np.random.default_rng(0), share=1.5),
        r"share must lie in \[0, 1\], got 1.5",
    ),
    "half a pixel": (
        lambda: data.shift_pixels(EVENTS[0], np.random.default_rng(0), distance=0.5),
        "distance must be a number of pixels, got 0.5",
    ),
    "no clock": (
        lambda: data.stretch_times(EVENTS[0], factor=0.0),
        "factor must be positive and finite, got 0.0",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_is_refused(name):
    call, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("name", data.CORRUPTIONS)
def test_another_sensor_has_its_own_pixels_and_length(name):
    events, _ = data.synthetic_gesture_recordings(3, np.random.default_rng(0))
    sensor = data.Sensor((64, 64), data.GESTURE_DURATION)

    worst = list(data.corrupt_recordings(events, name, 5, sensor=sensor))
    same = list(data.corrupt_recordings(events, name, 0, sensor=sensor))

    assert [fields(e) for e in same] == [fields(e) for e in events] != [fields(e) for e in worst]
    assert max(max(e.x.max(), e.y.max()) for e in worst) < 64
    if name in ("added", "hot pixels", "bursts"):  # all of the sensor, all of the time
        extra = np.concatenate([e.x for e in worst])
        assert extra.max() > 34
        last = max(e.t.max() for e in worst)
        assert 0.8 * data.GESTURE_DURATION < last < data.GESTURE_DURATION


@pytest.mark.parametrize(("size", "duration"), [((0, 34), 1), ((34, 1.5), 1), ((34, 34), 0)])
def test_a_sensor_has_pixels_and_time(size, duration):
    with pytest.raises(ValueError, match=r"(height|width|duration) must be a positive integer"):
        data.Sensor(size, duration)
