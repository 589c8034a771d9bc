import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsast.data import add_noise, drop_events, jitter_times, parse_events, read_events
from refsast.data.events import make_events, validate_events
from tests.data.event_strategies import recordings
from tests.data.test_events import FIELDS, same

NOTHING = parse_events(b"")
seeds = st.integers(0, 2**32).map(np.random.default_rng)


def rows(events):
    return list(zip(*(getattr(events, f).tolist() for f in FIELDS), strict=True))


@given(recordings(), seeds)
def test_doing_nothing_changes_nothing(events, rng):
    assert same(drop_events(events, rng, probability=0.0), events)
    assert same(add_noise(events, rng, rate=0.0, duration=10), events)
    assert same(jitter_times(events, rng, spread=0.0), events)


@given(recordings(), seeds, st.floats(0.0, 1.0))
def test_dropping_keeps_some_in_order(events, rng, probability):
    kept = rows(drop_events(events, rng, probability=probability))
    others = iter(rows(events))

    assert all(row in others for row in kept)  # a subsequence: each is found after the last


@given(recordings(), seeds)
def test_noise_adds_and_takes_nothing_away(events, rng):
    noisy = validate_events(add_noise(events, rng, rate=20.0, duration=1_000))
    left = rows(noisy)
    for row in rows(events):
        left.remove(row)

    assert all(t < 1_000 for t, _, _, _ in left)


@given(recordings(), seeds, st.floats(0.0, 1e6))
def test_jitter_moves_times_only(events, rng, spread):
    late = validate_events(jitter_times(events, rng, spread=spread))

    assert sorted(row[1:] for row in rows(late)) == sorted(row[1:] for row in rows(events))


def test_the_numbers_are_as_asked(written):
    """Five standard deviations either way."""
    events = read_events(written / "Train" / "0" / "00001.bin")
    rng = np.random.default_rng(0)
    n = len(events)
    kept = len(drop_events(events, rng, probability=0.3))
    noise = add_noise(events, rng, rate=3.0, duration=300_000)
    expected = 3.0 * 34 * 34 * 0.3

    assert abs(kept - 0.7 * n) < 5.0 * np.sqrt(0.21 * n)
    assert abs(len(noise) - n - expected) < 5.0 * np.sqrt(expected)


def test_noise_reaches_the_whole_sensor_and_both_polarities():
    noise = add_noise(NOTHING, np.random.default_rng(0), rate=1e6, duration=1_000, size=(2, 3))

    assert {row[1:] for row in rows(noise)} == {
        (x, y, p) for x in range(3) for y in range(2) for p in range(2)
    }


def test_jitter_has_the_spread_that_was_asked():
    t = np.full(4_000, 10**6)
    late = jitter_times(make_events(t, 0 * t, 0 * t, 0 * t), np.random.default_rng(0), spread=500.0)

    assert abs(late.t.std() - 500.0) < 5.0 * 500.0 / np.sqrt(2 * 4_000)
    assert abs(late.t.mean() - 10**6) < 5.0 * 500.0 / np.sqrt(4_000)


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf")])
def test_nonsense_is_refused(bad):
    events, rng = NOTHING, np.random.default_rng(0)

    with pytest.raises(ValueError, match="probability must"):
        drop_events(events, rng, probability=bad)
    with pytest.raises(ValueError, match="rate must"):
        add_noise(events, rng, rate=bad, duration=1)
    with pytest.raises(ValueError, match="duration must be a positive integer, got 0"):
        add_noise(events, rng, rate=1.0, duration=0)
    with pytest.raises(ValueError, match="spread must"):
        jitter_times(events, rng, spread=bad)
