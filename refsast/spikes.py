"""Binary inputs as the indices of their ones: an event camera gives about one in twenty.

Rule 1: rows are stored recording after recording, so a recording is one slice of memory or of a
        file, and a minibatch is a few slices joined; a data set may stay on disk.
Rule 2: one record serves a batch and a whole data set. It is accepted wherever an array
        ``(time, batch, n)`` is, and ``x[:, rows]`` means the same for both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from refsast.arrays import is_positive_int

Index: TypeAlias = NDArray[np.integer]

BLOCK_SIZE = 256  # recordings made dense together


@dataclass(frozen=True, eq=False)
class Spikes:
    """Zeros and ones of shape (steps, n, cells), of which only the ones are stored.

    Attributes
    ----------
    steps : int
        Time steps of every recording.
    cells : int
        Inputs per step.
    starts : (n * steps + 1,) array of int64
        Row ``i * steps + t``, which is recording i at step t, has its ones at
        ``index[starts[row] : starts[row + 1]]``. Begins with 0; never decreases.
    index : (ones,) array of an unsigned type or int32
        Which inputs are 1, ascending within a row; `validate_spikes` checks that, not this record.

    Raises
    ------
    ValueError
        If `starts` and `index` are no arrays of integers or not of each other's length, or a number
        is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> spikes = rs.as_spikes(np.array([[[0, 1, 1]]]))  # one step, one recording, three inputs
    >>> spikes.shape, spikes.index
    ((1, 1, 3), array([1, 2], dtype=uint16))
    """

    steps: int
    cells: int
    starts: NDArray[np.int64]
    index: Index

    def __post_init__(self) -> None:
        if not is_positive_int(self.steps) or not is_positive_int(self.cells):
            wanted = f"got {self.steps!r} and {self.cells!r}"
            raise ValueError(f"steps and cells must be positive integers, {wanted}")
        for name, array, kinds in (("starts", self.starts, "i"), ("index", self.index, "iu")):
            if getattr(array, "ndim", 0) != 1 or array.dtype.kind not in kinds:
                raise ValueError(f"{name} must be an array of integers, got {array!r:.60}")
        rows, one_too_many = divmod(len(self.starts) - 1, self.steps)
        if rows < 0 or one_too_many:
            raise ValueError(f"starts must have n * {self.steps} + 1, got {len(self.starts)}")
        if self.starts[0] != 0 or self.starts[-1] != len(self.index):
            ends = f"{self.starts[0]} to {self.starts[-1]}"
            raise ValueError(f"starts must run from 0 to {len(self.index)}, got {ends}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Time steps, recordings, inputs."""
        return self.steps, (len(self.starts) - 1) // self.steps, self.cells

    @property
    def density(self) -> float:
        """Share of ones; 0 where there is nothing."""
        return len(self.index) / max(1, self.cells * (len(self.starts) - 1))

    def __getitem__(self, where: tuple[slice, ArrayLike | slice]) -> "Spikes":
        """Return ``self[:, rows]``: some recordings, all their steps.

        `rows` is a slice, an array of indices (which may repeat) or of booleans, as in NumPy. As
        there, a slice without gaps shares the memory, or file, of `index`; all else is a copy.
        """
        whole, rows = where
        if not isinstance(whole, slice) or whole != slice(None):
            raise ValueError(f"spikes must be indexed as x[:, rows], got {where!r}")
        chosen = _row_indices(rows, self.shape[1])
        all_starts, all_index = np.asarray(self.starts), np.asarray(self.index)
        first = all_starts[chosen[:, None] * self.steps + np.arange(self.steps + 1)]
        starts = row_starts(np.diff(first, axis=1).ravel())
        begins, ends = first[:, 0].tolist(), first[:, -1].tolist()
        # Successive recordings are one slice of `index`: a view, so what is on disk stays there.
        if begins and isinstance(rows, slice) and rows.step in (None, 1):
            return Spikes(self.steps, self.cells, starts, self.index[begins[0] : ends[-1]])
        pieces = [all_index[begin:end] for begin, end in zip(begins, ends, strict=True)]
        index = np.concatenate([all_index[:0], *pieces])
        return Spikes(self.steps, self.cells, starts, index)

    def during(self, span: slice) -> "Spikes":
        """Return ``self[span]`` along time: some successive steps of all recordings."""
        first, stop, _ = span.indices(self.steps)
        if (first, stop) == (0, self.steps):
            return self
        rows = np.arange(self.shape[1])[:, None] * self.steps
        bounds = self.starts[rows + np.arange(first, stop + 1)]
        pieces = [self.index[low:high] for low, high in bounds[:, [0, -1]].tolist()]
        index = np.concatenate([self.index[:0], *pieces])
        return Spikes(stop - first, self.cells, row_starts(np.diff(bounds, axis=1).ravel()), index)

    def dense(self, dtype: DTypeLike = np.uint8) -> NDArray[np.generic]:
        """Return the array of zeros and ones, shape (steps, n, cells)."""
        steps, n, cells = self.shape
        x = np.zeros((steps, n, cells), dtype)
        for i in range(0, n, BLOCK_SIZE):  # so that beside the result little is in memory
            starts = self.starts[i * steps : (i + BLOCK_SIZE) * steps + 1]
            rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
            x[rows % steps, i + rows // steps, self.index[starts[0] : starts[-1]]] = 1
        return x


def as_spikes(x: ArrayLike) -> Spikes:
    """Return zeros and ones as the indices of the ones.

    Parameters
    ----------
    x : (time, n, cells) array
        Zeros and ones, of any real type.

    Returns
    -------
    Spikes
        The same numbers; ``as_spikes(x).dense()`` gives `x` back.

    Raises
    ------
    ValueError
        If `x` has no such shape, no step or no input, or holds anything but zeros and ones.

    Examples
    --------
    >>> as_spikes([[[0, 1, 1]], [[0, 0, 1]]]).index
    array([1, 2, 2], dtype=uint16)
    """
    x = np.asarray(x)
    if x.ndim != 3 or x.shape[0] == 0 or x.shape[2] == 0:
        raise ValueError(f"x must have shape (time, n, cells), got {x.shape}")
    ones = x != 0
    if x.dtype.kind not in "biuf" or not (x[ones] == 1).all():
        raise ValueError(f"x must hold zeros and ones, got others, of dtype {x.dtype}")
    steps, n, cells = x.shape
    rows = ones.swapaxes(0, 1).reshape(n * steps, cells)
    index = np.nonzero(rows)[1].astype(index_type(cells))
    return Spikes(steps, cells, row_starts(rows.sum(axis=1)), index)


def join_spikes(parts: Sequence[Spikes]) -> Spikes:
    """Return the recordings of all parts, in their order, as one record, in memory.

    Parts of other steps or cells than the first, or none at all, are a ValueError.

    Examples
    --------
    >>> join_spikes([as_spikes([[[0, 1]]]), as_spikes([[[1, 1]]])]).dense()
    array([[[0, 1],
            [1, 1]]], dtype=uint8)
    """
    kinds = sorted({(part.steps, part.cells) for part in parts})
    if len(kinds) != 1:
        raise ValueError(f"parts must be of one number of steps and of cells, got {kinds}")
    sizes = np.concatenate([np.diff(part.starts) for part in parts])
    index = np.concatenate([part.index for part in parts])
    return Spikes(*kinds[0], row_starts(sizes), index)


def validate_spikes(spikes: Spikes, name: str) -> None:
    """Raise unless all rows lie within `index`, ascend, and are cells: products rely on it."""
    if (np.diff(spikes.starts) < 0).any():
        raise ValueError(f"starts of {name} must never decrease, got some that do")
    steps, n, cells = spikes.shape
    for i in range(0, n, BLOCK_SIZE):  # so that of a set on disk little is in memory
        starts = spikes.starts[i * steps : (i + BLOCK_SIZE) * steps + 1]
        index = spikes.index[starts[0] : starts[-1]]
        least = 0 if index.dtype.kind == "u" else index.min(initial=0)
        if not 0 <= least <= index.max(initial=0) < cells:
            ends = f"{index.min()} to {index.max()}"
            raise ValueError(f"index of {name} must lie in [0, {cells}), got {ends}")
        # An index may fall only where a row begins.
        falls = np.flatnonzero(index[1:] <= index[:-1]) + 1
        begins = np.zeros(len(index) + 1, bool)
        begins[starts - starts[0]] = True
        if not begins[falls].all():
            raise ValueError(f"index of {name} must ascend in every row, got some that does not")


def row_starts(sizes: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return where rows of these sizes begin when joined, and where the last one ends."""
    starts = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=starts[1:])
    return starts


def index_type(cells: int) -> type[np.uint16] | type[np.int32]:
    """Return the smallest type that holds an index below `cells`."""
    return np.uint16 if cells <= 1 << 16 else np.int32


def _row_indices(rows: ArrayLike | slice, n: int) -> NDArray[np.int64]:
    """The indices, from 0 to n - 1, that `rows` means."""
    if isinstance(rows, slice):
        return np.arange(*rows.indices(n))
    rows = np.atleast_1d(rows)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "biu"):
        raise ValueError(f"rows must be a list of indices or booleans, got {rows!r:.60}")
    if rows.dtype.kind == "b":
        return np.arange(n)[rows]
    if rows.size and not -n <= rows.min() <= rows.max() < n:
        raise IndexError(f"rows must lie in [{-n}, {n}), got {rows.min()} to {rows.max()}")
    rows = rows.astype(np.int64)
    return np.where(rows < 0, rows + n, rows)
