"""Synthetic recordings made many at a time are those that are made one at a time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsast.data import Camera, Hand, bin_spikes, synthetic, synthetic_digits, synthetic_spikes
from refsast.data.camera import CANVAS, record, stable_argsort
from refsast.data.handwriting import render_digit
from refsast.spikes import as_spikes
from tests.data.camera_oracle import record_one
from tests.data.test_batch import same
from tests.data.test_events import same as same_events

FAST = Camera(step=10_000)  # a thirtieth of the work
STEPS = {"steps": 4, "camera": FAST}


def make_spikes(n, rng=0, **how):
    rng = np.random.default_rng(rng) if isinstance(rng, int) else rng
    return synthetic_spikes(n, rng, **(STEPS | how))


CAMERAS = {
    "usual": Camera(),
    "never blind": Camera(refractory=0, threshold=0.05),
    "long blind": Camera(refractory=12_000, threshold=0.05),
    "coarse": Camera(step=2_000, refractory=3_100, off_ratio=1.4),
    "bright ink": Camera(paper=0.3, ink=1.7, mismatch=0.6),
}


@pytest.mark.parametrize("name", CAMERAS)
def test_the_camera_sees_what_one_without_short_cuts_sees(name):
    seeds = range(12)
    ink = [render_digit(s % 10, np.random.default_rng(s), Hand(), CANVAS) for s in seeds]
    found = record(ink, [np.random.default_rng(s) for s in seeds], CAMERAS[name])

    for s, events in zip(seeds, found, strict=True):
        assert same_events(events, record_one(ink[s], np.random.default_rng(s), CAMERAS[name]))


@given(st.lists(st.integers(-5, 5) | st.integers(-(2**40), 2**40)))
def test_the_order_is_that_of_a_stable_sort(times):
    t = np.array(times, np.int64)

    assert np.array_equal(stable_argsort(t), np.argsort(t, kind="stable"))


@pytest.mark.parametrize("chunk", [1, 5, 64])
def test_spikes_are_those_of_the_digits(monkeypatch, chunk):
    x, y = synthetic_digits(12, np.random.default_rng(0), **STEPS)
    monkeypatch.setattr(synthetic, "CHUNK", chunk)
    found, labels = make_spikes(12)

    assert same(found, as_spikes(x))
    assert np.array_equal(labels, y)


def test_processes_do_not_matter(monkeypatch):
    expected = make_spikes(100)
    monkeypatch.setattr(synthetic, "CHUNK", 16)

    assert same(make_spikes(100, jobs=2)[0], expected[0])


def never(items):
    raise AssertionError("the cache should have been used")


def test_a_cache_hit_is_the_same_and_leaves_the_generator_alike(tmp_path):
    rngs = [np.random.default_rng(3) for _ in range(3)]
    expected = make_spikes(70, rngs[0])
    first = make_spikes(70, rngs[1], cache=tmp_path)
    again = make_spikes(70, rngs[2], cache=tmp_path, progress=never)

    for found in (first, again):
        assert same(found[0], expected[0])
        assert np.array_equal(found[1], expected[1])
    assert len({tuple(rng.spawn(1)[0].integers(0, 2**62, 4)) for rng in rngs}) == 1


def spawn_children(seed, n):
    rng = np.random.default_rng(seed)
    rng.spawn(n)
    return rng


OTHERS = {
    "recordings": {"n": 3},
    "seed": {"rng": 1},
    "child": {"rng": np.random.default_rng(0).spawn(1)[0]},
    "children": {"rng": spawn_children(0, 1)},
    "generator": {"rng": np.random.Generator(np.random.Philox(0))},
    "steps": {"steps": 5},
    "duration": {"duration": 299_999},
    "hand": {"hand": Hand(warp=0.0)},
    "camera": {"camera": replace(FAST, threshold=0.23)},
}


@pytest.mark.parametrize("what", OTHERS)
def test_all_that_determines_the_recordings_is_in_the_key(tmp_path, what):
    make_spikes(**{"n": 2, "cache": tmp_path})
    make_spikes(**({"n": 2, "cache": tmp_path} | OTHERS[what]))

    assert len(list(tmp_path.iterdir())) == 2


def test_a_generator_that_cannot_tell_its_seed_is_not_cached(tmp_path):
    class Seeds(np.random.bit_generator.ISpawnableSeedSequence):
        def generate_state(self, n_words, dtype=np.uint32):
            return np.zeros(n_words, dtype)

        def spawn(self, n_children):
            return [Seeds()] * n_children

    rng = np.random.Generator(np.random.PCG64(Seeds()))

    assert make_spikes(2, rng)[0].shape == (4, 2, 2312)
    with pytest.raises(ValueError, match="rng must come from a SeedSequence to be cached"):
        make_spikes(2, rng, cache=tmp_path)


def test_an_interrupted_making_leaves_nothing(tmp_path):
    def stop(items):
        yield from list(items)[:5]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_spikes(12, cache=tmp_path, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_it_is_events_that_are_binned():
    events = [
        synthetic.synthetic_events(i, rng, camera=FAST)
        for i, rng in enumerate(np.random.default_rng(0).spawn(3))
    ]

    assert same(bin_spikes(events, steps=4, duration=300_000), make_spikes(3)[0])


@pytest.mark.parametrize("jobs", [0, 1.5])
def test_nonsense_is_refused(jobs):
    with pytest.raises(ValueError, match="jobs must be a positive integer"):
        make_spikes(1, jobs=jobs)


def test_every_number_of_a_long_seed_is_in_the_key(tmp_path):
    """NumPy leaves numbers out where it prints long arrays."""
    seeds = np.arange(2000), np.arange(2000)
    seeds[1][1000] = 7

    first, second = (
        make_spikes(2, np.random.default_rng(seed), cache=tmp_path)[0] for seed in seeds
    )

    assert len(list(tmp_path.iterdir())) == 2
    assert not np.array_equal(first.index, second.index)
