"""What goes wrong with an event camera, on purpose: its pixels, its place, its light.

Each function takes events and returns new ones; none touches its argument. A generator draws all
that is drawn; a number outside the range that its entry states is a ValueError.
"""

from dataclasses import replace

import numpy as np

from refsast.arrays import require_fraction, require_nonnegative, require_positive
from refsast.data.binning import validate_count
from refsast.data.corrupt import join_events
from refsast.data.events import SIZE, Events, make_events, take

HOT_RATE = 100.0  # events per second of a hot pixel, unless another rate is given
BURST_LENGTH = 1_000  # microseconds


def silence_pixels(
    events: Events, rng: np.random.Generator, *, share: float, size: tuple[int, int] = SIZE
) -> Events:
    """Return the events without those of dead pixels.

    Parameters
    ----------
    events : Events
        The recording.
    rng : numpy.random.Generator
        Draws which pixels are dead.
    share : float
        Probability that a pixel is dead, in [0, 1].
    size : (int, int)
        As for `add_noise`.

    Returns
    -------
    Events
        Those of the other pixels.

    Raises
    ------
    ValueError
        If `share` is outside [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import data
    >>> events = data.synthetic_events(7, np.random.default_rng(0))
    >>> len(data.silence_pixels(events, np.random.default_rng(0), share=1.0))
    0
    """
    require_fraction(share, "share")
    alive = rng.random(size) >= share
    return take(events, alive[events.y, events.x])


def heat_pixels(
    events: Events,
    rng: np.random.Generator,
    *,
    share: float,
    duration: int,
    rate: float = HOT_RATE,
    size: tuple[int, int] = SIZE,
) -> Events:
    """Return the events with those of hot pixels, which report at all times what is not there.

    Parameters
    ----------
    events : Events
        The recording.
    rng : numpy.random.Generator
        Draws which pixels are hot, each with one polarity, and what they report.
    share : float
        Probability that a pixel is hot, in [0, 1].
    duration : int
        The span of time they report in, from 0, in microseconds.
    rate : float
        Events of a hot pixel per second. Positive.
    size : (int, int)
        As for `add_noise`.

    Returns
    -------
    Events
        Old and new events in time order.

    Raises
    ------
    ValueError
        If a number is outside its range.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import data
    >>> events = data.synthetic_events(7, np.random.default_rng(0))
    >>> hot = data.heat_pixels(events, np.random.default_rng(0), share=0.1, duration=300_000)
    >>> len(hot) > len(events)
    True
    """
    require_fraction(share, "share")
    require_positive(rate, "rate")
    validate_count("duration", duration)
    hot = np.flatnonzero(rng.random(size) < share)
    polarities = rng.integers(2, size=size).ravel()
    counts = rng.poisson(rate * duration * 1e-6, hot.size)
    where = np.repeat(hot, counts)
    t = rng.integers(duration, size=where.size)
    new = make_events(t, where % size[1], where // size[1], polarities[where])
    return join_events(events, new)


def flip_polarities(events: Events, rng: np.random.Generator, *, probability: float) -> Events:
    """Return the events, of which some report the other polarity.

    Parameters
    ----------
    events : Events
        The recording.
    rng : numpy.random.Generator
        Draws which.
    probability : float
        Probability that an event is flipped, in [0, 1].

    Returns
    -------
    Events
        As many events; with probability 1 each ON event is OFF and the reverse.

    Raises
    ------
    ValueError
        If `probability` is outside [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import data
    >>> events = data.synthetic_events(7, np.random.default_rng(0))
    >>> other = data.flip_polarities(events, np.random.default_rng(0), probability=1.0)
    >>> bool((other.p == 1 - events.p).all())
    True
    """
    require_fraction(probability, "probability")
    flipped = rng.random(len(events)) < probability
    return replace(events, p=events.p ^ flipped.astype(np.uint8))


def shift_pixels(
    events: Events, rng: np.random.Generator, *, distance: int, size: tuple[int, int] = SIZE
) -> Events:
    """Return the events, all moved the same way along a row or a column.

    Parameters
    ----------
    events : Events
        The recording.
    rng : numpy.random.Generator
        Draws the way: left, right, up or down.
    distance : int
        How far, in pixels. Not negative.
    size : (int, int)
        As for `add_noise`.

    Returns
    -------
    Events
        Those that are still on the sensor.

    Raises
    ------
    ValueError
        If `distance` is negative or no integer.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import data
    >>> events = data.synthetic_events(7, np.random.default_rng(0))
    >>> len(data.shift_pixels(events, np.random.default_rng(0), distance=34))
    0
    """
    require_nonnegative(distance, "distance")
    if distance != int(distance):
        raise ValueError(f"distance must be a number of pixels, got {distance}")
    dx, dy = ((1, 0), (-1, 0), (0, 1), (0, -1))[rng.integers(4)]
    x, y = events.x + np.int16(dx * distance), events.y + np.int16(dy * distance)
    on = (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])
    return take(replace(events, x=x, y=y), on)


def add_bursts(
    events: Events,
    rng: np.random.Generator,
    *,
    count: int,
    duration: int,
    size: tuple[int, int] = SIZE,
) -> Events:
    """Return the events with bursts, as of a light that flickers.

    In a burst about half of all pixels report one event of the same polarity within a millisecond.

    Parameters
    ----------
    events : Events
        The recording.
    rng : numpy.random.Generator
        Draws when bursts come, and all else of them.
    count : int
        How many. Not negative.
    duration : int
        The span of time they fall in, from 0, in microseconds.
    size : (int, int)
        As for `add_noise`.

    Returns
    -------
    Events
        Old and new events in time order.

    Raises
    ------
    ValueError
        If a number is outside its range.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import data
    >>> events = data.synthetic_events(7, np.random.default_rng(0))
    >>> bright = data.add_bursts(events, np.random.default_rng(0), count=2, duration=300_000)
    >>> len(bright) > len(events) + 900
    True
    """
    require_nonnegative(count, "count")
    validate_count("duration", duration)
    for _ in range(int(count)):
        start, polarity = rng.integers(duration), rng.integers(2)
        lit = np.flatnonzero(rng.random(size) < 0.5)
        t = start + rng.integers(BURST_LENGTH, size=lit.size)
        p = np.full(lit.size, polarity)
        events = join_events(events, make_events(t, lit % size[1], lit // size[1], p))
    return events
