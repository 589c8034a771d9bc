"""Binary inputs as the places of their ones: what an event camera gives, nineteen zeros left out.

Rule 1: rows go recording after recording, so a recording is one stretch of memory or of a file, and
        a minibatch is a few stretches joined; a data set may stay on disk.
Rule 2: one record serves a batch and a whole data set; where an array ``(time, batch, n)`` may
        stand, it may stand, and ``x[:, rows]`` means the same for both.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from refsast.arrays import is_count

Index: TypeAlias = NDArray[np.integer]


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
        Which inputs are 1, ascending within a row. Checked where spikes are made, by `as_spikes` or
        from events, and not again.

    Raises
    ------
    ValueError
        If `starts` and `index` are not of each other's length, or a number is not positive.
    """

    steps: int
    cells: int
    starts: NDArray[np.int64]
    index: Index

    def __post_init__(self) -> None:
        if not is_count(self.steps) or not is_count(self.cells):
            wanted = f"got {self.steps!r} and {self.cells!r}"
            raise ValueError(f"steps and cells must be positive integers, {wanted}")
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
        """Return ``self[:, rows]``: some recordings, all their steps, in memory.

        `rows` is a slice, an array of indices (which may repeat) or of booleans, as in NumPy.
        """
        whole, rows = where
        if whole != slice(None):
            raise ValueError(f"spikes must be indexed as x[:, rows], got {where!r}")
        n = self.shape[1]
        rows = np.atleast_1d(np.arange(n)[rows])
        first = rows * self.steps
        sizes = np.diff(self.starts[first[:, None] + np.arange(self.steps + 1)], axis=1)
        starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        index = np.empty(int(starts[-1]), self.index.dtype)
        for row, start, stop in zip(
            rows, starts[:: self.steps], starts[self.steps :: self.steps], strict=False
        ):
            begin = self.starts[row * self.steps]
            index[start:stop] = self.index[begin : begin + stop - start]
        return Spikes(self.steps, self.cells, starts, index)

    def during(self, span: slice) -> "Spikes":
        """Return ``self[span]`` along time: some successive steps of all recordings."""
        first, stop, _ = span.indices(self.steps)
        if (first, stop) == (0, self.steps):
            return self
        n = self.shape[1]
        bounds = self.starts[np.arange(n)[:, None] * self.steps + np.arange(first, stop + 1)]
        starts = np.concatenate([[0], np.cumsum(np.diff(bounds, axis=1), dtype=np.int64)])
        index = [
            self.index[low:high] for low, high in zip(bounds[:, 0], bounds[:, -1], strict=True)
        ]
        return Spikes(stop - first, self.cells, starts, np.concatenate(index))

    def dense(self, dtype: DTypeLike = np.uint8) -> NDArray[np.generic]:
        """Return the array of zeros and ones, shape (steps, n, cells)."""
        steps, n, cells = self.shape
        x = np.zeros((n * steps, cells), dtype)
        x[np.repeat(np.arange(n * steps), np.diff(self.starts)), self.index] = 1
        return np.ascontiguousarray(x.reshape(n, steps, cells).swapaxes(0, 1))


def as_spikes(x: ArrayLike) -> Spikes:
    """Return zeros and ones as the places of the ones.

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
    starts = np.concatenate([[0], np.cumsum(rows.sum(axis=1), dtype=np.int64)])
    return Spikes(steps, cells, starts, np.nonzero(rows)[1].astype(index_type(cells)))


def index_type(cells: int) -> type[np.uint16] | type[np.int32]:
    """Return the smallest type that holds an index below `cells`."""
    return np.uint16 if cells <= 1 << 16 else np.int32
