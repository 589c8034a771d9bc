"""The archive of DVS128 Gesture: read in place, cut into windows, and what is damaged is named."""

import lzma

import numpy as np
import pytest

from refsast.data import load_dvs_gesture, load_dvs_gesture_spikes, split_people
from refsast.data.gesture_windows import load_windows
from tests.data.gesture_files import (
    ROWS,
    SECOND,
    aedat,
    beat,
    files,
    packet,
    table,
    write_archive,
)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("gestures") / "DvsGesture.tar.gz", files())


def same(a, b):
    return all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))


def test_gestures_are_cut_pooled_and_binned(archive):
    x, y = load_dvs_gesture(archive, "Test", steps=2, duration=SECOND)

    # Two windows of each second long; class 8 twice, so four of label 7 and two of all others.
    assert x.shape == (2, 24, 2 * 32 * 32)
    assert y.tolist() == [*range(11), *range(11), 7, 7]
    for row, label in zip(x.transpose(1, 0, 2), y, strict=True):
        _, column, line, polarity = beat(label + 1, 0, 1)[0]
        cell = polarity * 1024 + line // 4 * 32 + column // 4
        assert [np.flatnonzero(step).tolist() for step in row] == [[cell], [cell]]


def test_the_split_is_that_of_the_lists(archive):
    _, _, people = load_windows(archive, "Train", steps=1, duration=SECOND)
    assert np.bincount(people).tolist() == [0, 48, 24]
    assert set(load_windows(archive, "Test", steps=1)[2].tolist()) == {24}


def test_a_gesture_shorter_than_a_window_is_one_window(archive):
    x, y = load_dvs_gesture(archive, "Test", steps=4, duration=4 * SECOND)

    assert np.bincount(y).tolist() == [1] * 7 + [2] + [1] * 3
    assert x.any(2).any(1).tolist() == [True, True, False, False]


def test_a_folder_an_archive_and_a_cache_say_the_same(archive, tmp_path):
    for name, content in files().items():
        (tmp_path / name).write_bytes(content)
    want = load_dvs_gesture(archive, "Train", steps=3)
    cached = {"steps": 3, "cache": tmp_path / "cache"}
    for root in (archive.parent, tmp_path):
        assert same(want, load_dvs_gesture(root, "Train", steps=3))
    for _ in range(2):
        x, y = load_dvs_gesture_spikes(archive, "Train", **cached)
        assert same(want, (x.dense(), y))
    assert len(list((tmp_path / "cache").iterdir())) == 1

    x, y = load_dvs_gesture_spikes(archive, "Train", per_class=2, **cached)
    assert np.array_equal(x.dense(), want[0][:, :22])
    assert y.tolist() == [*range(11), *range(11)]


def test_a_cache_among_unpacked_files_is_found_again(tmp_path):
    for name, content in {**files(), "._user01_lab.aedat": b"what macOS adds"}.items():
        (tmp_path / name).write_bytes(content)
    found = [
        load_dvs_gesture(tmp_path, "Test", steps=2, cache=tmp_path / "cache") for _ in range(3)
    ]

    assert same(found[0], found[1])
    assert same(found[0], found[2])
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_another_archive_is_not_taken_from_the_cache(tmp_path):
    path = tmp_path / "DvsGesture.tar.gz"
    options = {"steps": 2, "duration": 2 * SECOND, "cache": tmp_path / "cache"}
    before = load_dvs_gesture(write_archive(path, files()), "Test", **options)
    changed = {**files(), "user24_natural_labels.csv": table(*ROWS[:11])}
    after = load_dvs_gesture(write_archive(path, changed), "Test", **options)

    assert before[1].size == 12
    assert after[1].size == 11


def without(*names):
    return {name: content for name, content in files().items() if name not in names}


DAMAGED = {
    "a table alone": (
        without("user01_lab.aedat"),
        "must hold user01_lab.aedat, got user01_lab_lab",
    ),
    "a recording alone": (
        without("user02_lab_labels.csv"),
        "must hold user02_lab_labels.csv, got user02_lab.aedat alone",
    ),
    "a trial of the list": (
        without("user01_led.aedat", "user01_led_labels.csv"),
        "must hold user01_led.aedat, which trials_to_train.txt names",
    ),
    "no list": (without("trials_to_test.txt"), "must hold trials_to_test.txt, got none"),
    "an empty list": ({**files(), "trials_to_test.txt": b"\n"}, "trials_to_test.txt must name"),
    "another name": (
        {**files(), "trials_to_test.txt": b"somebody.aedat"},
        "trials must be named userNN_LIGHT, got 'somebody'",
    ),
    "somebody in both": (
        {**files(), "trials_to_test.txt": b"user01_lab.aedat"},
        "must have nobody in both splits, got user 1",
    ),
    "a class of 12": (
        {**files(), "user01_led_labels.csv": table((12, 0, 9))},
        "user01_led_labels.csv must have classes 1 to 11, got 12",
    ),
    "a class of 0": ({**files(), "user01_led_labels.csv": table((0, 0, 9))}, "1 to 11, got 0"),
    "an end before its start": (
        {**files(), "user01_led_labels.csv": table((1, 9, 9))},
        "user01_led_labels.csv must have gestures that end after they start, got 1,9,9",
    ),
    "a word": (
        {**files(), "user01_led_labels.csv": table((1, "x", 9))},
        "must have rows of three integers, got '1,x,9'",
    ),
    "no head": ({**files(), "user01_led_labels.csv": b"1,2,3\n"}, "must be a table of class,start"),
    "no events": (
        {**files(), "user01_led_labels.csv": table((1, 90 * SECOND, 91 * SECOND))},
        "must hold events of class 1, got none from 90000000 us",
    ),
    "a cut packet": (
        {**files(), "user02_lab.aedat": aedat(packet(beat(1, 0, SECOND)))[:-2]},
        "user02_lab.aedat in",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_named_in_one_line(name, tmp_path):
    contents, words = DAMAGED[name]
    path = write_archive(tmp_path / "DvsGesture.tar.gz", contents)
    with pytest.raises(ValueError, match="must") as error:
        load_dvs_gesture(path, "Train", steps=2)

    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"# A text", lzma.compress(b"cut")[:-9], b""])
def test_what_is_no_archive_is_named_in_one_line(content, tmp_path):
    (tmp_path / "DvsGesture.tar.gz").write_bytes(content)
    with pytest.raises(ValueError, match="must be an undamaged archive, got: ") as error:
        load_dvs_gesture(tmp_path, "Train", steps=2)

    assert "\n" not in str(error.value)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_cut_archive_is_named(archive, tmp_path, share):
    content = archive.read_bytes()
    path = tmp_path / "cut.tar.gz"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"cut\.tar\.gz must be an undamaged archive, got"):
        load_dvs_gesture(path, "Train", steps=2)


def test_what_cannot_be_read_is_refused(archive, tmp_path):
    with pytest.raises(ValueError, match=r"root must hold DvsGesture\.tar\.gz"):
        load_dvs_gesture(tmp_path, "Train", steps=2)
    with pytest.raises(ValueError, match="split must be one of Train, Test, got 'Verify'"):
        load_dvs_gesture(archive, "Verify", steps=2)
    with pytest.raises(ValueError, match="per_class must be at most the windows of class 1 in"):
        load_dvs_gesture(archive, "Test", steps=2, per_class=9)


def test_nobody_is_in_both_parts_of_a_split():
    x, y = np.arange(40.0).reshape(1, 40, 1), np.arange(40) % 4
    people = np.arange(40) // 8
    (x1, y1), (x2, y2) = split_people(x, y, people, fraction=0.6, rng=np.random.default_rng(0))

    first, second = (set((part.ravel() // 8).tolist()) for part in (x1, x2))
    assert len(first) == 3
    assert first | second == set(range(5))
    assert not first & second
    assert np.array_equal(y1, x1.ravel() % 4)
    assert np.array_equal(y2, x2.ravel() % 4)
    for wrong in (0.0, 1.0, 0.05, np.nan):
        with pytest.raises(ValueError, match="fraction must"):
            split_people(x, y, people, fraction=wrong, rng=np.random.default_rng(0))
