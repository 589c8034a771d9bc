"""A person before the camera: a trunk, a head and two arms of two parts with a hand.

Lengths are in pixels of a sensor of 128 x 128, light is its natural logarithm, 0 for the wall.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refsast.data.gesture_paths import Path
from refsast.data.handwriting import Floats

SIDE = 128.0  # of the sensor in whose pixels a person is measured
DEPTH = 150.0  # distance of the trunk to the camera's lens: what is nearer looks larger
# The parts in two orders: trunk and head, then three of each arm.
RIGHT_FIRST, LEFT_FIRST = np.arange(8), np.array((0, 1, 5, 6, 7, 2, 3, 4))
POLE = np.array((0.6, 0.75, -0.3))  # where elbows point: outwards, down, back


@dataclass(frozen=True)
class Person:
    """One person, as the camera sees them; all but `pace` in pixels or log light.

    Attributes
    ----------
    x, y : float
        Middle between the shoulders.
    shoulders : float
        Half of the distance between them.
    upper, lower : float
        Length of upper arm and forearm.
    thickness : float
        Radius of a forearm.
    head : float
        Radius of the head.
    skin, shirt, sleeve : float
        Their log light, that of the wall being 0. Sleeves are shaded otherwise than the trunk.
    long_sleeves : bool
        Whether the forearms are covered.
    pace : float
        Factor on the speed of all movements.
    """

    x: float
    y: float
    shoulders: float
    upper: float
    lower: float
    thickness: float
    head: float
    skin: float
    shirt: float
    sleeve: float
    long_sleeves: bool
    pace: float


def draw_person(rng: np.random.Generator) -> Person:
    """Return a person drawn at random."""
    # The order of the draws is part of what a seed means: new ones go to the end.
    a = rng.normal(size=9)
    scale = np.exp(0.12 * a[0])
    arm = scale * np.exp(0.05 * a[1])
    # In the recordings OFF runs ahead of ON: people are darker than the wall, as a rule.
    dark = rng.choice([-1.0, 1.0], p=[0.9, 0.1])
    skin = rng.uniform(0.5, 1.3)
    shirt = skin + rng.choice([-1.0, 1.0]) * rng.uniform(0.35, 0.9)
    sleeve = shirt + rng.choice([-1.0, 1.0]) * rng.uniform(0.3, 0.6)
    return Person(
        x=64.0 + 7.0 * a[2],
        y=66.0 + 6.0 * a[3],
        shoulders=20.0 * scale * np.exp(0.06 * a[4]),
        upper=24.0 * arm,
        lower=22.0 * arm,
        thickness=4.5 * scale * np.exp(0.15 * a[5]),
        head=10.0 * scale * np.exp(0.05 * a[6]),
        skin=float(dark * skin),
        shirt=float(dark * shirt),
        sleeve=float(dark * sleeve),
        long_sleeves=bool(rng.random() < 0.4),
        pace=float(np.exp(0.12 * a[7])),
    )


def draw_sway(
    person: Person, right: Path, left: Path, t: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return by how much the trunk is off its place at times `t`, in s: (time, 2), in pixels.

    Nobody stands still, and arms pull the trunk along.
    """
    amplitude, phase = rng.normal(size=(2, 3)), rng.random((2, 3))
    rate = rng.uniform(0.2, 1.5, (2, 3))
    waves = amplitude * np.sin(2.0 * np.pi * (rate * t[:, None, None] + phase))
    drift = waves.sum(2) * (0.7, 0.35)
    arms = right * (-1.0, 1.0, 1.0) + left
    pull = 0.02 * (person.upper + person.lower) * (arms - arms.mean(0))[:, :2]
    return drift + pull


@dataclass(frozen=True, eq=False)
class Parts:
    """What is drawn, one over the other: thick lines with round ends.

    Attributes
    ----------
    start, end : (parts, time, 2) array
        Column and row, in pixels.
    radius : (parts, time) array
        Half of their width.
    light : (parts,) array
        Log light.
    speed : (parts, time) array
        How fast they move, the mean of both ends, in pixels per second.
    """

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    radius: NDArray[np.float64]
    light: NDArray[np.float64]
    speed: NDArray[np.float64]


def pose(
    person: Person,
    right: Path,
    left: Path,
    sway: NDArray[np.float64],
    t: NDArray[np.float64],
) -> Parts:
    """Return the parts of a person whose hands are at these places, swaying by `sway`, (time, 2).

    Times `t` are in s. The hands are given as in `gesture_paths`; one out of reach is as near to
    its place as it comes.
    """
    middle = np.array((person.x, person.y)) + sway
    height = (0.6 * person.shoulders, 80.0, -1.2 * person.head - 0.45 * person.shoulders)
    neck, waist, face = (middle + np.array((0.0, each)) for each in height)
    chin = face + np.array((0.0, 0.6 * person.head))
    starts, ends = [neck, face], [waist, chin]
    ones = np.ones(len(t))
    radii = [1.05 * person.shoulders * ones, 0.85 * person.head * ones]
    wrists = []
    for hand, side in ((right, -1.0), (left, 1.0)):
        joints = _arm(person, hand, side, sway)
        places, size = _project(person, joints)
        palm = places[:, 2] + 0.25 * (places[:, 2] - places[:, 1])
        starts += [places[:, 0], places[:, 1], places[:, 2]]
        ends += [places[:, 1], places[:, 2], palm]
        radii += [person.thickness * f * size[:, k] for k, f in enumerate((1.3, 1.0, 1.3))]
        wrists.append(joints[:, -1, 2])
    start, end, radius = np.stack(starts), np.stack(ends), np.stack(radii)
    moves = [np.linalg.norm(np.gradient(each, t, axis=1), axis=-1) for each in (start, end)]
    speed = 0.5 * (moves[0] + moves[1])
    # The arm that is farther away is drawn first; lights do not depend on the side.
    order = np.where(wrists[0] > wrists[1], LEFT_FIRST[:, None], RIGHT_FIRST[:, None])
    start, end = (np.take_along_axis(each, order[..., None], axis=0) for each in (start, end))
    radius, speed = (np.take_along_axis(each, order, axis=0) for each in (radius, speed))
    forearm = person.sleeve if person.long_sleeves else person.skin
    lights = [person.shirt, person.skin] + 2 * [person.sleeve, forearm, person.skin]
    return Parts(start, end, radius, np.array(lights), speed)


def _arm(person: Person, hand: Path, side: float, sway: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shoulder, elbow and wrist, (time, 3, 3): column, row and distance from the trunk."""
    mirror = np.array((side, 1.0, 1.0))
    length = person.upper + person.lower
    shoulder = np.zeros_like(hand)
    shoulder[:, :2] = np.array((person.x + side * person.shoulders, person.y)) + sway
    reach = hand * length * mirror
    far = np.linalg.norm(reach, axis=1, keepdims=True)
    along = reach / np.maximum(far, 1e-6 * length)
    # Nearer than the two lengths differ, or farther than both together, no hand can be.
    far = np.clip(far, 1.02 * abs(person.upper - person.lower), 0.995 * length)
    # The law of cosines: how far along the line to the hand the elbow is, and how far off it.
    foot = (far**2 + person.upper**2 - person.lower**2) / (2.0 * far)
    off = np.sqrt(person.upper**2 - foot**2)
    pole = POLE * mirror - (along @ (POLE * mirror))[:, None] * along
    pole /= np.linalg.norm(pole, axis=1, keepdims=True)
    elbow = shoulder + foot * along + off * pole
    return np.stack([shoulder, elbow, shoulder + far * along], axis=1)


def _project(
    person: Person, joints: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the camera sees the joints, (time, joints, 2), and by how much larger."""
    size = DEPTH / (DEPTH - joints[..., 2])
    middle = np.array((person.x, person.y))
    return middle + (joints[..., :2] - middle) * size[..., None], size


def render(parts: Parts, side: int, softness: float) -> tuple[Floats, Floats]:
    """Return log light and speed of what every pixel sees, each (time, side, side).

    Edges are `softness` pixels wide.
    """
    scale = side / SIDE
    time = parts.start.shape[1]
    light, speed = (np.zeros((time, side, side), np.float32) for _ in range(2))
    for start, end, radius, value, move in zip(
        scale * parts.start, scale * parts.end, scale * parts.radius, parts.light, parts.speed,
        strict=True,
    ):  # fmt: skip
        painted = ((light, np.full(time, value)), (speed, move))
        _draw(painted, start, end, radius, np.float32(softness))
    return light, speed


def _draw(
    painted: tuple[tuple[Floats, NDArray[np.float64]], ...],
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    radius: NDArray[np.float64],
    softness: np.float32,
) -> None:
    """Draw one part, of one value per picture, in each within a patch that holds it."""
    time, side, _ = painted[0][0].shape
    reach = radius[:, None] + softness
    low = np.floor(np.minimum(start, end) - reach)
    span = (np.ceil(np.maximum(start, end) + reach) - low).max(0)
    width, height = np.minimum(span.astype(int), side)
    low = np.clip(low.astype(int), 0, (side - width, side - height))
    column, row = low[:, :1] + np.arange(width), low[:, 1:] + np.arange(height)
    first, piece = start.astype(np.float32), (end - start).astype(np.float32)
    square = np.maximum((piece**2).sum(1), np.float32(1e-6))[:, None, None]
    half = np.float32(0.5)  # the middle of a pixel
    dx, dy = column + half - first[:, :1], row + half - first[:, 1:]
    dx, dy = dx.astype(np.float32), dy.astype(np.float32)
    dot = (dx * piece[:, :1])[:, None, :] + (dy * piece[:, 1:])[:, :, None]
    along = np.clip(dot / square, 0.0, 1.0)
    # |p - along * piece|^2 without an array of two coordinates.
    along *= along * square - 2.0 * dot
    along += (dx * dx)[:, None, :] + (dy * dy)[:, :, None]
    gap = np.sqrt(np.maximum(along, 0.0, out=along), out=along)
    cover = (radius[:, None, None].astype(np.float32) - gap) / softness + half
    np.clip(cover, 0.0, 1.0, out=cover)
    place = (np.arange(time)[:, None] * side + row)[:, :, None] * side + column[:, None, :]
    for pictures, value in painted:
        before = pictures.reshape(-1)[place]
        after = value.astype(np.float32)[:, None, None] - before
        pictures.reshape(-1)[place] = before + cover * after
