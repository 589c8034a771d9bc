import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsast.data import bin_events, digest, load_nmnist, read_events
from refsast.data.cache import fetch, store


def equal(a, b):
    return all(np.array_equal(i, j) and i.dtype == j.dtype for i, j in zip(a, b, strict=True))


def lay_out(root, names, content=bytes(5)):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def test_a_recording_stands_where_its_label_does(written):
    x, y = load_nmnist(written, "Train", steps=3, duration=300_000)
    events = read_events(written / "Train" / "2" / "00013.bin")

    assert (x.shape, x.dtype, y.dtype) == ((3, 23, 2312), np.uint8, np.int64)
    assert y.tolist() == [i % 10 for i in range(23)]
    assert np.array_equal(x[:, 12], bin_events(events, steps=3, duration=300_000))


def test_a_folder_and_a_zip_give_the_same(written, zipped):
    expected = load_nmnist(written, "Train", steps=2)

    assert equal(load_nmnist(zipped, "Train", steps=2), expected)
    assert equal(load_nmnist(zipped / "Train.zip", "Train", steps=2), expected)


def test_the_order_is_by_rank_then_digit_and_numbers_are_numbers(tmp_path):
    """Event i of class c is at x = its number, so that the order can be read off."""
    for digit, number in ((3, "10"), (3, "9"), (1, "00007"), (1, "11"), (1, "8")):
        lay_out(tmp_path, [f"Test/{digit}/{number}.bin"], bytes([int(number), 0, 0, 0, 0]))
    x, y = load_nmnist(tmp_path, "Test", steps=1)

    assert x[0].argmax(axis=1).tolist() == [7, 9, 8, 10, 11]
    assert y.tolist() == [1, 3, 1, 3, 1]


def test_the_first_of_every_class_are_the_first_of_all(written):
    x, y = load_nmnist(written, "Train", steps=2)

    assert equal(load_nmnist(written, "Train", steps=2, per_class=1), (x[:, :10], y[:10]))
    assert equal(load_nmnist(written, "Train", steps=2, per_class=2), (x[:, :20], y[:20]))


def test_other_files_are_ignored(tmp_path):
    lay_out(tmp_path, ["Train/0/1.bin", "Train/README.md", "Train/0/Thumbs.db", "Train/note.txt"])

    assert load_nmnist(tmp_path, "Train", steps=1)[1].tolist() == [0]


REFUSED = {
    "got 'train'": ("train", {"steps": 1}, ["Train/0/1.bin"]),
    "root must hold Test/ or Test.zip": ("Test", {"steps": 1}, ["Train/0/1.bin"]),
    "got none in": ("Train", {"steps": 1}, ["Train/0/README"]),
    "class 3 in .*, 0, got 1": (
        "Train",
        {"steps": 1, "per_class": 1},
        [f"Train/{i}/1.bin" for i in range(10) if i != 3],
    ),
    "per_class must be a positive integer, got 0": (
        "Train",
        {"steps": 1, "per_class": 0},
        ["Train/0/1.bin"],
    ),
    "got Train/0/one.bin": ("Train", {"steps": 1}, ["Train/0/one.bin"]),
    "got Train/ten/1.bin": ("Train", {"steps": 1}, ["Train/ten/1.bin"]),
    "got Train/0/a/1.bin": ("Train", {"steps": 1}, ["Train/0/a/1.bin"]),
    "steps must be a positive integer, got 0": ("Train", {"steps": 0}, ["Train/0/1.bin"]),
}


@pytest.mark.parametrize("says", REFUSED)
def test_what_cannot_be_loaded_is_refused(tmp_path, says):
    name, how, files = REFUSED[says]

    with pytest.raises(ValueError, match=says):
        load_nmnist(lay_out(tmp_path, files), name, **how)


@pytest.mark.parametrize("content", [b"", b"123456", bytes([99, 0, 0, 0, 0])])
def test_a_bad_recording_is_named(tmp_path, content):
    lay_out(tmp_path, ["Train/0/1.bin"])
    lay_out(tmp_path, ["Train/4/77.bin"], content)

    with pytest.raises(ValueError, match=r"Train/4/77\.bin"):
        load_nmnist(tmp_path, "Train", steps=1)


def test_a_missing_root_is_refused(tmp_path):
    with pytest.raises(ValueError, match="nowhere"):
        load_nmnist(tmp_path / "nowhere", "Train", steps=1)


def small_zip():
    """Three recordings of 5 bytes each, as a zip in memory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for digit in range(3):
            archive.writestr(f"Train/{digit}/{digit}.bin", bytes([digit, 0, 0, 0, 0]))
    return buffer.getvalue()


def test_a_cut_zip_is_refused(tmp_path):
    (tmp_path / "Train.zip").write_bytes(small_zip()[:-30])

    with pytest.raises(ValueError, match=r"Train\.zip"):
        load_nmnist(tmp_path, "Train", steps=1)


def test_damaged_content_in_a_zip_is_refused(zipped):
    path = zipped / "Train.zip"
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)

    with pytest.raises(ValueError, match=r"Train\.zip"):
        load_nmnist(path, "Train", steps=1)


@given(st.lists(st.tuples(st.integers(0, 499), st.integers(1, 255)), min_size=1, max_size=3))
def test_a_zip_damaged_anywhere_gives_true_recordings_or_a_value_error(tmp_path_factory, damage):
    """A damaged directory can lose a recording; none may change its content or its class."""
    whole = bytearray(small_zip())
    for place, change in damage:
        whole[place % len(whole)] ^= change
    path = tmp_path_factory.mktemp("damaged") / "Train.zip"
    path.write_bytes(whole)
    try:
        x, y = load_nmnist(path, "Train", steps=1)
    except ValueError:
        return
    assert np.array_equal(x[0].argmax(axis=1), y)


def test_a_zip_of_something_else_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "Test.zip", "w") as archive:
        archive.writestr("Train/0/1.bin", bytes(5))

    with pytest.raises(ValueError, match="got none in"):
        load_nmnist(tmp_path, "Test", steps=1)


def test_progress_sees_every_recording(written):
    seen = []

    def progress(recordings):
        seen.extend(recordings)
        return recordings

    load_nmnist(written, "Train", steps=1, per_class=1, progress=progress)
    assert [r.digit for r in seen] == list(range(10))


def never(recordings):
    raise AssertionError("the cache should have been used")


def test_a_cache_hit_is_the_same_without_reading_again(written, zipped, tmp_path):
    expected = load_nmnist(written, "Train", steps=2)

    assert equal(load_nmnist(written, "Train", steps=2, cache=tmp_path / "c"), expected)
    assert equal(
        load_nmnist(written, "Train", steps=2, cache=tmp_path / "c", progress=never), expected
    )
    assert equal(
        load_nmnist(zipped, "Train", steps=2, cache=tmp_path / "c", progress=never), expected
    )


def damaged(path, how):
    content = bytearray(path.read_bytes())
    if how == "cut":
        content = content[: len(content) // 2]
    elif how == "empty":
        content = bytearray()
    elif how == "text":
        content = bytearray(b"not an archive")
    else:
        content[int(how)] ^= 0x10
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["cut", "empty", "text", "3", "90", "300", "5000", "-40", "-300"])
def test_a_damaged_cache_is_rebuilt(written, tmp_path, how):
    expected = load_nmnist(written, "Train", steps=2, per_class=1, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    damaged(path, how)

    assert equal(load_nmnist(written, "Train", steps=2, per_class=1, cache=tmp_path), expected)
    assert equal(
        load_nmnist(written, "Train", steps=2, per_class=1, cache=tmp_path, progress=iter), expected
    )
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@given(st.integers(0, 2000), st.integers(1, 255))
def test_a_cache_damaged_anywhere_is_whole_or_absent(tmp_path_factory, place, change):
    path = tmp_path_factory.mktemp("cache") / "a.npz"
    x, y = np.eye(8, dtype=np.uint8)[None], np.arange(8)
    store(path, x, y)
    whole = bytearray(path.read_bytes())
    whole[place % len(whole)] ^= change
    path.write_bytes(whole)
    found = fetch(path)

    assert found is None or equal(found, (x, y))


def test_a_wrong_number_in_a_well_formed_cache_is_not_believed(tmp_path):
    x, y = np.ones((1, 2, 8), np.uint8), np.array([0, 1])
    store(tmp_path / "a.npz", x, y)
    with np.load(tmp_path / "a.npz") as file:
        fields = dict(file)

    assert equal(fetch(tmp_path / "a.npz"), (x, y))
    for field in ("packed", "y", "shape"):
        wrong = fields | {field: fields[field] ^ 1}
        np.savez(tmp_path / "b.npz", **wrong)
        assert fetch(tmp_path / "b.npz") is None


def test_a_pickle_is_never_opened(tmp_path):
    np.savez(tmp_path / "a.npz", packed=np.array([{}], object), shape=1, y=1, check="")

    assert fetch(tmp_path / "a.npz") is None


def test_content_and_binning_are_in_the_key(tmp_path):
    lay_out(tmp_path, ["Train/0/1.bin", "Train/1/2.bin"])
    cache = tmp_path / "cache"
    keys = []
    for steps, duration, changed in ((1, 10, 0), (2, 10, 0), (1, 11, 0), (1, 10, 1), (1, 10, 2)):
        if changed == 1:
            (tmp_path / "Train/1/2.bin").write_bytes(bytes([1, 0, 0, 0, 0]))
        if changed == 2:
            (tmp_path / "Train/1/2.bin").rename(tmp_path / "Train/1/3.bin")
        x, _ = load_nmnist(tmp_path, "Train", steps=steps, duration=duration, cache=cache)
        keys.append(len(list(cache.iterdir())))
    assert keys == [1, 2, 3, 4, 5]
    assert x[0, 1].argmax() == 1


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", broken)
    with pytest.raises(OSError, match="disk full"):
        store(tmp_path / "a.npz", np.ones((1, 1, 8), np.uint8), np.zeros(1, np.int64))
    assert list(tmp_path.iterdir()) == []


def test_the_digest_sees_values_shapes_and_types():
    x, y = np.zeros((2, 3, 4), np.uint8), np.zeros(3, np.int64)
    others = [
        (x, y),
        (x + np.uint8(1), y),
        (x.reshape(4, 3, 2), y),
        (x.astype(np.int8), y),
        (x, y + 1),
    ]

    assert len({digest(*pair) for pair in others}) == len(others)
    assert digest(x, y) == digest(np.asfortranarray(x), y.copy())


@pytest.mark.slow
def test_the_real_set_has_its_documented_figures(nmnist):
    """README of the subset: 700 and 200 recordings, 5.0 % of the cells set."""
    x, y = load_nmnist(nmnist, "Train", steps=20)
    x2, y2 = load_nmnist(nmnist, "Test", steps=20)

    assert (x.shape[1], x2.shape[1]) == (700, 200)
    assert min(np.bincount(y).min(), np.bincount(y2).min()) > 10
    assert round(100.0 * (x.sum() + x2.sum()) / (x.size + x2.size), 1) == 5.0


def test_a_zip_whose_directory_misnames_a_recording_is_refused(zipped):
    path = zipped / "Train.zip"
    content = path.read_bytes()
    last = content.rindex(b"Train/")  # in the directory at the end, which has no checksum
    path.write_bytes(content[:last] + b"Trbin/" + content[last + 6 :])

    with pytest.raises(ValueError, match="root must hold"):
        load_nmnist(zipped, "Train", steps=2)
