"""Many recordings at once: from the bytes of their files to the places of ones, vectorised.

Rule 1: the result is that of `parse_events` and `bin_events`, one recording after the other.
Rule 2: where something looks wrong, the files are parsed again one by one, for the error message.
Rule 3: an event becomes one number, ``row << bits | cell``; sorted, and without repetitions, these
        numbers are the answer. They have 32 bits if all fit, else 64.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refsast.data.binning import column_index, time_step, validate_steps
from refsast.data.events import (
    EVENT_BYTES,
    MARKER_STEP,
    MARKER_Y,
    SIZE,
    TIME_LIMIT,
    Events,
    parse_events,
    validate_events,
)
from refsast.spikes import Spikes, index_type


@dataclass(frozen=True, eq=False)
class _Batch:
    """Events of many recordings in a row: how many each has, their times and columns."""

    counts: NDArray[np.int64]
    t: NDArray[np.integer]
    column: NDArray[np.integer]


def bin_spikes(
    recordings: Iterable[Events], *, steps: int, duration: int, size: tuple[int, int] = SIZE
) -> Spikes:
    """Return recordings, binned, as the places of the ones.

    Parameters
    ----------
    recordings : iterable of Events
        Any number of them. An empty one gives empty rows.
    steps, duration, size
        As for `bin_events`.

    Returns
    -------
    Spikes
        Of shape (steps, n, 2*h*w): what `bin_events` gives for each, side by side.

    Raises
    ------
    ValueError
        As `bin_events`.

    Examples
    --------
    >>> t, x, p = np.array([0, 5, 9, 10]), np.array([1, 0, 0, 1]), np.array([1, 0, 0, 1])
    >>> bin_spikes([Events(t, x, 0 * x, p)], steps=2, duration=10, size=(1, 2)).index
    array([3, 0], dtype=uint16)
    """
    validate_steps(steps, duration)
    good = [validate_events(events, size=size) for events in recordings]
    nothing = np.zeros(0, np.int64)  # so that there is something to join without recordings
    t = np.concatenate([nothing, *(events.t for events in good)])
    cells = (column_index(e.x, e.y.astype(np.int64), e.p.astype(np.int64), size) for e in good)
    counts = np.array([len(events) for events in good], np.int64)
    return _bin_batch(_Batch(counts, t, np.concatenate([nothing, *cells])), steps, duration, size)


def bin_files(
    contents: Sequence[bytes],
    names: Sequence[str],
    *,
    steps: int,
    duration: int,
    size: tuple[int, int] = SIZE,
) -> Spikes:
    """Return recordings in the 40-bit format, parsed and binned together.

    Parameters
    ----------
    contents : sequence of bytes
        The files.
    names : sequence of str
        What the messages call them.
    steps, duration, size
        As for `bin_events`.

    Returns
    -------
    Spikes
        Of shape (steps, n, 2*h*w).

    Raises
    ------
    ValueError
        As `parse_events` and `bin_events`, or if a recording is empty; the message
        names the first file that is wrong.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast import data
    >>> t, x, y, p = np.array([[0, 7], [1, 2], [3, 4], [1, 0]])
    >>> events = rs.Events(t, x, y, p)
    >>> content = data.encode_events(events)
    >>> data.bin_files([content], ["one.bin"], steps=2, duration=10).shape
    (2, 1, 2312)
    """
    validate_steps(steps, duration)
    batch = _parse_together(contents, size)
    if batch is None:
        parsed = map(_parse_file, contents, names, [size] * len(contents))
        return bin_spikes(parsed, steps=steps, duration=duration, size=size)
    return _bin_batch(batch, steps, duration, size)


def _parse_file(content: bytes, name: str, size: tuple[int, int]) -> Events:
    """The events of one file, of which there must be one."""
    events = parse_events(content, size=size, name=name)
    if not len(events):
        raise ValueError(f"{name} must hold events, got an empty recording")
    return events


def _parse_together(contents: Sequence[bytes], size: tuple[int, int]) -> _Batch | None:
    """The events of all files at once; None where one is empty or wrong, see rule 2."""
    lengths = np.array([len(content) for content in contents], np.int64)
    if not lengths.all() or (lengths % EVENT_BYTES).any():
        return None
    content = b"".join(contents)
    x = np.frombuffer(content, np.uint8)[::EVENT_BYTES]
    # The four bytes after x are one number: 8 bits of y, 1 of polarity, 23 of time.
    rest = np.ndarray(x.shape, ">u4", content, 1, (EVENT_BYTES,)).astype(np.uint32)
    batch = _Batch(lengths // EVENT_BYTES, rest & (TIME_LIMIT - 1), x)
    marker = rest >> 24 == MARKER_Y
    if marker.any():
        batch, rest = _apply_markers(marker, batch), rest[~marker]
    height, width = size
    y, x = rest >> 24, batch.column
    # Polarities and times are what they must be: a bit and 23 bits hold nothing else.
    on_sensor = y.max(initial=0) < height and x.max(initial=0) < width
    if not (batch.counts.all() and on_sensor and _is_time_ordered(batch)):
        return None
    return _Batch(batch.counts, batch.t, column_index(x, y, rest >> 23 & 1, size))


def _apply_markers(marker: NDArray[np.bool_], batch: _Batch) -> _Batch:
    """Let every marker add to all later times of its recording, and drop it."""
    before = np.concatenate([[0], np.cumsum(marker)])  # markers before an event, in all files
    ends = np.cumsum(batch.counts)
    starts = ends - batch.counts
    late = before[1:] - np.repeat(before[starts], batch.counts)
    t = batch.t.astype(np.int64) + MARKER_STEP * late
    counts = batch.counts - (before[ends] - before[starts])
    return _Batch(counts, t[~marker], batch.column[~marker])


def _is_time_ordered(batch: _Batch) -> bool:
    """Whether times never decrease within a recording."""
    backwards = batch.t[1:] < batch.t[:-1]
    backwards[np.cumsum(batch.counts)[:-1] - 1] = False  # from a recording to the next
    return not backwards.any()


def _bin_batch(batch: _Batch, steps: int, duration: int, size: tuple[int, int]) -> Spikes:
    """Number the events, sort the numbers and drop what repeats: rule 3."""
    cells = 2 * size[0] * size[1]
    bits, rows = (cells - 1).bit_length(), steps * len(batch.counts)
    number = np.uint32 if rows << bits < 1 << 32 else np.int64
    t = batch.t if steps * duration < 1 << 32 else batch.t.astype(np.int64)
    # Times fit in 32 bits, but times times steps may not; the key holds the row and the cell.
    first_row = np.repeat(np.arange(0, rows, steps).astype(number), batch.counts)
    key = (first_row + time_step(t, steps, duration).astype(number)) << bits
    key |= batch.column.astype(number)
    late = batch.t >= duration
    if late.any():
        key = key[~late]
    key.sort()
    fresh = np.ones(key.shape, bool)
    np.not_equal(key[1:], key[:-1], out=fresh[1:])
    key = key.take(np.flatnonzero(fresh))  # twice as fast as key[fresh] and more
    # The keys are sorted, so row r begins at the first one that is not below r << bits.
    starts = np.searchsorted(key, np.arange(rows + 1).astype(number) << bits)
    index = (key & ((1 << bits) - 1)).astype(index_type(cells))
    return Spikes(steps, cells, starts.astype(np.int64), index)
