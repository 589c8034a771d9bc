"""The figures of a set of recordings, by which sets are compared and damage is noticed."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import Array
from refsast.data.archive import open_archive
from refsast.data.binning import DURATION, STEPS, bin_events, count_late
from refsast.data.events import SIZE, Events, parse_events

TIME_BIN = 5_000  # microseconds per bar of the time histogram


@dataclass(frozen=True)
class Spread:
    """How a figure is distributed over recordings.

    Attributes
    ----------
    least, low, median, high, most : float
        Minimum, 5 %, 50 % and 95 % points, maximum.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import data
    >>> events = [data.synthetic_events(7, np.random.default_rng(i)) for i in range(3)]
    >>> spread = data.describe(events).on_share
    >>> spread.least <= spread.median <= spread.most
    True
    """

    least: float
    low: float
    median: float
    high: float
    most: float


@dataclass(frozen=True, eq=False)
class Description:
    """The figures of a set of recordings.

    Attributes
    ----------
    recordings : int
        How many there are.
    events : Spread
        Events per recording.
    on_share : Spread
        Share of ON events in a recording.
    last : Spread
        Time of the last event, in microseconds.
    active : Spread
        Pixels of a recording with at least one event.
    density : Spread
        Share of binned cells of a recording that are set.
    mean_density : float
        Its mean.
    dropped : int
        Events that binning drops because they come too late, in all recordings.
    extent : (int, int, int, int)
        First and last column, first and last row between which lie 98 % of all
        events, 1 % being cut at each side.
    on_image, off_image : (h, w) array
        Mean number of events per recording at each pixel.
    time_histogram : (bins,) array
        Mean number of events per recording in every 5 ms from 0.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import data
    >>> events = [data.synthetic_events(7, np.random.default_rng(0))]
    >>> data.describe(events, steps=5).recordings
    1
    """

    recordings: int
    events: Spread
    on_share: Spread
    last: Spread
    active: Spread
    density: Spread
    mean_density: float
    dropped: int
    extent: tuple[int, int, int, int]
    on_image: Array
    off_image: Array
    time_histogram: Array


def describe(
    recordings: Iterable[Events],
    *,
    steps: int = STEPS,
    duration: int = DURATION,
    size: tuple[int, int] = SIZE,
) -> Description:
    """Return the figures of a set of recordings.

    Parameters
    ----------
    recordings : iterable of Events
        At least one, none of them empty. Read once; one is held at a time.
    steps : int
        Number of time steps at which the density is taken.
    duration : int
        Length of all steps together, in microseconds.
    size : (int, int)
        Height and width of the sensor, in pixels.

    Returns
    -------
    Description
        The figures.

    Raises
    ------
    ValueError
        If there is no recording, or one of them is empty or off the sensor.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import data
    >>> events = [data.synthetic_events(7, np.random.default_rng(i)) for i in range(3)]
    >>> found = data.describe(events, steps=5)
    >>> found.recordings, found.extent[1] < 34
    (3, True)
    """
    images = np.zeros((2, *size))
    times = np.zeros(0, np.int64)
    rows = []
    for i, events in enumerate(recordings):
        if not len(events):
            raise ValueError(f"recordings must hold events, got an empty one at {i}")
        binned = bin_events(events, steps=steps, duration=duration, size=size)
        np.add.at(images, (events.p, events.y, events.x), 1.0)
        times = _add_histograms(times, np.bincount(events.t // TIME_BIN))
        pixels = np.unique(events.y.astype(np.int64) * size[1] + events.x).size
        late = count_late(events, duration=duration)
        rows.append((len(events), events.p.mean(), events.t[-1], pixels, binned.mean(), late))
    if not rows:
        raise ValueError("recordings must not be empty, got none")
    n, on_share, last, active, density, late = np.array(rows, np.float64).T
    return Description(
        recordings=len(rows),
        events=_percentiles(n),
        on_share=_percentiles(on_share),
        last=_percentiles(last),
        active=_percentiles(active),
        density=_percentiles(density),
        mean_density=float(density.mean()),
        dropped=int(late.sum()),
        extent=(*_extent(images.sum((0, 1))), *_extent(images.sum((0, 2)))),
        on_image=images[1] / len(rows),
        off_image=images[0] / len(rows),
        time_histogram=times / len(rows),
    )


def read_recordings(root: str | os.PathLike[str], split: str) -> Iterator[Events]:
    """Yield the recordings of a split of N-MNIST, unbinned, in the order of the data set.

    Parameters
    ----------
    root : path
        A folder or zip file, as for `load_nmnist`.
    split : str
        ``"Train"`` or ``"Test"``.

    Yields
    ------
    Events
        One recording after the other.

    Raises
    ------
    ValueError
        If there is nothing to read, or a recording is malformed.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import data
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as root:
    ...     data.write_synthetic(root, "Test", 10, np.random.default_rng(0))
    ...     recordings = list(data.read_recordings(root, "Test"))
    >>> len(recordings)
    10
    """
    with open_archive(root, split) as archive:
        for recording in archive.recordings:
            name = f"{recording.name} in {archive.location}"
            yield parse_events(archive.read(recording), name=name)


def _add_histograms(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sum of two histograms, the shorter one continued by zeros."""
    short, long = sorted((a, b), key=len)
    return long + np.pad(short, (0, len(long) - len(short)))


def _percentiles(values: Array) -> Spread:
    """The distribution of a figure."""
    return Spread(*(float(v) for v in np.percentile(values, (0, 5, 50, 95, 100))))


def _extent(profile: Array) -> tuple[int, int]:
    """First and last pixel, 1 % of the events being cut at each side."""
    below = np.cumsum(profile) / profile.sum()
    return int(np.searchsorted(below, 0.01)), int(np.searchsorted(below, 0.99))
