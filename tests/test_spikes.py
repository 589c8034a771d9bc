"""The record of binary inputs: the same numbers as the array, however it is cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsast.spikes import BLOCK_SIZE, Spikes, as_spikes, join_spikes


@st.composite
def binary(draw, least=0):
    """Zeros and ones of shape (time, n, cells); often without ones in a row, or in all."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(least, 5), st.integers(1, 6)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return (rng.random(shape) < draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))).astype(np.uint8)


def memory_map(x, folder):
    """The same spikes, in files."""
    for name, part in (("starts", x.starts), ("index", np.append(x.index, 0))):
        part.tofile(folder / name)
    starts = np.memmap(folder / "starts", x.starts.dtype, "r")
    index = np.memmap(folder / "index", np.append(x.index, 0).dtype, "r")[: len(x.index)]
    return Spikes(x.steps, x.cells, starts, index)


@given(binary())
def test_the_array_comes_back(x):
    spikes = as_spikes(x)

    assert np.array_equal(spikes.dense(), x)
    assert spikes.shape == x.shape
    assert spikes.density == pytest.approx(x.mean() if x.size else 0.0, rel=1e-14)
    assert [spikes.dense(t).dtype for t in (np.uint8, np.float32)] == [np.uint8, np.float32]


@given(binary())
def test_the_ones_of_a_row_are_where_it_says_in_order(x):
    spikes = as_spikes(x)
    for i in range(x.shape[1]):
        for t in range(x.shape[0]):
            row = i * x.shape[0] + t
            ones = spikes.index[spikes.starts[row] : spikes.starts[row + 1]]
            assert ones.tolist() == np.flatnonzero(x[t, i]).tolist()


@given(binary(), st.data())
def test_rows_are_those_of_the_array(x, data):
    n = x.shape[1]
    rows = data.draw(
        st.one_of(
            st.slices(n),
            st.lists(st.booleans(), min_size=n, max_size=n).map(lambda m: np.array(m, bool)),
            st.lists(st.integers(-n, n - 1), max_size=7) if n else st.just([]),
        )
    )
    found = as_spikes(x)[:, rows]

    assert np.array_equal(found.dense(), x[:, rows])
    assert found.starts[0] == 0
    assert np.array_equal(found[:, ::-1].dense(), x[:, rows][:, ::-1])


@given(binary(), st.data())
def test_steps_are_those_of_the_array(x, data):
    first = data.draw(st.integers(0, len(x) - 1))
    span = slice(first, data.draw(st.integers(first + 1, len(x) + 1)))

    assert np.array_equal(as_spikes(x).during(span).dense(), x[span])


def test_all_steps_are_the_spikes_themselves():
    spikes = as_spikes(np.ones((3, 2, 2)))

    assert spikes.during(slice(0, 3)) is spikes


@given(binary(least=1), st.lists(st.integers(0, 99), max_size=5), st.data())
def test_on_disk_they_are_the_same(tmp_path_factory, x, rows, data):
    spikes = memory_map(as_spikes(x), tmp_path_factory.mktemp("spikes"))
    rows = [row % x.shape[1] for row in rows]
    some = data.draw(st.slices(x.shape[1]))

    assert np.array_equal(spikes.dense(), x)
    assert np.array_equal(spikes[:, rows].dense(), x[:, rows])
    assert np.array_equal(spikes[:, some].dense(), x[:, some])


def test_a_slice_shares_memory_and_a_choice_does_not():
    x = as_spikes(np.ones((2, 5, 3)))

    assert np.shares_memory(x[:, 1:4].index, x.index)
    assert not np.shares_memory(x[:, [1, 2, 3]].index, x.index)
    assert not np.shares_memory(x[:, ::2].index, x.index)


def test_many_recordings_are_made_dense_in_blocks():
    x = np.random.default_rng(0).random((2, 2 * BLOCK_SIZE + 3, 4)) < 0.5

    assert np.array_equal(as_spikes(x).dense(), x)


@given(binary(), st.data())
def test_joining_undoes_cutting(x, data):
    cut = data.draw(st.integers(0, x.shape[1]))
    spikes = as_spikes(x)
    joined = join_spikes([spikes[:, :cut], spikes[:, cut:]])

    assert np.array_equal(joined.starts, spikes.starts)
    assert np.array_equal(joined.index, spikes.index)


@pytest.mark.parametrize("parts", [[], [as_spikes([[[1]]]), as_spikes([[[1, 0]]])]])
def test_parts_of_different_kinds_are_not_joined(parts):
    with pytest.raises(ValueError, match="parts must be of one number of steps and of cells"):
        join_spikes(parts)


@pytest.mark.parametrize(("cells", "kind"), [(65_536, np.uint16), (65_537, np.int32)])
def test_an_index_is_as_small_as_it_can_be(cells, kind):
    x = np.zeros((1, 1, cells), np.uint8)
    x[..., -1] = 1

    assert as_spikes(x).index.dtype == kind
    assert np.array_equal(as_spikes(x).dense(), x)


NOT_BINARY = {
    "must have shape": np.zeros((2, 3)),
    "got \\(0, 1, 1\\)": np.zeros((0, 1, 1)),
    "got \\(1, 1, 0\\)": np.zeros((1, 1, 0)),
    "zeros and ones": np.full((1, 1, 1), 2),
    "dtype float64": np.full((1, 1, 1), np.nan),
    "dtype complex128": np.ones((1, 1, 1), complex),
}


@pytest.mark.parametrize("says", NOT_BINARY)
def test_what_is_not_zeros_and_ones_is_refused(says):
    with pytest.raises(ValueError, match=says):
        as_spikes(NOT_BINARY[says])


NOT_SPIKES = {
    "steps and cells must be positive integers, got 0 and 3": (0, 3, [0], []),
    "steps and cells must be positive integers, got 2 and 1.0": (2, 1.0, [0], []),
    "starts must have n \\* 2 \\+ 1, got 2": (2, 3, [0, 0], []),
    "starts must have n \\* 1 \\+ 1, got 0": (1, 3, [], []),
    "starts must run from 0 to 1, got 0 to 2": (1, 3, [0, 2], [1]),
    "starts must run from 0 to 1, got 1 to 1": (1, 3, [1, 1], [1]),
}


@pytest.mark.parametrize("says", NOT_SPIKES)
def test_arrays_that_do_not_fit_each_other_are_refused(says):
    steps, cells, starts, index = NOT_SPIKES[says]

    with pytest.raises(ValueError, match=says):
        Spikes(steps, cells, np.array(starts, np.int64), np.array(index, np.uint16))


@pytest.mark.parametrize(
    ("where", "error", "says"),
    [
        ((slice(1), slice(None)), ValueError, "must be indexed as x"),
        ((0, slice(None)), ValueError, "must be indexed as x"),
        ((slice(None), [3]), IndexError, r"rows must lie in \[-3, 3\), got 3 to 3"),
        ((slice(None), [-4, 0]), IndexError, "got -4 to 0"),
        ((slice(None), [True]), IndexError, "boolean"),
        ((slice(None), [0.0]), ValueError, "rows must be a list of indices or booleans"),
        ((slice(None), [[0]]), ValueError, "rows must be a list of indices or booleans"),
    ],
)
def test_other_indices_are_refused(where, error, says):
    with pytest.raises(error, match=says):
        as_spikes(np.ones((2, 3, 4)))[where]
