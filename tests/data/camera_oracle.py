"""The camera once more, one recording and one pixel's shape after the other, without short cuts.

Its numbers are float32, and each is made by the same operations in the same order, so that what
`camera` makes in long sweeps over all recordings can be asked to be the same to the bit.
"""

import numpy as np

from refsast.data.camera import CANVAS, Camera, _assemble_events, _digit_path, _spline_weights
from refsast.data.events import SIZE


def record_one(ink, rng, camera: Camera):
    """The recording of one picture."""
    light = np.log(camera.paper + (camera.ink - camera.paper) * ink).astype(np.float32)
    draw = rng.normal(size=SIZE).astype(np.float32)
    on = np.float32(camera.threshold) * np.exp(np.float32(camera.mismatch) * draw)
    t, pixel, p = crossings(light, on, camera)
    return _assemble_events(t, pixel, p, rng, camera)


def crossings(light, on, camera):
    """Threshold crossings, the state of all pixels being written anew at every step."""
    step, off = camera.step, on * np.float32(camera.off_ratio)
    path = _digit_path(step)
    before = shift_and_blur(light, path[0])
    held, ready = before.copy(), np.zeros(SIZE, np.float32)
    found = []
    for k, place in enumerate(path[1:]):
        now = shift_and_blur(light, place)
        change = now - held
        fires = ((change >= on) | (change <= -off)) & (ready <= step * (k + 1))
        polarity = change > 0
        excess = np.abs(change) - np.where(polarity, on, off)
        moved = np.abs(now - before)
        part = 1.0 - np.minimum(excess, moved) / np.where(moved == 0.0, 1.0, moved)
        t = np.maximum(step * (k + part), ready)
        ready = np.where(fires, t + camera.refractory, ready)
        held = np.where(fires | (ready > step * (k + 1)), now, held)
        pixel = np.flatnonzero(fires)
        found.append((t.ravel()[pixel], pixel, polarity.ravel()[pixel]))
        before = now
    return [np.concatenate(column) for column in zip(*found, strict=True)]


def shift_and_blur(light, place):
    """The picture shifted and blurred, pixel rows first."""
    h, w = SIZE
    column, row = 0.5 * (CANVAS - 1) - place
    i, j = round(row) - 1, round(column) - 1
    a, b = _spline_weights(row - i - 1), _spline_weights(column - j - 1)
    rows = [light[i + k : i + k + h, j : j + w + 2] for k in range(3)]
    mixed = a[0] * rows[0] + a[1] * rows[1] + a[2] * rows[2]
    return b[0] * mixed[:, :w] + b[1] * mixed[:, 1 : w + 1] + b[2] * mixed[:, 2:]
