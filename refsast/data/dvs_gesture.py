"""Recordings of the DVS128 Gesture camera, 128 x 128 pixels, cut and converted to 40-bit events.

They are published as something else: AEDAT 3.1, one file per person and light with all gestures one
after the other, and a table of when each begins and ends (docs/data.md).
"""

import os

import numpy as np
from numpy.typing import NDArray

from refsast.data.binning import bin_events, validate_count
from refsast.data.events import Events, make_events, read_events, validate_events

DVS128 = (128, 128)  # height and width, in pixels
POOLED = 32  # side of what a network sees of it, in pixels of 4 x 4
# Microseconds. In one of ten steps an arm crosses its own width: in longer ones both polarities are
# everywhere. Which way round it turns is hardly to be seen in either (docs/data.md).
GESTURE_DURATION = 500_000


def pool(events: Events, factor: int, *, size: tuple[int, int] = DVS128) -> Events:
    """Return the events as a sensor of fewer, larger pixels would report them.

    Parameters
    ----------
    events : Events
        The recording.
    factor : int
        Side of the new pixels in old ones; must divide both sides of the sensor.
    size : (int, int)
        Height and width of the sensor, in pixels.

    Returns
    -------
    Events
        As many events, at ``x // factor, y // factor``.

    Raises
    ------
    ValueError
        If `factor` does not divide `size`, or an event lies outside the sensor.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast import data
    >>> t, x, y, p = np.array([[0, 7], [1, 127], [3, 127], [1, 0]])
    >>> events = rs.Events(t, x, y, p)
    >>> data.pool(events, 4).x
    array([ 0, 31], dtype=int16)
    """
    validate_count("factor", factor)
    if size[0] % factor or size[1] % factor:
        raise ValueError(f"factor must divide {size}, got {factor}")
    validate_events(events, size=size)
    return make_events(events.t, events.x // factor, events.y // factor, events.p)


def load_gesture(
    path: str | os.PathLike[str], *, steps: int, duration: int, factor: int = 1
) -> NDArray[np.uint8]:
    """Return a gesture recording, pooled and binned.

    Parameters
    ----------
    path : path
        One gesture in the 40-bit format of `read_events`; not AEDAT 3.1, as they are published.
    steps : int
        Number of time steps. Positive.
    duration : int
        Length of all steps together, in microseconds.
    factor : int
        Side of the pooled pixels, a divisor of 128.

    Returns
    -------
    (steps, 1, 2*(128/factor)**2) array of uint8
        Zeros and ones, a batch of one recording.

    Raises
    ------
    ValueError
        As `read_events`, `pool` and `bin_events`.

    References
    ----------
    Amir et al., "A Low Power, Fully Event-Based Gesture Recognition System", CVPR 2017.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast import data
    >>> from tempfile import TemporaryDirectory
    >>> from pathlib import Path
    >>> t, x, y, p = np.array([[0, 7], [1, 127], [3, 127], [1, 0]])
    >>> events = rs.Events(t, x, y, p)
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "wave.bin")
    ...     rs.write_events(path, events)
    ...     x = data.load_gesture(path, steps=2, duration=10, factor=4)
    >>> x.shape
    (2, 1, 2048)
    """
    events = pool(read_events(path, size=DVS128), factor)
    small = (DVS128[0] // factor, DVS128[1] // factor)
    return bin_events(events, steps=steps, duration=duration, size=small)[:, None]
