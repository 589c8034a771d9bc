import numpy as np
import pytest

from refsast.data import describe, load_nmnist, parse_events, read_recordings
from refsast.data.events import make_events


def two():
    """Three events in 12 ms, and one at 5 ms: small enough to count by hand."""
    t, x, y, p = (np.array(v) for v in ([0, 5_000, 12_000], [1, 1, 3], [0, 0, 2], [1, 0, 1]))
    return [make_events(t, x, y, p), make_events(*(v[1:2] for v in (t, x, y, p)))]


def test_the_figures_are_those_counted_by_hand():
    d = describe(two(), steps=2, duration=10_000)

    assert d.recordings == 2
    assert (d.events.least, d.events.median, d.events.most) == (1.0, 2.0, 3.0)
    assert (d.on_share.least, d.on_share.most) == (0.0, 2 / 3)
    assert (d.last.least, d.last.most) == (5_000.0, 12_000.0)
    assert (d.active.least, d.active.most) == (1.0, 2.0)
    assert d.mean_density == pytest.approx((2 + 1) / 2 / (2 * 2312), rel=1e-14)
    assert d.dropped == 1
    assert d.extent == (1, 3, 0, 2)
    assert d.time_histogram.tolist() == [0.5, 1.0, 0.5]
    assert {(1, 0): d.on_image[0, 1], (3, 2): d.on_image[2, 3]} == {(1, 0): 0.5, (3, 2): 0.5}
    assert (d.on_image.sum(), d.off_image.sum(), d.off_image[0, 1]) == (1.0, 1.0, 1.0)


def test_a_larger_sensor_is_described_too():
    t = np.arange(2)
    d = describe([make_events(t, t + 99, t, t)], size=(128, 128), steps=1, duration=2)

    assert d.on_image.shape == (128, 128)
    assert d.on_image[1, 100] == 1.0


def test_there_must_be_something_to_describe():
    with pytest.raises(ValueError, match="got none"):
        describe([])
    with pytest.raises(ValueError, match="got an empty one at 1"):
        describe([*two(), parse_events(b"")][1:])


def test_it_agrees_with_what_is_loaded(written):
    x, y = load_nmnist(written, "Train", steps=20)
    d = describe(read_recordings(written, "Train"))

    assert d.recordings == y.size
    assert d.mean_density == pytest.approx(x.mean(), rel=1e-12)
    assert d.time_histogram.sum() == pytest.approx((d.on_image + d.off_image).sum(), rel=1e-12)


def test_the_real_recordings_have_their_documented_figures(nmnist):
    """Counted independently: file sizes over five give 1112, 4170 and 7152 events."""
    d = describe([*read_recordings(nmnist, "Train"), *read_recordings(nmnist, "Test")])

    assert d.recordings == 900
    assert (d.events.least, d.events.median, d.events.most) == (1112, 4170, 7152)
    assert (d.last.least, d.last.most) == (296_841, 315_109)
    assert round(100 * d.mean_density, 1) == 5.0
