"""Synthetic gestures: the same from the same seed, one person per round, arms that keep length."""

from dataclasses import replace

import numpy as np
import pytest

from refsast.data import (
    GESTURES,
    VideoCamera,
    synthetic_gesture,
    synthetic_gesture_spikes,
    synthetic_gestures,
)
from refsast.data.gesture_paths import draw_manner, hand_paths
from refsast.data.person import draw_person, pose, render
from refsast.data.video_camera import record_video

SHORT = 200_000  # microseconds: enough for what does not depend on the length
QUIET = VideoCamera(
    noise_rate=0.0, texture_rate=0.0, motion_rate=0.0, scatter=0.0,
    mismatch=0.0, off_ratio=1.0, threshold=0.1,
)  # fmt: skip
T = np.arange(0.0, 1.45, 0.01)


def same(a, b):
    return all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))


def test_the_first_recordings_do_not_depend_on_how_many_follow():
    few = synthetic_gestures(12, np.random.default_rng(3), steps=2, duration=SHORT)
    more = synthetic_gestures(14, np.random.default_rng(3), steps=2, duration=SHORT)

    assert same(few, (more[0][:, :12], more[1][:12]))
    assert few[0].shape == (2, 12, 2048)
    assert few[1].tolist() == [*range(11), 0]


def test_a_cache_gives_the_same_and_leaves_the_generator_where_it_was(tmp_path):
    made = []
    for _ in range(2):
        rng = np.random.default_rng(5)
        x, y = synthetic_gesture_spikes(13, rng, steps=2, duration=SHORT, cache=tmp_path)
        made.append((x.dense(), y, rng.spawn(1)[0].random(3)))
    other = np.random.default_rng(5)
    plain = synthetic_gestures(13, other, steps=2, duration=SHORT)

    assert same(made[0], made[1])
    assert same(made[0], (*plain, other.spawn(1)[0].random(3)))
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", GESTURES)
def test_arms_keep_their_length(name):
    """In space, that is: undo the camera's perspective, which `pose` applies last."""
    from refsast.data.person import _arm

    rng = np.random.default_rng(1)
    person = draw_person(rng)
    right, left = hand_paths(name, draw_manner(name, T, 1.0, rng))
    for hand, side in ((right, -1.0), (left, 1.0)):
        arm = _arm(person, hand, side, np.zeros((len(T), 2)))
        upper, lower = np.linalg.norm(np.diff(arm, axis=1), axis=2).T
        assert np.abs(upper - person.upper).max() < 1e-9
        assert np.abs(lower - person.lower).max() < 1e-9


TURNS = {  # as the person sees it; in the image, where y points down, clockwise has the other sign
    "right arm clockwise": -1,
    "right arm counter clockwise": 1,
    "left arm clockwise": -1,
    "left arm counter clockwise": 1,
}


@pytest.mark.parametrize("name", TURNS)
def test_arms_turn_as_the_recordings_do(name):
    """In the recordings clockwise is counter-clockwise in the image: docs/data.md."""
    rng = np.random.default_rng(2)
    paths = hand_paths(name, draw_manner(name, T, 1.0, rng))
    side = name.startswith("left")
    hand = paths[side] * ((1.0 if side else -1.0), 1.0, 1.0)  # outwards is left for a right arm
    angle = np.unwrap(np.arctan2(*(hand - hand.mean(0))[:, 1::-1].T))

    assert abs(angle[-1] - angle[0]) > np.pi
    assert np.sign(angle[-1] - angle[0]) == TURNS[name]


def test_a_hand_that_rests_does_not_move():
    for name, still in (("right hand wave", 1), ("left arm clockwise", 0)):
        paths = hand_paths(name, draw_manner(name, T, 1.0, np.random.default_rng(0)))
        assert np.ptp(paths[still], axis=0).max() == 0.0
        assert np.ptp(paths[1 - still], axis=0).max() > 0.1


def test_a_part_is_drawn_as_its_distance_says():
    """Against the distance to a line's piece, pixel by pixel, by projection and clipping."""
    rng = np.random.default_rng(4)
    person = draw_person(rng)
    right, left = hand_paths("air drums", draw_manner("air drums", T[:2], 1.0, rng))
    parts = pose(person, right, left, np.zeros((2, 2)), T[:2])
    side, softness = 16, 1.5
    light, speed = np.zeros((2, 2, side, side))
    for start, end, radius, value, move in zip(
        parts.start / 8, parts.end / 8, parts.radius / 8, parts.light, parts.speed, strict=True
    ):
        ends = (np.linalg.norm(each[1] - each[0]) for each in (start, end))
        assert np.abs(move - 8.0 * sum(ends) / (2.0 * 0.01)).max() < 1e-9
        for k, i, j in np.ndindex(light.shape):
            point = np.array((j + 0.5, i + 0.5)) - start[k]
            piece = end[k] - start[k]
            share = np.clip(point @ piece / max(piece @ piece, 1e-6), 0.0, 1.0)
            gap = np.linalg.norm(point - share * piece)
            cover = np.clip((radius[k] - gap) / softness + 0.5, 0.0, 1.0)
            light[k, i, j] += cover * (value - light[k, i, j])
            speed[k, i, j] += cover * (move[k] - speed[k, i, j])

    drawn = render(parts, side, softness)
    assert np.abs(drawn[0] - light).max() < 1e-4  # float32
    assert np.abs(drawn[1] - speed).max() < 1e-4 * speed.max()


def test_a_pixel_fires_once_per_threshold():
    """Light that goes up by 0.55 and down by 0.6 fires five ON, then five OFF, evenly in time."""
    light = np.zeros((3, 1, 1), np.float32)
    light[1:] = np.array((0.55, -0.05)).reshape(2, 1, 1)
    events = record_video(light, np.zeros_like(light), 20_000, np.random.default_rng(0), QUIET)

    up, down = np.arange(1, 6) * 0.1 / 0.55, (0.15 + 0.1 * np.arange(5)) / 0.6
    assert events.p.tolist() == [1] * 5 + [0] * 5
    assert np.abs(events.t - 10_000 * np.concatenate([up, 1.0 + down])).max() <= 1.0


def test_noise_comes_from_all_from_people_and_from_motion():
    camera = replace(QUIET, noise_rate=2.0, texture_rate=5.0, motion_rate=0.25, noise_on=0.25)
    light, speed = np.zeros((2, 101, 60, 60), np.float32)
    light[:, 30:] = -1.0
    speed[50:, 30:] = 8.0  # for half of the time: one event per pixel
    events = record_video(light, speed, 1_000_000, np.random.default_rng(0), camera)

    wall, person = (np.sum(part) for part in (events.y < 30, events.y >= 30))
    assert abs(wall - 3600) < 5 * 60  # five standard deviations
    assert abs(person - 14_400) < 5 * 120
    assert abs(events.p.mean() - 0.25) < 5 * np.sqrt(0.1875 / 18_000)
    assert (np.diff(events.t) >= 0).all()
    moving = np.sum((events.y >= 30) & (events.t >= 500_000))
    assert abs(moving - 1800 * 4.5) < 5 * 90


def test_a_share_of_the_events_comes_elsewhere():
    camera = replace(QUIET, texture_rate=50.0, scatter=0.3, scatter_width=8.0)
    light = np.zeros((101, 128, 128), np.float32)
    light[:, 64, 64] = -1.0
    still = np.zeros_like(light)
    events = record_video(light, still, 1_000_000, np.random.default_rng(0), camera)
    off = np.stack([events.x, events.y]) - 64
    away = (off != 0).any(axis=0)

    assert abs(away.mean() - 0.3) < 5 * np.sqrt(0.21 / len(away))
    assert 5.0 < off[:, away].std() < 11.0  # some fifteen events


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"threshold": 0.0}, "threshold must be positive"),
        ({"step": -1}, "step must be positive"),
        ({"noise_rate": -1.0}, "noise_rate must not be negative"),
        ({"motion_rate": -1.0}, "motion_rate must not be negative"),
        ({"noise_on": 1.5}, r"noise_on must lie in \[0, 1\]"),
        ({"scatter": -0.1}, r"scatter must lie in \[0, 1\]"),
        ({"scatter_width": -1.0}, "scatter_width must not be negative"),
    ],
)
def test_a_camera_that_cannot_be_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        VideoCamera(**change)


def test_what_cannot_be_made_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="n must be a positive integer"):
        synthetic_gestures(0, rng)
    with pytest.raises(ValueError, match="name must be one of hand clap"):
        synthetic_gesture("dance", rng)
    with pytest.raises(ValueError, match="duration must be a positive integer"):
        synthetic_gesture("arm roll", rng, duration=0)


def test_gestures_fill_their_part_of_the_picture():
    """Not a tuned figure: each gesture is where its name says."""
    middle = {}
    for name in ("right hand wave", "left hand wave", "air drums"):
        events = [synthetic_gesture(name, np.random.default_rng(k), duration=SHORT) for k in (1, 2)]
        middle[name] = np.mean([(e.x.mean(), e.y.mean()) for e in events], axis=0)

    assert middle["right hand wave"][0] < middle["air drums"][0] < middle["left hand wave"][0]
    assert middle["air drums"][1] > middle["left hand wave"][1]
