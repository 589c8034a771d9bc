"""The file of a data set: what it holds, and that nothing else is believed."""

import hashlib
import os
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsast.data import digest, load_nmnist_spikes
from refsast.data.cache import fetch, load_or_build, store
from refsast.spikes import Spikes, as_spikes, join_spikes
from tests.data.test_batch import same
from tests.data.test_nmnist import lay_out


def draw_dataset(seed, n=5, steps=3, cells=11):
    x = np.random.default_rng(seed).random((steps, n, cells)) < 0.3
    return as_spikes(x), np.arange(n)


def is_equal(found, expected):
    return same(found[0], expected[0]) and np.array_equal(found[1], expected[1])


@given(st.integers(0, 99), st.integers(0, 5), st.sampled_from([1, 11, 70_000]))
def test_what_is_stored_is_fetched_however_it_was_cut(tmp_path_factory, seed, cut, cells):
    path = tmp_path_factory.mktemp("cache") / "new" / "a.spikes"
    x, y = draw_dataset(seed, cells=cells)
    store(path, [x[:, :cut], x[:, cut:]], y)
    found = fetch(path)

    assert is_equal(found, (x, y))
    assert found[1].dtype == np.int64
    assert not found[0].starts.flags.writeable


def test_a_set_is_mapped_not_read(tmp_path):
    x, y = draw_dataset(0)
    store(tmp_path / "a", [x], y)
    found, _ = fetch(tmp_path / "a")

    assert isinstance(found.index, np.memmap)
    assert isinstance(found.starts, np.memmap)


@pytest.mark.parametrize("ones", range(1, 6))
def test_whatever_the_number_of_ones_what_follows_is_aligned(tmp_path, ones):
    x = as_spikes(np.arange(8).reshape(1, 1, 8) < ones)
    store(tmp_path / "a", [x], np.zeros(1, np.int64))
    found, _ = fetch(tmp_path / "a")

    assert found.starts.flags.aligned
    assert same(found, x)


def test_a_set_without_ones_is_a_set(tmp_path):
    x, y = as_spikes(np.zeros((2, 3, 4))), np.arange(3)
    store(tmp_path / "a", [x], y)

    assert is_equal(fetch(tmp_path / "a"), (x, y))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A file of a set, and its bytes; the tests below write others over it."""
    path = tmp_path_factory.mktemp("stored") / "a"
    store(path, [draw_dataset(1)[0]], draw_dataset(1)[1])
    return path, path.read_bytes()


@given(st.integers(0, 2000), st.integers(1, 255))
def test_a_file_damaged_anywhere_is_absent(stored, place, change):
    path, content = stored
    wrong = bytearray(content)
    wrong[place % len(wrong)] ^= change
    path.write_bytes(wrong)

    assert fetch(path) is None
    path.write_bytes(content)
    assert is_equal(fetch(path), draw_dataset(1))


@given(st.data())
def test_a_file_that_is_cut_or_continued_is_absent(stored, data):
    path, content = stored
    cut = data.draw(st.integers(0, len(content) - 1))

    for wrong in (content[:cut], content + content[: cut + 1]):
        path.write_bytes(wrong)
        assert fetch(path) is None


@given(st.binary(max_size=200))
def test_a_foreign_file_is_absent(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("cache") / "a"
    path.write_bytes(content)

    assert fetch(path) is None


def test_what_is_no_file_is_absent(tmp_path):
    assert fetch(tmp_path) is None
    assert fetch(tmp_path / "nothing") is None


@pytest.mark.parametrize("n", range(5))
def test_too_few_arrays_are_absent_even_with_a_checksum(tmp_path, n):
    with (tmp_path / "a").open("wb") as file:
        for _ in range(n):
            np.save(file, np.ones(3, np.int64))
    content = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(content + hashlib.sha256(content).digest())

    assert fetch(tmp_path / "a") is None


@pytest.mark.parametrize(
    ("labels", "places", "fits"), [(3, 8, True), (2, 8, False), (4, 8, False), (3, 4, False)]
)
def test_counts_that_do_not_fit_are_absent_even_with_a_checksum(tmp_path, labels, places, fits):
    """Six ones in three recordings of two steps, but for what is claimed of them."""
    with (tmp_path / "a").open("wb") as file:
        np.save(file, np.zeros(places, "<u2"))
        for numbers in (range(7), range(labels), [2, 11]):
            np.save(file, np.array(numbers, "<i8"))
        np.save(file, np.zeros(32, np.uint8))
    content = (tmp_path / "a").read_bytes()[:-32]
    (tmp_path / "a").write_bytes(content + hashlib.sha256(content).digest())

    assert (fetch(tmp_path / "a") is not None) is fits


def test_the_file_is_plain_arrays_that_numpy_reads(tmp_path):
    x, y = draw_dataset(3)
    store(tmp_path / "a", [x], y)
    with (tmp_path / "a").open("rb") as file:
        index, starts, labels, counts, checksum = (np.load(file) for _ in range(5))
        assert not file.read()

    assert np.array_equal(index[: starts[-1]], x.index)
    assert np.array_equal(starts, x.starts)
    assert (labels.tolist(), counts.tolist()) == (y.tolist(), [x.steps, x.cells])
    assert checksum.dtype == np.uint8


DAMAGE = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "text": lambda content: b"not a set",
    "header": lambda content: content[:20] + b"!" + content[21:],
    "index": lambda content: content[:100] + bytes([content[100] ^ 1]) + content[101:],
    "labels": lambda content: content[:-5] + b"!" + content[-4:],
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_cache_is_rebuilt(written, tmp_path, how):
    expected = load_nmnist_spikes(written, "Train", steps=2, per_class=1)
    load_nmnist_spikes(written, "Train", steps=2, per_class=1, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    path.write_bytes(DAMAGE[how](content))

    assert is_equal(
        load_nmnist_spikes(written, "Train", steps=2, per_class=1, cache=tmp_path), expected
    )
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == content


def test_who_has_a_set_open_keeps_it_when_it_is_replaced(tmp_path):
    x, y = draw_dataset(3)
    store(tmp_path / "a", [x], y)
    opened = fetch(tmp_path / "a")
    store(tmp_path / "a", [draw_dataset(4)[0]], y)

    assert is_equal(opened, (x, y))
    assert is_equal(fetch(tmp_path / "a"), draw_dataset(4))


def test_labels_and_parts_must_belong_together(tmp_path):
    x, y = draw_dataset(0)

    with pytest.raises(ValueError, match="one label per recording, got 4"):
        store(tmp_path / "a", [x], y[:4])
    with pytest.raises(ValueError, match="parts must be of one number of steps"):
        store(tmp_path / "a", [x, draw_dataset(0, steps=2)[0]], y)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_making_leaves_nothing_behind(tmp_path):
    def parts():
        yield draw_dataset(0)[0]
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        load_or_build(tmp_path / "a", parts, draw_dataset(0)[1])
    assert list(tmp_path.iterdir()) == []


KILLED = """
import sys, time, numpy as np
from pathlib import Path
from refsast.data.cache import store
from refsast.spikes import as_spikes
def parts():
    yield as_spikes(np.ones((1, 1000, 1000)))
    print("half", flush=True)
    time.sleep(60)
store(Path(sys.argv[1]) / "a", parts(), np.arange(2000))
"""


def test_a_kill_leaves_no_half_file(tmp_path):
    root = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as process:
        assert process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGKILL)
    x, y = draw_dataset(0)

    assert [path.name[:3] for path in tmp_path.iterdir()] == [".a."]
    assert is_equal(load_or_build(tmp_path / "a", lambda: [x], y), (x, y))


def test_a_set_larger_than_what_is_held_is_built_and_opened(tmp_path):
    """Sixteen megabytes of ones pass by in parts of a quarter; two at most are held at a time."""
    part = as_spikes(np.ones((1, 128, 1024), np.uint8))
    x = (part for _ in range(64))
    tracemalloc.start()
    try:
        store(tmp_path / "a", x, np.zeros(64 * 128, np.int64))
        found, _ = fetch(tmp_path / "a")
        total = sum(len(found[:, i : i + 128].index) for i in range(0, 64 * 128, 128))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert total == 64 * 128 * 1024
    assert os.path.getsize(tmp_path / "a") > 16e6
    assert peak < 3e6


def test_the_digest_sees_values_shapes_and_types():
    x, y = np.zeros((2, 3, 4), np.uint8), np.zeros(3, np.int64)
    others = [
        (x, y),
        (x + np.uint8(1), y),
        (x.reshape(4, 3, 2), y),
        (x.astype(np.int8), y),
        (x, y + 1),
        (as_spikes(x), y),
        (as_spikes(x), y + 1),
        (as_spikes(x + 1), y),
        (as_spikes(np.zeros((2, 3, 5))), y),
        (as_spikes(np.zeros((3, 2, 4))), y),
    ]

    assert len({digest(*pair) for pair in others}) == len(others)
    assert digest(x, y) == digest(np.asfortranarray(x), y.copy())


def test_the_digest_does_not_see_where_spikes_are(tmp_path):
    x, y = draw_dataset(5)
    store(tmp_path / "a", [x], y)
    joined = join_spikes([x[:, :2], x[:, 2:]])

    assert digest(*fetch(tmp_path / "a")) == digest(x, y) == digest(joined, y)
    assert isinstance(joined, Spikes)


def test_opening_a_split_that_is_gone_is_refused(tmp_path):
    """The recordings are the truth: a cache does not outlive them."""
    lay_out(tmp_path, ["Train/0/1.bin"])
    load_nmnist_spikes(tmp_path, "Train", steps=1, cache=tmp_path / "cache")
    (tmp_path / "Train/0/1.bin").unlink()

    with pytest.raises(ValueError, match="got none in"):
        load_nmnist_spikes(tmp_path, "Train", steps=1, cache=tmp_path / "cache")
