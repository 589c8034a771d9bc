"""From events to a tensor of time steps: binning, as a specification.

Rule 1: step k holds the events with k * duration / steps <= t < (k + 1) * duration / steps.
Rule 2: rule 1 is decided in integers, k = t * steps // duration; nothing is rounded.
Rule 3: events with t >= duration are dropped; `count_late` counts them.
Rule 4: the event at (x, y) of polarity p goes to column p * h * w + y * w + x.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import is_positive_int
from refsast.data.events import SIZE, Events, validate_events

T = TypeVar("T", bound=np.integer)

# Of 900 recordings of N-MNIST the last event comes at 297 to 315 ms and the third saccade ends near
# 300 ms; at 20 steps of 15 ms 5.0 % of the cells are set.
STEPS = 20
DURATION = 300_000  # microseconds


def bin_events(
    events: Events, *, steps: int, duration: int, size: tuple[int, int] = SIZE
) -> NDArray[np.uint8]:
    """Return which cells of time, polarity and pixel hold at least one event.

    ::

        out[k, p*h*w + y*w + x] = 1   if some event (t, x, y, p) has k = t * steps // duration
                                  0   otherwise

    Parameters
    ----------
    events : Events
        The recording. An empty one gives zeros.
    steps : int
        Number of time steps. Positive.
    duration : int
        Length of all steps together, in microseconds. Positive. Events at
        `duration` or later are dropped.
    size : (int, int)
        Height and width of the sensor, in pixels.

    Returns
    -------
    (steps, 2*h*w) array of uint8
        Zeros and ones.

    Raises
    ------
    ValueError
        If `steps` or `duration` is no positive integer, or the events are out
        of order or outside the sensor.

    Examples
    --------
    >>> t, x, p = np.array([0, 5, 9, 10]), np.array([1, 0, 0, 1]), np.array([1, 0, 0, 1])
    >>> bin_events(Events(t, x, 0 * x, p), steps=2, duration=10, size=(1, 2))
    array([[0, 0, 0, 1],
           [1, 0, 0, 0]], dtype=uint8)
    """
    cell, shape = _event_cells(events, steps, duration, size)
    out = np.zeros(shape, np.uint8)
    out.reshape(-1)[cell] = 1
    return out


def count_events(
    events: Events, *, steps: int, duration: int, size: tuple[int, int] = SIZE
) -> NDArray[np.int64]:
    """Return how many events each cell of time, polarity and pixel holds.

    The cells are those of `bin_events`, whose result is this one clipped to 1.

    Parameters
    ----------
    events, steps, duration, size
        As for `bin_events`.

    Returns
    -------
    (steps, 2*h*w) array of int64
        Counts. Their sum and `count_late` add up to the number of events.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast import data
    >>> t, x, y, p = np.array([[0, 1, 7], [0, 0, 0], [0, 0, 0], [1, 1, 0]])
    >>> events = rs.Events(t, x, y, p)
    >>> data.count_events(events, steps=2, duration=10, size=(1, 1))
    array([[0, 2],
           [1, 0]])
    """
    cell, shape = _event_cells(events, steps, duration, size)
    return np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)


def count_late(events: Events, *, duration: int) -> int:
    """Return how many events binning drops because they come too late.

    Parameters
    ----------
    events : Events
        The recording.
    duration : int
        Length of all steps together, in microseconds.

    Returns
    -------
    int
        The number of events at `duration` or later.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast import data
    >>> t, x, y, p = np.array([[0, 7, 12], [1, 2, 2], [3, 4, 4], [1, 0, 0]])
    >>> events = rs.Events(t, x, y, p)
    >>> data.count_late(events, duration=10)
    1
    """
    return int((events.t >= duration).sum())


def time_step(t: NDArray[T], steps: int, duration: int) -> NDArray[T]:
    """Return the step of every time, by rules 1 and 2; `steps` or more where it is too late.

    The type of `t` must hold ``steps * duration``.
    """
    return t * steps // duration


def column_index(x: NDArray, y: NDArray, p: NDArray, size: tuple[int, int]) -> NDArray:
    """Return the column of every event, by rule 4; the types of `y` and `p` must hold ``2*h*w``."""
    height, width = size
    return p * (height * width) + y * width + x


def validate_count(name: str, value: int) -> None:
    """Raise ValueError unless `value` is a positive integer."""
    if not is_positive_int(value):
        raise ValueError(f"{name} must be a positive integer, got {value!r}")


def validate_steps(steps: int, duration: int) -> None:
    """Raise ValueError unless both are positive integers whose product has 64 bits."""
    validate_count("steps", steps)
    validate_count("duration", duration)
    if int(steps) * int(duration) >= 2**63:
        raise ValueError(f"steps * duration must be below 2**63, got {steps} * {duration}")


def _event_cells(
    events: Events, steps: int, duration: int, size: tuple[int, int]
) -> tuple[NDArray[np.int64], tuple[int, int]]:
    """The flat index of every event that is kept, and the shape it points into."""
    validate_steps(steps, duration)
    validate_events(events, size=size)
    cells = 2 * size[0] * size[1]
    pixel = column_index(events.x, events.y.astype(np.int64), events.p.astype(np.int64), size)
    kept = events.t < duration
    return time_step(events.t[kept], steps, duration) * cells + pixel[kept], (steps, cells)
