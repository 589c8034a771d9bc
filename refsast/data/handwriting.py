"""A hand that writes digits: a glyph, bent and slanted, drawn with a soft pen.

What MNIST did to its scans is done here to the strokes: the digit is scaled so
that its longer side is 20 pixels and its centre of mass is put in the middle.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refsast.data.glyphs import GLYPHS

Floats = NDArray[np.float32]

POINTS_PER_PIECE = 8  # points per piece of a curve; more of them change no pixel by 1 %
DIGIT_SIZE = 20.0  # longer side of a digit of MNIST, in pixels


@dataclass(frozen=True)
class Hand:
    """How much handwriting varies. Spreads are standard deviations.

    Tuned by eye against time-collapsed N-MNIST recordings, and against the
    spread of their numbers of events.

    Attributes
    ----------
    slant : float
        Spread of the horizontal shear, as a tangent.
    lean : float
        Its mean. Most people lean to the right.
    turn : float
        Spread of the rotation, in radians.
    stretch : float
        Spread of the logarithm of width over height.
    size : float
        Spread of the logarithm of the size.
    warp : float
        Amplitude of the smooth warp, in parts of the glyph's box.
    width : float
        Median width of the pen, in pixels.
    width_spread : float
        Spread of the logarithm of the width.
    softness : float
        Width of the pen's soft edge, in pixels. Positive.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast import data
    >>> thin, bold = (
    ...     data.synthetic_events(1, np.random.default_rng(0), hand=data.Hand(width=width))
    ...     for width in (1.5, 5.0)
    ... )
    >>> len(thin.t) < len(bold.t)
    True
    """

    slant: float = 0.2
    lean: float = 0.2
    turn: float = 0.08
    stretch: float = 0.25
    size: float = 0.06
    warp: float = 0.1
    width: float = 2.5
    width_spread: float = 0.27
    softness: float = 1.6

    def __post_init__(self) -> None:
        for name in ("slant", "turn", "stretch", "size", "warp", "width_spread"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if not 0.0 < self.width < DIGIT_SIZE:
            raise ValueError(f"width must lie in (0, {DIGIT_SIZE}), got {self.width}")
        if not self.softness > 0.0:
            raise ValueError(f"softness must be positive, got {self.softness}")


def render_digit(digit: int, rng: np.random.Generator, hand: Hand, pixels: int) -> Floats:
    """Return a picture of a handwritten digit, (pixels, pixels): ink, from 0 for paper to 1.

    The digit is 20 pixels long whatever the side of the picture, its centre of mass in the middle.
    `rng` draws the way of writing it.
    """
    # The order of the draws is part of what a seed means: new ones go to the end.
    glyphs = GLYPHS[digit]
    glyph = glyphs[rng.integers(len(glyphs))]
    field = rng.normal(size=(4, 6))
    tilt = _shape_matrix(rng.normal(size=3), hand)
    strokes = [
        _warp(catmull_rom(stroke, POINTS_PER_PIECE), field, hand.warp) @ tilt.T for stroke in glyph
    ]
    width = hand.width * np.exp(hand.width_spread * rng.normal())
    # The pen widens the digit, so its line gets what is left of the size.
    strokes = _scale_and_centre(strokes, (DIGIT_SIZE - width) * np.exp(hand.size * rng.normal()))
    starts = np.concatenate([stroke[:-1] for stroke in strokes])
    ends = np.concatenate([stroke[1:] for stroke in strokes])
    return _rasterise(starts, ends, width, hand.softness, pixels)


def catmull_rom(points: NDArray[np.float64], pieces: int) -> NDArray[np.float64]:
    """Return a smooth curve through `points`, (k, d): every `pieces`-th point of it is one of them.

    Between p1 and p2, with neighbours p0 and p3 and u from 0 to 1::

        p1 + u (p2 - p0)/2 + u^2 (p0 - 5/2 p1 + 2 p2 - p3/2) + u^3 (3/2 (p1 - p2) + (p3 - p0)/2)

    At both ends the polygon of the points goes on in a straight line.
    """
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    p0, p1, p2, p3 = (padded[i : len(padded) - 3 + i, None] for i in range(4))
    u = np.arange(pieces)[None, :, None] / pieces
    square = p0 - 2.5 * p1 + 2.0 * p2 - 0.5 * p3
    cube = 1.5 * (p1 - p2) + 0.5 * (p3 - p0)
    curve = p1 + u * (0.5 * (p2 - p0) + u * (square + u * cube))
    return np.concatenate([curve.reshape(-1, points.shape[1]), points[-1:]])


def _shape_matrix(draw: NDArray[np.float64], hand: Hand) -> NDArray[np.float64]:
    """The matrix that stretches, slants and turns a glyph."""
    stretch = np.exp(0.5 * hand.stretch * draw[0])
    shear = -(hand.lean + hand.slant * draw[1])  # y points down, so leaning right is negative
    c, s = np.cos(hand.turn * draw[2]), np.sin(hand.turn * draw[2])
    return np.array([[c, -s], [s, c]]) @ np.array([[stretch, shear], [0.0, 1.0 / stretch]])


def _warp(
    points: NDArray[np.float64], field: NDArray[np.float64], amplitude: float
) -> NDArray[np.float64]:
    """Displace points by a smooth random field, so that strokes that touch still touch."""
    wave = 2.5 * field[:, :2]  # radians per box: about half a wave across it
    phase = np.pi * field[:, 2:4]
    angle = points @ wave.T
    shift = np.stack([np.sin(angle + phase[:, i]) @ field[:, 4 + i] for i in (0, 1)], axis=1)
    return points + amplitude / 2.0 * shift


def _scale_and_centre(strokes: list[NDArray[np.float64]], side: float) -> list[NDArray[np.float64]]:
    """Scale to a longer side, and put the centre of mass, taken along the line, at zero."""
    points = np.concatenate(strokes)
    scale = side / np.ptp(points, axis=0).max()
    middles = np.concatenate([(s[1:] + s[:-1]) / 2.0 for s in strokes])
    lengths = np.concatenate([np.linalg.norm(np.diff(s, axis=0), axis=1) for s in strokes])
    centre = lengths @ middles / lengths.sum()
    return [(stroke - centre) * scale for stroke in strokes]


def _rasterise(
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    width: float,
    softness: float,
    pixels: int,
) -> Floats:
    """Ink by distance from the nearest piece of the line: full inside, soft at the edge."""
    reach = 0.5 * (width + softness)
    axis = np.arange(pixels, dtype=np.float32) - np.float32(0.5 * (pixels - 1))
    corners = np.concatenate([starts, ends])
    near = [np.abs(axis) <= np.abs(corners[:, i]).max() + reach for i in (0, 1)]
    x, y = axis[near[0]], axis[near[1]]
    first, piece = starts.astype(np.float32), (ends - starts).astype(np.float32)
    dx, dy = x[None, :, None] - first[:, 0], y[:, None, None] - first[:, 1]
    square = piece[:, 0] ** 2 + piece[:, 1] ** 2
    square = np.where(square == 0.0, np.float32(1.0), square)  # a point is its own nearest one
    along = np.clip((dx * piece[:, 0] + dy * piece[:, 1]) / square, 0.0, 1.0)
    gap = ((dx - along * piece[:, 0]) ** 2 + (dy - along * piece[:, 1]) ** 2).min(axis=2)
    ramp = np.clip((reach - np.sqrt(gap)) / softness, 0.0, 1.0)
    ink = np.zeros((pixels, pixels), np.float32)
    ink[np.ix_(near[1], near[0])] = ramp * ramp * (3.0 - 2.0 * ramp)
    return ink
