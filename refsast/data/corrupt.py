"""What goes wrong with events, on purpose: lost, invented and late ones, gaps, another clock.

Each function takes events and returns new ones; none touches its argument.
"""

from dataclasses import replace

import numpy as np

from refsast.arrays import require_fraction, require_positive
from refsast.data.binning import validate_count
from refsast.data.events import SIZE, Events, make_events, take


def drop_events(events: Events, rng: np.random.Generator, *, probability: float) -> Events:
    """Return the events that survive when each is lost with the same probability.

    Parameters
    ----------
    events : Events
        The recording.
    rng : numpy.random.Generator
        Draws which are lost.
    probability : float
        Probability that an event is lost, in [0, 1].

    Returns
    -------
    Events
        The others. With probability 0 all of them, with 1 none.

    Raises
    ------
    ValueError
        If `probability` is outside [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast import data
    >>> t, x, y, p = np.array([[0, 7], [1, 2], [3, 4], [1, 0]])
    >>> events = rs.Events(t, x, y, p)
    >>> len(data.drop_events(events, np.random.default_rng(0), probability=1.0).t)
    0
    """
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"probability must lie in [0, 1], got {probability}")
    return take(events, rng.random(len(events)) >= probability)


def add_noise(
    events: Events,
    rng: np.random.Generator,
    *,
    rate: float,
    duration: int,
    size: tuple[int, int] = SIZE,
) -> Events:
    """Return the events with others strewn evenly over time, pixels and polarities.

    Parameters
    ----------
    events : Events
        The recording.
    rng : numpy.random.Generator
        Draws the number of new events, which is Poisson, and the events.
    rate : float
        New events per pixel and second. Not negative.
    duration : int
        The span of time they fall in, from 0, in microseconds.
    size : (int, int)
        Height and width of the sensor, in pixels.

    Returns
    -------
    Events
        Old and new events in time order; with rate 0 the old ones.

    Raises
    ------
    ValueError
        If `rate` is negative or not finite, or `duration` is no
        positive integer.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import data
    >>> events = data.synthetic_events(7, np.random.default_rng(0))
    >>> noisy = data.add_noise(events, np.random.default_rng(0), rate=2.0, duration=300_000)
    >>> len(noisy.t) > len(events.t)
    True
    """
    if not 0.0 <= rate < np.inf:
        raise ValueError(f"rate must be finite and not negative, got {rate}")
    validate_count("duration", duration)
    n = rng.poisson(rate * size[0] * size[1] * duration * 1e-6)
    low, high = (0, 0, 0, 0), (duration, size[1], size[0], 2)
    new = (rng.integers(a, b, n) for a, b in zip(low, high, strict=True))
    return join_events(events, make_events(*new))


def jitter_times(events: Events, rng: np.random.Generator, *, spread: float) -> Events:
    """Return the events, each moved in time by its own normal error.

    Parameters
    ----------
    events : Events
        The recording.
    rng : numpy.random.Generator
        Draws the errors.
    spread : float
        Standard deviation of the error, in microseconds. Not negative.

    Returns
    -------
    Events
        As many events, in their new order; times that fell below 0 are 0.

    Raises
    ------
    ValueError
        If `spread` is negative or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast import data
    >>> t, x, y, p = np.array([[500, 700], [1, 2], [3, 4], [1, 0]])
    >>> events = rs.Events(t, x, y, p)
    >>> data.jitter_times(events, np.random.default_rng(0), spread=0.0).t
    array([500, 700])
    """
    if not 0.0 <= spread < np.inf:
        raise ValueError(f"spread must be finite and not negative, got {spread}")
    moved = np.rint(events.t + spread * rng.normal(size=len(events)))
    return _sort_by_time(replace(events, t=np.maximum(moved, 0.0).astype(np.int64)))


def cut_span(events: Events, rng: np.random.Generator, *, share: float, duration: int) -> Events:
    """Return the events without those of a span of time.

    Parameters
    ----------
    events : Events
        The recording.
    rng : numpy.random.Generator
        Draws the middle of the span.
    share : float
        Length of the span as a share of `duration`, in [0, 1].
    duration : int
        Length of the recording, in microseconds.

    Returns
    -------
    Events
        Those before and after, at their times.

    Raises
    ------
    ValueError
        If a number is outside its range.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import data
    >>> events = data.synthetic_events(7, np.random.default_rng(0))
    >>> cut = data.cut_span(events, np.random.default_rng(0), share=0.5, duration=300_000)
    >>> len(cut) < len(events)
    True
    """
    require_fraction(share, "share")
    validate_count("duration", duration)
    # The span lies within the recording; a longer one around the same draw holds the shorter.
    start = rng.random() * (1.0 - share) * duration
    kept = (events.t < start) | (events.t >= start + share * duration)
    return take(events, kept)


def stretch_times(events: Events, *, factor: float) -> Events:
    """Return the events as a clock of another speed reports them.

    Binned as before, a step holds another span of what happened.

    Parameters
    ----------
    events : Events
        The recording.
    factor : float
        What times are multiplied with. Positive.

    Returns
    -------
    Events
        As many events.

    Raises
    ------
    ValueError
        If `factor` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import data
    >>> events = data.synthetic_events(7, np.random.default_rng(0))
    >>> slow = data.stretch_times(events, factor=2.0)
    >>> int(slow.t[-1]) == 2 * int(events.t[-1])
    True
    """
    require_positive(factor, "factor")
    return replace(events, t=np.rint(events.t * factor).astype(np.int64))


def join_events(first: Events, second: Events) -> Events:
    """Return the events of both in time order."""
    pairs = ((getattr(first, name), getattr(second, name)) for name in ("t", "x", "y", "p"))
    return _sort_by_time(Events(*(np.concatenate(pair) for pair in pairs)))


def _sort_by_time(events: Events) -> Events:
    """Sort by time; what is simultaneous keeps its order."""
    return take(events, np.argsort(events.t, kind="stable"))
