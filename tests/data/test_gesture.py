import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsast.data import DVS128, load_gesture, parse_events, pool, read_events, write_events
from tests.data.event_strategies import recordings


@given(recordings((12, 8)), st.sampled_from([1, 2, 4]))
def test_pooling_adds_up_neighbouring_pixels(events, factor):
    image = np.zeros((12, 8))
    np.add.at(image, (events.y, events.x), 1)
    small = np.zeros((12 // factor, 8 // factor))
    pooled = pool(events, factor, size=(12, 8))
    np.add.at(small, (pooled.y, pooled.x), 1)

    assert np.array_equal(
        small, image.reshape(12 // factor, factor, 8 // factor, factor).sum((1, 3))
    )
    assert np.array_equal(pooled.t, events.t)


@pytest.mark.parametrize("factor", [0, 3, -2, 2.0])
def test_a_factor_that_does_not_divide_is_refused(factor):
    with pytest.raises(ValueError, match=r"factor must (divide|be a positive integer)"):
        pool(parse_events(b""), factor)


def test_a_written_gesture_is_loaded(tmp_path, written):
    events = read_events(written / "Train" / "0" / "00001.bin")
    write_events(tmp_path / "a.bin", events)
    x = load_gesture(tmp_path / "a.bin", steps=3, duration=300_000, factor=2)

    assert x.shape == (3, 1, 2 * 64 * 64)
    assert x[:, 0].reshape(3, 2, 64, 64)[:, :, :17, :17].sum() == x.sum() > 0


def test_real_gestures_fill_the_sensor_for_a_second_and_a_half(gestures):
    for path in gestures:
        events = read_events(path, size=DVS128)
        x = load_gesture(path, steps=10, duration=1_450_000, factor=4)

        assert 50_000 < len(events) < 200_000
        assert 1.4e6 < events.t[-1] < 1.5e6
        assert 0.4 < events.p.mean() < 0.6
        assert x.shape == (10, 1, 2048)
        assert 0.01 < x.mean() < 0.9
