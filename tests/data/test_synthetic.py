from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsast.data import (
    Camera,
    Hand,
    describe,
    encode_events,
    load_nmnist,
    read_recordings,
    synthetic_digits,
    synthetic_events,
    write_synthetic,
)
from refsast.data.camera import CANVAS, PATH, record
from refsast.data.events import take, validate_events
from refsast.data.glyphs import GLYPHS
from refsast.data.handwriting import catmull_rom, render_digit

QUIET = Camera(noise_rate=0.0, mismatch=0.0, lag=0.0, duration_spread=0.0)
NMNIST_BANDS = {  # Of 700 recordings of N-MNIST, each with a tenth of tolerance at least.
    "median events": (4060, 400),
    "events at 5 %": (2316, 300),
    "events at 95 %": (6005, 600),
    "median share of ON": (0.4986, 0.02),
    "median last event, us": (307_700, 2_000),
    "median active pixels": (445, 45),
    "mean density": (0.0499, 0.003),
    "first column": (5, 1.5),
    "last column": (28, 1.5),
    "first row": (5, 1.5),
    "last row": (30, 1.5),
}
# Events per recording in every 10 ms, measured on the same 700 recordings.
NMNIST_TIMES = np.array(
    [16, 65, 151, 243, 290, 299, 235, 106, 29, 22, 34, 52, 111, 192, 243, 249, 225, 122, 47, 37, 51,
     27, 19, 157, 226, 247, 237, 160, 112, 48, 9]
)  # fmt: skip


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    """Two hundred synthetic recordings. Read only."""
    root = tmp_path_factory.mktemp("synthetic")
    write_synthetic(root, "Train", 200, np.random.default_rng(0))
    return list(read_recordings(root, "Train"))


@pytest.fixture(scope="module")
def description(synthetic):
    return describe(synthetic)


def figures(d):
    values = (d.events.median, d.events.low, d.events.high, d.on_share.median, d.last.median)
    values += (d.active.median, d.mean_density, *d.extent)
    return dict(zip(NMNIST_BANDS, values, strict=True))


@pytest.mark.parametrize("name", NMNIST_BANDS)
def test_the_figures_are_those_of_nmnist(description, name):
    centre, width = NMNIST_BANDS[name]

    assert abs(figures(description)[name] - centre) <= width


def test_the_bands_are_those_of_the_real_recordings(nmnist):
    """The constants above, measured again, to half a per cent of rounding."""
    d = describe(read_recordings(nmnist, "Train"))
    pairs = d.time_histogram[:62].reshape(-1, 2).sum(axis=1)

    for name, value in figures(d).items():
        assert value == pytest.approx(NMNIST_BANDS[name][0], rel=5e-3), name
    assert np.abs(pairs - NMNIST_TIMES).max() < 2.0


def test_the_three_saccades_have_nmnists_time_course(description):
    pairs = description.time_histogram[:62].reshape(-1, 2).sum(axis=1)

    assert np.corrcoef(pairs, NMNIST_TIMES)[0, 1] > 0.97


# Displacement of ON against OFF events, (x, y) in pixels, in the middle of each saccade of N-MNIST.
MOTION = {
    (30_000, 50_000): (0.0, -4.1),
    (140_000, 170_000): (-1.9, 4.3),
    (235_000, 275_000): (3.9, 0.2),
}


@pytest.mark.parametrize("window", MOTION)
def test_the_digit_moves_as_in_nmnist(synthetic, window):
    assert np.abs(separation(synthetic, window) - MOTION[window]).max() < 0.8


@pytest.mark.parametrize("window", MOTION)
def test_that_motion_is_nmnists(nmnist, window):
    assert (
        np.abs(separation(read_recordings(nmnist, "Train"), window) - MOTION[window]).max() < 0.15
    )


def separation(recordings, window):
    sums = np.zeros((2, 3))
    for events in recordings:
        inside = take(events, (events.t >= window[0]) & (events.t < window[1]))
        for p in (0, 1):
            of = take(inside, inside.p == p)
            sums[p] += of.x.sum(), of.y.sum(), len(of)
    off, on = sums[:, :2] / sums[:, 2:]
    return on - off


def test_shapes_types_and_labels_are_those_of_the_loader():
    x, y = synthetic_digits(12, np.random.default_rng(0), steps=5)

    assert (x.shape, x.dtype, y.dtype) == ((5, 12, 2312), np.uint8, np.int64)
    assert y.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert x.max() == 1


def test_the_first_of_many_are_the_same_recordings():
    """Whatever stands beside them in a chunk, and whichever chunk is cut short."""
    few, _ = synthetic_digits(3, np.random.default_rng(5), steps=4)
    many, _ = synthetic_digits(40, np.random.default_rng(5), steps=4)
    other, _ = synthetic_digits(3, np.random.default_rng(6), steps=4)

    assert np.array_equal(few, many[:, :3])
    assert not np.array_equal(few, other)
    assert not np.array_equal(many[:, 0], many[:, 10])


@pytest.mark.parametrize("split", ["Train", "Test"])
def test_what_is_written_is_read_back(tmp_path, split):
    write_synthetic(tmp_path, split, 21, np.random.default_rng(3))
    x, y = load_nmnist(tmp_path, split, steps=6)
    x2, y2 = synthetic_digits(21, np.random.default_rng(3), steps=6)

    assert np.array_equal(x, x2)
    assert np.array_equal(y, y2)


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "Train").mkdir()

    with pytest.raises(ValueError, match="must not hold Train yet"):
        write_synthetic(tmp_path, "Train", 1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="got 'Other'"):
        write_synthetic(tmp_path, "Other", 1, np.random.default_rng(0))


@given(st.integers(0, 9), st.integers(0, 2**32))
def test_every_recording_is_a_valid_one(digit, seed):
    events = validate_events(synthetic_events(digit, np.random.default_rng(seed)))

    assert 500 < len(events) < 12_000
    assert 0.4 < events.p.mean() < 0.6
    assert events.t[-1] < 330_000
    assert len(encode_events(events)) == 5 * len(events)


@pytest.mark.slow
@given(st.integers(0, 9), st.integers(0, 2**32))
def test_no_pixel_fires_within_its_refractory_period(digit, seed):
    """With a threshold so low that every pixel would fire again at once."""
    camera = replace(QUIET, threshold=0.02)
    events = synthetic_events(digit, np.random.default_rng(seed), camera=camera)
    pixel = events.y.astype(int) * 34 + events.x
    order = np.lexsort((events.t, pixel))
    gaps = np.diff(events.t[order])[np.diff(pixel[order]) == 0]

    assert camera.refractory - 1 <= gaps.min() < camera.refractory + 50  # times are rounded down


def test_blindness_costs_events():
    counts = [
        len(synthetic_events(8, np.random.default_rng(0), camera=replace(QUIET, refractory=blind)))
        for blind in (0, 1_500, 10_000)
    ]

    assert 2.0 * counts[1] > counts[0] > counts[1] > 1.5 * counts[2]


def test_a_camera_that_sees_no_digit_reports_noise_at_its_rate():
    blank = [np.zeros((CANVAS, CANVAS), np.float32)] * 20
    camera = replace(QUIET, noise_rate=2.0, noise_on=0.9)
    events = record(blank, np.random.default_rng(0).spawn(20), camera)
    n, on = sum(map(len, events)), sum(int(e.p.sum()) for e in events)
    expected = 20 * 2.0 * 34 * 34 * 0.308

    assert abs(n - expected) < 5.0 * np.sqrt(expected)
    assert abs(on / n - 0.9) < 5.0 * np.sqrt(0.09 / n)
    assert not any(map(len, record(blank, np.random.default_rng(0).spawn(20), QUIET)))


def test_events_come_before_and_behind_a_moving_edge():
    """Ink is dark: while it moves right to left, the pixels it enters turn OFF."""
    ink = np.zeros((CANVAS, CANVAS), np.float32)
    ink[14:30, 20:24] = 1.0
    (events,) = record([ink], [np.random.default_rng(0)], QUIET)
    third = take(events, (events.t > 235_000) & (events.t < 275_000))

    assert third.x[third.p == 0].mean() + 2.0 < third.x[third.p == 1].mean()


def test_a_contrast_below_threshold_is_not_seen():
    faint = replace(QUIET, ink=QUIET.paper * np.exp(-0.9 * QUIET.threshold))
    digit = render_digit(3, np.random.default_rng(0), Hand(), CANVAS)

    assert not len(record([digit], [np.random.default_rng(0)], faint)[0])
    assert len(record([digit], [np.random.default_rng(0)], QUIET)[0]) > 500


@given(st.integers(0, 9), st.integers(0, 2**32))
def test_a_written_digit_fits_and_is_centred(digit, seed):
    ink = render_digit(digit, np.random.default_rng(seed), Hand(), CANVAS)
    axis = np.arange(CANVAS) - (CANVAS - 1) / 2
    rows, columns = ink.sum(axis=1), ink.sum(axis=0)

    assert ink.min() == 0.0
    assert 0.3 < ink.max() <= 1.0
    assert max(abs(axis @ rows), abs(axis @ columns)) / ink.sum() < 2.0
    assert not ink[[0, -1]].any()
    assert not ink[:, [0, -1]].any()


def test_most_ones_lean_to_the_right():
    axis = np.arange(CANVAS) - (CANVAS - 1) / 2
    ones = [render_digit(1, np.random.default_rng(i), Hand(), CANVAS) for i in range(60)]

    assert sum(axis @ ink @ axis < 0 for ink in ones) > 40  # y points down


def test_every_digit_is_written_in_several_ways():
    assert len(GLYPHS) == 10
    for glyphs in GLYPHS:
        assert len({(*map(len, glyph), glyph[0][1, 0]) for glyph in glyphs}) >= 3
        for glyph in glyphs:
            assert max(np.abs(stroke).max() for stroke in glyph) <= 0.5
            assert min(map(len, glyph)) >= 2


def test_the_curve_passes_through_its_points_and_keeps_straight_lines_straight():
    assert np.allclose(catmull_rom(PATH, 10)[::10], PATH, rtol=0, atol=1e-12)
    line = np.outer(np.arange(4.0), [1.0, -2.0])

    assert np.allclose(catmull_rom(line, 4), np.outer(np.arange(13) / 4, [1.0, -2.0]), atol=1e-12)


def test_the_progress_wraps_the_recordings():
    seen = []
    synthetic_digits(3, np.random.default_rng(0), steps=1, progress=lambda r: seen.append(r) or r)

    assert seen == [range(3)]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda rng: synthetic_digits(0, rng), "n must be a positive integer, got 0"),
        (lambda rng: synthetic_digits(1, rng, steps=0), "steps must be a positive integer"),
        (lambda rng: synthetic_events(10, rng), "digit must be one of 0 to 9, got 10"),
        (lambda rng: Camera(threshold=0.0), "threshold must be positive"),
        (lambda rng: Camera(noise_rate=-1.0), "noise_rate must not be negative"),
        (lambda rng: Camera(noise_on=2.0), r"noise_on must lie in \[0, 1\]"),
        (lambda rng: Camera(step=7_000), "step must divide 310000 us, got 7000"),
        (lambda rng: Hand(warp=float("nan")), "warp must not be negative, got nan"),
        (lambda rng: Hand(width=20.0), "width must lie in"),
        (lambda rng: Hand(softness=0.0), "softness must be positive"),
    ],
)
def test_nonsense_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call(np.random.default_rng(0))


@pytest.mark.slow
def test_a_linear_reader_of_synthetic_digits_reads_real_ones(nmnist):
    """Ridge regression on three steps, nothing spiking: far above chance, or the sets differ."""
    x, y = synthetic_digits(600, np.random.default_rng(0), steps=3)
    x2, y2 = load_nmnist(nmnist, "Train", steps=3, per_class=30)
    a, b = (v.transpose(1, 0, 2).reshape(v.shape[1], -1).astype(np.float32) for v in (x, x2))
    mean = a.mean(axis=0)
    a, b = a - mean, b - mean
    weights = np.linalg.solve(a @ a.T + 1_000.0 * np.eye(len(a)), np.eye(10)[y] - 0.1)

    assert np.mean((b @ (a.T @ weights)).argmax(axis=1) == y2) > 0.6
