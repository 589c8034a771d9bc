"""Ten kinds of bad weather, five severities each: fixed here, so that results can be compared.

Rule 1: severity 0 is the recording itself, bit for bit.
Rule 2: what is drawn for a recording depends on seed, kind and the recording's place, not on the
        severity: the worse the weather, the more of the same.
Rule 3: the numbers were chosen before any network was run on them.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from refsast.data.binning import DURATION, validate_count
from refsast.data.corrupt import add_noise, cut_span, drop_events, jitter_times, stretch_times
from refsast.data.corrupt_sensor import (
    add_bursts,
    flip_polarities,
    heat_pixels,
    shift_pixels,
    silence_pixels,
)
from refsast.data.events import SIZE, Events

SEVERITIES = 5


@dataclass(frozen=True)
class Sensor:
    """What a recording was made by: pixels and length.

    Attributes
    ----------
    size : tuple of int
        Height and width in pixels. Positive.
    duration : int
        Of a recording, in microseconds. Positive.

    Raises
    ------
    ValueError
        If a number is not a positive integer.

    Examples
    --------
    >>> from refsast import data
    >>> data.Sensor()
    Sensor(size=(34, 34), duration=300000)
    """

    size: tuple[int, int] = SIZE
    duration: int = DURATION

    def __post_init__(self) -> None:
        height, width = self.size
        for name, count in (("height", height), ("width", width), ("duration", self.duration)):
            validate_count(name, count)


@dataclass(frozen=True)
class Corruption:
    """One kind of corruption.

    Attributes
    ----------
    name : str
        What happens.
    unit : str
        What a level is.
    levels : tuple of float
        Those of severities 1 to 5.
    apply : callable
        ``apply(events, rng, level, sensor) -> events``, of a `Sensor`.

    Examples
    --------
    >>> from refsast import data
    >>> lost = data.CORRUPTIONS["lost"]
    >>> lost.levels, lost.unit
    ((0.1, 0.2, 0.4, 0.6, 0.8), 'probability of an event')
    """

    name: str
    unit: str
    levels: tuple[float, ...]
    apply: Callable[[Events, np.random.Generator, float, Sensor], Events]


KINDS = (
    Corruption(
        "lost", "probability of an event", (0.1, 0.2, 0.4, 0.6, 0.8),
        lambda e, rng, level, sensor: drop_events(e, rng, probability=level),
    ),
    Corruption(
        "added", "events per pixel and second", (1.0, 2.0, 5.0, 10.0, 20.0),
        lambda e, rng, level, sensor: add_noise(
            e, rng, rate=level, duration=sensor.duration, size=sensor.size
        ),
    ),
    Corruption(
        "late", "standard deviation in microseconds", (2e3, 5e3, 10e3, 20e3, 40e3),
        lambda e, rng, level, sensor: jitter_times(e, rng, spread=level),
    ),
    Corruption(
        "dead pixels", "share of pixels", (0.05, 0.1, 0.2, 0.35, 0.5),
        lambda e, rng, level, sensor: silence_pixels(e, rng, share=level, size=sensor.size),
    ),
    Corruption(
        "hot pixels", "share of pixels, 100 events a second each", (0.005, 0.01, 0.02, 0.05, 0.1),
        lambda e, rng, level, sensor: heat_pixels(
            e, rng, share=level, duration=sensor.duration, size=sensor.size
        ),
    ),
    Corruption(
        "flipped polarity", "probability of an event", (0.05, 0.1, 0.2, 0.3, 0.5),
        lambda e, rng, level, sensor: flip_polarities(e, rng, probability=level),
    ),
    Corruption(
        "shifted", "pixels", (1.0, 2.0, 3.0, 4.0, 6.0),
        lambda e, rng, level, sensor: shift_pixels(e, rng, distance=int(level), size=sensor.size),
    ),
    Corruption(
        "cut", "share of the time", (0.1, 0.2, 0.3, 0.5, 0.7),
        lambda e, rng, level, sensor: cut_span(e, rng, share=level, duration=sensor.duration),
    ),
    Corruption(
        "bursts", "flashes of half of all pixels", (1.0, 2.0, 4.0, 8.0, 16.0),
        lambda e, rng, level, sensor: add_bursts(
            e, rng, count=int(level), duration=sensor.duration, size=sensor.size
        ),
    ),
    Corruption(
        "other binning", "length of a step as a share of what it was", (0.9, 0.8, 0.7, 0.6, 0.5),
        lambda e, rng, level, sensor: stretch_times(e, factor=1.0 / level),
    ),
)  # fmt: skip
SENSOR = Sensor()
CORRUPTIONS = {kind.name: kind for kind in KINDS}


def corrupt_recordings(
    recordings: Iterable[Events],
    name: str,
    severity: int,
    *,
    seed: int = 0,
    sensor: Sensor = SENSOR,
) -> Iterator[Events]:
    """Yield recordings, corrupted.

    Parameters
    ----------
    recordings : iterable of Events
        Any number of them.
    name : str
        One of `CORRUPTIONS`.
    severity : int
        From 0, which changes nothing, to 5.
    seed : int
        Of all that is drawn. Not negative.
    sensor : Sensor
        That of N-MNIST by default.

    Yields
    ------
    Events
        One for each recording, in order.

    Raises
    ------
    ValueError
        If the name is unknown or the severity is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import data
    >>> events = [data.synthetic_events(7, np.random.default_rng(0))]
    >>> sizes = [len(next(data.corrupt_recordings(events, "lost", k))) for k in range(6)]
    >>> sizes == sorted(sizes, reverse=True)
    True
    """
    if name not in CORRUPTIONS:
        raise ValueError(f"name must be one of {', '.join(CORRUPTIONS)}, got {name!r}")
    if severity not in range(SEVERITIES + 1):
        raise ValueError(f"severity must be an integer from 0 to {SEVERITIES}, got {severity!r}")
    kind, place = CORRUPTIONS[name], list(CORRUPTIONS).index(name)
    for i, events in enumerate(recordings):
        if severity == 0:
            yield events
        else:
            rng = np.random.default_rng((seed, place, i))
            yield kind.apply(events, rng, kind.levels[severity - 1], sensor)
