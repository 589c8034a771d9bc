from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsast.data import DURATION, STEPS, bin_events, count_events, count_late
from refsast.data.events import make_events
from tests.data.event_strategies import recordings

SIZE = (3, 4)


def counts_one_by_one(events, steps, duration, size):
    """The specification, read aloud: exact fractions, one event and one step at a time."""
    height, width = size
    out = np.zeros((steps, 2 * height * width), int)
    for t, x, y, p in zip(events.t, events.x, events.y, events.p, strict=True):
        for k in range(steps):
            if Fraction(k * duration, steps) <= int(t) < Fraction((k + 1) * duration, steps):
                out[k, p * height * width + y * width + x] += 1
    return out


@given(recordings(SIZE, last=50, most=12), st.integers(1, 7), st.integers(1, 60))
def test_binning_is_the_specification(events, steps, duration):
    expected = counts_one_by_one(events, steps, duration, SIZE)
    how = {"steps": steps, "duration": duration, "size": SIZE}

    assert np.array_equal(count_events(events, **how), expected)
    assert np.array_equal(bin_events(events, **how), expected > 0)
    assert expected.sum() + count_late(events, duration=duration) == len(events)


def test_an_event_on_an_edge_belongs_to_the_later_step():
    t = np.array([14_999, 15_000, 299_999, 300_000])
    z = 0 * t
    binned = bin_events(make_events(t, z, z, z), steps=STEPS, duration=DURATION)

    assert np.flatnonzero(binned[:, 0]).tolist() == [0, 1, 19]
    assert count_late(make_events(t, z, z, z), duration=DURATION) == 1


def test_edges_are_exact_where_floating_point_is_not():
    steps, duration, t = 14, 144, 72
    z = np.zeros(1, int)
    binned = bin_events(make_events(z + t, z, z, z), steps=steps, duration=duration, size=(1, 1))

    assert int(t / (duration / steps)) != t * steps // duration
    assert binned[:, 0].argmax() == t * steps // duration


def test_the_binary_tensor_is_small():
    empty = make_events(*(np.zeros(0, int) for _ in range(4)))
    binned = bin_events(empty, steps=2, duration=5)

    assert binned.dtype == np.uint8
    assert binned.shape == (2, 2312)
    assert not binned.any()


@pytest.mark.parametrize(
    ("steps", "duration", "says"),
    [
        (0, 5, "steps must be a positive integer, got 0"),
        (2.0, 5, "steps must be a positive integer, got 2.0"),
        (2, -5, "duration must be a positive integer, got -5"),
        (2, float("nan"), "duration must be a positive integer, got nan"),
        (2**32, 2**32, r"below 2\*\*63"),
    ],
)
def test_nonsense_is_refused(steps, duration, says):
    empty = make_events(*(np.zeros(0, int) for _ in range(4)))

    with pytest.raises(ValueError, match=says):
        bin_events(empty, steps=steps, duration=duration)


def test_an_event_off_the_sensor_is_refused_not_wrapped_around():
    z = np.zeros(1, int)

    with pytest.raises(ValueError, match="x = 4"):
        bin_events(make_events(z, z + 4, z, z), steps=1, duration=1, size=SIZE)
