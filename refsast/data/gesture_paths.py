"""The eleven gestures of DVS128 Gesture, as the way that two hands take in space.

Rule 1: a hand is where it is from its own shoulder, in lengths of the stretched arm: outwards (away
        from the other arm), down, and forwards (to the camera).
Rule 2: the person looks at the camera: the right hand is on the image's left. Clockwise is as the
        person sees it, counter-clockwise in the image, as in the recordings.
Rule 3: what tells the gestures apart stands here; how people differ is drawn in `Manner`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Path = NDArray[np.float64]

MIDLINE = -0.39  # where the middle of the chest is, outwards from a shoulder
REST = (0.08, 0.93, 0.1)  # an arm that hangs


@dataclass(frozen=True, eq=False)
class Manner:
    """How one person makes one gesture, all drawn at once: see `draw_manner`.

    Attributes
    ----------
    phase : (time,) array
        How far the movement is, in radians; its speed varies a little.
    size : float
        Factor on how far the hands go.
    shift : (2, 3) array
        By how much both hands are elsewhere.
    free : (2, 3, 5) array
        Standard normal numbers, for what is drawn beyond that.
    """

    phase: NDArray[np.float64]
    size: float
    shift: Path
    free: Path


def draw_manner(name: str, t: NDArray[np.float64], pace: float, rng: np.random.Generator) -> Manner:
    """Return how a person whose `pace` is a factor on speed makes a gesture at times `t`, in s."""
    gesture = MOVEMENTS[name]
    draws = rng.normal(size=4)
    rate = gesture.rate * pace * np.exp(gesture.spread * draws[0])
    wobble = 0.3 * draws[1] * np.sin(2.0 * np.pi * (0.4 * t + draws[2]))
    phase = 2.0 * np.pi * (rate * t + rng.random()) + wobble
    size = float(np.exp(0.2 * draws[3]))
    return Manner(phase, size, 0.05 * rng.normal(size=(2, 3)), rng.normal(size=(2, 3, 5)))


def hand_paths(name: str, manner: Manner) -> tuple[Path, Path]:
    """Return where the right and the left hand are, each (time, 3) as by rule 1."""
    hands = MOVEMENTS[name].hands(manner)
    shift = manner.shift
    return hands[0] + shift[0], hands[1] + shift[1]


def _points(m: Manner, out: object, down: object, forward: object) -> Path:
    """The path of these coordinates, each an array over time or one number."""
    return np.stack(
        [np.broadcast_to(np.asarray(c, float), m.phase.shape) for c in (out, down, forward)], axis=1
    )


def _hang(m: Manner) -> Path:
    return _points(m, *REST)


def _clap(m: Manner) -> tuple[Path, Path]:
    """Both hands before the chest; one may do most of it, and from above."""
    apart = 0.5 * (1.0 - np.cos(m.phase))
    tilt, share = 0.5 * m.free[0, 0, 0], 0.5 + 0.25 * np.tanh(m.free[0, 0, 1])
    reach = 0.45 * m.size
    height, forward = 0.5 + 0.1 * m.free[0, 0, 2], 0.55 + 0.08 * m.free[0, 0, 3]
    hands = []
    for part, sign in ((share, -1.0), (1.0 - share, 1.0)):
        out = MIDLINE + 0.04 + 2.0 * part * reach * apart * np.cos(tilt)
        down = height + sign * 2.0 * part * reach * apart * np.sin(tilt)
        hands.append(_points(m, out, down, forward))
    return hands[0], hands[1]


def _wave(m: Manner) -> Path:
    """A raised hand, turning about the elbow."""
    lean = m.size * (0.5 + 0.1 * m.free[0, 0, 0]) * np.sin(m.phase) + 0.15 + 0.2 * m.free[0, 0, 1]
    elbow = (0.15 + 0.1 * m.free[0, 0, 2], 0.3 + 0.2 * m.free[0, 0, 3])
    return _points(
        m,
        elbow[0] + 0.5 * np.sin(lean),
        elbow[1] - 0.5 * np.cos(lean),
        0.35 + 0.08 * m.free[0, 0, 4],
    )


def _circle(m: Manner, sense: float) -> Path:
    """A large circle; from the top, `sense` +1 goes outwards first."""
    radius = np.clip(0.9 * m.size, 0.4, 1.1)
    middle = 0.08 + 0.1 * m.free[0, 0, 0], 0.05 + 0.12 * m.free[0, 0, 1]
    out, down = np.sin(sense * m.phase), -np.cos(sense * m.phase)
    width = radius * np.exp(0.1 * m.free[0, 0, 2])
    forward = 0.3 + 0.1 * m.free[0, 0, 3] - 0.25 * out
    return _points(m, middle[0] + width * out, middle[1] + radius * down, forward)


def _roll(m: Manner) -> tuple[Path, Path]:
    """Forearms before the chest, each around the other; either way round."""
    sense = np.sign(m.free[0, 0, 0])
    hands = []
    for k in (0.0, np.pi):
        angle = sense * m.phase + k
        hands.append(
            _points(
                m,
                MIDLINE - 0.25 + 0.1 * m.free[0, 0, 1] + 0.06 * np.sin(angle),
                0.68 + 0.1 * m.free[0, 0, 2] + 0.19 * m.size * np.sin(angle),
                0.5 + 0.19 * m.size * np.cos(angle),
            )
        )
    return hands[0], hands[1]


def _drums(m: Manner) -> tuple[Path, Path]:
    """Both hands beat, in turn; the stroke down is the faster one."""
    hands = []
    for k in (0, 1):
        angle = m.phase + np.pi * k + 0.3 * m.free[k, 0, 0]
        beat = np.sin(angle + 0.4 * np.sin(angle))
        side = np.sin(0.23 * m.phase + m.free[k, 1, 0])  # from drum to drum
        hands.append(
            _points(
                m,
                -0.1 + 0.1 * m.free[k, 0, 1] + 0.12 * side,
                0.68 + 0.08 * m.free[0, 0, 2] + 0.27 * m.size * beat,
                0.5 + 0.08 * m.free[0, 0, 3],
            )
        )
    return hands[0], hands[1]


def _guitar(m: Manner) -> tuple[Path, Path]:
    """One hand strums low before the body, the other holds the neck and hardly moves."""
    free = m.free[0, 0]
    strum = m.size * 0.2 * np.sin(m.phase)
    slide = 0.05 * m.free[1, 0, 0] * np.sin(0.3 * m.phase)
    right = _points(
        m,
        -0.2 + 0.12 * free[0] - 0.6 * strum,
        0.82 + 0.1 * free[1] + 0.6 * strum,
        0.35 + 0.08 * free[2],
    )
    left = _points(m, 0.55 + 0.15 * free[3] + slide, 0.35 + 0.15 * free[4], 0.4)
    return right, left


def _other(m: Manner) -> tuple[Path, Path]:
    """Whatever somebody makes up: both hands on smooth loops drawn at random."""
    hands = []
    for free in m.free:
        middle = np.array((0.15, 0.15, 0.35)) + np.array((0.25, 0.4, 0.1)) * free[:, 0]
        wave = m.phase[:, None] + np.pi * free[:, 1]
        twice = 2.0 * m.phase[:, None] + np.pi * free[:, 2]
        loop = 0.35 * free[:, 3] * np.sin(wave) + 0.15 * free[:, 4] * np.sin(twice)
        hands.append(middle + m.size * loop)
    return hands[0], hands[1]


def _right(path: Callable[[Manner], Path]) -> Callable[[Manner], tuple[Path, Path]]:
    return lambda m: (path(m), _hang(m))


def _left(path: Callable[[Manner], Path]) -> Callable[[Manner], tuple[Path, Path]]:
    return lambda m: (_hang(m), path(m))


@dataclass(frozen=True)
class Movement:
    """A gesture: where its hands go; turns or strokes per second, and their logarithm's spread."""

    hands: Callable[[Manner], tuple[Path, Path]]
    rate: float
    spread: float


MOVEMENTS = {
    "hand clap": Movement(_clap, 2.4, 0.35),
    "right hand wave": Movement(_right(_wave), 2.5, 0.45),
    "left hand wave": Movement(_left(_wave), 2.5, 0.45),
    "right arm clockwise": Movement(_right(lambda m: _circle(m, 1.0)), 0.95, 0.3),
    "right arm counter clockwise": Movement(_right(lambda m: _circle(m, -1.0)), 0.95, 0.3),
    "left arm clockwise": Movement(_left(lambda m: _circle(m, -1.0)), 0.95, 0.3),
    "left arm counter clockwise": Movement(_left(lambda m: _circle(m, 1.0)), 0.95, 0.3),
    "arm roll": Movement(_roll, 1.9, 0.3),
    "air drums": Movement(_drums, 2.6, 0.35),
    "air guitar": Movement(_guitar, 2.8, 0.35),
    "other gestures": Movement(_other, 1.2, 0.4),
}
GESTURES = tuple(MOVEMENTS)  # in the order of the official labels
