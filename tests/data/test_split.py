import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsast.data import split_dataset
from refsast.spikes import as_spikes


@given(st.integers(3, 9), st.integers(0, 2**32), st.floats(0.2, 0.8))
def test_a_split_is_balanced_complete_and_in_order(per_class, seed, fraction):
    y = np.arange(4 * per_class) % 4
    x = np.arange(y.size)[None, :, None]
    (x1, y1), (x2, y2) = split_dataset(x, y, fraction=fraction, rng=np.random.default_rng(seed))

    assert sorted([*x1.ravel(), *x2.ravel()]) == list(range(y.size))
    for part, labels in ((x1, y1), (x2, y2)):
        assert (np.diff(part[0, :, 0]) > 0).all()
        assert np.array_equal(y[part[0, :, 0]], labels)
    assert np.ptp(np.bincount(y1, minlength=4)) == 0
    assert abs(np.bincount(y1)[0] - fraction * per_class) <= 0.5


def test_spikes_are_split_as_their_array_is():
    x = (np.random.default_rng(0).random((2, 20, 3)) < 0.5).astype(np.uint8)
    y = np.arange(20) % 2
    whole, spikes = (
        split_dataset(v, y, fraction=0.3, rng=np.random.default_rng(1)) for v in (x, as_spikes(x))
    )

    for (a, y1), (b, y2) in zip(whole, spikes, strict=True):
        assert np.array_equal(a, b.dense())
        assert np.array_equal(y1, y2)


def test_a_split_is_drawn():
    x, y = np.arange(40)[None, :, None], np.zeros(40, int)
    firsts = [
        split_dataset(x, y, fraction=0.5, rng=np.random.default_rng(s))[0][0] for s in (1, 1, 2)
    ]

    assert np.array_equal(firsts[0], firsts[1])
    assert not np.array_equal(firsts[0], firsts[2])


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0, float("nan"), 0.01])
def test_a_split_with_an_empty_part_is_refused(fraction):
    x, y = np.zeros((1, 4, 1)), np.zeros(4, int)

    with pytest.raises(ValueError, match="fraction must"):
        split_dataset(x, y, fraction=fraction, rng=np.random.default_rng(0))


def test_labels_and_inputs_must_belong_together():
    with pytest.raises(ValueError, match="one label per recording"):
        split_dataset(
            np.zeros((2, 3, 4)), np.zeros(2, int), fraction=0.5, rng=np.random.default_rng(0)
        )
