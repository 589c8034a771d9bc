"""Sliding windows over flat images: which pixels each window sees."""

from functools import lru_cache
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array, Integers, is_int

Shape: TypeAlias = tuple[int, ...]
Pair: TypeAlias = tuple[int, int]
SIDES = ("height", "width")


def as_pair(value: int | Pair, name: str, least: int = 1) -> Pair:
    """Return one number per side; one alone counts for both. Raises ValueError below `least`."""
    pair = value if isinstance(value, tuple) else (value, value)
    if len(pair) != 2 or not all(is_int(n, least) for n in pair):
        raise ValueError(f"{name} must be an integer of at least {least}, or two, got {value!r}")
    return pair


def require_image(shape: Shape, what: str) -> tuple[int, int, int]:
    """Return an image's channels, height and width. Raises ValueError if `shape` is none."""
    if len(shape) != 3:
        raise ValueError(f"{what} must come after an image (channels, height, width), got {shape}")
    return shape[0], shape[1], shape[2]


def count_windows(size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Pair:
    """Return how many windows fit into each side, ``(n + 2 p - d (k - 1) - 1) // s + 1``.

    Raises ValueError, with the arithmetic, where none does.
    """
    counts = []
    for side, n, k, s, p, d in zip(SIDES, size, kernel, stride, padding, dilation, strict=True):
        span = d * (k - 1) + 1
        if span > n + 2 * p:
            raise ValueError(
                f"kernel must fit into the image, got {side} {d} * ({k} - 1) + 1 = {span} "
                f"over {n} + 2 * {p} = {n + 2 * p}"
            )
        counts.append((n + 2 * p - span) // s + 1)
    return counts[0], counts[1]


@lru_cache(maxsize=64)
def window_index(
    shape: tuple[int, int, int], kernel: Pair, stride: Pair, padding: Pair
) -> Integers:
    """Return which entry of a flat image each place of each window is, -1 for the padding.

    Shape (channels, kernel height * kernel width, windows); places and windows are row-major.
    """
    channels, height, width = shape
    rows, columns = count_windows((height, width), kernel, stride, padding, (1, 1))
    y, x = (
        s * np.arange(count)[:, None] + np.arange(k) - p
        for count, k, s, p in zip((rows, columns), kernel, stride, padding, strict=True)
    )
    y, x = y.T[:, None, :, None], x.T[None, :, None, :]  # place, place, window, window
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    places = np.where(inside, y * width + x, -1).reshape(-1, rows * columns)
    first = height * width * np.arange(channels)[:, None, None]
    index = np.where(places >= 0, places + first, -1)
    index.flags.writeable = False  # it is shared by all that ask for it
    return index


def look_up(a: Array, index: Integers, outside: float = 0.0) -> Array:
    """Return (rows, *index.shape) entries of a matrix, `outside` where the index is -1.

    On the tape, too.
    """
    beyond = index < 0
    if not beyond.any():
        return np.take(a, index, axis=-1)
    # Anything, masked below; not all the same, which the tape would have to add up in one place.
    anything = np.arange(index.size).reshape(index.shape) % a.shape[1]
    taken = np.take(a, np.where(beyond, anything, index), axis=-1)
    return np.where(beyond, outside, taken)


def as_images(a: Array, shape: tuple[int, int, int], padding: Pair) -> Array:
    """Return flat images, (rows, channels, height, width), zeros around; on the tape, too."""
    images = a.reshape(len(a), *shape)
    if padding == (0, 0):
        return images
    return np.pad(images, ((0, 0), (0, 0), *((p, p) for p in padding)))


def place_slices(n: int, kernel: int, stride: int, dilation: int) -> list[slice]:
    """Return, for each place of a window along a padded side of length `n`, that of all windows."""
    last = n - dilation * (kernel - 1)
    return [slice(dilation * i, dilation * i + last, stride) for i in range(kernel)]


def cut_windows(
    a: Array, shape: tuple[int, int, int], kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """Return all windows of flat images (rows, pixels) side by side; on the tape, too.

    Shape (rows, channels, kernel height, kernel width, windows down, windows across).
    """
    images = as_images(a, shape, padding)
    y, x = map(place_slices, images.shape[2:], kernel, stride, dilation)
    columns = np.stack([images[..., part] for part in x], axis=2)
    return np.stack([columns[..., part, :] for part in y], axis=2)


def add_windows(
    g: Array, shape: tuple[int, int, int], kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """Return (rows, pixels): what each pixel receives of all windows that see it, the transpose.

    `g` has the shape of what `cut_windows` returns.
    """
    channels, height, width = shape
    rows, high, wide = len(g), height + 2 * padding[0], width + 2 * padding[1]
    y, x = map(place_slices, (high, wide), kernel, stride, dilation)
    # One place of all windows at a time: no two of them are the same pixel.
    columns = np.zeros((rows, channels, kernel[1], high, g.shape[5]), g.dtype)
    for i, part in enumerate(y):
        columns[..., part, :] += g[:, :, i]
    images = np.zeros((rows, channels, high, wide), g.dtype)
    for j, part in enumerate(x):
        images[..., part] += columns[:, :, j]
    inside = images[..., padding[0] : padding[0] + height, padding[1] : padding[1] + width]
    return inside.reshape(rows, -1)
