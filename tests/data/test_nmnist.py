import io
import os
import shutil
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsast.data import bin_events, load_nmnist, load_nmnist_spikes, nmnist, read_events
from refsast.spikes import as_spikes


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


@pytest.mark.parametrize("chunk", [1, 4, 23, 99])
@pytest.mark.parametrize("jobs", [1, 3, None])
def test_neither_chunks_nor_workers_matter(written, zipped, monkeypatch, chunk, jobs):
    expected, y = load_nmnist(written, "Train", steps=4)
    monkeypatch.setattr(nmnist, "CHUNK", chunk)
    for root in (written, zipped):
        x, y2 = load_nmnist_spikes(root, "Train", steps=4, jobs=jobs)

        assert equal((x.starts, x.index), (as_spikes(expected).starts, as_spikes(expected).index))
        assert equal((y2,), (y,))


@pytest.mark.parametrize("jobs", [1, 2])
def test_of_several_bad_recordings_the_first_is_named(written, tmp_path, monkeypatch, jobs):
    monkeypatch.setattr(nmnist, "CHUNK", 2)
    shutil.copytree(written / "Train", tmp_path / "Train")
    for path in sorted(tmp_path.glob("Train/[5-9]/*.bin")):
        path.write_bytes(b"123")

    with pytest.raises(ValueError, match=r"Train/5/00006\.bin"):
        load_nmnist_spikes(tmp_path, "Train", steps=1, jobs=jobs)


def test_workers_are_counted_in_positive_integers(written):
    with pytest.raises(ValueError, match="jobs must be a positive integer, got 0"):
        load_nmnist_spikes(written, "Train", steps=1, jobs=0)


def test_a_progress_that_passes_over_recordings_is_refused(written):
    with pytest.raises(ValueError, match="progress must yield all items"):
        load_nmnist(written, "Train", steps=1, progress=lambda r: r[:0])


def test_progress_sees_every_recording(written):
    seen = []

    def progress(recordings):
        seen.extend(recordings)
        return recordings

    load_nmnist(written, "Train", steps=1, per_class=1, progress=progress)
    assert [r.digit for r in seen] == list(range(10))


def never(recordings):
    raise AssertionError("the cache should have been used")


@pytest.mark.parametrize("source", ["written", "zipped"])
def test_a_cache_hit_is_the_same_without_reading_again(source, request, tmp_path):
    root, cache = request.getfixturevalue(source), tmp_path / "cache"
    expected = load_nmnist(root, "Train", steps=2)

    assert equal(load_nmnist(root, "Train", steps=2, cache=cache), expected)
    assert equal(load_nmnist(root, "Train", steps=2, cache=cache, progress=never), expected)


def rewrite(path, content, stamp):
    """The file, changed in place, with a time that a clock too coarse would not tell apart."""
    path.write_bytes(content)
    os.utime(path, ns=(stamp, stamp))


def test_recordings_and_binning_are_in_the_key(tmp_path):
    lay_out(tmp_path, ["Train/0/1.bin", "Train/1/2.bin"])
    cache, path = tmp_path / "cache", tmp_path / "Train/1/2.bin"
    files = []
    for steps, duration, changed in ((1, 10, 0), (2, 10, 0), (1, 11, 0), (1, 10, 1), (1, 10, 2)):
        if changed == 1:
            rewrite(path, bytes([1, 0, 0, 0, 0]), 10**18)
        if changed == 2:
            path.rename(tmp_path / "Train/1/3.bin")
        x, _ = load_nmnist(tmp_path, "Train", steps=steps, duration=duration, cache=cache)
        files.append(len(list(cache.iterdir())))
    assert files == [1, 2, 3, 4, 5]
    assert x[0, 1].argmax() == 1


@pytest.mark.parametrize("content", [bytes([7, 0, 0, 0, 0]), bytes(10)])
def test_a_changed_recording_is_noticed_by_its_time_or_its_size(tmp_path, content):
    lay_out(tmp_path, ["Train/0/1.bin"])
    path = tmp_path / "Train/0/1.bin"
    rewrite(path, bytes(5), 10**18)
    load_nmnist(tmp_path, "Train", steps=1, cache=tmp_path / "cache")
    rewrite(path, content, 10**18 + 1 if len(content) == 5 else 10**18)
    x, _ = load_nmnist(tmp_path, "Train", steps=1, cache=tmp_path / "cache")

    assert np.array_equal(x, load_nmnist(tmp_path, "Train", steps=1)[0])


def test_a_recording_replaced_by_one_of_equal_size_and_time_is_noticed(tmp_path):
    """As `cp --preserve` and an archive that sets all times to one do: the file is another one."""
    lay_out(tmp_path, ["Train/0/1.bin", "other"])
    path, other = tmp_path / "Train/0/1.bin", tmp_path / "other"
    rewrite(path, bytes(5), 10**18)
    rewrite(other, bytes([7, 0, 0, 0, 0]), 10**18)
    load_nmnist(tmp_path, "Train", steps=1, cache=tmp_path / "cache")
    other.replace(path)
    x, _ = load_nmnist(tmp_path, "Train", steps=1, cache=tmp_path / "cache")

    assert x[0, 0].argmax() == 7


def test_a_changed_recording_in_a_zip_is_noticed_whatever_its_time(tmp_path):
    for i, name in enumerate("ab"):
        (tmp_path / name).mkdir()
        with zipfile.ZipFile(tmp_path / name / "Train.zip", "w") as archive:
            archive.writestr(zipfile.ZipInfo("Train/0/1.bin"), bytes([i, 0, 0, 0, 0]))
    a, b = (
        load_nmnist(tmp_path / name, "Train", steps=1, cache=tmp_path / "cache")[0] for name in "ab"
    )

    assert (a[0, 0].argmax(), b[0, 0].argmax()) == (0, 1)


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
